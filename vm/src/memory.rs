//! Memory objects: homes and segments.

use limen_isa::Fault;
use limen_isa::module::PAGE_SIZE;

use crate::room::Room;

slotmap::new_key_type! {
    /// Names a memory object.
    pub(crate) struct MemoryKey;
}

const PAGE: u64 = PAGE_SIZE as u64;

/// Zero-filled bytes at an address that never changes: the address space for the greatest length is reserved at once,
/// and where it is much, the host gives it substance when it is touched.
pub(crate) struct Memory {
    room: Room,
    pages: u32,
    max_pages: u32,
    /// The state of each page, once the kernel has taken control of them.
    states: Option<Vec<PageState>>,
    /// Entries of the object table and domains that still name this memory.
    pub(crate) users: u32,
}

/// What the kernel said of a page, and what happened to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageState {
    pub(crate) access: Access,
    pub(crate) used: bool,
    pub(crate) written: bool,
}

/// What a page allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Access {
    Absent = 0,
    Read = 1,
    ReadWrite = 2,
}

impl Access {
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        [Self::Absent, Self::Read, Self::ReadWrite].get(code as usize).copied()
    }
}

/// Why an access to memory under page control cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocked {
    /// The page is absent: the context waits for it.
    Absent(u32),
    /// The page is there but may not be written.
    ReadOnly,
}

impl Memory {
    /// `None` if the host has no room for the reservation.
    pub(crate) fn new(pages: u32, max_pages: u32) -> Option<Self> {
        let reserved = u64::from(max_pages.max(pages)) * PAGE;
        let room = Room::new(usize::try_from(reserved).ok()?)?;
        Some(Self { room, pages, max_pages: max_pages.max(pages), states: None, users: 1 })
    }

    pub(crate) fn base(&mut self) -> *mut u8 {
        self.room.base_mut()
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        u64::from(self.pages) * PAGE
    }

    pub(crate) fn pages(&self) -> u32 {
        self.pages
    }

    /// Whether every byte may be accessed without a look at page states.
    pub(crate) fn is_open(&self) -> bool {
        self.states.is_none()
    }

    /// How many pages it has before growing by `more`, or `None` if the maximum forbids it.
    pub(crate) fn grown(&self, more: u32) -> Option<u32> {
        self.pages.checked_add(more).filter(|pages| *pages <= self.max_pages)
    }

    /// Grows to a number of pages that [`Memory::grown`] allowed.
    pub(crate) fn set_pages(&mut self, pages: u32) {
        self.pages = pages;
        if let Some(states) = &mut self.states {
            states.resize(pages as usize, PageState { access: Access::ReadWrite, used: false, written: false });
        }
    }

    /// All bytes, for the host and for loading data.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room.bytes()[..self.length() as usize]
    }

    /// All bytes, writable.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let length = self.length() as usize;
        &mut self.room.bytes_mut()[..length]
    }

    /// Sets what `count` pages from `first` on allow; from then on all accesses look at page states.
    pub(crate) fn protect(&mut self, first: u32, count: u32, access: Access) -> Result<(), Fault> {
        let end = first.checked_add(count).filter(|end| *end <= self.pages).ok_or(Fault::Bounds)?;
        for state in &mut self.states_mut()[first as usize..end as usize] {
            state.access = access;
        }
        Ok(())
    }

    fn states_mut(&mut self) -> &mut [PageState] {
        let fresh = PageState { access: Access::ReadWrite, used: false, written: false };
        let pages = self.pages as usize;
        self.states.get_or_insert_with(|| vec![fresh; pages])
    }

    /// Makes an absent page readable and writable with these contents.
    pub(crate) fn supply(&mut self, page: u32, contents: &[u8]) -> Result<(), Fault> {
        if page >= self.pages {
            return Err(Fault::Bounds);
        }
        if self.states_mut()[page as usize].access != Access::Absent {
            return Err(Fault::State);
        }
        let start = page as usize * PAGE_SIZE as usize;
        self.bytes_mut()[start..start + PAGE_SIZE as usize].copy_from_slice(contents);
        self.states_mut()[page as usize].access = Access::ReadWrite;
        Ok(())
    }

    /// The bytes of one page.
    pub(crate) fn page(&self, page: u32) -> Result<&[u8], Fault> {
        let start = page as usize * PAGE_SIZE as usize;
        self.bytes().get(start..start + PAGE_SIZE as usize).ok_or(Fault::Bounds)
    }

    /// The state of a page; its used and written marks are cleared. Pages that were never under control count as used
    /// and written.
    pub(crate) fn take_state(&mut self, page: u32) -> Result<PageState, Fault> {
        if page >= self.pages {
            return Err(Fault::Bounds);
        }
        let Some(states) = &mut self.states else {
            return Ok(PageState { access: Access::ReadWrite, used: true, written: true });
        };
        let state = states[page as usize];
        states[page as usize] = PageState { used: false, written: false, ..state };
        Ok(state)
    }

    /// Notes an access to bytes that are within bounds, or says why it cannot go on. All pages must allow it before
    /// any is marked.
    pub(crate) fn touch(&mut self, offset: u64, length: u64, write: bool) -> Result<(), Blocked> {
        let Some(states) = &mut self.states else { return Ok(()) };
        if length == 0 {
            return Ok(());
        }
        let first = (offset / PAGE) as usize;
        let pages = &mut states[first..=((offset + length - 1) / PAGE) as usize];
        for (index, state) in pages.iter().enumerate() {
            match state.access {
                Access::Absent => return Err(Blocked::Absent((first + index) as u32)),
                Access::Read if write => return Err(Blocked::ReadOnly),
                Access::Read | Access::ReadWrite => {}
            }
        }
        for state in pages {
            state.used = true;
            state.written |= write;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_in_place_and_reads_zero() {
        let mut memory = Memory::new(1, 3).expect("the host has room");
        let base = memory.base();
        memory.bytes_mut()[4095] = 9;
        memory.set_pages(memory.grown(2).expect("two more fit"));
        assert_eq!((memory.base(), memory.length(), memory.bytes()[4095], memory.bytes()[12287]), (base, 12288, 9, 0));
        assert_eq!(memory.grown(1), None);
        assert_eq!(memory.grown(u32::MAX), None);
    }

    #[test]
    fn empty_memory_is_fine() {
        let mut memory = Memory::new(0, 0).expect("nothing is asked of the host");
        assert!(memory.bytes().is_empty() && memory.bytes_mut().is_empty());
    }

    #[test]
    fn page_states_follow_accesses() {
        let mut memory = Memory::new(3, 3).expect("the host has room");
        memory.protect(1, 1, Access::Absent).expect("page 1 exists");
        memory.protect(2, 1, Access::Read).expect("page 2 exists");
        assert_eq!(memory.touch(4090, 12, false), Err(Blocked::Absent(1)));
        assert_eq!(memory.touch(8192, 1, true), Err(Blocked::ReadOnly));
        assert_eq!(memory.touch(8192, 1, false), Ok(()));
        memory.supply(1, &[5; 4096]).expect("page 1 is absent");
        assert_eq!(memory.supply(1, &[5; 4096]), Err(Fault::State));
        assert_eq!(memory.touch(4096, 1, true), Ok(()));
        let state = memory.take_state(1).expect("page 1 exists");
        assert!(state.used && state.written && state.access == Access::ReadWrite);
        assert!(!memory.take_state(1).expect("page 1 exists").used);
        assert!(memory.protect(2, 2, Access::Read).is_err());
    }
}
