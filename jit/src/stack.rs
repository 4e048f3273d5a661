//! Native stacks: what compiled code runs on.

use std::collections::VecDeque;
use std::io::Error;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions, UncheckedAdvice};
use region::Protection;

use crate::compile::STACK_RATIO;

/// Bytes beyond what compiled code can take, for what it calls, signal handlers among it, and for the guard page at the end.
const RESERVE: usize = 512 << 10;

/// By so many bytes each stack of so many begins before the one before it; all of that is within a page.
const SHIFT: usize = 128;
const SHIFTS: usize = 32;

/// A native stack. The host gives it substance when it is touched.
pub(crate) struct NativeStack {
    memory: MmapMut,
    /// Whether it has given back what a deep recursion has left, and nothing ran on it since.
    is_shrunk: bool,
}

impl NativeStack {
    fn new(bytes: usize) -> Result<Self, Error> {
        let memory = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
        // Compiled code never gets there. What else runs on the stack, a signal handler perhaps, should not get into memory of
        // others either: mappings lie next to each other.
        // SAFETY: nothing uses the memory yet, and nothing will ever access its first page.
        unsafe { region::protect(memory.as_ptr(), region::page::size(), Protection::NONE) }.map_err(Error::other)?;
        Ok(Self { memory, is_shrunk: true })
    }

    /// Gives back what a deep recursion has left.
    fn shrink(&mut self) {
        if std::mem::replace(&mut self.is_shrunk, true) {
            return;
        }
        let unused = self.memory.len() - KEPT_BYTES;
        // SAFETY: nothing runs on a free stack, and nothing of it is read before it is written. Should the host refuse, it
        // has only less room for others.
        let _ = unsafe { self.memory.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, unused) };
    }

    /// Where it begins to be used, in its last page. Stacks are so far from each other that all would begin in the same lines of the
    /// processor's cache; so each of some begins elsewhere.
    pub(crate) fn top(&mut self) -> *mut u8 {
        let number = self.memory.as_ptr() as usize / self.memory.len();
        self.memory.as_mut_ptr_range().end.wrapping_sub(number % SHIFTS * SHIFT)
    }
}

/// Native stacks that are free, longest first.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Mutex<VecDeque<NativeStack>>>);

/// Free stacks that are kept: as many services may stop at once, and others start, without the host.
const KEPT: usize = 1024;

/// So many of them, those that were freed last, stay as they are: most likely they are wanted again at once, and asking the host
/// takes its time.
const UNTOUCHED: usize = 16;

/// Bytes at the end of any other that keep their substance.
const KEPT_BYTES: usize = 16 << 10;

/// All machines of the process have one: what one leaves behind, the next one need not ask the host for.
static SHARED: LazyLock<Pool> = LazyLock::new(|| Pool(Arc::default()));

impl Default for Pool {
    fn default() -> Self {
        SHARED.clone()
    }
}

impl Pool {
    /// A stack for a context whose abstract stack has so many cells; `None` if the host has no room.
    pub(crate) fn take(&self, cells: usize) -> Option<NativeStack> {
        let bytes = (cells * size_of::<u64>() * STACK_RATIO + RESERVE).next_power_of_two();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one is the likeliest to be in the processor's caches.
        match free.iter().rposition(|stack| stack.memory.len() == bytes) {
            Some(index) => free.remove(index),
            None => NativeStack::new(bytes).ok(),
        }
    }

    /// Keeps a stack that nothing runs on, in place of the one that was free longest if there are too many.
    pub(crate) fn put(&self, mut stack: NativeStack) {
        stack.is_shrunk = false;
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(stack);
        if let Some(older) = free.len().checked_sub(UNTOUCHED + 1) {
            free[older].shrink();
        }
        let superfluous = if free.len() > KEPT { free.pop_front() } else { None };
        drop(free);
        drop(superfluous); // takes its time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_end_with_a_page_that_nobody_may_touch() {
        let pool = Pool(Arc::default());
        let mut stack = pool.take(1 << 12).expect("the host has room");
        let (first, top) = (stack.memory.as_mut_ptr(), stack.top());
        for _ in 0..2 {
            let guard = region::query(first).expect("it is mapped");
            let rest = region::query(first.wrapping_add(region::page::size())).expect("it is mapped");
            assert_eq!((guard.protection(), guard.len()), (Protection::NONE, region::page::size()));
            assert_eq!(rest.protection(), Protection::READ_WRITE);
            assert!(rest.as_ptr_range::<u8>().end >= top);
            pool.put(stack);
            stack = pool.take(1 << 12).expect("it is free");
        }
    }
}
