//! The structured notation: types and names are resolved, bodies are checked and lowered to instructions over any number
//! of registers, and those are given their places.

mod allocate;
mod calls;
mod code;
mod compiler;
mod encode;
mod initial;
mod lower;
mod memory;
mod slots;
mod statements;
mod terms;
mod types;

pub(crate) use compiler::{Compiler, Entry, shape};
pub(crate) use encode::encode;
pub(crate) use slots::PUT as SLOTS_PUT;
pub(crate) use types::{Bindings, Types};
