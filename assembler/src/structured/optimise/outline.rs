//! What leaves a loop stands behind the function, so that the rounds of the loop run straight on.

use std::collections::HashSet;
use std::ops::Range;

use limen_isa::Flow;

use super::inline::cold;
use super::threads::{new_label, opposite};
use crate::structured::code::{Code, Inst, Item, Label};
use crate::structured::flow::{self, Block};

/// Functions of more blocks than this stay as they are.
const MAX_BLOCKS: usize = 2000;

pub(super) fn move_out(code: &mut Code) {
    let blocks = flow::blocks(code);
    if blocks.len() > MAX_BLOCKS {
        return;
    }
    let loops = loops(&blocks);
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut number = 0;
    while number < blocks.len() {
        number = match leaving(code, &blocks, &loops, number) {
            Some(end) => {
                runs.push(number + 1..end);
                end
            }
            None => number + 1,
        };
    }
    let runs: Vec<Range<usize>> =
        runs.into_iter().map(|run| blocks[run.start].start..blocks[run.end - 1].end).collect();
    move_behind(code, &runs);
}

/// The blocks of each loop, the smallest loops first.
fn loops(blocks: &[Block]) -> Vec<HashSet<usize>> {
    let before = flow::before(blocks);
    let mut loops = Vec::new();
    for head in 0..blocks.len() {
        let back: Vec<usize> = before[head].iter().copied().filter(|from| *from >= head).collect();
        if back.is_empty() {
            continue;
        }
        let mut inside = HashSet::from([head]);
        let mut open = back;
        while let Some(block) = open.pop() {
            if inside.insert(block) {
                open.extend(&before[block]);
            }
        }
        loops.push(inside);
    }
    loops.sort_by_key(HashSet::len);
    loops
}

/// Where the loop goes on, if a block asks whether to leave it, and what does so stands right behind the question.
fn leaving(code: &Code, blocks: &[Block], loops: &[HashSet<usize>], number: usize) -> Option<usize> {
    let Item::Inst(branch) = &code.items[blocks[number].end - 1] else { return None };
    if branch.opcode.row().flow != Flow::Branch || opposite(branch).is_none() {
        return None;
    }
    let on = *blocks[number].next.first()?;
    let inside = loops.iter().find(|inside| inside.contains(&number))?;
    let ends = |block: usize| matches!(&code.items[blocks[block].end - 1], Item::Inst(inst) if inst.opcode.row().flow == Flow::Terminator);
    let leaves = on > number + 1
        && inside.contains(&on)
        && ends(on - 1)
        && (number + 1..on).all(|block| !inside.contains(&block));
    leaves.then_some(on)
}

/// Moves these items to where only traps follow. Before each stands the branch that passes by it.
fn move_behind(code: &mut Code, runs: &[Range<usize>]) {
    let cold = cold(code);
    let mut moved = Vec::new();
    let mut stay = Vec::with_capacity(code.items.len());
    let mut runs = runs.iter().filter(|run| run.end <= cold).peekable();
    let mut tail = Vec::new();
    for (index, item) in std::mem::take(&mut code.items).into_iter().enumerate() {
        if runs.peek().is_some_and(|run| run.end <= index) {
            runs.next();
        }
        match runs.peek() {
            Some(run) if run.start == index => {
                let label = new_label(code);
                if let Some(Item::Inst(branch)) = stay.last_mut() {
                    go_to(branch, label);
                }
                moved.extend([Item::Label(label), item]);
            }
            Some(run) if run.contains(&index) => moved.push(item),
            _ if index >= cold => tail.push(item),
            _ => stay.push(item),
        }
    }
    code.items = stay;
    code.items.append(&mut moved);
    code.items.append(&mut tail);
}

/// Lets a branch go to a label where it went on before.
fn go_to(branch: &mut Inst, label: Label) {
    if let Some(mut other) = opposite(branch) {
        other.each_label(|to| *to = i64::from(label));
        *branch = other;
    }
}
