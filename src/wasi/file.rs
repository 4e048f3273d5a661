//! Functions on open files.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use cap_fs_ext::SystemTimeSpec;
use cap_std::fs::{Metadata, MetadataExt};
use rustix::fs::{Advice, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::descriptors::Object;
use super::directory::kind_of;
use super::errno::Errno;
use super::{Call, Refusal, Wasi, poll, rights};

/// Bits of `fdflags`.
pub(super) const APPEND: u16 = 1 << 0;
pub(super) const DSYNC: u16 = 1 << 1;
pub(super) const NONBLOCK: u16 = 1 << 2;
pub(super) const RSYNC: u16 = 1 << 3;
pub(super) const SYNC: u16 = 1 << 4;

pub(super) fn close(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    wasi.descriptors.close(call.word(0))?;
    Ok(())
}

pub(super) fn renumber(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    Ok(wasi.descriptors.renumber(call.word(0), call.word(1))?)
}

// ---- Reading and writing -----------------------------------------------------------------------------------------------

pub(super) fn read(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let end = wasi.end;
    let mut file: &File = wasi.descriptors.file(call.word(0), rights::FD_READ)?;
    if end.is_some_and(|end| !poll::is_readable_before(file, end)) {
        return Err(Errno::Interrupted.into());
    }
    let count = each_buffer(call, |bytes, _| file.read(bytes))?;
    Ok(call.memory.write_u32(call.word(3), count)?)
}

pub(super) fn pread(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file: &File = wasi.descriptors.file(call.word(0), rights::FD_READ | rights::FD_SEEK)?;
    let offset = call.long(3);
    let count = each_buffer(call, |bytes, done| file.read_at(bytes, at(offset, done)?))?;
    Ok(call.memory.write_u32(call.word(4), count)?)
}

pub(super) fn write(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut file: &File = wasi.descriptors.file(call.word(0), rights::FD_WRITE)?;
    let count = each_buffer(call, |bytes, _| file.write(bytes))?;
    Ok(call.memory.write_u32(call.word(3), count)?)
}

pub(super) fn pwrite(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file: &File = wasi.descriptors.file(call.word(0), rights::FD_WRITE | rights::FD_SEEK)?;
    let offset = call.long(3);
    let count = each_buffer(call, |bytes, done| file.write_at(bytes, at(offset, done)?))?;
    Ok(call.memory.write_u32(call.word(4), count)?)
}

fn at(offset: u64, done: u32) -> std::io::Result<u64> {
    offset.checked_add(u64::from(done)).ok_or_else(|| ErrorKind::InvalidInput.into())
}

/// Reads into or writes from the buffers of arguments 1 and 2, until one of them is not done whole; gives the bytes done.
/// `transfer` is also told how many were done before.
fn each_buffer(
    call: &mut Call<'_>,
    mut transfer: impl FnMut(&mut [u8], u32) -> std::io::Result<usize>,
) -> Result<u32, Errno> {
    let mut done = 0;
    for (address, length) in call.memory.buffers(call.word(1), call.word(2))? {
        let bytes = call.memory.bytes_mut(address, length)?;
        let count = match retried(|| transfer(bytes, done)) {
            // What was done is not lost.
            Err(_) if done > 0 => break,
            result => result?,
        };
        done += count as u32;
        if count < length as usize {
            break;
        }
    }
    Ok(done)
}

/// Signals to the process are not the program's business.
fn retried(mut operation: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

// ---- Positions ---------------------------------------------------------------------------------------------------------

pub(super) fn seek(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let offset = call.long(1) as i64;
    let (from, needed) = match call.word(2) {
        0 => (SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Invalid)?), rights::FD_SEEK),
        1 if offset == 0 => (SeekFrom::Current(0), rights::FD_TELL),
        1 => (SeekFrom::Current(offset), rights::FD_SEEK),
        2 => (SeekFrom::End(offset), rights::FD_SEEK),
        _ => return Err(Errno::Invalid.into()),
    };
    let position = positioned(wasi, call.word(0), from, needed)?;
    Ok(call.memory.write_u64(call.word(3), position)?)
}

pub(super) fn tell(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let position = positioned(wasi, call.word(0), SeekFrom::Current(0), rights::FD_TELL)?;
    Ok(call.memory.write_u64(call.word(1), position)?)
}

fn positioned(wasi: &mut Wasi, number: u32, from: SeekFrom, needed: rights::Rights) -> Result<u64, Errno> {
    let descriptor = wasi.descriptors.get(number, 0)?;
    if matches!(descriptor.object, Object::Stream(_)) && descriptor.base & rights::FD_SEEK == 0 {
        return Err(Errno::Seek);
    }
    Ok(wasi.descriptors.file(number, needed)?.seek(from)?)
}

// ---- What is known of a file -------------------------------------------------------------------------------------------

pub(super) fn fdstat_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), 0)?;
    let mut bytes = [0; 24];
    bytes[0] = kind_of(descriptor.metadata().map_err(Errno::from)?.file_type());
    bytes[2..4].copy_from_slice(&descriptor.flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&descriptor.base.to_le_bytes());
    bytes[16..].copy_from_slice(&descriptor.inheriting.to_le_bytes());
    Ok(call.memory.write(call.word(1), &bytes)?)
}

/// Of flags that are set when a file is opened only two can change later. The process's own streams belong to others, too.
pub(super) fn fdstat_set_flags(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), rights::FD_FDSTAT_SET_FLAGS)?;
    let flags = u16::try_from(call.word(1)).map_err(|_| Errno::Invalid)?;
    if flags & !(APPEND | DSYNC | NONBLOCK | RSYNC | SYNC) != 0 {
        return Err(Errno::Invalid.into());
    }
    let changed = flags ^ descriptor.flags;
    let is_own = matches!(descriptor.object, Object::File(_));
    if changed & !(APPEND | NONBLOCK) != 0 || changed != 0 && !is_own {
        return Err(Errno::NotSupported.into());
    }
    let mut host = rustix::fs::fcntl_getfl(&*descriptor).map_err(Errno::from)?;
    host.set(OFlags::APPEND, flags & APPEND != 0);
    host.set(OFlags::NONBLOCK, flags & NONBLOCK != 0);
    rustix::fs::fcntl_setfl(&*descriptor, host).map_err(Errno::from)?;
    descriptor.flags = flags;
    Ok(())
}

/// Rights can only be given up.
pub(super) fn fdstat_set_rights(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), 0)?;
    let (base, inheriting) = (call.long(1), call.long(2));
    if base & !descriptor.base != 0 || inheriting & !descriptor.inheriting != 0 {
        return Err(Errno::NotCapable.into());
    }
    (descriptor.base, descriptor.inheriting) = (base, inheriting);
    Ok(())
}

pub(super) fn filestat_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), rights::FD_FILESTAT_GET)?;
    let metadata = descriptor.metadata().map_err(Errno::from)?;
    Ok(put_filestat(call, 1, &metadata)?)
}

/// Writes what is known of a file to where this argument points.
pub(super) fn put_filestat(call: &mut Call<'_>, argument: usize, metadata: &Metadata) -> Result<(), Errno> {
    let nanoseconds = |seconds: i64, rest: i64| (seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)) as u64;
    let fields = [
        metadata.dev(),
        metadata.ino(),
        u64::from(kind_of(metadata.file_type())),
        metadata.nlink(),
        metadata.size(),
        nanoseconds(metadata.atime(), metadata.atime_nsec()),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    ];
    call.memory.write(call.word(argument), fields.map(u64::to_le_bytes).as_flattened())
}

pub(super) fn filestat_set_size(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file = wasi.descriptors.file(call.word(0), rights::FD_FILESTAT_SET_SIZE)?;
    Ok(file.set_len(call.long(1)).map_err(Errno::from)?)
}

/// What becomes of a time of a file.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Keep,
    Now,
    /// Nanoseconds since 1970.
    To(u64),
}

impl Change {
    /// Of access and of modification, as times and `fstflags` say.
    pub(super) fn both(accessed: u64, modified: u64, flags: u32) -> Result<[Self; 2], Errno> {
        let change = |time, flags| match flags & 3 {
            0 => Ok(Self::Keep),
            1 => Ok(Self::To(time)),
            2 => Ok(Self::Now),
            _ => Err(Errno::Invalid),
        };
        if flags > 15 {
            return Err(Errno::Invalid);
        }
        Ok([change(accessed, flags)?, change(modified, flags >> 2)?])
    }

    fn timespec(self) -> Timespec {
        match self {
            Self::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            Self::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            Self::To(time) => {
                Timespec { tv_sec: (time / 1_000_000_000) as i64, tv_nsec: (time % 1_000_000_000) as i64 }
            }
        }
    }

    pub(super) fn spec(self) -> Option<SystemTimeSpec> {
        match self {
            Self::Keep => None,
            Self::Now => Some(SystemTimeSpec::SymbolicNow),
            Self::To(time) => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(time);
                Some(SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time)))
            }
        }
    }
}

pub(super) fn filestat_set_times(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), rights::FD_FILESTAT_SET_TIMES)?;
    let [last_access, last_modification] =
        Change::both(call.long(1), call.long(2), call.word(3))?.map(Change::timespec);
    let times = Timestamps { last_access, last_modification };
    Ok(rustix::fs::futimens(&*descriptor, &times).map_err(Errno::from)?)
}

// ---- Space -------------------------------------------------------------------------------------------------------------

/// By the number of `advice`.
const ADVICE: [Advice; 6] =
    [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed, Advice::DontNeed, Advice::NoReuse];

pub(super) fn advise(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file = wasi.descriptors.file(call.word(0), rights::FD_ADVISE)?;
    let advice = ADVICE.get(call.word(3) as usize).ok_or(Errno::Invalid)?;
    Ok(rustix::fs::fadvise(file, call.long(1), NonZeroU64::new(call.long(2)), *advice).map_err(Errno::from)?)
}

pub(super) fn allocate(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file = wasi.descriptors.file(call.word(0), rights::FD_ALLOCATE)?;
    Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), call.long(1), call.long(2)).map_err(Errno::from)?)
}

pub(super) fn datasync(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let file = wasi.descriptors.file(call.word(0), rights::FD_DATASYNC)?;
    Ok(file.sync_data().map_err(Errno::from)?)
}

pub(super) fn sync(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let descriptor = wasi.descriptors.get(call.word(0), rights::FD_SYNC)?;
    Ok(rustix::fs::fsync(&*descriptor).map_err(Errno::from)?)
}

/// No descriptor is a socket of the program's own.
pub(super) fn socket(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    wasi.descriptors.get(call.word(0), 0)?;
    Err(Errno::NotSocket.into())
}
