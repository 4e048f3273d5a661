//! References. They are 64 bits to the compiler, but no instruction makes one of bits.

use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use limen_isa::{Reference, Reg};

use super::slowly;
use crate::translate::Translator;

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
        let null = self.builder.ins().iconst(cranelift_codegen::ir::types::I64, NULL);
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

    slowly! {
        ref_kind(d, a);
        ref_rights(d, a);
        slot_get(d, i, k);
        slot_set(i, k, a);
        slot_size(d);
        slot_grow(d, n);
    }
}
