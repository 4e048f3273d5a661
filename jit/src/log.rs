//! What was compiled, when and how long it took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One attempt to compile a function.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The function's name, or `function N` where the module has none.
    pub function: String,
    /// The word at which the code begins, if that is the head of a loop.
    pub loop_at: Option<u32>,
    /// Whether the code is for a home whose pages are under a kernel's control.
    pub looks_at_pages: bool,
    /// Words of bytecode.
    pub words: usize,
    /// When the code could be used, counted from when the list was begun.
    pub ready: Duration,
    /// How long it took.
    pub took: Duration,
    /// Where the code lies in this process, if there is any; 0 otherwise.
    pub address: usize,
    /// Bytes of code, or why there is none.
    pub outcome: Result<usize, String>,
}

/// A list of compilations, for [`crate::Jit::with_log`]; clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Log {
    start: Instant,
    entries: Arc<Mutex<Vec<Compilation>>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { start: Instant::now(), entries: Arc::default() }
    }
}

impl Log {
    /// All compilations so far, in the order in which they were ready.
    #[must_use]
    pub fn compilations(&self) -> Vec<Compilation> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn add(&self, compilation: Compilation) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(compilation);
    }
}
