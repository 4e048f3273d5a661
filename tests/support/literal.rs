//! Values as tests write them.
//!
//! Integers are decimal or `0x` hexadecimal, signed or unsigned. Floats are decimal, `inf`, `-inf` or `nan` (the canonical
//! one); `#` introduces their bits in hexadecimal.

use limen_isa::ValueType;
use limen_vm::Value;

/// The bits of a value of this type, as a register holds them.
pub(crate) fn parse(ty: ValueType, text: &str) -> Result<u64, String> {
    let bits = match ty {
        ValueType::I32 => within(text, i64::from(i32::MIN), u64::from(u32::MAX)).map(|value| u64::from(value as u32)),
        ValueType::I64 => within(text, i64::MIN, u64::MAX),
        ValueType::F32 => {
            float(text, |text| text.parse().ok().map(|value: f32| u64::from(value.to_bits())), 0x7fc0_0000)
        }
        ValueType::F64 => float(text, |text| text.parse().ok().map(f64::to_bits), 0x7ff8_0000_0000_0000),
        ValueType::Ref => None,
    };
    bits.ok_or_else(|| format!("`{text}` is no {ty}"))
}

fn within(text: &str, min: i64, max: u64) -> Option<u64> {
    let value = integer(text)?;
    (i128::from(min) <= value && value <= i128::from(max)).then_some(value as u64)
}

/// An integer of any size.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    value.ok().map(|value| if negative { -value } else { value })
}

fn float(text: &str, parse: impl FnOnce(&str) -> Option<u64>, canonical: u64) -> Option<u64> {
    match text.strip_prefix('#') {
        Some(bits) => u64::from_str_radix(bits, 16).ok(),
        None if text == "nan" => Some(canonical),
        None => parse(text),
    }
}

/// A value for the machine.
pub(crate) fn value(ty: ValueType, bits: u64) -> Value {
    match ty {
        ValueType::I32 => Value::I32(bits as i32),
        ValueType::I64 => Value::I64(bits as i64),
        ValueType::F32 => Value::F32(f32::from_bits(bits as u32)),
        ValueType::F64 => Value::F64(f64::from_bits(bits)),
        ValueType::Ref => unreachable!("no text is a reference"),
    }
}

/// The bits of a value from the machine.
pub(crate) fn bits(value: &Value) -> u64 {
    match value {
        Value::I32(value) => u64::from(*value as u32),
        Value::I64(value) => *value as u64,
        Value::F32(value) => u64::from(value.to_bits()),
        Value::F64(value) => value.to_bits(),
        Value::Ref(_) => unreachable!("no test returns a reference"),
    }
}

/// Values for a person, as bits.
pub(crate) fn show(values: &[u64]) -> String {
    values.iter().map(|bits| format!("{bits:#x}")).collect::<Vec<_>>().join(", ")
}
