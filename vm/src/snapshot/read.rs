//! From bytes to a snapshot: nothing in them is trusted, least of all a length.

use limen_isa::module::{MAX_SLOTS, Module, PAGE_SIZE};

use super::{Frames, Home, MAGIC, Snapshot, SnapshotError, VERSION, check, is_zero, section};
use crate::account::Budget;
use crate::clock::Time;
use crate::context::Frame;
use crate::verify::{Mode, Verified, verify};

type Read<T> = Result<T, SnapshotError>;

pub(super) fn snapshot(bytes: &[u8]) -> Read<Snapshot> {
    let mut cursor = checked(bytes)?;
    let module = Module::read(cursor.section(section::MODULE)?.0)?;
    let module = verify(module, Mode::User)?;
    let mut machine = cursor.section(section::MACHINE)?;
    let (time, burnt, now) = clock(&mut machine)?;
    let budget = Budget { bytes: machine.u64()?, objects: machine.u32()?, contexts: machine.u32()? };
    let stack_cells = machine.u32()?;
    machine.end()?;
    let home = home(cursor.section(section::HOME)?, &module)?;
    let context = context(cursor.section(section::CONTEXT)?)?;
    check::context(&module, &context)?;
    let host = cursor.section(section::HOST)?.0.to_vec();
    cursor.end()?;
    Ok(Snapshot { module, time, now, burnt, budget, stack_cells, home, context, host })
}

/// The sections, once magic, version and checksum are right.
fn checked(bytes: &[u8]) -> Read<Cursor<'_>> {
    let mut cursor = Cursor(bytes);
    if cursor.take(MAGIC.len().min(bytes.len()) as u64)? != MAGIC {
        return Err(SnapshotError::Magic);
    }
    // Comes before everything that another version could say in another way.
    let version = u16::from_le_bytes(cursor.array()?);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (rest, checksum) = cursor.0.split_last_chunk().ok_or(SnapshotError::Truncated)?;
    if crc32fast::hash(&bytes[..bytes.len() - checksum.len()]) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Checksum);
    }
    Ok(Cursor(rest))
}

/// Time, fuel burnt, and now.
fn clock(cursor: &mut Cursor<'_>) -> Read<(Time, u64, i64)> {
    let time = match cursor.u8()? {
        0 => Time::Live,
        1 => Time::Virtual,
        _ => return Err(SnapshotError::Contradiction("there is no such time")),
    };
    let burnt = cursor.u64()?;
    let now = i64::from_le_bytes(cursor.array()?);
    // More than that no machine can burn; and it leaves room for what this one will.
    let fuel = i64::try_from(burnt).map_err(|_| SnapshotError::Contradiction("more fuel is burnt than can be"))?;
    ensure(now >= 0 && (time == Time::Live || now == fuel), "it is no time that a clock can show")?;
    Ok((time, burnt, now))
}

fn home(mut cursor: Cursor<'_>, module: &Verified<Module>) -> Read<Home> {
    let wanted = &module.home;
    let (pages, slots, count) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let possible = (wanted.min_pages..=wanted.max_pages).contains(&pages);
    ensure(possible, "the module's home cannot have so many pages")?;
    ensure((wanted.slots..=MAX_SLOTS).contains(&slots), "the module's domain cannot have so many slots")?;
    let (mut contents, mut next) = (Vec::new(), 0);
    for _ in 0..count {
        let page = cursor.u32()?;
        ensure((next..pages).contains(&page), "pages are out of order, or outside home")?;
        next = page + 1;
        let bytes = cursor.take(u64::from(PAGE_SIZE))?;
        ensure(!is_zero(bytes), "a page that is all zero is there")?;
        contents.push((page, bytes.to_vec()));
    }
    cursor.end()?;
    Ok(Home { pages, slots, contents })
}

fn context(mut cursor: Cursor<'_>) -> Read<Frames> {
    let cells = cursor.u32()?;
    let fresh = cursor.u8()?;
    ensure(fresh <= 1, "a yes or no is neither")?;
    let count = cursor.u32()?;
    // Room is made as frames come: the count may promise too much.
    let mut frames = Vec::new();
    for _ in 0..count {
        frames.push(frame(&mut cursor)?);
    }
    cursor.end()?;
    Ok(Frames { cells, fresh: fresh == 1, frames })
}

fn frame(cursor: &mut Cursor<'_>) -> Read<Frame> {
    let (function, pc, registers) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let (cells, _) = cursor.take(8 * u64::from(registers))?.as_chunks::<8>();
    Ok(Frame { function, pc, registers: cells.iter().map(|bits| u64::from_le_bytes(*bits)).collect() })
}

pub(super) fn ensure(condition: bool, otherwise: &'static str) -> Read<()> {
    if condition { Ok(()) } else { Err(SnapshotError::Contradiction(otherwise)) }
}

/// Bytes that are taken one field after the other.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| SnapshotError::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next section, which must be this one.
    fn section(&mut self, wanted: u32) -> Read<Cursor<'a>> {
        let found = self.u32()?;
        if found != wanted {
            return Err(SnapshotError::Section { wanted, found });
        }
        let length = self.u64()?;
        self.take(length).map(Cursor)
    }

    fn end(&self) -> Read<()> {
        if self.0.is_empty() { Ok(()) } else { Err(SnapshotError::TooLong(self.0.len())) }
    }
}
