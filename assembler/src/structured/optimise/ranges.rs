//! Between which bounds integers lie, read without signs.

use limen_isa::{Opcode, ValueType};

use super::condition::{Condition, Relation, integer_name};
use super::known::{Known, Origin, Vn};

/// How many computations a bound is followed through.
const MAX_DEPTH: u32 = 4;

/// The least and the greatest that an integer can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Range {
    pub(super) fn new(least: u64, most: u64) -> Self {
        Self { least, most }
    }

    pub(super) fn all(family: ValueType) -> Self {
        Self::new(0, greatest(family))
    }

    /// What lies in both. If nothing does, the place is never reached, and the first is as good as any.
    fn and(self, other: Self) -> Self {
        let both = Self::new(self.least.max(other.least), self.most.min(other.most));
        if both.least <= both.most { both } else { self }
    }

    /// A range between bounds of which the upper one is exact unless it is `None`: then something may have wrapped.
    fn exact(least: u64, most: Option<u64>, family: ValueType) -> Self {
        most.filter(|most| *most <= greatest(family)).map_or(Self::all(family), |most| Self::new(least, most))
    }

    /// Sums of numbers of both, unless they may wrap.
    fn plus(self, other: Self, family: ValueType) -> Self {
        Self::exact(self.least.wrapping_add(other.least), self.most.checked_add(other.most), family)
    }

    /// Sums and products of numbers of both where the program stops rather than let them wrap.
    fn plus_checked(self, other: Self, family: ValueType) -> Self {
        let most = self.most.saturating_add(other.most);
        Self::new(self.least.saturating_add(other.least), most).and(Self::all(family))
    }

    fn times_checked(self, other: Self, family: ValueType) -> Self {
        let most = self.most.saturating_mul(other.most);
        Self::new(self.least.saturating_mul(other.least), most).and(Self::all(family))
    }

    /// Differences of numbers of both, unless they may wrap.
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        (self.least >= other.most).then(|| Self::new(self.least - other.most, self.most - other.least))
    }

    fn times(self, other: Self, family: ValueType) -> Self {
        Self::exact(self.least.wrapping_mul(other.least), self.most.checked_mul(other.most), family)
    }
}

pub(super) fn greatest(family: ValueType) -> u64 {
    if family == ValueType::I64 { u64::MAX } else { u64::from(u32::MAX) }
}

/// The greatest number that has no sign.
pub(super) fn greatest_signed(family: ValueType) -> u64 {
    greatest(family) / 2
}

/// The number that the bits of an integer are without a sign.
pub(super) fn unsigned(family: ValueType, number: i64) -> u64 {
    if family == ValueType::I64 { number as u64 } else { u64::from(number as u32) }
}

impl Known<'_> {
    /// Where an integer lies.
    pub(super) fn range(&self, family: ValueType, value: Vn) -> Range {
        self.range_within(family, value, MAX_DEPTH)
    }

    fn range_within(&self, family: ValueType, value: Vn, depth: u32) -> Range {
        let range = match self.values.origin(value) {
            Origin::Constant(_, bits) => return Range::new(unsigned(family, bits), unsigned(family, bits)),
            Origin::Computed((opcode, [a, b, ..])) if depth > 0 => self.range_from(opcode, a, b, family, depth - 1),
            _ => Range::all(family),
        };
        self.state.ranges.get(&value).map_or(range, |known| range.and(*known))
    }

    /// Where the result of an instruction lies. An operand is a value, or a number where the instruction has one.
    pub(super) fn range_of(&self, opcode: Opcode, a: i64, b: i64, family: ValueType) -> Range {
        self.range_from(opcode, a, b, family, MAX_DEPTH)
    }

    fn range_from(&self, opcode: Opcode, a: i64, b: i64, family: ValueType, depth: u32) -> Range {
        let all = Range::all(family);
        let of = |operand: i64| self.range_within(family, operand as Vn, depth);
        let Some((_, name)) = integer_name(opcode) else { return all };
        let number = unsigned(family, b);
        let by = Range::new(number, number);
        let width = u64::from(greatest(family).count_ones());
        match name {
            "load8_u" | "load8_u_at" => Range::new(0, 0xff),
            "load16_u" | "load16_u_at" => Range::new(0, 0xffff),
            "load32_u" | "load32_u_at" => Range::new(0, u64::from(u32::MAX)),
            "eq" | "ne" | "lt_s" | "lt_u" | "le_s" | "le_u" => Range::new(0, 1),
            "eqi" | "nei" | "lt_si" | "lt_ui" | "gt_si" | "gt_ui" => Range::new(0, 1),
            "clz" | "ctz" | "popcnt" => Range::new(0, width),
            "andi" if b >= 0 => Range::new(0, of(a).most.min(number)),
            "and" => Range::new(0, of(a).most.min(of(b).most)),
            "ori" | "xori" if b >= 0 => Range::new(0, ones(of(a).most | number)),
            "or" | "xor" => Range::new(0, ones(of(a).most | of(b).most)),
            "addi" if b >= 0 => of(a).plus(by, family),
            "addi" => of(a).minus(Range::new(b.unsigned_abs(), b.unsigned_abs())).unwrap_or(all),
            "add" => of(a).plus(of(b), family),
            "sub" => of(a).minus(of(b)).unwrap_or(all),
            "muli" if b >= 0 => of(a).times(by, family),
            "mul" => of(a).times(of(b), family),
            "shli" if number < width => of(a).times(Range::new(1 << number, 1 << number), family),
            "shr_ui" => Range::new(of(a).least >> (number % width), of(a).most >> (number % width)),
            "div_ui" if number > 0 => Range::new(of(a).least / number, of(a).most / number),
            "rem_ui" if number > of(a).most => of(a),
            "rem_ui" if number > 0 => Range::new(0, number - 1),
            "rem_u" => Range::new(0, of(a).most.min(of(b).most.saturating_sub(1))),
            "from_i32_u" => self.range_within(ValueType::I32, a as Vn, depth),
            // Only in a register of 32 bits.
            "from_i64" => match self.range_within(ValueType::I64, a as Vn, depth) {
                wide if wide.most <= greatest(family) => wide,
                _ => all,
            },
            "add_chk_u" => of(a).plus_checked(of(b), family),
            "mul_chk_u" => of(a).times_checked(of(b), family),
            "sub_chk_u" => Range::new(of(a).least.saturating_sub(of(b).most), of(a).most.saturating_sub(of(b).least)),
            _ => all,
        }
    }

    /// Notes that a value lies in a range as well.
    pub(super) fn narrow(&mut self, family: ValueType, value: Vn, range: Range) {
        if !matches!(self.values.origin(value), Origin::Constant(..)) {
            let known = self.state.ranges.entry(value).or_insert(Range::all(family));
            *known = known.and(range);
        }
    }

    /// Notes what a condition that holds says about where its values lie.
    pub(super) fn narrow_by(&mut self, family: ValueType, condition: Condition) {
        let Condition { relation, a, b, holds } = condition;
        let (x, y) = (self.range(family, a), self.range(family, b));
        match (relation, holds) {
            (Relation::Equal, true) => {
                self.narrow(family, a, y);
                self.narrow(family, b, x);
            }
            (Relation::Equal, false) => {
                self.narrow_unequal(family, a, x, y);
                self.narrow_unequal(family, b, y, x);
            }
            (Relation::BelowUnsigned, _) => self.narrow_order(family, [a, b], [x, y], holds, greatest(family)),
            (Relation::BelowSigned, true) if x.most <= greatest_signed(family) => {
                self.narrow_order(family, [a, b], [x, y], true, greatest_signed(family));
            }
            (Relation::BelowSigned, false) if y.most <= greatest_signed(family) => {
                self.narrow_order(family, [a, b], [x, y], false, greatest_signed(family));
            }
            (Relation::BelowSigned, _) => {}
        }
    }

    /// `a < b`, or not so; the greater one of them is at most `limit`.
    fn narrow_order(&mut self, family: ValueType, [a, b]: [Vn; 2], [x, y]: [Range; 2], below: bool, limit: u64) {
        if below {
            self.narrow(family, a, Range::new(0, y.most.min(limit).saturating_sub(1)));
            self.narrow(family, b, Range::new(x.least.saturating_add(1), limit));
        } else {
            self.narrow(family, a, Range::new(y.least, limit));
            self.narrow(family, b, Range::new(0, x.most.min(limit)));
        }
    }

    /// `value` is in `range`, and not the one number that `other` may be.
    fn narrow_unequal(&mut self, family: ValueType, value: Vn, range: Range, other: Range) {
        if other.least == other.most && range.least == other.least && range.least < range.most {
            self.narrow(family, value, Range::new(range.least + 1, range.most));
        } else if other.least == other.most && range.most == other.most && range.least < range.most {
            self.narrow(family, value, Range::new(range.least, range.most - 1));
        }
    }

    /// Whether `a < b`, if their ranges say so.
    pub(super) fn is_below(&self, family: ValueType, relation: Relation, a: Vn, b: Vn) -> Option<bool> {
        let (x, y) = (self.range(family, a), self.range(family, b));
        let positive = |range: Range| range.most <= greatest_signed(family);
        let negative = |range: Range| range.least > greatest_signed(family);
        if relation == Relation::BelowSigned {
            if positive(x) && negative(y) || negative(x) && positive(y) {
                return Some(negative(x));
            }
            if !(positive(x) && positive(y) || negative(x) && negative(y)) {
                return None;
            }
        }
        if x.most < y.least { Some(true) } else { (x.least >= y.most).then_some(false) }
    }

    /// Whether two integers cannot be the same.
    pub(super) fn differ(&self, family: ValueType, a: Vn, b: Vn) -> bool {
        let (x, y) = (self.range(family, a), self.range(family, b));
        x.most < y.least || y.most < x.least
    }
}

/// As many ones as `most` has digits.
pub(super) fn ones(most: u64) -> u64 {
    u64::MAX.checked_shr(most.leading_zeros()).unwrap_or(0)
}
