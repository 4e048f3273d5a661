//! Mappings that nobody uses, all zeroes, for whoever next wants one of the same length. To ask the host for one, and to have
//! it give substance to the first page, takes longer than all else that starts a service.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use limen_isa::module::PAGE_SIZE;
use memmap2::{MmapMut, MmapOptions};

/// So many are kept: as many services may stop at once, and others start, without the host.
const KEPT: usize = 2048;

/// So many bytes at the beginning of each keep their substance and are cleared; what lies behind them the host takes back.
const KEPT_BYTES: usize = PAGE_SIZE as usize;

/// Those of all machines of the process, the one that was given back last at the end.
static SPARE: Spare = Spare(Mutex::new(VecDeque::new()));

struct Spare(Mutex<VecDeque<MmapMut>>);

/// Zeroes; `None` if the host has no room.
pub(crate) fn take(bytes: usize) -> Option<MmapMut> {
    SPARE.take(bytes)
}

/// Gives back what nobody uses any more, of which no more than so many bytes from the beginning were ever written.
pub(crate) fn give_back(mapping: MmapMut, used: usize) {
    SPARE.give_back(mapping, used);
}

impl Spare {
    fn take(&self, bytes: usize) -> Option<MmapMut> {
        let mut all = self.all();
        // The last one is the likeliest to be in the processor's caches.
        if let Some(index) = all.iter().rposition(|mapping| mapping.len() == bytes) {
            return all.remove(index);
        }
        drop(all);
        map(bytes).or_else(|| {
            // What is kept for others may be what is missing.
            drop(std::mem::take(&mut *self.all()));
            map(bytes)
        })
    }

    /// The place of the one that was given back longest ago is taken if there are too many.
    fn give_back(&self, mut mapping: MmapMut, used: usize) {
        if !clear(&mut mapping, used) {
            return;
        }
        let mut all = self.all();
        all.push_back(mapping);
        let superfluous = if all.len() > KEPT { all.pop_front() } else { None };
        drop(all);
        drop(superfluous); // takes its time
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<MmapMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn map(bytes: usize) -> Option<MmapMut> {
    let mut options = MmapOptions::new();
    options.len(bytes);
    // Miri knows no mappings of which more is said.
    if !cfg!(miri) {
        options.no_reserve_swap();
    }
    options.map_anon().ok()
}

/// Makes zeroes of all, of which so many bytes may be something else. `false` if the host refuses: then it is not to be used.
fn clear(mapping: &mut MmapMut, used: usize) -> bool {
    let kept = used.min(KEPT_BYTES);
    mapping[..kept].fill(0);
    used == kept || give_substance_back(mapping, kept, used - kept)
}

/// Has the host take back some bytes, which are zeroes from then on; whether it does so.
#[cfg(all(target_os = "linux", not(miri)))]
fn give_substance_back(mapping: &mut MmapMut, from: usize, bytes: usize) -> bool {
    // SAFETY: nobody uses it, and it is private memory without a file.
    unsafe { mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, bytes) }.is_ok()
}

/// Other hosts may leave what was there.
#[cfg(not(all(target_os = "linux", not(miri))))]
fn give_substance_back(_mapping: &mut MmapMut, _from: usize, _bytes: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn whatever_was_written_reads_as_zeroes_when_it_is_taken_again() {
        let spare = Spare(Mutex::default());
        for (bytes, used) in [(64 << 10, 0), (64 << 10, 1), (64 << 10, 4096), (64 << 10, 4097), (64 << 10, 64 << 10)] {
            let mut mapping = spare.take(bytes).expect("the host has room");
            let place = mapping.as_ptr();
            mapping[..used].fill(0xff);
            spare.give_back(mapping, used);
            let mapping = spare.take(bytes).expect("there is one");
            assert_eq!(mapping.as_ptr(), place, "it is the same one");
            assert!(mapping.iter().all(|byte| *byte == 0), "{used} bytes were used");
            spare.give_back(mapping, bytes);
        }
    }

    #[test]
    fn lengths_are_not_mixed_up_and_no_more_are_kept_than_there_should_be() {
        let spare = Spare(Mutex::default());
        let mappings: Vec<_> = (0..KEPT + 9).map(|_| spare.take(4096).expect("the host has room")).collect();
        mappings.into_iter().for_each(|mapping| spare.give_back(mapping, 0));
        assert_eq!(spare.all().len(), KEPT);
        assert_eq!(spare.take(8192).expect("the host has room").len(), 8192);
        assert_eq!(spare.take(4096).expect("there is one").len(), 4096);
        assert_eq!(spare.all().len(), KEPT - 1);
    }
}
