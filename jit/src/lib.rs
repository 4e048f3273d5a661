//! The compiling engine: verified modules to native code with Cranelift.

mod arch;
mod code;
mod compile;
mod context;
mod engine;
mod frames;
mod lower;
mod shape;
mod slow;
mod stack;
mod translate;

use limen_vm::{Config, Machine, MachineError};

pub use engine::Jit;

/// A machine that runs its code as `config.engine` says.
///
/// # Errors
///
/// As [`Machine::new`].
pub fn machine(config: Config) -> Result<Machine, MachineError> {
    Machine::with_engine(config, Box::new(Jit::default()))
}
