//! Which registers are needed where.
//!
//! Most registers are written and read within one block. Only the others are looked at beyond it, so that long functions with
//! many of them stay cheap.

use super::code::{Code, Item, Reg};
use super::flow::{self, Block};

/// So often what is not needed is looked for: what only that needed may not be needed either.
const MAX_ROUNDS: usize = 8;

/// The registers that are needed where each block begins.
pub(crate) struct Live {
    /// The registers that are needed beyond a block, in the order of their numbers.
    shared: Vec<Reg>,
    /// For each block a bit for each of those.
    into: Vec<Vec<u64>>,
}

/// What a block does with the registers that are needed beyond one.
#[derive(Clone)]
struct Effect {
    reads: Vec<u64>,
    keeps: Vec<u64>,
}

impl Live {
    pub(crate) fn of(code: &Code, blocks: &[Block]) -> Self {
        let shared = shared(code, blocks);
        let words = shared.len().div_ceil(64);
        let effects: Vec<Effect> =
            blocks.iter().map(|block| effect(&code.items[block.start..block.end], &shared)).collect();
        let before = flow::before(blocks);
        let mut live = Self { shared, into: vec![vec![0; words]; blocks.len()] };
        let mut open: Vec<usize> = (0..blocks.len()).collect();
        let mut is_open = vec![true; blocks.len()];
        while let Some(number) = open.pop() {
            is_open[number] = false;
            if live.update(number, &blocks[number], &effects[number]) {
                for before in &before[number] {
                    if !std::mem::replace(&mut is_open[*before], true) {
                        open.push(*before);
                    }
                }
            }
        }
        live
    }

    /// Whether something changes where a block begins.
    fn update(&mut self, number: usize, block: &Block, effect: &Effect) -> bool {
        let mut changed = false;
        for word in 0..effect.reads.len() {
            let bits = effect.reads[word] | self.out_of(block, word) & effect.keeps[word];
            changed |= std::mem::replace(&mut self.into[number][word], bits) != bits;
        }
        changed
    }

    fn out_of(&self, block: &Block, word: usize) -> u64 {
        block.next.iter().fold(0, |bits, next| bits | self.into[*next][word])
    }

    /// Visits the registers that are needed where a block begins.
    pub(crate) fn each_into(&self, number: usize, mut visit: impl FnMut(Reg)) {
        for (word, bits) in self.into[number].iter().enumerate() {
            each_bit(*bits, |bit| visit(self.shared[word * 64 + bit]));
        }
    }

    /// Visits the registers that are needed behind a block.
    pub(crate) fn each_out_of(&self, block: &Block, mut visit: impl FnMut(Reg)) {
        for word in 0..self.shared.len().div_ceil(64) {
            each_bit(self.out_of(block, word), |bit| visit(self.shared[word * 64 + bit]));
        }
    }
}

fn each_bit(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// The registers that some block reads before it writes them.
fn shared(code: &Code, blocks: &[Block]) -> Vec<Reg> {
    let mut written_in = vec![usize::MAX; code.registers.len()];
    let mut is_shared = vec![false; code.registers.len()];
    for (number, block) in blocks.iter().enumerate() {
        for item in &code.items[block.start..block.end] {
            let Item::Inst(inst) = item else { continue };
            inst.each_register(|reg, reads, _| {
                is_shared[reg as usize] |= reads && written_in[reg as usize] != number;
            });
            inst.each_register(|reg, _, writes| {
                if writes {
                    written_in[reg as usize] = number;
                }
            });
        }
    }
    (0..code.registers.len() as Reg).filter(|reg| is_shared[*reg as usize]).collect()
}

fn effect(items: &[Item], shared: &[Reg]) -> Effect {
    let words = shared.len().div_ceil(64);
    let mut effect = Effect { reads: vec![0; words], keeps: vec![u64::MAX; words] };
    for item in items.iter().rev() {
        let Item::Inst(inst) = item else { continue };
        inst.each_register(|reg, reads, writes| {
            if let (true, Ok(bit)) = (writes && !reads, shared.binary_search(&reg)) {
                effect.reads[bit / 64] &= !(1 << (bit % 64));
                effect.keeps[bit / 64] &= !(1 << (bit % 64));
            }
        });
        inst.each_register(|reg, reads, _| {
            if let (true, Ok(bit)) = (reads, shared.binary_search(&reg)) {
                effect.reads[bit / 64] |= 1 << (bit % 64);
            }
        });
    }
    effect
}

/// Drops computations whose results nobody needs.
pub(crate) fn drop_unused(code: &mut Code) {
    for _ in 0..MAX_ROUNDS {
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
    // The block in which a register is needed at the place that is looked at.
    let mut needed_in = vec![usize::MAX; code.registers.len()];
    for (number, block) in blocks.iter().enumerate() {
        live.each_out_of(block, |reg| needed_in[reg as usize] = number);
        for index in (block.start..block.end).rev() {
            let Item::Inst(inst) = &code.items[index] else { continue };
            let mut needed = !inst.is_pure();
            inst.each_register(|reg, _, writes| needed |= writes && needed_in[reg as usize] == number);
            keep[index] = needed && !inst.is_own_move();
            if !keep[index] {
                continue;
            }
            inst.each_register(|reg, reads, writes| {
                if writes && !reads {
                    needed_in[reg as usize] = usize::MAX;
                }
            });
            inst.each_register(|reg, reads, _| {
                if reads {
                    needed_in[reg as usize] = number;
                }
            });
        }
    }
    let mut keep = keep.into_iter();
    let before = code.items.len();
    code.items.retain(|_| keep.next().unwrap_or(true));
    code.items.len() != before
}
