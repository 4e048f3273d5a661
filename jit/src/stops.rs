//! Where the host may stop code that accesses home without a look, and which instructions that are.
//!
//! Cranelift says at which machine instructions memory is accessed, and of which instruction of the function each machine
//! instruction is. But it may have one do a load whose value it uses, wherever that one comes from. What it never does is to change
//! the order of accesses in a block, and so those that are left of all blocks are, one by one, those of the machine.

use cranelift_codegen::Context;
use cranelift_codegen::ir::{Block, TrapCode};

use crate::location::Location;

/// The name of the access with this number: those that follow each other have different ones, so that Cranelift never makes one of
/// two, and an order that is not the machine's is noticed.
pub(crate) fn name_of(access: usize) -> TrapCode {
    TrapCode::unwrap_user(FIRST + (access % NAMES) as u8)
}

const FIRST: u8 = 2;
const NAMES: usize = 240;

/// Offsets of machine instructions from the beginning of the code that was compiled, in order, and the words of the instructions
/// that they belong to; `None` if these cannot be told.
pub(crate) fn stops(context: &Context) -> Option<Vec<(u32, u32)>> {
    let mut machine: Vec<(u32, TrapCode)> = context
        .compiled_code()?
        .buffer
        .traps()
        .iter()
        .map(|trap| (trap.offset, trap.code))
        .filter(|(_, code)| is_name(*code))
        .collect();
    machine.sort_unstable_by_key(|(offset, _)| *offset);
    let accesses = accesses(context);
    let is_same = machine.iter().map(|(_, name)| *name).eq(accesses.iter().map(|(_, name)| *name));
    debug_assert!(is_same, "{machine:?}\n{accesses:?}");
    is_same.then(|| machine.iter().zip(&accesses).map(|((offset, _), (word, _))| (*offset, *word)).collect())
}

/// The words and names of the accesses that are left, in the order of the machine's blocks.
fn accesses(context: &Context) -> Vec<(u32, TrapCode)> {
    let (function, dfg) = (&context.func, &context.func.dfg);
    let (cold, hot): (Vec<Block>, Vec<Block>) =
        context.domtree.cfg_rpo().copied().partition(|block| function.is_effectively_cold(*block));
    let instructions = hot.into_iter().chain(cold).flat_map(|block| function.layout.block_insts(block));
    let named = instructions.filter_map(|inst| Some((inst, dfg.insts[inst].memflags_trap_code(dfg)?)));
    let word = |inst| Location::of(function.srcloc(inst)).word().unwrap_or_default();
    named.filter(|(_, name)| is_name(*name)).map(|(inst, name)| (word(inst), name)).collect()
}

fn is_name(code: TrapCode) -> bool {
    (FIRST..FIRST + NAMES as u8).contains(&code.as_raw().get())
}
