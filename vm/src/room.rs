//! Zero-filled memory of the host, for stacks and memory objects.

use std::ptr::NonNull;

use memmap2::MmapMut;
use region::{Allocation, Protection};

use crate::spare;

/// Bytes at an address that never changes. Many of them are a mapping of their own, to which the host gives substance when it
/// is touched; for few that would cost more than clearing them, and a process can have only so many mappings.
pub(crate) enum Room {
    /// In pieces that are aligned for whatever is accessed at once.
    Few(Pieces),
    Many(MmapMut),
    /// As many as are open; the host stops whoever accesses what lies behind them.
    Guarded {
        reserved: Allocation,
        open: usize,
    },
}

type Piece = u128;

/// The only owner of pieces. Others have the address of the first, so it is no `Box`, which would claim to be the only way to them.
pub(crate) struct Pieces(NonNull<[Piece]>);

impl Pieces {
    fn new(bytes: usize) -> Self {
        let pieces: Box<[Piece]> = vec![0; bytes.div_ceil(size_of::<Piece>())].into();
        Self(NonNull::from(Box::leak(pieces)))
    }

    fn base(&self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    /// In bytes.
    fn length(&self) -> usize {
        self.0.len() * size_of::<Piece>()
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // SAFETY: they came from a box, and their owner is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// More bytes than this are a mapping.
const FEW: usize = 32 << 10;

impl Room {
    /// `None` if the host has no room.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        if bytes <= FEW {
            return Some(Self::few(bytes));
        }
        Some(Self::Many(spare::take(bytes)?))
    }

    /// Address space for so many bytes, of which none is open. `None` if the host has no room, or is Miri, which guards nothing.
    pub(crate) fn guarded(reserved: usize) -> Option<Self> {
        if cfg!(miri) {
            return None;
        }
        Some(Self::Guarded { reserved: region::alloc(reserved, Protection::NONE).ok()?, open: 0 })
    }

    /// Has so many bytes open, if there is a guard that has not had them yet. Whether the host does so.
    pub(crate) fn open(&mut self, bytes: usize) -> bool {
        let Self::Guarded { reserved, open } = self else { return true };
        if bytes > *open {
            // SAFETY: nobody uses what is not open yet, and it is within what is reserved.
            let opened =
                unsafe { region::protect(reserved.as_ptr::<u8>().add(*open), bytes - *open, Protection::READ_WRITE) };
            if opened.is_err() {
                return false;
            }
            *open = bytes;
        }
        true
    }

    /// Ends it. No more than so many bytes from the beginning were ever written.
    pub(crate) fn give_back(self, used: usize) {
        if let Self::Many(mapping) = self {
            spare::give_back(mapping, used);
        }
    }

    /// Nothing at all.
    pub(crate) fn nothing() -> Self {
        Self::few(0)
    }

    fn few(bytes: usize) -> Self {
        Self::Few(Pieces::new(bytes))
    }

    pub(crate) fn base(&self) -> *const u8 {
        match self {
            Self::Few(pieces) => pieces.base(),
            Self::Many(mapping) => mapping.as_ptr(),
            Self::Guarded { reserved, .. } => reserved.as_ptr(),
        }
    }

    pub(crate) fn base_mut(&mut self) -> *mut u8 {
        match self {
            Self::Few(pieces) => pieces.base(),
            Self::Many(mapping) => mapping.as_mut_ptr(),
            Self::Guarded { reserved, .. } => reserved.as_mut_ptr(),
        }
    }

    /// How many bytes there are.
    fn length(&self) -> usize {
        match self {
            Self::Few(pieces) => pieces.length(),
            Self::Many(mapping) => mapping.len(),
            Self::Guarded { open, .. } => *open,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are there, and borrowed like this.
        unsafe { std::slice::from_raw_parts(self.base(), self.length()) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut(), self.length()) }
    }
}

/// The cells of a stack.
pub(crate) struct Cells {
    room: Room,
    count: usize,
}

impl Cells {
    /// None at all.
    pub(crate) fn none() -> Self {
        Self { room: Room::nothing(), count: 0 }
    }

    /// So many zeroes.
    pub(crate) fn new(count: u32) -> Self {
        let (count, bytes) = (count as usize, count as usize * size_of::<u64>());
        // Where the host refuses a mapping, its allocator has the last word.
        Self { room: Room::new(bytes).unwrap_or_else(|| Room::few(bytes)), count }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        std::mem::replace(&mut self.room, Room::nothing()).give_back(self.count * size_of::<u64>());
    }
}

impl std::ops::Deref for Cells {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        // SAFETY: the room was made for so many cells, is aligned for them, and any bits are a cell.
        unsafe { std::slice::from_raw_parts(self.room.base().cast(), self.count) }
    }
}

impl std::ops::DerefMut for Cells {
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.room.base_mut().cast(), self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_bytes_are_zeroes_and_stay_where_they_are() {
        for bytes in [0, 1, 4096, FEW, FEW + 1, 1 << 20] {
            let mut room = Room::new(bytes).expect("the host has room");
            assert!(room.length() >= bytes && *room.bytes() == *vec![0; room.length()], "{bytes}");
            assert!((room.base() as usize).is_multiple_of(16), "{bytes}");
            let base = room.base();
            if let Some(last) = room.bytes_mut().last_mut() {
                *last = 7;
            }
            assert_eq!((room.base(), room.bytes().last().copied()), (base, (bytes > 0).then_some(7)), "{bytes}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri guards nothing")]
    fn behind_what_is_open_there_is_a_guard() {
        let mut room = Room::guarded(1 << 32).expect("the host has room");
        let protection =
            |room: &Room, page: usize| region::query(room.base().wrapping_add(page << 12)).map(|it| it.protection());
        assert!(room.bytes().is_empty() && room.open(2 << 12) && room.open(1 << 12) && room.open(3 << 12));
        room.bytes_mut()[(3 << 12) - 1] = 7;
        assert_eq!((room.bytes().len(), protection(&room, 2).ok()), (3 << 12, Some(Protection::READ_WRITE)));
        assert_eq!(protection(&room, 3).ok(), Some(Protection::NONE));
    }

    #[test]
    fn a_stack_has_as_many_cells_as_it_was_made_with() {
        for count in [0, 5, 4096, 5000] {
            let mut cells = Cells::new(count);
            assert_eq!((cells.len(), cells.iter().sum::<u64>()), (count as usize, 0));
            cells.fill(u64::MAX);
            assert!(cells.iter().all(|cell| *cell == u64::MAX));
        }
        assert!(Cells::none().is_empty());
    }
}
