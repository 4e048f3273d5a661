//! Locals and assignments.

use super::calls::Results;
use super::code::Reg;
use super::lower::{Local, Lower, Part, Rv, value, width};
use super::memory::Place;
use super::types::Ty;
use crate::ast::{Catch, Infix, Name, Prefix, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn zeroed(&mut self, name: &'a Name, ty: Ty, span: Span) -> Option<()> {
        let zero = self.zero(ty, span)?;
        let types = self.registers(ty, span)?;
        let regs = self.fresh_all(&types);
        self.move_all(&regs, &zero);
        self.declare(name, Local { ty, regs, mutable: true, span: name.span, used: false, constant: None });
        Some(())
    }

    pub(crate) fn local(&mut self, local: &'a crate::ast::Local, span: Span) -> Option<()> {
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
    pub(crate) fn values(
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
    pub(crate) fn several(
        &mut self,
        term: &'a Term,
        catch: Option<&'a Catch>,
        types: &[Option<Ty>],
    ) -> Option<Vec<Rv>> {
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

    pub(crate) fn assign(
        &mut self,
        places: &'a [Term],
        terms: &'a [Term],
        catch: Option<&'a Catch>,
        span: Span,
    ) -> Option<()> {
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
    pub(crate) fn copied(&mut self, rv: Rv) -> Option<Rv> {
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

    pub(crate) fn put(&mut self, place: &Place, rv: &Rv, span: Span) -> Option<()> {
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

    pub(crate) fn update(&mut self, infix: Infix, place: &'a Term, term: &'a Term) -> Option<()> {
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
}
