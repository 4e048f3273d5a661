//! Memory objects: homes and segments.

use limen_isa::Fault;
use limen_isa::module::PAGE_SIZE;

use crate::room::Room;

slotmap::new_key_type! {
    /// Names a memory object.
    pub(crate) struct MemoryKey;
}

const PAGE: u64 = PAGE_SIZE as u64;

/// No access to home reaches so many bytes from its beginning on: a base and an index of 32 bits, elements of 8 bytes, and an offset
/// of 24 bits.
pub const HOME_REACH: u64 = (1 << 32) + (1 << 35) + (1 << 25);

/// Zero-filled bytes at an address that never changes: the address space for the greatest length is reserved at once,
/// and where it is much, the host gives it substance when it is touched.
pub(crate) struct Memory {
    room: Room,
    pages: u32,
    max_pages: u32,
    /// The state of each page, once the kernel has taken control of them. Compiled code has the address of the first, so
    /// there is room for all from the beginning.
    states: Option<Vec<PageState>>,
    /// Entries of the object table and domains that still name this memory.
    pub(crate) users: u32,
}

/// What the kernel said of a page, and what happened to it, so that one look at a few bits tells compiled code whether an
/// access needs more than to be done: these bits say what is *not* so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct PageState(u8);

impl PageState {
    const UNREADABLE: u8 = 1;
    const UNUSED: u8 = 2;
    const UNWRITABLE: u8 = 4;
    const UNWRITTEN: u8 = 8;

    /// Any of these is set if a read needs more than to be done.
    pub(crate) const STOPS_READS: u8 = Self::UNREADABLE | Self::UNUSED;

    /// Any of these is set if a write needs more than to be done.
    pub(crate) const STOPS_WRITES: u8 = Self::STOPS_READS | Self::UNWRITABLE | Self::UNWRITTEN;

    /// Readable and writable, and nothing happened to it.
    const FRESH: Self = Self(Self::UNUSED | Self::UNWRITTEN);

    /// Whether this is the state of a page.
    pub(crate) fn is_state(byte: u8) -> bool {
        let access = byte & (Self::UNREADABLE | Self::UNWRITABLE);
        byte < 16 && access != Self::UNREADABLE
    }

    pub(crate) fn access(self) -> Access {
        match self.0 & (Self::UNREADABLE | Self::UNWRITABLE) {
            0 => Access::ReadWrite,
            Self::UNWRITABLE => Access::Read,
            _ => Access::Absent,
        }
    }

    fn set_access(&mut self, access: Access) {
        let stops = match access {
            Access::Absent => Self::UNREADABLE | Self::UNWRITABLE,
            Access::Read => Self::UNWRITABLE,
            Access::ReadWrite => 0,
        };
        self.0 = self.0 & (Self::UNUSED | Self::UNWRITTEN) | stops;
    }

    pub(crate) fn is_used(self) -> bool {
        self.0 & Self::UNUSED == 0
    }

    pub(crate) fn is_written(self) -> bool {
        self.0 & Self::UNWRITTEN == 0
    }

    fn mark(&mut self, write: bool) {
        self.0 &= !(Self::UNUSED | if write { Self::UNWRITTEN } else { 0 });
    }

    fn clear_marks(&mut self) {
        self.0 |= Self::UNUSED | Self::UNWRITTEN;
    }
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

/// Who stops accesses to a home that are outside of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// Whoever executes them.
    None,
    /// The host, if it has room for that.
    Host,
}

impl Guard {
    /// Memory with this guard. `None` if the host has no room.
    pub(crate) fn memory(self, pages: u32, max_pages: u32) -> Option<Memory> {
        let guarded = if self == Self::Host { Memory::guarded(pages, max_pages) } else { None };
        guarded.or_else(|| Memory::new(pages, max_pages))
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

impl Drop for Memory {
    fn drop(&mut self) {
        let used = self.length() as usize;
        std::mem::replace(&mut self.room, Room::nothing()).give_back(used);
    }
}

impl Memory {
    /// `None` if the host has no room for the reservation.
    pub(crate) fn new(pages: u32, max_pages: u32) -> Option<Self> {
        let reserved = u64::from(max_pages.max(pages)) * PAGE;
        let room = Room::new(usize::try_from(reserved).ok()?)?;
        Some(Self { room, pages, max_pages: max_pages.max(pages), states: None, users: 1 })
    }

    /// As [`Memory::new`], with a guard: all that an instruction can address is reserved, and the host stops whoever accesses what
    /// is not there.
    pub(crate) fn guarded(pages: u32, max_pages: u32) -> Option<Self> {
        let mut room = Room::guarded(usize::try_from(HOME_REACH).ok()?)?;
        let is_open = room.open(usize::try_from(u64::from(pages) * PAGE).ok()?);
        is_open.then_some(Self { room, pages, max_pages: max_pages.max(pages), states: None, users: 1 })
    }

    /// Whether the host stops whoever accesses what is not there.
    pub(crate) fn is_guarded(&self) -> bool {
        matches!(self.room, Room::Guarded { .. })
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

    pub(crate) fn max_pages(&self) -> u32 {
        self.max_pages
    }

    /// The states of all pages as bytes, if they are under control.
    pub(crate) fn state_bytes(&self) -> Option<Vec<u8>> {
        self.states.as_ref().map(|states| states.iter().map(|state| state.0).collect())
    }

    /// Brings all pages under control, with states that [`Memory::state_bytes`] gave.
    pub(crate) fn set_state_bytes(&mut self, bytes: &[u8]) {
        for (state, byte) in self.states_mut().iter_mut().zip(bytes) {
            *state = PageState(*byte);
        }
    }

    /// How many pages it has before growing by `more`, or `None` if the maximum forbids it.
    pub(crate) fn grown(&self, more: u32) -> Option<u32> {
        self.pages.checked_add(more).filter(|pages| *pages <= self.max_pages)
    }

    /// Grows to a number of pages that [`Memory::grown`] allowed. Whether the host does so.
    pub(crate) fn set_pages(&mut self, pages: u32) -> bool {
        if !self.room.open((u64::from(pages) * PAGE) as usize) {
            return false;
        }
        self.pages = pages;
        if let Some(states) = &mut self.states {
            states.resize(pages as usize, PageState::FRESH);
        }
        true
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
            state.set_access(access);
        }
        Ok(())
    }

    fn states_mut(&mut self) -> &mut [PageState] {
        let (pages, max_pages) = (self.pages as usize, self.max_pages as usize);
        self.states.get_or_insert_with(|| {
            let mut states = Vec::with_capacity(max_pages);
            states.resize(pages, PageState::FRESH);
            states
        })
    }

    /// The state of the first page, with those of the others behind it; `None` while they need no look. They stay there.
    pub(crate) fn states(&self) -> Option<*const PageState> {
        self.states.as_ref().map(|states| states.as_ptr())
    }

    /// Makes an absent page readable and writable with these contents.
    pub(crate) fn supply(&mut self, page: u32, contents: &[u8]) -> Result<(), Fault> {
        if page >= self.pages {
            return Err(Fault::Bounds);
        }
        let state = self.states.as_ref().map(|states| states[page as usize]);
        if state.is_none_or(|state| state.access() != Access::Absent) {
            return Err(Fault::State);
        }
        let start = page as usize * PAGE_SIZE as usize;
        self.bytes_mut()[start..start + PAGE_SIZE as usize].copy_from_slice(contents);
        self.states_mut()[page as usize].set_access(Access::ReadWrite);
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
        let Some(states) = &mut self.states else { return Ok(PageState(0)) };
        let state = states[page as usize];
        states[page as usize].clear_marks();
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
            match state.access() {
                Access::Absent => return Err(Blocked::Absent((first + index) as u32)),
                Access::Read if write => return Err(Blocked::ReadOnly),
                Access::Read | Access::ReadWrite => {}
            }
        }
        for state in pages {
            state.mark(write);
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
        assert!(memory.set_pages(memory.grown(2).expect("two more fit")));
        assert_eq!((memory.base(), memory.length(), memory.bytes()[4095], memory.bytes()[12287]), (base, 12288, 9, 0));
        assert_eq!(memory.grown(1), None);
        assert_eq!(memory.grown(u32::MAX), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri guards nothing")]
    fn guarded_memory_grows_in_place() {
        let mut memory = Memory::guarded(0, 3).expect("the host has room");
        assert!(memory.is_guarded() && memory.bytes().is_empty());
        assert!(memory.set_pages(memory.grown(3).expect("three fit")));
        memory.bytes_mut()[12287] = 9;
        assert_eq!((memory.length(), memory.bytes()[12287], memory.grown(1)), (12288, 9, None));
    }

    #[test]
    fn empty_memory_is_fine() {
        let mut memory = Memory::new(0, 0).expect("nothing is asked of the host");
        assert!(memory.bytes().is_empty() && memory.bytes_mut().is_empty());
    }

    #[test]
    fn page_states_follow_accesses() {
        let mut memory = Memory::new(3, 3).expect("the host has room");
        assert_eq!(memory.supply(1, &[5; 4096]), Err(Fault::State));
        assert!(memory.is_open(), "nothing was said of its pages");
        memory.protect(1, 1, Access::Absent).expect("page 1 exists");
        memory.protect(2, 1, Access::Read).expect("page 2 exists");
        assert_eq!(memory.touch(4090, 12, false), Err(Blocked::Absent(1)));
        assert_eq!(memory.touch(8192, 1, true), Err(Blocked::ReadOnly));
        assert_eq!(memory.touch(8192, 1, false), Ok(()));
        memory.supply(1, &[5; 4096]).expect("page 1 is absent");
        assert_eq!(memory.supply(1, &[5; 4096]), Err(Fault::State));
        assert_eq!(memory.touch(4096, 1, true), Ok(()));
        let state = memory.take_state(1).expect("page 1 exists");
        assert!(state.is_used() && state.is_written() && state.access() == Access::ReadWrite);
        assert!(!memory.take_state(1).expect("page 1 exists").is_used());
        assert!(memory.protect(2, 2, Access::Read).is_err());
    }

    #[test]
    fn bits_of_page_states_stop_what_needs_more_than_to_be_done() {
        let mut memory = Memory::new(1, 3).expect("the host has room");
        memory.protect(0, 1, Access::ReadWrite).expect("page 0 exists");
        let stops = |memory: &Memory| {
            let state = memory.states.as_ref().expect("they are under control")[0];
            [PageState::STOPS_READS, PageState::STOPS_WRITES].map(|bits| state.0 & bits != 0)
        };
        assert_eq!(stops(&memory), [true, true], "nothing is noted of its use");
        memory.touch(0, 1, false).expect("it can be read");
        assert_eq!(stops(&memory), [false, true]);
        memory.touch(0, 1, true).expect("it can be written");
        assert_eq!(stops(&memory), [false, false]);
        for (access, expected) in [(Access::Absent, [true, true]), (Access::Read, [false, true])] {
            memory.protect(0, 1, access).expect("page 0 exists");
            assert_eq!(stops(&memory), expected, "{access:?}");
        }
        let first = memory.states();
        assert!(memory.set_pages(memory.grown(2).expect("two more fit")));
        assert_eq!(memory.states(), first, "they stay where they are");
    }
}
