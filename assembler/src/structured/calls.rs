//! Calls, structures that are made, casts, and instructions as expressions.

use std::rc::Rc;

use limen_isa::codec::Value;
use limen_isa::module::Signature;
use limen_isa::{Opcode, ValueType};

use super::code::Reg;
use super::compiler::Shape;
use super::lower::{Lower, Part, Rv, value};
use super::memory::Place;
use super::types::{Ty, Type};
use crate::ast::{Argument, Term, TermKind, TypeKind};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

/// What a call gives.
pub(crate) struct Results {
    pub(crate) values: Vec<Rv>,
    /// The error, and its type.
    pub(crate) error: Option<(Reg, Ty)>,
}

/// What is called.
pub(crate) enum Callee<'a> {
    Function { number: u32, first: Option<(Rv, Span)> },
    Generic { index: usize, arguments: Vec<Ty>, first: Option<(Rv, Span)> },
    Value(&'a Term),
}

impl<'a> Lower<'_, '_, 'a> {
    /// A call where one value is wanted.
    pub(crate) fn call_value(
        &mut self,
        callee: &'a Term,
        arguments: &'a [Argument],
        span: Span,
        want: Option<Ty>,
        dest: Option<&[Reg]>,
    ) -> Option<Rv> {
        if let Some(rv) = self.special(callee, arguments, span, want, dest)? {
            return Some(rv);
        }
        let results = self.call(callee, arguments, span, dest)?;
        if results.error.is_some() {
            return self.error(|| {
                Diagnostic::new(span, "this call may fail").help(["write `try` before it, or `catch` behind it"])
            });
        }
        self.single(results, span)
    }

    fn single(&mut self, mut results: Results, span: Span) -> Option<Rv> {
        if results.values.len() == 1 {
            return results.values.pop();
        }
        let count = results.values.len();
        self.error(|| Diagnostic::new(span, "one value belongs here").label(format!("this gives {count}")))
    }

    /// `try f(x)`, one value of it.
    pub(crate) fn tried(&mut self, call: &'a Term, _want: Option<Ty>, dest: Option<&[Reg]>) -> Option<Rv> {
        let results = self.tried_results(call, dest)?;
        self.single(Results { values: results, error: None }, call.span)
    }

    /// The results of a call that is tried.
    pub(crate) fn tried_results(&mut self, call: &'a Term, dest: Option<&[Reg]>) -> Option<Vec<Rv>> {
        let Results { values, error } = self.any_call(call, dest)?;
        let Some((error, ty)) = error else {
            return self.error(|| Diagnostic::new(call.span, "this cannot fail: there is nothing to try"));
        };
        match self.shape.error {
            Some(own) if own == ty || self.takes_over(own, ty) => {}
            Some(own) => return self.mismatch(call.span, own, ty),
            None => {
                let name = self.c.types.name(ty);
                return self.error(|| {
                    Diagnostic::new(call.span, "this function cannot hand the error on")
                        .help([format!("let it fail with `! {name}`, or `catch` the error")])
                });
            }
        }
        let on = self.label();
        let facts = std::mem::take(&mut self.facts);
        self.emit("i32.br_eqi", vec![value(error), value(0), value(on)]);
        self.fail_with(error);
        self.place(on);
        self.facts = facts;
        Some(values)
    }

    /// The results of a term that must be a call of a function.
    pub(crate) fn any_call(&mut self, term: &'a Term, dest: Option<&[Reg]>) -> Option<Results> {
        match &term.kind {
            TermKind::Call(callee, arguments) => {
                if let Some(rv) = self.special(callee, arguments, term.span, None, dest)? {
                    let values = if rv.parts.is_empty() { Vec::new() } else { vec![rv] };
                    return Some(Results { values, error: None });
                }
                self.call(callee, arguments, term.span, dest)
            }
            TermKind::Bad => None,
            _ => self.error(|| Diagnostic::new(term.span, "a call belongs here")),
        }
    }

    fn call(
        &mut self,
        callee: &'a Term,
        arguments: &'a [Argument],
        span: Span,
        dest: Option<&[Reg]>,
    ) -> Option<Results> {
        if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
            return self.error(|| Diagnostic::new(argument.value.span, "only fields of structures are named"));
        }
        match self.callee(callee)? {
            Callee::Function { number, first } => {
                let shape = Rc::clone(&self.c.entries[number as usize].shape);
                let name = self.c.entries[number as usize].name.clone();
                let given = self.arguments(&name, &shape, first, arguments, span)?;
                Some(self.call_number(number, &shape, given, span, dest))
            }
            Callee::Generic { index, arguments: types, first } => {
                self.call_generic(index, types, first, arguments, span, dest)
            }
            Callee::Value(term) => self.call_indirect(term, arguments, span, dest),
        }
    }

    pub(crate) fn callee(&mut self, callee: &'a Term) -> Option<Callee<'a>> {
        match &callee.kind {
            TermKind::Name(name) if !self.locals.contains_key(&**name) => {
                match self.c.program.globals.get(name, callee.span.file) {
                    Some((Symbol::Function(index), _)) => Some(self.of_function(index, Vec::new(), None)),
                    Some(_) => Some(Callee::Value(callee)),
                    None => {
                        let help = self.c.program.globals.similar(name, |symbol| matches!(symbol, Symbol::Function(_)));
                        self.error(|| Diagnostic::new(callee.span, format!("there is no function `{name}`")).help(help))
                    }
                }
            }
            TermKind::Index(of, types) if self.function_term(of).is_some() => {
                let index = self.function_term(of)?;
                let mut arguments = Vec::new();
                for ty in types {
                    arguments.push(self.type_of(ty)?);
                }
                Some(self.of_function(index, arguments, None))
            }
            TermKind::Field(of, name) => {
                if let Some(index) = self.function_term(callee) {
                    return Some(self.of_function(index, Vec::new(), None));
                }
                if !self.is_value(of)
                    && let TermKind::Name(owner) = &of.kind
                {
                    return self.error(|| {
                        Diagnostic::new(callee.span, format!("there is no function `{owner}.{}`", name.text))
                    });
                }
                self.method(callee, of, &name.text, name.span)
            }
            _ => Some(Callee::Value(callee)),
        }
    }

    /// The function that a term names.
    fn function_term(&self, term: &Term) -> Option<usize> {
        let (name, span) = match &term.kind {
            TermKind::Name(name) if !self.locals.contains_key(&**name) => (name.to_string(), term.span),
            TermKind::Field(of, name) => match &of.kind {
                TermKind::Name(owner) if !self.is_value(of) => (format!("{owner}.{}", name.text), term.span),
                _ => return None,
            },
            _ => return None,
        };
        match self.c.program.globals.get(&name, span.file) {
            Some((Symbol::Function(index), _)) => Some(index),
            _ => None,
        }
    }

    fn of_function(&self, index: usize, arguments: Vec<Ty>, first: Option<(Rv, Span)>) -> Callee<'a> {
        if self.c.program.globals.functions[index].function.generics.is_empty() {
            Callee::Function { number: index as u32, first }
        } else {
            Callee::Generic { index, arguments, first }
        }
    }

    /// `x.name(...)`
    fn method(&mut self, callee: &'a Term, of: &'a Term, name: &str, span: Span) -> Option<Callee<'a>> {
        let place = self.find_place(of)?;
        let (ty, memory) = match &place {
            Some(Place::Memory(memory)) => (memory.ty, Some(*memory)),
            Some(Place::Registers { ty, .. }) => (*ty, None),
            None => (Ty::BAD, None),
        };
        let rv = match &place {
            None => Some(self.term(of, None, None)?),
            _ => None,
        };
        let ty = rv.as_ref().map_or(ty, |rv| rv.ty);
        let pointed = if let Type::Address(target) = self.ty(ty) { Some(target) } else { None };
        let owner = self.c.types.owner(pointed.unwrap_or(ty));
        let found = owner.and_then(|owner| self.c.program.globals.get(&format!("{owner}.{name}"), span.file));
        let Some((Symbol::Function(index), _)) = found else {
            let layout = self.c.types.layout(pointed.unwrap_or(ty), self.c.errors);
            if layout.members.iter().any(|member| &*member.name == name) {
                return Some(Callee::Value(callee));
            }
            let ty = self.c.types.name(ty);
            return self.error(|| Diagnostic::new(span, format!("{ty} has no method `{name}`")));
        };
        let function = self.c.program.globals.functions[index].function;
        let wants_address = function.params.first().is_some_and(|param| matches!(param.ty.kind, TypeKind::Address(_)));
        let first = match (rv, memory) {
            (Some(rv), _) => rv,
            (None, Some(memory)) if wants_address && pointed.is_none() => {
                let ty = self.c.types.add(Type::Address(memory.ty));
                let part = self.address(memory, None);
                Rv::one(ty, part)
            }
            (None, _) => self.load(&place?, of.span, None)?,
        };
        let first = match (wants_address, pointed) {
            (false, Some(target)) => {
                let place = Place::Memory(super::memory::at(target, first.parts[0]));
                self.load(&place, of.span, None)?
            }
            _ => first,
        };
        Some(self.of_function(index, Vec::new(), Some((first, of.span))))
    }

    fn arguments(
        &mut self,
        name: &str,
        shape: &Shape,
        first: Option<(Rv, Span)>,
        arguments: &'a [Argument],
        span: Span,
    ) -> Option<Vec<Rv>> {
        let taken = usize::from(first.is_some());
        if shape.params.len() != arguments.len() + taken {
            let (wanted, given) = (shape.params.len() - taken.min(shape.params.len()), arguments.len());
            return self.error(|| {
                Diagnostic::new(span, format!("`{name}` takes {wanted} argument{}", if wanted == 1 { "" } else { "s" }))
                    .label(format!("{given} given"))
            });
        }
        let mut given = Vec::with_capacity(shape.params.len());
        let mut complete = true;
        if let Some((rv, span)) = first {
            given.push(self.coerce(rv, shape.params[0], span)?);
        }
        for (argument, ty) in arguments.iter().zip(&shape.params[taken..]) {
            match self.typed(&argument.value, *ty, None) {
                Some(rv) => given.push(rv),
                None => complete = false,
            }
        }
        complete.then_some(given)
    }

    pub(crate) fn call_number(
        &mut self,
        number: u32,
        shape: &Shape,
        given: Vec<Rv>,
        span: Span,
        dest: Option<&[Reg]>,
    ) -> Results {
        let (arguments, results) = self.call_registers(&shape.signature, given, dest);
        self.span = span;
        self.emit_opcode(Opcode::Call, vec![list(&results), value(number), list(&arguments)]);
        self.results(shape, results)
    }

    fn call_registers(&mut self, signature: &Signature, given: Vec<Rv>, dest: Option<&[Reg]>) -> (Vec<Reg>, Vec<Reg>) {
        let parts = given.iter().flat_map(|rv| rv.parts.clone()).zip(&signature.params);
        let arguments = parts.map(|(part, ty)| self.reg(part, *ty)).collect();
        let fits = |dest: &[Reg]| {
            dest.len() == signature.results.len()
                && dest.iter().zip(&signature.results).all(|(reg, ty)| self.code.registers[*reg as usize] == *ty)
        };
        let results = match dest.filter(|dest| fits(dest)) {
            Some(dest) => dest.to_vec(),
            None => self.fresh_all(&signature.results),
        };
        (arguments, results)
    }

    pub(crate) fn results(&mut self, shape: &Shape, registers: Vec<Reg>) -> Results {
        let mut rest = registers.into_iter();
        let mut values = Vec::new();
        for ty in &shape.results {
            let count = self.c.types.registers(*ty, self.c.errors).map_or(0, |types| types.len());
            values.push(Rv { ty: *ty, parts: rest.by_ref().take(count).map(Part::Reg).collect() });
        }
        Results { values, error: shape.error.and_then(|ty| rest.next().map(|reg| (reg, ty))) }
    }

    fn call_indirect(
        &mut self,
        callee: &'a Term,
        arguments: &'a [Argument],
        span: Span,
        dest: Option<&[Reg]>,
    ) -> Option<Results> {
        let rv = self.term(callee, None, None)?;
        let Type::Function(params, results) = self.ty(rv.ty) else {
            let name = self.c.types.name(rv.ty);
            return self
                .error(|| Diagnostic::new(callee.span, "a function belongs here").label(format!("this is {name}")));
        };
        let mut flat = |list: &[Ty]| -> Vec<ValueType> {
            list.iter().flat_map(|ty| self.c.types.registers(*ty, self.c.errors).unwrap_or_default()).collect()
        };
        let signature = Signature { params: flat(&params), results: flat(&results) };
        let shape = Shape { params, results, error: None, signature };
        let given = self.arguments("the function", &shape, None, arguments, span)?;
        let index = self.reg(rv.parts[0], ValueType::I32);
        let (arguments, results) = self.call_registers(&shape.signature, given, dest);
        let signature = self.c.signature(shape.signature.clone());
        let table = self.c.program.globals.tables.len() as i64;
        self.span = span;
        let values = vec![list(&results), value(table), value(index), value(signature), list(&arguments)];
        self.emit_opcode(Opcode::CallIndirect, values);
        Some(self.results(&shape, results))
    }
}

pub(crate) fn list(registers: &[Reg]) -> Value {
    Value::List(registers.iter().map(|reg| i64::from(*reg)).collect())
}
