//! A result that is only made to be moved elsewhere is put there at once.

use super::copies::writes;
use crate::structured::code::{Code, Inst, Item, Reg};
use crate::structured::flow;

pub(super) fn forward(code: &mut Code, params: usize) {
    let writes = writes(code, params);
    let reads = reads(code);
    for block in flow::blocks(code) {
        let items = &mut code.items[block.start..block.end];
        for index in 0..items.len() {
            let Item::Inst(inst) = &items[index] else { continue };
            let Some((to, from)) = inst.moved() else { continue };
            if from as usize >= params && to != from && writes[from as usize] == 1 {
                put_at_once(items, index, to, from, reads[from as usize]);
            }
        }
    }
    code.items.retain(|item| !matches!(item, Item::Inst(inst) if inst.moved().is_some_and(|(to, from)| to == from)));
}

fn reads(code: &Code) -> Vec<u32> {
    let mut reads = vec![0; code.registers.len()];
    for item in &code.items {
        if let Item::Inst(inst) = item {
            inst.each_register(|reg, read, _| reads[reg as usize] += u32::from(read));
        }
    }
    reads
}

/// Lets `from` be `to`, if that is written in these items before the move in place `index`, is read in them alone, and the
/// two never hold different values that are still needed.
fn put_at_once(items: &mut [Item], index: usize, to: Reg, from: Reg, reads: u32) {
    let Some(made) = items[..index].iter().rposition(|item| uses(item, from).1) else { return };
    if items[made + 1..index].iter().any(|item| uses(item, to) != (0, false)) {
        return;
    }
    // What made it may read `to`, but not write it or `from` with something else as well.
    if uses(&items[made], to).1 || uses(&items[made], from).0 > 0 {
        return;
    }
    let mut last = items.len();
    for (place, item) in items.iter().enumerate().skip(index + 1) {
        if uses(item, to).1 {
            last = place;
            break;
        }
    }
    // An instruction that writes `to` may still read `from`.
    let end = (last + 1).min(items.len());
    let found: u32 = items[made + 1..end].iter().map(|item| uses(item, from).0).sum();
    if found != reads {
        return;
    }
    for item in &mut items[made..end] {
        if let Item::Inst(inst) = item {
            rename(inst, from, to);
        }
    }
}

/// How often an item reads a register, and whether it writes it.
fn uses(item: &Item, register: Reg) -> (u32, bool) {
    let (mut reads, mut writes) = (0, false);
    if let Item::Inst(inst) = item {
        inst.each_register(|reg, read, written| {
            reads += u32::from(read && reg == register);
            writes |= written && reg == register;
        });
    }
    (reads, writes)
}

fn rename(inst: &mut Inst, from: Reg, to: Reg) {
    inst.registers(|used| {
        if *used.register == i64::from(from) {
            *used.register = i64::from(to);
        }
    });
}
