//! Floating-point arithmetic and the branches that compare floats, written once for both widths.
//!
//! A NaN that arithmetic makes is canonical, but only where its bits are seen: in memory, in a cell, in a bit cast, as an
//! argument or result. Until then the processor's own NaN does, which saves a comparison at each operation. A register
//! whose value may be such a NaN is *pending*. From block to block only registers that nothing but arithmetic writes stay
//! pending; all others are made canonical where a block ends, since a loaded NaN must keep its bits.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Type, Value, types};
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Field, Fields, Float, FloatBranch, Opcode, OperandKind, Reg, Role, ValueType};

use crate::shape::RegisterSet;
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
        let (value, pending) = (self.get(a), self.pending[usize::from(a.0)]);
        self.set(d, value);
        self.pending[usize::from(d.0)] = pending;
    }
    fn select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) {
        let pending = self.pending[usize::from(a.0)] || self.pending[usize::from(b.0)];
        if pending {
            // One of them may be loaded, so each must be what it is.
            self.make_canonical(a);
            self.make_canonical(b);
        }
        self.choose(d, c, a, b);
    }
    fn constant(&mut self, d: Reg, k: u64) {
        let bits = self.builder.ins().iconst(T::BITS, k as i64);
        let value = self.builder.ins().bitcast(float_of(T::BITS), MemFlagsData::new(), bits);
        self.set(d, value);
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
        let a = self.get_canonical(a);
        let value = self.builder.ins().fabs(a);
        self.set(d, value);
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

fn float_of(bits: Type) -> Type {
    if bits == types::I32 { types::F32 } else { types::F64 }
}

impl Translator<'_, '_> {
    fn compare_floats(&mut self, condition: FloatCC, a: Reg, b: Reg) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        self.builder.ins().fcmp(condition, a, b)
    }

    /// Writes what arithmetic made.
    pub(crate) fn set_arithmetic(&mut self, d: Reg, value: Value) {
        self.set(d, value);
        self.pending[usize::from(d.0)] = true;
    }

    /// A register's value as its bits are to be seen.
    pub(crate) fn get_canonical(&mut self, register: Reg) -> Value {
        let value = self.get(register);
        if !self.pending[usize::from(register.0)] {
            return value;
        }
        // A branch that is never taken, so that no chain of additions gets longer and the constant is made where it is needed.
        let ty = self.builder.func.dfg.value_type(value);
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, value, value);
        let next = self.builder.create_block();
        let canonical = self.builder.append_block_param(next, ty);
        let nan = self.nan_block(ty, next);
        self.builder.ins().brif(is_nan, nan, &[], next, &[BlockArg::Value(value)]);
        self.builder.switch_to_block(next);
        canonical
    }

    /// The NaN that arithmetic makes.
    pub(crate) fn canonical_nan(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(f32::from_bits(CANONICAL_32)),
            _ => self.builder.ins().f64const(f64::from_bits(CANONICAL_64)),
        }
    }

    fn make_canonical(&mut self, register: Reg) {
        if self.pending[usize::from(register.0)] {
            let value = self.get_canonical(register);
            self.set(register, value);
        }
    }

    /// At the end of a block: makes canonical what other blocks may take for a loaded value.
    pub(crate) fn settle_floats(&mut self, block: usize) {
        let unsettled: Vec<u16> = self
            .shape
            .live_out(block)
            .iter()
            .filter(|register| self.pending[usize::from(*register)] && !self.arithmetic.contains(*register))
            .collect();
        for register in unsettled {
            self.make_canonical(Reg(register));
        }
    }
}

/// The float registers to which only arithmetic, numbers and each other are written.
pub(crate) fn arithmetic_registers(module: &Module, index: u32) -> RegisterSet {
    let function = &module.functions[index as usize];
    let params = module.types[function.signature as usize].params.len();
    let mut found = RegisterSet::new(function.registers.len());
    for (register, ty) in function.registers.iter().enumerate().skip(params) {
        if matches!(ty, ValueType::F32 | ValueType::F64) {
            found.insert(register as u16);
        }
    }
    let shapes = ModuleShapes { module, function: index };
    let mut pc = 0;
    while pc < function.code.len() {
        let words = &function.code[pc..];
        let keeps = Opcode::of_word(words[0]).is_some_and(|opcode| is_arithmetic(opcode, words));
        pc += for_each_register(words, &shapes, |role, register| {
            if role != Role::Read && !keeps {
                found.remove(register.0);
            }
        });
    }
    found
}

/// Whether what an instruction writes is a number or the canonical NaN.
fn is_arithmetic(opcode: Opcode, words: &[u64]) -> bool {
    use Opcode::*;
    match opcode {
        F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max | F32Fma | F32Sqrt | F32Ceil | F32Floor | F32Trunc
        | F32Nearest | F64Add | F64Sub | F64Mul | F64Div | F64Min | F64Max | F64Fma | F64Sqrt | F64Ceil | F64Floor
        | F64Trunc | F64Nearest | F32FromF64 | F64FromF32 | F32FromI32S | F32FromI32U | F64FromI32S | F64FromI32U
        | F32FromI64S | F32FromI64U | F64FromI64S | F64FromI64U => true,
        F32Const | F64Const => !constant_is_nan(opcode, words),
        _ => false,
    }
}

fn constant_is_nan(opcode: Opcode, words: &[u64]) -> bool {
    opcode.row().operands.iter().any(|operand| match operand.kind {
        OperandKind::Float32 => f32::from_bits(words.unsigned(0, Field::Wide32)).is_nan(),
        OperandKind::Float64 => f64::from_bits(words.literal(usize::from(operand.place.word))).is_nan(),
        _ => false,
    })
}
