//! The socket: where it may be, so that nobody but its owner talks to the system.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::failure::Failure;

/// A socket that is listened on. Its file goes with it.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no socket.
pub(crate) enum Refusal {
    /// Another system is talked to there.
    Taken(Failure),
    /// It would not be safe, or cannot be.
    Other(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Taken(failure) | Refusal::Other(failure) => failure,
        }
    }
}

impl Socket {
    /// Listens at a path, in a directory that only its owner may enter; that is made if it is not there.
    ///
    /// # Errors
    ///
    /// If the directory or what is at the path is somebody else's, or a system is talked to there already.
    pub(crate) fn bind(path: &Path) -> Result<Self, Refusal> {
        let refused = |text: &str| Refusal::Other(Failure::of_file(path, text));
        check_directory(path).map_err(|text| refused(&text))?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused(&error.to_string())),
            Ok(there) if !there.file_type().is_socket() => return Err(refused("is there already, and is no socket")),
            Ok(there) if there.uid() != own_uid() => return Err(refused("is somebody else's")),
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(Refusal::Taken(Failure::of_file(path, "a system is running there already")));
            }
            // One that was left behind.
            Ok(_) => fs::remove_file(path).map_err(|error| refused(&error.to_string()))?,
        }
        let listener = UnixListener::bind(path).map_err(|error| refused(&error.to_string()))?;
        let socket = Self { listener, path: path.to_owned() };
        // Nobody else comes so far: the directory is the owner's alone.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| refused(&error.to_string()))?;
        Ok(socket)
    }

    /// Where clients come; `None` if the host has no descriptor for it.
    pub(super) fn listener(&self) -> Option<UnixListener> {
        self.listener.try_clone().ok()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        _ = fs::remove_file(&self.path);
    }
}

/// Makes the directory of a path if it is not there; says what is wrong if others than its owner may enter it.
fn check_directory(path: &Path) -> Result<(), String> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let owner_only = Mode::RWXU.as_raw_mode();
    match fs::DirBuilder::new().mode(owner_only).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(format!("its directory: {error}")),
        _ => {}
    }
    let there = fs::metadata(directory).map_err(|error| format!("its directory: {error}"))?;
    if there.uid() != own_uid() {
        Err("its directory is somebody else's".to_owned())
    } else if there.mode() & 0o077 != 0 {
        Err(format!("others may enter its directory: `chmod 700 {}` keeps them out", directory.display()))
    } else {
        Ok(())
    }
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}
