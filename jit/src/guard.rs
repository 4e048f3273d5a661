//! The guard of home: where compiled code accesses what is not there, the host stops it with a signal, and the instruction faults.
//!
//! The handler is there for the whole process, from the first time that it is wanted. It deals with signals that an access of
//! compiled code to the home of its own context raised, on the thread that raised it, and passes all others on to whoever would
//! have had them.

use std::cell::Cell;
use std::ptr::null_mut;

use crate::arch;
use crate::context::Processor;

thread_local! {
    /// What lets compiled code run on this thread, while it does.
    static WATCHED: Cell<*mut Processor> = const { Cell::new(null_mut()) };
}

/// Whether the host stops compiled code that accesses what is not there, so that it faults.
pub(crate) fn is_there() -> bool {
    arch::install_guard()
}

/// While this lives, compiled code that is stopped on this thread is one that this processor runs.
pub(crate) struct Watch {
    outer: *mut Processor,
}

pub(crate) fn watch(processor: *mut Processor) -> Watch {
    Watch { outer: WATCHED.replace(processor) }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(self.outer);
    }
}

/// What lets compiled code run on this thread; null if nothing does. Can be asked from a signal's handler.
pub(crate) fn watched() -> *mut Processor {
    WATCHED.get()
}
