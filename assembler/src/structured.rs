//! The structured notation: types and names are resolved, bodies are checked and lowered to instructions over any number
//! of registers, and those are given their places.

mod allocate;
mod arithmetic;
mod calls;
mod casts;
mod code;
mod coercions;
mod compiler;
mod conditions;
mod control;
mod encode;
mod flow;
mod generics;
mod initial;
mod instructions;
mod layout;
mod leaving;
mod lines;
mod live;
mod locals;
mod lower;
mod matching;
mod memory;
mod optimise;
mod slices;
mod slots;
mod special;
mod statements;
mod terms;
mod types;

pub(crate) use compiler::{Compiler, Entry, shape};
pub(crate) use encode::encode;
pub(crate) use optimise::{Site, same_functions, used_sites};
pub(crate) use slots::PUT as SLOTS_PUT;
pub(crate) use types::{Bindings, Types};
