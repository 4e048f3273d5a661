//! The bare host: what a program has while there is no kernel. `std/bare.lim` is its other side.

mod files;
mod state;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use limen_vm::{Host, SvcCall, SvcOutcome, Time};

use crate::failure::Failure;
use files::Files;
use state::{Reader, put_bytes, put_count};

/// Numbers of the services, as in `std/bare.lim`.
mod service {
    pub(super) const EXIT: u32 = 0;
    pub(super) const ARG: u32 = 1;
    pub(super) const READ: u32 = 2;
    pub(super) const WRITE: u32 = 3;
    pub(super) const OPEN: u32 = 4;
    pub(super) const CLOSE: u32 = 5;
    pub(super) const SEEK: u32 = 6;
    pub(super) const CLOCK: u32 = 7;
}

/// Why a service failed; programs see the number as a negative result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    NotFound = -1,
    Denied = -2,
    BadHandle = -3,
    Invalid = -4,
    Io = -5,
    NoSpace = -6,
    IsDirectory = -7,
    Exists = -8,
    TooMany = -9,
    BrokenPipe = -10,
}

/// What a service answers: a result, an error for the program, or the end of the call.
enum Answer {
    Result(i64),
    Error(Error),
    End(SvcOutcome),
}

impl From<Result<i64, Error>> for Answer {
    fn from(result: Result<i64, Error>) -> Self {
        result.map_or_else(Answer::Error, Answer::Result)
    }
}

/// Arguments, files and clocks.
pub(crate) struct BareHost {
    arguments: Vec<OsString>,
    files: Files,
}

impl BareHost {
    /// `directory` is the one below which the program may use files.
    pub(crate) fn new(arguments: Vec<OsString>, directory: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { arguments, files: Files::new(directory)? })
    }

    /// All that a program has of the host, for [`BareHost::restore`].
    pub(crate) fn save(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, self.arguments.len());
        for argument in &self.arguments {
            put_bytes(&mut out, argument.as_bytes());
        }
        self.files.save(&mut out);
        out
    }

    /// What a program had: its arguments, and its files, which are opened again.
    pub(crate) fn restore(saved: &[u8], directory: Option<&Path>) -> Result<Self, Failure> {
        let damaged = || Failure::new("what the snapshot says of arguments and files makes no sense");
        let mut reader = Reader(saved);
        let arguments = reader.many(Reader::bytes).ok_or_else(damaged)?;
        let handles = reader.many(files::Handle::read).filter(|_| reader.0.is_empty()).ok_or_else(damaged)?;
        let mut host =
            Self::new(arguments.iter().map(|bytes| OsString::from_vec(bytes.to_vec())).collect(), directory)?;
        host.files.restore(handles)?;
        Ok(host)
    }

    fn answer(&mut self, call: &mut SvcCall<'_>) -> Result<Answer, SvcOutcome> {
        let [first, second, third] = [0, 1, 2].map(|index| call.word(index));
        Ok(match call.number() {
            service::EXIT => Answer::End(SvcOutcome::Exit(first as i32)),
            service::ARG => self.argument(first, call.bytes_mut(second, third)?).into(),
            service::READ => self.files.read(first, call.bytes_mut(second, third)?).into(),
            service::WRITE => self.files.write(first, call.bytes(second, third)?).into(),
            service::OPEN => self.files.open(call.bytes(first, second)?, third).into(),
            service::CLOSE => self.files.close(first).into(),
            service::SEEK => self.files.seek(first, second as i64, third).into(),
            service::CLOCK => clock(first, call).into(),
            _ => Answer::Error(Error::Invalid),
        })
    }

    /// Copies as much of an argument as fits; gives its length.
    fn argument(&self, index: u64, into: &mut [u8]) -> Result<i64, Error> {
        let argument =
            usize::try_from(index).ok().and_then(|index| self.arguments.get(index)).ok_or(Error::NotFound)?;
        let bytes = argument.as_bytes();
        let length = bytes.len().min(into.len());
        into[..length].copy_from_slice(&bytes[..length]);
        Ok(bytes.len() as i64)
    }
}

impl Host for BareHost {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        let result = match self.answer(call) {
            Ok(Answer::Result(result)) => result,
            Ok(Answer::Error(error)) => error as i64,
            Ok(Answer::End(outcome)) | Err(outcome) => return outcome,
        };
        call.set_word(0, result as u64);
        SvcOutcome::Continue
    }
}

/// Nanoseconds of the wall clock (0) or of a clock that never goes back (1). In virtual time both are the fuel burnt.
fn clock(id: u64, call: &SvcCall<'_>) -> Result<i64, Error> {
    match (id, call.time()) {
        (0, Time::Live) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::Io)?;
            i64::try_from(since.as_nanos()).map_err(|_| Error::Io)
        }
        (0 | 1, _) => Ok(call.now()),
        _ => Err(Error::Invalid),
    }
}
