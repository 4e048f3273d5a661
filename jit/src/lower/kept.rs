//! What loops have found out about references to memory, kept from one access to the next.
//!
//! A reference can end only where something else than this code runs: at the cold way out of a poll, in a call, at an `svc`, or
//! while the runtime executes an instruction. So what an access has found, where the bytes begin and how far they are open, is
//! true for the accesses that follow until then. It is forgotten there, and found out anew by the next access.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Type, Value, types};
use cranelift_frontend::{FunctionBuilder, Variable};
use limen_isa::codec::ModuleShapes;
use limen_isa::module::Module;
use limen_isa::{Opcode, Reg};
use limen_vm::Rights;

use super::object::Usual;
use super::segment::Place;
use crate::ranges::operand;
use crate::shape::Shape;
use crate::translate::Translator;

/// So many references are kept track of in a function, at most: each takes two registers.
const MAX_KEPT: usize = 4;

/// A reference in a register, used with these rights, of which something is known.
pub(crate) struct Kept {
    register: Reg,
    rights: Rights,
    /// The longest access through it: bytes from its offset to its end.
    reach: u32,
    /// The first byte in the host.
    base: Variable,
    /// From so many offsets on, counted from 0, the longest access is open; 0 if nothing is known.
    room: Variable,
}

/// The references through which loops of a function access memory, most accesses first.
pub(crate) fn kept(builder: &mut FunctionBuilder<'_>, module: &Module, function: u32, shape: &Shape) -> Vec<Kept> {
    let mut found: Vec<(Reg, Rights, u32, usize)> = Vec::new();
    for (register, rights, reach) in accesses_in_loops(module, function, shape) {
        match found.iter_mut().find(|(other, sort, ..)| (*other, *sort) == (register, rights)) {
            Some((_, _, longest, count)) => (*longest, *count) = (reach.max(*longest), *count + 1),
            None => found.push((register, rights, reach, 1)),
        }
    }
    found.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    found.truncate(MAX_KEPT);
    let mut kept = |(register, rights, reach, _)| {
        let [base, room] = [(); 2].map(|()| builder.declare_var(types::I64));
        Kept { register, rights, reach, base, room }
    };
    found.into_iter().map(&mut kept).collect()
}

/// The register, the right and the reach of each single access to a segment in a loop.
fn accesses_in_loops(module: &Module, function: u32, shape: &Shape) -> Vec<(Reg, Rights, u32)> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let in_loops = (0..shape.blocks.len()).filter(|block| shape.blocks[*block].loop_head.is_some());
    let words = in_loops.flat_map(|block| shape.instructions(code, shapes, block)).map(|pc| &code[pc as usize..]);
    words.filter_map(access).collect()
}

/// As [`accesses_in_loops`], of one instruction.
pub(crate) fn access(words: &[u64]) -> Option<(Reg, Rights, u32)> {
    let opcode = Opcode::of_word(words[0])?;
    let name = opcode.row().mnemonic.split_once('.')?.1;
    let name = name.strip_prefix("seg_").map(|name| name.strip_prefix("try_").unwrap_or(name))?;
    let (rights, width) = match name.strip_prefix("load") {
        Some(width) => (Rights::READ, width),
        None => (Rights::WRITE, name.strip_prefix("store")?),
    };
    let bits = width.trim_end_matches(['_', 's', 'u']).parse().unwrap_or(64_u32);
    let register = Reg(operand(opcode, words, "s")? as u16);
    Some((register, rights, operand(opcode, words, "k").unwrap_or(0) + bits / 8))
}

impl Translator<'_, '_> {
    /// Where the function is entered nothing is known.
    pub(crate) fn begin_kept(&mut self) {
        for index in 0..self.kept.len() {
            let zero = self.zero(types::I64);
            self.builder.def_var(self.kept[index].base, zero);
        }
        self.forget_kept();
    }

    /// References may have ended.
    pub(crate) fn forget_kept(&mut self) {
        for index in 0..self.kept.len() {
            self.forget(index);
        }
    }

    /// Another reference may be in the register.
    pub(crate) fn forget_kept_in(&mut self, register: Reg) {
        for index in 0..self.kept.len() {
            if self.kept[index].register == register {
                self.forget(index);
            }
        }
    }

    fn forget(&mut self, index: usize) {
        let zero = self.zero(types::I64);
        self.builder.def_var(self.kept[index].room, zero);
    }

    /// Which of what is kept is of the reference in a register, used with these rights.
    pub(crate) fn kept_index(&self, register: Reg, rights: Rights) -> Option<usize> {
        self.kept.iter().position(|kept| kept.register == register && kept.rights == rights)
    }

    /// Goes on if it is known of a reference that so many bytes are open from an offset on, and else to `otherwise`.
    pub(super) fn look_at_kept(&mut self, index: usize, offset: Value, bytes: u32, otherwise: ir::Block) {
        let Kept { reach, room, .. } = self.kept[index];
        let room = self.builder.use_var(room);
        let is_unknown = self.builder.ins().icmp_imm_s(IntCC::Equal, room, 0);
        self.unless(is_unknown, otherwise);
        let room = self.builder.ins().iadd_imm_s(room, i64::from(reach - bytes));
        let is_outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, offset, room);
        self.unless(is_outside, otherwise);
    }

    /// Keeps what was found out about a reference: where its bytes begin, and how many of them are open.
    fn keep(&mut self, index: usize, first: Value, length: Value) {
        let Kept { reach, base, room, .. } = self.kept[index];
        self.builder.def_var(base, first);
        let more = self.builder.ins().iadd_imm_s(length, 1 - i64::from(reach));
        let none = self.zero(types::I64);
        let more = self.builder.ins().smax(more, none);
        self.builder.def_var(room, more);
    }

    /// As [`Translator::seg_place`], by what is kept of the reference, if it is one that is kept track of.
    pub(super) fn kept_place(&mut self, usual: &Usual, place: Place, memory: Type, rights: Rights) -> Option<Value> {
        let index = self.kept_index(place.0, rights)?;
        let Kept { base, room, .. } = self.kept[index];
        if self.was_looked_at() {
            let (first, offset) = (self.builder.use_var(base), self.get(place.1));
            return Some(self.builder.ins().iadd(first, offset));
        }
        if self.looks_anew() {
            let offset = self.get(place.1);
            let (first, length) = self.seg_span(usual, place, memory, rights);
            self.keep(index, first, length);
            return Some(self.builder.ins().iadd(first, offset));
        }
        let (known, unknown, next) = (self.continuation(), self.continuation(), self.continuation());
        let address = self.builder.append_block_param(next, types::I64);
        let (offset, kept_room) = (self.get(place.1), self.builder.use_var(room));
        let is_inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, offset, kept_room);
        self.builder.ins().brif(is_inside, known, &[], unknown, &[]);
        self.builder.switch_to_block(known);
        let first = self.builder.use_var(base);
        let found = self.builder.ins().iadd(first, offset);
        self.builder.ins().jump(next, &[found.into()]);

        self.fill_cold(unknown, |cold| {
            let (first, length) = cold.seg_span(usual, place, memory, rights);
            cold.keep(index, first, length);
            let found = cold.builder.ins().iadd(first, offset);
            cold.builder.ins().jump(next, &[found.into()]);
        });
        self.builder.switch_to_block(next);
        Some(address)
    }
}
