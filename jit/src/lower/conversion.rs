//! Conversions between types, and what only one width of integers needs.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use limen_isa::codec::ModuleShapes;
use limen_isa::{Conversion, Field, Fields, Opcode, Reg};

use crate::translate::Translator;

const TWO_TO_31: f64 = -(i32::MIN as f64);
const TWO_TO_63: f64 = -(i64::MIN as f64);

/// One instruction of Cranelift's each.
macro_rules! converts {
    ($($method:ident: $instruction:ident $ty:ident;)*) => {$(
        fn $method(&mut self, d: Reg, a: Reg) {
            let a = self.get(a);
            let value = self.builder.ins().$instruction(types::$ty, a);
            self.set(d, value);
        }
    )*};
}

/// Conversions to a float that is a number.
macro_rules! numbers {
    ($($method:ident: $instruction:ident $ty:ident;)*) => {$(
        fn $method(&mut self, d: Reg, a: Reg) {
            let a = self.get(a);
            let value = self.builder.ins().$instruction(types::$ty, a);
            self.set_number(d, value);
        }
    )*};
}

/// Conversions to a float, of which arithmetic can make a NaN.
macro_rules! rounds {
    ($($method:ident: $instruction:ident $ty:ident;)*) => {$(
        fn $method(&mut self, d: Reg, a: Reg) {
            let a = self.get(a);
            let value = self.builder.ins().$instruction(types::$ty, a);
            self.set_arithmetic(d, value);
        }
    )*};
}

/// The bits of a register, in another type.
macro_rules! casts {
    ($($method:ident: $ty:ident;)*) => {$(
        fn $method(&mut self, d: Reg, a: Reg) {
            let a = self.get_canonical(a);
            let value = self.builder.ins().bitcast(types::$ty, MemFlagsData::new(), a);
            self.set(d, value);
        }
    )*};
}

/// Faults outside the range, whose end is not part of it.
macro_rules! truncates {
    ($($method:ident: $instruction:ident $ty:ident, $least:expr, $end:expr;)*) => {$(
        fn $method(&mut self, d: Reg, a: Reg) {
            let number = self.get(a);
            if $least != -$end || !self.is_known_below(a, $end) {
                self.in_range(number, $least, $end);
            }
            let value = self.builder.ins().$instruction(types::$ty, number);
            self.set(d, value);
        }
    )*};
}

impl Conversion for Translator<'_, '_> {
    converts! {
        i32_from_i64: ireduce I32;
        i64_from_i32_s: sextend I64;
        i64_from_i32_u: uextend I64;
        i32_from_f32_s_sat: fcvt_to_sint_sat I32;
        i32_from_f32_u_sat: fcvt_to_uint_sat I32;
        i32_from_f64_s_sat: fcvt_to_sint_sat I32;
        i32_from_f64_u_sat: fcvt_to_uint_sat I32;
        i64_from_f32_s_sat: fcvt_to_sint_sat I64;
        i64_from_f32_u_sat: fcvt_to_uint_sat I64;
        i64_from_f64_s_sat: fcvt_to_sint_sat I64;
        i64_from_f64_u_sat: fcvt_to_uint_sat I64;
    }
    numbers! {
        f32_from_i32_s: fcvt_from_sint F32;
        f32_from_i32_u: fcvt_from_uint F32;
        f64_from_i32_s: fcvt_from_sint F64;
        f64_from_i32_u: fcvt_from_uint F64;
        f32_from_i64_s: fcvt_from_sint F32;
        f32_from_i64_u: fcvt_from_uint F32;
        f64_from_i64_s: fcvt_from_sint F64;
        f64_from_i64_u: fcvt_from_uint F64;
    }
    rounds! {
        f32_from_f64: fdemote F32;
        f64_from_f32: fpromote F64;
    }
    casts! {
        i32_bits_f32: I32;
        i64_bits_f64: I64;
        f32_bits_i32: F32;
        f64_bits_i64: F64;
    }
    truncates! {
        i32_from_f32_s: fcvt_to_sint_sat I32, -TWO_TO_31, TWO_TO_31;
        i32_from_f32_u: fcvt_to_uint_sat I32, 0.0, 2.0 * TWO_TO_31;
        i32_from_f64_s: fcvt_to_sint_sat I32, -TWO_TO_31, TWO_TO_31;
        i32_from_f64_u: fcvt_to_uint_sat I32, 0.0, 2.0 * TWO_TO_31;
        i64_from_f32_s: fcvt_to_sint_sat I64, -TWO_TO_63, TWO_TO_63;
        i64_from_f32_u: fcvt_to_uint_sat I64, 0.0, 2.0 * TWO_TO_63;
        i64_from_f64_s: fcvt_to_sint_sat I64, -TWO_TO_63, TWO_TO_63;
        i64_from_f64_u: fcvt_to_uint_sat I64, 0.0, 2.0 * TWO_TO_63;
    }
    fn i64_sext32(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let low = self.builder.ins().ireduce(types::I32, a);
        let value = self.builder.ins().sextend(types::I64, low);
        self.set(d, value);
    }
    fn i64_const64(&mut self, d: Reg, k: u64) {
        let value = self.builder.ins().iconst(types::I64, k as i64);
        self.set(d, value);
    }
}

impl Translator<'_, '_> {
    /// Leaves the instruction to the runtime, which finds the fault, unless the whole part of `value` is at least `least`
    /// and below `end`.
    fn in_range(&mut self, value: Value, least: f64, end: f64) {
        let fault = self.leave_block();
        let ty = self.builder.func.dfg.value_type(value);
        // Above the number before the least one its whole part is that; unless the type has no such number, nor any between.
        let digits = if ty == types::F32 { f32::MANTISSA_DIGITS } else { f64::MANTISSA_DIGITS };
        let (low, is_low) = if least.abs() < f64::from(digits).exp2() {
            (least - 1.0, FloatCC::UnorderedOrLessThanOrEqual)
        } else {
            (least, FloatCC::UnorderedOrLessThan)
        };
        let (low, float_end) = (self.float(ty, low), self.float(ty, end));
        let below = self.builder.ins().fcmp(is_low, value, low);
        let beyond = self.builder.ins().fcmp(FloatCC::UnorderedOrGreaterThanOrEqual, value, float_end);
        if least != -end {
            self.unless(below, fault);
            return self.unless(beyond, fault);
        }
        // One look does but at the very least numbers.
        let size = self.builder.ins().fabs(value);
        let is_inside = self.builder.ins().fcmp(FloatCC::LessThan, size, float_end);
        let [outside, high_enough] = [(); 2].map(|()| self.builder.create_block());
        let next = self.continuation();
        self.builder.ins().brif(is_inside, next, &[], outside, &[]);
        self.fill_cold(outside, |translator| translator.builder.ins().brif(below, fault, &[], high_enough, &[]));
        self.fill_cold(high_enough, |translator| translator.builder.ins().brif(beyond, fault, &[], next, &[]));
        self.builder.switch_to_block(next);
    }

    /// Whether the branch before this instruction has found that the size of the register's value is below `end`. That is how C
    /// compilers see to it that WebAssembly's conversions do not trap.
    fn is_known_below(&self, register: Reg, end: f64) -> bool {
        let before = self.only_way_here().unwrap_or_default();
        let [.., size, limit, branch] = before[..] else { return false };
        let [size, limit, branch] = [size, limit, branch].map(|pc| &self.function.code[pc as usize..]);
        let number = match [size, limit, branch].map(|words| Opcode::of_word(words[0])) {
            [Some(Opcode::F32Abs), Some(Opcode::F32Const), Some(Opcode::F32BrNlt)] => {
                f64::from(f32::from_bits(limit.unsigned(0, Field::Wide32)))
            }
            [Some(Opcode::F64Abs), Some(Opcode::F64Const), Some(Opcode::F64BrNlt)] => f64::from_bits(limit.literal(0)),
            _ => return false,
        };
        let named = |words: &[u64], field| words.unsigned(0, field) as u16;
        let [its, a_number] = [named(size, Field::A), named(limit, Field::A)];
        let is_its_size = named(size, Field::B) == register.0 && ![its, a_number].contains(&register.0);
        let compares_them = its != a_number && [named(branch, Field::A), named(branch, Field::B)] == [its, a_number];
        is_its_size && compares_them && number <= end
    }

    /// The instructions of the basic block before this one, if this instruction is the first here and there is no way to it but that
    /// block's end, where the branch does not go either.
    fn only_way_here(&self) -> Option<Vec<u32>> {
        let start = self.shape.blocks[self.block].start;
        let before = self.block.checked_sub(1).filter(|_| self.pc == start)?;
        let ways = self.shape.blocks.iter().filter(|block| block.successors.contains(&start)).count();
        let goes_apart = matches!(self.shape.blocks[before].successors[..], [one, other] if one != other);
        let shapes = ModuleShapes { module: self.module, function: self.index };
        (ways == 1 && goes_apart).then(|| self.shape.instructions(&self.function.code, shapes, before))
    }

    /// A number that both types have.
    fn float(&mut self, ty: Type, number: f64) -> Value {
        if ty == types::F32 { self.builder.ins().f32const(number as f32) } else { self.builder.ins().f64const(number) }
    }
}
