//! Whether frames are some that a context of a module could have.

use limen_isa::module::{Function, Module};
use limen_isa::{Field, Fields, Opcode, OperandKind, ValueType};

use super::read::ensure;
use super::{FrameProblem, Frames, SnapshotError};
use crate::context::{Frame, HEADER_CELLS};
use crate::store::MAX_STACK_CELLS;

pub(super) fn context(module: &Module, context: &Frames) -> Result<(), SnapshotError> {
    ensure(context.cells <= MAX_STACK_CELLS, "no stack can have so many cells")?;
    let mut used = 0;
    for (index, frame) in context.frames.iter().enumerate() {
        let checked = check_registers(module, frame).and_then(|()| check_place(module, context, index));
        checked.map_err(|problem| SnapshotError::Frame { frame: index, problem })?;
        used += (frame.registers.len() + HEADER_CELLS) as u64;
    }
    ensure(used > 0, "the context has no frame")?;
    ensure(used <= u64::from(context.cells), "the stack cannot hold the frames")
}

fn function_of<'a>(module: &'a Module, frame: &Frame) -> Result<&'a Function, FrameProblem> {
    module.functions.get(frame.function as usize).ok_or(FrameProblem::Function(frame.function))
}

fn check_registers(module: &Module, frame: &Frame) -> Result<(), FrameProblem> {
    let types = &function_of(module, frame)?.registers;
    if types.len() != frame.registers.len() {
        return Err(FrameProblem::Registers);
    }
    for (register, (ty, bits)) in (0..).zip(types.iter().zip(&frame.registers)) {
        match ty {
            ValueType::Ref if *bits != 0 => return Err(FrameProblem::Reference(register)),
            // Engines rely on these being zero-extended.
            ValueType::I32 | ValueType::F32 if *bits > u64::from(u32::MAX) => return Err(FrameProblem::Wide(register)),
            ValueType::I32 | ValueType::I64 | ValueType::F32 | ValueType::F64 | ValueType::Ref => {}
        }
    }
    Ok(())
}

/// Whether a frame stands where one of its place among the frames can stand.
fn check_place(module: &Module, context: &Frames, index: usize) -> Result<(), FrameProblem> {
    let frame = &context.frames[index];
    let function = function_of(module, frame)?;
    if context.fresh {
        let params = module.signature_of(frame.function).map_or(0, |signature| signature.params.len());
        let locals = frame.registers.iter().skip(params);
        let is_fresh = context.frames.len() == 1 && frame.pc == 0 && locals.into_iter().all(|bits| *bits == 0);
        return if is_fresh { Ok(()) } else { Err(FrameProblem::NotFresh) };
    }
    let words = function.code.get(frame.pc as usize..).unwrap_or_default();
    // Operand words have a mark of their own, so that what is an instruction's first word shows in the word.
    let opcode = words.first().and_then(|word| Opcode::of_word(*word)).ok_or(FrameProblem::NoSafepoint)?;
    match context.frames.get(index + 1) {
        Some(callee) if calls(module, opcode, words, callee.function) => Ok(()),
        Some(_) => Err(FrameProblem::NoCall),
        None if is_safepoint(opcode, words) => Ok(()),
        None => Err(FrameProblem::NoSafepoint),
    }
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
