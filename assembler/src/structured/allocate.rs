//! Gives registers their places in the frame: those that are not needed at the same time share one.

use std::collections::HashMap;

use limen_isa::module::MAX_REGISTERS;
use limen_isa::{Flow, Opcode, ValueType};

use super::code::{Code, Item, Label, Reg};

/// Blocks of instructions that are run through.
struct Block {
    start: usize,
    end: usize,
    next: Vec<usize>,
    live_in: Vec<u64>,
}

/// Drops what has no effect, then renumbers registers; `params` of them keep their places. False if there are too many.
pub(crate) fn allocate(code: &mut Code, params: usize) -> bool {
    drop_unreached(code);
    let mut blocks = blocks(code);
    live(code, &mut blocks);
    if drop_unused(code, &blocks) {
        blocks = self::blocks(code);
        live(code, &mut blocks);
    }
    let intervals = intervals(code, &blocks, params);
    assign(code, params, intervals)
}

/// Drops instructions behind terminators that no label precedes, and jumps to the next instruction.
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
        let mut same = inst.opcode == Opcode::Jump;
        inst.labels(|target| same &= target == label);
        if same {
            kept.remove(index);
        }
    }
}

fn blocks(code: &Code) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut of_label: HashMap<Label, usize> = HashMap::new();
    let mut begins = true;
    for (index, item) in code.items.iter().enumerate() {
        let label = matches!(item, Item::Label(_));
        if begins || (label && !matches!(code.items.get(index.wrapping_sub(1)), Some(Item::Label(_)))) {
            blocks.push(Block { start: index, end: index, next: Vec::new(), live_in: Vec::new() });
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

fn set(bits: &mut [u64], reg: Reg) {
    bits[reg as usize / 64] |= 1 << (reg % 64);
}

fn clear(bits: &mut [u64], reg: Reg) {
    bits[reg as usize / 64] &= !(1 << (reg % 64));
}

fn has(bits: &[u64], reg: Reg) -> bool {
    bits[reg as usize / 64] >> (reg % 64) & 1 != 0
}

/// What is live at the end of a block.
fn live_out(blocks: &[Block], number: usize, words: usize) -> Vec<u64> {
    let mut out = vec![0; words];
    for next in &blocks[number].next {
        blocks[*next].live_in.iter().zip(&mut out).for_each(|(bits, out)| *out |= bits);
    }
    out
}

fn live(code: &mut Code, blocks: &mut [Block]) {
    let words = code.registers.len().div_ceil(64);
    blocks.iter_mut().for_each(|block| block.live_in = vec![0; words]);
    let mut changed = true;
    while changed {
        changed = false;
        for number in (0..blocks.len()).rev() {
            let mut live = live_out(blocks, number, words);
            for index in (blocks[number].start..blocks[number].end).rev() {
                step_back(&mut code.items[index], &mut live);
            }
            if live != blocks[number].live_in {
                blocks[number].live_in = live;
                changed = true;
            }
        }
    }
}

fn step_back(item: &mut Item, live: &mut [u64]) {
    let Item::Inst(inst) = item else { return };
    inst.registers(|used| {
        if used.writes && !used.reads {
            clear(live, *used.register as Reg);
        }
    });
    inst.registers(|used| {
        if used.reads {
            set(live, *used.register as Reg);
        }
    });
}

/// Drops computations whose results nobody needs; whether there were any.
fn drop_unused(code: &mut Code, blocks: &[Block]) -> bool {
    let words = code.registers.len().div_ceil(64);
    let mut keep = vec![true; code.items.len()];
    for (number, block) in blocks.iter().enumerate() {
        let mut live = live_out(blocks, number, words);
        for index in (block.start..block.end).rev() {
            if let Item::Inst(inst) = &mut code.items[index] {
                let mut needed = !inst.is_pure();
                inst.registers(|used| needed |= used.writes && has(&live, *used.register as Reg));
                keep[index] = needed && !is_own_move(inst);
            }
            if keep[index] {
                step_back(&mut code.items[index], &mut live);
            }
        }
    }
    let mut keep = keep.into_iter();
    let before = code.items.len();
    code.items.retain(|_| keep.next().unwrap_or(true));
    code.items.len() != before
}

fn is_own_move(inst: &super::code::Inst) -> bool {
    inst.opcode.mnemonic().ends_with(".mov") && inst.values[0] == inst.values[1]
}

/// From the first to the last moment at which a register is needed; instruction `i` reads at `2 i` and writes at `2 i + 1`.
#[derive(Clone, Copy)]
struct Interval {
    reg: Reg,
    start: usize,
    end: usize,
}

fn intervals(code: &mut Code, blocks: &[Block], params: usize) -> Vec<Interval> {
    let words = code.registers.len().div_ceil(64);
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; code.registers.len()];
    let mut extend = |reg: Reg, at: usize| {
        let span = spans[reg as usize].get_or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    };
    (0..params as Reg).for_each(|param| extend(param, 0));
    for (number, block) in blocks.iter().enumerate() {
        let out = live_out(blocks, number, words);
        for (word, (live_in, live_out)) in block.live_in.iter().zip(&out).enumerate() {
            each_bit(*live_in, |bit| extend(word as Reg * 64 + bit, 2 * block.start));
            each_bit(*live_out, |bit| extend(word as Reg * 64 + bit, 2 * block.end));
        }
        for index in block.start..block.end {
            let Item::Inst(inst) = &mut code.items[index] else { continue };
            inst.registers(|used| {
                if used.reads {
                    extend(*used.register as Reg, 2 * index);
                }
                if used.writes {
                    extend(*used.register as Reg, 2 * index + 1);
                }
            });
        }
    }
    let spans = spans.into_iter().enumerate();
    spans.filter_map(|(reg, span)| span.map(|(start, end)| Interval { reg: reg as Reg, start, end })).collect()
}

fn each_bit(mut bits: u64, mut visit: impl FnMut(Reg)) {
    while bits != 0 {
        visit(bits.trailing_zeros());
        bits &= bits - 1;
    }
}

fn assign(code: &mut Code, params: usize, mut intervals: Vec<Interval>) -> bool {
    intervals.sort_by_key(|interval| (interval.start, interval.reg));
    let wishes = wishes(code);
    let mut types: Vec<ValueType> = code.registers[..params].to_vec();
    let mut free_from: Vec<usize> = vec![0; params];
    let mut places: Vec<u32> = vec![0; code.registers.len()];
    for interval in intervals {
        let ty = code.registers[interval.reg as usize];
        let fits = |place: usize| types[place] == ty && free_from[place] <= interval.start;
        let wish = wishes.get(&interval.reg).map(|other| places[*other as usize] as usize);
        let place = if (interval.reg as usize) < params {
            interval.reg as usize
        } else if let Some(place) = wish.filter(|place| *place < types.len() && fits(*place)) {
            place
        } else if let Some(place) = (0..types.len()).find(|place| fits(*place)) {
            place
        } else {
            types.push(ty);
            free_from.push(0);
            types.len() - 1
        };
        places[interval.reg as usize] = place as u32;
        free_from[place] = interval.end + 1;
    }
    for item in &mut code.items {
        if let Item::Inst(inst) = item {
            inst.registers(|used| *used.register = i64::from(places[*used.register as usize]));
        }
    }
    code.items.retain(|item| !matches!(item, Item::Inst(inst) if is_own_move(inst)));
    code.registers = types;
    code.registers.len() <= MAX_REGISTERS
}

/// Registers that would like the place of another, which is moved to them.
fn wishes(code: &Code) -> HashMap<Reg, Reg> {
    let mut wishes = HashMap::new();
    for item in &code.items {
        let Item::Inst(inst) = item else { continue };
        if let (true, [limen_isa::codec::Value::Integer(to), limen_isa::codec::Value::Integer(from)]) =
            (inst.opcode.mnemonic().ends_with(".mov"), inst.values.as_slice())
        {
            wishes.entry(*to as Reg).or_insert(*from as Reg);
        }
    }
    wishes
}
