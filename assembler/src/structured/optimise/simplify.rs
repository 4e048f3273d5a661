//! Single computations in a shorter or cheaper form.

use std::ops::Range;

use limen_isa::{Opcode, ValueType};

use super::condition::{Condition, Relation, integer_name};
use super::known::{Known, Origin, Vn};
use super::ranges::{greatest, greatest_signed, ones, unsigned};

/// Numbers that instructions of three operands can have.
const IMMEDIATE: Range<i64> = -(1 << 23)..1 << 23;

/// A computation whose operands are values, or numbers where the instruction takes one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A constant.
    Constant(ValueType, i64),
    /// Another value.
    Same(Vn),
    /// An instruction with one operand in a register and a number.
    Immediate(Opcode, Vn, i64),
    /// An instruction with two operands in registers.
    Two(Opcode, Vn, Vn),
}

/// A better form of an integer instruction `family.name a, b`; `b` is a number where the name says so.
pub(super) fn simplified(known: &Known<'_>, family: ValueType, name: &str, a: Vn, b: Result<Vn, i64>) -> Option<Form> {
    let x = known.number(a);
    let y = b.map_or_else(Some, |b| known.number(b));
    if let (Some(x), Some(y)) = (x, y)
        && let Some(number) = folded(family, name, x, y)
    {
        let is_comparison = is_comparison(name);
        return Some(Form::Constant(if is_comparison { ValueType::I32 } else { family }, number));
    }
    if let Some(y) = y
        && is_identity(name, y)
    {
        return Some(Form::Same(a));
    }
    if let ("mul" | "muli", Some(y @ 2..)) = (name, y)
        && y.count_ones() == 1
    {
        return opcode(family, "shli").map(|opcode| Form::Immediate(opcode, a, i64::from(y.trailing_zeros())));
    }
    if let Some(form) = combined(known, family, name, a, b) {
        return Some(form);
    }
    let Ok(b) = b else { return None };
    if let Some(name) = unchecked(known, family, name, a, b) {
        return simplified(known, family, name, a, Ok(b)).or_else(|| two(family, name, a, b));
    }
    let immediate = |name: &str, of: Vn, k: i64| opcode(family, name).map(|opcode| Form::Immediate(opcode, of, k));
    if let Some(k) = y {
        let (name, k) = with_number(name, k)?;
        let range = if name.ends_with("_ui") || name == "shli" { 0..1 << 24 } else { IMMEDIATE };
        return range.contains(&k).then(|| immediate(name, a, k)).flatten();
    }
    let k = x?;
    let (name, k) = match name {
        "add" | "mul" | "and" | "or" | "xor" | "eq" | "ne" => with_number(name, k)?,
        "sub" => ("rsubi", k),
        "lt_s" => ("gt_si", k),
        "lt_u" => ("gt_ui", k),
        _ => return None,
    };
    let range = if name.ends_with("_ui") { 0..1 << 24 } else { IMMEDIATE };
    range.contains(&k).then(|| immediate(name, b, k)).flatten()
}

/// An instruction and what made its operand as one.
fn combined(known: &Known<'_>, family: ValueType, name: &str, a: Vn, b: Result<Vn, i64>) -> Option<Form> {
    let made = |value: Vn| match known.values.origin(value) {
        Origin::Computed((opcode, [x, k, ..])) => integer_name(opcode).map(|(_, name)| (name, x, k)),
        _ => None,
    };
    match (name, made(a)?, b) {
        ("addi", ("addi", x, first), Err(second)) => {
            let sum = first.checked_add(second).filter(|sum| IMMEDIATE.contains(sum))?;
            opcode(family, "addi").map(|opcode| Form::Immediate(opcode, x as Vn, sum))
        }
        ("andi", _, Err(mask)) if mask >= 0 => {
            let most = known.range(family, a).most;
            (mask as u64 & ones(most) == ones(most)).then_some(Form::Same(a))
        }
        ("or" | "xor" | "add", left, Ok(b)) => {
            let ((left, x, up), (right, y, down)) = (left, made(b)?);
            let (up, down) = match (left, right) {
                ("shli", "shr_ui") => (up, down),
                ("shr_ui", "shli") => (down, up),
                _ => return None,
            };
            let is_rotation = x == y && up > 0 && up + down == i64::from(greatest(family).count_ones());
            let opcode = opcode(family, "rotli").filter(|_| is_rotation)?;
            Some(Form::Immediate(opcode, x as Vn, up))
        }
        _ => None,
    }
}

fn two(family: ValueType, name: &str, a: Vn, b: Vn) -> Option<Form> {
    opcode(family, name).map(|opcode| Form::Two(opcode, a, b))
}

fn opcode(family: ValueType, name: &str) -> Option<Opcode> {
    Opcode::from_mnemonic(&format!("{family}.{name}"))
}

fn is_comparison(name: &str) -> bool {
    matches!(name.split('_').next(), Some("eq" | "ne" | "lt" | "le" | "gt" | "ge" | "eqi" | "nei"))
}

/// The instruction with a number in place of its second operand.
fn with_number(name: &str, k: i64) -> Option<(&'static str, i64)> {
    Some(match name {
        "add" => ("addi", k),
        "sub" => ("addi", k.checked_neg()?),
        "mul" => ("muli", k),
        "and" => ("andi", k),
        "or" => ("ori", k),
        "xor" => ("xori", k),
        "shl" => ("shli", k),
        "shr_s" => ("shr_si", k),
        "shr_u" => ("shr_ui", k),
        "eq" => ("eqi", k),
        "ne" => ("nei", k),
        "lt_s" => ("lt_si", k),
        "lt_u" => ("lt_ui", k),
        _ => return None,
    })
}

/// Whether `a name y` is `a`.
fn is_identity(name: &str, y: i64) -> bool {
    match name {
        "add" | "addi" | "sub" | "or" | "ori" | "xor" | "xori" | "shl" | "shli" | "shr_s" | "shr_si" | "shr_u"
        | "shr_ui" => y == 0,
        "add_chk_s" | "add_chk_u" | "sub_chk_s" | "sub_chk_u" => y == 0,
        "mul" | "muli" | "mul_chk_s" | "mul_chk_u" | "div_u" | "div_ui" | "div_s" | "div_si" => y == 1,
        "and" | "andi" => y == -1,
        _ => false,
    }
}

/// The instruction without its check, where the result is known to fit.
fn unchecked(known: &Known<'_>, family: ValueType, name: &str, a: Vn, b: Vn) -> Option<&'static str> {
    let (x, y) = (known.range(family, a).most, known.range(family, b).most);
    let one_more = |relation| known.number(b) == Some(1) && known.is_below_another(relation, a);
    let below = Condition { relation: Relation::BelowUnsigned, a, b, holds: true };
    match name {
        "add_chk_u" => (one_more(Relation::BelowUnsigned) || fits(x.checked_add(y), greatest(family))).then_some("add"),
        "add_chk_s" => {
            (one_more(Relation::BelowSigned) || fits(x.checked_add(y), greatest_signed(family))).then_some("add")
        }
        "mul_chk_u" => fits(x.checked_mul(y), greatest(family)).then_some("mul"),
        "mul_chk_s" => fits(x.checked_mul(y), greatest_signed(family)).then_some("mul"),
        "sub_chk_u" => (known.decide(family, below) == Some(false)).then_some("sub"),
        "sub_chk_s" => (x.max(y) <= greatest_signed(family)).then_some("sub"),
        _ => None,
    }
}

fn fits(result: Option<u64>, greatest: u64) -> bool {
    result.is_some_and(|result| result <= greatest)
}

/// The result of an instruction of two known operands, if it has one.
fn folded(family: ValueType, name: &str, x: i64, y: i64) -> Option<i64> {
    let wide = family == ValueType::I64;
    let wrap = |number: i64| if wide { number } else { i64::from(number as i32) };
    let signed = |number: Option<i64>| number.filter(|number| wide || i32::try_from(*number).is_ok());
    let (p, q) = (unsigned(family, x), unsigned(family, y));
    let without_sign =
        |number: Option<u64>| number.filter(|number| *number <= greatest(family)).map(|n| wrap(n as i64));
    let count = q % if wide { 64 } else { 32 };
    let truth = |holds: bool| Some(i64::from(holds));
    match name {
        "add" | "addi" => Some(wrap(x.wrapping_add(y))),
        "sub" => Some(wrap(x.wrapping_sub(y))),
        "mul" | "muli" => Some(wrap(x.wrapping_mul(y))),
        "rsubi" => Some(wrap(y.wrapping_sub(x))),
        "and" | "andi" => Some(x & y),
        "or" | "ori" => Some(x | y),
        "xor" | "xori" => Some(x ^ y),
        "shl" | "shli" => Some(wrap(x.wrapping_shl(count as u32))),
        "shr_u" | "shr_ui" => Some(wrap((p >> count) as i64)),
        "shr_s" | "shr_si" => Some(x >> count),
        "add_chk_s" => signed(x.checked_add(y)),
        "sub_chk_s" => signed(x.checked_sub(y)),
        "mul_chk_s" => signed(x.checked_mul(y)),
        "add_chk_u" => without_sign(p.checked_add(q)),
        "sub_chk_u" => without_sign(p.checked_sub(q)),
        "mul_chk_u" => without_sign(p.checked_mul(q)),
        "div_u" | "div_ui" => without_sign(p.checked_div(q)),
        "rem_u" | "rem_ui" => without_sign(p.checked_rem(q)),
        "eq" | "eqi" => truth(x == y),
        "ne" | "nei" => truth(x != y),
        "lt_s" | "lt_si" => truth(x < y),
        "lt_u" | "lt_ui" => truth(p < q),
        "le_s" => truth(x <= y),
        "le_u" => truth(p <= q),
        "gt_si" => truth(x > y),
        "gt_ui" => truth(p > q),
        _ => None,
    }
}
