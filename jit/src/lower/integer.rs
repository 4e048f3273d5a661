//! Integer arithmetic and the branches that compare integers, written once for both widths.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use limen_isa::{Integer, IntegerBranch, Reg};

use crate::translate::Translator;

/// An integer type of registers.
pub(crate) trait Width {
    const TYPE: Type;
}

impl Width for i32 {
    const TYPE: Type = types::I32;
}

impl Width for i64 {
    const TYPE: Type = types::I64;
}

impl<T: Width> Integer<T> for Translator<'_, '_> {
    fn mov(&mut self, d: Reg, a: Reg) {
        let value = self.get(a);
        self.set(d, value);
    }
    fn select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) {
        self.choose(d, c, a, b);
    }
    fn constant(&mut self, d: Reg, k: i32) {
        let value = self.immediate::<T>(k);
        self.set(d, value);
    }
    fn add(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().iadd(a, b);
        self.set(d, value);
    }
    fn sub(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().isub(a, b);
        self.set(d, value);
    }
    fn mul(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().imul(a, b);
        self.set(d, value);
    }
    fn mulh_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().smulhi(a, b);
        self.set(d, value);
    }
    fn mulh_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().umulhi(a, b);
        self.set(d, value);
    }
    fn div_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        self.divide::<T>(d, a, b, Division::Quotient);
    }
    fn div_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        self.divide::<T>(d, a, b, Division::QuotientUnsigned);
    }
    fn rem_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        self.divide::<T>(d, a, b, Division::Remainder);
    }
    fn rem_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        self.divide::<T>(d, a, b, Division::RemainderUnsigned);
    }
    fn and(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().band(a, b);
        self.set(d, value);
    }
    fn or(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().bor(a, b);
        self.set(d, value);
    }
    fn xor(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().bxor(a, b);
        self.set(d, value);
    }
    fn andn(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().band_not(a, b);
        self.set(d, value);
    }
    fn shl(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().ishl(a, b);
        self.set(d, value);
    }
    fn shr_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().sshr(a, b);
        self.set(d, value);
    }
    fn shr_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().ushr(a, b);
        self.set(d, value);
    }
    fn rotl(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().rotl(a, b);
        self.set(d, value);
    }
    fn rotr(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().rotr(a, b);
        self.set(d, value);
    }
    fn min_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().smin(a, b);
        self.set(d, value);
    }
    fn min_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().umin(a, b);
        self.set(d, value);
    }
    fn max_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().smax(a, b);
        self.set(d, value);
    }
    fn max_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().umax(a, b);
        self.set(d, value);
    }
    fn add_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().sadd_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn add_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().uadd_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn sub_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().ssub_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn sub_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().usub_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn mul_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().smul_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn mul_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().umul_overflow(a, b);
        self.overflow(d, o, value, overflow);
    }
    fn add_chk_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().sadd_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn add_chk_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().uadd_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn sub_chk_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().ssub_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn sub_chk_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().usub_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn mul_chk_s(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().smul_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn mul_chk_u(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let (value, overflow) = self.builder.ins().umul_overflow(a, b);
        self.checked(d, value, overflow);
    }
    fn neg(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().ineg(a);
        self.set(d, value);
    }
    fn not(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().bnot(a);
        self.set(d, value);
    }
    fn clz(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().clz(a);
        self.set(d, value);
    }
    fn ctz(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().ctz(a);
        self.set(d, value);
    }
    fn popcnt(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().popcnt(a);
        self.set(d, value);
    }
    fn bswap(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().bswap(a);
        self.set(d, value);
    }
    fn sext8(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let low = self.builder.ins().ireduce(types::I8, a);
        let value = self.builder.ins().sextend(T::TYPE, low);
        self.set(d, value);
    }
    fn sext16(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let low = self.builder.ins().ireduce(types::I16, a);
        let value = self.builder.ins().sextend(T::TYPE, low);
        self.set(d, value);
    }
    fn eq(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::Equal, a, b);
    }
    fn ne(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::NotEqual, a, b);
    }
    fn lt_s(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::SignedLessThan, a, b);
    }
    fn lt_u(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::UnsignedLessThan, a, b);
    }
    fn le_s(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::SignedLessThanOrEqual, a, b);
    }
    fn le_u(&mut self, d: Reg, a: Reg, b: Reg) {
        self.compare(d, IntCC::UnsignedLessThanOrEqual, a, b);
    }
    fn addi(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().iadd(a, k);
        self.set(d, value);
    }
    fn muli(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().imul(a, k);
        self.set(d, value);
    }
    fn rsubi(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().isub(k, a);
        self.set(d, value);
    }
    fn andi(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().band(a, k);
        self.set(d, value);
    }
    fn ori(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().bor(a, k);
        self.set(d, value);
    }
    fn xori(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let value = self.builder.ins().bxor(a, k);
        self.set(d, value);
    }
    fn shli(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let value = self.builder.ins().ishl(a, k);
        self.set(d, value);
    }
    fn shr_si(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let value = self.builder.ins().sshr(a, k);
        self.set(d, value);
    }
    fn shr_ui(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let value = self.builder.ins().ushr(a, k);
        self.set(d, value);
    }
    fn rotli(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let value = self.builder.ins().rotl(a, k);
        self.set(d, value);
    }
    fn div_si(&mut self, d: Reg, a: Reg, k: i32) {
        let a = self.get(a);
        self.divide_by::<T>(d, a, k, Division::Quotient);
    }
    fn div_ui(&mut self, d: Reg, a: Reg, k: u32) {
        let a = self.get(a);
        self.divide_by::<T>(d, a, k as i32, Division::QuotientUnsigned);
    }
    fn rem_si(&mut self, d: Reg, a: Reg, k: i32) {
        let a = self.get(a);
        self.divide_by::<T>(d, a, k, Division::Remainder);
    }
    fn rem_ui(&mut self, d: Reg, a: Reg, k: u32) {
        let a = self.get(a);
        self.divide_by::<T>(d, a, k as i32, Division::RemainderUnsigned);
    }
    fn eqi(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::Equal, a, k);
        self.set_bool(d, holds);
    }
    fn nei(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::NotEqual, a, k);
        self.set_bool(d, holds);
    }
    fn lt_si(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedLessThan, a, k);
        self.set_bool(d, holds);
    }
    fn lt_ui(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, k);
        self.set_bool(d, holds);
    }
    fn gt_si(&mut self, d: Reg, a: Reg, k: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedGreaterThan, a, k);
        self.set_bool(d, holds);
    }
    fn gt_ui(&mut self, d: Reg, a: Reg, k: u32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, a, k);
        self.set_bool(d, holds);
    }
}

impl<T: Width> IntegerBranch<T> for Translator<'_, '_> {
    fn br_eq(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::Equal, a, b);
        self.branch_if(holds, to);
    }
    fn br_ne(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::NotEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_lt_s(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::SignedLessThan, a, b);
        self.branch_if(holds, to);
    }
    fn br_lt_u(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
        self.branch_if(holds, to);
    }
    fn br_le_s(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_le_u(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_any(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        self.branch_if_common(IntCC::NotEqual, a, b, to);
    }
    fn br_none(&mut self, a: Reg, b: Reg, to: i32) {
        let (a, b) = (self.get(a), self.get(b));
        self.branch_if_common(IntCC::Equal, a, b, to);
    }
    fn br_eqi(&mut self, a: Reg, k: i32, to: i32) {
        if let Some(number) = self.known_number(a) {
            return self.branch_always((number as i32 == k).then_some(to));
        }
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::Equal, a, k);
        self.branch_if(holds, to);
    }
    fn br_nei(&mut self, a: Reg, k: i32, to: i32) {
        if let Some(number) = self.known_number(a) {
            return self.branch_always((number as i32 != k).then_some(to));
        }
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::NotEqual, a, k);
        self.branch_if(holds, to);
    }
    fn br_lt_si(&mut self, a: Reg, k: i32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedLessThan, a, k);
        self.branch_if(holds, to);
    }
    fn br_lt_ui(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, k);
        self.branch_if(holds, to);
    }
    fn br_le_si(&mut self, a: Reg, k: i32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, a, k);
        self.branch_if(holds, to);
    }
    fn br_le_ui(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, a, k);
        self.branch_if(holds, to);
    }
    fn br_gt_si(&mut self, a: Reg, k: i32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedGreaterThan, a, k);
        self.branch_if(holds, to);
    }
    fn br_gt_ui(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, a, k);
        self.branch_if(holds, to);
    }
    fn br_ge_si(&mut self, a: Reg, k: i32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k));
        let holds = self.builder.ins().icmp(IntCC::SignedGreaterThanOrEqual, a, k);
        self.branch_if(holds, to);
    }
    fn br_ge_ui(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        let holds = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, a, k);
        self.branch_if(holds, to);
    }
    fn br_anyi(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        self.branch_if_common(IntCC::NotEqual, a, k, to);
    }
    fn br_nonei(&mut self, a: Reg, k: u32, to: i32) {
        let (a, k) = (self.get(a), self.immediate::<T>(k as i32));
        self.branch_if_common(IntCC::Equal, a, k, to);
    }
}

/// What a division is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Division {
    Quotient,
    QuotientUnsigned,
    Remainder,
    RemainderUnsigned,
}

impl Translator<'_, '_> {
    /// An immediate in a register's width, sign-extended.
    fn immediate<T: Width>(&mut self, k: i32) -> Value {
        self.builder.ins().iconst(T::TYPE, if T::TYPE == types::I32 { i64::from(k as u32) } else { i64::from(k) })
    }

    /// Writes a truth value to an `i32` register.
    pub(crate) fn set_bool(&mut self, d: Reg, holds: Value) {
        let value = self.builder.ins().uextend(types::I32, holds);
        self.set(d, value);
    }

    /// Writes `a` or, if `c` is zero, `b`.
    pub(crate) fn choose(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) {
        let (c, a, b) = (self.get(c), self.get(a), self.get(b));
        let value = self.builder.ins().select(c, a, b);
        self.set(d, value);
    }

    fn compare(&mut self, d: Reg, condition: IntCC, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(condition, a, b);
        self.set_bool(d, holds);
    }

    /// Branches by whether `a` and `b` have a bit in common.
    fn branch_if_common(&mut self, condition: IntCC, a: Value, b: Value, to: i32) {
        let common = self.builder.ins().band(a, b);
        let holds = self.builder.ins().icmp_imm_s(condition, common, 0);
        self.branch_if(holds, to);
    }

    fn overflow(&mut self, d: Reg, o: Reg, value: Value, overflow: Value) {
        self.set(d, value);
        self.set_bool(o, overflow);
    }

    /// Writes the value unless it overflowed: then the runtime finds the fault.
    fn checked(&mut self, d: Reg, value: Value, overflow: Value) {
        let fault = self.leave_block();
        self.unless(overflow, fault);
        self.set(d, value);
    }

    /// A division by a number that is known.
    fn divide_by<T: Width>(&mut self, d: Reg, a: Value, k: i32, division: Division) {
        if k == 0 {
            return self.slowly();
        }
        let divisor = self.immediate::<T>(k);
        if k == -1 {
            return self.divide::<T>(d, a, divisor, division);
        }
        let value = self.division(a, divisor, division);
        self.set(d, value);
    }

    fn divide<T: Width>(&mut self, d: Reg, a: Value, b: Value, division: Division) {
        let fault = self.leave_block();
        let by_zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        self.unless(by_zero, fault);
        match division {
            Division::Quotient => {
                let overflows = self.overflows::<T>(a, b);
                self.unless(overflows, fault);
            }
            // Cranelift's `srem` gives 0 for a divisor of -1.
            Division::Remainder | Division::QuotientUnsigned | Division::RemainderUnsigned => {}
        }
        let value = self.division(a, b, division);
        self.set(d, value);
    }

    fn division(&mut self, a: Value, b: Value, division: Division) -> Value {
        match division {
            Division::Quotient => self.builder.ins().sdiv(a, b),
            Division::QuotientUnsigned => self.builder.ins().udiv(a, b),
            Division::Remainder => self.builder.ins().srem(a, b),
            Division::RemainderUnsigned => self.builder.ins().urem(a, b),
        }
    }

    /// Whether a quotient is too great: that of the least number by -1.
    fn overflows<T: Width>(&mut self, a: Value, b: Value) -> Value {
        let least = if T::TYPE == types::I32 { i64::from(i32::MIN as u32) } else { i64::MIN };
        let least = self.builder.ins().iconst(T::TYPE, least);
        let is_least = self.builder.ins().icmp(IntCC::Equal, a, least);
        let is_minus_one = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
        self.builder.ins().band(is_least, is_minus_one)
    }
}
