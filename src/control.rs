//! The socket on which `limen ctl` talks to a running system: what both ends must know.

pub(crate) mod answer;
pub(crate) mod table;

use std::path::PathBuf;

/// The line with which a request that was met is answered, behind its data.
pub(crate) const OK: &str = "ok";

/// What begins the line with which a request that was not met is answered.
pub(crate) const ERROR: &str = "error";

/// What begins a line of data.
pub(crate) const DATA: char = '=';

/// Where a system is talked to if nothing else is said.
pub(crate) fn default_socket() -> PathBuf {
    let directory = match std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory).join("limen"),
        None => PathBuf::from(format!("/tmp/limen-{}", rustix::process::getuid().as_raw())),
    };
    directory.join("ctl")
}
