//! From bytes to a snapshot: nothing in them is trusted.

use limen_isa::module::Module;

use super::field::{Cursor, Field, Read};
use super::image::StoreImage;
use super::{MAGIC, Snapshot, SnapshotError, VERSION, consistent, section};
use crate::verify::{Mode, Verified, verify};

pub(super) fn snapshot(bytes: &[u8]) -> Read<Snapshot> {
    let mut cursor = checked(bytes)?;
    let modules = modules(cursor.section(section::MODULES)?)?;
    let (machine, runs) = cursor.section(section::MACHINE)?.whole()?;
    let memories = cursor.section(section::MEMORIES)?.whole()?;
    let (domains, arrays) = cursor.section(section::DOMAINS)?.whole()?;
    let contexts = cursor.section(section::CONTEXTS)?.whole()?;
    let (accounts, table) = cursor.section(section::OBJECTS)?.whole()?;
    let host = cursor.section(section::HOST)?.0.to_vec();
    cursor.end()?;
    let store = StoreImage { modules, runs, accounts, memories, domains, arrays, contexts, table };
    consistent::check(&machine, &store)?;
    Ok(Snapshot { machine, store, host })
}

/// The sections, once magic, version and checksum are right.
fn checked(bytes: &[u8]) -> Read<Cursor<'_>> {
    let mut cursor = Cursor(bytes);
    if cursor.take(MAGIC.len().min(bytes.len()) as u64)? != MAGIC {
        return Err(SnapshotError::Magic);
    }
    // Comes before everything that another version could say in another way.
    let version = u16::take(&mut cursor)?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (rest, checksum) = cursor.0.split_last_chunk().ok_or(SnapshotError::Truncated)?;
    if crc32fast::hash(&bytes[..bytes.len() - checksum.len()]) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Checksum);
    }
    Ok(Cursor(rest))
}

fn modules(mut cursor: Cursor<'_>) -> Read<Vec<Verified<Module>>> {
    let mut modules = Vec::new();
    while !cursor.0.is_empty() {
        let mode = if bool::take(&mut cursor)? { Mode::Kernel } else { Mode::User };
        let length = u64::take(&mut cursor)?;
        modules.push(verify(Module::read(cursor.take(length)?)?, mode)?);
    }
    Ok(modules)
}
