//! Calls, structures that are made, casts, and instructions as expressions.

use std::collections::HashMap;
use std::rc::Rc;

use limen_isa::codec::Value;
use limen_isa::module::Signature;
use limen_isa::{Opcode, OperandKind, Role, ValueType};

use super::code::{Item, Reg};
use super::compiler::Shape;
use super::lower::{Lower, Part, Rv, value, width};
use super::memory::Place;
use super::types::{Int, Ty, Type};
use crate::ast::{Argument, Term, TermKind, TypeExpr, TypeKind};
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
enum Callee<'a> {
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

    // ---- What looks like a call -------------------------------------------------------------------------------------

    /// Casts, structures, instructions and what is built in; `None` inside if it is a call of a function.
    fn special(
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

    // ---- Casts ------------------------------------------------------------------------------------------------------

    /// `T(x)`: checked.
    fn converted(&mut self, term: &'a Term, ty: Ty, span: Span, dest: Option<Reg>) -> Option<Rv> {
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
    fn number(&mut self, ty: Ty) -> Option<Int> {
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
    fn has_value(&mut self, index: usize, term: &'a Term) -> Option<Rv> {
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

    // ---- Instructions -----------------------------------------------------------------------------------------------

    fn instruction_term(
        &mut self,
        opcode: Opcode,
        arguments: &'a [Argument],
        span: Span,
        dest: Option<Reg>,
    ) -> Option<Rv> {
        let row = opcode.row();
        let results = crate::shape::results(row).len();
        let lists =
            row.operands.iter().any(|operand| matches!(operand.kind, OperandKind::List(_) | OperandKind::Label));
        if results > 1 || lists {
            return self.error(|| {
                Diagnostic::new(span, format!("`{}` is no expression", row.mnemonic))
                    .help(["write it as a line of its own"])
            });
        }
        let mut values = vec![Value::Integer(0); results];
        let mut given = arguments.iter();
        let mut like = None;
        for operand in &row.operands[results..] {
            let Some(argument) = given.next() else {
                let offset = matches!(operand.kind, OperandKind::Immediate { .. }) && !row.brackets.is_empty();
                if offset {
                    values.push(value(0));
                    continue;
                }
                return self.wrong_count(row.mnemonic, span);
            };
            let number = self.instruction_operand(operand.kind, &argument.value, &mut like)?;
            values.push(Value::Integer(number));
        }
        if given.next().is_some() {
            return self.wrong_count(row.mnemonic, span);
        }
        let Some(first) = row.operands.first().filter(|_| results == 1) else {
            self.emit_opcode(opcode, values);
            return Some(Rv { ty: Ty::BAD, parts: Vec::new() });
        };
        let OperandKind::Register { ty, .. } = first.kind else { return None };
        let reg = dest.filter(|dest| self.code.registers[*dest as usize] == ty).unwrap_or_else(|| self.fresh(ty));
        values[0] = value(reg);
        self.emit_opcode(opcode, values);
        let plain = match ty {
            ValueType::I32 => Ty::I32,
            ValueType::I64 => Ty::I64,
            ValueType::F32 => Ty::F32,
            ValueType::F64 => Ty::F64,
            ValueType::Ref => Ty::REF,
        };
        let like = like.filter(|(of, _)| *of == ty).map_or(plain, |(_, like)| like);
        Some(Rv::one(like, Part::Reg(reg)))
    }

    fn wrong_count<T>(&mut self, mnemonic: &str, span: Span) -> Option<T> {
        let usage = Opcode::from_mnemonic(mnemonic).map(|opcode| crate::shape::usage(opcode.row()));
        self.error(|| {
            Diagnostic::new(span, format!("wrong number of operands for `{mnemonic}`"))
                .help(usage.map(|usage| format!("as a line it is written `{usage}`")))
        })
    }

    fn instruction_operand(
        &mut self,
        kind: OperandKind,
        term: &'a Term,
        like: &mut Option<(ValueType, Ty)>,
    ) -> Option<i64> {
        let OperandKind::Register { ty, role } = kind else {
            let rv = self.term(term, None, None)?;
            return match (kind, rv.parts[0]) {
                (OperandKind::Float32, Part::Float(number)) => Some(i64::from(number.single.to_bits())),
                (OperandKind::Float64, Part::Float(number)) => Some(number.double.to_bits() as i64),
                (_, Part::Int(number)) => Some(number as i64),
                _ => self.error(|| Diagnostic::new(term.span, "a constant belongs here")),
            };
        };
        let want = match ty {
            ValueType::I64 => Ty::I64,
            ValueType::F32 => Ty::F32,
            ValueType::F64 => Ty::F64,
            ValueType::Ref => Ty::REF,
            ValueType::I32 => Ty::I32,
        };
        let mut rv = self.term(term, None, None)?;
        if matches!(rv.ty, Ty::ANY_INT | Ty::ANY_FLOAT | Ty::NULL) && !(ty == ValueType::I32 && rv.ty != Ty::ANY_FLOAT)
        {
            rv = self.coerce(rv, want, term.span)?;
        }
        let found = self.registers(rv.ty, term.span)?;
        if found != [ty] {
            return self.mismatch(term.span, want, rv.ty);
        }
        if like.is_none() && rv.ty != Ty::ANY_INT {
            *like = Some((ty, rv.ty));
        }
        let reg = self.reg(rv.parts[0], ty);
        if role == Role::Read {
            return Some(i64::from(reg));
        }
        let copy = self.fresh(ty);
        self.mov(copy, Part::Reg(reg));
        Some(i64::from(copy))
    }

    // ---- Functions --------------------------------------------------------------------------------------------------

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

    fn callee(&mut self, callee: &'a Term) -> Option<Callee<'a>> {
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

    fn results(&mut self, shape: &Shape, registers: Vec<Reg>) -> Results {
        let mut rest = registers.into_iter();
        let mut values = Vec::new();
        for ty in &shape.results {
            let count = self.c.types.registers(*ty, self.c.errors).map_or(0, |types| types.len());
            values.push(Rv { ty: *ty, parts: rest.by_ref().take(count).map(Part::Reg).collect() });
        }
        Results { values, error: shape.error.and_then(|ty| rest.next().map(|reg| (reg, ty))) }
    }

    fn call_generic(
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
    fn bind<'n>(&self, generics: &'n [crate::ast::Name], expr: &TypeExpr, ty: Ty, found: &mut HashMap<&'n str, Ty>) {
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

    /// The type that a term in square brackets names.
    fn type_of(&mut self, term: &'a Term) -> Option<Ty> {
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
            _ => return self.error(|| Diagnostic::new(term.span, "the name of a type belongs here")),
        };
        (ty != Ty::BAD).then_some(ty)
    }
}

pub(crate) fn list(registers: &[Reg]) -> Value {
    Value::List(registers.iter().map(|reg| i64::from(*reg)).collect())
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
