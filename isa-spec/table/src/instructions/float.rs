//! Floating-point arithmetic, one family for both widths.

use ValueType::{F32, I32};

use crate::dsl::{op, r, w, wide};
use crate::{OperandKind, Row, ValueType};

pub(super) const PREFACE: &str = "IEEE 754-2019, round to nearest even, no flags, no traps, subnormals kept. A NaN that \
arithmetic makes is the canonical one (positive, quiet, payload zero). `mov`, `select`, loads and stores keep the bits; \
`neg`, `abs` and `copysign` change the sign bit alone. Comparisons with a NaN are false, except `ne`.";

pub(super) fn rows(t: ValueType, base: u16) -> Vec<Row> {
    let literal = if t == F32 { OperandKind::Float32 } else { OperandKind::Float64 };
    let bin =
        |code, name: &str, meaning| op(base + code, format!("{t}.{name}"), &[w("d", t), r("a", t), r("b", t)], meaning);
    let un = |code, name: &str, meaning| op(base + code, format!("{t}.{name}"), &[w("d", t), r("a", t)], meaning);
    let cmp = |code, name: &str, meaning| {
        op(base + code, format!("{t}.{name}"), &[w("d", I32), r("a", t), r("b", t)], meaning)
    };
    vec![
        un(0x00, "mov", "d = a"),
        op(
            base + 0x01,
            format!("{t}.select"),
            &[w("d", t), r("c", I32), r("a", t), r("b", t)],
            "d = if c != 0 then a else b",
        ),
        op(base + 0x02, format!("{t}.const"), &[w("d", t), wide("k", literal)], "d = k"),
        bin(0x10, "add", "d = a + b"),
        bin(0x11, "sub", "d = a - b"),
        bin(0x12, "mul", "d = a * b"),
        bin(0x13, "div", "d = a / b"),
        bin(0x14, "min", "d = the smaller, -0 below +0; the canonical NaN if either is NaN"),
        bin(0x15, "max", "d = the larger, -0 below +0; the canonical NaN if either is NaN"),
        bin(0x16, "copysign", "d = a with the sign of b"),
        op(
            base + 0x17,
            format!("{t}.fma"),
            &[w("d", t), r("a", t), r("b", t), r("c", t)],
            "d = a * b + c, rounded once",
        ),
        un(0x18, "sqrt", "d = square root of a"),
        un(0x19, "ceil", "d = a rounded up to an integer"),
        un(0x1a, "floor", "d = a rounded down to an integer"),
        un(0x1b, "trunc", "d = a rounded towards zero to an integer"),
        un(0x1c, "nearest", "d = a rounded to the nearest integer, ties to even"),
        un(0x1d, "abs", "d = a with the sign bit cleared"),
        un(0x1e, "neg", "d = a with the sign bit flipped"),
        cmp(0x20, "eq", "d = a == b"),
        cmp(0x21, "ne", "d = a != b"),
        cmp(0x22, "lt", "d = a < b"),
        cmp(0x23, "le", "d = a <= b"),
    ]
}
