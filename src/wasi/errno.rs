//! Errors of WASI.

use std::io;

use rustix::io::Errno as HostErrno;

/// Why a function failed, by the number that the program gets. Only those that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    TooBig = 1,
    Access = 2,
    Again = 6,
    BadDescriptor = 8,
    Busy = 10,
    Quota = 19,
    Exists = 20,
    Fault = 21,
    FileTooBig = 22,
    IllegalSequence = 25,
    Interrupted = 27,
    Invalid = 28,
    Io = 29,
    IsDirectory = 31,
    Loop = 32,
    TooManyDescriptors = 33,
    TooManyLinks = 34,
    NameTooLong = 37,
    TooManyFiles = 41,
    NoDevice = 43,
    NoEntry = 44,
    NoMemory = 48,
    NoSpace = 51,
    NotDirectory = 54,
    NotEmpty = 55,
    NotSocket = 57,
    NotSupported = 58,
    NoSuchDevice = 60,
    Overflow = 61,
    NotPermitted = 63,
    Pipe = 64,
    ReadOnly = 69,
    Seek = 70,
    TextBusy = 74,
    CrossDevice = 75,
    NotCapable = 76,
}

/// What the host says and what the program is told.
const FROM_HOST: [(HostErrno, Errno); 32] = [
    (HostErrno::TOOBIG, Errno::TooBig),
    (HostErrno::ACCESS, Errno::Access),
    (HostErrno::AGAIN, Errno::Again),
    (HostErrno::BADF, Errno::BadDescriptor),
    (HostErrno::BUSY, Errno::Busy),
    (HostErrno::DQUOT, Errno::Quota),
    (HostErrno::EXIST, Errno::Exists),
    (HostErrno::FBIG, Errno::FileTooBig),
    (HostErrno::ILSEQ, Errno::IllegalSequence),
    (HostErrno::INTR, Errno::Interrupted),
    (HostErrno::INVAL, Errno::Invalid),
    (HostErrno::ISDIR, Errno::IsDirectory),
    (HostErrno::LOOP, Errno::Loop),
    (HostErrno::MFILE, Errno::TooManyDescriptors),
    (HostErrno::MLINK, Errno::TooManyLinks),
    (HostErrno::NAMETOOLONG, Errno::NameTooLong),
    (HostErrno::NFILE, Errno::TooManyFiles),
    (HostErrno::NODEV, Errno::NoDevice),
    (HostErrno::NOENT, Errno::NoEntry),
    (HostErrno::NOMEM, Errno::NoMemory),
    (HostErrno::NOSPC, Errno::NoSpace),
    (HostErrno::NOTDIR, Errno::NotDirectory),
    (HostErrno::NOTEMPTY, Errno::NotEmpty),
    (HostErrno::NOTSUP, Errno::NotSupported),
    (HostErrno::NXIO, Errno::NoSuchDevice),
    (HostErrno::OVERFLOW, Errno::Overflow),
    (HostErrno::PERM, Errno::NotPermitted),
    (HostErrno::PIPE, Errno::Pipe),
    (HostErrno::ROFS, Errno::ReadOnly),
    (HostErrno::SPIPE, Errno::Seek),
    (HostErrno::TXTBSY, Errno::TextBusy),
    (HostErrno::XDEV, Errno::CrossDevice),
];

impl From<HostErrno> for Errno {
    fn from(errno: HostErrno) -> Self {
        FROM_HOST.iter().find(|(host, _)| *host == errno).map_or(Self::Io, |(_, own)| *own)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        match (HostErrno::from_io_error(&error), error.kind()) {
            (Some(errno), _) => errno.into(),
            // The sandbox says so of paths that lead out of a directory.
            (None, io::ErrorKind::PermissionDenied) => Self::NotPermitted,
            (None, io::ErrorKind::InvalidInput) => Self::Invalid,
            (None, io::ErrorKind::Unsupported) => Self::NotSupported,
            (None, _) => Self::Io,
        }
    }
}
