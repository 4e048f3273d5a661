//! The control device's other end: a socket whose clients talk to a service of the system.
//!
//! The host only carries lines. Those of a client are marked with its number, as in `7> services`, and so are the answers to
//! it, as in `7 ok`. What the host says itself cannot be forged: `7 bye` when a client has gone, `signal` if the process is
//! asked to end. A service that begins says `began` before it takes anything: what one before it had taken is answered by nobody.
//! Where init has given the service up nobody is waited for, until it is started again after all.

mod bridge;
mod session;
mod socket;

use std::sync::{Arc, OnceLock};

use limen_vm::device::{ConsoleBackend, Waker};

use self::session::Sessions;
pub(crate) use self::socket::Socket;
use super::threads;

/// See the module. All clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Control {
    sessions: Arc<Sessions>,
    waker: Arc<OnceLock<Waker>>,
}

impl Control {
    /// One whose clients come by `socket`, if there is one.
    pub(crate) fn new(socket: Option<&Socket>) -> Self {
        let control = Self::default();
        if let Some(listener) = socket.and_then(Socket::listener) {
            let bridge = control.clone();
            threads::start("limen-control", move || bridge.serve(&listener));
        }
        control
    }

    /// Tells the service that the system is to end.
    pub(crate) fn signal(&self) {
        self.say("signal\n");
    }

    /// Has the service read this, once there is room for it.
    fn say(&self, text: &str) {
        self.sessions.input.put_whole(text.as_bytes());
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }
}

impl ConsoleBackend for Control {
    fn attach(&mut self, waker: Waker) {
        // What was said before is looked at when its driver is ready.
        _ = self.waker.set(waker);
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        self.sessions.input.take(into)
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.sessions.offer(bytes)
    }

    fn give_up(&mut self) {
        self.sessions.give_up();
    }

    fn listens(&self) -> bool {
        true
    }
}
