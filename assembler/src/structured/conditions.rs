//! Conditions: comparisons, branches, and choices between two values.

use limen_isa::ValueType;

use super::code::{Label, Reg};
use super::lower::{Lower, Part, Rv, value, width};
use super::types::{Ty, Type};
use crate::ast::{Infix, Prefix, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn comparison(&mut self, infix: Infix, a: &'a Term, b: &'a Term, dest: Option<Reg>) -> Option<Rv> {
        let (x, y) = (self.term(a, None, None), self.term(b, None, None));
        let (ty, x, y) = self.unify(x?, a.span, y?, b.span, None)?;
        self.check_comparable(infix, ty, a.span.to(b.span))?;
        if let (Part::Int(x), Part::Int(y)) = (x.parts[0], y.parts[0]) {
            return Some(Rv::one(Ty::BOOL, Part::Int(i128::from(holds(infix, x, y)))));
        }
        let (family, signed) = self.compared(ty);
        let (name, a, b, inverted) = match infix {
            Infix::Equal => ("eq", &x, &y, false),
            Infix::NotEqual if family == ValueType::Ref => ("eq", &x, &y, true),
            Infix::NotEqual => ("ne", &x, &y, false),
            Infix::Less => ("lt", &x, &y, false),
            Infix::LessEqual => ("le", &x, &y, false),
            Infix::Greater => ("lt", &y, &x, false),
            _ => ("le", &y, &x, false),
        };
        let suffix = if matches!(name, "eq" | "ne") { "" } else { sign(family, signed) };
        let (p, q) = (self.reg(a.parts[0], family), self.reg(b.parts[0], family));
        let mut reg = self.op(&format!("{family}.{name}{suffix}"), ValueType::I32, dest, &[i64::from(p), i64::from(q)]);
        if inverted {
            reg = self.op("i32.xori", ValueType::I32, dest, &[i64::from(reg), 1]);
        }
        Some(Rv::one(Ty::BOOL, Part::Reg(reg)))
    }

    fn check_comparable(&mut self, infix: Infix, ty: Ty, span: Span) -> Option<()> {
        let equality = matches!(infix, Infix::Equal | Infix::NotEqual);
        match self.ty(ty) {
            Type::Int(_) | Type::F32 | Type::F64 | Type::AnyInt | Type::AnyFloat => Some(()),
            Type::Bool | Type::Address(_) | Type::Function(..) | Type::Ref(_) | Type::Enum(_) if equality => Some(()),
            Type::Bad => None,
            _ => {
                let name = self.c.types.name(ty);
                let what = if equality { "compared" } else { "ordered" };
                self.error(|| Diagnostic::new(span, format!("{name} cannot be {what}")))
            }
        }
    }

    /// The family of a comparison, and whether it reads signs.
    fn compared(&mut self, ty: Ty) -> (ValueType, bool) {
        match self.ty(ty) {
            Type::Int(int) => (width(int), int.signed),
            Type::F32 => (ValueType::F32, false),
            Type::F64 | Type::AnyFloat => (ValueType::F64, false),
            Type::Ref(_) => (ValueType::Ref, false),
            Type::Enum(_) | Type::AnyInt => (ValueType::I32, true),
            _ => (ValueType::I32, false),
        }
    }

    /// A condition as a value.
    pub(crate) fn truth(&mut self, term: &'a Term, dest: Option<Reg>) -> Option<Rv> {
        if let TermKind::Prefix(Prefix::Not, of) = &term.kind {
            let rv = self.typed(of, Ty::BOOL, None)?;
            if let Part::Int(truth) = rv.parts[0] {
                return Some(Rv::one(Ty::BOOL, Part::Int(1 - truth)));
            }
            let of = self.reg(rv.parts[0], ValueType::I32);
            return Some(Rv::one(Ty::BOOL, Part::Reg(self.op("i32.xori", ValueType::I32, dest, &[i64::from(of), 1]))));
        }
        let (no, end) = (self.label(), self.label());
        let result = dest.unwrap_or_else(|| self.fresh(ValueType::I32));
        self.branch(term, no, false)?;
        self.mov(result, Part::Int(1));
        self.jump(end);
        self.place(no);
        self.mov(result, Part::Int(0));
        self.place(end);
        Some(Rv::one(Ty::BOOL, Part::Reg(result)))
    }

    /// Goes to `to` if the condition is `when`, else on.
    pub(crate) fn branch(&mut self, term: &'a Term, to: Label, when: bool) -> Option<()> {
        match &term.kind {
            TermKind::Prefix(Prefix::Not, of) => self.branch(of, to, !when),
            TermKind::Infix(infix @ (Infix::Both | Infix::Either), operands) => {
                if (*infix == Infix::Either) == when {
                    let (a, b) = (self.branch(&operands.0, to, when), self.branch(&operands.1, to, when));
                    return a.and(b);
                }
                let on = self.label();
                let a = self.branch(&operands.0, on, !when);
                let b = self.branch(&operands.1, to, when);
                self.place(on);
                a.and(b)
            }
            TermKind::Infix(infix, operands) if is_comparison(*infix) => {
                self.branch_comparison(*infix, &operands.0, &operands.1, to, when)
            }
            _ => {
                let rv = self.typed(term, Ty::BOOL, None)?;
                match rv.parts[0] {
                    Part::Int(truth) => {
                        if (truth != 0) == when {
                            self.emit("jump", vec![value(to)]);
                        }
                    }
                    part => {
                        let reg = self.reg(part, ValueType::I32);
                        let mnemonic = if when { "i32.br_nei" } else { "i32.br_eqi" };
                        self.emit(mnemonic, vec![value(reg), value(0), value(to)]);
                    }
                }
                Some(())
            }
        }
    }

    fn branch_comparison(&mut self, infix: Infix, a: &'a Term, b: &'a Term, to: Label, when: bool) -> Option<()> {
        let (x, y) = (self.term(a, None, None), self.term(b, None, None));
        let (ty, x, y) = self.unify(x?, a.span, y?, b.span, None)?;
        self.check_comparable(infix, ty, a.span.to(b.span))?;
        let (family, signed) = self.compared(ty);
        let (p, q) = (x.parts[0], y.parts[0]);
        if let (Part::Int(x), Part::Int(y)) = (p, q) {
            if holds(infix, x, y) == when {
                self.emit("jump", vec![value(to)]);
            }
            return Some(());
        }
        let wanted = if when { infix } else { opposite(infix) };
        if family == ValueType::Ref {
            return self.branch_ref(p, q, to, wanted == Infix::Equal);
        }
        if matches!(family, ValueType::F32 | ValueType::F64) {
            self.branch_floats(family, infix, p, q, to, when);
            return Some(());
        }
        self.branch_integers(family, signed, wanted, p, q, to);
        if !when && !signed && family == ValueType::I32 {
            self.learn(infix, p, q);
        }
        Some(())
    }

    /// Notes what a comparison that holds says about an index.
    fn learn(&mut self, infix: Infix, p: Part, q: Part) {
        use super::lower::Bound;
        let fact = match (infix, p, q) {
            (Infix::Less, Part::Reg(i), Part::Reg(n)) | (Infix::Greater, Part::Reg(n), Part::Reg(i)) => {
                (i, Bound::Reg(n))
            }
            (Infix::Less, Part::Reg(i), Part::Int(n)) => (i, Bound::Int(n)),
            _ => return,
        };
        self.facts.push(fact);
    }

    fn branch_ref(&mut self, p: Part, q: Part, to: Label, when: bool) -> Option<()> {
        let reg = match (p, q) {
            (Part::Null, other) | (other, Part::Null) => {
                let reg = self.reg(other, ValueType::Ref);
                let mnemonic = if when { "ref.br_null" } else { "ref.br_nonnull" };
                self.emit(mnemonic, vec![value(reg), value(to)]);
                return Some(());
            }
            _ => {
                let (p, q) = (self.reg(p, ValueType::Ref), self.reg(q, ValueType::Ref));
                self.op("ref.eq", ValueType::I32, None, &[i64::from(p), i64::from(q)])
            }
        };
        self.emit(if when { "i32.br_nei" } else { "i32.br_eqi" }, vec![value(reg), value(0), value(to)]);
        Some(())
    }

    fn branch_floats(&mut self, family: ValueType, infix: Infix, p: Part, q: Part, to: Label, when: bool) {
        let (p, q) = (self.reg(p, family), self.reg(q, family));
        let (name, a, b) = match (infix, when) {
            (Infix::Equal, true) | (Infix::NotEqual, false) => ("br_eq", p, q),
            (Infix::Equal, false) | (Infix::NotEqual, true) => ("br_ne", p, q),
            (Infix::Less, true) => ("br_lt", p, q),
            (Infix::Less, false) => ("br_nlt", p, q),
            (Infix::LessEqual, true) => ("br_le", p, q),
            (Infix::LessEqual, false) => ("br_nle", p, q),
            (Infix::Greater, true) => ("br_lt", q, p),
            (Infix::Greater, false) => ("br_nlt", q, p),
            (_, true) => ("br_le", q, p),
            (_, false) => ("br_nle", q, p),
        };
        self.emit(&format!("{family}.{name}"), vec![value(a), value(b), value(to)]);
    }

    pub(crate) fn branch_integers(
        &mut self,
        family: ValueType,
        signed: bool,
        infix: Infix,
        p: Part,
        q: Part,
        to: Label,
    ) {
        let (infix, p, q) = match (p, q) {
            (Part::Int(_), Part::Reg(_)) => (mirrored(infix), q, p),
            _ => (infix, p, q),
        };
        let equality = matches!(infix, Infix::Equal | Infix::NotEqual);
        let immediate = match q {
            Part::Null => Some(0),
            Part::Int(k) => {
                let k = if family == ValueType::I64 { k as i64 } else { i64::from(k as i32) };
                let range = if signed || equality { -(1 << 11)..1 << 11 } else { 0..1 << 12 };
                range.contains(&k).then_some(k)
            }
            _ => None,
        };
        let p_reg = self.reg(p, family);
        if let Some(k) = immediate {
            let name = match infix {
                Infix::Equal => "br_eq",
                Infix::NotEqual => "br_ne",
                Infix::Less => "br_lt",
                Infix::LessEqual => "br_le",
                Infix::Greater => "br_gt",
                _ => "br_ge",
            };
            let suffix = if equality { "" } else { sign(family, signed) };
            let suffix = if equality { "i".to_owned() } else { format!("{suffix}i") };
            self.emit(&format!("{family}.{name}{suffix}"), vec![value(p_reg), value(k), value(to)]);
            return;
        }
        let q_reg = self.reg(q, family);
        let (name, a, b) = match infix {
            Infix::Equal => ("br_eq", p_reg, q_reg),
            Infix::NotEqual => ("br_ne", p_reg, q_reg),
            Infix::Less => ("br_lt", p_reg, q_reg),
            Infix::LessEqual => ("br_le", p_reg, q_reg),
            Infix::Greater => ("br_lt", q_reg, p_reg),
            _ => ("br_le", q_reg, p_reg),
        };
        let suffix = if equality { "" } else { sign(family, signed) };
        self.emit(&format!("{family}.{name}{suffix}"), vec![value(a), value(b), value(to)]);
    }

    pub(crate) fn choice(
        &mut self,
        c: &'a Term,
        a: &'a Term,
        b: &'a Term,
        want: Option<Ty>,
        dest: Option<&[Reg]>,
    ) -> Option<Rv> {
        let (no, end) = (self.label(), self.label());
        let condition = self.branch(c, no, false);
        let first = self.term(a, want, None)?;
        let first = match want {
            Some(ty) => self.coerce(first, ty, a.span)?,
            None => self.settle(first, a.span)?,
        };
        let types = self.registers(first.ty, a.span)?;
        let results = match dest {
            Some(dest) if dest.len() == types.len() && types.len() == 1 => dest.to_vec(),
            _ => self.fresh_all(&types),
        };
        self.move_all(&results, &first.parts);
        self.jump(end);
        self.place(no);
        let second = self.typed(b, first.ty, None)?;
        self.move_all(&results, &second.parts);
        self.place(end);
        condition?;
        Some(Rv { ty: first.ty, parts: results.into_iter().map(Part::Reg).collect() })
    }
}

pub(crate) fn is_comparison(infix: Infix) -> bool {
    matches!(
        infix,
        Infix::Equal | Infix::NotEqual | Infix::Less | Infix::LessEqual | Infix::Greater | Infix::GreaterEqual
    )
}

pub(crate) fn holds(infix: Infix, x: i128, y: i128) -> bool {
    match infix {
        Infix::Equal => x == y,
        Infix::NotEqual => x != y,
        Infix::Less => x < y,
        Infix::LessEqual => x <= y,
        Infix::Greater => x > y,
        _ => x >= y,
    }
}

fn opposite(infix: Infix) -> Infix {
    match infix {
        Infix::Equal => Infix::NotEqual,
        Infix::NotEqual => Infix::Equal,
        Infix::Less => Infix::GreaterEqual,
        Infix::LessEqual => Infix::Greater,
        Infix::Greater => Infix::LessEqual,
        _ => Infix::Less,
    }
}

/// The comparison with its operands the other way round.
fn mirrored(infix: Infix) -> Infix {
    match infix {
        Infix::Less => Infix::Greater,
        Infix::LessEqual => Infix::GreaterEqual,
        Infix::Greater => Infix::Less,
        Infix::GreaterEqual => Infix::LessEqual,
        other => other,
    }
}

/// How mnemonics say that an integer is read with or without its sign.
fn sign(family: ValueType, signed: bool) -> &'static str {
    match (family, signed) {
        (ValueType::F32 | ValueType::F64, _) => "",
        (_, true) => "_s",
        (_, false) => "_u",
    }
}
