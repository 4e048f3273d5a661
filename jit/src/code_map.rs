//! What the runtime must know of code by address: the places at which its frames can stand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use limen_vm::NativeFrame;
use rustc_hash::FxHashMap;

use crate::compile::{Code, Site};
use crate::resident::Residents;

/// The code that a machine uses.
#[derive(Clone, Default)]
pub(crate) struct CodeMap(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// By where it begins; and how many modules of the machine have it.
    code: BTreeMap<usize, (Arc<Code>, usize)>,
    /// The registers that are in native frames, by the table of a module's code and the function, if there are any.
    residents: FxHashMap<(*const *const u8, u32), Arc<Residents>>,
}

// SAFETY: the pointers are only names.
unsafe impl Send for Known {}

impl Known {
    /// The code that an address is in, if it is in any.
    fn around(&self, address: usize) -> Option<&Code> {
        self.code.range(..=address).next_back().map(|(_, (code, _))| &**code)
    }
}

impl CodeMap {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in code of a function; `table` is that of its module's code.
    pub(crate) fn add(&self, code: &Arc<Code>, table: *const *const u8) {
        let mut known = self.known();
        known.code.entry(code.address()).or_insert_with(|| (Arc::clone(code), 0)).1 += 1;
        if code.residents.slots() > 0 {
            known.residents.insert((table, code.function), Arc::clone(&code.residents));
        }
    }

    pub(crate) fn remove(&self, code: &Code, table: *const *const u8) {
        let mut known = self.known();
        known.residents.remove(&(table, code.function));
        if known.code.get_mut(&code.address()).is_some_and(|(_, users)| is_last(users)) {
            known.code.remove(&code.address());
        }
    }

    /// The call that returns to this address, if one does.
    pub(crate) fn call_before(&self, address: usize) -> Option<Site> {
        self.known().around(address)?.call_before(address)
    }

    /// The `svc` behind which code goes on at this address, where stacks are switched.
    pub(crate) fn switch_before(&self, address: usize) -> Option<NativeFrame> {
        self.known().around(address)?.switch_before(address)
    }

    /// The registers of a function that are in its native frames.
    pub(crate) fn residents(&self, table: *const *const u8, function: u32) -> Option<Arc<Residents>> {
        self.known().residents.get(&(table, function)).cloned()
    }

    /// The place at which the host has stopped code that stands at this address, and the exit of its function. Asked from a
    /// signal's handler: nobody is waited for, and nothing allocated.
    pub(crate) fn stopped_at(&self, address: usize) -> Option<(NativeFrame, usize)> {
        self.0.try_lock().ok()?.around(address)?.stopped_at(address)
    }
}

/// One user less: whether that was the last one.
pub(crate) fn is_last(users: &mut usize) -> bool {
    *users -= 1;
    *users == 0
}
