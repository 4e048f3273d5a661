//! Expressions.

use super::code::Reg;
use super::conditions::is_comparison;
use super::lower::{Lower, Part, Rv};
use super::types::{Ty, Type};
use crate::ast::{Float, Infix, Prefix, Term, TermKind, TypeExpr, TypeKind};
use crate::constants;
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// The value of a term as one of a type.
    pub(crate) fn typed(&mut self, term: &'a Term, ty: Ty, dest: Option<&[Reg]>) -> Option<Rv> {
        let rv = self.term(term, Some(ty), dest)?;
        self.coerce(rv, ty, term.span)
    }

    /// The value of a term. `want` is the type that its context has; results are put into `dest` where that is free.
    pub(crate) fn term(&mut self, term: &'a Term, want: Option<Ty>, dest: Option<&[Reg]>) -> Option<Rv> {
        let first = dest.filter(|dest| dest.len() == 1).map(|dest| dest[0]);
        match &term.kind {
            TermKind::Bad => None,
            TermKind::Integer(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(i128::from(*number)))),
            TermKind::Float(number) => Some(Rv::one(Ty::ANY_FLOAT, Part::Float(*number))),
            TermKind::Bool(truth) => Some(Rv::one(Ty::BOOL, Part::Int(i128::from(*truth)))),
            TermKind::Text(bytes) => {
                let address = self.c.string(bytes);
                let parts = vec![Part::Int(i128::from(address)), Part::Int(bytes.len() as i128)];
                Some(Rv { ty: Ty::BYTES, parts })
            }
            TermKind::Name(name) => self.named(name, term.span, dest),
            TermKind::SizeOf(ty) => self.size_of(ty),
            TermKind::Array(_) => {
                self.error(|| Diagnostic::new(term.span, "an array is only what a static begins with"))
            }
            TermKind::Field(of, name) => self.field(term, of, &name.text, dest),
            TermKind::Target(_) | TermKind::Index(..) => match self.find_place(term)? {
                Some(place) => self.load(&place, term.span, dest),
                None => self.error(|| Diagnostic::new(term.span, "this is no value")),
            },
            TermKind::Call(callee, arguments) => self.call_value(callee, arguments, term.span, want, dest),
            TermKind::Slice(of, from, to) => self.slice(of, from.as_deref(), to.as_deref(), term.span),
            TermKind::Prefix(Prefix::Try, call) => self.tried(call, want, dest),
            TermKind::Prefix(Prefix::AddressOf, of) => self.address_of(of, first),
            TermKind::Prefix(Prefix::Not, _) => self.truth(term, first),
            TermKind::Prefix(prefix, of) => self.prefixed(*prefix, of, want, first, term.span),
            TermKind::Infix(Infix::Both | Infix::Either, _) => self.truth(term, first),
            TermKind::Infix(infix, operands) if is_comparison(*infix) => {
                self.comparison(*infix, &operands.0, &operands.1, first)
            }
            TermKind::Infix(infix, operands) => self.infix(*infix, &operands.0, &operands.1, want, first, term.span),
            TermKind::Cast(of, ty) => self.cast(of, ty, first),
            TermKind::Type(_) => self.error(|| Diagnostic::new(term.span, "a type is no value")),
            TermKind::If(parts) => self.choice(&parts.0, &parts.1, &parts.2, want, dest),
        }
    }

    pub(crate) fn named(&mut self, name: &str, span: Span, dest: Option<&[Reg]>) -> Option<Rv> {
        if let Some(constant) = self.locals.get_mut(name).and_then(|local| {
            local.used |= local.constant.is_some();
            local.constant.clone().map(|parts| Rv { ty: local.ty, parts })
        }) {
            return Some(constant);
        }
        if name == "null" {
            return Some(Rv::one(Ty::NULL, Part::Null));
        }
        let place = Term { kind: TermKind::Name(name.into()), span, depth: 1 };
        if let Some(place) = self.local_or_static(&place) {
            return self.load(&place, span, dest);
        }
        let globals = self.c.program.globals;
        match globals.get(name, span.file) {
            Some((Symbol::Const(index), _)) => {
                let constant = globals.consts[index];
                let rv = self.constant_value(name, span)?;
                match &constant.ty {
                    Some(ty) => {
                        let ty = self.c.types.resolve(ty, &self.bindings, self.c.errors);
                        self.coerce(rv, ty, span)
                    }
                    None => Some(rv),
                }
            }
            Some((Symbol::Area(_), _)) => self.constant_value(name, span),
            Some((Symbol::Function(index), _)) => self.function_named(index, span),
            Some((symbol, declared)) => self.error(|| {
                Diagnostic::new(span, "a value belongs here")
                    .label(format!("this is {}", symbol.kind()))
                    .also(declared, "declared here")
            }),
            None if matches!(name, "inf" | "nan") => self.constant_value(name, span),
            None => {
                let names = self.locals.keys().copied();
                let help = crate::suggest::similar(name, names).or_else(|| globals.similar(name, |_| true));
                self.error(|| Diagnostic::new(span, format!("there is no `{name}`")).help(help))
            }
        }
    }

    fn local_or_static(&mut self, term: &Term) -> Option<super::memory::Place> {
        let TermKind::Name(name) = &term.kind else { return None };
        if let Some(local) = self.locals.get_mut(&**name) {
            local.used = true;
            let (ty, regs, mutable) = (local.ty, local.regs.clone(), local.mutable);
            return Some(super::memory::Place::Registers { ty, regs, mutable });
        }
        match self.c.program.globals.get(name, term.span.file) {
            Some((Symbol::Static(index), _)) => {
                let (ty, address) = self.c.statics[index];
                Some(super::memory::Place::Memory(super::memory::at(ty, Part::Int(i128::from(address)))))
            }
            _ => None,
        }
    }

    fn constant_value(&mut self, name: &str, span: Span) -> Option<Rv> {
        let expr = crate::ast::Expr { kind: crate::ast::ExprKind::Name(name.into()), span, depth: 1 };
        match self.c.program.constants.evaluate(&expr, self.c.errors)? {
            constants::Value::Integer(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(number))),
            constants::Value::Float(number) => Some(Rv::one(Ty::ANY_FLOAT, Part::Float(number))),
            constants::Value::Bits(bits) => {
                let number = Float { double: f64::from_bits(bits), single: f32::from_bits(bits as u32) };
                Some(Rv::one(Ty::ANY_FLOAT, Part::Float(number)))
            }
        }
    }

    fn function_named(&mut self, index: usize, span: Span) -> Option<Rv> {
        let function = self.c.program.globals.functions[index].function;
        let shape = std::rc::Rc::clone(&self.c.entries[index].shape);
        if !function.generics.is_empty() || shape.error.is_some() {
            return self.error(|| Diagnostic::new(span, "a function that is generic or may fail is no value"));
        }
        let ty = self.c.types.add(Type::Function(shape.params.clone(), shape.results.clone()));
        let number = self.c.function_value(index as u32);
        Some(Rv::one(ty, Part::Int(i128::from(number))))
    }

    fn size_of(&mut self, expr: &'a TypeExpr) -> Option<Rv> {
        if let TypeKind::Name(name, _) = &expr.kind
            && let Some((Symbol::Area(area), _)) = self.c.program.globals.get(&name.text, name.span.file)
        {
            let size = self.c.program.constants.extent(area)?.size;
            return Some(Rv::one(Ty::ANY_INT, Part::Int(i128::from(size))));
        }
        let ty = self.c.types.resolve(expr, &self.bindings, self.c.errors);
        let size = self.c.types.size(ty, self.c.errors);
        (ty != Ty::BAD).then(|| Rv::one(Ty::ANY_INT, Part::Int(i128::from(size))))
    }

    fn field(&mut self, term: &'a Term, of: &'a Term, name: &str, dest: Option<&[Reg]>) -> Option<Rv> {
        if let TermKind::Name(owner) = &of.kind
            && !self.is_value(of)
        {
            return self.variant_or_method(owner, name, term.span);
        }
        if let Some(place) = self.find_place(term)? {
            return self.load(&place, term.span, dest);
        }
        // What is left is the length of an array.
        match self.find_place(of)? {
            Some(super::memory::Place::Memory(memory)) => match self.ty(memory.ty) {
                Type::Array(_, count) => Some(Rv::one(Ty::U32, Part::Int(i128::from(count)))),
                _ => self.error(|| Diagnostic::new(term.span, "this is no value")),
            },
            _ => self.error(|| Diagnostic::new(term.span, "this is no value")),
        }
    }

    /// `State.Open`, or a function whose name has a dot.
    fn variant_or_method(&mut self, owner: &str, name: &str, span: Span) -> Option<Rv> {
        let globals = self.c.program.globals;
        if let Some((Symbol::Enum(index), declared)) = globals.get(owner, span.file) {
            let variants = &self.c.types.variants(index, self.c.errors).values;
            if let Some((_, number)) = variants.iter().find(|(variant, _)| &**variant == name) {
                let number = *number;
                return Some(Rv::one(self.c.types.add(Type::Enum(index)), Part::Int(number)));
            }
            let help = crate::suggest::similar(name, variants.iter().map(|(name, _)| &**name));
            return self.error(|| {
                Diagnostic::new(span, format!("`{owner}` has no value `{name}`"))
                    .also(declared, "declared here")
                    .help(help)
            });
        }
        if let Some((Symbol::Function(index), _)) = globals.get(&format!("{owner}.{name}"), span.file) {
            return self.function_named(index, span);
        }
        self.error(|| Diagnostic::new(span, format!("there is no `{owner}.{name}`")))
    }

    /// Moves parts into registers that none of them is in, or that are theirs.
    pub(crate) fn move_all(&mut self, to: &[Reg], parts: &[Part]) {
        to.iter().zip(parts).for_each(|(to, part)| self.mov(*to, *part));
    }
}
