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

use limen_vm::{Config, Machine, MachineError};

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

/// As [`machine`], with a handle on what will be compiled.
///
/// # Errors
///
/// As [`Machine::new`].
pub fn machine_with_log(config: Config) -> Result<(Machine, Log), MachineError> {
    let engine = Jit::default();
    let log = engine.log();
    Ok((Machine::with_engine(config, Box::new(engine))?, log))
}
