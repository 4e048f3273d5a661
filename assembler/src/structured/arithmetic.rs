//! Arithmetic.

use limen_isa::ValueType;

use super::code::Reg;
use super::lower::{Lower, Part, Rv, width};
use super::types::{Int, Ty, Type};
use crate::ast::{Float, Infix, Prefix, Term};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn infix(
        &mut self,
        infix: Infix,
        a: &'a Term,
        b: &'a Term,
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let shift = matches!(infix, Infix::ShiftLeft | Infix::ShiftRight);
        let (x, y) = (self.term(a, want, None), self.term(b, want.filter(|_| !shift), None));
        let (x, y) = (x?, y?);
        self.operate(infix, (x, a.span), (y, b.span), want, dest, span)
    }

    pub(crate) fn operate(
        &mut self,
        infix: Infix,
        (x, x_span): (Rv, Span),
        (y, y_span): (Rv, Span),
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        if matches!(infix, Infix::ShiftLeft | Infix::ShiftRight) {
            return self.shift(infix, (x, x_span), (y, y_span), want, dest, span);
        }
        let (ty, x, y) = self.unify(x, x_span, y, y_span, want)?;
        match self.ty(ty) {
            Type::AnyInt => self.fold(infix, &x, &y, span),
            Type::Int(int) => self.integers(infix, int, ty, (x.parts[0], y.parts[0]), dest, span),
            Type::Bool if matches!(infix, Infix::And | Infix::Or | Infix::Xor) => {
                let (x, y) = (self.reg(x.parts[0], ValueType::I32), self.reg(y.parts[0], ValueType::I32));
                let mnemonic = format!("i32.{}", bitwise(infix));
                Some(Rv::one(ty, Part::Reg(self.op(&mnemonic, ValueType::I32, dest, &[i64::from(x), i64::from(y)]))))
            }
            Type::F32 | Type::F64 | Type::AnyFloat => self.floats(infix, ty, x.parts[0], y.parts[0], dest, span),
            _ => {
                let name = self.c.types.name(ty);
                self.error(|| Diagnostic::new(span, format!("there is no arithmetic of {name}")))
            }
        }
    }

    /// The value of two numbers of the source.
    fn fold(&mut self, infix: Infix, x: &Rv, y: &Rv, span: Span) -> Option<Rv> {
        let (Part::Int(a), Part::Int(b)) = (x.parts[0], y.parts[0]) else { return None };
        let number = match infix {
            Infix::Add | Infix::AddWrapping => a.checked_add(b),
            Infix::Subtract | Infix::SubtractWrapping => a.checked_sub(b),
            Infix::Multiply | Infix::MultiplyWrapping => a.checked_mul(b),
            Infix::Divide => a.checked_div(b),
            Infix::Remainder => a.checked_rem(b),
            Infix::And => Some(a & b),
            Infix::Or => Some(a | b),
            _ => Some(a ^ b),
        };
        match number {
            Some(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(number))),
            None => self.error(|| Diagnostic::new(span, "this has no value")),
        }
    }

    pub(crate) fn shift(
        &mut self,
        infix: Infix,
        (x, x_span): (Rv, Span),
        (y, y_span): (Rv, Span),
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let left = infix == Infix::ShiftLeft;
        if let (Ty::ANY_INT, Ty::ANY_INT, Part::Int(a), Part::Int(count @ 0..=64)) =
            (x.ty, y.ty, x.parts[0], y.parts[0])
        {
            let number = if left { a.checked_mul(1 << count) } else { Some(a >> count) };
            return number.map(|number| Rv::one(Ty::ANY_INT, Part::Int(number)));
        }
        let ty = match self.c.types.int(x.ty) {
            Some(int) if int.bits < 32 => {
                if int.signed {
                    Ty::I32
                } else {
                    Ty::U32
                }
            }
            Some(_) => x.ty,
            None if x.ty == Ty::ANY_INT => want.filter(|ty| self.c.types.int(*ty).is_some()).unwrap_or(Ty::I32),
            None => return self.mismatch(x_span, Ty::I32, x.ty),
        };
        let x = self.coerce(x, ty, x_span)?;
        let int = self.c.types.int(ty)?;
        let family = width(int);
        let name = match (left, int.signed) {
            (true, _) => "shl",
            (false, true) => "shr_s",
            (false, false) => "shr_u",
        };
        let a = self.reg(x.parts[0], family);
        if let (Ty::ANY_INT, Part::Int(count)) = (y.ty, y.parts[0]) {
            if !(0..i128::from(int.bits)).contains(&count) {
                return self.error(|| Diagnostic::new(y_span, format!("a shift by {count} of {} bits", int.bits)));
            }
            let name = name.replace("shr_s", "shr_si").replace("shr_u", "shr_ui").replace("shl", "shli");
            let reg = self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), count as i64]);
            return Some(Rv::one(ty, Part::Reg(reg)));
        }
        let count = self.settle(y, y_span)?;
        let Some(count_int) = self.c.types.int(count.ty) else { return self.mismatch(span, ty, count.ty) };
        let mut b = self.reg(count.parts[0], width(count_int));
        if width(count_int) != family {
            let mnemonic = if family == ValueType::I64 { "i64.from_i32_u" } else { "i32.from_i64" };
            b = self.op(mnemonic, family, None, &[i64::from(b)]);
        }
        let reg = self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)]);
        Some(Rv::one(ty, Part::Reg(reg)))
    }

    fn integers(
        &mut self,
        infix: Infix,
        int: Int,
        ty: Ty,
        (a, b): (Part, Part),
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let family = width(int);
        let sign = if int.signed { "s" } else { "u" };
        if let (Part::Int(_), Part::Int(_)) = (a, b) {
            let rv = self.fold(infix, &Rv::one(Ty::ANY_INT, a), &Rv::one(Ty::ANY_INT, b), span)?;
            if !matches!(infix, Infix::AddWrapping | Infix::SubtractWrapping | Infix::MultiplyWrapping) {
                return self.coerce(rv, ty, span);
            }
        }
        let (a, b) = match (a, b) {
            // Constants are right operands, where instructions take them.
            (Part::Int(_), Part::Reg(_)) if is_symmetric(infix) => (b, a),
            pair => pair,
        };
        let immediate = |k: i128| {
            let k = if int.bits == 64 { k as i64 } else { i64::from(k as i32) };
            (-(1 << 23)..1 << 23).contains(&k).then_some(k)
        };
        let short = match (infix, b) {
            (
                Infix::Add | Infix::Subtract | Infix::AddWrapping | Infix::SubtractWrapping | Infix::Or | Infix::Xor,
                Part::Int(0),
            )
            | (Infix::Multiply | Infix::MultiplyWrapping | Infix::Divide, Part::Int(1)) => return Some(Rv::one(ty, a)),
            (Infix::AddWrapping, Part::Int(k)) => immediate(k).map(|k| ("addi".to_owned(), k)),
            (Infix::SubtractWrapping, Part::Int(k)) => immediate(-k).map(|k| ("addi".to_owned(), k)),
            (Infix::MultiplyWrapping, Part::Int(k)) => immediate(k).map(|k| ("muli".to_owned(), k)),
            (Infix::And | Infix::Or | Infix::Xor, Part::Int(k)) => {
                immediate(k).map(|k| (format!("{}i", bitwise(infix)), k))
            }
            (Infix::Divide, Part::Int(k)) if !int.signed && k > 0 && (k as u64).is_power_of_two() => {
                Some(("shr_ui".to_owned(), i64::from((k as u64).trailing_zeros())))
            }
            (Infix::Remainder, Part::Int(k)) if !int.signed && k > 0 && (k as u64).is_power_of_two() => {
                immediate(k - 1).map(|k| ("andi".to_owned(), k))
            }
            (Infix::Divide, Part::Int(k)) if k > 0 => immediate(k).map(|k| (format!("div_{sign}i"), k)),
            (Infix::Remainder, Part::Int(k)) if k > 0 => immediate(k).map(|k| (format!("rem_{sign}i"), k)),
            _ => None,
        };
        let a = self.reg(a, family);
        let reg = match short {
            Some((name, k)) => self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), k]),
            None => {
                let b = self.reg(b, family);
                let name = match infix {
                    Infix::Add => format!("add_chk_{sign}"),
                    Infix::Subtract => format!("sub_chk_{sign}"),
                    Infix::Multiply => format!("mul_chk_{sign}"),
                    Infix::AddWrapping => "add".into(),
                    Infix::SubtractWrapping => "sub".into(),
                    Infix::MultiplyWrapping => "mul".into(),
                    Infix::Divide => format!("div_{sign}"),
                    Infix::Remainder => format!("rem_{sign}"),
                    _ => bitwise(infix).into(),
                };
                self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)])
            }
        };
        Some(Rv::one(ty, Part::Reg(reg)))
    }

    fn floats(&mut self, infix: Infix, ty: Ty, a: Part, b: Part, dest: Option<Reg>, span: Span) -> Option<Rv> {
        let family = if ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
        let name = match infix {
            Infix::Add => "add",
            Infix::Subtract => "sub",
            Infix::Multiply => "mul",
            Infix::Divide => "div",
            _ => return self.error(|| Diagnostic::new(span, "floats have only `+`, `-`, `*` and `/`")),
        };
        let (a, b) = (self.reg(a, family), self.reg(b, family));
        let ty = if ty == Ty::ANY_FLOAT { Ty::F64 } else { ty };
        Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)]))))
    }

    pub(crate) fn prefixed(
        &mut self,
        prefix: Prefix,
        of: &'a Term,
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let rv = self.term(of, want, None)?;
        let negates = prefix == Prefix::Negate;
        match (rv.ty, rv.parts[0]) {
            (Ty::ANY_INT, Part::Int(number)) => {
                return Some(Rv::one(Ty::ANY_INT, Part::Int(if negates { -number } else { !number })));
            }
            (Ty::ANY_FLOAT, Part::Float(number)) if negates => {
                let number = Float { double: -number.double, single: -number.single };
                return Some(Rv::one(rv.ty, Part::Float(number)));
            }
            _ => {}
        }
        let ty = match self.c.types.int(rv.ty) {
            Some(int) if int.bits < 32 => {
                if int.signed {
                    Ty::I32
                } else {
                    Ty::U32
                }
            }
            _ => rv.ty,
        };
        let rv = self.coerce(rv, ty, of.span)?;
        match (self.ty(ty), negates) {
            (Type::Int(int), true) if int.signed => {
                let family = width(int);
                let (zero, a) = (self.reg(Part::Int(0), family), self.reg(rv.parts[0], family));
                let operands = [i64::from(zero), i64::from(a)];
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.sub_chk_s"), family, dest, &operands))))
            }
            (Type::Int(int), false) => {
                let family = width(int);
                let a = self.reg(rv.parts[0], family);
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.not"), family, dest, &[i64::from(a)]))))
            }
            (Type::F32 | Type::F64, true) => {
                let family = if ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
                let a = self.reg(rv.parts[0], family);
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.neg"), family, dest, &[i64::from(a)]))))
            }
            _ => {
                let name = self.c.types.name(ty);
                let sign = if negates { '-' } else { '~' };
                self.error(|| Diagnostic::new(span, format!("there is no `{sign}` of {name}")))
            }
        }
    }
}

fn is_symmetric(infix: Infix) -> bool {
    use Infix::{Add, AddWrapping, And, Multiply, MultiplyWrapping, Or, Xor};
    matches!(infix, Add | AddWrapping | Multiply | MultiplyWrapping | And | Or | Xor)
}

fn bitwise(infix: Infix) -> &'static str {
    match infix {
        Infix::And => "and",
        Infix::Or => "or",
        _ => "xor",
    }
}
