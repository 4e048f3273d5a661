//! Signals to the process: another size of the window, and the wish that the system end.

use std::time::Duration;

use limen_vm::StopHandle;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::control::Control;
use super::terminal::Terminal;
use super::{raw, threads};
use crate::failure::Failure;

/// How long the system has to end by itself before it is stopped.
const GRACE: Duration = Duration::from_secs(2);

/// Deals with signals from now on. One that wants the system to end is told to the system, if it has a device for that; if it
/// then does not end in time, or for a second signal, its machine is stopped.
pub(crate) fn attend(terminal: Terminal, control: Option<Control>, stop: StopHandle) -> Result<(), Failure> {
    let signals = Signals::new([SIGWINCH, SIGCONT, SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.map_err(|error| Failure::new(format_args!("signals: {error}")))?;
    threads::start("limen-signals", move || {
        let mut was_told = false;
        for signal in signals.forever() {
            match signal {
                SIGWINCH => terminal.look_at_size(),
                SIGCONT => raw::renew(),
                _ if std::mem::replace(&mut was_told, true) => stop.stop(),
                _ => end(control.as_ref(), &stop),
            }
        }
    });
    Ok(())
}

fn end(control: Option<&Control>, stop: &StopHandle) {
    let Some(control) = control else { return stop.stop() };
    let stop = stop.clone();
    threads::start("limen-grace", move || {
        std::thread::sleep(GRACE);
        stop.stop();
    });
    control.signal();
}
