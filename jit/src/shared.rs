//! Code that several machines use: what one of them has compiled of a verified module is there for all others that run the same
//! one, as long as any of them keeps it. Code knows its machine only through the context that it is called with.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use limen_isa::module::Module;
use limen_vm::Verified;

use crate::compile::Code;
use crate::lower::enter::{Handler, address_of};
use crate::translate::{Entry, Paging};

/// Names code in the process. A module's address names it as long as its code is there, which keeps the module.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    module: usize,
    /// The kernel whose code is in it, and the function of it.
    kernel: Option<(usize, u32)>,
    pub(crate) function: u32,
    pub(crate) entry: Entry,
    pub(crate) paging: Paging,
}

impl Key {
    pub(crate) fn new(
        module: &Verified<Module>,
        kernel: Option<&Handler>,
        function: u32,
        entry: Entry,
        paging: Paging,
    ) -> Self {
        let kernel = kernel.map(|handler| (address_of(&handler.module), handler.function));
        Self { module: address_of(module), kernel, function, entry, paging }
    }
}

static ALL: LazyLock<Mutex<HashMap<Key, Weak<Code>>>> = LazyLock::new(Mutex::default);

fn all() -> MutexGuard<'static, HashMap<Key, Weak<Code>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The code of this name, if anyone has it.
pub(crate) fn find(key: Key) -> Option<Arc<Code>> {
    all().get(&key).and_then(Weak::upgrade)
}

/// Lets others find code.
pub(crate) fn add(key: Key, code: &Arc<Code>) {
    all().insert(key, Arc::downgrade(code));
}

/// Forgets code that nobody has any more.
pub(crate) fn forget(key: Key) {
    let mut all = all();
    // Meanwhile someone may have compiled it anew.
    if all.get(&key).is_some_and(|code| code.strong_count() == 0) {
        all.remove(&key);
    }
}
