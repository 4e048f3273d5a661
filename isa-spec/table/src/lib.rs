//! The instruction table as data, and the printers that turn it into code and documentation.
//!
//! [`instructions::all`] is the one place where an instruction is described. `limen-isa` prints it into Rust at build
//! time ([`print::rust`]) and into `REFERENCE.md` ([`print::reference`]); everything else follows from there.

mod check;
mod dsl;
mod fault;
pub mod instructions;
pub mod print;
mod row;
mod types;

pub use check::check;
pub use fault::Fault;
pub use row::{Field, Flow, List, Operand, OperandKind, Place, Role, Row};
pub use types::ValueType;
