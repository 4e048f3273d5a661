//! Where code counts offsets in home from.
//!
//! A processor may take a cycle longer for an address of a base, an index and an offset than for one of a base and an index
//! (Zen 5 does: a chain of loads takes a fifth longer). Code that hardly accesses the first page, as where WebAssembly's memory
//! begins behind it, has the second page for its base, so that many of its offsets are zero.

use limen_isa::codec::ModuleShapes;
use limen_isa::module::{Module, PAGE_SIZE};

use crate::bounds::access;
use crate::shape::Shape;

/// The address in home from which a function's code counts: that of the first page or of the second.
pub(crate) fn origin(module: &Module, function: u32, shape: &Shape) -> u32 {
    let shapes = ModuleShapes { module, function };
    let code = &module.functions[function as usize].code;
    let instructions = (0..shape.blocks.len()).flat_map(|block| shape.instructions(code, shapes, block));
    let ends = instructions.filter_map(|pc| access(&code[pc as usize..])).map(|(_, end)| end);
    let (behind, within): (Vec<u32>, Vec<u32>) = ends.partition(|end| *end > PAGE_SIZE);
    if behind.len() > within.len() { PAGE_SIZE } else { 0 }
}
