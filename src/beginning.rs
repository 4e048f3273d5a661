//! Memory for the beginning of a large program.
//!
//! A third of what such a program waits for before it says something is the host, which gives memory substance page by page. So from
//! then on what is allocated lies in one stretch that the host may back with large pages, until that is used up; then the ordinary
//! allocator goes on. In the stretch nothing is looked for: each thread cuts from a piece of its own, and what is freed is used
//! again only if it was the last to be cut. What a program has in its beginning it mostly keeps.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// As much as the beginning of a program takes that was translated from a few MB.
const BYTES: usize = 16 << 20;

/// What the host's large pages are aligned to on most processors. Where they are not, it has smaller ones.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// So many of them are certain to be used.
#[cfg(target_os = "linux")]
const SOON: usize = 4;

/// What a thread takes at a time, so that threads do not write to the same lines of the processor's caches.
const PIECE: usize = 64 << 10;

/// More than this is no part of a piece.
const SMALL: usize = PIECE / 4;

/// Everything begins at a multiple of this, which is enough for whatever is no vector.
const GRAIN: usize = 16;

/// What is more than the stretch lies before it.
#[cfg(target_os = "linux")]
static STRETCH: OnceLock<memmap2::MmapMut> = OnceLock::new();

#[global_allocator]
static MEMORY: Memory = Memory { start: AtomicPtr::new(null_mut()), used: AtomicUsize::new(0) };

thread_local! {
    static REST: Cell<Rest> = const { Cell::new(Rest { next: null_mut(), left: 0 }) };
}

/// Has what is allocated from now on come from the stretch.
#[cfg(target_os = "linux")]
pub(crate) fn begin() {
    if !MEMORY.start.load(Ordering::Relaxed).is_null() {
        return;
    }
    // Where the host has no room, or no large pages, it goes on as it would.
    let Ok(mut stretch) = memmap2::MmapOptions::new().len(BYTES + LARGE_PAGE).no_reserve_swap().map_anon() else {
        return;
    };
    let skipped = stretch.as_ptr().align_offset(LARGE_PAGE);
    let _ = stretch.advise_range(memmap2::Advice::HugePage, skipped, BYTES);
    let start = stretch[skipped..][..BYTES].as_mut_ptr();
    // Of several threads that begin one has its stretch be the one that there is, which stays as long as the process.
    if STRETCH.set(stretch).is_ok() {
        MEMORY.start.store(start, Ordering::Release);
    }
}

/// Gives the beginning of the stretch substance, but for what is used at once. While one thread does so others do something else.
#[cfg(target_os = "linux")]
pub(crate) fn give_substance() {
    let Some(stretch) = STRETCH.get() else { return };
    let skipped = stretch.as_ptr().align_offset(LARGE_PAGE);
    for page in 1..SOON {
        // Where the host does not know this, it gives it when it is used.
        let _ = stretch.advise_range(memmap2::Advice::PopulateWrite, skipped + page * LARGE_PAGE, LARGE_PAGE);
    }
}

/// Other hosts have no advice to be given.
#[cfg(not(target_os = "linux"))]
pub(crate) fn begin() {}

/// As above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_substance() {}

/// What is left of a thread's piece.
#[derive(Clone, Copy)]
struct Rest {
    next: *mut u8,
    left: usize,
}

struct Memory {
    /// Of the stretch; null before there is one.
    start: AtomicPtr<u8>,
    /// Bytes that threads have taken from its beginning.
    used: AtomicUsize,
}

impl Memory {
    /// Cuts from the stretch; null if there is none, or nothing left of it.
    fn cut(&self, layout: Layout) -> *mut u8 {
        if self.start.load(Ordering::Acquire).is_null() || layout.align() > GRAIN {
            return null_mut();
        }
        let bytes = whole(layout);
        if bytes > SMALL {
            return self.take(bytes);
        }
        let mut rest = REST.get();
        if rest.left < bytes {
            rest = Rest { next: self.take(PIECE), left: PIECE };
            if rest.next.is_null() {
                return null_mut();
            }
        }
        REST.set(Rest { next: rest.next.wrapping_add(bytes), left: rest.left - bytes });
        rest.next
    }

    /// Takes so many bytes of the stretch, which is there; null if there are no more.
    fn take(&self, bytes: usize) -> *mut u8 {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= BYTES);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(used) => self.start.load(Ordering::Acquire).wrapping_add(used),
            Err(_) => null_mut(),
        }
    }

    /// Whether this lies in the stretch.
    fn has(&self, place: *mut u8) -> bool {
        let start = self.start.load(Ordering::Acquire);
        !start.is_null() && place.addr().wrapping_sub(start.addr()) < BYTES
    }

    /// Has something in the stretch be so large from now on, or go, if this thread cut it last and its piece has room; whether that
    /// is so.
    fn resize_last(place: *mut u8, layout: Layout, wanted: usize) -> bool {
        let Rest { next, left } = REST.get();
        let (bytes, wanted) = (whole(layout), wanted.next_multiple_of(GRAIN));
        let is_possible = place.wrapping_add(bytes) == next && wanted <= bytes + left;
        if is_possible {
            REST.set(Rest { next: place.wrapping_add(wanted), left: bytes + left - wanted });
        }
        is_possible
    }
}

/// The bytes that are cut for something.
fn whole(layout: Layout) -> usize {
    layout.size().next_multiple_of(GRAIN)
}

// SAFETY: what is cut from the stretch is in no other cut, and aligned: pieces begin, and end, at grains. The stretch stays. A
// thread gives back only what ends where the rest of its piece begins: that is the stretch's, and nobody else's any more. All
// other memory is the ordinary allocator's, which is asked for it and given it back.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let place = self.cut(layout);
        // SAFETY: the caller's promise.
        if place.is_null() { unsafe { System.alloc(layout) } } else { place }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // It may know that there are zeroes already.
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if self.has(place) {
            Self::resize_last(place, layout, 0);
        } else {
            // SAFETY: the caller's promise; it does not come from the stretch.
            unsafe { System.dealloc(place, layout) }
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, wanted: usize) -> *mut u8 {
        if !self.has(place) {
            // SAFETY: the caller's promise; it does not come from the stretch.
            return unsafe { System.realloc(place, layout, wanted) };
        }
        if Self::resize_last(place, layout, wanted) || wanted <= layout.size() {
            return place;
        }
        // SAFETY: the caller's promise; the alignment was good before.
        let other = unsafe { self.alloc(Layout::from_size_align_unchecked(wanted, layout.align())) };
        if !other.is_null() {
            // SAFETY: both have room for what there was, and are apart.
            unsafe { other.copy_from_nonoverlapping(place, layout.size()) };
            // SAFETY: the caller's promise; nobody uses it any more.
            unsafe { self.dealloc(place, layout) };
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Many small and large things that grow, shrink and go, until more was asked for than there is in the stretch.
    fn churn(seed: usize) {
        let mut all: Vec<(u8, Vec<u8>)> = Vec::new();
        let (mut state, mut bytes) = (seed, 0);
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        while bytes < 2 * BYTES {
            let length = if random(50) == 0 { random(1 << 20) } else { random(500) };
            let mark = random(256) as u8;
            bytes += length;
            match (random(4), all.len()) {
                (0 | 1, _) | (_, 0) => all.push((mark, vec![mark; length])),
                (2, count) => {
                    let (mark, thing) = &mut all[random(count)];
                    thing.resize(length, *mark);
                    thing.shrink_to_fit();
                }
                (_, count) => {
                    let (mark, thing) = all.swap_remove(random(count));
                    assert!(thing.iter().all(|byte| *byte == mark));
                }
            }
        }
        assert!(all.iter().all(|(mark, thing)| thing.iter().all(|byte| byte == mark)));
    }

    #[test]
    fn what_is_somebodys_is_nobody_elses() {
        begin();
        thread::scope(|scope| {
            for seed in 0..4 {
                scope.spawn(move || churn(seed));
            }
        });
    }

    #[test]
    fn things_lie_where_their_types_want_them() {
        #[repr(align(128))]
        struct Wide([u8; 3]);
        begin();
        for number in 0..100 {
            let (byte, wide) = (Box::new(number), Box::new(Wide([number; 3])));
            assert!((&raw const *wide).addr().is_multiple_of(128) && wide.0 == [*byte; 3]);
            assert_eq!(vec![0_u64; 5000], [0; 5000], "zeroes are zeroes");
        }
    }
}
