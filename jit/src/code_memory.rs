//! Memory for code.
//!
//! Pieces of code lie one behind the other, many in a page: if each began a page of its own, all of them would compete for the
//! same few places in the processor's caches.
//!
//! No page is ever writable and executable at once, and none is changed while it is executable. Where a page has code already, a
//! new one is filled with that and with what comes to it, and then takes its place, in one step as other threads see it that
//! execute it meanwhile.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::io::{Error, Result};
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider};
use cranelift_module::ModuleResult;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Where code is written to before it has its place.
#[derive(Clone, Default)]
pub(crate) struct Draft(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Draft {
    /// What was written, if it was one piece.
    pub(crate) fn take(&self) -> Option<Box<[u8]>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = pieces.pop()?;
        pieces.is_empty().then_some(piece)
    }
}

impl JITMemoryProvider for Draft {
    fn allocate(&mut self, size: usize, _align: u64, _kind: JITMemoryKind) -> Result<*mut u8> {
        let mut piece = vec![0; size].into_boxed_slice();
        let address = piece.as_mut_ptr();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        Ok(address)
    }

    unsafe fn free_memory(&mut self) {}

    fn finalize(&mut self, _branch_protection: BranchProtection) -> ModuleResult<()> {
        Ok(())
    }
}

/// A piece of code that can be executed, until it is dropped.
pub(crate) struct Placed {
    address: usize,
    bytes: usize,
}

impl Placed {
    /// Finds a place for code that does not depend on where it is.
    ///
    /// # Errors
    ///
    /// If the host has no memory.
    pub(crate) fn new(code: &[u8]) -> Result<Self> {
        let bytes = footprint(code.len());
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        let (region, offset) = memory.take(bytes)?;
        let region = &mut memory.0[region];
        if let Err(error) = region.fill(offset, code) {
            region.release(offset, bytes);
            return Err(error);
        }
        Ok(Self { address: region.base + offset, bytes })
    }

    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        MEMORY.lock().unwrap_or_else(PoisonError::into_inner).give(self.address, self.bytes);
    }
}

/// Bytes of memory that so many bytes of code take.
pub(crate) fn footprint(code: usize) -> usize {
    code.max(1).next_multiple_of(GRAIN)
}

/// Pieces begin at multiples of this: lines of the processor's caches, or whole pages where the host cannot put one page in place of
/// another.
pub(crate) const GRAIN: usize = if cfg!(target_os = "linux") { 64 } else { PAGE };

/// What the host protects at once, or a multiple of that.
const PAGE: usize = 16 << 10;

/// Address space is reserved in pieces of so many bytes.
const REGION: usize = 16 << 20;

/// All code of the process.
static MEMORY: Mutex<Memory> = Mutex::new(Memory(Vec::new()));

struct Memory(Vec<Region>);

impl Memory {
    /// Takes so many bytes, from the first region that has them: its number, and where they begin.
    fn take(&mut self, bytes: usize) -> Result<(usize, usize)> {
        let found = self.0.iter_mut().enumerate().find_map(|(index, region)| Some((index, region.take(bytes)?)));
        if let Some(found) = found {
            return Ok(found);
        }
        let mut region = Region::reserve(bytes.next_multiple_of(PAGE).max(REGION))?;
        let offset = region.take(bytes).unwrap_or_default();
        self.0.push(region);
        Ok((self.0.len() - 1, offset))
    }

    fn give(&mut self, address: usize, bytes: usize) {
        let of = |region: &&mut Region| (region.base..region.base + region.length).contains(&address);
        if let Some(region) = self.0.iter_mut().find(of) {
            region.give(address - region.base, bytes);
        }
    }
}

/// Reserved address space.
struct Region {
    base: usize,
    length: usize,
    /// What is free: where it begins, and how many bytes it has. No two lie next to each other.
    free: BTreeMap<usize, usize>,
    /// By page: how many pieces of code are in it.
    users: Box<[u16]>,
}

impl Region {
    fn reserve(length: usize) -> Result<Self> {
        // SAFETY: the mapping is new.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), length, EMPTY, RESERVED)? };
        let users = vec![0; length / PAGE].into();
        Ok(Self { base: base as usize, length, free: BTreeMap::from([(0, length)]), users })
    }

    fn take(&mut self, bytes: usize) -> Option<usize> {
        let (offset, free) =
            self.free.iter().find(|(_, free)| **free >= bytes).map(|(offset, free)| (*offset, *free))?;
        self.free.remove(&offset);
        if free > bytes {
            self.free.insert(offset + bytes, free - bytes);
        }
        Some(offset)
    }

    /// Has code where there was none.
    fn fill(&mut self, offset: usize, code: &[u8]) -> Result<()> {
        let pages = pages(offset, footprint(code.len()));
        let (first, length) = (pages.start * PAGE, pages.len() * PAGE);
        // SAFETY: the mapping is new, and what is there already can be read.
        unsafe {
            let draft = mmap_anonymous(ptr::null_mut(), length, WRITABLE, MapFlags::PRIVATE)?;
            for page in pages.clone().filter(|page| self.users[*page] > 0) {
                let from = (self.base + page * PAGE) as *const u8;
                from.copy_to_nonoverlapping(draft.cast::<u8>().add(page * PAGE - first), PAGE);
            }
            code.as_ptr().copy_to_nonoverlapping(draft.cast::<u8>().add(offset - first), code.len());
            replace(draft, length, (self.base + first) as *mut c_void)?;
        }
        for page in pages {
            self.users[page] += 1;
        }
        Ok(())
    }

    /// What is there is not executed any more.
    fn give(&mut self, offset: usize, bytes: usize) {
        self.release(offset, bytes);
        for page in pages(offset, bytes) {
            self.users[page] -= 1;
            if self.users[page] == 0 {
                self.forget(page);
            }
        }
    }

    /// So many bytes are free again, and so one with what is free beside them.
    fn release(&mut self, offset: usize, bytes: usize) {
        let behind = self.free.remove(&(offset + bytes)).unwrap_or(0);
        match self.free.range_mut(..offset).next_back() {
            Some((before, length)) if *before + *length == offset => *length += bytes + behind,
            _ => {
                self.free.insert(offset, bytes + behind);
            }
        }
    }

    /// Gives the memory of a page back to the host. Should the host refuse, it has only less for others.
    fn forget(&mut self, page: usize) {
        let page = (self.base + page * PAGE) as *mut c_void;
        // SAFETY: no code is there.
        let _ = unsafe { mmap_anonymous(page, PAGE, EMPTY, RESERVED | MapFlags::FIXED) };
    }
}

/// The pages in which a piece lies.
fn pages(offset: usize, bytes: usize) -> Range<usize> {
    offset / PAGE..(offset + bytes).div_ceil(PAGE)
}

/// What has no code yet is executable, too: Linux tells those who watch the process what may be executed when it is mapped, not when
/// pages are put in place of others, and `perf` looks for names only there.
const EMPTY: ProtFlags = ProtFlags::READ.union(ProtFlags::EXEC);
const WRITABLE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const EXECUTABLE: MprotectFlags = MprotectFlags::READ.union(MprotectFlags::EXEC);
const RESERVED: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Puts pages in the place of others, and makes them executable.
///
/// # Safety
///
/// Nobody else uses the draft. What is replaced must be the same but for bytes that nobody accesses.
#[cfg(target_os = "linux")]
unsafe fn replace(draft: *mut c_void, length: usize, place: *mut c_void) -> Result<()> {
    use rustix::mm::{MremapFlags, mremap_fixed};
    // SAFETY: the caller's promise.
    unsafe {
        let replaced = mprotect(draft, length, EXECUTABLE)
            .and_then(|()| mremap_fixed(draft, length, length, MremapFlags::MAYMOVE, place));
        if replaced.is_err() {
            let _ = munmap(draft, length);
        }
        replaced.map(drop).map_err(Error::from)
    }
}

/// As on Linux, where the place has no code yet.
///
/// # Safety
///
/// As on Linux.
#[cfg(not(target_os = "linux"))]
unsafe fn replace(draft: *mut c_void, length: usize, place: *mut c_void) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let replaced = mmap_anonymous(place, length, WRITABLE, MapFlags::PRIVATE | MapFlags::FIXED).and_then(|place| {
            draft.cast::<u8>().copy_to_nonoverlapping(place.cast(), length);
            mprotect(place, length, EXECUTABLE)
        });
        let _ = munmap(draft, length);
        replaced.map_err(Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A region of its own, with pieces taken from it.
    fn region() -> Region {
        Region::reserve(REGION).expect("the host has address space")
    }

    fn bytes_at(region: &Region, offset: usize, count: usize) -> &[u8] {
        // SAFETY: the caller has filled them, and they can be read.
        unsafe { std::slice::from_raw_parts((region.base + offset) as *const u8, count) }
    }

    #[test]
    fn pieces_share_pages_and_keep_what_they_have() {
        let mut region = region();
        let mut pieces = Vec::new();
        for byte in 1..=200u8 {
            let code = vec![byte; usize::from(byte) * 37];
            let offset = region.take(footprint(code.len())).expect("there is room");
            region.fill(offset, &code).expect("the host has memory");
            pieces.push((offset, code));
        }
        for (offset, code) in &pieces {
            assert_eq!(bytes_at(&region, *offset, code.len()), code);
        }
        if cfg!(target_os = "linux") {
            assert_eq!(pieces[1].0, GRAIN, "the second lies behind the first");
        }
        // Every other one goes, and what is left stays as it was.
        for (offset, code) in pieces.iter().step_by(2) {
            region.give(*offset, footprint(code.len()));
        }
        for (offset, code) in pieces.iter().skip(1).step_by(2) {
            assert_eq!(bytes_at(&region, *offset, code.len()), code);
            region.give(*offset, footprint(code.len()));
        }
        assert_eq!(region.free, BTreeMap::from([(0, REGION)]));
        assert!(region.users.iter().all(|users| *users == 0));
    }

    #[test]
    fn what_was_freed_is_taken_again() {
        let mut region = region();
        let code = [1; 100];
        let mut take = || {
            let offset = region.take(footprint(code.len())).expect("there is room");
            region.fill(offset, &code).expect("the host has memory");
            offset
        };
        let (first, second) = (take(), take());
        region.give(first, footprint(code.len()));
        assert_eq!(region.take(footprint(code.len())), Some(first));
        assert_ne!(first, second);
    }

    /// Runs one piece again and again while others come into its page and go.
    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn code_is_executed_while_its_page_is_replaced() {
        use std::sync::atomic::{AtomicBool, Ordering};
        // mov eax, 42; ret
        let code = Placed::new(&[0xb8, 42, 0, 0, 0, 0xc3]).expect("the host has memory");
        // SAFETY: this is what is there.
        let run: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.address()) };
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let runner = scope.spawn(|| {
                let mut runs = 0u64;
                while !is_done.load(Ordering::Relaxed) {
                    assert_eq!(run(), 42);
                    runs += 1;
                }
                runs
            });
            for _ in 0..2_000 {
                let others: Vec<_> = (0..4).map(|_| Placed::new(&[0xc3; 100]).expect("the host has memory")).collect();
                drop(others);
            }
            is_done.store(true, Ordering::Relaxed);
            assert!(runner.join().is_ok_and(|runs| runs > 0));
        });
    }
}
