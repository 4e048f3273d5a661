//! What leaves a loop stands behind it, so that the rounds of the loop run straight on: before the place that it goes to, as
//! near as nothing runs into it, so that it need not go back; else behind the function.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use limen_isa::Flow;

use super::inline::cold;
use super::threads::{self, new_label, opposite, target};
use crate::structured::code::{Code, Inst, Item, Label};
use crate::structured::flow::{self, Block};

/// Functions of more blocks than this stay as they are.
const MAX_BLOCKS: usize = 2000;

/// So many places are looked at for what leaves a loop.
const MAX_SEARCH: usize = 100;

/// What leaves a loop: its items, and the first item behind the loop.
struct Run {
    items: Range<usize>,
    behind: usize,
}

pub(super) fn move_out(code: &mut Code) {
    threads::thread(code);
    let blocks = flow::blocks(code);
    if blocks.len() > MAX_BLOCKS {
        return;
    }
    let loops = loops(&blocks);
    let mut runs: Vec<Run> = Vec::new();
    let mut number = 0;
    while number < blocks.len() {
        number = match leaving(code, &blocks, &loops, number) {
            Some((end, last)) => {
                let items = blocks[number + 1].start..blocks[end - 1].end;
                runs.push(Run { items, behind: blocks[last].end });
                end
            }
            None => number + 1,
        };
    }
    move_behind(code, &runs);
    flow::drop_unreached(code);
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

/// Where the loop goes on, if a block asks whether to leave it, and what does so stands right behind the question; and the last
/// block of the loop.
fn leaving(code: &Code, blocks: &[Block], loops: &[HashSet<usize>], number: usize) -> Option<(usize, usize)> {
    let Item::Inst(branch) = &code.items[blocks[number].end - 1] else { return None };
    if branch.opcode.row().flow != Flow::Branch || opposite(branch).is_none() {
        return None;
    }
    let on = *blocks[number].next.first()?;
    let inside = loops.iter().find(|inside| inside.contains(&number))?;
    let leaves = on > number + 1
        && inside.contains(&on)
        && is_end(&code.items[blocks[on - 1].end - 1])
        && (number + 1..on).all(|block| !inside.contains(&block));
    leaves.then(|| (on, inside.iter().copied().max().unwrap_or(on)))
}

/// Whether control does not come from an item to the next one.
fn is_end(item: &Item) -> bool {
    matches!(item, Item::Inst(inst) if inst.opcode.row().flow == Flow::Terminator)
}

/// Moves what leaves loops. Before each of them stands the branch that passes by it.
fn move_behind(code: &mut Code, runs: &[Run]) {
    let cold = cold(code);
    let runs: Vec<&Run> = runs.iter().filter(|run| run.items.end <= cold).collect();
    let mut moved: HashMap<usize, Vec<Item>> = HashMap::new();
    let mut starts: HashMap<usize, (usize, Label)> = HashMap::new();
    let places = places(code);
    for run in &runs {
        let label = new_label(code);
        starts.insert(run.items.start, (run.items.end, label));
        let to = destination(code, run, &runs, &places).unwrap_or(cold);
        let items = moved.entry(to).or_default();
        items.push(Item::Label(label));
        items.extend_from_slice(&code.items[run.items.clone()]);
    }
    let mut out: Vec<Item> = Vec::with_capacity(code.items.len() + runs.len());
    let mut stays_from = 0;
    for (index, item) in std::mem::take(&mut code.items).into_iter().enumerate() {
        out.extend(moved.remove(&index).into_iter().flatten());
        if let Some((end, label)) = starts.get(&index) {
            stays_from = *end;
            if let Some(Item::Inst(branch)) = out.last_mut() {
                go_to(branch, *label);
            }
        }
        if index >= stays_from {
            out.push(item);
        }
    }
    out.extend(moved.into_values().flatten());
    code.items = out;
}

fn places(code: &Code) -> HashMap<Label, usize> {
    let mut places = HashMap::new();
    for (index, item) in code.items.iter().enumerate() {
        if let Item::Label(label) = item {
            places.insert(*label, index);
        }
    }
    places
}

/// The place behind the loop from which what leaves it goes on with the shortest way, and without going back.
fn destination(code: &Code, run: &Run, runs: &[&Run], places: &HashMap<Label, usize>) -> Option<usize> {
    let Item::Inst(last) = &code.items[run.items.end - 1] else { return None };
    let goal = *places.get(&target(last)?)?;
    let is_free = |place: &usize| {
        is_end(&code.items[place - 1]) && runs.iter().all(|run| !(run.items.start..run.items.end + 1).contains(place))
    };
    let first = run.behind.max(run.items.end + 1);
    (first..goal + 1).rev().take(MAX_SEARCH).find(is_free)
}

/// Lets a branch go to a label where it went on before.
fn go_to(branch: &mut Inst, label: Label) {
    if let Some(mut other) = opposite(branch) {
        other.each_label(|to| *to = i64::from(label));
        *branch = other;
    }
}
