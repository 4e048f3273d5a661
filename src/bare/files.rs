//! Files of the bare host: the standard streams, and what lies below one directory.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::Error;
use crate::failure::Failure;

/// Open files of a program. More are refused.
const MAX_OPEN: usize = 256;

/// Files by handle, and the directory they may come from.
pub(super) struct Files {
    open: Vec<Option<File>>,
    /// Paths cannot lead out of it, whatever links and dots they contain.
    directory: Option<Dir>,
}

impl Files {
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, Failure> {
        let open = |path: &Path| {
            Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| Failure::of_file(path, error))
        };
        let directory = directory.map(open).transpose()?;
        let standard = [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()]
            .map(|stream| stream.try_clone_to_owned().ok().map(File::from));
        Ok(Self { open: standard.into(), directory })
    }

    fn file(&mut self, handle: u64) -> Result<&mut File, Error> {
        let slot = usize::try_from(handle).ok().and_then(|handle| self.open.get_mut(handle));
        slot.and_then(Option::as_mut).ok_or(Error::BadHandle)
    }

    pub(super) fn read(&mut self, handle: u64, into: &mut [u8]) -> Result<i64, Error> {
        retry(|| self.file(handle).map(|file| file.read(into)))
    }

    pub(super) fn write(&mut self, handle: u64, from: &[u8]) -> Result<i64, Error> {
        retry(|| self.file(handle).map(|file| file.write(from)))
    }

    /// Flags: 0 read; 1 write, created and emptied; 2 append, created; 3 read and write.
    pub(super) fn open(&mut self, path: &[u8], flags: u64) -> Result<i64, Error> {
        let path = std::str::from_utf8(path).map_err(|_| Error::Invalid)?;
        let directory = self.directory.as_ref().ok_or(Error::Denied)?;
        let mut options = OpenOptions::new();
        match flags {
            0 => options.read(true),
            1 => options.write(true).create(true).truncate(true),
            2 => options.append(true).create(true),
            3 => options.read(true).write(true),
            _ => return Err(Error::Invalid),
        };
        let file = directory.open_with(path, &options).map_err(|error| number(&error))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::IsDirectory);
        }
        self.keep(file.into_std())
    }

    /// The lowest free handle.
    fn keep(&mut self, file: File) -> Result<i64, Error> {
        let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if free >= MAX_OPEN {
            return Err(Error::TooMany);
        }
        if free == self.open.len() {
            self.open.push(None);
        }
        self.open[free] = Some(file);
        Ok(free as i64)
    }

    pub(super) fn close(&mut self, handle: u64) -> Result<i64, Error> {
        self.file(handle)?;
        self.open[handle as usize] = None;
        Ok(0)
    }

    pub(super) fn seek(&mut self, handle: u64, offset: i64, whence: u64) -> Result<i64, Error> {
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Error::Invalid)?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(Error::Invalid),
        };
        let position = self.file(handle)?.seek(to).map_err(|error| number(&error))?;
        i64::try_from(position).map_err(|_| Error::Invalid)
    }
}

/// Does it again as long as a signal comes between.
fn retry(mut transfer: impl FnMut() -> Result<io::Result<usize>, Error>) -> Result<i64, Error> {
    loop {
        match transfer()? {
            Ok(count) => return Ok(count as i64),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(number(&error)),
        }
    }
}

fn number(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Denied,
        ErrorKind::InvalidInput | ErrorKind::NotSeekable | ErrorKind::NotADirectory => Error::Invalid,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::NoSpace,
        ErrorKind::IsADirectory => Error::IsDirectory,
        ErrorKind::AlreadyExists => Error::Exists,
        ErrorKind::BrokenPipe => Error::BrokenPipe,
        _ => Error::Io,
    }
}
