//! Memory objects.

use limen_isa::Fault;
use limen_isa::module::{MAX_PAGES, PAGE_SIZE};

use super::{SegmentPlace, Store, root};
use crate::account::{AccountKey, Budget};
use crate::memory::{Guard, Memory, MemoryKey};
use crate::object::{Kind, NewEntry, Object, Ref, Rights, Span};

/// Bytes that a page costs its owner.
const PAGE_BYTES: u64 = PAGE_SIZE as u64;

impl Store {
    pub(crate) fn make_memory(&mut self, owner: AccountKey, pages: u32, max: u32) -> Result<Option<Ref>, Fault> {
        if pages > max || max > MAX_PAGES {
            return Err(Fault::Argument);
        }
        let Some(memory) = self.allocate(owner, pages, max, Guard::None) else { return Ok(None) };
        let made = self.enter_memory(memory, owner);
        if made.is_none() {
            self.release(memory);
        }
        Ok(made)
    }

    /// Memory of whole pages that begins with these bytes, and its first reference.
    pub(crate) fn make_memory_of(&mut self, owner: AccountKey, contents: &[u8]) -> Option<Ref> {
        let pages = u32::try_from(contents.len().div_ceil(PAGE_SIZE as usize)).ok()?;
        let made = self.make_memory(owner, pages, pages).ok()??;
        let memory = self.memory_of(made).ok()?;
        self.memory_mut(memory).bytes_mut()[..contents.len()].copy_from_slice(contents);
        Some(made)
    }

    /// Memory that nothing but the caller knows yet.
    pub(super) fn allocate(&mut self, owner: AccountKey, pages: u32, max: u32, guard: Guard) -> Option<MemoryKey> {
        let cost = Budget::bytes(u64::from(pages) * PAGE_BYTES);
        if !self.charge(owner, cost) {
            return None;
        }
        let memory = guard.memory(pages, max);
        if memory.is_none() {
            self.accounts.refund(owner, cost);
        }
        let memory = memory?;
        self.accounts.depend(owner);
        Some(self.memories.insert((memory, owner)))
    }

    /// The first entry of a memory object.
    fn enter_memory(&mut self, key: MemoryKey, owner: AccountKey) -> Option<Ref> {
        let memory = self.memory_mut(key);
        let span = Span { base: memory.base(), length: memory.length(), open: memory.is_open() };
        self.enter(owner, Budget::default(), NewEntry { span, ..root(Kind::MEMORY, Object::Memory(key), owner, 0) })
    }

    pub(crate) fn memory_mut(&mut self, memory: MemoryKey) -> &mut Memory {
        &mut self.memories[memory].0
    }

    /// One user less; the last one takes the memory with it.
    pub(super) fn release(&mut self, memory: MemoryKey) {
        let users = &mut self.memory_mut(memory).users;
        *users -= 1;
        if *users == 0
            && let Some((memory, owner)) = self.memories.remove(memory)
        {
            self.accounts.refund(owner, Budget::bytes(memory.length()));
            self.accounts.depend_no_more(owner);
        }
    }

    /// Grows a memory object; gives its pages before, or `None` where its maximum or its owner forbids it.
    pub(crate) fn grow(&mut self, key: MemoryKey, more: u32) -> Option<u32> {
        let pages = self.memory_mut(key).grown(more)?;
        let owner = self.memories[key].1;
        let cost = Budget::bytes(u64::from(more) * PAGE_BYTES);
        if !self.charge(owner, cost) {
            return None;
        }
        let memory = self.memory_mut(key);
        let before = memory.pages();
        if !memory.set_pages(pages) {
            self.accounts.refund(owner, cost);
            return None;
        }
        self.epoch += 1;
        let memory = self.memory_mut(key);
        let (length, open) = (memory.length(), memory.is_open());
        self.objects.refresh_memory(key, length, open);
        Some(before)
    }

    pub(crate) fn memory_of(&self, reference: Ref) -> Result<MemoryKey, Fault> {
        match self.objects.details(reference, Kind::MEMORY)?.object {
            Object::Memory(memory) => Ok(memory),
            _ => Err(Fault::Kind),
        }
    }

    /// The first reference to a memory; null if it has none, as the homes of the host's domains.
    pub(crate) fn reference_to_memory(&self, memory: MemoryKey) -> Ref {
        self.objects.whole_of(memory)
    }

    /// Does what brings a memory's pages under control, if that succeeds. The first time, all that was said of the memory
    /// before becomes untrue.
    pub(crate) fn control_pages(
        &mut self,
        key: MemoryKey,
        control: impl FnOnce(&mut Memory) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let memory = self.memory_mut(key);
        let was_open = memory.is_open();
        control(memory)?;
        if was_open {
            let length = memory.length();
            self.epoch += 1;
            self.objects.refresh_memory(key, length, false);
        }
        Ok(())
    }

    /// Checks an access to a segment by the rules and finds its bytes, whatever the state of their pages.
    pub(crate) fn segment_bytes(
        &self,
        segment: Ref,
        offset: u64,
        size: u64,
        rights: Rights,
    ) -> Result<SegmentPlace, Fault> {
        let span = self.objects.span(segment, rights)?;
        let details = self.objects.details(segment, Kind::MEMORY)?;
        if offset.checked_add(size).is_none_or(|end| end > span.length) {
            return Err(Fault::Bounds);
        }
        let memory = self.memory_of(segment)?;
        // SAFETY: within the span, as just checked.
        Ok(SegmentPlace { memory, offset: details.offset + offset, address: unsafe { span.base.add(offset as usize) } })
    }

    /// Where an offset of a segment lies in the host; only to compare.
    pub(crate) fn host_address(&self, segment: Ref, offset: u64) -> u64 {
        self.objects.span(segment, Rights::NONE).map_or(0, |span| span.base as u64).wrapping_add(offset)
    }
}
