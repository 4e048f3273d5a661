//! The flow of control through code: its blocks, what comes before what, and what is never reached.

use std::collections::HashMap;

use limen_isa::{Flow, Opcode};

use super::code::{Code, Item, Label};

/// Instructions that are run through from the first to the last.
pub(crate) struct Block {
    /// The first item, which may be a label.
    pub(crate) start: usize,
    /// One past the last item.
    pub(crate) end: usize,
    /// The blocks that may come next.
    pub(crate) next: Vec<usize>,
}

/// The blocks of code in the order of its items. The first is where it is entered.
pub(crate) fn blocks(code: &Code) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut of_label: HashMap<Label, usize> = HashMap::new();
    let mut begins = true;
    for (index, item) in code.items.iter().enumerate() {
        let label = matches!(item, Item::Label(_));
        if begins || (label && !matches!(code.items.get(index.wrapping_sub(1)), Some(Item::Label(_)))) {
            blocks.push(Block { start: index, end: index, next: Vec::new() });
        }
        begins = false;
        let last = blocks.len() - 1;
        blocks[last].end = index + 1;
        match item {
            Item::Label(label) => {
                of_label.insert(*label, last);
            }
            Item::Inst(inst) => begins = inst.opcode.row().flow != Flow::Next,
        }
    }
    let count = blocks.len();
    for (number, block) in blocks.iter_mut().enumerate() {
        if let Item::Inst(inst) = &code.items[block.end - 1] {
            inst.labels(|label| block.next.extend(of_label.get(&label)));
            if inst.opcode.row().flow == Flow::Terminator {
                continue;
            }
        }
        if number + 1 < count {
            block.next.push(number + 1);
        }
    }
    blocks
}

/// The blocks that may come before each.
pub(crate) fn before(blocks: &[Block]) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); blocks.len()];
    for (number, block) in blocks.iter().enumerate() {
        for next in &block.next {
            // Blocks are taken in order, so one that is there already came last.
            if before[*next].last() != Some(&number) {
                before[*next].push(number);
            }
        }
    }
    before
}

/// For each block the nearest one that all ways to it lead through, after Cooper, Harvey and Kennedy; the first has itself.
/// `None` for blocks that are never reached.
pub(crate) fn dominators(blocks: &[Block], before: &[Vec<usize>]) -> Vec<Option<usize>> {
    let order = reverse_postorder(blocks);
    let mut position = vec![usize::MAX; blocks.len()];
    (0..).zip(&order).for_each(|(place, block)| position[*block] = place);
    let mut nearest: Vec<Option<usize>> = vec![None; blocks.len()];
    if let Some(first) = nearest.first_mut() {
        *first = Some(0);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for block in order.iter().skip(1) {
            let known = before[*block].iter().copied().filter(|one| nearest[*one].is_some());
            let common = known.reduce(|a, b| meet(a, b, &nearest, &position));
            changed |= common != nearest[*block];
            nearest[*block] = common;
        }
    }
    nearest
}

/// The nearest block that dominates both.
fn meet(mut a: usize, mut b: usize, nearest: &[Option<usize>], position: &[usize]) -> usize {
    while a != b {
        if position[a] > position[b] {
            a = nearest[a].unwrap_or(0);
        } else {
            b = nearest[b].unwrap_or(0);
        }
    }
    a
}

fn reverse_postorder(blocks: &[Block]) -> Vec<usize> {
    let mut order = Vec::with_capacity(blocks.len());
    let mut seen = vec![false; blocks.len()];
    let mut open: Vec<(usize, usize)> = Vec::new();
    if let Some(first) = seen.first_mut() {
        *first = true;
        open.push((0, 0));
    }
    while let Some((block, done)) = open.last_mut() {
        match blocks[*block].next.get(*done) {
            Some(next) => {
                *done += 1;
                if !std::mem::replace(&mut seen[*next], true) {
                    open.push((*next, 0));
                }
            }
            None => {
                order.push(*block);
                open.pop();
            }
        }
    }
    order.reverse();
    order
}

/// Drops instructions behind terminators that no label precedes, and jumps and branches to the next instruction.
pub(crate) fn drop_unreached(code: &mut Code) {
    loop {
        let before = code.items.len();
        let mut targets = vec![false; code.labels as usize];
        for item in &code.items {
            if let Item::Inst(inst) = item {
                inst.labels(|label| targets[label as usize] = true);
            }
        }
        let mut reached = true;
        let mut kept: Vec<Item> = Vec::with_capacity(before);
        for item in code.items.drain(..) {
            match &item {
                Item::Label(label) if targets[*label as usize] => {
                    reached = true;
                    drop_jumps_to(&mut kept, *label);
                    kept.push(item);
                }
                Item::Label(_) => {}
                Item::Inst(inst) if reached => {
                    reached = inst.opcode.row().flow != Flow::Terminator;
                    kept.push(item);
                }
                Item::Inst(_) => {}
            }
        }
        code.items = kept;
        if code.items.len() == before {
            return;
        }
    }
}

fn drop_jumps_to(kept: &mut Vec<Item>, label: Label) {
    let labels = kept.iter().rev().take_while(|item| matches!(item, Item::Label(_))).count();
    let Some(index) = kept.len().checked_sub(labels + 1) else { return };
    if let Item::Inst(inst) = &kept[index] {
        let asks = inst.opcode.row().flow == Flow::Branch && inst.opcode.mnemonic().contains(".br_");
        let mut same = inst.opcode == Opcode::Jump || asks;
        inst.labels(|target| same &= target == label);
        if same {
            kept.remove(index);
        }
    }
}
