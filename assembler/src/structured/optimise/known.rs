//! What is known at a place of the code: which registers hold the same value, which values are constant, what was computed
//! already, and what is known about how values compare.

use std::collections::{HashMap, HashSet};

use limen_isa::{Opcode, ValueType};

use super::condition::{Condition, Relation};
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
    /// Upper bounds of integers without signs.
    most: HashMap<Vn, u64>,
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
        let limit = |value| self.number(value).map(|number| unsigned(family, number));
        match relation {
            Relation::BelowUnsigned => {
                if limit(b) == Some(0) || limit(a).is_some_and(|least| self.most(family, b) <= least) {
                    return Some(false);
                }
                limit(b).filter(|limit| self.most(family, a) < *limit).map(|_| true)
            }
            Relation::Equal => {
                let outside = |value, other| limit(value).is_some_and(|number| self.most(family, other) < number);
                (outside(a, b) || outside(b, a)).then_some(false)
            }
            // Both are no negative numbers: signs make no difference.
            Relation::BelowSigned => {
                let positive = self.most(family, a).max(self.most(family, b)) <= greatest(family) / 2;
                positive.then(|| self.decide_values(family, Relation::BelowUnsigned, a, b)).flatten()
            }
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
        if relation == Relation::BelowUnsigned {
            let number = |value| self.number(value).map(|number| unsigned(family, number));
            let bound = if holds { number(b).and_then(|limit| limit.checked_sub(1)) } else { number(a) };
            let limited = if holds { a } else { b };
            if let Some(bound) = bound {
                let most = self.state.most.entry(limited).or_insert(u64::MAX);
                *most = bound.min(*most);
            }
        }
    }

    /// Whether a value is known to be below another, so that one more still fits.
    pub(super) fn is_below_another(&self, relation: Relation, value: Vn) -> bool {
        self.state.below.contains(&(relation, value))
    }

    /// The greatest that an integer can be without signs.
    pub(super) fn most(&self, family: ValueType, value: Vn) -> u64 {
        let by_origin = self.most_by_origin(family, value, 4);
        self.state.most.get(&value).map_or(by_origin, |most| by_origin.min(*most))
    }

    fn most_by_origin(&self, family: ValueType, value: Vn, depth: u32) -> u64 {
        let greatest = greatest(family);
        let (opcode, operands) = match self.values.origin(value) {
            Origin::Constant(_, bits) => return unsigned(family, bits),
            Origin::Computed(computed) if depth > 0 => computed,
            _ => return greatest,
        };
        let Some((_, name)) = super::condition::integer_name(opcode) else { return greatest };
        let of = |operand: i64| {
            let value = operand as Vn;
            let most = self.most_by_origin(family, value, depth - 1);
            self.state.most.get(&value).map_or(most, |known| most.min(*known))
        };
        match name {
            "load8_u" | "load8_u_at" => 0xff,
            "load16_u" | "load16_u_at" => 0xffff,
            "eq" | "ne" | "lt_s" | "lt_u" | "le_s" | "le_u" => 1,
            "eqi" | "nei" | "lt_si" | "lt_ui" | "gt_si" | "gt_ui" => 1,
            "andi" if operands[1] >= 0 => of(operands[0]).min(operands[1] as u64),
            "and" => of(operands[0]).min(of(operands[1])),
            "addi" if operands[1] >= 0 => within(of(operands[0]).checked_add(operands[1] as u64), greatest),
            "add" => within(of(operands[0]).checked_add(of(operands[1])), greatest),
            "shli" if operands[1] < 16 => within(of(operands[0]).checked_mul(1 << operands[1]), greatest),
            "rem_ui" if operands[1] > 0 => of(operands[0]).min(operands[1] as u64 - 1),
            "div_ui" if operands[1] > 0 => of(operands[0]) / operands[1] as u64,
            "shr_ui" => of(operands[0]) >> (operands[1] as u64 % (greatest.count_ones() as u64)),
            "clz" | "ctz" | "popcnt" => 64,
            "from_i32_u" => u64::from(u32::MAX),
            _ => greatest,
        }
    }
}

/// A bound that holds only if nothing can wrap.
fn within(bound: Option<u64>, greatest: u64) -> u64 {
    bound.map_or(greatest, |bound| bound.min(greatest))
}

pub(super) fn greatest(family: ValueType) -> u64 {
    if family == ValueType::I64 { u64::MAX } else { u64::from(u32::MAX) }
}

/// The number that the bits of an integer are without a sign.
pub(super) fn unsigned(family: ValueType, number: i64) -> u64 {
    if family == ValueType::I64 { number as u64 } else { u64::from(number as u32) }
}
