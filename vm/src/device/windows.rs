//! The memory that a device reaches: what its windows show, as rust-vmm's `GuestMemory`.

use std::iter::FusedIterator;
use std::marker::PhantomData;

use vm_memory::bitmap::BS;
use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{
    GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion, GuestMemoryRegionBytes, GuestMemoryResult,
    GuestRegionCollection, GuestUsize, Permissions, VolatileSlice,
};

use crate::object::{Kind, ObjectTable, Ref, Rights};

/// How many windows a device has.
pub(crate) const WINDOWS: u32 = 64;

/// What the windows of a device show at the moment. An address is the number of a window (high 32 bits) and an offset in it; no
/// access reaches beyond its window.
pub(crate) struct Windows<'a> {
    shown: Vec<Option<Shown>>,
    /// The memory is the object table's business, and stays meanwhile.
    memory: PhantomData<&'a ObjectTable>,
}

/// What one window shows.
#[derive(Clone, Copy)]
struct Shown {
    base: *mut u8,
    length: u64,
    rights: Rights,
}

impl<'a> Windows<'a> {
    /// What is behind these references now. One that is null or stale shows nothing; neither does memory whose pages are under
    /// a kernel's control, since a device cannot wait for a page.
    pub(crate) fn of(objects: &'a ObjectTable, references: &[Ref]) -> Self {
        let shown = references.iter().map(|reference| Shown::behind(objects, *reference)).collect();
        Self { shown, memory: PhantomData }
    }

    /// How many bytes a window shows.
    pub(crate) fn size(&self, window: u32) -> u64 {
        self.shown.get(window as usize).copied().flatten().map_or(0, |shown| shown.length)
    }

    /// Where `count` bytes from an address on lie.
    fn place(&self, address: u64, count: usize, access: Permissions) -> Option<*mut u8> {
        let (window, offset) = ((address >> 32) as usize, address & 0xffff_ffff);
        let shown = self.shown.get(window).copied().flatten()?;
        let fits = offset.checked_add(count as u64).is_some_and(|end| end <= shown.length);
        // SAFETY: within what the window shows.
        (fits && shown.allows(access)).then(|| unsafe { shown.base.add(offset as usize) })
    }
}

impl Shown {
    fn behind(objects: &ObjectTable, reference: Ref) -> Option<Self> {
        let entry = objects.check(reference, Kind::MEMORY, Rights::NONE).ok()?;
        let (base, length) = entry.open_bytes();
        Some(Self { base, length, rights: objects.rights(reference) })
    }

    fn allows(&self, access: Permissions) -> bool {
        let wanted = match access {
            Permissions::No => Rights::NONE,
            Permissions::Read => Rights::READ,
            Permissions::Write => Rights::WRITE,
            Permissions::ReadWrite => Rights::READ_WRITE,
        };
        self.rights.0 & wanted.0 == wanted.0
    }
}

impl GuestMemory for Windows<'_> {
    type PhysicalMemory = GuestRegionCollection<NoRegion>;
    type Bitmap = ();

    fn check_range(&self, address: GuestAddress, count: usize, access: Permissions) -> bool {
        self.place(address.0, count, access).is_some()
    }

    fn get_slices<'a>(
        &'a self,
        address: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> GuestMemoryResult<impl GuestMemorySliceIterator<'a, BS<'a, ()>>> {
        let place = self.place(address.0, count, access).ok_or(GuestMemoryError::InvalidGuestAddress(address))?;
        // SAFETY: so many bytes are there as long as the object table is not changed, which is borrowed; and the thread that
        // runs the machine is here, so that nobody else touches them.
        Ok(OneSlice(Some(unsafe { VolatileSlice::new(place, count) })))
    }
}

/// A range never spans two windows.
struct OneSlice<'a>(Option<VolatileSlice<'a>>);

impl<'a> Iterator for OneSlice<'a> {
    type Item = GuestMemoryResult<VolatileSlice<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl FusedIterator for OneSlice<'_> {}

impl<'a> GuestMemorySliceIterator<'a, ()> for OneSlice<'a> {}

/// There is no physical memory behind windows: they are all there is to address.
pub(crate) enum NoRegion {}

impl GuestMemoryRegion for NoRegion {
    type B = ();

    fn len(&self) -> GuestUsize {
        match *self {}
    }

    fn start_addr(&self) -> GuestAddress {
        match *self {}
    }

    fn bitmap(&self) {
        match *self {}
    }
}

impl GuestMemoryRegionBytes for NoRegion {}
