//! What a branch or a comparison asks.

use limen_isa::codec::Value;
use limen_isa::{Opcode, ValueType};

use super::known::{Known, Vn};
use crate::structured::code::{Inst, Label, Reg};

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Equal,
    /// Below, with signs.
    BelowSigned,
    /// Below, without signs.
    BelowUnsigned,
}

/// A question about two integers: whether `a` and `b` stand to each other so, or not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) relation: Relation,
    pub(super) a: Vn,
    pub(super) b: Vn,
    pub(super) holds: bool,
}

impl Condition {
    /// What is asked where the last part of a mnemonic is `name`, of these values.
    pub(super) fn named(name: &str, a: Vn, b: Vn) -> Option<Self> {
        let name = name.strip_suffix('i').unwrap_or(name);
        let relation = match name.split_once('_') {
            None => Relation::Equal,
            Some((_, "s")) => Relation::BelowSigned,
            Some((_, "u")) => Relation::BelowUnsigned,
            Some(_) => return None,
        };
        let (a, b, holds) = match name.split('_').next()? {
            "eq" => (a, b, true),
            "ne" => (a, b, false),
            "lt" => (a, b, true),
            "ge" => (a, b, false),
            "gt" => (b, a, true),
            "le" => (b, a, false),
            _ => return None,
        };
        ((name.starts_with("eq") || name.starts_with("ne")) == (relation == Relation::Equal)).then_some(Self {
            relation,
            a,
            b,
            holds,
        })
    }

    pub(super) fn negated(self) -> Self {
        Self { holds: !self.holds, ..self }
    }
}

/// Where a value is: in a register, or known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Register(Reg),
    Constant(i64),
}

/// The branch that goes to `label` if a condition of `family` integers holds; `None` if no instruction can ask it so.
pub(super) fn branch(
    family: ValueType,
    condition: Condition,
    a: Source,
    b: Source,
    label: Label,
) -> Option<(Opcode, Vec<Value>)> {
    let sign = match condition.relation {
        Relation::Equal => "",
        Relation::BelowSigned => "_s",
        Relation::BelowUnsigned => "_u",
    };
    let fits = |k: i64| match condition.relation {
        Relation::BelowUnsigned => (0..1 << 12).contains(&k),
        _ => (-(1 << 11)..1 << 11).contains(&k),
    };
    let is_equal = condition.relation == Relation::Equal;
    let (name, x, y) = match (a, b, condition.holds) {
        (Source::Register(a), Source::Constant(k), holds) if fits(k) => (
            if is_equal {
                if holds { "eq" } else { "ne" }
            } else if holds {
                "lt"
            } else {
                "ge"
            },
            a,
            Err(k),
        ),
        (Source::Constant(k), Source::Register(b), holds) if fits(k) => (
            if is_equal {
                if holds { "eq" } else { "ne" }
            } else if holds {
                "gt"
            } else {
                "le"
            },
            b,
            Err(k),
        ),
        (Source::Register(a), Source::Register(b), holds) => match (is_equal, holds) {
            (true, true) => ("eq", a, Ok(b)),
            (true, false) => ("ne", a, Ok(b)),
            (false, true) => ("lt", a, Ok(b)),
            (false, false) => ("le", b, Ok(a)),
        },
        _ => return None,
    };
    let (suffix, last) = match y {
        Ok(register) => ("", i64::from(register)),
        Err(k) => ("i", k),
    };
    let opcode = Opcode::from_mnemonic(&format!("{family}.br_{name}{sign}{suffix}"))?;
    let values = [i64::from(x), last, i64::from(label)].into_iter().map(Value::Integer).collect();
    Some((opcode, values))
}

/// The condition of a branch, if it asks about integers: also their family, and where it goes.
pub(super) fn of_branch(inst: &Inst, known: &mut Known) -> Option<(ValueType, Condition, Label)> {
    let (family, name) = integer_name(inst.opcode)?;
    let name = name.strip_prefix("br_")?;
    let [Value::Integer(a), Value::Integer(b), Value::Integer(label)] = *inst.values.as_slice() else { return None };
    let immediate = name.ends_with('i');
    let a = known.of(a as Reg);
    let b = if immediate { known.constant(family, b) } else { known.of(b as Reg) };
    Some((family, Condition::named(name, a, b)?, label as Label))
}

/// Family and rest of an integer instruction's mnemonic.
pub(super) fn integer_name(opcode: Opcode) -> Option<(ValueType, &'static str)> {
    match opcode.mnemonic().split_once('.')? {
        ("i32", name) => Some((ValueType::I32, name)),
        ("i64", name) => Some((ValueType::I64, name)),
        _ => None,
    }
}
