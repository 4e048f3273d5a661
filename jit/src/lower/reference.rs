//! References. They are 64 bits to the compiler, but no instruction makes one of bits.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use limen_isa::{Reference, Reg};
use limen_vm::{Kind, Rights, layout};

use super::object::Usual;
use super::slowly;
use crate::context::NativeContext;
use crate::translate::{Translator, trusted};

/// The bits of the null reference.
const NULL: i64 = 0;

impl Reference for Translator<'_, '_> {
    fn ref_mov(&mut self, d: Reg, a: Reg) {
        let value = self.get(a);
        self.set(d, value);
    }

    fn ref_select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) {
        self.choose(d, c, a, b);
    }

    fn ref_null(&mut self, d: Reg) {
        let null = self.builder.ins().iconst(types::I64, NULL);
        self.set(d, null);
    }

    fn ref_is_null(&mut self, d: Reg, a: Reg) {
        let reference = self.get(a);
        let is_null = self.builder.ins().icmp_imm_s(IntCC::Equal, reference, NULL);
        self.set_bool(d, is_null);
    }

    fn ref_eq(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let same = self.builder.ins().icmp(IntCC::Equal, a, b);
        self.set_bool(d, same);
    }

    fn ref_br_null(&mut self, a: Reg, to: i32) {
        let reference = self.get(a);
        let is_null = self.builder.ins().icmp_imm_s(IntCC::Equal, reference, NULL);
        self.branch_if(is_null, to);
    }

    fn ref_br_nonnull(&mut self, a: Reg, to: i32) {
        let reference = self.get(a);
        let is_set = self.builder.ins().icmp_imm_s(IntCC::NotEqual, reference, NULL);
        self.branch_if(is_set, to);
    }

    fn ref_kind(&mut self, d: Reg, a: Reg) {
        // Numbers in the host's memory begin with their lowest byte, as those in home do.
        let at = layout::ENTRY_HEAD + (layout::KIND_SHIFT / u8::BITS) as usize;
        self.sort_of(d, a, |builder, entry| builder.ins().uload8(types::I32, trusted(), entry, at as i32));
    }

    fn ref_rights(&mut self, d: Reg, a: Reg) {
        let at = layout::ENTRY_HEAD as i32;
        self.sort_of(d, a, |builder, entry| builder.ins().uload16(types::I32, trusted(), entry, at));
    }

    fn slot_get(&mut self, d: Reg, i: Reg, k: u32) {
        let usual = self.usual();
        let (slot, index) = self.slot(&usual, i, k);
        let reference = self.builder.ins().load(types::I64, trusted(), slot, 0);
        self.note_slot(reference, index);
        self.set(d, reference);
        self.end(usual);
    }

    fn slot_set(&mut self, i: Reg, k: u32, a: Reg) {
        let usual = self.usual();
        let ((slot, _), reference) = (self.slot(&usual, i, k), self.get(a));
        self.builder.ins().store(trusted(), reference, slot, 0);
        self.end(usual);
    }

    slowly! {
        slot_size(d);
        slot_grow(d, n);
    }
}

impl Translator<'_, '_> {
    /// What is loaded from a reference's entry; zero is what null's gives.
    fn sort_of(&mut self, d: Reg, a: Reg, load: impl FnOnce(&mut FunctionBuilder<'_>, Value) -> Value) {
        let (usual, reference) = (self.usual(), self.get(a));
        let entry = self.entry(&usual, reference, Kind::NONE, Rights::NONE);
        let sort = load(&mut *self.builder, entry);
        self.set(d, sort);
        self.end(usual);
    }

    /// The place of slot `i + k` in the host, and its number.
    fn slot(&mut self, usual: &Usual, i: Reg, k: u32) -> (Value, Value) {
        let index = self.get(i);
        let declared = u64::from(self.module.home.slots);
        let number = if self.is_always_zero(i) { Some(0) } else { self.known_constant(index) };
        let is_declared = number.is_some_and(|number| number as u64 + u64::from(k) < declared);
        let is_there = is_declared || self.is_slot_known(index, k);
        let index = self.extend(index);
        let index = self.builder.ins().iadd_imm_u(index, i64::from(k));
        let flags = self.steady();
        // A domain never has fewer slots than its module declares.
        if !is_there {
            let count = self.field(flags, types::I64, offset_of!(NativeContext, slot_count));
            let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, count);
            self.unless(outside, usual.slow);
        }
        let slots = self.field(flags, types::I64, offset_of!(NativeContext, slots));
        let offset = self.builder.ins().ishl_imm_u(index, 3);
        (self.builder.ins().iadd(slots, offset), index)
    }
}
