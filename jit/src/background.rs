//! Compiling in the background: one thread for all machines of the process. It only produces code; who asked for it lets it
//! be used, at a safepoint.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};

use limen_isa::module::Module;
use limen_vm::{ModuleId, Verified};

use crate::compile::{Compiled, Compiler, Refusal};
use crate::lower::enter::Handler;
use crate::mode::Mode;
use crate::translate::Entry;

/// What is to be compiled, and who wants it.
struct Job {
    wish: Wish,
    module: Verified<Module>,
    kernel: Option<Handler>,
    answer: Sender<Made>,
}

/// Names a module's code, of which there can be one for each mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CodeId {
    pub(crate) module: ModuleId,
    pub(crate) mode: Mode,
}

/// Names code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    pub(crate) of: CodeId,
    pub(crate) function: u32,
    pub(crate) entry: Entry,
}

/// What became of a wish.
pub(crate) struct Made {
    pub(crate) wish: Wish,
    pub(crate) compiled: Result<Compiled, Refusal>,
}

/// `None` if the host gives no thread: then nothing is compiled in the background.
static JOBS: LazyLock<Option<Mutex<Sender<Job>>>> = LazyLock::new(|| {
    let (sender, jobs) = channel();
    std::thread::Builder::new().name("limen-jit".to_owned()).spawn(move || work(&jobs)).ok()?;
    Some(Mutex::new(sender))
});

fn work(jobs: &Receiver<Job>) {
    let Ok(mut compiler) = Compiler::new() else { return };
    for Job { wish, module, kernel, answer } in jobs {
        let compiled = compiler.compile(&module, kernel.as_ref(), wish.function, wish.entry, wish.of.mode);
        // Who asked may be gone; then so is the code.
        let _ = answer.send(Made { wish, compiled });
    }
}

/// One engine's wishes and what comes of them.
pub(crate) struct Background {
    answers: Sender<Made>,
    made: Receiver<Made>,
    /// Wishes without an answer yet.
    pub(crate) pending: usize,
}

impl Default for Background {
    fn default() -> Self {
        let (answers, made) = channel();
        Self { answers, made, pending: 0 }
    }
}

impl Background {
    /// Asks for code, for machines with this kernel; whether it will come.
    pub(crate) fn ask(&mut self, wish: Wish, module: &Verified<Module>, kernel: Option<&Handler>) -> bool {
        let Some(jobs) = &*JOBS else { return false };
        let (module, kernel) = (module.clone(), kernel.cloned());
        let job = Job { wish, module, kernel, answer: self.answers.clone() };
        let asked = jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job).is_ok();
        self.pending += usize::from(asked);
        asked
    }

    /// The next code that is ready.
    pub(crate) fn take(&mut self) -> Option<Made> {
        if self.pending == 0 {
            return None;
        }
        let made = self.made.try_recv().ok()?;
        self.pending -= 1;
        Some(made)
    }
}
