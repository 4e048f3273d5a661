//! How calls pass arguments and results: which of them travel in registers, and which in the cells of the callee's frame.

use limen_isa::module::{Module, Signature};
use limen_isa::{Field, Fields, Opcode, Reg, ValueType};
use limen_vm::NativeFrame;

use crate::arch::{FLOAT_ARGUMENTS, INTEGER_ARGUMENTS};
use crate::ranges::operand;

/// Results that travel in registers.
pub(crate) const REGISTER_RESULTS: usize = 2;

/// Which arguments travel in registers: the first few of each class.
pub(crate) struct Passing {
    integers: usize,
    floats: usize,
}

impl Passing {
    pub(crate) fn new() -> Self {
        Self { integers: 0, floats: 0 }
    }

    /// The number of the next argument among those of its class, or `None` if it travels in its cell.
    pub(crate) fn next(&mut self, ty: ValueType) -> Option<usize> {
        let (count, limit) = match ty {
            ValueType::F32 | ValueType::F64 => (&mut self.floats, FLOAT_ARGUMENTS),
            ValueType::I32 | ValueType::I64 | ValueType::Ref => (&mut self.integers, INTEGER_ARGUMENTS),
        };
        *count += 1;
        (*count <= limit).then_some(*count - 1)
    }
}

/// So many cells of a callee's frame its arguments and results travel in, those before them among them.
pub(crate) fn cells_of(signature: &Signature) -> usize {
    let mut passing = Passing::new();
    let params = (1..).zip(&signature.params).filter(|(_, ty)| passing.next(**ty).is_none());
    let params = params.last().map_or(0, |(count, _)| count);
    let results = if signature.results.len() > REGISTER_RESULTS { signature.results.len() } else { 0 };
    params.max(results)
}

/// The function that is called here; `index` is that into the table, where the call is by way of one.
pub(crate) fn called_at(module: &Module, at: NativeFrame, index: u32) -> Option<u32> {
    let words = &module.functions[at.function as usize].code[at.pc as usize..];
    match Opcode::of_word(words[0])? {
        Opcode::CallIndirect => {
            let table = operand(Opcode::CallIndirect, words, "t")?;
            *module.tables.get(table as usize)?.get(index as usize)?
        }
        opcode => operand(opcode, words, "f"),
    }
}

/// The registers that a call passes, with their types; and the one with the index, if it is by way of a table.
pub(crate) fn passed_at(module: &Module, at: NativeFrame) -> (Vec<(Reg, ValueType)>, Option<Reg>) {
    let words = &module.functions[at.function as usize].code[at.pc as usize..];
    let (signature, index) = match Opcode::of_word(words[0]) {
        Some(Opcode::CallIndirect) => {
            let signature = operand(Opcode::CallIndirect, words, "s");
            let index = operand(Opcode::CallIndirect, words, "i");
            (signature.and_then(|index| module.types.get(index as usize)), index.map(|register| Reg(register as u16)))
        }
        _ => (operand(Opcode::Call, words, "f").and_then(|function| module.signature_of(function)), None),
    };
    let Some(signature) = signature else { return (Vec::new(), index) };
    let first = signature.results.len();
    let registers = (first..).map(|index| listed(words, 1, index));
    (registers.zip(signature.params.iter().copied()).collect(), index)
}

/// Element `index` of a register list that begins in the instruction word (`first` 0) or after it (`first` 1).
pub(crate) fn listed(words: &[u64], first: usize, index: usize) -> Reg {
    Reg(words.unsigned(first + index / 4, Field::SLOTS[index % 4]) as u16)
}
