//! Gives registers their places in the frame: those that are not needed at the same time share one.

use std::collections::HashMap;

use limen_isa::ValueType;
use limen_isa::module::MAX_REGISTERS;

use super::code::{Code, Item, Reg};
use super::flow::{self, Block};

/// Drops what is never reached, then renumbers registers; `params` of them keep their places. False if there are too many.
pub(crate) fn allocate(code: &mut Code, params: usize) -> bool {
    flow::drop_unreached(code);
    let blocks = flow::blocks(code);
    let live = Live::of(code, &blocks);
    let intervals = intervals(code, &blocks, &live, params);
    assign(code, params, intervals)
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

/// The registers that are needed where each block begins.
struct Live {
    words: usize,
    into: Vec<Vec<u64>>,
}

impl Live {
    fn of(code: &mut Code, blocks: &[Block]) -> Self {
        let words = code.registers.len().div_ceil(64);
        let mut live = Self { words, into: vec![vec![0; words]; blocks.len()] };
        let mut changed = true;
        while changed {
            changed = false;
            for number in (0..blocks.len()).rev() {
                let mut bits = live.out_of(&blocks[number]);
                for index in (blocks[number].start..blocks[number].end).rev() {
                    step_back(&mut code.items[index], &mut bits);
                }
                changed |= bits != live.into[number];
                live.into[number] = bits;
            }
        }
        live
    }

    /// What is needed at the end of a block.
    fn out_of(&self, block: &Block) -> Vec<u64> {
        let mut out = vec![0; self.words];
        for next in &block.next {
            self.into[*next].iter().zip(&mut out).for_each(|(bits, out)| *out |= bits);
        }
        out
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

/// Drops computations whose results nobody needs.
pub(crate) fn drop_unused(code: &mut Code) {
    loop {
        let blocks = flow::blocks(code);
        let live = Live::of(code, &blocks);
        if !drop_unused_once(code, &live, &blocks) {
            return;
        }
    }
}

/// Whether there were any.
fn drop_unused_once(code: &mut Code, live: &Live, blocks: &[Block]) -> bool {
    let mut keep = vec![true; code.items.len()];
    for block in blocks {
        let mut live = live.out_of(block);
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

fn intervals(code: &mut Code, blocks: &[Block], live: &Live, params: usize) -> Vec<Interval> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; code.registers.len()];
    let mut extend = |reg: Reg, at: usize| {
        let span = spans[reg as usize].get_or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    };
    (0..params as Reg).for_each(|param| extend(param, 0));
    for (number, block) in blocks.iter().enumerate() {
        let out = live.out_of(block);
        for (word, (live_in, live_out)) in live.into[number].iter().zip(&out).enumerate() {
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
