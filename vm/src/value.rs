//! Values as the host sees them.

use limen_isa::ValueType;

use crate::object::Ref;

/// A value of a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// 32 bits; signedness is the instruction's.
    I32(i32),
    /// 64 bits; signedness is the instruction's.
    I64(i64),
    /// IEEE 754 binary32.
    F32(f32),
    /// IEEE 754 binary64.
    F64(f64),
    /// A reference of the machine it came from.
    Ref(Ref),
}

impl Value {
    /// The type of a register that can hold it.
    #[must_use]
    pub fn ty(self) -> ValueType {
        match self {
            Value::I32(_) => ValueType::I32,
            Value::I64(_) => ValueType::I64,
            Value::F32(_) => ValueType::F32,
            Value::F64(_) => ValueType::F64,
            Value::Ref(_) => ValueType::Ref,
        }
    }

    /// As a register holds it: 32-bit values zero-extended.
    pub(crate) fn to_bits(self) -> u64 {
        match self {
            Value::I32(value) => u64::from(value as u32),
            Value::I64(value) => value as u64,
            Value::F32(value) => u64::from(value.to_bits()),
            Value::F64(value) => value.to_bits(),
            Value::Ref(value) => value.bits(),
        }
    }

    pub(crate) fn from_bits(ty: ValueType, bits: u64) -> Self {
        match ty {
            ValueType::I32 => Value::I32(bits as i32),
            ValueType::I64 => Value::I64(bits as i64),
            ValueType::F32 => Value::F32(f32::from_bits(bits as u32)),
            ValueType::F64 => Value::F64(f64::from_bits(bits)),
            ValueType::Ref => Value::Ref(Ref::from_bits(bits)),
        }
    }
}
