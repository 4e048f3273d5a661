//! Statements.

use std::collections::HashMap;

use indexmap::IndexMap;
use limen_isa::codec::Value;
use limen_isa::{Flow, List, Opcode, OperandKind, Role, ValueType};

use super::calls::Results;
use super::code::{Label, Reg};
use super::lower::{Local, Loop, Lower, Part, Rv, value, width};
use super::memory::{Place, at};
use super::types::{Int, Ty, Type};
use crate::ast::{
    Arm, Block, Catch, For, Infix, Instruction, Line, LineAnnotation, Name, Prefix, Statement, StatementKind, Term,
    TermKind,
};
use crate::body::{Encoder, Register};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn lines(&mut self, lines: &'a [Line]) {
        let mut told = false;
        for line in lines {
            if !self.reached && !told && !matches!(line, Line::Label(_) | Line::Annotation(_) | Line::Registers(_)) {
                let span = line_span(line);
                self.c.errors.add(|| Diagnostic::new(span, "this is never reached"));
                told = true;
            }
            self.line(line);
        }
        self.loop_name = None;
    }

    fn line(&mut self, line: &'a Line) {
        match line {
            Line::Statement(statement) => {
                self.span = statement.span;
                let _ = self.statement(statement);
                self.loop_name = None;
            }
            Line::Instruction(instruction) => {
                self.span = instruction.span;
                let _ = self.instruction(instruction);
            }
            Line::Label(name) => self.plain_label(name),
            Line::Registers(registers) => {
                let ty = self.c.types.resolve(&registers.ty, &self.bindings, self.c.errors);
                for name in &registers.names {
                    self.span = name.span;
                    let _ = self.zeroed(name, ty, registers.ty.span);
                }
            }
            Line::Annotation(LineAnnotation::Words(words)) => {
                let span = words.first().map_or(self.span, |word| word.span);
                self.c.errors.add(|| Diagnostic::new(span, "`@word` does not mix with the structured notation"));
            }
            Line::Annotation(_) => {}
        }
    }

    fn zeroed(&mut self, name: &'a Name, ty: Ty, span: Span) -> Option<()> {
        let zero = self.zero(ty, span)?;
        let types = self.registers(ty, span)?;
        let regs = self.fresh_all(&types);
        self.move_all(&regs, &zero);
        self.declare(name, Local { ty, regs, mutable: true, span: name.span, used: false, constant: None });
        Some(())
    }

    /// A block with its own names and deferred statements.
    pub(crate) fn block(&mut self, block: &'a Block) {
        self.scopes.push(Vec::new());
        let defers = self.defers.len();
        self.lines(&block.lines);
        self.leave(defers);
        self.defers.truncate(defers);
        self.close_scope();
    }

    /// Runs what was deferred since there were `defers` deferred blocks, if control comes here.
    fn leave(&mut self, defers: usize) {
        if !self.reached {
            return;
        }
        let all = self.defers.clone();
        for block in all[defers..].iter().rev() {
            // What the block itself defers belongs to it.
            let outer = std::mem::take(&mut self.defers);
            self.block(block);
            self.defers = outer;
        }
    }

    fn statement(&mut self, statement: &'a Statement) -> Option<()> {
        match &statement.kind {
            StatementKind::Local(local) => self.local(local, statement.span),
            StatementKind::Assign(places, values, catch) => self.assign(places, values, catch.as_ref(), statement.span),
            StatementKind::Update(infix, place, term) => self.update(*infix, place, term),
            StatementKind::Term(term, catch) => self.term_statement(term, catch.as_ref()),
            StatementKind::If(arms, last) => self.if_else(arms, last.as_ref()),
            StatementKind::While(condition, body) => self.while_loop(condition, body),
            StatementKind::Loop(body) => self.endless(body),
            StatementKind::For(of) => self.for_loop(of),
            StatementKind::Match(term, arms, _) => self.matched(term, arms, statement.span),
            StatementKind::Return(terms) => self.returned(terms, statement.span),
            StatementKind::Fail(term) => self.failed(term),
            StatementKind::Break(name) => self.jump_out(name.as_ref(), true, statement.span),
            StatementKind::Continue(name) => self.jump_out(name.as_ref(), false, statement.span),
            StatementKind::Defer(block) => {
                self.defers.push(block);
                Some(())
            }
            StatementKind::Assert(term, message) => self.asserted(term, message.as_ref().map(|text| &*text.bytes)),
        }
    }

    // ---- Locals and assignments -------------------------------------------------------------------------------------

    fn local(&mut self, local: &'a crate::ast::Local, span: Span) -> Option<()> {
        let mut types = Vec::new();
        for (_, expr) in &local.names {
            types.push(expr.as_ref().map(|expr| self.c.types.resolve(expr, &self.bindings, self.c.errors)));
        }
        if local.values.is_empty() {
            for ((name, expr), ty) in local.names.iter().zip(types) {
                match (ty, expr) {
                    (Some(ty), Some(expr)) if local.mutable => {
                        let _ = self.zeroed(name, ty, expr.span);
                    }
                    _ => {
                        return self
                            .error(|| Diagnostic::new(name.span, "this begins as nothing").help(["write ` = value`"]));
                    }
                }
            }
            return Some(());
        }
        let values = self.values(&local.values, local.catch.as_ref(), &types, local.names.len(), span);
        let Some(values) = values else {
            // The names are known none the less, so that their uses are no further errors.
            for ((name, _), ty) in local.names.iter().zip(types) {
                self.bad_local(name, ty);
            }
            return None;
        };
        for (((name, _), ty), rv) in local.names.iter().zip(types).zip(values) {
            let settled = match ty {
                Some(ty) => self.coerce(rv, ty, span),
                None => self.settle(rv, span),
            };
            match settled {
                Some(rv) => self.bound(name, rv, local.mutable)?,
                None => self.bad_local(name, ty),
            }
        }
        Some(())
    }

    fn bad_local(&mut self, name: &'a Name, ty: Option<Ty>) {
        let ty = ty.unwrap_or(Ty::BAD);
        let types = self.c.types.registers(ty, self.c.errors).unwrap_or_default();
        let regs = self.fresh_all(&types);
        self.declare(name, Local { ty, regs, mutable: true, span: name.span, used: true, constant: None });
    }

    fn bound(&mut self, name: &'a Name, rv: Rv, mutable: bool) -> Option<()> {
        let types = self.registers(rv.ty, name.span)?;
        let is_constant = rv.parts.iter().all(|part| !matches!(part, Part::Reg(_)));
        let constant = (is_constant && !mutable).then(|| rv.parts.clone());
        let regs = self.fresh_all(&types);
        // A constant of its own, not one that a loop shares.
        for (reg, part) in regs.iter().zip(&rv.parts) {
            self.mov(*reg, *part);
        }
        self.declare(name, Local { ty: rv.ty, regs, mutable, span: name.span, used: false, constant });
        Some(())
    }

    /// As many values as there are names for.
    fn values(
        &mut self,
        terms: &'a [Term],
        catch: Option<&'a Catch>,
        types: &[Option<Ty>],
        count: usize,
        span: Span,
    ) -> Option<Vec<Rv>> {
        let mut values = Vec::new();
        if let ([term], true) = (terms, catch.is_some() || count > 1) {
            values = self.several(term, catch, types)?;
        } else {
            let mut complete = true;
            for (index, term) in terms.iter().enumerate() {
                let want = types.get(index).copied().flatten();
                match self.term(term, want, None) {
                    Some(rv) => values.push(rv),
                    None => complete = false,
                }
            }
            if !complete {
                return None;
            }
        }
        if values.len() != count {
            let found = values.len();
            return self.error(|| {
                Diagnostic::new(span, "the numbers of names and values differ")
                    .label(format!("{count} names, {found} values"))
            });
        }
        Some(values)
    }

    /// The results of one call.
    fn several(&mut self, term: &'a Term, catch: Option<&'a Catch>, types: &[Option<Ty>]) -> Option<Vec<Rv>> {
        if let TermKind::Prefix(Prefix::Try, call) = &term.kind {
            return self.tried_results(call, None);
        }
        let Results { values, error } = self.any_call(term, None)?;
        match (error, catch) {
            (None, None) => Some(values),
            (Some(error), Some(catch)) => self.caught(values, error, catch, types),
            (Some(_), None) => self.error(|| {
                Diagnostic::new(term.span, "this call may fail").help(["write `try` before it, or `catch` behind it"])
            }),
            (None, Some(_)) => self.error(|| Diagnostic::new(term.span, "this cannot fail: there is nothing to catch")),
        }
    }

    fn caught(
        &mut self,
        mut values: Vec<Rv>,
        (error, ty): (Reg, Ty),
        catch: &'a Catch,
        types: &[Option<Ty>],
    ) -> Option<Vec<Rv>> {
        let on = self.label();
        self.emit("i32.br_eqi", vec![value(error), value(0), value(on)]);
        match catch {
            Catch::Value(term) => {
                let [rv] = values.as_mut_slice() else {
                    return self
                        .error(|| Diagnostic::new(term.span, "`catch` with a value takes the place of one result"));
                };
                let other = self.typed(term, rv.ty, None)?;
                for (to, part) in rv.parts.clone().into_iter().zip(other.parts) {
                    if let Part::Reg(to) = to {
                        self.mov(to, part);
                    }
                }
            }
            Catch::Block(name, block) => {
                self.scopes.push(Vec::new());
                if let Some(name) = name {
                    let regs = vec![error];
                    self.declare(
                        name,
                        Local { ty, regs, mutable: false, span: name.span, used: false, constant: None },
                    );
                }
                self.block(block);
                self.close_scope();
                if self.reached && !(values.is_empty() && types.is_empty()) {
                    let close = block.close;
                    self.c.errors.add(|| {
                        Diagnostic::new(close, "this block must not run off its end")
                            .note("there would be no value")
                            .help(["leave it with `return`, `fail`, `break`, `continue` or `panic`"])
                    });
                }
            }
        }
        self.place(on);
        Some(values)
    }

    fn assign(&mut self, places: &'a [Term], terms: &'a [Term], catch: Option<&'a Catch>, span: Span) -> Option<()> {
        if let ([place], [term], None) = (places, terms, catch) {
            let place = self.place_of(place)?;
            return self.assign_one(&place, term);
        }
        let mut found = Vec::new();
        let mut types = Vec::new();
        for term in places {
            let place = if matches!(&term.kind, TermKind::Name(name) if &**name == "_") {
                None
            } else {
                Some(self.place_of(term)?)
            };
            types.push(place.as_ref().map(|place| self.type_in(place)));
            found.push(place);
        }
        let values = self.values(terms, catch, &types, places.len(), span)?;
        let mut parts = Vec::new();
        for (rv, ty) in values.into_iter().zip(&types) {
            let rv = match ty {
                Some(ty) => self.coerce(rv, *ty, span)?,
                None => rv,
            };
            parts.push(self.copied(rv)?);
        }
        for (place, rv) in found.into_iter().zip(parts) {
            if let Some(place) = place {
                self.put(&place, &rv, span)?;
            }
        }
        Some(())
    }

    /// The value in registers of its own.
    fn copied(&mut self, rv: Rv) -> Option<Rv> {
        let types = self.registers(rv.ty, self.span)?;
        let regs = self.fresh_all(&types);
        self.move_all(&regs, &rv.parts);
        Some(Rv { ty: rv.ty, parts: regs.into_iter().map(Part::Reg).collect() })
    }

    fn assign_one(&mut self, place: &Place, term: &'a Term) -> Option<()> {
        let ty = self.type_in(place);
        let dest = if let Place::Registers { regs, .. } = place { Some(regs.as_slice()) } else { None };
        let mut rv = self.typed(term, ty, dest)?;
        if rv.parts.len() > 1 && dest.is_some() {
            let same = dest.is_some_and(|dest| {
                dest.iter().zip(&rv.parts).all(|(to, part)| matches!(part, Part::Reg(from) if from == to))
            });
            if !same {
                rv = self.copied(rv)?;
            }
        }
        self.put(place, &rv, term.span)
    }

    fn type_in(&mut self, place: &Place) -> Ty {
        match place {
            Place::Registers { ty, .. } => *ty,
            Place::Memory(memory) => self.c.types.value_of(memory.ty),
        }
    }

    fn put(&mut self, place: &Place, rv: &Rv, span: Span) -> Option<()> {
        match place {
            Place::Memory(memory) => self.store(*memory, &rv.parts, span),
            Place::Registers { regs, .. } => {
                self.move_all(regs, &rv.parts);
                regs.iter().for_each(|reg| self.changes(*reg));
                Some(())
            }
        }
    }

    /// A place that can be assigned.
    fn place_of(&mut self, term: &'a Term) -> Option<Place> {
        // An assignment alone is no use.
        let used =
            if let TermKind::Name(name) = &term.kind { self.locals.get(&**name).map(|local| local.used) } else { None };
        let place = self.find_place(term)?;
        if let (TermKind::Name(name), Some(used)) = (&term.kind, used)
            && let Some(local) = self.locals.get_mut(&**name)
        {
            local.used = used;
        }
        match place {
            Some(Place::Registers { mutable: false, .. }) => {
                self.error(|| Diagnostic::new(term.span, "this cannot be assigned").help(["declare it with `var`"]))
            }
            Some(place) => Some(place),
            None if matches!(term.kind, TermKind::Bad) => None,
            None => {
                let TermKind::Name(name) = &term.kind else {
                    return self.error(|| Diagnostic::new(term.span, "this cannot be assigned"));
                };
                let help = crate::suggest::similar(name, self.locals.keys().copied());
                self.error(|| {
                    Diagnostic::new(term.span, format!("there is no `{name}` to assign"))
                        .help(help.or(Some(format!("declare it: `var {name} = ...`"))))
                })
            }
        }
    }

    fn update(&mut self, infix: Infix, place: &'a Term, term: &'a Term) -> Option<()> {
        let span = place.span;
        let target = self.place_of(place)?;
        let old = self.load(&target, span, None)?;
        let ty = self.type_in(&target);
        let dest = match &target {
            Place::Registers { regs, .. } if regs.len() == 1 => Some(regs[0]),
            _ => None,
        };
        let rv = self.term(term, Some(ty), None)?;
        let result =
            self.operate(infix, (old, span), (rv, term.span), Some(ty), dest.filter(|_| self.is_full(ty)), span)?;
        let result = self.narrowed(result, ty, span)?;
        self.put(&target, &result, span)
    }

    /// Whether results of arithmetic have the type itself.
    fn is_full(&self, ty: Ty) -> bool {
        self.c.types.int(ty).is_none_or(|int| int.bits >= 32)
    }

    /// The result of `a += b` for a narrow `a`, which must fit it again.
    fn narrowed(&mut self, rv: Rv, ty: Ty, span: Span) -> Option<Rv> {
        let (Some(from), Some(to)) = (self.c.types.int(rv.ty), self.c.types.int(ty)) else {
            return self.coerce(rv, ty, span);
        };
        if to.bits >= 32 || rv.ty == ty {
            return self.coerce(rv, ty, span);
        }
        let out = self.trap("the number does not fit its type");
        let part = rv.parts[0];
        if from.signed {
            self.branch_integers(width(from), true, Infix::Less, part, Part::Int(to.min()), out);
        }
        self.branch_integers(width(from), from.signed, Infix::Greater, part, Part::Int(to.max()), out);
        Some(Rv::one(ty, part))
    }

    fn term_statement(&mut self, term: &'a Term, catch: Option<&'a Catch>) -> Option<()> {
        let values = self.several(term, catch, &[])?;
        if !values.is_empty() && values.iter().any(|rv| rv.ty != Ty::BAD) {
            return self.error(|| {
                Diagnostic::new(term.span, "the result of this call is not used").help(["take it with `let _ = ...`"])
            });
        }
        Some(())
    }

    // ---- Control ----------------------------------------------------------------------------------------------------

    fn if_else(&mut self, arms: &'a [(Term, Block)], last: Option<&'a Block>) -> Option<()> {
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

    fn while_loop(&mut self, condition: &'a Term, body: &'a Block) -> Option<()> {
        let begun = self.begin_hoist();
        let (again, out) = self.open_loop();
        let top = self.label();
        let _ = self.branch(condition, out, false);
        let errors = self.c.errors.mark();
        let known = self.kept_facts(body);
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
        self.end_hoist(begun);
        Some(())
    }

    /// What the condition of a loop says that holds at the start of each round.
    fn kept_facts(&mut self, _body: &'a Block) -> Vec<(Reg, super::lower::Bound)> {
        // The condition is looked at right before the body in each round, so all that it says holds there; what was known
        // before the loop may not.
        std::mem::take(&mut self.facts)
    }

    fn endless(&mut self, body: &'a Block) -> Option<()> {
        let begun = self.begin_hoist();
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
        self.end_hoist(begun);
        Some(())
    }

    fn for_loop(&mut self, of: &'a For) -> Option<()> {
        let begun = self.begin_hoist();
        let done = match &of.to {
            Some(to) => self.for_range(of, to),
            None => self.for_slice(of),
        };
        self.end_hoist(begun);
        done
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
            if let (Part::Reg(bound), false) = (end, int.signed) {
                lower.facts.push((counter, super::lower::Bound::Reg(bound)));
            }
            if let (Part::Int(bound), true) = (end, matches!(from.parts[0], Part::Int(0..))) {
                lower.facts.push((counter, super::lower::Bound::Int(bound)));
            }
            lower.block(&of.body);
        });
        Some(())
    }

    /// A part that does not change while a loop runs.
    fn steady(&mut self, part: Part, family: ValueType) -> Part {
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
    fn count(&mut self, counter: Reg, end: Part, family: ValueType, signed: bool, body: impl FnOnce(&mut Self)) {
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

    fn jump_out(&mut self, name: Option<&Name>, out: bool, span: Span) -> Option<()> {
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

    fn matched(&mut self, term: &'a Term, arms: &'a [Arm], span: Span) -> Option<()> {
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

    // ---- Leaving ----------------------------------------------------------------------------------------------------

    fn returned(&mut self, terms: &'a [Term], span: Span) -> Option<()> {
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

    fn failed(&mut self, term: &'a Term) -> Option<()> {
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

    fn asserted(&mut self, term: &'a Term, message: Option<&[u8]>) -> Option<()> {
        let text = match message {
            Some(message) => format!("assertion failed: {}", String::from_utf8_lossy(message)),
            None => "assertion failed".into(),
        };
        let out = self.trap(&text);
        self.branch(term, out, false)
    }

    // ---- Lines of the instruction notation --------------------------------------------------------------------------

    fn plain_label(&mut self, name: &'a Name) {
        self.loop_name = Some(&name.text);
        let new = self.label();
        let (label, wanted) = *self.labels.entry(&name.text).or_insert((new, None));
        if wanted.is_none() && label != new {
            self.c.errors.add(|| Diagnostic::new(name.span, format!("label `{}` is declared twice", name.text)));
            return;
        }
        self.labels.insert(&name.text, (label, None));
        let reached = self.reached;
        self.place(label);
        self.reached = reached || self.plain_labels;
    }

    fn instruction(&mut self, instruction: &'a Instruction) -> Option<()> {
        let mut registers: IndexMap<&'a str, Register> = IndexMap::new();
        for (name, local) in &mut self.locals {
            let [number] = local.regs.as_slice() else { continue };
            let ty = self.code.registers[*number as usize];
            registers.insert(name, Register { number: *number as usize, ty, declared: local.span });
        }
        let (program, errors) = (self.c.program, &mut *self.c.errors);
        let mut encoder = Encoder::of_line(program, self.function, &self.shape.signature, registers, errors);
        let (resolved, branches) = encoder.resolve(instruction)?;
        self.note_uses(instruction);
        let row = resolved.opcode.row();
        let mut values = resolved.values;
        let mut targets = branches.into_iter();
        for (operand, given) in row.operands.iter().zip(&mut values) {
            match (operand.kind, given) {
                (OperandKind::Label, Value::Integer(label)) => {
                    *label = targets.next().map_or(0, |(name, span)| i64::from(self.target(name, span)));
                }
                (OperandKind::List(List::Targets), Value::List(labels)) => {
                    for label in labels {
                        *label = targets.next().map_or(0, |(name, span)| i64::from(self.target(name, span)));
                    }
                }
                _ => {}
            }
        }
        self.emit_opcode(resolved.opcode, values);
        self.check_written(instruction);
        self.reached = row.flow != Flow::Terminator;
        Some(())
    }

    fn target(&mut self, name: &'a str, span: Span) -> Label {
        let new = self.label();
        self.labels.entry(name).or_insert((new, Some(span))).0
    }

    /// Registers that the line names are used.
    fn note_uses(&mut self, instruction: &'a Instruction) {
        let names = crate::body::names(instruction);
        for name in names {
            if let Some(local) = self.locals.get_mut(name) {
                local.used = true;
            }
        }
    }

    /// Results of an instruction go to a `var`.
    fn check_written(&mut self, instruction: &'a Instruction) {
        let mut written = Vec::new();
        if let Some(super::code::Item::Inst(inst)) = self.code.items.last_mut() {
            inst.registers(|used| {
                if used.writes {
                    written.push(*used.register as Reg);
                }
            });
        }
        for reg in written {
            self.changes(reg);
            let fixed = self.locals.values().any(|local| !local.mutable && local.regs.contains(&reg));
            if fixed {
                self.c.errors.add(|| {
                    Diagnostic::new(instruction.span, "this changes what was declared with `let`")
                        .help(["declare it with `var`"])
                });
            }
        }
        let _ = (Opcode::Nop, Role::Read);
    }
}

fn line_span(line: &Line) -> Span {
    match line {
        Line::Statement(statement) => statement.span,
        Line::Instruction(instruction) => instruction.span,
        Line::Label(name) => name.span,
        Line::Registers(registers) => registers.ty.span,
        Line::Annotation(_) => Span::default(),
    }
}
