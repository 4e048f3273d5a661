//! Native stacks: what compiled code runs on.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions, UncheckedAdvice};

use crate::compile::STACK_RATIO;

/// Bytes beyond what compiled code can take, for what it calls.
const RESERVE: usize = 512 << 10;

/// A native stack. The host gives it substance when it is touched.
pub(crate) struct NativeStack {
    memory: MmapMut,
}

impl NativeStack {
    fn new(bytes: usize) -> std::io::Result<Self> {
        Ok(Self { memory: MmapOptions::new().len(bytes).no_reserve_swap().map_anon()? })
    }

    /// Gives back what a deep recursion has left.
    fn shrink(&self) {
        let unused = self.memory.len() - KEPT_BYTES;
        // SAFETY: nothing runs on a free stack, and nothing of it is read before it is written. Should the host refuse, it
        // has only less room for others.
        let _ = unsafe { self.memory.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, unused) };
    }

    /// Its end, where it begins to be used. Aligned to pages.
    pub(crate) fn top(&mut self) -> *mut u8 {
        self.memory.as_mut_ptr_range().end
    }
}

/// Native stacks that are free, longest first.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Mutex<VecDeque<NativeStack>>>);

/// Free stacks that are kept.
const KEPT: usize = 16;

/// Bytes at the end of a free stack that keep their substance.
const KEPT_BYTES: usize = 64 << 10;

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
    pub(crate) fn put(&self, stack: NativeStack) {
        stack.shrink();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(stack);
        let superfluous = if free.len() > KEPT { free.pop_front() } else { None };
        drop(free);
        drop(superfluous); // takes its time
    }
}
