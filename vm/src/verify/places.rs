//! Where the words of functions lie in their module's code: one behind the other, in the order in which somebody first asked.
//! Nothing that a program can see depends on it.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The places of a module's functions. Threads can ask at the same time, and none waits for a function that has its place.
pub(super) struct Places {
    /// By function; [`NOWHERE`] before somebody asks.
    starts: Box<[AtomicU32]>,
    /// Starts, and in the lower half the functions, ascending.
    order: Box<[AtomicU64]>,
    /// How many of these there are.
    count: AtomicUsize,
    /// Where the next function will begin.
    end: Mutex<u32>,
}

/// No function begins here: all words of a module are fewer.
const NOWHERE: u32 = u32::MAX;

impl Places {
    pub(super) fn new(functions: usize) -> Self {
        Self {
            starts: (0..functions).map(|_| NOWHERE.into()).collect(),
            order: (0..functions).map(|_| 0.into()).collect(),
            count: 0.into(),
            end: 0.into(),
        }
    }

    /// Where a function begins, which has so many words. All functions together have fewer than 2^32 - 1.
    pub(super) fn start_of(&self, function: u32, words: impl FnOnce() -> u32) -> u32 {
        match self.starts[function as usize].load(Ordering::Acquire) {
            NOWHERE => self.place(function, words()),
            start => start,
        }
    }

    #[cold]
    fn place(&self, function: u32, words: u32) -> u32 {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.starts[function as usize].load(Ordering::Relaxed);
        if known != NOWHERE {
            return known;
        }
        let start = *end;
        *end += words;
        let count = self.count.load(Ordering::Relaxed);
        self.order[count].store(u64::from(start) << 32 | u64::from(function), Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Release);
        self.starts[function as usize].store(start, Ordering::Release);
        start
    }

    /// The function that has the word at this position; 0 if none has.
    pub(super) fn function_at(&self, position: u32) -> u32 {
        let placed = &self.order[..self.count.load(Ordering::Acquire)];
        let behind = placed.partition_point(|entry| entry.load(Ordering::Relaxed) >> 32 <= u64::from(position));
        behind.checked_sub(1).map_or(0, |index| placed[index].load(Ordering::Relaxed) as u32)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_lie_in_the_order_in_which_they_were_asked_for() {
        let places = Places::new(4);
        assert_eq!(places.function_at(0), 0);
        assert_eq!([2, 0, 2, 3].map(|function| places.start_of(function, || 10 + function)), [0, 12, 0, 22]);
        assert_eq!([0, 11, 12, 21, 22, 34].map(|position| places.function_at(position)), [2, 2, 0, 0, 3, 3]);
    }

    #[test]
    fn threads_agree() {
        let places = Places::new(1000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let places = &places;
                scope.spawn(move || {
                    for turn in 0..1000 {
                        let function = if thread % 2 == 0 { turn } else { 999 - turn };
                        let start = places.start_of(function, || 1 + function % 3);
                        assert_eq!(places.function_at(start), function);
                        assert_eq!(places.function_at(start + function % 3), function);
                    }
                });
            }
        });
    }
}
