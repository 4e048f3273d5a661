//! Casts.

use limen_isa::ValueType;

use super::code::Reg;
use super::lower::{Lower, Part, Rv, width};
use super::types::{Int, Ty, Type};
use crate::ast::{Term, TypeExpr};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// `T(x)`: checked.
    pub(crate) fn converted(&mut self, term: &'a Term, ty: Ty, span: Span, dest: Option<Reg>) -> Option<Rv> {
        let rv = self.term(term, None, None)?;
        let from = self.ty(rv.ty);
        if let (Type::AnyInt, Type::Int(_) | Type::F32 | Type::F64) | (Type::AnyFloat, Type::F32 | Type::F64) =
            (&from, self.ty(ty))
        {
            return self.coerce(rv, ty, term.span);
        }
        let rv = self.settle(rv, term.span)?;
        match (self.number(rv.ty), self.ty(ty)) {
            (Some(from), Type::Int(to)) => self.checked(rv, from, to, ty, dest),
            (Some(from), Type::Enum(index)) => self.checked_enum(rv, from, index, ty),
            _ => self.cast_value(rv, ty, span, false, dest),
        }
    }

    /// The integer that a type is held as.
    pub(crate) fn number(&mut self, ty: Ty) -> Option<Int> {
        match self.ty(ty) {
            Type::Int(int) => Some(int),
            Type::Bool => Some(Int { bits: 8, signed: false }),
            Type::Enum(index) => Some(self.c.types.enum_int(index, self.c.errors)),
            _ => None,
        }
    }

    fn checked(&mut self, rv: Rv, from: Int, to: Int, ty: Ty, dest: Option<Reg>) -> Option<Rv> {
        let part = rv.parts[0];
        if let Part::Int(_) = part {
            return self.coerce(Rv::one(Ty::ANY_INT, part), ty, self.span);
        }
        let name = self.c.types.name(ty);
        let family = width(from);
        let out = if to.holds(from) { None } else { Some(self.trap(&format!("the number does not fit {name}"))) };
        if let Some(out) = out {
            if from.signed && from.min() < to.min() {
                self.branch_integers(family, true, crate::ast::Infix::Less, part, Part::Int(to.min()), out);
            }
            if from.max() > to.max() {
                self.branch_integers(family, from.signed, crate::ast::Infix::Greater, part, Part::Int(to.max()), out);
            }
        }
        self.resized(part, from, to, ty, dest)
    }

    /// The same bits in the register of another integer type.
    fn resized(&mut self, part: Part, from: Int, to: Int, ty: Ty, dest: Option<Reg>) -> Option<Rv> {
        if width(from) == width(to) {
            return Some(Rv::one(ty, part));
        }
        let reg = i64::from(self.reg(part, width(from)));
        let mnemonic = match (width(to), from.signed) {
            (ValueType::I32, _) => "i32.from_i64",
            (_, true) => "i64.from_i32_s",
            (_, false) => "i64.from_i32_u",
        };
        Some(Rv::one(ty, Part::Reg(self.op(mnemonic, width(to), dest, &[reg]))))
    }

    fn checked_enum(&mut self, rv: Rv, from: Int, index: usize, ty: Ty) -> Option<Rv> {
        let family = width(from);
        let number = self.reg(rv.parts[0], family);
        let name = self.c.types.name(ty);
        let ok = self.label();
        for (first, last) in self.known_values(index, from) {
            let (signed, least, most) = (from.signed, Part::Int(first), Part::Int(last - first));
            if first == last {
                self.branch_integers(family, signed, crate::ast::Infix::Equal, Part::Reg(number), least, ok);
            } else {
                let above = self.above(number, least, family);
                self.branch_integers(family, false, crate::ast::Infix::LessEqual, Part::Reg(above), most, ok);
            }
        }
        let out = self.trap(&format!("the number is no {name}"));
        self.jump(out);
        self.place(ok);
        self.resized(Part::Reg(number), from, Int::I32, ty, None)
    }

    /// The runs of an enumeration's values that an integer type holds.
    fn known_values(&mut self, index: usize, from: Int) -> Vec<(i128, i128)> {
        let values = &self.c.types.variants(index, self.c.errors).values;
        let numbers = values.iter().map(|(_, number)| *number);
        let mut known: Vec<i128> = numbers.filter(|number| (from.min()..=from.max()).contains(number)).collect();
        known.sort_unstable();
        runs(&known)
    }

    /// How far a number is above the first of a run.
    fn above(&mut self, number: Reg, first: Part, family: ValueType) -> Reg {
        let first = self.reg(first, family);
        self.op(&format!("{family}.sub"), family, None, &[number, first].map(i64::from))
    }

    /// `E.has(n)`: whether the enumeration has a value with this number.
    pub(crate) fn has_value(&mut self, index: usize, term: &'a Term) -> Option<Rv> {
        let rv = self.term(term, None, None)?;
        let rv = self.settle(rv, term.span)?;
        let Some(from) = self.number(rv.ty) else { return self.mismatch(term.span, Ty::I32, rv.ty) };
        let family = width(from);
        let number = self.reg(rv.parts[0], family);
        let mut any = None;
        for (first, last) in self.known_values(index, from) {
            let above = self.above(number, Part::Int(first), family);
            let span = self.reg(Part::Int(last - first), family);
            let within = self.op(&format!("{family}.le_u"), ValueType::I32, None, &[above, span].map(i64::from));
            any = Some(match any {
                None => within,
                Some(before) => self.op("i32.or", ValueType::I32, None, &[before, within].map(i64::from)),
            });
        }
        Some(Rv::one(Ty::BOOL, any.map_or(Part::Int(0), Part::Reg)))
    }

    /// `x as T`: never checked.
    pub(crate) fn cast(&mut self, of: &'a Term, expr: &'a TypeExpr, dest: Option<Reg>) -> Option<Rv> {
        let ty = self.c.types.resolve(expr, &self.bindings, self.c.errors);
        let rv = self.term(of, None, None)?;
        if ty == Ty::BAD {
            return None;
        }
        if rv.ty == Ty::NULL {
            return self.coerce(rv, ty, of.span);
        }
        if let (Ty::ANY_INT, Part::Int(number)) = (rv.ty, rv.parts[0]) {
            return match self.ty(ty) {
                Type::Int(to) => Some(Rv::one(ty, Part::Int(wrapped(number, to)))),
                Type::Address(_) | Type::Enum(_) => Some(Rv::one(ty, Part::Int(number))),
                _ => self.coerce(rv, ty, of.span),
            };
        }
        let rv = self.settle(rv, of.span)?;
        self.cast_value(rv, ty, of.span, true, dest)
    }

    fn cast_value(&mut self, rv: Rv, ty: Ty, span: Span, saturate: bool, dest: Option<Reg>) -> Option<Rv> {
        let part = rv.parts.first().copied().unwrap_or(Part::Null);
        if let (Some(from), Some(to), true) = (self.number(rv.ty), self.number(ty), ty != Ty::BOOL && saturate) {
            return self.truncated(part, from, to, ty, dest);
        }
        match (self.ty(rv.ty), self.ty(ty)) {
            (Type::Bad, _) | (_, Type::Bad) => None,
            (a, b) if a == b => Some(rv),
            (Type::Int(int), Type::Address(_)) if int.bits <= 32 && saturate => Some(Rv::one(ty, part)),
            (Type::Address(_) | Type::Function(..), Type::Int(int)) if int.bits == 32 && saturate => {
                Some(Rv::one(ty, part))
            }
            (Type::Address(_), Type::Address(_)) if saturate => Some(Rv::one(ty, part)),
            (Type::Ref(_), Type::Ref(_)) if saturate => Some(Rv::one(ty, part)),
            (Type::Int(from), Type::F32 | Type::F64) => {
                let to = if ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
                let reg = i64::from(self.reg(part, width(from)));
                let sign = if from.signed { 's' } else { 'u' };
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{to}.from_{}_{sign}", width(from)), to, dest, &[reg]))))
            }
            (Type::F32 | Type::F64, Type::Int(to)) if to.bits >= 32 => {
                let from = if rv.ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
                let reg = i64::from(self.reg(part, from));
                let sign = if to.signed { 's' } else { 'u' };
                let suffix = if saturate { "_sat" } else { "" };
                let mnemonic = format!("{}.from_{from}_{sign}{suffix}", width(to));
                Some(Rv::one(ty, Part::Reg(self.op(&mnemonic, width(to), dest, &[reg]))))
            }
            (Type::F32, Type::F64) => self.coerce(rv, ty, span),
            (Type::F64, Type::F32) => {
                let reg = i64::from(self.reg(part, ValueType::F64));
                Some(Rv::one(ty, Part::Reg(self.op("f32.from_f64", ValueType::F32, dest, &[reg]))))
            }
            _ => {
                let (from, to) = (self.c.types.name(rv.ty), self.c.types.name(ty));
                self.error(|| Diagnostic::new(span, format!("{from} cannot become {to}")))
            }
        }
    }

    /// The low bits of an integer.
    fn truncated(&mut self, part: Part, from: Int, to: Int, ty: Ty, dest: Option<Reg>) -> Option<Rv> {
        if let Part::Int(number) = part {
            return Some(Rv::one(ty, Part::Int(wrapped(number, to))));
        }
        let narrows = to.bits < 32 && !to.holds(from);
        let rv = self.resized(part, from, to, ty, if narrows { None } else { dest })?;
        if !narrows {
            return Some(rv);
        }
        let reg = i64::from(self.reg(rv.parts[0], ValueType::I32));
        let reg = match (to.bits, to.signed) {
            (8, true) => self.op("i32.sext8", ValueType::I32, dest, &[reg]),
            (_, true) => self.op("i32.sext16", ValueType::I32, dest, &[reg]),
            (bits, false) => self.op("i32.andi", ValueType::I32, dest, &[reg, (1 << bits) - 1]),
        };
        Some(Rv::one(ty, Part::Reg(reg)))
    }
}

/// The first and the last of each run of numbers that follow on each other, of ascending ones.
fn runs(numbers: &[i128]) -> Vec<(i128, i128)> {
    let mut runs: Vec<(i128, i128)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

/// The number that the low bits of another are.
fn wrapped(number: i128, to: Int) -> i128 {
    let modulus = 1_i128 << to.bits;
    let low = number.rem_euclid(modulus);
    if low > to.max() { low - modulus } else { low }
}
