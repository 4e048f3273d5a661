//! Calls of generic functions: what their type parameters stand for.

use std::collections::HashMap;
use std::rc::Rc;

use super::calls::Results;
use super::code::Reg;
use super::lower::{Lower, Rv};
use super::types::{Ty, Type};
use crate::ast::{Argument, Term, TermKind, TypeExpr, TypeKind};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn call_generic(
        &mut self,
        index: usize,
        types: Vec<Ty>,
        first: Option<(Rv, Span)>,
        arguments: &'a [Argument],
        span: Span,
        dest: Option<&[Reg]>,
    ) -> Option<Results> {
        let function = self.c.program.globals.functions[index].function;
        let mut found: HashMap<&str, Ty> =
            function.generics.iter().map(|name| &*name.text).zip(types.iter().copied()).collect();
        let taken = usize::from(first.is_some());
        let mut given: Vec<(Rv, Span)> = first.into_iter().collect();
        if let Some(((rv, _), param)) = given.first().zip(function.params.first()) {
            self.bind(&function.generics, &param.ty, rv.ty, &mut found);
        }
        for (argument, param) in arguments.iter().zip(function.params.iter().skip(taken)) {
            let known = function.generics.iter().all(|name| found.contains_key(&*name.text));
            let want = if known { Some(self.c.types.resolve(&param.ty, &found, self.c.errors)) } else { None };
            let rv = self.term(&argument.value, want, None)?;
            self.bind(&function.generics, &param.ty, rv.ty, &mut found);
            given.push((rv, argument.value.span));
        }
        for ((rv, span), param) in given.iter().zip(&function.params) {
            if matches!(rv.ty, Ty::ANY_INT | Ty::ANY_FLOAT) {
                let settled = self.settle(rv.clone(), *span)?;
                if let TypeKind::Name(name, _) = &param.ty.kind
                    && function.generics.iter().any(|generic| generic.text == name.text)
                {
                    found.entry(&name.text).or_insert(settled.ty);
                }
            }
        }
        let bound: Option<Vec<Ty>> = function.generics.iter().map(|name| found.get(&*name.text).copied()).collect();
        let Some(bound) = bound.filter(|_| types.is_empty() || types.len() == function.generics.len()) else {
            let name = &function.name.text;
            return self.error(|| {
                Diagnostic::new(span, format!("the type arguments of `{name}` do not follow from its arguments"))
                    .help([format!("write them: `{name}[T](...)`")])
            });
        };
        if bound.contains(&Ty::BAD) {
            return None;
        }
        let number = self.c.instance(index, bound, span)?;
        let shape = Rc::clone(&self.c.entries[number as usize].shape);
        if shape.params.len() != given.len() || arguments.len() + taken != given.len() {
            let (wanted, name) = (shape.params.len() - taken.min(shape.params.len()), &function.name.text);
            return self.error(|| {
                Diagnostic::new(span, format!("`{name}` takes {wanted} arguments"))
                    .label(format!("{} given", arguments.len()))
            });
        }
        let mut values = Vec::new();
        for ((rv, span), ty) in given.into_iter().zip(&shape.params) {
            values.push(self.coerce(rv, *ty, span)?);
        }
        Some(self.call_number(number, &shape, values, span, dest))
    }

    /// Finds what type parameters stand for by laying a type as it is written beside one.
    pub(crate) fn bind<'n>(
        &self,
        generics: &'n [crate::ast::Name],
        expr: &TypeExpr,
        ty: Ty,
        found: &mut HashMap<&'n str, Ty>,
    ) {
        match (&expr.kind, self.ty(ty)) {
            (_, Type::AnyInt | Type::AnyFloat | Type::Null | Type::Bad) => {}
            (TypeKind::Name(name, _), _) if generics.iter().any(|generic| generic.text == name.text) => {
                if let Some(generic) = generics.iter().find(|generic| generic.text == name.text) {
                    found.entry(&generic.text).or_insert(ty);
                }
            }
            (TypeKind::Name(_, inner), Type::Struct(_, arguments)) => {
                inner.iter().zip(arguments).for_each(|(expr, ty)| self.bind(generics, expr, ty, found));
            }
            (TypeKind::Address(inner), Type::Address(of))
            | (TypeKind::Slice(inner), Type::Slice(of))
            | (TypeKind::Array(_, inner), Type::Array(of, _)) => self.bind(generics, inner, of, found),
            (TypeKind::Function(params, results), Type::Function(of, gives)) => {
                params.iter().zip(of).for_each(|(expr, ty)| self.bind(generics, expr, ty, found));
                results.iter().zip(gives).for_each(|(expr, ty)| self.bind(generics, expr, ty, found));
            }
            _ => {}
        }
    }

    /// The type that a term in square brackets names.
    pub(crate) fn type_of(&mut self, term: &'a Term) -> Option<Ty> {
        let ty = match &term.kind {
            TermKind::Name(name) => self.c.types.named(name, term.span, Vec::new(), &self.bindings, self.c.errors),
            TermKind::Index(of, arguments) => {
                let TermKind::Name(name) = &of.kind else {
                    return self.error(|| Diagnostic::new(of.span, "the name of a type belongs here"));
                };
                let mut types = Vec::new();
                for argument in arguments {
                    types.push(self.type_of(argument)?);
                }
                self.c.types.named(name, of.span, types, &self.bindings, self.c.errors)
            }
            TermKind::Type(expr) => self.c.types.resolve(expr, &self.bindings, self.c.errors),
            _ => return self.error(|| Diagnostic::new(term.span, "the name of a type belongs here")),
        };
        (ty != Ty::BAD).then_some(ty)
    }
}
