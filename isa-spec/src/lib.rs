//! The virtual instruction set: what an instruction is, said once.
//!
//! - [`Opcode`] and its [`Row`]: everything the table says about an instruction.
//! - [`Dispatch`], [`dispatch`], [`visit`] and [`for_each_instruction!`]: what an engine implements and is driven by.
//! - [`codec`]: instructions to words and back.
//! - [`module`]: the module format.
//!
//! `SPEC.md` beside this crate explains the machine, `REFERENCE.md` lists the instructions.

pub mod codec;
mod instruction;
pub mod module;

pub use instruction::{
    Control, Conversion, Dispatch, Execute, Fields, Float, FloatBranch, Home, Integer, IntegerBranch, OPERAND_WORD,
    Opcode, Reference, Reg, Segment, Supervisor, dispatch, visit,
};
pub use limen_isa_table::{Fault, Field, Flow, List, Operand, OperandKind, Place, Role, Row, ValueType};
