//! Slices.

use limen_isa::ValueType;

use super::lower::{Lower, Part, Rv, value};
use super::memory::{Place, at};
use super::types::{Ty, Type};
use crate::ast::{Prefix, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// `s[a..b]`
    pub(crate) fn slice(
        &mut self,
        of: &'a Term,
        from: Option<&'a Term>,
        to: Option<&'a Term>,
        span: Span,
    ) -> Option<Rv> {
        let (element, address, len) = self.whole_slice(of, span)?;
        let from = from.map_or(Some(Part::Int(0)), |from| self.index(from))?;
        let to = to.map_or(Some(len), |to| self.index(to))?;
        self.span = span;
        let out = self.trap("slice out of bounds");
        self.check_order(from, to, out);
        if !same(to, len) {
            self.check_order(to, len, out);
        }
        let memory = self.element(at(element, address), element, from)?;
        let address = self.address(memory, None);
        let len = match (from, to) {
            (Part::Int(0), to) => to,
            (Part::Int(from), Part::Int(to)) => Part::Int(to - from),
            (Part::Int(from), to) if from < 1 << 23 => {
                let to = self.reg(to, ValueType::I32);
                Part::Reg(self.op("i32.addi", ValueType::I32, None, &[i64::from(to), -(from as i64)]))
            }
            (from, to) => {
                let (from, to) = (self.reg(from, ValueType::I32), self.reg(to, ValueType::I32));
                Part::Reg(self.op("i32.sub", ValueType::I32, None, &[i64::from(to), i64::from(from)]))
            }
        };
        let ty = self.c.types.add(Type::Slice(element));
        Some(Rv { ty, parts: vec![address, len] })
    }

    /// Element type, address and length of an array or a slice.
    pub(crate) fn whole_slice(&mut self, of: &'a Term, span: Span) -> Option<(Ty, Part, Part)> {
        let place = self.find_place(of)?;
        if let Some(Place::Memory(array)) = &place
            && let Type::Array(element, count) = self.ty(array.ty)
        {
            let address = self.address(*array, None);
            return Some((element, address, Part::Int(i128::from(count))));
        }
        let rv = match place {
            Some(place) => self.load(&place, of.span, None)?,
            None => self.term(of, None, None)?,
        };
        match self.ty(rv.ty) {
            Type::Slice(element) => Some((element, rv.parts[0], rv.parts[1])),
            _ => {
                let name = self.c.types.name(rv.ty);
                self.error(|| Diagnostic::new(span, format!("{name} has no elements")))
            }
        }
    }

    /// Goes to `out` unless `a <= b`.
    fn check_order(&mut self, a: Part, b: Part, out: u32) {
        match (a, b) {
            (Part::Int(0), _) => {}
            (Part::Int(a), Part::Int(b)) if a <= b => {}
            (Part::Int(a), Part::Reg(b)) if a < 1 << 12 => {
                self.emit("i32.br_lt_ui", vec![value(b), value(a as i64), value(out)]);
            }
            _ => {
                let (a, b) = (self.reg(a, ValueType::I32), self.reg(b, ValueType::I32));
                self.emit("i32.br_lt_u", vec![value(b), value(a), value(out)]);
            }
        }
    }

    /// Whether a term is a value and not the name of a type or the like.
    pub(crate) fn is_value(&self, term: &Term) -> bool {
        match &term.kind {
            TermKind::Name(name) => {
                self.locals.contains_key(&**name)
                    || matches!(
                        self.c.program.globals.get(name, term.span.file),
                        Some((Symbol::Static(_) | Symbol::Const(_) | Symbol::Area(_), _))
                    )
            }
            TermKind::Field(of, _) | TermKind::Index(of, _) => self.is_value(of),
            TermKind::Prefix(Prefix::AddressOf, _) => true,
            _ => true,
        }
    }
}

fn same(a: Part, b: Part) -> bool {
    match (a, b) {
        (Part::Reg(a), Part::Reg(b)) => a == b,
        (Part::Int(a), Part::Int(b)) => a == b,
        _ => false,
    }
}
