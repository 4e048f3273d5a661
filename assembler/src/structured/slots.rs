//! References in memory: in a structure lies the number of a slot, which the compiler manages, and the reference in the slot.
//!
//! The slots of references in memory lie behind those that the program declares. Number 0 stands for the first of them, which
//! is never written: so reading a reference needs no branch.

use limen_isa::ValueType;

use super::code::Reg;
use super::compiler::Compiler;
use super::lower::{Lower, Part, Rv};
use super::types::{Ty, Type};
use crate::globals::Symbol;

/// What stores a reference: a function of the library file that is used wherever a declaration holds references.
pub(crate) const PUT: &str = "Slots.put";

impl Compiler<'_, '_> {
    /// The first slot that the compiler manages.
    pub(crate) fn first_slot(&mut self) -> i128 {
        self.managed_slots = true;
        i128::from(self.program.slots)
    }
}

impl Lower<'_, '_, '_> {
    /// The reference that is kept under a number.
    pub(crate) fn slot_get(&mut self, number: Reg, dest: Option<Reg>) -> Reg {
        let first = self.c.first_slot();
        self.op("slot.get", ValueType::Ref, dest, &[i64::from(number), first as i64])
    }

    /// Stores a reference where its number lies.
    pub(crate) fn slot_put(&mut self, place: Part, reference: Part) {
        let Some((Symbol::Function(put), _)) = self.c.program.globals.get(PUT, self.span.file) else {
            unreachable!("a declaration with references uses the library file that has `{PUT}`")
        };
        let shape = std::rc::Rc::clone(&self.c.entries[put].shape);
        let number = self.c.types.add(Type::Address(Ty::U32));
        let given = vec![Rv::one(number, place), Rv::one(Ty::REF, reference)];
        self.call_number(put as u32, &shape, given, self.span, None);
    }
}
