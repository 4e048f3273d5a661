//! What a client is told: the service's answers, as long as it is there.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::boot::pipe::Pipe;
use crate::control::{ERROR, OK};

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    /// Where answers go; `None` drops them.
    output: Option<Arc<Pipe>>,
    /// Requests that were not answered yet.
    open: usize,
    /// How the line of the answer begins that is under way.
    line: String,
}

/// So much of a line tells what it is.
const TELLING: usize = ERROR.len() + 1;

impl Session {
    /// A client has come.
    pub(super) fn begin(&self, output: &Arc<Pipe>) {
        *self.state() = State { output: Some(Arc::clone(output)), ..State::default() };
    }

    /// The client has gone: whatever it is still answered is for nobody.
    pub(super) fn end(&self) {
        self.state().output = None;
    }

    /// The client has asked for something.
    pub(super) fn note_request(&self) {
        self.state().open += 1;
    }

    /// Waits until every request was answered, but no longer than this; whether that was so.
    pub(super) fn wait_for_answers(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state();
        while state.open > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.answered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes what the service says, as far as the client does; gives how many bytes.
    pub(super) fn offer(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        let taken = state.output.as_ref().map_or(bytes.len(), |output| output.offer(bytes));
        bytes[..taken].iter().for_each(|byte| state.note(*byte));
        self.answered.notify_all();
        taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, byte: u8) {
        if byte == b'\n' {
            if self.line == OK || self.line.split(' ').next() == Some(ERROR) {
                self.open = self.open.saturating_sub(1);
            }
            self.line.clear();
        } else if self.line.len() < TELLING {
            self.line.push(char::from(byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_by_certain_lines() {
        let session = Session::default();
        (0..3).for_each(|_| session.note_request());
        session.offer(b"=name=ok\nok\n=error\nerr");
        assert!(!session.wait_for_answers(Duration::ZERO), "one of three");
        session.offer(b"or there is no such service\nokay\n");
        assert!(!session.wait_for_answers(Duration::ZERO), "two of three");
        session.offer(b"error\n");
        assert!(session.wait_for_answers(Duration::ZERO));
    }
}
