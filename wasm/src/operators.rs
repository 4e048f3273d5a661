//! Which instruction an operator is, where it is one.

use limen_isa::{Opcode, ValueType};
use wasmparser::Operator;

use ValueType::{F32, F64, I32, I64};

/// An operator that takes its operands from the stack and puts its one result there, and an instruction that does that.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) opcode: Opcode,
    pub(crate) operands: usize,
    pub(crate) result: ValueType,
}

/// Which relation two values are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// They have a bit in common.
    Any,
    /// They have none.
    None,
}

impl Relation {
    /// What holds of `b, a` if this holds of `a, b`.
    pub(crate) fn swapped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Eq | Self::Ne | Self::Any | Self::None => self,
        }
    }

    /// What holds if this does not, of integers.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
            Self::Any => Self::None,
            Self::None => Self::Any,
        }
    }
}

/// An operator that compares two values of this type.
#[inline(always)]
pub(crate) fn comparison(operator: &Operator<'_>) -> Option<(ValueType, Relation, bool)> {
    use Operator as O;
    use Relation::{Eq, Ge, Gt, Le, Lt, Ne};
    Some(match operator {
        O::I32Eq => (I32, Eq, true),
        O::I32Ne => (I32, Ne, true),
        O::I32LtS => (I32, Lt, true),
        O::I32LtU => (I32, Lt, false),
        O::I32GtS => (I32, Gt, true),
        O::I32GtU => (I32, Gt, false),
        O::I32LeS => (I32, Le, true),
        O::I32LeU => (I32, Le, false),
        O::I32GeS => (I32, Ge, true),
        O::I32GeU => (I32, Ge, false),
        O::I64Eq => (I64, Eq, true),
        O::I64Ne => (I64, Ne, true),
        O::I64LtS => (I64, Lt, true),
        O::I64LtU => (I64, Lt, false),
        O::I64GtS => (I64, Gt, true),
        O::I64GtU => (I64, Gt, false),
        O::I64LeS => (I64, Le, true),
        O::I64LeU => (I64, Le, false),
        O::I64GeS => (I64, Ge, true),
        O::I64GeU => (I64, Ge, false),
        O::F32Eq => (F32, Eq, true),
        O::F32Ne => (F32, Ne, true),
        O::F32Lt => (F32, Lt, true),
        O::F32Gt => (F32, Gt, true),
        O::F32Le => (F32, Le, true),
        O::F32Ge => (F32, Ge, true),
        O::F64Eq => (F64, Eq, true),
        O::F64Ne => (F64, Ne, true),
        O::F64Lt => (F64, Lt, true),
        O::F64Gt => (F64, Gt, true),
        O::F64Le => (F64, Le, true),
        O::F64Ge => (F64, Ge, true),
        _ => return None,
    })
}

/// A load, a store: the instruction and the type of the value.
#[inline(always)]
pub(crate) fn load(operator: &Operator<'_>) -> Option<(Opcode, ValueType, wasmparser::MemArg)> {
    use Operator as O;
    Some(match operator {
        O::I32Load { memarg } => (Opcode::I32Load, I32, *memarg),
        O::I64Load { memarg } => (Opcode::I64Load, I64, *memarg),
        O::F32Load { memarg } => (Opcode::F32Load, F32, *memarg),
        O::F64Load { memarg } => (Opcode::F64Load, F64, *memarg),
        O::I32Load8S { memarg } => (Opcode::I32Load8S, I32, *memarg),
        O::I32Load8U { memarg } => (Opcode::I32Load8U, I32, *memarg),
        O::I32Load16S { memarg } => (Opcode::I32Load16S, I32, *memarg),
        O::I32Load16U { memarg } => (Opcode::I32Load16U, I32, *memarg),
        O::I64Load8S { memarg } => (Opcode::I64Load8S, I64, *memarg),
        O::I64Load8U { memarg } => (Opcode::I64Load8U, I64, *memarg),
        O::I64Load16S { memarg } => (Opcode::I64Load16S, I64, *memarg),
        O::I64Load16U { memarg } => (Opcode::I64Load16U, I64, *memarg),
        O::I64Load32S { memarg } => (Opcode::I64Load32S, I64, *memarg),
        O::I64Load32U { memarg } => (Opcode::I64Load32U, I64, *memarg),
        _ => return None,
    })
}

/// As [`load`].
#[inline(always)]
pub(crate) fn store(operator: &Operator<'_>) -> Option<(Opcode, wasmparser::MemArg)> {
    use Operator as O;
    Some(match operator {
        O::I32Store { memarg } => (Opcode::I32Store, *memarg),
        O::I64Store { memarg } => (Opcode::I64Store, *memarg),
        O::F32Store { memarg } => (Opcode::F32Store, *memarg),
        O::F64Store { memarg } => (Opcode::F64Store, *memarg),
        O::I32Store8 { memarg } => (Opcode::I32Store8, *memarg),
        O::I32Store16 { memarg } => (Opcode::I32Store16, *memarg),
        O::I64Store8 { memarg } => (Opcode::I64Store8, *memarg),
        O::I64Store16 { memarg } => (Opcode::I64Store16, *memarg),
        O::I64Store32 { memarg } => (Opcode::I64Store32, *memarg),
        _ => return None,
    })
}

/// The load of whole values of a type.
pub(crate) fn load_of(ty: ValueType) -> Opcode {
    match ty {
        I64 => Opcode::I64Load,
        F32 => Opcode::F32Load,
        F64 => Opcode::F64Load,
        I32 | ValueType::Ref => Opcode::I32Load,
    }
}

/// The store of whole values of a type.
pub(crate) fn store_of(ty: ValueType) -> Opcode {
    match ty {
        I64 => Opcode::I64Store,
        F32 => Opcode::F32Store,
        F64 => Opcode::F64Store,
        I32 | ValueType::Ref => Opcode::I32Store,
    }
}

/// The form of an instruction whose last operand is a constant: the instruction and the immediate, if it fits.
pub(crate) fn with_immediate(opcode: Opcode, value: i64) -> Option<(Opcode, u32)> {
    let fits = (-(1 << 23)..1 << 23).contains(&value);
    let (opcode, value) = match opcode {
        Opcode::I32Add => (Opcode::I32Addi, value),
        Opcode::I32Sub => (Opcode::I32Addi, value.wrapping_neg()),
        Opcode::I32Mul => (Opcode::I32Muli, value),
        Opcode::I32And => (Opcode::I32Andi, value),
        Opcode::I32Or => (Opcode::I32Ori, value),
        Opcode::I32Xor => (Opcode::I32Xori, value),
        Opcode::I32DivS => (Opcode::I32DivSi, value),
        Opcode::I32RemS => (Opcode::I32RemSi, value),
        Opcode::I64Add => (Opcode::I64Addi, value),
        Opcode::I64Sub => (Opcode::I64Addi, value.wrapping_neg()),
        Opcode::I64Mul => (Opcode::I64Muli, value),
        Opcode::I64And => (Opcode::I64Andi, value),
        Opcode::I64Or => (Opcode::I64Ori, value),
        Opcode::I64Xor => (Opcode::I64Xori, value),
        Opcode::I64DivS => (Opcode::I64DivSi, value),
        Opcode::I64RemS => (Opcode::I64RemSi, value),
        _ => return with_unsigned_immediate(opcode, value),
    };
    let fits_now = fits && (-(1 << 23)..1 << 23).contains(&value);
    fits_now.then_some((opcode, value as u32))
}

fn with_unsigned_immediate(opcode: Opcode, value: i64) -> Option<(Opcode, u32)> {
    let (opcode, value) = match opcode {
        Opcode::I32Shl => (Opcode::I32Shli, value & 31),
        Opcode::I32ShrS => (Opcode::I32ShrSi, value & 31),
        Opcode::I32ShrU => (Opcode::I32ShrUi, value & 31),
        Opcode::I32Rotl => (Opcode::I32Rotli, value & 31),
        Opcode::I32Rotr => (Opcode::I32Rotli, value.wrapping_neg() & 31),
        Opcode::I32DivU => (Opcode::I32DivUi, value),
        Opcode::I32RemU => (Opcode::I32RemUi, value),
        Opcode::I64Shl => (Opcode::I64Shli, value & 63),
        Opcode::I64ShrS => (Opcode::I64ShrSi, value & 63),
        Opcode::I64ShrU => (Opcode::I64ShrUi, value & 63),
        Opcode::I64Rotl => (Opcode::I64Rotli, value & 63),
        Opcode::I64Rotr => (Opcode::I64Rotli, value.wrapping_neg() & 63),
        Opcode::I64DivU => (Opcode::I64DivUi, value),
        Opcode::I64RemU => (Opcode::I64RemUi, value),
        _ => return None,
    };
    (0..1 << 24).contains(&value).then_some((opcode, value as u32))
}

/// Whether the operands may be exchanged.
pub(crate) fn is_commutative(opcode: Opcode) -> bool {
    use Opcode::{I32Add, I32And, I32Mul, I32Or, I32Xor, I64Add, I64And, I64Mul, I64Or, I64Xor};
    matches!(opcode, I32Add | I32Mul | I32And | I32Or | I32Xor | I64Add | I64Mul | I64And | I64Or | I64Xor)
}

/// An operator that is one instruction.
#[inline(always)]
pub(crate) fn plain(operator: &Operator<'_>) -> Option<Plain> {
    let plain = |(opcode, operands, result)| Plain { opcode, operands, result };
    // Not by `or_else`: what is called with an operator is to become part of the caller, who knows which one it is.
    if let Some(shape) = binary(operator) {
        return Some(plain(shape));
    }
    if let Some(shape) = unary(operator) {
        return Some(plain(shape));
    }
    conversion(operator).map(plain)
}

type Shape = (Opcode, usize, ValueType);

#[inline(always)]
fn binary(operator: &Operator<'_>) -> Option<Shape> {
    use Operator as O;
    Some(match operator {
        O::I32Add => (Opcode::I32Add, 2, I32),
        O::I32Sub => (Opcode::I32Sub, 2, I32),
        O::I32Mul => (Opcode::I32Mul, 2, I32),
        O::I32DivS => (Opcode::I32DivS, 2, I32),
        O::I32DivU => (Opcode::I32DivU, 2, I32),
        O::I32RemS => (Opcode::I32RemS, 2, I32),
        O::I32RemU => (Opcode::I32RemU, 2, I32),
        O::I32Or => (Opcode::I32Or, 2, I32),
        O::I32Xor => (Opcode::I32Xor, 2, I32),
        O::I32Shl => (Opcode::I32Shl, 2, I32),
        O::I32ShrS => (Opcode::I32ShrS, 2, I32),
        O::I32ShrU => (Opcode::I32ShrU, 2, I32),
        O::I32Rotl => (Opcode::I32Rotl, 2, I32),
        O::I32Rotr => (Opcode::I32Rotr, 2, I32),
        O::I64Add => (Opcode::I64Add, 2, I64),
        O::I64Sub => (Opcode::I64Sub, 2, I64),
        O::I64Mul => (Opcode::I64Mul, 2, I64),
        O::I64DivS => (Opcode::I64DivS, 2, I64),
        O::I64DivU => (Opcode::I64DivU, 2, I64),
        O::I64RemS => (Opcode::I64RemS, 2, I64),
        O::I64RemU => (Opcode::I64RemU, 2, I64),
        O::I64And => (Opcode::I64And, 2, I64),
        O::I64Or => (Opcode::I64Or, 2, I64),
        O::I64Xor => (Opcode::I64Xor, 2, I64),
        O::I64Shl => (Opcode::I64Shl, 2, I64),
        O::I64ShrS => (Opcode::I64ShrS, 2, I64),
        O::I64ShrU => (Opcode::I64ShrU, 2, I64),
        O::I64Rotl => (Opcode::I64Rotl, 2, I64),
        O::I64Rotr => (Opcode::I64Rotr, 2, I64),
        O::F32Add => (Opcode::F32Add, 2, F32),
        O::F32Sub => (Opcode::F32Sub, 2, F32),
        O::F32Mul => (Opcode::F32Mul, 2, F32),
        O::F32Div => (Opcode::F32Div, 2, F32),
        O::F32Min => (Opcode::F32Min, 2, F32),
        O::F32Max => (Opcode::F32Max, 2, F32),
        O::F32Copysign => (Opcode::F32Copysign, 2, F32),
        O::F64Add => (Opcode::F64Add, 2, F64),
        O::F64Sub => (Opcode::F64Sub, 2, F64),
        O::F64Mul => (Opcode::F64Mul, 2, F64),
        O::F64Div => (Opcode::F64Div, 2, F64),
        O::F64Min => (Opcode::F64Min, 2, F64),
        O::F64Max => (Opcode::F64Max, 2, F64),
        O::F64Copysign => (Opcode::F64Copysign, 2, F64),
        _ => return None,
    })
}

#[inline(always)]
fn unary(operator: &Operator<'_>) -> Option<Shape> {
    use Operator as O;
    Some(match operator {
        O::I32Clz => (Opcode::I32Clz, 1, I32),
        O::I32Ctz => (Opcode::I32Ctz, 1, I32),
        O::I32Popcnt => (Opcode::I32Popcnt, 1, I32),
        O::I32Extend8S => (Opcode::I32Sext8, 1, I32),
        O::I32Extend16S => (Opcode::I32Sext16, 1, I32),
        O::I64Clz => (Opcode::I64Clz, 1, I64),
        O::I64Ctz => (Opcode::I64Ctz, 1, I64),
        O::I64Popcnt => (Opcode::I64Popcnt, 1, I64),
        O::I64Extend8S => (Opcode::I64Sext8, 1, I64),
        O::I64Extend16S => (Opcode::I64Sext16, 1, I64),
        O::I64Extend32S => (Opcode::I64Sext32, 1, I64),
        O::F32Abs => (Opcode::F32Abs, 1, F32),
        O::F32Neg => (Opcode::F32Neg, 1, F32),
        O::F32Ceil => (Opcode::F32Ceil, 1, F32),
        O::F32Floor => (Opcode::F32Floor, 1, F32),
        O::F32Trunc => (Opcode::F32Trunc, 1, F32),
        O::F32Nearest => (Opcode::F32Nearest, 1, F32),
        O::F32Sqrt => (Opcode::F32Sqrt, 1, F32),
        O::F64Abs => (Opcode::F64Abs, 1, F64),
        O::F64Neg => (Opcode::F64Neg, 1, F64),
        O::F64Ceil => (Opcode::F64Ceil, 1, F64),
        O::F64Floor => (Opcode::F64Floor, 1, F64),
        O::F64Trunc => (Opcode::F64Trunc, 1, F64),
        O::F64Nearest => (Opcode::F64Nearest, 1, F64),
        O::F64Sqrt => (Opcode::F64Sqrt, 1, F64),
        _ => return None,
    })
}

#[inline(always)]
fn conversion(operator: &Operator<'_>) -> Option<Shape> {
    use Operator as O;
    Some(match operator {
        O::I32WrapI64 => (Opcode::I32FromI64, 1, I32),
        O::I64ExtendI32S => (Opcode::I64FromI32S, 1, I64),
        O::I64ExtendI32U => (Opcode::I64FromI32U, 1, I64),
        O::I32TruncF32S => (Opcode::I32FromF32S, 1, I32),
        O::I32TruncF32U => (Opcode::I32FromF32U, 1, I32),
        O::I32TruncF64S => (Opcode::I32FromF64S, 1, I32),
        O::I32TruncF64U => (Opcode::I32FromF64U, 1, I32),
        O::I64TruncF32S => (Opcode::I64FromF32S, 1, I64),
        O::I64TruncF32U => (Opcode::I64FromF32U, 1, I64),
        O::I64TruncF64S => (Opcode::I64FromF64S, 1, I64),
        O::I64TruncF64U => (Opcode::I64FromF64U, 1, I64),
        O::I32TruncSatF32S => (Opcode::I32FromF32SSat, 1, I32),
        O::I32TruncSatF32U => (Opcode::I32FromF32USat, 1, I32),
        O::I32TruncSatF64S => (Opcode::I32FromF64SSat, 1, I32),
        O::I32TruncSatF64U => (Opcode::I32FromF64USat, 1, I32),
        O::I64TruncSatF32S => (Opcode::I64FromF32SSat, 1, I64),
        O::I64TruncSatF32U => (Opcode::I64FromF32USat, 1, I64),
        O::I64TruncSatF64S => (Opcode::I64FromF64SSat, 1, I64),
        O::I64TruncSatF64U => (Opcode::I64FromF64USat, 1, I64),
        O::F32ConvertI32S => (Opcode::F32FromI32S, 1, F32),
        O::F32ConvertI32U => (Opcode::F32FromI32U, 1, F32),
        O::F32ConvertI64S => (Opcode::F32FromI64S, 1, F32),
        O::F32ConvertI64U => (Opcode::F32FromI64U, 1, F32),
        O::F64ConvertI32S => (Opcode::F64FromI32S, 1, F64),
        O::F64ConvertI32U => (Opcode::F64FromI32U, 1, F64),
        O::F64ConvertI64S => (Opcode::F64FromI64S, 1, F64),
        O::F64ConvertI64U => (Opcode::F64FromI64U, 1, F64),
        O::F32DemoteF64 => (Opcode::F32FromF64, 1, F32),
        O::F64PromoteF32 => (Opcode::F64FromF32, 1, F64),
        O::I32ReinterpretF32 => (Opcode::I32BitsF32, 1, I32),
        O::I64ReinterpretF64 => (Opcode::I64BitsF64, 1, I64),
        O::F32ReinterpretI32 => (Opcode::F32BitsI32, 1, F32),
        O::F64ReinterpretI64 => (Opcode::F64BitsI64, 1, F64),
        _ => return None,
    })
}
