//! Calls of small functions that only compute: their instructions take the place of the call.
//!
//! The call stays what it is to all who look: a safepoint that burns its unit of fuel and wants room for the callee's frame.
//! But nothing within the callee can be seen, since none of its instructions faults, waits or reaches beyond its registers.

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::{Body, Module};
use limen_isa::{Flow, Opcode, OperandKind, Reg, ValueType, dispatch};

use crate::nans::Nan;
use crate::passing::listed;
use crate::translate::{Translator, type_of};

/// Larger functions are called.
const MAX_WORDS: usize = 24;

/// Functions of more registers are called.
const MAX_REGISTERS: usize = 16;

/// Whether calls of a function are better replaced by its instructions.
pub(crate) fn is_inlined(module: &Module, function: u32) -> bool {
    let Body { code, registers } = &*module.functions[function as usize];
    let is_small = code.len() <= MAX_WORDS && registers.len() <= MAX_REGISTERS;
    is_small && instructions(module, function).last().is_some_and(|(opcode, _)| *opcode == Opcode::Ret)
}

/// The instructions of a function up to the first that does not only compute, and that one.
fn instructions(module: &Module, function: u32) -> Vec<(Opcode, u32)> {
    let code = &module.functions[function as usize].code;
    let (mut found, mut pc) = (Vec::new(), 0);
    while let Some(opcode) = code.get(pc).and_then(|word| Opcode::of_word(*word)) {
        found.push((opcode, pc as u32));
        if !computes(opcode) {
            break;
        }
        pc += for_each_register(&code[pc..], &ModuleShapes { module, function }, |_, _| {});
    }
    found
}

/// Whether an instruction computes numbers from numbers, and nothing else. Such are named by the numbers' type, and refer to
/// nothing.
pub(crate) fn computes(opcode: Opcode) -> bool {
    is_arithmetic(opcode) && opcode.row().faults.is_empty()
}

/// Whether an instruction computes numbers from numbers, and does nothing else but perhaps fault.
pub(crate) fn is_arithmetic(opcode: Opcode) -> bool {
    let row = opcode.row();
    let numbers = [ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64];
    let ty = row.mnemonic.split('.').next();
    let is_of_numbers = numbers.iter().any(|number| Some(number.name()) == ty);
    let is_reference = |kind| matches!(kind, OperandKind::Register { ty: ValueType::Ref, .. });
    let refers = row.operands.iter().any(|operand| is_reference(operand.kind));
    let accesses = row.operands.iter().any(|operand| operand.name == "p");
    is_of_numbers && !refers && !accesses && !row.safepoint && !row.privileged && row.flow == Flow::Next
}

impl Translator<'_, '_> {
    /// Does what the function does, from these registers of the caller to those.
    pub(crate) fn inline(&mut self, function: u32, arguments: &[Reg], results: &[Reg]) {
        let given: Vec<_> = arguments.iter().map(|register| (self.get(*register), self.nan(*register))).collect();
        let module = self.module;
        let callee = &module.functions[function as usize];
        let variables = callee.registers.iter().map(|ty| self.builder.declare_var(type_of(*ty))).collect();
        let caller = (self.function, self.pc);
        self.function = callee;
        let variables = std::mem::replace(&mut self.variables, variables);
        let slots = std::mem::take(&mut self.slots);
        let nans = std::mem::replace(&mut self.nans, vec![Nan::Canonical; callee.registers.len()]);
        for (register, (value, nan)) in (0..).map(Reg).zip(&given) {
            self.set_as(register, *value, *nan);
        }
        self.zeroes(given.len()..callee.registers.len());
        let mut returned = Vec::new();
        for (opcode, pc) in instructions(module, function) {
            self.pc = pc;
            let words = &callee.code[pc as usize..];
            if opcode == Opcode::Ret {
                let registers = (0..results.len()).map(|index| listed(words, 0, index));
                returned = registers.map(|register| (self.get(register), self.nan(register))).collect();
            } else {
                // The verifier has refused reserved instructions.
                let _ = dispatch(self, opcode, words);
            }
        }
        (self.function, self.pc) = caller;
        (self.variables, self.nans, self.slots) = (variables, nans, slots);
        for (register, (value, nan)) in results.iter().zip(returned) {
            self.set_as(*register, value, nan);
        }
    }
}
