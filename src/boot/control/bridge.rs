//! Clients, each with threads of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Control;
use crate::boot::pipe::Pipe;
use crate::boot::threads;

/// A longer line is no request.
const LONGEST_LINE: u64 = 4096;

/// How long what a client was answered may take to be written once it has gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often somebody who waits for an answer is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Control {
    /// Serves all who come, for ever.
    pub(super) fn serve(&self, listener: &UnixListener) {
        for client in listener.incoming() {
            match client {
                Ok(client) => {
                    let control = self.clone();
                    threads::start("limen-client", move || control.serve_one(&client));
                }
                // Out of descriptors, say: that may pass.
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }

    fn serve_one(&self, client: &UnixStream) {
        let output = Arc::new(Pipe::default());
        let (Ok(mut writer), Some(session)) = (client.try_clone(), self.sessions.begin(&output)) else {
            // There is nobody else to tell.
            _ = (&mut &*client).write_all(b"error too many ask at once\n");
            return;
        };
        let (answers, control) = (Arc::clone(&output), self.clone());
        threads::start("limen-answers", move || control.answer(&answers, &mut writer));
        self.forward(client, session);
        while !self.sessions.wait_for_answers(session, LOOK) && !has_hung_up(client) {}
        self.sessions.end(session);
        self.say(&format!("{session} bye\n"));
        output.flush(PATIENCE);
        // It may have gone already.
        _ = client.shutdown(Shutdown::Both);
    }

    /// Hands the client's lines on, until it says no more or what is no line.
    fn forward(&self, client: &UnixStream, session: u64) {
        let mut lines = BufReader::new(client);
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let Some(request) = read.ok().and_then(|_| line.strip_suffix(b"\n")) else { return };
            // A line of text: nothing in it may look like its end.
            let Ok(request) = std::str::from_utf8(request) else { return };
            self.sessions.ask(session, &request.replace(char::is_control, " "));
            self.wake();
        }
    }

    /// Tells the client what it is answered.
    fn answer(&self, answers: &Pipe, client: &mut UnixStream) {
        let mut piece = [0; 4096];
        while let (count @ 1.., is_waited_for) = answers.drain(&mut piece) {
            let is_gone = client.write_all(&piece[..count]).is_err();
            if is_gone {
                answers.break_off(count);
                _ = client.shutdown(Shutdown::Both);
            }
            if is_gone || is_waited_for {
                self.wake();
            }
        }
        answers.finish();
    }
}

/// Whether nobody is there any more, neither to speak nor to listen.
fn has_hung_up(client: &UnixStream) -> bool {
    let mut polled = [PollFd::new(client, PollFlags::empty())];
    let ready = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    ready.is_err() || polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
