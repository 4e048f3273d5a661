//! What ends a function.

use limen_isa::ValueType;

use super::code::Reg;
use super::lower::{Lower, Part, Rv};
use crate::ast::Term;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn returned(&mut self, terms: &'a [Term], span: Span) -> Option<()> {
        let wanted = self.shape.results.clone();
        let mut regs = Vec::new();
        if let ([term], true) = (terms, wanted.len() > 1) {
            let values = self.several(term, None, &[])?;
            if values.len() != wanted.len() {
                return self.wrong_results(wanted.len(), values.len(), span);
            }
            for (rv, ty) in values.into_iter().zip(&wanted) {
                let rv = self.coerce(rv, *ty, span)?;
                regs.extend(self.in_registers(rv)?);
            }
        } else {
            if terms.len() != wanted.len() {
                self.reached = false;
                return self.wrong_results(wanted.len(), terms.len(), span);
            }
            let mut values = Vec::new();
            for (term, ty) in terms.iter().zip(&wanted) {
                values.push(self.typed(term, *ty, None));
            }
            for rv in values {
                let Some(rv) = rv else {
                    self.reached = false;
                    return None;
                };
                regs.extend(self.in_registers(rv)?);
            }
        }
        if !self.defers.is_empty() {
            let types: Vec<_> = regs.iter().map(|reg| self.code.registers[*reg as usize]).collect();
            let copies = self.fresh_all(&types);
            regs.iter().zip(&copies).for_each(|(from, to)| self.mov(*to, Part::Reg(*from)));
            regs = copies;
        }
        self.leave(0);
        self.give(regs);
        Some(())
    }

    fn in_registers(&mut self, rv: Rv) -> Option<Vec<Reg>> {
        let types = self.registers(rv.ty, self.span)?;
        Some(rv.parts.iter().zip(types).map(|(part, ty)| self.reg(*part, ty)).collect())
    }

    fn wrong_results<T>(&mut self, wanted: usize, found: usize, span: Span) -> Option<T> {
        let name = &self.function.name.text;
        self.error(|| {
            Diagnostic::new(span, format!("`{name}` gives {wanted} result{}", if wanted == 1 { "" } else { "s" }))
                .label(format!("{found} given"))
        })
    }

    pub(crate) fn failed(&mut self, term: &'a Term) -> Option<()> {
        let Some(ty) = self.shape.error else {
            self.reached = false;
            return self.error(|| {
                Diagnostic::new(term.span, "this function cannot fail")
                    .help(["let it give `-> T ! E` with the error's type"])
            });
        };
        let Some(rv) = self.typed(term, ty, None) else {
            self.reached = false;
            return None;
        };
        let error = self.reg(rv.parts[0], ValueType::I32);
        self.fail_with(error);
        Some(())
    }

    /// Ends the function with an error.
    pub(crate) fn fail_with(&mut self, error: Reg) {
        self.leave(0);
        let types = self.shape.signature.results.clone();
        let mut regs = Vec::new();
        for ty in &types[..types.len() - 1] {
            let zero = if *ty == ValueType::Ref { Part::Null } else { Part::Int(0) };
            regs.push(self.reg(zero, *ty));
        }
        regs.push(error);
        self.ret(&regs);
    }

    pub(crate) fn asserted(&mut self, term: &'a Term, message: Option<&[u8]>) -> Option<()> {
        let text = match message {
            Some(message) => format!("assertion failed: {}", String::from_utf8_lossy(message)),
            None => "assertion failed".into(),
        };
        let out = self.trap(&text);
        self.branch(term, out, false)
    }
}
