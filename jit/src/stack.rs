//! Native stacks: what compiled code runs on.

use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions};

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

    /// Its end, where it begins to be used. Aligned to pages.
    pub(crate) fn top(&mut self) -> *mut u8 {
        self.memory.as_mut_ptr_range().end
    }
}

/// Native stacks that are free.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<NativeStack>>>);

/// Free stacks that are kept.
const KEPT: usize = 16;

impl Pool {
    /// A stack for a context whose abstract stack has so many cells; `None` if the host has no room.
    pub(crate) fn take(&self, cells: usize) -> Option<NativeStack> {
        let bytes = (cells * size_of::<u64>() * STACK_RATIO + RESERVE).next_power_of_two();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|stack| stack.memory.len() == bytes) {
            Some(index) => Some(free.swap_remove(index)),
            None => NativeStack::new(bytes).ok(),
        }
    }

    pub(crate) fn put(&self, stack: NativeStack) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(stack);
        }
    }
}
