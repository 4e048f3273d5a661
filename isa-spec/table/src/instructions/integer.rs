//! Integer arithmetic, one family for both widths.

use ValueType::I32;

use crate::dsl::{Draft, op, r, simm24, simm32, uimm24, w, wide};
use crate::{Fault, OperandKind, Row, ValueType};

pub(super) const PREFACE: &str = "Integers are two's complement bit patterns; `_s` and `_u` say whether an instruction \
reads them signed or unsigned. Arithmetic wraps unless the mnemonic says otherwise: `_ovf` gives the wrapped result and \
whether it overflowed, `_chk` faults. Shift and rotate counts are taken modulo the width. Comparisons give 1 or 0 as an `i32`.";

pub(super) fn rows(t: ValueType, base: u16) -> Vec<Row> {
    let mut rows = constants(t, base);
    rows.extend(binary(t, base));
    rows.extend(overflow(t, base));
    rows.extend(unary(t, base));
    rows.extend(comparisons(t, base));
    rows.extend(immediates(t, base));
    rows
}

fn constants(t: ValueType, base: u16) -> Vec<Row> {
    let literal = if t == I32 { wide("k", OperandKind::Bits32) } else { simm32("k") };
    vec![
        op(base, format!("{t}.mov"), &[w("d", t), r("a", t)], "d = a"),
        op(
            base + 1,
            format!("{t}.select"),
            &[w("d", t), r("c", I32), r("a", t), r("b", t)],
            "d = if c != 0 then a else b",
        ),
        op(base + 2, format!("{t}.const"), &[w("d", t), literal], "d = k"),
    ]
}

fn binary(t: ValueType, base: u16) -> Vec<Row> {
    let bin =
        |code, name: &str, meaning| op(base + code, format!("{t}.{name}"), &[w("d", t), r("a", t), r("b", t)], meaning);
    let div = [Fault::Division];
    vec![
        bin(0x10, "add", "d = a + b"),
        bin(0x11, "sub", "d = a - b"),
        bin(0x12, "mul", "d = a * b"),
        bin(0x13, "mulh_s", "d = upper half of the signed product"),
        bin(0x14, "mulh_u", "d = upper half of the unsigned product"),
        bin(0x15, "div_s", "d = a / b, towards zero").faults(&[Fault::Division, Fault::Overflow]),
        bin(0x16, "div_u", "d = a / b").faults(&div),
        bin(0x17, "rem_s", "d = a - b * (a / b), with the sign of a; 0 for the minimum and -1").faults(&div),
        bin(0x18, "rem_u", "d = a mod b").faults(&div),
        bin(0x19, "and", "d = a & b"),
        bin(0x1a, "or", "d = a | b"),
        bin(0x1b, "xor", "d = a ^ b"),
        bin(0x1c, "andn", "d = a & ~b"),
        bin(0x1d, "shl", "d = a << (b mod width)"),
        bin(0x1e, "shr_s", "d = a >> (b mod width), copying the sign"),
        bin(0x1f, "shr_u", "d = a >> (b mod width), with zeros"),
        bin(0x20, "rotl", "d = a rotated left by b mod width"),
        bin(0x21, "rotr", "d = a rotated right by b mod width"),
        bin(0x22, "min_s", "d = the smaller"),
        bin(0x23, "min_u", "d = the smaller"),
        bin(0x24, "max_s", "d = the larger"),
        bin(0x25, "max_u", "d = the larger"),
    ]
}

fn overflow(t: ValueType, base: u16) -> Vec<Row> {
    let operands = [w("d", t), w("o", I32), r("a", t), r("b", t)];
    let ovf = |code, name: &str, meaning| op(base + code, format!("{t}.{name}"), &operands, meaning);
    let chk = |code, name: &str, meaning| {
        op(base + code, format!("{t}.{name}"), &[w("d", t), r("a", t), r("b", t)], meaning).faults(&[Fault::Overflow])
    };
    vec![
        ovf(0x28, "add_ovf_s", "d = a + b; o = 1 if the signed sum does not fit, else 0"),
        ovf(0x29, "add_ovf_u", "d = a + b; o = 1 if the unsigned sum does not fit, else 0"),
        ovf(0x2a, "sub_ovf_s", "d = a - b; o = 1 if the signed difference does not fit, else 0"),
        ovf(0x2b, "sub_ovf_u", "d = a - b; o = 1 if a < b, else 0"),
        ovf(0x2c, "mul_ovf_s", "d = a * b; o = 1 if the signed product does not fit, else 0"),
        ovf(0x2d, "mul_ovf_u", "d = a * b; o = 1 if the unsigned product does not fit, else 0"),
        chk(0x2e, "add_chk_s", "d = a + b, or a fault if the signed sum does not fit"),
        chk(0x2f, "add_chk_u", "d = a + b, or a fault if the unsigned sum does not fit"),
        chk(0x30, "sub_chk_s", "d = a - b, or a fault if the signed difference does not fit"),
        chk(0x31, "sub_chk_u", "d = a - b, or a fault if a < b"),
        chk(0x32, "mul_chk_s", "d = a * b, or a fault if the signed product does not fit"),
        chk(0x33, "mul_chk_u", "d = a * b, or a fault if the unsigned product does not fit"),
    ]
}

fn unary(t: ValueType, base: u16) -> Vec<Row> {
    let un = |code, name: &str, meaning| op(base + code, format!("{t}.{name}"), &[w("d", t), r("a", t)], meaning);
    vec![
        un(0x38, "neg", "d = 0 - a"),
        un(0x39, "not", "d = ~a"),
        un(0x3a, "clz", "d = leading zero bits; the width for 0"),
        un(0x3b, "ctz", "d = trailing zero bits; the width for 0"),
        un(0x3c, "popcnt", "d = one bits"),
        un(0x3d, "bswap", "d = the bytes of a in reverse order"),
        un(0x3e, "sext8", "d = the low 8 bits, sign-extended"),
        un(0x3f, "sext16", "d = the low 16 bits, sign-extended"),
    ]
}

fn comparisons(t: ValueType, base: u16) -> Vec<Row> {
    let cmp = |code, name: &str, meaning| {
        op(base + code, format!("{t}.{name}"), &[w("d", I32), r("a", t), r("b", t)], meaning)
    };
    vec![
        cmp(0x48, "eq", "d = a == b"),
        cmp(0x49, "ne", "d = a != b"),
        cmp(0x4a, "lt_s", "d = a < b"),
        cmp(0x4b, "lt_u", "d = a < b"),
        cmp(0x4c, "le_s", "d = a <= b"),
        cmp(0x4d, "le_u", "d = a <= b"),
    ]
}

fn immediates(t: ValueType, base: u16) -> Vec<Row> {
    let with = |code, name: &str, d, k: Draft, meaning| {
        op(base + code, format!("{t}.{name}"), &[w("d", d), r("a", t), k], meaning)
    };
    let signed = |code, name: &str, meaning| with(code, name, t, simm24("k"), meaning);
    let unsigned = |code, name: &str, meaning| with(code, name, t, uimm24("k"), meaning);
    let cmp = |code, name: &str, k, meaning| with(code, name, I32, k, meaning);
    vec![
        signed(0x50, "addi", "d = a + k"),
        signed(0x51, "muli", "d = a * k"),
        signed(0x52, "rsubi", "d = k - a"),
        signed(0x53, "andi", "d = a & k"),
        signed(0x54, "ori", "d = a | k"),
        signed(0x55, "xori", "d = a ^ k"),
        unsigned(0x56, "shli", "d = a << (k mod width)"),
        unsigned(0x57, "shr_si", "d = a >> (k mod width), copying the sign"),
        unsigned(0x58, "shr_ui", "d = a >> (k mod width), with zeros"),
        unsigned(0x59, "rotli", "d = a rotated left by k mod width"),
        signed(0x5a, "div_si", "d = a / k, towards zero").faults(&[Fault::Division, Fault::Overflow]),
        unsigned(0x5b, "div_ui", "d = a / k").faults(&[Fault::Division]),
        signed(0x5c, "rem_si", "d = a - k * (a / k), with the sign of a").faults(&[Fault::Division]),
        unsigned(0x5d, "rem_ui", "d = a mod k").faults(&[Fault::Division]),
        cmp(0x60, "eqi", simm24("k"), "d = a == k"),
        cmp(0x61, "nei", simm24("k"), "d = a != k"),
        cmp(0x62, "lt_si", simm24("k"), "d = a < k"),
        cmp(0x63, "lt_ui", uimm24("k"), "d = a < k"),
        cmp(0x64, "gt_si", simm24("k"), "d = a > k"),
        cmp(0x65, "gt_ui", uimm24("k"), "d = a > k"),
    ]
}
