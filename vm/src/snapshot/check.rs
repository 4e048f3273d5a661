//! Whether contexts are some that a machine could have come to.

use limen_isa::module::{Function, Module};
use limen_isa::{Field, Fields, Opcode, OperandKind, ValueType};

use super::field::{Read, ensure};
use super::image::{ContextImage, StateImage};
use super::references::References;
use super::{FrameProblem, SnapshotError};
use crate::context::{Frame, HEADER_CELLS};
use crate::store::MAX_STACK_CELLS;

/// A context to be looked at, with what must be known for that.
pub(super) struct Checked<'a> {
    /// None if its domain is no more.
    pub(super) module: Option<&'a Module>,
    pub(super) context: &'a ContextImage,
    pub(super) references: &'a References,
    /// Whether a kernel may have changed its registers, and have let it go on where it could not: without one a context comes
    /// to nothing but safepoints.
    pub(super) has_kernel: bool,
    /// Whether it is the kernel's own, between two entries.
    pub(super) is_at_rest: bool,
}

impl Checked<'_> {
    /// `number` is the context's.
    pub(super) fn check(&self, number: usize) -> Read<()> {
        let context = self.context;
        ensure(context.cells <= MAX_STACK_CELLS, "no stack can have so many cells")?;
        let is_ready = matches!(context.state, StateImage::Ready);
        ensure(is_ready || !self.is_at_rest, "the kernel is between two entries and does something else")?;
        self.check_state()?;
        let Some(module) = self.module.filter(|_| self.has_frames()) else {
            return ensure(context.frames.is_empty() && !context.fresh, "a context has frames that can have none");
        };
        let mut used = 0;
        for (index, frame) in context.frames.iter().enumerate() {
            let checked = self.check_registers(module, frame).and_then(|()| self.check_place(module, index));
            checked.map_err(|problem| SnapshotError::Frame { context: number, frame: index, problem })?;
            used += (frame.registers.len() + HEADER_CELLS) as u64;
        }
        ensure(used > 0, "a context has no frame")?;
        ensure(used <= u64::from(context.cells), "a stack cannot hold its frames")
    }

    fn has_frames(&self) -> bool {
        !self.is_at_rest && !matches!(self.context.state, StateImage::Finished(_))
    }

    fn check_state(&self) -> Read<()> {
        match &self.context.state {
            StateImage::InSvc(given, taken) => {
                let mut all = given.refs.iter().chain(&taken.refs);
                ensure(all.all(|bits| self.references.has_made(*bits)), "a message has a reference that was never made")
            }
            StateImage::Finished(Some(results)) => {
                let is_right = |(ty, bits): &(ValueType, u64)| self.fits(*ty, *bits);
                ensure(results.iter().all(is_right), "a result is none of its type")
            }
            StateImage::Ready | StateImage::Faulted(..) | StateImage::WaitsForPage | StateImage::Finished(None) => {
                Ok(())
            }
        }
    }

    /// Whether a register of this type can hold these bits. Engines rely on narrow ones being zero-extended.
    fn fits(&self, ty: ValueType, bits: u64) -> bool {
        match ty {
            ValueType::I32 | ValueType::F32 => bits <= u64::from(u32::MAX),
            ValueType::I64 | ValueType::F64 => true,
            ValueType::Ref => self.references.has_made(bits),
        }
    }

    fn check_registers(&self, module: &Module, frame: &Frame) -> Result<(), FrameProblem> {
        let types = &function_of(module, frame)?.registers;
        if types.len() != frame.registers.len() {
            return Err(FrameProblem::Registers);
        }
        for (register, (ty, bits)) in (0..).zip(types.iter().zip(&frame.registers)) {
            match ty {
                _ if self.fits(*ty, *bits) => {}
                ValueType::Ref => return Err(FrameProblem::Reference(register)),
                _ => return Err(FrameProblem::Wide(register)),
            }
        }
        Ok(())
    }

    /// Whether a frame stands where one of its place among the frames can stand.
    fn check_place(&self, module: &Module, index: usize) -> Result<(), FrameProblem> {
        let frame = &self.context.frames[index];
        let function = function_of(module, frame)?;
        if self.context.fresh {
            return if self.is_fresh(module, frame) { Ok(()) } else { Err(FrameProblem::NotFresh) };
        }
        let words = function.code.get(frame.pc as usize..).unwrap_or_default();
        // Operand words have a mark of their own, so that what is an instruction's first word shows in the word.
        let opcode = words.first().and_then(|word| Opcode::of_word(*word)).ok_or(FrameProblem::NoInstruction)?;
        match self.context.frames.get(index + 1) {
            Some(callee) if calls(module, opcode, words, callee.function) => Ok(()),
            Some(_) => Err(FrameProblem::NoCall),
            None => self.check_innermost(opcode, words),
        }
    }

    fn is_fresh(&self, module: &Module, frame: &Frame) -> bool {
        let params = module.signature_of(frame.function).map_or(0, |signature| signature.params.len());
        let mut locals = frame.registers.iter().skip(params);
        let is_as_called = self.has_kernel || locals.all(|bits| *bits == 0);
        self.context.frames.len() == 1
            && frame.pc == 0
            && is_as_called
            && matches!(self.context.state, StateImage::Ready)
    }

    fn check_innermost(&self, opcode: Opcode, words: &[u64]) -> Result<(), FrameProblem> {
        match self.context.state {
            StateImage::InSvc(..) if opcode != Opcode::Svc => Err(FrameProblem::NoSvc),
            StateImage::Ready if !self.has_kernel && !is_safepoint(opcode, words) => Err(FrameProblem::NoSafepoint),
            StateImage::Ready
            | StateImage::InSvc(..)
            | StateImage::Faulted(..)
            | StateImage::WaitsForPage
            | StateImage::Finished(_) => Ok(()),
        }
    }
}

fn function_of<'a>(module: &'a Module, frame: &Frame) -> Result<&'a Function, FrameProblem> {
    module.functions.get(frame.function as usize).ok_or(FrameProblem::Function(frame.function))
}

/// Whether an instruction calls this function, or can.
fn calls(module: &Module, opcode: Opcode, words: &[u64], callee: u32) -> bool {
    let Some(function) = module.functions.get(callee as usize) else { return false };
    let named = |kind: OperandKind| {
        let operand = opcode.row().operands.iter().find(|operand| operand.kind == kind)?;
        Some(words.unsigned(usize::from(operand.place.word), operand.place.field))
    };
    match opcode {
        Opcode::Call => named(OperandKind::Function) == Some(callee),
        Opcode::CallIndirect => {
            let table = named(OperandKind::Table).and_then(|table| module.tables.get(table as usize));
            let listed = table.is_some_and(|table| table.contains(&Some(callee)));
            listed && named(OperandKind::Signature) == Some(function.signature)
        }
        _ => false,
    }
}

/// Whether an instruction can burn fuel: of branches only those that can go back.
fn is_safepoint(opcode: Opcode, words: &[u64]) -> bool {
    let row = opcode.row();
    let goes_back = |distance: i32| distance <= 0;
    if opcode == Opcode::BrTable {
        let targets = words.unsigned(0, Field::Wide32) as usize;
        return (1..=targets).any(|index| goes_back(words.signed(index, Field::Wide32)));
    }
    let label = row.operands.iter().find(|operand| operand.kind == OperandKind::Label);
    let is_back = |place: limen_isa::Place| goes_back(words.signed(usize::from(place.word), place.field));
    row.safepoint && label.is_none_or(|label| is_back(label.place))
}
