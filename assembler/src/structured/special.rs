//! What looks like a call: structures that are made, and what is built in.

use std::collections::HashMap;

use limen_isa::{Opcode, ValueType};

use super::code::{Item, Reg};
use super::lower::{Lower, Part, Rv, value};
use super::types::{Ty, Type};
use crate::ast::{Argument, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// Casts, structures, instructions and what is built in; `None` inside if it is a call of a function.
    pub(crate) fn special(
        &mut self,
        callee: &'a Term,
        arguments: &'a [Argument],
        span: Span,
        want: Option<Ty>,
        dest: Option<&[Reg]>,
    ) -> Option<Option<Rv>> {
        let first = dest.filter(|dest| dest.len() == 1).map(|dest| dest[0]);
        match &callee.kind {
            TermKind::Name(name) if !self.locals.contains_key(&**name) => {
                match (&**name, arguments) {
                    ("slice", [p, n]) => return self.made_slice(&p.value, &n.value).map(Some),
                    ("panic", [message]) => return self.panic(&message.value).map(Some),
                    ("first_slot", []) => return Some(Some(Rv::one(Ty::U32, Part::Int(self.c.first_slot())))),
                    ("heap_start", []) => return Some(Some(self.heap_start(first))),
                    _ => {}
                }
                match self.c.program.globals.get(name, callee.span.file) {
                    Some((Symbol::Struct(_) | Symbol::Enum(_), _)) => {}
                    None if self.bindings.contains_key(&**name) || self.c.types.built_in(name).is_some() => {}
                    _ => return Some(None),
                }
                if let Some((Symbol::Struct(index), _)) = self.c.program.globals.get(name, callee.span.file)
                    && !self.c.program.globals.structs[index].generics.is_empty()
                {
                    return self.inferred_struct(index, arguments, span, want).map(Some);
                }
                let ty = self.c.types.named(name, callee.span, Vec::new(), &self.bindings, self.c.errors);
                self.made(ty, arguments, span, first).map(Some)
            }
            TermKind::Index(of, _) => {
                let TermKind::Name(name) = &of.kind else { return Some(None) };
                match self.c.program.globals.get(name, of.span.file) {
                    Some((Symbol::Struct(_), _)) if !self.locals.contains_key(&**name) => {
                        let ty = self.type_of(callee)?;
                        self.made(ty, arguments, span, first).map(Some)
                    }
                    _ => Some(None),
                }
            }
            TermKind::Field(of, name) => {
                let TermKind::Name(family) = &of.kind else { return Some(None) };
                if self.locals.contains_key(&**family) {
                    return Some(None);
                }
                if let (Some((Symbol::Enum(index), _)), "has", [number]) =
                    (self.c.program.globals.get(family, of.span.file), &*name.text, arguments)
                {
                    return self.has_value(index, &number.value).map(Some);
                }
                match Opcode::from_mnemonic(&format!("{family}.{}", name.text)) {
                    Some(opcode) if !opcode.row().reserved => {
                        self.instruction_term(opcode, arguments, span, first).map(Some)
                    }
                    _ => Some(None),
                }
            }
            _ => Some(None),
        }
    }

    fn made_slice(&mut self, p: &'a Term, n: &'a Term) -> Option<Rv> {
        let p_rv = self.term(p, None, None)?;
        let Type::Address(element) = self.ty(p_rv.ty) else {
            return self.error(|| Diagnostic::new(p.span, "an address belongs here"));
        };
        let n = self.index(n)?;
        let ty = self.c.types.add(Type::Slice(element));
        Some(Rv { ty, parts: vec![p_rv.parts[0], n] })
    }

    fn panic(&mut self, message: &'a Term) -> Option<Rv> {
        let TermKind::Text(bytes) = &message.kind else {
            return self.error(|| Diagnostic::new(message.span, "a string literal belongs here"));
        };
        let code = self.c.message(&String::from_utf8_lossy(bytes));
        self.emit_opcode(Opcode::Trap, vec![value(code)]);
        self.reached = false;
        Some(Rv { ty: Ty::BAD, parts: Vec::new() })
    }

    fn heap_start(&mut self, dest: Option<Reg>) -> Rv {
        let dest = dest.unwrap_or_else(|| self.fresh(ValueType::I32));
        self.emit("i32.const", vec![value(dest), value(0)]);
        if let Some(Item::Inst(inst)) = self.code.items.last_mut() {
            inst.heap_start = true;
        }
        Rv::one(Ty::U32, Part::Reg(dest))
    }

    /// A structure of these fields, or a conversion.
    fn made(&mut self, ty: Ty, arguments: &'a [Argument], span: Span, dest: Option<Reg>) -> Option<Rv> {
        if let Type::Struct(..) = self.ty(ty) {
            return self.made_struct(ty, arguments, span);
        }
        match arguments {
            _ if ty == Ty::BAD => None,
            [argument] if argument.name.is_none() => self.converted(&argument.value, ty, span, dest),
            _ => self.error(|| Diagnostic::new(span, "one value belongs between the parentheses")),
        }
    }

    fn made_struct(&mut self, ty: Ty, arguments: &'a [Argument], span: Span) -> Option<Rv> {
        self.registers(ty, span)?;
        let members = self.c.types.layout(ty, self.c.errors).members;
        let mut given: HashMap<&str, Rv> = HashMap::new();
        for argument in arguments {
            let Some(name) = &argument.name else {
                return self
                    .error(|| Diagnostic::new(argument.value.span, "the name of the field belongs before its value"));
            };
            let Some(member) = members.iter().find(|member| member.name == name.text) else {
                let owner = self.c.types.name(ty);
                let help = crate::suggest::similar(&name.text, members.iter().map(|member| &*member.name));
                return self
                    .error(|| Diagnostic::new(name.span, format!("{owner} has no field `{}`", name.text)).help(help));
            };
            let of = self.c.types.value_of(member.ty);
            let rv = self.typed(&argument.value, of, None)?;
            if given.insert(&name.text, rv).is_some() {
                return self.error(|| Diagnostic::new(name.span, "this field is given twice"));
            }
        }
        let mut parts = Vec::new();
        for member in &members {
            match given.remove(&*member.name) {
                Some(rv) => parts.extend(rv.parts),
                None => parts.extend(self.zero(member.ty, span)?),
            }
        }
        Some(Rv { ty, parts })
    }

    /// A structure whose type arguments follow from the context or from its fields.
    fn inferred_struct(&mut self, index: usize, arguments: &'a [Argument], span: Span, want: Option<Ty>) -> Option<Rv> {
        if let Some(ty) = want
            && let Type::Struct(wanted, _) = self.ty(ty)
            && wanted == index
        {
            return self.made_struct(ty, arguments, span);
        }
        let declared = self.c.program.globals.structs[index];
        let mut found: HashMap<&str, Ty> = HashMap::new();
        for argument in arguments {
            let Some(name) = &argument.name else { continue };
            let Some(field) = declared.fields.iter().find(|field| field.name.text == name.text) else { continue };
            let before = (self.code.items.len(), self.traps.len());
            let rv = self.term(&argument.value, None, None)?;
            self.code.items.truncate(before.0);
            self.traps.truncate(before.1);
            self.bind(&declared.generics, &field.ty, rv.ty, &mut found);
        }
        let arguments_of: Option<Vec<Ty>> =
            declared.generics.iter().map(|name| found.get(&*name.text).copied()).collect();
        let Some(types) = arguments_of else {
            return self.error(|| {
                Diagnostic::new(span, "the type arguments do not follow from here").help(["write them in `[]`"])
            });
        };
        let ty = self.c.types.structure(index, types, span, self.c.errors);
        self.made_struct(ty, arguments, span)
    }

    pub(crate) fn zero(&mut self, ty: Ty, span: Span) -> Option<Vec<Part>> {
        let types = self.registers(ty, span)?;
        Some(types.iter().map(|ty| if *ty == ValueType::Ref { Part::Null } else { Part::Int(0) }).collect())
    }
}
