//! What is known at a place of the code: which registers hold the same value, which values are constant, what was computed
//! already, and what is known about how values compare.

use std::collections::{HashMap, HashSet};

use limen_isa::{Opcode, ValueType};

use super::condition::{Condition, Relation};
use super::ranges::{Range, unsigned};
use crate::structured::code::Reg;

/// A value, whichever registers hold it. A number stands for one value for good, so what is known of it stays true.
pub(super) type Vn = u32;

/// A computation: the instruction and its operands, values or immediate numbers.
pub(super) type Computed = (Opcode, [i64; 4]);

/// Where values come from. It grows over a whole function.
#[derive(Default)]
pub(super) struct Values {
    constants: HashMap<(ValueType, i64), Vn>,
    origins: Vec<Origin>,
}

#[derive(Clone, Copy)]
pub(super) enum Origin {
    Unknown,
    Constant(ValueType, i64),
    Computed(Computed),
}

impl Values {
    pub(super) fn fresh(&mut self, origin: Origin) -> Vn {
        self.origins.push(origin);
        self.origins.len() as Vn - 1
    }

    pub(super) fn origin(&self, value: Vn) -> Origin {
        self.origins[value as usize]
    }
}

/// What holds at one place.
#[derive(Clone, Default)]
pub(super) struct State {
    of: HashMap<Reg, Vn>,
    holders: HashMap<Vn, Vec<Reg>>,
    computed: HashMap<Computed, Vn>,
    /// What was read from home and has not been written since.
    pub(super) loaded: HashMap<Computed, Vn>,
    facts: HashMap<(Relation, Vn, Vn), bool>,
    /// Values that are below some other.
    below: HashSet<(Relation, Vn)>,
    /// Where integers lie, as far as their origins do not say so.
    pub(super) ranges: HashMap<Vn, Range>,
}

impl State {
    /// Forgets what registers hold that may have been written.
    pub(super) fn forget(&mut self, written: &HashSet<Reg>) {
        self.of.retain(|reg, _| !written.contains(reg));
        self.loaded.clear();
    }
}

/// What is known at the place that is worked on.
pub(super) struct Known<'v> {
    pub(super) values: &'v mut Values,
    pub(super) state: State,
}

impl Known<'_> {
    /// The value in a register.
    pub(super) fn of(&mut self, reg: Reg) -> Vn {
        match self.state.of.get(&reg) {
            Some(value) => *value,
            None => {
                let value = self.values.fresh(Origin::Unknown);
                self.write(reg, value);
                value
            }
        }
    }

    /// Whether a register holds a value already.
    pub(super) fn holds(&self, reg: Reg, value: Vn) -> bool {
        self.state.of.get(&reg) == Some(&value)
    }

    /// Notes what was written to a register.
    pub(super) fn write(&mut self, reg: Reg, value: Vn) {
        self.state.of.insert(reg, value);
        self.state.holders.entry(value).or_default().push(reg);
    }

    pub(super) fn write_unknown(&mut self, reg: Reg) {
        let value = self.values.fresh(Origin::Unknown);
        self.write(reg, value);
    }

    /// A register that holds a value: the one that has held it for longest.
    pub(super) fn holder(&mut self, value: Vn) -> Option<Reg> {
        let (of, holders) = (&self.state.of, self.state.holders.get_mut(&value)?);
        holders.retain(|reg| of.get(reg) == Some(&value));
        holders.first().copied()
    }

    pub(super) fn constant(&mut self, ty: ValueType, bits: i64) -> Vn {
        let values = &mut *self.values;
        *values.constants.entry((ty, bits)).or_insert_with(|| {
            values.origins.push(Origin::Constant(ty, bits));
            values.origins.len() as Vn - 1
        })
    }

    /// The number that a value is, if it is an integer constant.
    pub(super) fn number(&self, value: Vn) -> Option<i64> {
        match self.values.origin(value) {
            Origin::Constant(ValueType::I32 | ValueType::I64, bits) => Some(bits),
            _ => None,
        }
    }

    pub(super) fn known(&self, computed: &Computed, loads: bool) -> Option<Vn> {
        let table = if loads { &self.state.loaded } else { &self.state.computed };
        table.get(computed).copied()
    }

    pub(super) fn note(&mut self, computed: Computed, loads: bool, value: Vn) {
        let table = if loads { &mut self.state.loaded } else { &mut self.state.computed };
        table.insert(computed, value);
    }

    // ---- How values compare -----------------------------------------------------------------------------------------

    /// Whether a condition holds, if that is known.
    pub(super) fn decide(&self, family: ValueType, condition: Condition) -> Option<bool> {
        let Condition { relation, a, b, holds } = condition;
        let truth =
            self.decide_numbers(family, relation, a, b).or_else(|| self.decide_values(family, relation, a, b))?;
        Some(truth == holds)
    }

    fn decide_numbers(&self, family: ValueType, relation: Relation, a: Vn, b: Vn) -> Option<bool> {
        let (a, b) = (self.number(a)?, self.number(b)?);
        Some(match relation {
            Relation::Equal => a == b,
            Relation::BelowSigned => a < b,
            Relation::BelowUnsigned => unsigned(family, a) < unsigned(family, b),
        })
    }

    fn decide_values(&self, family: ValueType, relation: Relation, a: Vn, b: Vn) -> Option<bool> {
        if a == b {
            return Some(relation == Relation::Equal);
        }
        if let Some(truth) = self.state.facts.get(&(relation, a, b)) {
            return Some(*truth);
        }
        match relation {
            Relation::Equal => self.differ(family, a, b).then_some(false),
            _ => self.is_below(family, relation, a, b),
        }
    }

    /// Notes that a condition holds.
    pub(super) fn learn(&mut self, family: ValueType, condition: Condition) {
        let Condition { relation, a, b, holds } = condition;
        let facts = &mut self.state.facts;
        facts.insert((relation, a, b), holds);
        match (relation, holds) {
            (Relation::Equal, _) => {
                facts.insert((relation, b, a), holds);
            }
            (_, true) => {
                self.state.below.insert((relation, a));
                facts.insert((relation, b, a), false);
                facts.insert((Relation::Equal, a, b), false);
                facts.insert((Relation::Equal, b, a), false);
            }
            (_, false) => {}
        }
        self.narrow_by(family, condition);
    }

    /// Whether a value is known to be below another, so that one more still fits.
    pub(super) fn is_below_another(&self, relation: Relation, value: Vn) -> bool {
        self.state.below.contains(&(relation, value))
    }
}
