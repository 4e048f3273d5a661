//! Before a loop that counts: a look at what its last turn accesses.
//!
//! Of a reference it is only asked what is kept of it. If that is nothing, a turn that looks finds it out, and then it is asked again.
//!
//! All is computed in 64 bits from numbers of 32, one product and sums with it, which cannot overflow. Whatever does not stay within 32
//! bits on the way is seen in one number, that all of them are joined in; then the loop looks at each access, as any other does.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Value, types};
use limen_isa::{Reg, ValueType};

use crate::counted::{Access, Counted, Counter, End, Limit, Number, Place, Step};
use crate::translate::Translator;

/// Numbers of the last turn of a loop.
struct Last<'a> {
    counted: &'a Counted,
    /// How many turns come before it.
    turns: Value,
    /// All numbers that have to be below 2^32, joined.
    joined: Value,
}

impl Translator<'_, '_> {
    /// Goes on if in no turn that is left an access of the loop reaches beyond what is open, and else to `otherwise`.
    pub(crate) fn look_at_last_turn(&mut self, counted: &Counted, otherwise: ir::Block) {
        let zero = self.zero(types::I64);
        let mut last = Last { counted, turns: zero, joined: zero };
        last.turns = self.turns_before_last(&mut last, otherwise);
        let places: Vec<Value> = counted.accesses.iter().map(|access| self.last_place(&mut last, access)).collect();
        let is_greater = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, last.joined, i64::from(u32::MAX));
        self.unless(is_greater, otherwise);
        for (access, place) in counted.accesses.iter().zip(places) {
            match access.place {
                Place::Home(..) => self.look_in_home(place, access.bytes, otherwise),
                Place::Segment(reference, rights, _) => {
                    if let Some(index) = self.kept_index(reference, rights) {
                        self.look_at_kept(index, place, access.bytes, otherwise);
                    }
                }
            }
        }
    }

    /// How many turns are left but for the last one.
    fn turns_before_last(&mut self, last: &mut Last<'_>, otherwise: ir::Block) -> Value {
        let Counter { register, end, is_signed } = last.counted.counter;
        let begin = self.wide(register);
        let greatest = match end {
            // That of zero is not below 2^32: it counts all numbers.
            End::Zero => {
                let turns = self.builder.ins().iadd_imm_s(begin, -1);
                self.join(last, turns);
                return turns;
            }
            End::NotAbove(limit) => self.limit(limit),
            End::Below(limit) => self.limit(limit),
        };
        let is_short = is_signed && self.type_of(Reg(register)) == ValueType::I32;
        self.join_counter(last, begin, is_short);
        self.join_counter(last, greatest, is_short);
        let greatest = match end {
            End::Below(_) => self.builder.ins().iadd_imm_s(greatest, -1),
            End::NotAbove(_) | End::Zero => greatest,
        };
        let distance = self.builder.ins().isub(greatest, begin);
        let none = self.zero(types::I64);
        let distance = self.builder.ins().smax(distance, none);
        let step = self.step(last, register);
        let stays = self.builder.ins().icmp_imm_s(IntCC::Equal, step, 0);
        self.unless(stays, otherwise);
        let turns = self.builder.ins().udiv(distance, step);
        let behind = self.grown(begin, step, turns, true);
        self.join_counter(last, behind, is_short);
        turns
    }

    /// The place of an access in the last turn: an address in home, or an offset.
    fn last_place(&mut self, last: &mut Last<'_>, access: &Access) -> Value {
        match &access.place {
            Place::Segment(_, _, offset) => self.last_number(last, offset),
            Place::Home(base, None) => self.last_number(last, base),
            Place::Home(base, Some((index, size))) => {
                let (base, index) = (self.last_number(last, base), self.last_number(last, index));
                let offset = self.builder.ins().ishl_imm_u(index, i64::from(size.trailing_zeros()));
                self.builder.ins().iadd(base, offset)
            }
        }
    }

    fn last_number(&mut self, last: &mut Last<'_>, number: &Number) -> Value {
        let value = match number {
            Number::Constant(number) => self.builder.ins().iconst(types::I64, i64::from(*number)),
            Number::Same(register) => self.wide(*register),
            Number::Grown { register, is_behind } => {
                let (begin, step) = (self.wide(*register), self.step(last, *register));
                self.join(last, begin);
                self.grown(begin, step, last.turns, *is_behind)
            }
            Number::Sum(a, b) => {
                let (a, b) = (self.last_number(last, a), self.last_number(last, b));
                self.builder.ins().iadd(a, b)
            }
            Number::Shifted(number, by) => {
                let value = self.last_number(last, number);
                self.builder.ins().ishl_imm_u(value, i64::from(*by))
            }
        };
        self.join(last, value);
        value
    }

    /// What a register holds after so many turns, or one more.
    fn grown(&mut self, begin: Value, step: Value, turns: Value, is_behind: bool) -> Value {
        let added = self.builder.ins().imul(turns, step);
        let before = self.builder.ins().iadd(begin, added);
        if is_behind { self.builder.ins().iadd(before, step) } else { before }
    }

    /// What each turn adds to a register.
    fn step(&mut self, last: &mut Last<'_>, register: u16) -> Value {
        let value = match last.counted.steps[&register] {
            Step::Up(limit) => self.limit(limit),
            Step::Down => self.builder.ins().iconst(types::I64, -1),
        };
        self.join(last, value);
        value
    }

    fn limit(&mut self, limit: Limit) -> Value {
        match limit {
            Limit::Number(number) => self.builder.ins().iconst(types::I64, i64::from(number)),
            Limit::Register(register) => self.wide(register),
        }
    }

    /// A register's value as 64 bits, whichever integer it is.
    fn wide(&mut self, register: u16) -> Value {
        match self.type_of(Reg(register)) {
            ValueType::I64 => self.get(Reg(register)),
            _ => self.extended(Reg(register)),
        }
    }

    /// Notes a number that has to be below 2^32.
    fn join(&mut self, last: &mut Last<'_>, number: Value) {
        last.joined = self.builder.ins().bor(last.joined, number);
    }

    /// Notes one that has to be below 2^31 if it is `short`.
    fn join_counter(&mut self, last: &mut Last<'_>, number: Value, is_short: bool) {
        let number = if is_short { self.builder.ins().ishl_imm_u(number, 1) } else { number };
        self.join(last, number);
    }
}
