//! Operands that lie deeper than a function has registers for: they are on the spill stack, behind its spilled locals. For one
//! operator they come into registers that all of them share.

use std::collections::HashMap;

use limen_isa::ValueType;

use super::Translator;
use super::locals::SPILLED;
use crate::emit::Register;
use crate::operators::{load_of, store_of};

/// So many operands are in registers of their own, where not all can be.
pub(super) const SHALLOW: usize = 128;

/// Those of the function that is translated.
#[derive(Default)]
pub(super) struct Deep {
    /// Where the first of them lies, above the frame's part of the spill stack. `None` where all operands have registers.
    pub(super) first: Option<u32>,
    /// Which registers they are in for the present operator.
    taken: HashMap<(usize, ValueType), Register>,
    /// The registers by type, and how many of them are taken.
    registers: [Vec<Register>; 4],
    count: [usize; 4],
}

impl Deep {
    pub(super) fn begin(&mut self) {
        self.first = None;
        self.registers.iter_mut().for_each(Vec::clear);
        self.end_operator();
    }

    fn end_operator(&mut self) {
        self.taken.clear();
        self.count = [0; 4];
    }
}

impl Translator<'_> {
    /// Whether operands at this depth have no registers of their own.
    pub(super) fn is_deep(&self, depth: usize) -> bool {
        depth >= SHALLOW && self.deep.first.is_some()
    }

    pub(super) fn deep_register(&mut self, depth: usize, ty: ValueType) -> Register {
        if let Some(register) = self.deep.taken.get(&(depth, ty)) {
            return *register;
        }
        let count = self.deep.count[ty as usize];
        if count == self.deep.registers[ty as usize].len() {
            let register = self.register(ty);
            self.deep.registers[ty as usize].push(register);
        }
        let register = self.deep.registers[ty as usize][count];
        self.deep.count[ty as usize] += 1;
        self.deep.taken.insert((depth, ty), register);
        register
    }

    /// Where the operand of a depth lies: a register and an offset.
    fn deep_place(&self, depth: usize) -> (Register, u32) {
        let base = self.spilled.map_or(0, |spilled| spilled.base);
        (base, self.deep.first.unwrap_or_default() + (depth - SHALLOW) as u32 * SPILLED)
    }

    pub(super) fn load_deep(&mut self, depth: usize, ty: ValueType, to: Register) {
        let (base, offset) = self.deep_place(depth);
        self.code.wide24(load_of(ty), to, base, offset);
    }

    pub(super) fn store_deep(&mut self, depth: usize, ty: ValueType, from: Register) {
        let (base, offset) = self.deep_place(depth);
        self.code.wide24(store_of(ty), base, from, offset);
    }

    /// Behind an operator: what it pushed goes to the spill stack.
    #[inline]
    pub(super) fn settle_deep(&mut self) {
        if self.deep.first.is_some() {
            self.settle_all_deep();
        }
    }

    fn settle_all_deep(&mut self) {
        let mut depth = self.stack.len();
        while self.dead.is_none() && depth > SHALLOW && self.stack[depth - 1].is_in_register() {
            depth -= 1;
            self.bring_home(depth, false);
        }
        self.deep.end_operator();
    }
}
