//! `match`.

use std::collections::HashMap;

use super::code::{Label, Reg};
use super::lower::{Lower, Part, value, width};
use super::types::{Int, Ty, Type};
use crate::ast::{Arm, Infix, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn matched(&mut self, term: &'a Term, arms: &'a [Arm], span: Span) -> Option<()> {
        let rv = self.term(term, None, None)?;
        let rv = self.settle(rv, term.span)?;
        let variants = match self.ty(rv.ty) {
            Type::Enum(index) => Some(self.c.types.variants(index, self.c.errors).values.clone()),
            Type::Bool => Some(vec![("false".into(), 0), ("true".into(), 1)]),
            Type::Int(_) => None,
            _ => {
                let name = self.c.types.name(rv.ty);
                return self.error(|| Diagnostic::new(term.span, format!("{name} cannot be matched")));
            }
        };
        let int = self.c.types.int(rv.ty).unwrap_or(Int::I32);
        let family = width(int);
        let reg = self.reg(rv.parts[0], family);
        let subject = match self.steady(Part::Reg(reg), family) {
            Part::Reg(reg) => reg,
            _ => reg,
        };
        let end = self.label();
        let (mut seen, mut ends, mut rest) = (HashMap::new(), false, false);
        for arm in arms {
            if rest {
                self.c.errors.add(|| Diagnostic::new(arm.span, "this arm is never reached"));
                break;
            }
            let next = self.label();
            self.span = arm.span;
            if arm.patterns.is_empty() {
                rest = true;
            } else {
                self.patterns(arm, rv.ty, (subject, int), variants.as_deref(), &mut seen, next);
            }
            let exhausted =
                variants.as_ref().is_some_and(|all| all.iter().all(|(_, number)| seen.contains_key(number)));
            self.block(&arm.body);
            if self.reached {
                self.jump(end);
                ends = true;
            }
            if exhausted && !rest {
                rest = true;
                self.place(next);
                self.reached = false;
                break;
            }
            if !arm.patterns.is_empty() {
                self.place(next);
            }
        }
        if !rest {
            self.missing(variants.as_deref(), &seen, span);
        }
        let on = self.reached;
        // Numbers that are no value of the enumeration come here.
        if rest && !on {
            let is_open = variants.is_some();
            if is_open && arms.last().is_some_and(|arm| !arm.patterns.is_empty()) {
                self.span = span;
                let out = self.trap("the value is none of its enumeration");
                self.emit("jump", vec![value(out)]);
            }
        }
        if ends {
            self.place(end);
        } else {
            self.reached = false;
        }
        Some(())
    }

    fn missing(&mut self, variants: Option<&[(Box<str>, i128)]>, seen: &HashMap<i128, Span>, span: Span) {
        let names: Vec<_> = variants
            .unwrap_or_default()
            .iter()
            .filter(|(_, number)| !seen.contains_key(number))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        self.c.errors.add(|| {
            let diagnostic = Diagnostic::new(Span { end: span.start + 5, ..span }, "this match misses values");
            if names.is_empty() { diagnostic.help(["add `else =>`"]) } else { diagnostic.label(names.join(", ")) }
        });
    }

    fn patterns(
        &mut self,
        arm: &'a Arm,
        ty: Ty,
        (subject, int): (Reg, Int),
        variants: Option<&[(Box<str>, i128)]>,
        seen: &mut HashMap<i128, Span>,
        next: Label,
    ) {
        let body = self.label();
        let last = arm.patterns.len() - 1;
        for (index, (from, to)) in arm.patterns.iter().enumerate() {
            let from_number = self.pattern(from, ty, variants);
            let to_number = to.as_ref().map(|to| self.pattern(to, ty, variants));
            let (Some(a), Some(b)) = (from_number, to_number.unwrap_or(from_number)) else { continue };
            if let (None, Some(_)) = (to, seen.insert(a, from.span)) {
                self.c.errors.add(|| Diagnostic::new(from.span, "this value has an arm already"));
            }
            let (family, p) = (width(int), Part::Reg(subject));
            let is_last = index == last;
            if a == b {
                let (infix, label) = if is_last { (Infix::NotEqual, next) } else { (Infix::Equal, body) };
                self.branch_integers(family, int.signed, infix, p, Part::Int(a), label);
                continue;
            }
            let miss = if is_last { next } else { self.label() };
            self.branch_integers(family, int.signed, Infix::Less, p, Part::Int(a), miss);
            if is_last {
                self.branch_integers(family, int.signed, Infix::Greater, p, Part::Int(b), next);
            } else {
                self.branch_integers(family, int.signed, Infix::LessEqual, p, Part::Int(b), body);
                self.place(miss);
            }
        }
        self.place(body);
    }

    /// The number of a pattern: a constant, or the name of a value.
    fn pattern(&mut self, term: &'a Term, ty: Ty, variants: Option<&[(Box<str>, i128)]>) -> Option<i128> {
        if let (TermKind::Name(name), Some(variants)) = (&term.kind, variants) {
            if let Some((_, number)) = variants.iter().find(|(variant, _)| variant == name) {
                return Some(*number);
            }
            let help = crate::suggest::similar(name, variants.iter().map(|(name, _)| &**name));
            let owner = self.c.types.name(ty);
            return self.error(|| Diagnostic::new(term.span, format!("{owner} has no value `{name}`")).help(help));
        }
        match self.typed(term, ty, None)?.parts[0] {
            Part::Int(number) => Some(number),
            _ => self.error(|| Diagnostic::new(term.span, "a constant belongs here")),
        }
    }
}
