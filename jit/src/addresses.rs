//! Which loads fetch what is an address in home next.

use limen_isa::Role;
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use rustc_hash::FxHashSet;

use crate::bounds::access;
use crate::shape::{RegisterSet, Shape};

/// The words of the instructions that write a register which an access to home in the same basic block then takes for a part of its
/// address.
pub(crate) fn sources_of_addresses(module: &Module, function: u32, shape: &Shape) -> FxHashSet<u32> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let registers = module.functions[function as usize].registers.len();
    let mut found = FxHashSet::default();
    for block in 0..shape.blocks.len() {
        let mut wanted = RegisterSet::new(registers);
        for pc in shape.instructions(code, shapes, block).into_iter().rev() {
            let words = &code[pc as usize..];
            for_each_register(words, &shapes, |role, register| {
                if role != Role::Read && wanted.contains(register.0) {
                    wanted.remove(register.0);
                    found.insert(pc);
                }
            });
            if let Some((place, _)) = access(words) {
                place.registers().for_each(|register| wanted.insert(register));
            }
        }
    }
    found
}
