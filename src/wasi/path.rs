//! Functions on paths. Each path begins at a directory that the program has, and does not lead out of it: the sandbox sees to
//! that, whatever dots and links there are.

use std::os::unix::ffi::OsStrExt;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::descriptors::{Descriptor, Object};
use super::errno::Errno;
use super::file::{APPEND, Change, DSYNC, NONBLOCK, RSYNC, SYNC, put_filestat};
use super::rights::{self, Rights};
use super::{Call, Refusal, Wasi};

/// The bit of `lookupflags`.
const FOLLOW: u32 = 1;

/// Bits of `oflags`.
const CREATE: u32 = 1 << 0;
const DIRECTORY: u32 = 1 << 1;
const EXCLUSIVE: u32 = 1 << 2;
const TRUNCATE: u32 = 1 << 3;

/// The text at the address in this argument, of the length in the next one.
fn path<'a>(call: &'a Call<'_>, argument: usize) -> Result<&'a str, Errno> {
    let path = call.memory.text(call.word(argument), call.word(argument + 1))?;
    if path.is_empty() { Err(Errno::NoEntry) } else { Ok(path) }
}

/// The directory whose number is in this argument.
fn directory<'a>(wasi: &'a Wasi, call: &Call<'_>, argument: usize, rights: Rights) -> Result<&'a Dir, Errno> {
    Ok(wasi.descriptors.directory(call.word(argument), rights)?.0)
}

pub(super) fn create_directory(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_CREATE_DIRECTORY)?;
    Ok(directory.create_dir(path(call, 1)?).map_err(Errno::from)?)
}

pub(super) fn remove_directory(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_REMOVE_DIRECTORY)?;
    Ok(directory.remove_dir(path(call, 1)?).map_err(Errno::from)?)
}

pub(super) fn unlink_file(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_UNLINK_FILE)?;
    Ok(directory.remove_file(path(call, 1)?).map_err(Errno::from)?)
}

pub(super) fn rename(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = directory(wasi, call, 0, rights::PATH_RENAME_SOURCE)?;
    let to = directory(wasi, call, 3, rights::PATH_RENAME_TARGET)?;
    Ok(from.rename(path(call, 1)?, to, path(call, 4)?).map_err(Errno::from)?)
}

pub(super) fn link(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = directory(wasi, call, 0, rights::PATH_LINK_SOURCE)?;
    let to = directory(wasi, call, 4, rights::PATH_LINK_TARGET)?;
    // Links to what a link leads to are what hosts do not agree about.
    if call.word(1) & FOLLOW != 0 {
        return Err(Errno::Invalid.into());
    }
    Ok(from.hard_link(path(call, 2)?, to, path(call, 5)?).map_err(Errno::from)?)
}

pub(super) fn symlink(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 2, rights::PATH_SYMLINK)?;
    Ok(Dir::symlink(directory, path(call, 0)?, path(call, 3)?).map_err(Errno::from)?)
}

/// As much of the link's contents as fits.
pub(super) fn readlink(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_READLINK)?;
    let contents = directory.read_link_contents(path(call, 1)?).map_err(Errno::from)?;
    let bytes = contents.as_os_str().as_bytes();
    let fits = bytes.len().min(call.word(4) as usize);
    call.memory.write(call.word(3), &bytes[..fits])?;
    Ok(call.memory.write_u32(call.word(5), fits as u32)?)
}

pub(super) fn filestat_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_FILESTAT_GET)?;
    let path = path(call, 2)?;
    let follows = call.word(1) & FOLLOW != 0;
    let metadata = if follows { directory.metadata(path) } else { directory.symlink_metadata(path) };
    Ok(put_filestat(call, 4, &metadata.map_err(Errno::from)?)?)
}

pub(super) fn filestat_set_times(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let directory = directory(wasi, call, 0, rights::PATH_FILESTAT_SET_TIMES)?;
    let [accessed, modified] = Change::both(call.long(4), call.long(5), call.word(6))?.map(Change::spec);
    let path = path(call, 2)?;
    let done = if call.word(1) & FOLLOW != 0 {
        directory.set_times(path, accessed, modified)
    } else {
        directory.set_symlink_times(path, accessed, modified)
    };
    Ok(done.map_err(Errno::from)?)
}

/// What is to be opened, and how.
struct Wish {
    follows: bool,
    open: u32,
    base: Rights,
    flags: u16,
}

/// Opens a file or directory. It gets the rights that are asked for, as far as the directory hands them on.
pub(super) fn open(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let open = call.word(4);
    let mut needed = rights::PATH_OPEN;
    for (bit, right) in [(CREATE, rights::PATH_CREATE_FILE), (TRUNCATE, rights::PATH_FILESTAT_SET_SIZE)] {
        needed |= if open & bit != 0 { right } else { 0 };
    }
    let (directory, handed_on) = wasi.descriptors.directory(call.word(0), needed)?;
    let wish = Wish {
        follows: call.word(1) & FOLLOW != 0,
        open,
        base: call.long(5) & handed_on,
        flags: u16::try_from(call.word(7)).map_err(|_| Errno::Invalid)?,
    };
    let object = wish.open(directory, path(call, 2)?)?;
    let makes_sense = if matches!(object, Object::Directory(_)) { rights::DIRECTORY } else { rights::FILE };
    let inheriting = if matches!(object, Object::Directory(_)) { call.long(6) & handed_on } else { 0 };
    let descriptor = Descriptor::new(object, wish.base & makes_sense, inheriting, wish.flags);
    let number = wasi.descriptors.add(descriptor)?;
    Ok(call.memory.write_u32(call.word(8), number)?)
}

impl Wish {
    fn is(&self, bit: u32) -> bool {
        self.open & bit != 0
    }

    fn open(&self, directory: &Dir, path: &str) -> Result<Object, Errno> {
        if self.open > 15 || self.flags > (APPEND | DSYNC | NONBLOCK | RSYNC | SYNC) {
            return Err(Errno::Invalid);
        }
        if self.is(DIRECTORY) {
            if self.open != DIRECTORY {
                return Err(Errno::Invalid);
            }
            let opened = if self.follows { directory.open_dir(path) } else { directory.open_dir_nofollow(path) };
            return Ok(Object::Directory(opened?));
        }
        let file = directory.open_with(path, &self.options())?.into_std();
        let is_directory = file.metadata()?.is_dir();
        Ok(if is_directory { Object::Directory(Dir::from_std_file(file)) } else { Object::File(file) })
    }

    fn options(&self) -> OpenOptions {
        let writes = self.base & (rights::FD_WRITE | rights::FD_ALLOCATE | rights::FD_FILESTAT_SET_SIZE) != 0;
        // The host creates and empties only what it opens to write.
        let writes = writes || self.is(CREATE | TRUNCATE);
        let reads = self.base & (rights::FD_READ | rights::FD_READDIR) != 0 || !writes;
        let mut options = OpenOptions::new();
        options.read(reads).write(writes).truncate(self.is(TRUNCATE)).maybe_dir(!writes);
        options.append(writes && self.flags & APPEND != 0);
        options.create(self.is(CREATE)).create_new(self.is(CREATE) && self.is(EXCLUSIVE));
        options.follow(if self.follows { FollowSymlinks::Yes } else { FollowSymlinks::No });
        let mut flags = OFlags::empty();
        for (bit, flag) in
            [(DSYNC, OFlags::DSYNC), (NONBLOCK, OFlags::NONBLOCK), (RSYNC, OFlags::RSYNC), (SYNC, OFlags::SYNC)]
        {
            flags.set(flag, flags.contains(flag) || self.flags & bit != 0);
        }
        options.custom_flags(flags.bits() as i32);
        options
    }
}
