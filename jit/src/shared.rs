//! Code that several machines use: what one of them has compiled of a verified module stays with the module, for all that run
//! it, at the same time or later. Code knows its machine only through the context that it is called with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use limen_vm::Verified;
use rustc_hash::FxHashMap;

use crate::compile::Code;
use crate::lower::enter::{Handler, address_of};
use crate::mode::Mode;
use crate::translate::Entry;

/// Names code of a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The kernel whose code is in it, and the function of it. An address names a module as long as it is there, and the code
    /// keeps it.
    kernel: Option<(usize, u32)>,
    pub(crate) function: u32,
    pub(crate) entry: Entry,
    pub(crate) mode: Mode,
}

impl Key {
    pub(crate) fn new(kernel: Option<&Handler>, function: u32, entry: Entry, mode: Mode) -> Self {
        let kernel = kernel.map(|handler| (address_of(&handler.module), handler.function));
        Self { kernel, function, entry, mode }
    }
}

/// The code of a module.
#[derive(Default)]
pub(crate) struct SharedCode(Mutex<FxHashMap<Key, Arc<Code>>>);

impl SharedCode {
    /// Of this module.
    pub(crate) fn of<T>(module: &Verified<T>) -> Arc<Self> {
        module.attachment()
    }

    fn all(&self) -> MutexGuard<'_, FxHashMap<Key, Arc<Code>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, key: Key) -> Option<Arc<Code>> {
        self.all().get(&key).cloned()
    }

    /// Keeps code. What has another kernel in it makes way, so that no module keeps kernels that are gone; whoever still runs it
    /// has it.
    pub(crate) fn add(&self, key: Key, code: &Arc<Code>) {
        let mut all = self.all();
        if key.kernel.is_some() {
            all.retain(|other, _| other.kernel.is_none() || other.kernel == key.kernel);
        }
        all.insert(key, Arc::clone(code));
    }
}
