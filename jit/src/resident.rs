//! Registers that live in their cells.
//!
//! Every place at which frames can become portable writes the registers that are live there to their cells. In a large function,
//! an interpreter's loop for instance, hundreds of such places times a hundred registers become code many times as large as the
//! function, and the compiler takes longest over it, although the processor has no registers for so many values in any case. So
//! there most of those that live across many such places stay in their cells: what is written to them is stored at once, and
//! fetched where it is read.

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Opcode, ValueType};

use crate::shape::{RegisterSet, Shape, targets};

/// In functions of fewer words all registers are variables.
const LARGE: usize = 1024;

/// Registers that live across fewer places than this are variables.
const MANY: usize = 16;

/// So many registers are variables wherever they live: those that are named most often.
const BUSIEST: usize = 8;

/// The registers of a function that live in their cells: the same ones however it is compiled.
pub(crate) fn residents(module: &Module, function: u32, shape: &Shape) -> RegisterSet {
    let body = &module.functions[function as usize];
    if body.code.len() < LARGE {
        return RegisterSet::default();
    }
    let shapes = ModuleShapes { module, function };
    let (mut named, mut crossed) = (vec![0; body.registers.len()], vec![0; body.registers.len()]);
    for block in 0..shape.blocks.len() {
        for (pc, live) in shape.live_before(module, function, block) {
            let words = &body.code[pc as usize..];
            for_each_register(words, &shapes, |_, register| named[usize::from(register.0)] += 1);
            let is_call = matches!(Opcode::of_word(words[0]), Some(Opcode::Call | Opcode::CallIndirect | Opcode::Svc));
            if is_call || targets(words, pc).iter().any(|target| *target <= pc) {
                live.iter().for_each(|register| crossed[usize::from(register)] += 1);
            }
        }
    }
    let is_number = |register: &u16| matches!(body.registers[usize::from(*register)], ValueType::I32 | ValueType::I64);
    let mut found: Vec<u16> = (0..body.registers.len() as u16)
        .filter(|register| crossed[usize::from(*register)] >= MANY && is_number(register))
        .collect();
    found.sort_by_key(|register| std::cmp::Reverse(named[usize::from(*register)]));
    found.into_iter().skip(BUSIEST).collect()
}
