//! Files of the bare host: the standard streams, and what lies below one directory.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::Error;
use super::state::{Reader, put_bytes};
use crate::failure::Failure;

/// Open files of a program. More are refused.
const MAX_OPEN: usize = 256;

/// Files by handle, and the directory they may come from.
pub(super) struct Files {
    open: Vec<Option<Open>>,
    /// Paths cannot lead out of it, whatever links and dots they contain.
    directory: Option<Dir>,
}

/// An open file, and how to open it again.
struct Open {
    file: File,
    origin: Origin,
}

/// Where a file came from.
enum Origin {
    /// It is the process's own stream of this number.
    Standard(u8),
    /// It was opened by this name and with these flags.
    Opened { path: String, flags: u8 },
}

/// What is kept of a handle; `None` if it is not open.
pub(super) struct Handle(Option<(Origin, u64)>);

impl Handle {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self(match reader.byte()? {
            CLOSED => None,
            STANDARD => Some((Origin::Standard(reader.byte().filter(|stream| *stream < 3)?), 0)),
            OPENED => {
                let flags = reader.byte()?;
                let position = reader.number()?;
                let path = String::from_utf8(reader.bytes()?.to_vec()).ok()?;
                Some((Origin::Opened { path, flags }, position))
            }
            _ => return None,
        }))
    }
}

/// How a handle is kept: what it is.
const CLOSED: u8 = 0;
const STANDARD: u8 = 1;
const OPENED: u8 = 2;

/// The process's own stream of this number, if it has it.
fn standard(stream: u8) -> Option<Open> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let file = streams.get(usize::from(stream))?.try_clone_to_owned().ok().map(File::from)?;
    Some(Open { file, origin: Origin::Standard(stream) })
}

impl Files {
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, Failure> {
        let open = |path: &Path| {
            Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| Failure::of_file(path, error))
        };
        let directory = directory.map(open).transpose()?;
        Ok(Self { open: (0..3).map(standard).collect(), directory })
    }

    /// Appends what [`Handle::read`] reads.
    pub(super) fn save(&mut self, out: &mut Vec<u8>) {
        super::put_count(out, self.open.len());
        for open in &mut self.open {
            match open {
                None => out.push(CLOSED),
                Some(Open { origin: Origin::Standard(stream), .. }) => out.extend([STANDARD, *stream]),
                Some(Open { origin: Origin::Opened { path, flags }, file }) => {
                    out.extend([OPENED, *flags]);
                    // What has no position, like a pipe, is read on from where it is.
                    out.extend(file.stream_position().unwrap_or(0).to_le_bytes());
                    put_bytes(out, path.as_bytes());
                }
            }
        }
    }

    /// Opens again what was open.
    pub(super) fn restore(&mut self, handles: Vec<Handle>) -> Result<(), Failure> {
        self.open = handles.into_iter().map(|handle| self.reopen(handle)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn reopen(&self, handle: Handle) -> Result<Option<Open>, Failure> {
        let (path, flags, position) = match handle.0 {
            None => return Ok(None),
            Some((Origin::Standard(stream), _)) => return Ok(standard(stream)),
            Some((Origin::Opened { path, flags }, position)) => (path, flags, position),
        };
        let failure = |error: &dyn std::fmt::Display| {
            Failure::new(format_args!("the program has `{path}` open, which cannot be opened again: {error}"))
        };
        let Some(directory) = &self.directory else { return Err(failure(&"there is no --dir")) };
        let mut options = options(u64::from(flags)).map_err(|_| failure(&"there is no such way to open it"))?;
        // It is there, and what is in it stays.
        let file = directory.open_with(&path, options.create(false).truncate(false));
        let mut file = file.map_err(|error| failure(&error))?.into_std();
        if position > 0 {
            file.seek(SeekFrom::Start(position)).map_err(|error| failure(&error))?;
        }
        Ok(Some(Open { file, origin: Origin::Opened { path, flags } }))
    }

    fn file(&mut self, handle: u64) -> Result<&mut File, Error> {
        let slot = usize::try_from(handle).ok().and_then(|handle| self.open.get_mut(handle));
        slot.and_then(Option::as_mut).map(|open| &mut open.file).ok_or(Error::BadHandle)
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
        let file = directory.open_with(path, &options(flags)?).map_err(|error| number(&error))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::IsDirectory);
        }
        let origin = Origin::Opened { path: path.to_owned(), flags: flags as u8 };
        self.keep(Open { file: file.into_std(), origin })
    }

    /// The lowest free handle.
    fn keep(&mut self, open: Open) -> Result<i64, Error> {
        let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if free >= MAX_OPEN {
            return Err(Error::TooMany);
        }
        if free == self.open.len() {
            self.open.push(None);
        }
        self.open[free] = Some(open);
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

/// How a file is opened with these flags.
fn options(flags: u64) -> Result<OpenOptions, Error> {
    let mut options = OpenOptions::new();
    match flags {
        0 => options.read(true),
        1 => options.write(true).create(true).truncate(true),
        2 => options.append(true).create(true),
        3 => options.read(true).write(true),
        _ => return Err(Error::Invalid),
    };
    Ok(options)
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
