//! The machine: it verifies modules, runs them, and keeps them apart.
//!
//! ```
//! use limen_isa::module::{Export, ExportItem, Function, Module, Signature};
//! use limen_isa::{ValueType, codec};
//! use limen_vm::{Config, Machine, Mode, Outcome, Value, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Usually a module is read (`Module::read`) or assembled; here one is put together by hand.
//! let mut code = Vec::new();
//! let add = codec::Instruction {
//!     opcode: limen_isa::Opcode::I32Addi,
//!     values: vec![codec::Value::Integer(0), codec::Value::Integer(0), codec::Value::Integer(1)],
//! };
//! codec::encode(&add, &mut code)?;
//! let ret = codec::Instruction { opcode: limen_isa::Opcode::Ret, values: vec![codec::Value::List(vec![0])] };
//! codec::encode(&ret, &mut code)?;
//! let module = Module {
//!     types: vec![Signature { params: vec![ValueType::I32], results: vec![ValueType::I32] }],
//!     functions: vec![Function::new(0, vec![ValueType::I32], code)],
//!     exports: vec![Export { name: "next".into(), item: ExportItem::Function(0) }],
//!     ..Module::default()
//! };
//!
//! // Only what the verifier has seen can run.
//! let module = verify(module, Mode::User)?;
//! let mut machine = Machine::new(Config { fuel: Some(1000), ..Config::default() })?;
//! let domain = machine.instantiate(&module)?;
//! let outcome = machine.call(domain, "next", &[Value::I32(41)])?;
//! assert_eq!(outcome, Outcome::Returned(vec![Value::I32(42)]));
//! # Ok(())
//! # }
//! ```
//!
//! A program asks its host for services with `svc`: implement [`Host`] and use [`Machine::call_with`]. A machine with a
//! kernel of its own is started with [`Machine::boot`]. What a run that was suspended has come to can be kept with
//! [`Machine::checkpoint`].

mod account;
mod attention;
mod clock;
mod context;
pub mod device;
mod engine;
mod fault;
mod host;
mod interp;
mod kernel;
pub mod layout;
mod machine;
mod memory;
mod object;
mod port;
mod room;
mod snapshot;
mod spare;
mod store;
mod value;
mod verify;

pub use account::Budget;
pub use clock::Time;
pub use context::{Frame, HEADER_CELLS};
pub use engine::{
    ContextId, ControlledHome, Engine, EngineKind, Exit, Frames, Fuel, ModuleId, NativeFrame, NativeFrames, PageWait,
    Run, SvcEntry,
};
pub use fault::{FaultReport, Omitted, TraceEntry};
pub use host::{Host, NoServices, SvcCall, SvcOutcome};
pub use interp::{Interpreter, Stop, Stops};
pub use machine::{Boot, Config, DomainId, Machine, MachineError, Outcome, StopHandle};
pub use object::{Kind, Ref, Rights};
pub use port::{MESSAGE_CELLS, MESSAGE_REFS, MESSAGE_WORDS, Message, Port};
pub use snapshot::{CheckpointError, FrameProblem, Snapshot, SnapshotError};
pub use value::Value;
pub use verify::{Mode, REFUSED, Rule, Verified, VerifyError, verify, verify_later};
