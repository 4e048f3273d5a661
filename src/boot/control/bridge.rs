//! One client after the other.

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

/// How long a client that has gone, or an answer to it, is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often somebody who waits for an answer is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Control {
    /// Serves all who come, for ever.
    pub(super) fn serve(&self, listener: &UnixListener) {
        for client in listener.incoming() {
            match client {
                Ok(client) => self.serve_one(&client),
                // Out of descriptors, say: that may pass.
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }

    fn serve_one(&self, client: &UnixStream) {
        let output = Arc::new(Pipe::default());
        let Ok(writer) = client.try_clone() else { return };
        self.session.begin(&output);
        let (answers, control) = (Arc::clone(&output), self.clone());
        threads::start("limen-answers", move || control.answer(&answers, writer));
        self.say("hello\n");
        self.forward(client);
        while !self.session.wait_for_answers(LOOK) && !has_hung_up(client) {}
        self.session.end();
        self.say("bye\n");
        output.flush(PATIENCE);
        _ = client.shutdown(Shutdown::Both);
        // What is still on its way to this one must not go to the next.
        self.session.wait_for_answers(PATIENCE);
    }

    /// Hands the client's lines on, until it says no more or what is no line.
    fn forward(&self, client: &UnixStream) {
        let mut lines = BufReader::new(client);
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let Some(request) = read.ok().and_then(|_| line.strip_suffix(b"\n")) else { return };
            // A line of text: nothing in it may look like its end.
            let Ok(request) = std::str::from_utf8(request) else { return };
            self.session.note_request();
            self.say(&format!("> {}\n", request.replace(char::is_control, " ")));
        }
    }

    /// Tells the client what it is answered.
    fn answer(&self, answers: &Pipe, mut client: UnixStream) {
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
