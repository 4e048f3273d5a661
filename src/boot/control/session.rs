//! Who is told what: the lines of the service's answers go to the clients whose numbers they begin with.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::boot::pipe::Pipe;
use crate::control::{ERROR, OK};

/// No more clients are served at once.
const MOST: usize = 64;

/// A longer line is none of an answer's: what it has too much is dropped.
const LONGEST_LINE: usize = 1024;

/// So long an answer waits for a client to take it; the others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the service says when it begins.
const BEGAN: &str = "began";

/// What a client is told of a request that was taken by a service that is no more.
const LOST: &str = "error the service that answers was started again: whether this was done nobody knows";

/// What a client is told while nobody answers.
const GONE: &str = "error the service that answers has stopped for good";

/// All clients that are there.
#[derive(Default)]
pub(crate) struct Sessions {
    /// Lines for the service.
    pub(super) input: Pipe,
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    /// By their numbers, which never come again.
    clients: HashMap<u64, Client>,
    latest: u64,
    /// The service was given up.
    is_given_up: bool,
    /// The line that is under way.
    line: Vec<u8>,
    /// Since when its client has had no room for it.
    full_since: Option<Instant>,
}

struct Client {
    output: Arc<Pipe>,
    /// Requests that were not answered yet.
    open: usize,
    /// It has asked for something without end: lines for which it has no room are left out.
    is_lossy: bool,
    missing: u64,
}

impl Sessions {
    /// A client has come, and gets a number; `None` if there are too many.
    pub(super) fn begin(&self, output: &Arc<Pipe>) -> Option<u64> {
        let mut state = self.state();
        if state.clients.len() == MOST {
            return None;
        }
        state.latest += 1;
        let (number, output) = (state.latest, Arc::clone(output));
        state.clients.insert(number, Client { output, open: 0, is_lossy: false, missing: 0 });
        Some(number)
    }

    /// The client has gone: whatever it is still answered is for nobody.
    pub(super) fn end(&self, client: u64) {
        self.state().clients.remove(&client);
    }

    /// Has the service read what a client asks for, once there is room for it.
    pub(super) fn ask(&self, client: u64, request: &str) {
        let line = format!("{client}> {request}\n");
        while !self.try_to_ask(client, request, &line) {
            self.input.wait_for_room(line.len());
        }
    }

    /// A request is open as soon as the service can take it.
    fn try_to_ask(&self, client: u64, request: &str, line: &str) -> bool {
        let mut state = self.state();
        if state.is_given_up {
            return state.clients.get_mut(&client).is_none_or(|client| client.tell_at_last(GONE));
        }
        let is_put = self.input.offer_whole(line.as_bytes());
        if let Some(client) = state.clients.get_mut(&client).filter(|_| is_put) {
            client.open += 1;
            client.is_lossy |= request.split_whitespace().next() == Some("trace");
        }
        is_put
    }

    /// Waits until every request of a client was answered, but no longer than this; whether that was so.
    pub(super) fn wait_for_answers(&self, client: u64, patience: Duration) -> bool {
        let waits = |state: &mut State| state.clients.get(&client).is_some_and(|client| client.open > 0);
        let waited = self.answered.wait_timeout_while(self.state(), patience, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Nobody answers any more, whatever was asked, until a service begins.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        state.is_given_up = true;
        self.input.break_off(0);
        for client in state.clients.values_mut() {
            client.lose(0, GONE);
        }
        self.answered.notify_all();
    }

    /// Takes what the service says, as far as the clients do; gives how many bytes.
    pub(super) fn offer(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        let taken = bytes.iter().take_while(|byte| state.take(**byte, &self.input)).count();
        self.answered.notify_all();
        taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// `false` if the line that this byte ends has to wait.
    fn take(&mut self, byte: u8, input: &Pipe) -> bool {
        if byte == b'\n' {
            if self.line == BEGAN.as_bytes() {
                self.begin_anew(input);
            }
            let is_patient = self.full_since.is_none_or(|since| since.elapsed() < PATIENCE);
            if !self.route(is_patient) {
                self.full_since.get_or_insert_with(Instant::now);
                return false;
            }
            self.full_since = None;
            self.line.clear();
        } else if self.line.len() < LONGEST_LINE {
            self.line.push(byte);
        }
        true
    }

    /// Another service answers from now on. Requests that have not been taken yet are left to it.
    fn begin_anew(&mut self, input: &Pipe) {
        self.is_given_up = false;
        let left = input.begin_anew();
        let left = String::from_utf8_lossy(&left);
        for (number, client) in &mut self.clients {
            let is_of = |line: &&str| line.split_once("> ").is_some_and(|(of, _)| of.parse() == Ok(*number));
            client.lose(left.lines().filter(is_of).count(), LOST);
        }
    }

    /// Gives the line to its client; `false` if that has no room for it yet. One who is waited for too long is told no more.
    fn route(&mut self, is_patient: bool) -> bool {
        let line = String::from_utf8_lossy(&self.line);
        let Some((number, text)) = line.split_once(' ') else { return true };
        let client = number.parse().ok().and_then(|number: u64| self.clients.get_mut(&number));
        let Some(client) = client else { return true };
        if !client.tell(text) {
            if !client.is_lossy && is_patient {
                return false;
            }
            if !client.is_lossy {
                client.output.break_off(0);
            }
            client.missing += 1;
        }
        if text == OK || text.split(' ').next() == Some(ERROR) {
            client.open = client.open.saturating_sub(1);
        }
        true
    }
}

impl Client {
    /// All its open requests but so many will not be answered, and it is told why.
    fn lose(&mut self, others: usize, why: &str) {
        let _is_told = (others..self.open).all(|_| self.tell_at_last(why));
        self.open = others;
    }

    /// Whether there was room for a line; if not, it is told no more.
    fn tell_at_last(&mut self, text: &str) -> bool {
        let is_told = self.tell(text);
        if !is_told {
            self.output.break_off(0);
        }
        is_told
    }

    /// Whether there was room for a line, and for saying that others are missing.
    fn tell(&mut self, text: &str) -> bool {
        let gap = match self.missing {
            0 => String::new(),
            missing => format!("=event=missing\tcount={missing}\n"),
        };
        let is_told = self.output.offer_whole(format!("{gap}{text}\n").as_bytes());
        if is_told {
            self.missing = 0;
        }
        is_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pipe: &Pipe) -> String {
        let mut bytes = vec![0; 1 << 17];
        let count = pipe.take(&mut bytes);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn each_client_gets_its_own_lines() {
        let (sessions, first, second) = (Sessions::default(), Arc::<Pipe>::default(), Arc::<Pipe>::default());
        let (one, two) =
            (sessions.begin(&first).expect("there is room"), sessions.begin(&second).expect("there is room"));
        (0..2).for_each(|_| sessions.ask(one, "services"));
        sessions.ask(two, "kill x");
        sessions.offer(b"1 =name=ok\n1 ok\n2 error th");
        assert!(!sessions.wait_for_answers(one, Duration::ZERO) && !sessions.wait_for_answers(two, Duration::ZERO));
        sessions.offer(b"ere is no x\n3 ok\nnonsense\n1 error\n");
        assert!(sessions.wait_for_answers(one, Duration::ZERO) && sessions.wait_for_answers(two, Duration::ZERO));
        assert_eq!((told(&first), told(&second)), ("=name=ok\nok\nerror\n".into(), "error there is no x\n".into()));
    }

    /// 100 bytes of a line for a client: more than 655 of them fill its pipe.
    fn line(client: u64) -> Vec<u8> {
        format!("{client} ={}\n", "x".repeat(98)).into_bytes()
    }

    #[test]
    fn an_answer_waits_for_its_client() {
        let (sessions, slow) = (Sessions::default(), Arc::<Pipe>::default());
        let client = sessions.begin(&slow).expect("there is room");
        sessions.ask(client, "services");
        let line = line(client);
        let fits = (0..1000).take_while(|_| sessions.offer(&line) == line.len()).count();
        assert_eq!(sessions.offer(b"\n"), 0, "only the end of the line is missing");
        let all = told(&slow);
        assert_eq!((all.lines().count(), sessions.offer(b"\n")), (fits, 1));
        assert_eq!(told(&slow).lines().count(), 1);
    }

    #[test]
    fn a_trace_waits_for_nobody_and_says_what_is_missing() {
        let (sessions, slow) = (Sessions::default(), Arc::<Pipe>::default());
        let client = sessions.begin(&slow).expect("there is room");
        sessions.ask(client, "trace store");
        let line = line(client);
        assert!((0..1000).all(|_| sessions.offer(&line) == line.len()));
        let fits = told(&slow).lines().count();
        sessions.offer(&line);
        assert!(told(&slow).starts_with(&format!("=event=missing\tcount={}\n=x", 1000 - fits)));
    }

    /// What a service has taken that is no more is answered by nobody; what waits is left to the next one, but for half a line.
    #[test]
    fn a_service_that_begins_anew_answers_what_was_not_taken() {
        let (sessions, first, second) = (Sessions::default(), Arc::<Pipe>::default(), Arc::<Pipe>::default());
        let (one, two) =
            (sessions.begin(&first).expect("there is room"), sessions.begin(&second).expect("there is room"));
        sessions.ask(one, "services");
        sessions.offer(b"began\n");
        assert!(!sessions.wait_for_answers(one, Duration::ZERO), "nothing has been taken yet");
        sessions.ask(two, "trace store");
        sessions.ask(one, "kill 2> x");
        sessions.ask(two, "services");
        assert_eq!(
            sessions.input.take(&mut [0; 12 + 15 + 4]),
            31,
            "a line, another one, and the beginning of the third"
        );
        sessions.offer(b"1 =name=lo");
        sessions.offer(b"\nbegan\n");
        let error = format!("{LOST}\n");
        assert_eq!((told(&first), told(&second)), (format!("=name=lo\n{error}{error}"), error));
        assert!(sessions.wait_for_answers(one, Duration::ZERO) && !sessions.wait_for_answers(two, Duration::ZERO));
        assert_eq!(told(&sessions.input), "2> services\n");
        sessions.offer(b"2 ok\n");
        assert!(sessions.wait_for_answers(two, Duration::ZERO));
    }

    /// Where the service is given up nobody is waited for, until another one begins after all.
    #[test]
    fn a_service_that_is_given_up_answers_nobody() {
        let (sessions, output) = (Sessions::default(), Arc::<Pipe>::default());
        let client = sessions.begin(&output).expect("there is room");
        sessions.ask(client, "services");
        sessions.give_up();
        assert!(sessions.wait_for_answers(client, Duration::ZERO));
        for _ in 0..10_000 {
            sessions.ask(client, "services");
            sessions.input.put_whole(b"1 bye\n");
            assert!(sessions.wait_for_answers(client, Duration::ZERO));
            assert!(!told(&output).is_empty(), "it is told each time");
        }
        sessions.ask(client, "services");
        assert_eq!(told(&output), format!("{GONE}\n"));
        sessions.offer(b"\nbegan\n");
        sessions.ask(client, "services");
        assert_eq!(told(&sessions.input), format!("{client}> services\n"), "what was asked before is forgotten");
        sessions.offer(format!("{client} ok\n").as_bytes());
        assert!(sessions.wait_for_answers(client, Duration::ZERO));
        assert_eq!(told(&output), "ok\n");
    }
}
