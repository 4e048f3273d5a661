//! The compiling engine: verified modules to native code with Cranelift.

mod arch;
mod background;
mod code;
mod compile;
mod context;
mod engine;
mod frames;
mod log;
mod lower;
mod shape;
mod slow;
mod stack;
mod translate;

use limen_vm::{Config, Machine, MachineError, Snapshot};

pub use engine::Jit;
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
