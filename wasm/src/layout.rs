//! Where things lie in home.
//!
//! ```text
//! 0       message area, for calls of the embedder with more than a message holds
//!         exceptions whose payload is wide
//!         the spill stack and where it ends, if functions have more locals or operands than registers
//!         variables
//!         tables and element segments, if code does more with tables than call through them
//!         data segments that code may use
//! base    the memory of the module, to the end of home
//! ```
//!
//! An address of WebAssembly is read without a sign, and `base` is part of the offset in each instruction: so no access
//! reaches below `base`, home ends where the memory ends, and it grows with it.

use limen_isa::module::{DataSegment, MAX_PAGES, PAGE_SIZE};

use crate::context::{Plan, Tables};
use crate::error::Error;
use crate::function::{Payload, SPILLED, spilled_bytes};
use crate::image::Image;
use crate::source::{SegmentKind, Source};

/// Pages of the machine in one of WebAssembly.
pub(crate) const PAGES_PER_PAGE: u64 = 65536 / PAGE_SIZE as u64;

/// A table without a declared maximum, or with a greater one, can grow by as many elements.
const ROOM_TO_GROW: u64 = 16384;

/// Bytes for wide payloads that code holds references to. Nobody knows when it does no longer, so they stay.
const KEPT_EXCEPTIONS: u32 = 1 << 18;

/// So deep can functions call themselves at least that have more locals or operands than registers.
const SPILLED_FRAMES: u32 = 16;

/// In bytes.
const LEAST_SPILL_STACK: u32 = 1 << 20;

/// What lies below `base` has an end: addresses must fit offsets for most code.
const MAX_BASE: u64 = 1 << 30;

/// Addresses in home.
#[derive(Default)]
pub(crate) struct Layout {
    /// Where the module's memory begins.
    pub(crate) base: u32,
    pub(crate) exceptions: ExceptionArea,
    pub(crate) spills: SpillStack,
    /// Of variables; 0 for constants, which have none.
    pub(crate) globals: Vec<u32>,
    pub(crate) tables: Vec<u32>,
    pub(crate) elements: Vec<u32>,
    pub(crate) data: Vec<u32>,
    /// Pages of the machine.
    pub(crate) min_pages: u32,
    pub(crate) max_pages: u32,
}

impl Layout {
    /// Gives everything its place. The message area takes `message_words` words.
    pub(crate) fn of(source: &Source, plan: &Plan, message_words: usize) -> Result<Self, Error> {
        let mut layout = Self::default();
        let mut room = Room { end: 8 * message_words as u64 };
        layout.exceptions = ExceptionArea::of(source, &mut room)?;
        let operands = plan.deep.values().max().copied().unwrap_or(0);
        let locals = source.bodies.iter().map(|body| spilled_bytes(body.locals)).max().unwrap_or(0);
        layout.spills = SpillStack::of(locals.saturating_add(operands * SPILLED), &mut room)?;
        for global in &source.globals {
            let address = if global.mutable { room.take(u64::from(global.ty.size()), 8)? } else { 0 };
            layout.globals.push(address);
        }
        if plan.tables == Tables::InHome {
            for table in &source.tables {
                layout.tables.push(room.take(8 + 4 * capacity(table.limits.min, table.limits.max), 4)?);
            }
            for elements in &source.elements {
                let length = if elements.kind == SegmentKind::Passive { elements.items.len() } else { 0 };
                layout.elements.push(room.take(4 + 4 * length as u64, 4)?);
            }
        }
        for data in source.data.iter().filter(|_| source.has_data_count) {
            let length = if data.kind == SegmentKind::Passive { data.place.len() } else { 0 };
            layout.data.push(room.take(4 + length as u64, 4)?);
        }
        layout.base = room.end.next_multiple_of(PAGE_SIZE as u64) as u32;
        layout.set_pages(source)?;
        Ok(layout)
    }

    fn set_pages(&mut self, source: &Source) -> Result<(), Error> {
        let below = u64::from(self.base) / PAGE_SIZE as u64;
        let limits = source.memory.map_or((0, 0), |memory| (memory.min, memory.max.unwrap_or(65536)));
        let pages = below + limits.0 * PAGES_PER_PAGE;
        if pages > u64::from(MAX_PAGES) {
            let limit = (u64::from(MAX_PAGES) - below) / PAGES_PER_PAGE;
            return Err(Error::TooLarge { what: "the memory in pages".to_owned(), size: limits.0, limit });
        }
        self.min_pages = pages as u32;
        self.max_pages = (below + limits.1 * PAGES_PER_PAGE).min(u64::from(MAX_PAGES)) as u32;
        Ok(())
    }

    /// What lies where when the module begins, and whether a segment does not fit and so ends instantiation with a trap.
    pub(crate) fn contents(&self, source: &Source) -> (Vec<DataSegment>, Option<Misfit>) {
        let mut image = Image::default();
        image.put(u64::from(self.exceptions.address), &self.exceptions.head());
        image.put(u64::from(self.spills.pointer), &words(self.spills.end().as_slice()));
        self.put_globals(source, &mut image);
        for (segment, address) in source.elements.iter().zip(&self.elements) {
            if segment.kind == SegmentKind::Passive {
                image.put_counted(*address, &words(&segment.items), segment.items.len());
            }
        }
        for (segment, address) in source.data.iter().zip(&self.data) {
            if segment.kind == SegmentKind::Passive {
                image.put_counted(*address, &source.wasm[segment.place.clone()], segment.place.len());
            }
        }
        let misfit = self.put_tables(source, &mut image).or_else(|| self.put_data(source, &mut image));
        (image.finish(), misfit)
    }

    fn put_globals(&self, source: &Source, image: &mut Image) {
        for (global, address) in source.globals.iter().zip(&self.globals).filter(|(global, _)| global.mutable) {
            image.put(u64::from(*address), &global.value.to_le_bytes()[..global.ty.size() as usize]);
        }
    }

    /// Segments take effect in order; the first that does not fit is the last that counts.
    fn put_tables(&self, source: &Source, image: &mut Image) -> Option<Misfit> {
        for (table, address) in source.tables.iter().zip(&self.tables) {
            image.put(u64::from(*address), &words(&[table.limits.min as u32]));
            image.put(u64::from(*address) + 4, &words(&[capacity(table.limits.min, table.limits.max) as u32]));
        }
        for segment in &source.elements {
            let SegmentKind::Active { index, offset } = segment.kind else { continue };
            if !fits(offset, segment.items.len(), source.tables[index as usize].limits.min) {
                return Some(Misfit::Table);
            }
            if let Some(address) = self.tables.get(index as usize) {
                image.put(u64::from(*address) + 8 + 4 * u64::from(offset), &words(&segment.items));
            }
        }
        None
    }

    fn put_data(&self, source: &Source, image: &mut Image) -> Option<Misfit> {
        let size = source.memory.map_or(0, |memory| memory.min * 65536);
        for segment in &source.data {
            let SegmentKind::Active { offset, .. } = segment.kind else { continue };
            if !fits(offset, segment.place.len(), size) {
                return Some(Misfit::Memory);
            }
            image.put(u64::from(self.base) + u64::from(offset), &source.wasm[segment.place.clone()]);
        }
        None
    }
}

/// Payloads that do not fit the word that an exception is: the end of what is kept, the end of the room, the bytes of a
/// payload, the payload of the exception on its way, and those that are kept for references.
#[derive(Clone, Copy, Default)]
pub(crate) struct ExceptionArea {
    pub(crate) address: u32,
    /// Of the largest payload; 0 if none is wide.
    bytes: u32,
}

impl ExceptionArea {
    const HEAD: u32 = 16;

    fn of(source: &Source, room: &mut Room) -> Result<Self, Error> {
        let payloads = (0..source.tags.len() as u32).map(|tag| &source.payload_of(tag).params);
        let wide = payloads.filter(|types| Payload::of(types) == Payload::Wide).map(|types| 8 * types.len() as u32);
        let bytes = wide.max().unwrap_or(0);
        let room_for_all = if bytes == 0 { 0 } else { Self::HEAD + bytes + KEPT_EXCEPTIONS };
        Ok(Self { address: room.take(u64::from(room_for_all), 8)?, bytes })
    }

    pub(crate) fn is_there(self) -> bool {
        self.bytes > 0
    }

    /// Where the values of the payload on its way lie.
    pub(crate) fn payload(self) -> impl Iterator<Item = u32> {
        (self.address + Self::HEAD..).step_by(8)
    }

    fn head(self) -> Vec<u8> {
        let first = self.address + Self::HEAD + self.bytes;
        if self.is_there() { words(&[first, first + KEPT_EXCEPTIONS, self.bytes]) } else { Vec::new() }
    }
}

/// A stack, growing downwards, of what frames have no registers for.
#[derive(Clone, Copy, Default)]
pub(crate) struct SpillStack {
    /// Where the address is that the innermost frame's part begins at.
    pub(crate) pointer: u32,
    /// The lowest address.
    pub(crate) bottom: u32,
    bytes: u32,
}

impl SpillStack {
    fn of(frame: u32, room: &mut Room) -> Result<Self, Error> {
        if frame == 0 {
            return Ok(Self::default());
        }
        let pointer = room.take(4, 4)?;
        let bytes = frame.saturating_mul(SPILLED_FRAMES).max(LEAST_SPILL_STACK);
        Ok(Self { pointer, bottom: room.take(u64::from(bytes), 8)?, bytes })
    }

    /// What the pointer is when no frame has a part of it, if there is a stack at all.
    pub(crate) fn end(self) -> Option<u32> {
        (self.bytes > 0).then_some(self.bottom + self.bytes)
    }
}

/// What an active segment does not fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Table,
    Memory,
}

pub(crate) fn fits(offset: u32, length: usize, size: u64) -> bool {
    u64::from(offset) + length as u64 <= size
}

/// Elements that there is room for.
fn capacity(min: u64, max: Option<u64>) -> u64 {
    max.unwrap_or(u64::MAX).min(min + ROOM_TO_GROW)
}

fn words(items: &[u32]) -> Vec<u8> {
    items.iter().flat_map(|item| item.to_le_bytes()).collect()
}

/// Room below `base`, given away from the bottom up.
struct Room {
    end: u64,
}

impl Room {
    fn take(&mut self, bytes: u64, align: u64) -> Result<u32, Error> {
        let address = self.end.next_multiple_of(align);
        self.end = address + bytes;
        if self.end > MAX_BASE {
            let what = "what lies below the memory in bytes".to_owned();
            return Err(Error::TooLarge { what, size: self.end, limit: MAX_BASE });
        }
        Ok(address as u32)
    }
}
