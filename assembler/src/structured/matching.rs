//! `match`.

use std::collections::HashSet;

use limen_isa::ValueType;
use limen_isa::codec::Value;

use super::code::{Label, Reg};
use super::lower::{Lower, Part, value, width};
use super::types::{Int, Ty, Type};
use crate::ast::{Arm, Infix, Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Fewer arms than this are compared with one after the other.
const MIN_ARMS: usize = 5;

/// A table has at most so many targets.
const MAX_TARGETS: i128 = 512;

/// A table begins at 0 if no more targets than this stand there for nothing.
const MAX_UNUSED: i128 = 8;

/// The numbers that arms are for.
#[derive(Default)]
struct Covered {
    numbers: HashSet<i128>,
    ranges: Vec<(i128, i128)>,
}

impl Covered {
    fn add(&mut self, (first, last): (i128, i128)) {
        if first == last {
            self.numbers.insert(first);
        } else {
            self.ranges.push((first, last));
        }
    }

    /// Whether there is an arm for all of these numbers; of several that only have one together it is not said.
    fn contains(&self, (first, last): (i128, i128)) -> bool {
        (first == last && self.numbers.contains(&first))
            || self.ranges.iter().any(|range| range.0 <= first && last <= range.1)
    }
}

/// Where a table of targets leads.
struct JumpTable {
    /// To each arm.
    arms: Vec<Label>,
    /// For all other numbers.
    rest: Label,
}

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
        let mut seen = Covered::default();
        let ranges: Vec<Vec<(i128, i128)>> =
            arms.iter().map(|arm| self.ranges(arm, rv.ty, variants.as_deref(), &mut seen)).collect();
        let table = self.jump_table(subject, int, &ranges);
        let end = self.label();
        let (mut covered, mut ends, mut rest) = (Covered::default(), false, false);
        for (number, (arm, ranges)) in arms.iter().zip(&ranges).enumerate() {
            if rest {
                self.c.errors.add(|| Diagnostic::new(arm.span, "this arm is never reached"));
                break;
            }
            let next = self.label();
            self.span = arm.span;
            rest = arm.patterns.is_empty();
            match &table {
                Some(table) => self.place(if rest { table.rest } else { table.arms[number] }),
                None if rest => {}
                None => self.patterns(ranges, (subject, int), next),
            }
            ranges.iter().for_each(|range| covered.add(*range));
            let is_covered = |number: i128| covered.contains((number, number));
            let exhausted = variants.as_ref().is_some_and(|all| all.iter().all(|(_, number)| is_covered(*number)));
            self.block(&arm.body);
            if self.reached {
                self.jump(end);
                ends = true;
            }
            if exhausted && !rest {
                rest = true;
                self.place(table.as_ref().map_or(next, |table| table.rest));
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
        // What comes behind a match that misses values is not to blame for that.
        if ends || !rest {
            self.place(end);
        } else {
            self.reached = false;
        }
        Some(())
    }

    fn missing(&mut self, variants: Option<&[(Box<str>, i128)]>, seen: &Covered, span: Span) {
        let names: Vec<_> = variants
            .unwrap_or_default()
            .iter()
            .filter(|(_, number)| !seen.contains((*number, *number)))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        self.c.errors.add(|| {
            let diagnostic = Diagnostic::new(Span { end: span.start + 5, ..span }, "this match misses values");
            if names.is_empty() { diagnostic.help(["add `else =>`"]) } else { diagnostic.label(names.join(", ")) }
        });
    }

    /// What an arm's patterns cover: the first and the last number of each.
    fn ranges(
        &mut self,
        arm: &'a Arm,
        ty: Ty,
        variants: Option<&[(Box<str>, i128)]>,
        seen: &mut Covered,
    ) -> Vec<(i128, i128)> {
        let mut ranges = Vec::new();
        for (from, to) in &arm.patterns {
            let first = self.pattern(from, ty, variants);
            let last = to.as_ref().map(|to| self.pattern(to, ty, variants));
            let (Some(first), Some(last)) = (first, last.unwrap_or(first)) else { continue };
            let span = to.as_ref().map_or(from.span, |to| from.span.to(to.span));
            if first > last {
                self.c.errors.add(|| Diagnostic::new(span, "this range is empty"));
            } else if seen.contains((first, last)) {
                let what = if to.is_some() { "these values have" } else { "this value has" };
                self.c.errors.add(|| Diagnostic::new(span, format!("{what} an arm already")));
            }
            seen.add((first, last));
            ranges.push((first, last));
        }
        ranges
    }

    /// Goes to `next` unless the subject is in one of the ranges, by comparing.
    fn patterns(&mut self, ranges: &[(i128, i128)], (subject, int): (Reg, Int), next: Label) {
        let body = self.label();
        let (family, p) = (width(int), Part::Reg(subject));
        for (index, (a, b)) in ranges.iter().copied().enumerate() {
            let is_last = index + 1 == ranges.len();
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

    /// Goes to the right arm by a table, where the numbers are many and lie close together.
    fn jump_table(&mut self, subject: Reg, int: Int, ranges: &[Vec<(i128, i128)>]) -> Option<JumpTable> {
        let all = ranges.iter().flatten();
        let (first, last) = (all.clone().map(|range| range.0).min()?, all.clone().map(|range| range.1).max()?);
        // A few unused targets at the beginning are cheaper than a subtraction.
        let first = if (0..=MAX_UNUSED).contains(&first) { 0 } else { first };
        let count: i128 = all.map(|(first, last)| (last - first + 1).max(0)).sum();
        let span = last - first + 1;
        let fits = int.bits <= 32 && (-(1 << 22)..1 << 22).contains(&first) && span <= MAX_TARGETS;
        if !fits || ranges.len() < MIN_ARMS || count < MIN_ARMS as i128 || span > 3 * count {
            return None;
        }
        let rest = self.label();
        let arms: Vec<Label> = ranges.iter().map(|_| self.label()).collect();
        let mut targets = vec![None; span as usize];
        for (ranges, arm) in ranges.iter().zip(&arms) {
            for number in ranges.iter().flat_map(|(a, b)| *a..=*b) {
                targets[(number - first) as usize].get_or_insert(*arm);
            }
        }
        let mut targets: Vec<i64> = targets.into_iter().map(|target| i64::from(target.unwrap_or(rest))).collect();
        targets.push(i64::from(rest));
        let index = match first {
            0 => subject,
            _ => self.op("i32.addi", ValueType::I32, None, &[i64::from(subject), -(first as i64)]),
        };
        self.emit("br_table", vec![value(index), Value::List(targets)]);
        self.reached = false;
        Some(JumpTable { arms, rest })
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
