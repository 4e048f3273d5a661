//! Records of a system's calls.
//!
//! The kernel writes [`event`]s into a ring; a device of `limen boot --record` takes them from there, and a [`writer`] makes a file of
//! them. The file is in the trace event format, as an array with one event on each line, which Perfetto opens as it is: a
//! service is a process, a thread a thread, a call a slice on the caller's thread and another one on that of the server, with
//! an arrow from the one to the other. The format allows the end of the array to be missing, so a file is good up to its last
//! whole line whatever ended the system. [`calls`] reads it again.

pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod names;
pub(crate) mod show;
mod threads;
pub(crate) mod writer;

/// The name of the first event of a record, by which it is known.
pub(crate) const FORMAT: &str = "limen";

/// The version that is written and read.
pub(crate) const VERSION: u64 = 1;

/// The categories of slices: a call as its caller sees it, and as its server does.
pub(crate) const CALL: &str = "call";
pub(crate) const SERVE: &str = "serve";

/// The name of the event that says that others are missing.
pub(crate) const LOST: &str = "lost";
