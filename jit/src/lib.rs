//! The compiling engine: verified modules to native code with Cranelift.
//!
//! A [`Jit`] is an [`limen_vm::Engine`]: it lets the interpreter and compiled code take turns on a context's frames, as the
//! domain's [`limen_vm::EngineKind`] says. Frames of compiled code can be taken out in the portable form at any safepoint,
//! and code can be entered with such frames, at a function's beginning or at the head of a loop; so a domain changes engines
//! while it runs, and a machine can be frozen whatever runs it. See `engine` for the turns, `translate` for how code is
//! made, `frames` for how frames become portable, `slow` for what code leaves to the runtime.
//!
//! # Signals and threads
//!
//! On Linux, from the first time that a program without a kernel runs compiled in live time, the engine handles `SIGSEGV`: such
//! code accesses home without a look, and what is stopped there becomes a fault, see `guard`. All other signals of this sort it
//! passes on to the handler that it found. A program that installs one of its own later must do the same.
//!
//! Compiled code runs on stacks of its own, and so does a handler of the embedding program that interrupts it, unless that was
//! installed with `SA_ONSTACK` and its thread has an alternate stack. Such a handler has at least 400 KiB; behind them is a page
//! that ends the process when it is touched. It must not unwind through compiled code, nor use the machine.
//!
//! One thread of the process compiles in the background for all engines. It ends with the process.

#![cfg_attr(
    not(all(target_arch = "x86_64", unix, not(miri))),
    allow(dead_code, reason = "without a port to the processor nothing is compiled")
)]

mod addresses;
mod alignment;
mod arch;
mod background;
mod bounds;
mod code;
mod code_map;
mod code_memory;
mod compile;
mod context;
mod counted;
mod engine;
mod frames;
mod guard;
mod location;
mod log;
mod lower;
mod mode;
mod nans;
mod origin;
mod passing;
mod ranges;
mod resident;
mod shape;
mod shared;
mod slow;
mod stack;
mod stops;
mod translate;

use limen_vm::{Config, Machine, MachineError, Snapshot};

pub use engine::{DEFAULT_CODE_LIMIT, Jit};
pub use log::{Compilation, Log};

/// A machine that runs its code as `config.engine` says.
///
/// # Errors
///
/// As [`Machine::new`].
pub fn machine(config: Config) -> Result<Machine, MachineError> {
    Machine::with_engine(config, Box::new(Jit::default()))
}

/// A machine that goes on where another was suspended, and runs its code as `config.engine` says.
///
/// # Errors
///
/// As [`Machine::restore`].
pub fn restore(config: Config, snapshot: &Snapshot) -> Result<Machine, MachineError> {
    Machine::restore(config, Box::new(Jit::default()), snapshot)
}
