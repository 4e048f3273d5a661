//! Compare and branch in one instruction.

use crate::dsl::{label24, op, r, simm12, uimm12};
use crate::{Row, ValueType};

pub(super) const PREFACE: &str = "The branch is taken if the condition holds. Taken backwards (target at or before the \
branch) it is a safepoint and burns one unit of fuel.";

pub(super) fn integer(t: ValueType, base: u16) -> Vec<Row> {
    let two = |code, name: &str, meaning| {
        op(base + code, format!("{t}.br_{name}"), &[r("a", t), r("b", t), label24("to")], meaning).branch()
    };
    let signed = |code, name: &str, meaning| {
        op(base + code, format!("{t}.br_{name}"), &[r("a", t), simm12("k"), label24("to")], meaning).branch()
    };
    let unsigned = |code, name: &str, meaning| {
        op(base + code, format!("{t}.br_{name}"), &[r("a", t), uimm12("k"), label24("to")], meaning).branch()
    };
    vec![
        two(0x00, "eq", "if a == b"),
        two(0x01, "ne", "if a != b"),
        two(0x02, "lt_s", "if a < b"),
        two(0x03, "lt_u", "if a < b"),
        two(0x04, "le_s", "if a <= b"),
        two(0x05, "le_u", "if a <= b"),
        two(0x06, "any", "if a & b != 0"),
        two(0x07, "none", "if a & b == 0"),
        signed(0x08, "eqi", "if a == k"),
        signed(0x09, "nei", "if a != k"),
        signed(0x0a, "lt_si", "if a < k"),
        unsigned(0x0b, "lt_ui", "if a < k"),
        signed(0x0c, "le_si", "if a <= k"),
        unsigned(0x0d, "le_ui", "if a <= k"),
        signed(0x0e, "gt_si", "if a > k"),
        unsigned(0x0f, "gt_ui", "if a > k"),
        signed(0x10, "ge_si", "if a >= k"),
        unsigned(0x11, "ge_ui", "if a >= k"),
        unsigned(0x12, "anyi", "if a & k != 0"),
        unsigned(0x13, "nonei", "if a & k == 0"),
    ]
}

pub(super) fn float(t: ValueType, base: u16) -> Vec<Row> {
    let two = |code, name: &str, meaning| {
        op(base + code, format!("{t}.br_{name}"), &[r("a", t), r("b", t), label24("to")], meaning).branch()
    };
    vec![
        two(0, "eq", "if a == b"),
        two(1, "ne", "if a != b or either is NaN"),
        two(2, "lt", "if a < b"),
        two(3, "le", "if a <= b"),
        two(4, "nlt", "if not a < b"),
        two(5, "nle", "if not a <= b"),
    ]
}
