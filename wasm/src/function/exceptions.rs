//! Exceptions: a function that can throw has one result more, which is the exception that it ended with, or 0. Who calls it
//! branches on that, to the innermost block that may catch it or to where the function itself ends with it.
//!
//! An exception is a word. Its low half says which tag, and whether the payload is *wide*; its high half is the payload,
//! if that is nothing or 32 bits. A wide payload lies in home, where there is one place for what is on its way. References
//! to exceptions are such words, too; the payload of one that code holds a reference to is copied to a place of its own,
//! which the high half then names.

use limen_isa::{Opcode, ValueType};
use wasmparser::{Catch, Operator, TryTable};

use super::Translator;
use super::control::Kind;
use crate::condition::{Condition, Right};
use crate::context::Trap;
use crate::emit::{Label, Register};
use crate::operators::{Relation, load_of, store_of};

/// Where exceptions go that are thrown in a block.
#[derive(Clone)]
pub(super) struct Handler {
    label: Label,
    /// Whether anything goes there.
    is_used: bool,
    /// What a `try_table` catches.
    catches: Vec<Catch>,
}

/// Code that is written behind the function: what an exception is compared with in turn.
pub(super) struct Dispatch {
    label: Label,
    clauses: Vec<Clause>,
    /// Where the exception goes if it is none of these; `None` if one takes all.
    next: Option<Label>,
}

struct Clause {
    /// `None` takes every exception.
    tag: Option<u32>,
    with_reference: bool,
    /// Where it goes, and how deep its payload lies there; `None` ends the function with it.
    target: Option<(Label, usize)>,
}

/// How a payload lies in an exception.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Payload {
    Nothing,
    /// One value of 32 bits.
    Narrow(ValueType),
    Wide,
}

impl Payload {
    pub(crate) fn of(types: &[crate::types::Type]) -> Self {
        match types {
            [] => Self::Nothing,
            [ty] if ty.size() == 4 => Self::Narrow(ty.register()),
            _ => Self::Wide,
        }
    }
}

impl Translator<'_> {
    #[inline(always)]
    pub(super) fn exceptional(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Throw { tag_index } => self.throw(*tag_index),
            Operator::ThrowRef => self.throw_reference(),
            Operator::Rethrow { relative_depth } => self.rethrow(*relative_depth),
            Operator::TryTable { try_table } => self.begin_try_table(try_table),
            Operator::Try { blockty } => {
                let handler = self.new_handler(Vec::new());
                self.begin_block(Kind::Try(handler), *blockty);
            }
            Operator::Catch { tag_index } => self.begin_catch(Some(*tag_index)),
            Operator::CatchAll => self.begin_catch(None),
            Operator::Delegate { relative_depth } => self.delegate(*relative_depth),
            _ => unreachable!("the validator knows no other operators"),
        }
    }

    fn new_handler(&mut self, catches: Vec<Catch>) -> Handler {
        Handler { label: self.code.label(), is_used: false, catches }
    }

    /// The register of the exception on its way.
    pub(super) fn exception(&mut self) -> Register {
        match self.exception {
            Some(register) => register,
            None => {
                let register = self.register(ValueType::I64);
                self.exception = Some(register);
                register
            }
        }
    }

    /// Where exceptions go that are thrown inside of so many frames, and whether that is out of the function.
    fn handler(&mut self, frames: usize) -> (Label, bool) {
        for frame in self.frames[..frames].iter_mut().rev() {
            if let Kind::Try(handler) = &mut frame.kind {
                handler.is_used = true;
                return (handler.label, false);
            }
        }
        let code = &mut self.code;
        (*self.propagation.get_or_insert_with(|| code.label()), true)
    }

    /// Branches if a call ended with an exception. Gives whether the function then ends, too, and nobody sees its locals.
    pub(super) fn look_for_exception(&mut self) -> bool {
        let exception = self.exception();
        let (label, is_outside) = self.handler(self.frames.len());
        Condition::is_not_zero(ValueType::I64, exception).branch(&mut self.code, label);
        is_outside
    }

    /// The exception on its way goes to its handler.
    fn raise(&mut self) {
        let (label, _) = self.handler(self.frames.len());
        self.code.jump(label);
        self.dead = Some(0);
    }

    fn payload(&self, tag: u32) -> Payload {
        Payload::of(&self.module.source.payload_of(tag).params)
    }

    /// The low half of exceptions of this tag.
    fn mark(&self, tag: u32) -> i64 {
        i64::from(tag + 1) << 1 | i64::from(self.payload(tag) == Payload::Wide)
    }

    fn throw(&mut self, tag: u32) {
        let (exception, mark) = (self.exception(), self.mark(tag));
        match self.payload(tag) {
            Payload::Nothing => self.constant(exception, ValueType::I64, mark as u64),
            Payload::Narrow(ty) => self.throw_narrow(ty, exception, mark),
            Payload::Wide => self.throw_wide(tag, exception, mark),
        }
        self.raise();
    }

    fn throw_narrow(&mut self, ty: ValueType, exception: Register, mark: i64) {
        let value = self.pop();
        let mut value = self.read(value, 0);
        if ty == ValueType::F32 {
            let bits = self.scratch(1, ValueType::I32);
            self.code.registers(Opcode::I32BitsF32, &[bits, value]);
            value = bits;
        }
        self.code.registers(Opcode::I64FromI32U, &[exception, value]);
        self.code.wide24(Opcode::I64Shli, exception, exception, 32);
        // There are at most a million tags.
        self.code.wide24(Opcode::I64Ori, exception, exception, mark as u32);
    }

    fn throw_wide(&mut self, tag: u32, exception: Register, mark: i64) {
        let source = &self.module.source;
        let types = &source.payload_of(tag).params;
        let values = self.read_many(types.len());
        let zero = self.zero(ValueType::I32);
        for ((ty, value), address) in types.iter().zip(values).zip(self.module.layout.exceptions.payload()) {
            self.code.wide24(store_of(ty.register()), zero, value, address);
        }
        self.constant(exception, ValueType::I64, mark as u64);
    }

    fn throw_reference(&mut self) {
        let reference = self.pop();
        let reference = self.read(reference, 0);
        let is_there = self.code.label();
        Condition::is_not_zero(ValueType::I64, reference).branch(&mut self.code, is_there);
        self.trap(Trap::NullException);
        self.code.bind(is_there);
        self.throw_kept(reference);
    }

    fn throw_kept(&mut self, reference: Register) {
        let exception = self.exception();
        self.move_exception("exception_restore", exception, reference);
        self.raise();
    }

    /// Copies an exception, and its payload if that can be wide, to or from a place of its own.
    fn move_exception(&mut self, routine: &'static str, to: Register, from: Register) {
        let area = self.module.layout.exceptions;
        if !area.is_there() {
            return self.copy(to, from, ValueType::I64);
        }
        let address = self.register(ValueType::I32);
        self.code.wide32(Opcode::I32Const, address, area.address);
        let first = super::first_of_call(self.module.routine(routine));
        self.code.listed(first, [to, from, address].into_iter());
    }

    fn rethrow(&mut self, relative_depth: u32) {
        let target = self.target(relative_depth);
        let Kind::Catch { caught: Some(caught), .. } = self.frames[target].kind else { return };
        self.throw_kept(caught);
    }

    fn begin_try_table(&mut self, table: &TryTable) {
        let handler = self.new_handler(table.catches.clone());
        self.begin_block(Kind::Try(handler), table.ty);
    }

    /// A block ends whose code exceptions may come from: what becomes of them is written behind the function.
    pub(super) fn end_handler(&mut self, handler: Handler) {
        if !handler.is_used {
            return;
        }
        let clauses: Vec<Clause> = handler.catches.iter().map(|catch| self.clause(*catch)).collect();
        let takes_all = clauses.iter().any(|clause| clause.tag.is_none());
        let next = (!takes_all).then(|| self.handler(self.frames.len()).0);
        self.dispatches.push(Dispatch { label: handler.label, clauses, next });
    }

    fn clause(&mut self, catch: Catch) -> Clause {
        let (tag, with_reference, depth) = match catch {
            Catch::One { tag, label } => (Some(tag), false, label),
            Catch::OneRef { tag, label } => (Some(tag), true, label),
            Catch::All { label } => (None, false, label),
            Catch::AllRef { label } => (None, true, label),
        };
        let target = self.target(depth);
        let frame = &mut self.frames[target];
        let is_block = !matches!(frame.kind, Kind::Function);
        frame.is_target |= is_block;
        Clause { tag, with_reference, target: is_block.then_some((frame.label, frame.height)) }
    }

    /// The code of a `try`, or of a `catch`, ends where the next `catch` begins.
    fn begin_catch(&mut self, tag: Option<u32>) {
        let Some(mut frame) = self.frames.pop() else { return };
        if self.dead.is_none() {
            self.bring_results(&frame);
            self.code.jump(frame.label);
            frame.is_target = true;
        }
        self.pop_to(frame.height);
        let entry = match &frame.kind {
            Kind::Try(handler) => handler.is_used.then_some(handler.label),
            Kind::Catch { otherwise, .. } => *otherwise,
            _ => None,
        };
        self.dead = if entry.is_some() { None } else { Some(0) };
        let (mut otherwise, mut caught) = (None, None);
        if let Some(entry) = entry {
            self.code.bind(entry);
            otherwise = tag.map(|tag| self.compare_tag(tag));
            tag.into_iter().for_each(|tag| self.push_payload(tag));
            caught = self.keep_caught();
        }
        frame.kind = Kind::Catch { otherwise, caught };
        self.frames.push(frame);
    }

    /// The low half of the exception on its way.
    fn read_mark(&mut self) -> Register {
        let exception = self.exception();
        let mark = match self.mark_register {
            Some(register) => register,
            None => self.register(ValueType::I32),
        };
        self.mark_register = Some(mark);
        self.code.registers(Opcode::I32FromI64, &[mark, exception]);
        mark
    }

    /// Branches to the label that it gives if the exception has another tag.
    fn compare_tag(&mut self, tag: u32) -> Label {
        let otherwise = self.code.label();
        let mark = self.read_mark();
        self.branch_unless(mark, tag, otherwise);
        otherwise
    }

    fn branch_unless(&mut self, mark: Register, tag: u32, to: Label) {
        let (ty, relation, right) = (ValueType::I32, Relation::Ne, Right::Constant(self.mark(tag)));
        let mut condition = Condition { ty, relation, signed: true, left: mark, right, inverted: false };
        if !condition.fits_branch() {
            let wanted = self.register(ty);
            self.constant(wanted, ty, self.mark(tag) as u64);
            condition.right = Right::Register(wanted);
        }
        condition.branch(&mut self.code, to);
    }

    fn push_payload(&mut self, tag: u32) {
        let (depth, source) = (self.stack.len(), &self.module.source);
        self.write_payload(tag, depth);
        for ty in &source.payload_of(tag).params {
            self.push_home(ty.register());
        }
    }

    /// Brings the payload of the exception to the registers from a depth on, and gives these.
    fn write_payload(&mut self, tag: u32, depth: usize) -> Vec<Register> {
        let (payload, exception, source) = (self.payload(tag), self.exception(), &self.module.source);
        let types = &source.payload_of(tag).params;
        let registers: Vec<Register> =
            types.iter().enumerate().map(|(above, ty)| self.home(depth + above, ty.register())).collect();
        match payload {
            Payload::Nothing => {}
            Payload::Narrow(ty) => self.write_narrow(ty, registers[0], exception, depth),
            Payload::Wide => {
                let zero = self.zero(ValueType::I32);
                for ((ty, register), address) in
                    types.iter().zip(&registers).zip(self.module.layout.exceptions.payload())
                {
                    self.code.wide24(load_of(ty.register()), *register, zero, address);
                }
            }
        }
        registers
    }

    fn write_narrow(&mut self, ty: ValueType, to: Register, exception: Register, depth: usize) {
        let (word, bits) = (self.home(depth + 1, ValueType::I64), self.home(depth, ValueType::I32));
        self.code.wide24(Opcode::I64ShrUi, word, exception, 32);
        self.code.registers(Opcode::I32FromI64, &[bits, word]);
        if ty == ValueType::F32 {
            self.code.registers(Opcode::F32BitsI32, &[to, bits]);
        }
    }

    /// Keeps what was caught for a `rethrow`.
    fn keep_caught(&mut self) -> Option<Register> {
        if !self.module.throws.rethrows(self.index) {
            return None;
        }
        let (caught, exception) = (self.register(ValueType::I64), self.exception());
        self.move_exception("exception_keep", caught, exception);
        Some(caught)
    }

    /// Ends a `try` whose exceptions go on to another one.
    fn delegate(&mut self, relative_depth: u32) {
        let handler = self.frames.last().and_then(|frame| match &frame.kind {
            Kind::Try(handler) if handler.is_used => Some(handler.label),
            _ => None,
        });
        if let Some(frame) = self.frames.last_mut() {
            frame.kind = Kind::Block;
        }
        self.end();
        if let Some(label) = handler {
            let frames = self.target(relative_depth) + 1;
            let next = Some(self.handler(frames).0);
            self.dispatches.push(Dispatch { label, clauses: Vec::new(), next });
        }
    }

    /// What no `catch` took goes on.
    pub(super) fn end_catches(&mut self, otherwise: Option<Label>) {
        if let Some(label) = otherwise {
            let next = Some(self.handler(self.frames.len()).0);
            self.dispatches.push(Dispatch { label, clauses: Vec::new(), next });
        }
    }

    /// Writes what stands behind a function.
    pub(super) fn finish_exceptions(&mut self, results: &[ValueType]) {
        for dispatch in std::mem::take(&mut self.dispatches) {
            self.dispatch(&dispatch);
        }
        if let Some(label) = self.propagation {
            self.code.bind(label);
            let nothing: Vec<Register> = results.iter().map(|ty| self.zero(*ty)).collect();
            let exception = self.exception();
            self.ret_with(&nothing, Some(exception));
        }
    }

    fn dispatch(&mut self, dispatch: &Dispatch) {
        self.code.bind(dispatch.label);
        let has_tags = dispatch.clauses.iter().any(|clause| clause.tag.is_some());
        let mark = if has_tags { self.read_mark() } else { 0 };
        for clause in &dispatch.clauses {
            let otherwise = self.code.label();
            clause.tag.into_iter().for_each(|tag| self.branch_unless(mark, tag, otherwise));
            self.enter_clause(clause);
            self.code.bind(otherwise);
            if clause.tag.is_none() {
                return;
            }
        }
        if let Some(next) = dispatch.next {
            self.code.jump(next);
        }
    }

    /// What lies too deep for registers goes to its place.
    fn settle_caught(&mut self, depth: usize, clause: &Clause, values: &[Register]) {
        let source = &self.module.source;
        let payload = clause.tag.map_or(&[][..], |tag| &source.payload_of(tag).params);
        let types = payload.iter().map(|ty| ty.register()).chain(clause.with_reference.then_some(ValueType::I64));
        for (above, (ty, value)) in types.zip(values).enumerate() {
            if self.is_deep(depth + above) {
                self.store_deep(depth + above, ty, *value);
            }
        }
    }

    /// Goes where a clause says, with the payload and the reference that are expected there.
    fn enter_clause(&mut self, clause: &Clause) {
        let depth = clause.target.map_or(0, |(_, height)| height);
        let mut values = clause.tag.map_or_else(Vec::new, |tag| self.write_payload(tag, depth));
        if clause.with_reference {
            let (to, exception) = (self.home(depth + values.len(), ValueType::I64), self.exception());
            self.move_exception("exception_keep", to, exception);
            values.push(to);
        }
        match clause.target {
            Some((label, _)) => {
                self.settle_caught(depth, clause, &values);
                self.code.jump(label);
            }
            None => self.ret(&values),
        }
    }
}
