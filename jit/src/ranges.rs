//! How great the numbers in `i32` registers can be, where constants and masks tell.

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Fields, Opcode, OperandKind, Role};

use crate::shape::Shape;
use crate::translate::Entry;

/// In functions of more registers than this nothing is followed.
const MAX_REGISTERS: usize = 256;

/// By register: the greatest number that can be in it. Empty where nothing is followed.
#[derive(Clone)]
pub(crate) struct Greatest(Vec<u32>);

impl Greatest {
    /// Where each basic block begins.
    pub(crate) fn of(module: &Module, function: u32, shape: &Shape, entry: Entry) -> Vec<Self> {
        let code = &module.functions[function as usize];
        let registers = if code.registers.len() > MAX_REGISTERS { 0 } else { code.registers.len() };
        let mut at_start = vec![Self(vec![0; registers]); shape.blocks.len()];
        let passed = match entry {
            Entry::Call => module.types[code.signature as usize].params.len(),
            Entry::Loop(_) => registers,
        };
        at_start[shape.index_of(entry.word())].0.iter_mut().take(passed).for_each(|greatest| *greatest = u32::MAX);
        flow(&mut at_start, module, function, shape);
        at_start
    }

    pub(crate) fn get(&self, register: u16) -> u32 {
        self.0.get(usize::from(register)).copied().unwrap_or(u32::MAX)
    }

    /// What is known behind an instruction.
    pub(crate) fn follow(&mut self, words: &[u64], shapes: ModuleShapes<'_>) {
        if self.0.is_empty() {
            return;
        }
        let result = self.result(words);
        for_each_register(words, &shapes, |role, register| {
            if role != Role::Read {
                self.0[usize::from(register.0)] = result;
            }
        });
    }

    /// How great a number an instruction can write.
    fn result(&self, words: &[u64]) -> u32 {
        let Some(opcode) = Opcode::of_word(words[0]) else { return u32::MAX };
        let operand = |name: &str| operand(opcode, words, name).unwrap_or_default();
        let register = |name: &str| self.get(operand(name) as u16);
        match opcode {
            Opcode::I32Const => operand("k"),
            Opcode::I32Mov => register("a"),
            Opcode::I32Andi if (operand("k") as i32) >= 0 => operand("k").min(register("a")),
            Opcode::I32ShrUi => register("a") >> (operand("k") % u32::BITS),
            Opcode::I32Load8U | Opcode::I32Load8UAt => u32::from(u8::MAX),
            Opcode::I32Load16U | Opcode::I32Load16UAt => u32::from(u16::MAX),
            _ => u32::MAX,
        }
    }
}

/// Propagates what is known from block to block until nothing changes.
fn flow(at_start: &mut [Greatest], module: &Module, function: u32, shape: &Shape) {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in shape.blocks.iter().enumerate() {
            let mut here = at_start[index].clone();
            for pc in shape.instructions(code, shapes, index) {
                here.follow(&code[pc as usize..], shapes);
            }
            for successor in &block.successors {
                for (there, here) in at_start[shape.index_of(*successor)].0.iter_mut().zip(&here.0) {
                    changed |= here > there;
                    *there = (*there).max(*here);
                }
            }
        }
    }
}

/// The bits of an instruction's operand, sign-extended if it is signed.
pub(crate) fn operand(opcode: Opcode, words: &[u64], name: &str) -> Option<u32> {
    let operand = opcode.row().operands.iter().find(|operand| operand.name == name)?;
    let (word, field) = (usize::from(operand.place.word), operand.place.field);
    match operand.kind {
        OperandKind::Immediate { signed: true } => Some(words.signed(word, field) as u32),
        _ => Some(words.unsigned(word, field)),
    }
}
