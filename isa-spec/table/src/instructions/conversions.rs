//! Conversions between types.

use ValueType::{F32, F64, I32, I64};

use crate::dsl::{op, r, w, wide};
use crate::{Fault, OperandKind, Row, ValueType};

pub(super) const PREFACE: &str = "Between types, and what only one width needs. The mnemonic begins with the type of the result. A float becomes an integer by \
truncation; without `_sat` a NaN or a value out of range faults, with it a NaN becomes 0 and the rest the nearest bound. \
Integers and wider floats are rounded to nearest even. A bit cast (`bits`) changes the type and no bit.";

const NAMES: [(ValueType, ValueType); 4] = [(I32, F32), (I32, F64), (I64, F32), (I64, F64)];

pub(super) fn rows() -> Vec<Row> {
    let un = |code, name: &str, d, a, meaning| op(code, name, &[w("d", d), r("a", a)], meaning);
    let mut rows = vec![
        un(0x0500, "i32.from_i64", I32, I64, "d = the low 32 bits"),
        un(0x0501, "i64.from_i32_s", I64, I32, "d = a, sign-extended"),
        un(0x0502, "i64.from_i32_u", I64, I32, "d = a, zero-extended"),
        un(0x0503, "f32.from_f64", F32, F64, "d = a, rounded"),
        un(0x0504, "f64.from_f32", F64, F32, "d = a"),
        un(0x0505, "i32.bits_f32", I32, F32, "d = the bits of a"),
        un(0x0506, "i64.bits_f64", I64, F64, "d = the bits of a"),
        un(0x0507, "f32.bits_i32", F32, I32, "d = the bits of a"),
        un(0x0508, "f64.bits_i64", F64, I64, "d = the bits of a"),
        un(0x0509, "i64.sext32", I64, I64, "d = the low 32 bits, sign-extended"),
        op(0x050a, "i64.const64", &[w("d", I64), wide("k", OperandKind::Literal64)], "d = k"),
    ];
    rows.extend(NAMES.iter().zip(0..).flat_map(|(pair, index)| to_integer(*pair, 0x0510 + 4 * index)));
    rows.extend(NAMES.iter().zip(0..).flat_map(|(pair, index)| to_float(*pair, 0x0520 + 2 * index)));
    rows
}

fn to_integer((integer, float): (ValueType, ValueType), base: u16) -> [Row; 4] {
    let from = |code, suffix: &str, meaning| {
        op(base + code, format!("{integer}.from_{float}_{suffix}"), &[w("d", integer), r("a", float)], meaning)
    };
    [
        from(0, "s", "d = a truncated, signed").faults(&[Fault::Conversion]),
        from(1, "u", "d = a truncated, unsigned").faults(&[Fault::Conversion]),
        from(2, "s_sat", "d = a truncated and saturated, signed"),
        from(3, "u_sat", "d = a truncated and saturated, unsigned"),
    ]
}

fn to_float((integer, float): (ValueType, ValueType), base: u16) -> [Row; 2] {
    let from = |code, suffix: &str, meaning| {
        op(base + code, format!("{float}.from_{integer}_{suffix}"), &[w("d", float), r("a", integer)], meaning)
    };
    [from(0, "s", "d = a, rounded"), from(1, "u", "d = a, rounded")]
}
