//! Floating-point arithmetic and the branches that compare floats, written once for both widths.
//!
//! A NaN that arithmetic makes is canonical, but only where its bits are seen: in memory, in a cell, in a bit cast, as an
//! argument or result. Until then the processor's own NaN does, which saves a comparison at each operation. A register
//! whose value may be such a NaN is *pending*. A loaded NaN must keep its bits; which kind a register has where a block begins,
//! [`crate::nans`] says.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use limen_isa::{Float, FloatBranch, Reg};

use crate::nans::Nan;
use crate::translate::Translator;

/// A floating-point type of registers.
pub(crate) trait Precision {
    const BITS: Type;
}

impl Precision for f32 {
    const BITS: Type = types::I32;
}

impl Precision for f64 {
    const BITS: Type = types::I64;
}

/// The bits of a NaN that arithmetic makes.
const CANONICAL_32: u32 = 0x7fc0_0000;
const CANONICAL_64: u64 = 0x7ff8_0000_0000_0000;

impl<T: Precision> Float<T> for Translator<'_, '_> {
    fn mov(&mut self, d: Reg, a: Reg) {
        let (value, nan) = (self.get(a), self.nan(a));
        self.set_as(d, value, nan);
    }
    fn select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) {
        if self.nan(a) == Nan::Kept || self.nan(b) == Nan::Kept {
            self.make_canonical(a);
            self.make_canonical(b);
        }
        let either = [self.nan(a), self.nan(b)];
        let nan = [Nan::Kept, Nan::Pending].into_iter().find(|nan| either.contains(nan)).unwrap_or(Nan::Canonical);
        self.choose(d, c, a, b);
        self.nans[usize::from(d.0)] = nan;
    }
    fn constant(&mut self, d: Reg, k: u64) {
        let (value, is_nan) = match T::BITS {
            types::I32 => (self.builder.ins().f32const(Ieee32::with_bits(k as u32)), f32::from_bits(k as u32).is_nan()),
            _ => (self.builder.ins().f64const(Ieee64::with_bits(k)), f64::from_bits(k).is_nan()),
        };
        self.set_as(d, value, if is_nan { Nan::Kept } else { Nan::Canonical });
    }
    fn add(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fadd(a, b);
        self.set_arithmetic(d, value);
    }
    fn sub(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fsub(a, b);
        self.set_arithmetic(d, value);
    }
    fn mul(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fmul(a, b);
        self.set_arithmetic(d, value);
    }
    fn div(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fdiv(a, b);
        self.set_arithmetic(d, value);
    }
    fn min(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fmin(a, b);
        self.set_arithmetic(d, value);
    }
    fn max(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get(a), self.get(b));
        let value = self.builder.ins().fmax(a, b);
        self.set_arithmetic(d, value);
    }
    fn copysign(&mut self, d: Reg, a: Reg, b: Reg) {
        let (a, b) = (self.get_canonical(a), self.get_canonical(b));
        let value = self.builder.ins().fcopysign(a, b);
        self.set(d, value);
    }
    fn fma(&mut self, d: Reg, a: Reg, b: Reg, c: Reg) {
        let (a, b, c) = (self.get(a), self.get(b), self.get(c));
        let value = self.builder.ins().fma(a, b, c);
        self.set_arithmetic(d, value);
    }
    fn sqrt(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().sqrt(a);
        self.set_arithmetic(d, value);
    }
    fn ceil(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().ceil(a);
        self.set_arithmetic(d, value);
    }
    fn floor(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().floor(a);
        self.set_arithmetic(d, value);
    }
    fn trunc(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().trunc(a);
        self.set_arithmetic(d, value);
    }
    fn nearest(&mut self, d: Reg, a: Reg) {
        let a = self.get(a);
        let value = self.builder.ins().nearest(a);
        self.set_arithmetic(d, value);
    }
    fn abs(&mut self, d: Reg, a: Reg) {
        let (value, nan) = (self.get(a), self.nan(a));
        let value = self.builder.ins().fabs(value);
        // Of the canonical NaN that is the same one.
        self.set_as(d, value, nan);
    }
    fn neg(&mut self, d: Reg, a: Reg) {
        let a = self.get_canonical(a);
        let value = self.builder.ins().fneg(a);
        self.set(d, value);
    }
    fn eq(&mut self, d: Reg, a: Reg, b: Reg) {
        let holds = self.compare_floats(FloatCC::Equal, a, b);
        self.set_bool(d, holds);
    }
    fn ne(&mut self, d: Reg, a: Reg, b: Reg) {
        let holds = self.compare_floats(FloatCC::NotEqual, a, b);
        self.set_bool(d, holds);
    }
    fn lt(&mut self, d: Reg, a: Reg, b: Reg) {
        let holds = self.compare_floats(FloatCC::LessThan, a, b);
        self.set_bool(d, holds);
    }
    fn le(&mut self, d: Reg, a: Reg, b: Reg) {
        let holds = self.compare_floats(FloatCC::LessThanOrEqual, a, b);
        self.set_bool(d, holds);
    }
}

impl<T: Precision> FloatBranch<T> for Translator<'_, '_> {
    fn br_eq(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::Equal, a, b);
        self.branch_if(holds, to);
    }
    fn br_ne(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::NotEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_lt(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::LessThan, a, b);
        self.branch_if(holds, to);
    }
    fn br_le(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::LessThanOrEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_nlt(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::UnorderedOrGreaterThanOrEqual, a, b);
        self.branch_if(holds, to);
    }
    fn br_nle(&mut self, a: Reg, b: Reg, to: i32) {
        let holds = self.compare_floats(FloatCC::UnorderedOrGreaterThan, a, b);
        self.branch_if(holds, to);
    }
}

impl Translator<'_, '_> {
    fn compare_floats(&mut self, condition: FloatCC, a: Reg, b: Reg) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        self.builder.ins().fcmp(condition, a, b)
    }

    /// Writes what arithmetic made.
    pub(crate) fn set_arithmetic(&mut self, d: Reg, value: Value) {
        self.set_as(d, value, Nan::Pending);
    }

    /// Writes a number or the canonical NaN.
    pub(crate) fn set_number(&mut self, d: Reg, value: Value) {
        self.set_as(d, value, Nan::Canonical);
    }

    /// Writes a value in which a NaN is of this kind.
    pub(crate) fn set_as(&mut self, d: Reg, value: Value, nan: Nan) {
        self.set(d, value);
        self.nans[usize::from(d.0)] = nan;
    }

    /// A register's value as its bits are to be seen.
    pub(crate) fn get_canonical(&mut self, register: Reg) -> Value {
        let value = self.get(register);
        if self.nan(register) == Nan::Pending { self.canonical(value) } else { value }
    }

    /// The NaN that arithmetic makes.
    pub(crate) fn canonical_nan(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(f32::from_bits(CANONICAL_32)),
            _ => self.builder.ins().f64const(f64::from_bits(CANONICAL_64)),
        }
    }

    pub(crate) fn make_canonical(&mut self, register: Reg) {
        if self.nan(register) == Nan::Pending {
            let value = self.get_canonical(register);
            self.set_number(register, value);
        }
    }

    pub(crate) fn nan(&self, register: Reg) -> Nan {
        self.nans[usize::from(register.0)]
    }

    /// Leaves at the instruction if a NaN is in the register that is not the canonical one.
    pub(crate) fn refuse_strange_nan(&mut self, register: Reg) {
        let value = self.get(register);
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, value, value);
        let next = self.builder.create_block();
        let nan = self.strange_nan_block(value, next);
        self.builder.ins().brif(is_nan, nan, &[], next, &[]);
        self.builder.switch_to_block(next);
        self.set_number(register, value);
    }

    /// Whether a NaN is the canonical one.
    pub(crate) fn is_canonical(&mut self, nan: Value) -> Value {
        let (ty, bits) = match self.builder.func.dfg.value_type(nan) {
            types::F32 => (types::I32, i64::from(CANONICAL_32)),
            _ => (types::I64, CANONICAL_64 as i64),
        };
        let found = self.builder.ins().bitcast(ty, MemFlagsData::new(), nan);
        let canonical = self.builder.ins().iconst(ty, bits);
        self.builder.ins().icmp(IntCC::Equal, found, canonical)
    }
}
