//! Statics: where they lie and what they begin with.

use limen_isa::module::DataSegment;

use super::compiler::Compiler;
use super::types::{Bindings, Int, Ty, Type};
use crate::ast::{Argument, Infix, Prefix, Static, Term, TermKind};
use crate::constants::{Constants, Value};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

/// One past the greatest address of home.
const HOME_END: u64 = 1 << 32;

/// Addresses below are left free, so that 0 can mean "none".
const FIRST_ADDRESS: u64 = 16;

/// The largest static that begins as something else than zero.
const MAX_INITIAL: u64 = 1 << 28;

impl<'a> Compiler<'_, 'a> {
    /// Gives each static its place, behind `end`.
    pub(crate) fn place_statics(&mut self, end: u64) {
        let mut next = end.max(FIRST_ADDRESS);
        for declared in &self.program.globals.statics {
            let ty = self.types.resolve(&declared.ty, &Bindings::new(), self.errors);
            let address = next.next_multiple_of(8);
            next = address.saturating_add(self.types.size(ty, self.errors));
            if next > HOME_END {
                self.errors.add(|| Diagnostic::new(declared.name.span, "this does not fit into home"));
                next = address;
            }
            self.statics.push((ty, address));
        }
        self.pool_start = if self.program.globals.uses_structures() { next.next_multiple_of(8) } else { end };
    }

    /// The bytes of the statics that do not begin as zero. The functions that are named there are values from then on.
    pub(crate) fn fill_statics(&mut self) {
        for (index, declared) in self.program.globals.statics.iter().enumerate() {
            let (ty, address) = self.statics[index];
            let Some(term) = &declared.value else { continue };
            if let Some(bytes) = self.initial(declared, term, ty) {
                self.filled.push(DataSegment { address: address as u32, bytes });
            }
        }
    }

    /// What home holds at first: statics and strings.
    pub(crate) fn segments(&mut self) -> Vec<DataSegment> {
        let mut segments = std::mem::take(&mut self.filled);
        if !self.pool.is_empty() {
            segments.push(DataSegment { address: self.pool_start as u32, bytes: self.pool.clone() });
        }
        segments.retain(|segment| !segment.bytes.is_empty());
        segments
    }

    fn initial(&mut self, declared: &'a Static, term: &'a Term, ty: Ty) -> Option<Vec<u8>> {
        if ty == Ty::BAD {
            return None;
        }
        if self.types.size(ty, self.errors) > MAX_INITIAL {
            self.errors.add(|| Diagnostic::new(declared.name.span, "this holds more than 256 MiB of data"));
            return None;
        }
        let mut bytes = Vec::new();
        self.put(term, ty, &mut bytes)?;
        Some(bytes)
    }

    fn refuse<T>(&mut self, span: Span, text: &str) -> Option<T> {
        self.errors.add(|| Diagnostic::new(span, text));
        None
    }

    fn put(&mut self, term: &'a Term, ty: Ty, bytes: &mut Vec<u8>) -> Option<()> {
        match (self.types.get(ty).clone(), &term.kind) {
            (_, TermKind::Bad) => return None,
            (Type::Array(element, count), TermKind::Array(terms)) => {
                if terms.len() != count as usize {
                    let text = format!("the array has {count} elements, {} are given", terms.len());
                    return self.refuse(term.span, &text);
                }
                for term in terms {
                    self.put(term, element, bytes)?;
                }
            }
            (Type::Array(Ty::U8, count), TermKind::Text(text)) => {
                if text.len() != count as usize {
                    let text = format!("the array has {count} bytes, the string {}", text.len());
                    return self.refuse(term.span, &text);
                }
                bytes.extend(text);
            }
            (Type::Slice(Ty::U8), TermKind::Text(text)) => {
                let address = self.string(text) as u32;
                bytes.extend(address.to_le_bytes());
                bytes.extend((text.len() as u32).to_le_bytes());
            }
            (Type::Struct(..), TermKind::Call(_, arguments)) => self.put_struct(term, ty, arguments, bytes)?,
            (Type::Bool, TermKind::Bool(truth)) => bytes.push(u8::from(*truth)),
            (Type::Address(_) | Type::Function(..) | Type::Ref(_), TermKind::Name(name)) if &**name == "null" => {
                bytes.extend([0; 4])
            }
            (Type::Function(params, results), TermKind::Name(name)) => {
                let Some((Symbol::Function(index), _)) = self.program.globals.get(name, term.span.file) else {
                    return self.refuse(term.span, "the name of a function belongs here");
                };
                if self.entries[index].shape.params != params || self.entries[index].shape.results != results {
                    return self.refuse(term.span, "this function has another type");
                }
                bytes.extend(self.function_value(index as u32).to_le_bytes());
            }
            (Type::Address(target), TermKind::Prefix(Prefix::AddressOf, of)) => {
                let TermKind::Name(name) = &of.kind else {
                    return self.refuse(of.span, "the name of a static belongs here");
                };
                match self.program.globals.get(name, of.span.file) {
                    Some((Symbol::Static(index), _)) if self.statics[index].0 == target => {
                        bytes.extend((self.statics[index].1 as u32).to_le_bytes());
                    }
                    _ => return self.refuse(of.span, "the name of a static of that type belongs here"),
                }
            }
            (Type::Enum(index), TermKind::Field(_, name)) => {
                let variants = self.types.variants(index, self.errors);
                let (int, found) = (variants.int, variants.values.iter().find(|(variant, _)| *variant == name.text));
                let Some((_, number)) = found else { return self.refuse(name.span, "there is no such value") };
                bytes.extend(&number.to_le_bytes()[..usize::from(int.bits / 8)]);
            }
            (Type::F32, _) => bytes.extend((self.float(term)? as f32).to_le_bytes()),
            (Type::F64, _) => bytes.extend(self.float(term)?.to_le_bytes()),
            (Type::Int(int), _) => bytes.extend(&self.number(term, int)?.to_le_bytes()[..usize::from(int.bits / 8)]),
            (Type::BigEndian(int), _) => {
                bytes.extend(self.number(term, int)?.to_le_bytes()[..usize::from(int.bits / 8)].iter().rev());
            }
            _ => {
                let name = self.types.name(ty);
                return self.refuse(term.span, &format!("this is no constant of type {name}"));
            }
        }
        Some(())
    }

    fn put_struct(&mut self, term: &'a Term, ty: Ty, arguments: &'a [Argument], bytes: &mut Vec<u8>) -> Option<()> {
        let layout = self.types.layout(ty, self.errors);
        for argument in arguments {
            let name = argument.name.as_ref().map(|name| &*name.text);
            if !layout.members.iter().any(|member| Some(&*member.name) == name) {
                return self.refuse(argument.value.span, "there is no such field");
            }
        }
        for member in &layout.members {
            let given =
                arguments.iter().find(|argument| argument.name.as_ref().is_some_and(|name| name.text == member.name));
            match given {
                Some(argument) => self.put(&argument.value, member.ty, bytes)?,
                None => {
                    let size = self.types.size(member.ty, self.errors) as usize;
                    bytes.resize(bytes.len() + size, 0);
                }
            }
        }
        let _ = term;
        Some(())
    }

    fn number(&mut self, term: &'a Term, int: Int) -> Option<i128> {
        let number = self.evaluate(term)?;
        if number < int.min() || number > int.max() {
            return self.refuse(term.span, &format!("{number} does not fit here"));
        }
        Some(number)
    }

    fn float(&mut self, term: &'a Term) -> Option<f64> {
        match &term.kind {
            TermKind::Float(number) => Some(number.double),
            TermKind::Prefix(Prefix::Negate, of) => self.float(of).map(|number| -number),
            _ => self.evaluate(term).map(|number| number as f64),
        }
    }

    /// The value of a constant integer.
    fn evaluate(&mut self, term: &'a Term) -> Option<i128> {
        match &term.kind {
            TermKind::Integer(number) => Some(i128::from(*number)),
            TermKind::Name(name) => {
                let expr =
                    crate::ast::Expr { kind: crate::ast::ExprKind::Name(name.clone()), span: term.span, depth: 1 };
                let constants: &Constants<'_> = &self.program.constants;
                match constants.evaluate(&expr, self.errors)? {
                    Value::Integer(number) => Some(number),
                    _ => self.refuse(term.span, "an integer belongs here"),
                }
            }
            TermKind::Prefix(Prefix::Negate, of) => Some(-self.evaluate(of)?),
            TermKind::Prefix(Prefix::Complement, of) => Some(!self.evaluate(of)?),
            TermKind::Infix(infix, operands) => {
                let (a, b) = (self.evaluate(&operands.0)?, self.evaluate(&operands.1)?);
                let value = match infix {
                    Infix::Add => a.checked_add(b),
                    Infix::Subtract => a.checked_sub(b),
                    Infix::Multiply => a.checked_mul(b),
                    Infix::Divide => a.checked_div(b),
                    Infix::And => Some(a & b),
                    Infix::Or => Some(a | b),
                    Infix::Xor => Some(a ^ b),
                    Infix::ShiftLeft if (0..64).contains(&b) => a.checked_mul(1 << b),
                    Infix::ShiftRight if (0..128).contains(&b) => Some(a >> b),
                    _ => None,
                };
                value.or_else(|| self.refuse(term.span, "this has no constant value"))
            }
            _ => self.refuse(term.span, "a constant belongs here"),
        }
    }
}
