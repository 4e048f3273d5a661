//! Gives registers their places in the frame: those that are not needed at the same time share one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use limen_isa::ValueType;
use limen_isa::module::MAX_REGISTERS;

use super::code::{Code, Item, Reg};
use super::flow::{self, Block};
use super::live::Live;

/// Drops what is never reached, then renumbers registers; `params` of them keep their places. False if there are too many.
pub(crate) fn allocate(code: &mut Code, params: usize) -> bool {
    flow::drop_unreached(code);
    let blocks = flow::blocks(code);
    let live = Live::of(code, &blocks);
    let intervals = intervals(code, &blocks, &live, params);
    assign(code, params, intervals)
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
        live.each_into(number, |reg| extend(reg, 2 * block.start));
        live.each_out_of(block, |reg| extend(reg, 2 * block.end));
        for index in block.start..block.end {
            let Item::Inst(inst) = &code.items[index] else { continue };
            inst.each_register(|reg, reads, writes| {
                if reads {
                    extend(reg, 2 * index);
                }
                if writes {
                    extend(reg, 2 * index + 1);
                }
            });
        }
    }
    let spans = spans.into_iter().enumerate();
    spans.filter_map(|(reg, span)| span.map(|(start, end)| Interval { reg: reg as Reg, start, end })).collect()
}

/// The places of a frame: of which types they are, which are taken until when, and which are not.
struct Frame {
    types: Vec<ValueType>,
    taken: BinaryHeap<Reverse<(usize, usize)>>,
    free: HashMap<ValueType, BTreeSet<usize>>,
}

impl Frame {
    /// A place for an interval, best the wished one; the first `params` registers have theirs.
    fn place(&mut self, interval: Interval, ty: ValueType, params: usize, wish: Option<usize>) -> usize {
        while let Some(Reverse((end, place))) = self.taken.peek().copied()
            && end < interval.start
        {
            self.taken.pop();
            self.free.entry(self.types[place]).or_default().insert(place);
        }
        let free = self.free.entry(ty).or_default();
        let place = if (interval.reg as usize) < params {
            interval.reg as usize
        } else if let Some(place) = wish.filter(|place| free.contains(place)).or_else(|| free.first().copied()) {
            free.remove(&place);
            place
        } else {
            self.types.push(ty);
            self.types.len() - 1
        };
        self.taken.push(Reverse((interval.end, place)));
        place
    }
}

fn assign(code: &mut Code, params: usize, mut intervals: Vec<Interval>) -> bool {
    intervals.sort_by_key(|interval| (interval.start, interval.reg));
    let wishes = wishes(code);
    let types = code.registers[..params].to_vec();
    let mut frame = Frame { types, taken: BinaryHeap::new(), free: HashMap::new() };
    let mut places: Vec<u32> = vec![0; code.registers.len()];
    for interval in intervals {
        let wish = wishes.get(&interval.reg).map(|other| places[*other as usize] as usize);
        let ty = code.registers[interval.reg as usize];
        places[interval.reg as usize] = frame.place(interval, ty, params, wish) as u32;
    }
    for item in &mut code.items {
        if let Item::Inst(inst) = item {
            inst.registers(|used| *used.register = i64::from(places[*used.register as usize]));
        }
    }
    code.items.retain(|item| !matches!(item, Item::Inst(inst) if inst.is_own_move()));
    code.registers = frame.types;
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
