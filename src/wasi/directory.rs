//! Directories that a program has from the beginning, and what is in a directory.

use cap_std::fs::{Dir, FileType, FileTypeExt, MetadataExt};

use super::descriptors::Object;
use super::errno::Errno;
use super::{Call, Refusal, Wasi, rights};

/// Something in a directory.
pub(super) struct Entry {
    inode: u64,
    kind: u8,
    name: Vec<u8>,
}

/// Numbers of the sorts of files.
const UNKNOWN: u8 = 0;
const BLOCK_DEVICE: u8 = 1;
const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
const SOCKET_STREAM: u8 = 6;
const SYMBOLIC_LINK: u8 = 7;

pub(super) fn kind_of(file_type: FileType) -> u8 {
    match file_type {
        _ if file_type.is_dir() => DIRECTORY,
        _ if file_type.is_file() => REGULAR_FILE,
        _ if file_type.is_symlink() => SYMBOLIC_LINK,
        _ if file_type.is_block_device() => BLOCK_DEVICE,
        _ if file_type.is_char_device() => CHARACTER_DEVICE,
        _ if file_type.is_socket() => SOCKET_STREAM,
        _ => UNKNOWN,
    }
}

/// A directory from the beginning: its sort, which is the only one, and the length of its name.
pub(super) fn prestat_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let length = preopened(wasi, call.word(0))?.len() as u32;
    call.memory.write_u32(call.word(1), 0)?;
    Ok(call.memory.write_u32(call.word(1).checked_add(4).ok_or(Errno::Fault)?, length)?)
}

pub(super) fn prestat_dir_name(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = preopened(wasi, call.word(0))?;
    if name.len() > call.word(2) as usize {
        return Err(Errno::NameTooLong.into());
    }
    Ok(call.memory.write(call.word(1), name.as_bytes())?)
}

fn preopened(wasi: &mut Wasi, number: u32) -> Result<&str, Errno> {
    wasi.descriptors.get(number, 0)?.preopened.as_deref().ok_or(Errno::BadDescriptor)
}

/// Bytes of an entry before its name.
const ENTRY: usize = 24;

/// As much as fits; a program that finds its buffer full asks again, with the cookie of the last entry that was whole.
pub(super) fn readdir(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let (buffer, length, cookie) = (call.word(1), call.word(2), call.long(3));
    wasi.descriptors.directory(call.word(0), rights::FD_READDIR)?;
    let descriptor = wasi.descriptors.get(call.word(0), rights::FD_READDIR)?;
    let Object::Directory(directory) = &descriptor.object else { return Err(Errno::NotDirectory.into()) };
    let entries = match descriptor.entries.take() {
        Some(entries) if cookie != 0 => entries,
        _ => entries_of(directory)?,
    };
    let entries = descriptor.entries.insert(entries);
    let mut rest = call.memory.bytes_mut(buffer, length)?;
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (index, entry) in entries.iter().enumerate().skip(skipped) {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        bytes[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        bytes[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
        bytes[20] = entry.kind;
        for part in [&bytes[..], &entry.name] {
            let fits = part.len().min(rest.len());
            let (place, after) = rest.split_at_mut(fits);
            place.copy_from_slice(&part[..fits]);
            rest = after;
        }
        if rest.is_empty() {
            break;
        }
    }
    let used = length - rest.len() as u32;
    Ok(call.memory.write_u32(call.word(4), used)?)
}

/// What is in a directory. What lies above it is not the program's business: `..` looks like the directory itself.
fn entries_of(directory: &Dir) -> Result<Vec<Entry>, Errno> {
    let inode = directory.dir_metadata()?.ino();
    let mut entries: Vec<Entry> =
        [".", ".."].map(|name| Entry { inode, kind: DIRECTORY, name: name.as_bytes().to_vec() }).into();
    for entry in directory.entries()? {
        let entry = entry?;
        let name = entry.file_name().into_encoded_bytes();
        // It may be gone by now.
        let metadata = entry.metadata().ok();
        let kind = metadata.as_ref().map_or(UNKNOWN, |metadata| kind_of(metadata.file_type()));
        entries.push(Entry { inode: metadata.map_or(0, |metadata| metadata.ino()), kind, name });
    }
    Ok(entries)
}
