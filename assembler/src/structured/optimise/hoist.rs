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
    let mut loops = outermost(code).into_iter().peekable();
    let writes = writes(code, params);
    let mut hoisting = Hoisting { kept: Vec::with_capacity(code.items.len()), ..Hoisting::default() };
    for (index, item) in std::mem::take(&mut code.items).into_iter().enumerate() {
        let inside = loops.peek().is_some_and(|of| of.start <= index);
        if loops.peek().is_some_and(|of| of.start == index) {
            hoisting.start = hoisting.kept.len();
        }
        match &item {
            Item::Inst(inst) if inside => match inst.constant().filter(|(reg, ..)| writes[*reg as usize] == 1) {
                Some((reg, ty, bits)) => hoisting.constant(item, reg, (ty, bits)),
                None => hoisting.kept.push(item),
            },
            _ => hoisting.kept.push(item),
        }
        if loops.next_if(|of| of.end == index).is_some() {
            hoisting.end();
        }
    }
    let Hoisting { mut kept, same, .. } = hoisting;
    for item in &mut kept {
        if let Item::Inst(inst) = item {
            read_instead(inst, &same);
        }
    }
    code.items = kept;
}

/// The loops that lie in no other and are entered at their beginning alone, in their order.
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
    let mut entered = vec![false; loops.len()];
    for (from, to) in branches {
        let around = loops.partition_point(|of| of.end < to);
        if loops.get(around).is_some_and(|of| of.contains(to) && !of.contains(from)) {
            entered[around] = true;
        }
    }
    loops.into_iter().zip(entered).filter(|(_, entered)| !entered).map(|(of, _)| of).collect()
}

impl Loop {
    fn contains(self, index: usize) -> bool {
        (self.start..=self.end).contains(&index)
    }
}

/// The code as far as it is done.
#[derive(Default)]
struct Hoisting {
    kept: Vec<Item>,
    /// Where in it the loop at hand begins, and what is to stand before that.
    start: usize,
    hoisted: Vec<Item>,
    made: HashMap<(ValueType, i64), Reg>,
    /// The registers to read in place of others.
    same: HashMap<Reg, Reg>,
}

impl Hoisting {
    /// A constant in the loop at hand.
    fn constant(&mut self, item: Item, reg: Reg, constant: (ValueType, i64)) {
        if let Some(known) = self.made.get(&constant) {
            self.same.insert(reg, *known);
        } else if self.made.len() < MAX_HOISTED {
            self.made.insert(constant, reg);
            self.hoisted.push(item);
        } else {
            self.kept.push(item);
        }
    }

    /// The loop at hand ends.
    fn end(&mut self) {
        self.kept.splice(self.start..self.start, self.hoisted.drain(..));
        self.made.clear();
    }
}

fn read_instead(inst: &mut Inst, same: &HashMap<Reg, Reg>) {
    inst.registers(|used| {
        if let Some(reg) = same.get(&(*used.register as Reg)) {
            *used.register = i64::from(*reg);
        }
    });
}
