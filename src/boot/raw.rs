//! Raw mode: each byte typed goes to the system at once, and none means anything on its way there.

use std::io::stdin;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::terminal;

/// How the terminal was before; `None` while it is as it was. One for the process, since a panic must find it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in raw mode, as long as this is there, and to the end of the process at the latest.
pub(crate) struct RawMode(());

impl RawMode {
    /// Puts the terminal into raw mode, if standard input is one. A panic puts it back before it says anything.
    pub(crate) fn enter() -> Self {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            report(info);
        }));
        renew();
        Self(())
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal into raw mode, also where somebody else has put it into another one meanwhile.
pub(crate) fn renew() {
    if !terminal::is_interactive() {
        return;
    }
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(now) = tcgetattr(stdin()) {
        let mut raw = now.clone();
        raw.make_raw();
        // A terminal that cannot be changed still works, line by line.
        _ = tcsetattr(stdin(), OptionalActions::Now, &raw);
        before.get_or_insert(now);
    }
}

/// Puts it back.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}
