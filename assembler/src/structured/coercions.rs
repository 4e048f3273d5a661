//! Conversions that are not written.

use limen_isa::ValueType;

use super::lower::{Lower, Part, Rv, width};
use super::types::{Int, Ty, Type};
use crate::ast::Float;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// The value as one of a type that holds all values of its own.
    pub(crate) fn coerce(&mut self, rv: Rv, ty: Ty, span: Span) -> Option<Rv> {
        if rv.ty == ty {
            return Some(rv);
        }
        if ty == Ty::BAD {
            return None;
        }
        let part = rv.parts.first().copied().unwrap_or(Part::Null);
        match (self.ty(rv.ty), self.ty(ty)) {
            (Type::AnyInt, Type::Int(int)) => {
                let Part::Int(number) = part else { return Some(Rv::one(ty, part)) };
                if number < int.min() || number > int.max() {
                    let name = self.c.types.name(ty);
                    return self.error(|| Diagnostic::new(span, format!("{number} does not fit {name}")));
                }
                Some(Rv::one(ty, part))
            }
            (Type::AnyInt, Type::F32 | Type::F64) => {
                let Part::Int(number) = part else { return None };
                let exact = number as f64 as i128 == number && (ty == Ty::F64 || number as f32 as i128 == number);
                if !exact {
                    return self.error(|| Diagnostic::new(span, "no float is exactly this integer"));
                }
                Some(Rv::one(ty, Part::Float(Float { double: number as f64, single: number as f32 })))
            }
            (Type::AnyFloat, Type::F32 | Type::F64) => Some(Rv::one(ty, part)),
            (Type::Null, Type::Address(_) | Type::Function(..) | Type::Ref(_)) => Some(Rv::one(ty, part)),
            (Type::Ref(Some(_)), Type::Ref(None)) => Some(Rv { ty, ..rv }),
            (Type::Enum(_), Type::Enum(_)) if self.takes_over(ty, rv.ty) => Some(Rv { ty, ..rv }),
            (Type::Int(from), Type::Int(to)) if to.holds(from) => Some(self.widen(part, from, to, ty)),
            (Type::F32, Type::F64) => {
                let from = self.reg(part, ValueType::F32);
                Some(Rv::one(ty, Part::Reg(self.op("f64.from_f32", ValueType::F64, None, &[i64::from(from)]))))
            }
            _ => self.mismatch(span, ty, rv.ty),
        }
    }

    /// Whether an enumeration has all values of another.
    pub(crate) fn takes_over(&self, ty: Ty, other: Ty) -> bool {
        match (self.c.types.get(ty), self.c.types.get(other)) {
            (Type::Enum(ty), Type::Enum(other)) => self.c.types.uses(*ty, *other),
            _ => false,
        }
    }

    fn widen(&mut self, part: Part, from: Int, to: Int, ty: Ty) -> Rv {
        if width(from) == width(to) || matches!(part, Part::Int(_)) {
            return Rv::one(ty, part);
        }
        let reg = self.reg(part, ValueType::I32);
        let mnemonic = if from.signed { "i64.from_i32_s" } else { "i64.from_i32_u" };
        Rv::one(ty, Part::Reg(self.op(mnemonic, ValueType::I64, None, &[i64::from(reg)])))
    }

    /// The type that a value has where nothing asks for one.
    pub(crate) fn settle(&mut self, rv: Rv, span: Span) -> Option<Rv> {
        match rv.ty {
            Ty::ANY_INT => {
                let fits = matches!(rv.parts[0], Part::Int(number) if i32::try_from(number).is_ok());
                self.coerce(rv, if fits { Ty::I32 } else { Ty::I64 }, span)
            }
            Ty::ANY_FLOAT => self.coerce(rv, Ty::F64, span),
            Ty::NULL => self.error(|| Diagnostic::new(span, "the type of this `null` is not known")),
            _ => Some(rv),
        }
    }

    /// The type with which values of a type are computed: narrow integers are widened.
    pub(crate) fn promoted(&self, ty: Ty) -> Ty {
        match self.c.types.int(ty) {
            Some(int) if int.bits < 32 && int.signed => Ty::I32,
            Some(int) if int.bits < 32 => Ty::U32,
            _ => ty,
        }
    }

    /// Both values as ones of the type that both widen to.
    pub(crate) fn unify(&mut self, a: Rv, a_span: Span, b: Rv, b_span: Span, want: Option<Ty>) -> Option<(Ty, Rv, Rv)> {
        let (mut x, mut y) = (self.promoted(a.ty), self.promoted(b.ty));
        let open = |ty| matches!(ty, Ty::ANY_INT | Ty::ANY_FLOAT | Ty::NULL);
        if open(x) && open(y) {
            if x == y && (matches!(a.parts[0], Part::Int(_)) && matches!(b.parts[0], Part::Int(_))) {
                return Some((x, a, b));
            }
            let wanted = want.filter(|ty| matches!(self.ty(*ty), Type::Int(_) | Type::F32 | Type::F64));
            let ty = wanted.unwrap_or(if x == Ty::ANY_INT && y == Ty::ANY_INT { Ty::I32 } else { Ty::F64 });
            (x, y) = (ty, ty);
        }
        let ty = if open(x) {
            y
        } else if open(y) || x == y {
            x
        } else {
            match (self.ty(x), self.ty(y)) {
                (Type::Int(p), Type::Int(q)) if p.holds(q) => x,
                (Type::Int(p), Type::Int(q)) if q.holds(p) => y,
                (Type::F32, Type::F64) => y,
                (Type::F64, Type::F32) => x,
                (Type::Ref(_), Type::Ref(_)) => Ty::REF,
                _ if a.ty == Ty::BAD || b.ty == Ty::BAD => return None,
                _ => {
                    let (a, b) = (self.c.types.name(a.ty), self.c.types.name(b.ty));
                    return self.error(|| {
                        Diagnostic::new(a_span.to(b_span), format!("{a} and {b} do not mix"))
                            .help(["cast one of them: `x as T` keeps the low bits, `T(x)` checks that it fits"])
                    });
                }
            }
        };
        Some((ty, self.coerce(a, ty, a_span)?, self.coerce(b, ty, b_span)?))
    }
}
