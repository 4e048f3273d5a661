//! Conditions and loops.

use limen_isa::ValueType;

use super::code::{Label, Reg};
use super::lower::{Local, Loop, Lower, Part, value, width};
use super::memory::{Place, at};
use super::types::Ty;
use crate::ast::{Block, For, Infix, Name, Term};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn if_else(&mut self, arms: &'a [(Term, Block)], last: Option<&'a Block>) -> Option<()> {
        let end = self.label();
        let mut ends = false;
        for (index, (condition, block)) in arms.iter().enumerate() {
            self.span = condition.span;
            let next = self.label();
            let facts = self.facts.clone();
            let _ = self.branch(condition, next, false);
            self.block(block);
            let more = index + 1 < arms.len() || last.is_some();
            if self.reached && more {
                self.jump(end);
                ends = true;
            } else if self.reached {
                ends = true;
            }
            let survived: Vec<_> = if self.reached { Vec::new() } else { facts };
            self.place(next);
            // Where the block was left, what was known before it still is.
            self.facts = survived;
        }
        if let Some(block) = last {
            self.block(block);
            let on = self.reached;
            if ends {
                self.place(end);
            }
            self.reached = on || ends;
        } else {
            self.place(end);
        }
        Some(())
    }

    fn open_loop(&mut self) -> (Label, Label) {
        let (again, out) = (self.label(), self.label());
        let name = self.loop_name.take();
        let defers = self.defers.len();
        self.loops.push(Loop { name, again, out, defers, broken: false });
        (again, out)
    }

    pub(crate) fn while_loop(&mut self, condition: &'a Term, body: &'a Block) -> Option<()> {
        let (again, out) = self.open_loop();
        let top = self.label();
        // What was known before the loop may not hold in its later rounds; what the condition says does.
        self.facts.clear();
        let _ = self.branch(condition, out, false);
        let errors = self.c.errors.mark();
        let known = std::mem::take(&mut self.facts);
        self.place(top);
        self.facts = known;
        self.block(body);
        self.place(again);
        self.span = condition.span;
        // The condition is checked twice, and its errors are told once.
        if errors == self.c.errors.mark() {
            let _ = self.branch(condition, top, true);
        }
        self.loops.pop();
        self.place(out);
        Some(())
    }

    pub(crate) fn endless(&mut self, body: &'a Block) -> Option<()> {
        let (again, out) = self.open_loop();
        self.place(again);
        self.block(body);
        if self.reached {
            self.jump(again);
        }
        let broken = self.loops.pop().is_some_and(|of| of.broken);
        if broken {
            self.place(out);
        }
        Some(())
    }

    pub(crate) fn for_loop(&mut self, of: &'a For) -> Option<()> {
        match &of.to {
            Some(to) => self.for_range(of, to),
            None => self.for_slice(of),
        }
    }

    fn for_range(&mut self, of: &'a For, to: &'a Term) -> Option<()> {
        let [name] = of.names.as_slice() else {
            return self.error(|| Diagnostic::new(of.from.span, "a range has one name"));
        };
        let (from, end) = (self.term(&of.from, None, None)?, self.term(to, None, None)?);
        let ty = match (from.ty, end.ty) {
            (Ty::ANY_INT, Ty::ANY_INT) => Ty::I32,
            (Ty::ANY_INT, ty) | (ty, _) => ty,
        };
        let ty = self.promoted(ty);
        let (from, end) = (self.coerce(from, ty, of.from.span)?, self.coerce(end, ty, to.span)?);
        let Some(int) = self.c.types.int(ty) else { return self.mismatch(of.from.span, Ty::U32, ty) };
        let family = width(int);
        let counter = self.fresh(family);
        self.mov(counter, from.parts[0]);
        let end = self.steady(end.parts[0], family);
        self.count(counter, end, family, int.signed, |lower| {
            let local = Local { ty, regs: vec![counter], mutable: false, span: name.span, used: false, constant: None };
            lower.declare(name, local);
            let counts_up_from_zero = matches!(from.parts[0], Part::Int(0..));
            match end {
                Part::Reg(bound) if counts_up_from_zero || !int.signed => {
                    lower.facts.push((counter, super::lower::Bound::Reg(bound)));
                }
                Part::Int(bound) if counts_up_from_zero || !int.signed => {
                    lower.facts.push((counter, super::lower::Bound::Int(bound)));
                }
                _ => {}
            }
            lower.block(&of.body);
        });
        Some(())
    }

    /// A part that does not change while a loop runs.
    pub(crate) fn steady(&mut self, part: Part, family: ValueType) -> Part {
        let Part::Reg(reg) = part else { return part };
        let changes = self.locals.values().any(|local| local.mutable && local.regs.contains(&reg));
        if !changes {
            return part;
        }
        let copy = self.fresh(family);
        self.mov(copy, part);
        Part::Reg(copy)
    }

    /// A loop that counts a register up to its end.
    pub(crate) fn count(
        &mut self,
        counter: Reg,
        end: Part,
        family: ValueType,
        signed: bool,
        body: impl FnOnce(&mut Self),
    ) {
        let (again, out) = self.open_loop();
        let top = self.label();
        self.branch_integers(family, signed, Infix::GreaterEqual, Part::Reg(counter), end, out);
        self.place(top);
        self.scopes.push(Vec::new());
        body(self);
        self.close_scope();
        self.place(again);
        self.emit(&format!("{family}.addi"), vec![value(counter), value(counter), value(1)]);
        self.branch_integers(family, signed, Infix::Less, Part::Reg(counter), end, top);
        self.loops.pop();
        self.place(out);
    }

    fn for_slice(&mut self, of: &'a For) -> Option<()> {
        let (index_name, element_name) = match of.names.as_slice() {
            [element] => (None, element),
            [index, element] => (Some(index), element),
            _ => return self.error(|| Diagnostic::new(of.from.span, "one or two names belong before `in`")),
        };
        let (element, address, len) = self.whole_slice(&of.from, of.from.span)?;
        let address = self.steady(address, ValueType::I32);
        let len = self.steady(len, ValueType::I32);
        let counter = self.fresh(ValueType::I32);
        self.mov(counter, Part::Int(0));
        self.count(counter, len, ValueType::I32, false, |lower| {
            if let Some(name) = index_name {
                let local = Local {
                    ty: Ty::U32,
                    regs: vec![counter],
                    mutable: false,
                    span: name.span,
                    used: false,
                    constant: None,
                };
                lower.declare(name, local);
            }
            if let Part::Reg(bound) = len {
                lower.facts.push((counter, super::lower::Bound::Reg(bound)));
            }
            lower.span = of.from.span;
            let loaded = lower
                .element(at(element, address), element, Part::Reg(counter))
                .and_then(|memory| lower.load(&Place::Memory(memory), of.from.span, None));
            if let Some(rv) = loaded {
                let regs = rv.parts.iter().filter_map(|part| if let Part::Reg(reg) = part { Some(*reg) } else { None });
                let regs = regs.collect();
                let span = element_name.span;
                lower.declare(
                    element_name,
                    Local { ty: rv.ty, regs, mutable: false, span, used: false, constant: None },
                );
            }
            lower.block(&of.body);
        });
        Some(())
    }

    pub(crate) fn jump_out(&mut self, name: Option<&Name>, out: bool, span: Span) -> Option<()> {
        let found = match name {
            Some(name) => self.loops.iter().rposition(|of| of.name == Some(&*name.text)),
            None => self.loops.len().checked_sub(1),
        };
        let Some(index) = found else {
            let text =
                name.map_or_else(|| "there is no loop here".into(), |name| format!("there is no loop `{}`", name.text));
            return self.error(|| Diagnostic::new(span, text));
        };
        self.leave(self.loops[index].defers);
        let of = &mut self.loops[index];
        of.broken |= out;
        let label = if out { of.out } else { of.again };
        self.jump(label);
        Some(())
    }
}
