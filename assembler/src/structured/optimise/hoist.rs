//! Constants that a loop makes in each round are made once before it.

use std::collections::HashMap;

use limen_isa::ValueType;

use super::copies::writes;
use crate::structured::code::{Code, Inst, Item, Label, Reg};

/// More registers than this are not kept busy across a loop.
const MAX_HOISTED: usize = 24;

/// A loop: its label's place in the code, and that of its last branch back.
#[derive(Clone, Copy)]
struct Loop {
    start: usize,
    end: usize,
}

pub(super) fn hoist_constants(code: &mut Code, params: usize) {
    if code.reads_unwritten {
        return;
    }
    // From the last to the first, so that places before stay as they are.
    for of in outermost(code).into_iter().rev() {
        hoist(code, params, of);
    }
}

/// The loops that lie in no other and are entered at their beginning alone.
fn outermost(code: &Code) -> Vec<Loop> {
    let mut places: HashMap<Label, usize> = HashMap::new();
    for (index, item) in code.items.iter().enumerate() {
        if let Item::Label(label) = item {
            places.insert(*label, index);
        }
    }
    let mut branches: Vec<(usize, usize)> = Vec::new();
    for (index, item) in code.items.iter().enumerate() {
        if let Item::Inst(inst) = item {
            inst.labels(|label| branches.extend(places.get(&label).map(|to| (index, *to))));
        }
    }
    let mut loops: Vec<Loop> = Vec::new();
    let mut back: Vec<_> = branches.iter().filter(|(from, to)| to < from).map(|(from, to)| (*to, *from)).collect();
    back.sort_unstable();
    for (start, end) in back {
        match loops.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => loops.push(Loop { start, end }),
        }
    }
    let entered_within = |of: &Loop| {
        branches.iter().any(|(from, to)| {
            let (from_inside, to_inside) = ((of.start..=of.end).contains(from), (of.start..=of.end).contains(to));
            to_inside && !from_inside
        })
    };
    loops.retain(|of| !entered_within(of));
    loops
}

fn hoist(code: &mut Code, params: usize, of: Loop) {
    let writes = writes(code, params);
    let mut made: HashMap<(ValueType, i64), Reg> = HashMap::new();
    let mut same: HashMap<Reg, Reg> = HashMap::new();
    let mut hoisted: Vec<Item> = Vec::new();
    let mut kept: Vec<Item> = Vec::with_capacity(code.items.len());
    for (index, item) in code.items.drain(..).enumerate() {
        let inside = (of.start..=of.end).contains(&index);
        let Item::Inst(inst) = &item else {
            kept.push(item);
            continue;
        };
        match inst.constant().filter(|(reg, ..)| inside && writes[*reg as usize] == 1) {
            None => kept.push(item),
            Some((reg, ty, bits)) => match made.get(&(ty, bits)) {
                Some(known) => {
                    same.insert(reg, *known);
                }
                None if made.len() < MAX_HOISTED => {
                    made.insert((ty, bits), reg);
                    hoisted.push(item);
                }
                None => kept.push(item),
            },
        }
    }
    for item in &mut kept {
        if let Item::Inst(inst) = item {
            read_instead(inst, &same);
        }
    }
    kept.splice(of.start..of.start, hoisted);
    code.items = kept;
}

fn read_instead(inst: &mut Inst, same: &HashMap<Reg, Reg>) {
    inst.registers(|used| {
        if let Some(reg) = same.get(&(*used.register as Reg)) {
            *used.register = i64::from(*reg);
        }
    });
}
