//! Statements.

use super::lower::Lower;
use super::types::Ty;
use crate::ast::{Block, Catch, Line, LineAnnotation, Statement, StatementKind, Term};
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
    pub(crate) fn leave(&mut self, defers: usize) {
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

    fn term_statement(&mut self, term: &'a Term, catch: Option<&'a Catch>) -> Option<()> {
        let values = self.several(term, catch, &[])?;
        if !values.is_empty() && values.iter().any(|rv| rv.ty != Ty::BAD) {
            return self.error(|| {
                Diagnostic::new(term.span, "the result of this call is not used").help(["take it with `let _ = ...`"])
            });
        }
        Some(())
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
