//! What is known of the counters of a loop in each of its rounds.
//!
//! A counter is a register that one instruction of the loop changes, always in one direction. So it stays on its side of the
//! value that it had before; and where the loop goes on only while it is below a bound, it stays below that.

use std::collections::{HashMap, HashSet};

use limen_isa::codec::Value;
use limen_isa::{Flow, ValueType};

use super::condition::{Condition, Relation, integer_name};
use super::known::{Known, Vn};
use super::ranges::{Range, greatest, greatest_signed};
use crate::structured::code::{Code, Inst, Item, Reg};
use crate::structured::flow::Block;

/// A function as far as it is known where its loops begin.
pub(super) struct Flowing<'c> {
    pub(super) code: &'c Code,
    pub(super) blocks: &'c [Block],
    pub(super) before: &'c [Vec<usize>],
    pub(super) dominators: &'c [Option<usize>],
    /// The registers that hold a number wherever they are read.
    pub(super) constants: &'c HashMap<Reg, i64>,
}

/// The registers that are written once, with a constant.
pub(super) fn constants(code: &Code, params: usize) -> HashMap<Reg, i64> {
    let writes = super::copies::writes(code, params);
    let made = code.items.iter().filter_map(|item| if let Item::Inst(inst) = item { inst.constant() } else { None });
    made.filter(|(reg, ..)| writes[*reg as usize] == 1 && !code.reads_unwritten)
        .map(|(reg, _, bits)| (reg, bits))
        .collect()
}

/// What holds of a counter wherever a round begins.
pub(super) struct Counted {
    register: Reg,
    family: ValueType,
    range: Range,
    /// What it is below.
    below: Option<(Relation, Vn)>,
}

/// How a counter changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It grows by a number, and would wrap.
    Plain(u64),
    /// It grows, or the program stops: read without a sign, and with one.
    Up,
    UpSigned,
    /// It becomes less, or the program stops.
    Down,
}

/// What must hold for a further round: the counter is below a value, or at most that.
#[derive(Clone, Copy)]
struct Limit<'c> {
    relation: Relation,
    strict: bool,
    by: Result<Reg, i64>,
    /// The block that asks.
    latch: usize,
    inst: &'c Inst,
}

impl<'c> Flowing<'c> {
    /// The counters of the loop that begins with `head`. `known` is what is known at the end of `origin`, through which alone
    /// the loop is entered; `region` are the blocks between that and `head`.
    pub(super) fn counters(
        &self,
        head: usize,
        origin: usize,
        region: &HashSet<usize>,
        known: &mut Known<'_>,
    ) -> Vec<Counted> {
        let mut back = self.before[head].iter().copied().filter(|block| *block != origin);
        let limit = if let (Some(latch), None) = (back.next(), back.next()) { self.limit(latch, head) } else { None };
        let writes = self.writes(region);
        let mut once: Vec<(Reg, usize, &Inst)> =
            writes.iter().filter_map(|(reg, write)| write.map(|(block, inst)| (*reg, block, inst))).collect();
        once.sort_unstable_by_key(|(reg, ..)| *reg);
        once.into_iter()
            .filter_map(|(reg, block, inst)| {
                let limit = limit.filter(|limit| limit.inst.values[0] == Value::Integer(i64::from(reg)));
                let in_latch = limit.is_some_and(|limit| {
                    limit.latch == block
                        && self.blocks[block].next.iter().all(|next| *next == head || !region.contains(next))
                });
                let mut around = Around { writes: &writes, constants: self.constants, known };
                let (family, step) = step(inst, reg, in_latch, &mut around)?;
                counted(reg, family, step, limit, &mut around)
            })
            .collect()
    }

    /// Whether a loop begins with `head` that is entered through `origin` alone. No way between them is longer than `most`.
    pub(super) fn is_loop(&self, head: usize, origin: usize, most: usize) -> bool {
        let before = &self.before[head];
        before.contains(&origin) && before.iter().all(|block| *block == origin || self.dominates(head, *block, most))
    }

    fn dominates(&self, head: usize, mut block: usize, most: usize) -> bool {
        for _ in 0..=most {
            if block == head {
                return true;
            }
            match self.dominators[block] {
                Some(next) if next != block => block = next,
                _ => return false,
            }
        }
        false
    }

    /// The one write of each register that these blocks write once; `None` for those that they write more often.
    fn writes(&self, region: &HashSet<usize>) -> HashMap<Reg, Option<(usize, &'c Inst)>> {
        let mut writes = HashMap::new();
        for block in region {
            for item in &self.code.items[self.blocks[*block].start..self.blocks[*block].end] {
                let Item::Inst(inst) = item else { continue };
                inst.each_register(|reg, _, written| {
                    if written {
                        writes.entry(reg).and_modify(|write| *write = None).or_insert(Some((*block, inst)));
                    }
                });
            }
        }
        writes
    }

    /// What the branch at the end of a block asks before it goes to `head`.
    fn limit(&self, latch: usize, head: usize) -> Option<Limit<'c>> {
        let block = &self.blocks[latch];
        let Some(Item::Inst(inst)) = self.code.items[block.start..block.end].last() else { return None };
        let leads = block.next.first() == Some(&head) && block.next.get(1) != Some(&head);
        if inst.opcode.row().flow != Flow::Branch || !leads {
            return None;
        }
        let (_, name) = integer_name(inst.opcode)?;
        let (strict, relation) = match name.strip_suffix('i').unwrap_or(name) {
            "br_lt_u" => (true, Relation::BelowUnsigned),
            "br_le_u" => (false, Relation::BelowUnsigned),
            "br_lt_s" => (true, Relation::BelowSigned),
            "br_le_s" => (false, Relation::BelowSigned),
            _ => return None,
        };
        let [_, Value::Integer(by), _] = *inst.values.as_slice() else { return None };
        let by = if name.ends_with('i') { Err(by) } else { Ok(by as Reg) };
        Some(Limit { relation, strict, by, latch, inst })
    }
}

/// What a loop writes, and what is known before it.
struct Around<'a, 'c, 'v> {
    writes: &'a HashMap<Reg, Option<(usize, &'c Inst)>>,
    constants: &'a HashMap<Reg, i64>,
    known: &'a mut Known<'v>,
}

impl Around<'_, '_, '_> {
    /// The number that a register holds throughout the loop, if it is known.
    fn number(&mut self, reg: Reg) -> Option<i64> {
        if self.writes.contains_key(&reg) {
            return self.constants.get(&reg).copied();
        }
        let value = self.known.of(reg);
        self.known.number(value)
    }

    /// The value that limits a counter, if it is the same in each round.
    fn bound(&mut self, limit: Limit<'_>, family: ValueType) -> Option<Vn> {
        match limit.by {
            Err(bits) => Some(self.known.constant(family, bits)),
            Ok(reg) => match self.number(reg) {
                Some(bits) => Some(self.known.constant(family, bits)),
                None if self.writes.contains_key(&reg) => None,
                None => Some(self.known.of(reg)),
            },
        }
    }
}

/// How an instruction changes a register. If it is not in the block that goes back, nobody looks whether it wraps.
fn step(inst: &Inst, reg: Reg, in_latch: bool, around: &mut Around<'_, '_, '_>) -> Option<(ValueType, Step)> {
    let (family, name) = integer_name(inst.opcode)?;
    let [Value::Integer(to), Value::Integer(a), Value::Integer(b)] = *inst.values.as_slice() else { return None };
    if to != i64::from(reg) || a != to {
        return None;
    }
    let step = match name {
        "addi" if in_latch && b > 0 => Step::Plain(b as u64),
        "add_chk_u" => Step::Up,
        "add_chk_s" if around.number(b as Reg)? > 0 => Step::UpSigned,
        "sub_chk_u" => Step::Down,
        _ => return None,
    };
    Some((family, step))
}

fn counted(
    register: Reg,
    family: ValueType,
    step: Step,
    limit: Option<Limit<'_>>,
    around: &mut Around<'_, '_, '_>,
) -> Option<Counted> {
    let bound = limit.and_then(|limit| around.bound(limit, family));
    let known = &mut *around.known;
    let first = known.of(register);
    let start = known.range(family, first);
    let most = limit.map(|limit| {
        let range = bound.map_or(Range::all(family), |bound| known.range(family, bound));
        most_below(limit, family, range).max(start.most)
    });
    let signed = limit.is_some_and(|limit| limit.relation == Relation::BelowSigned);
    let greatest = if signed || step == Step::UpSigned { greatest_signed(family) } else { greatest(family) };
    let range = match step {
        Step::Down => Range::new(0, start.most),
        // By what a further round asks it only stays without a sign if it had none.
        _ if start.most > greatest => return None,
        Step::Plain(by) => {
            Range::new(start.least, most.filter(|most| most.checked_add(by).is_some_and(|next| next <= greatest))?)
        }
        Step::Up if signed => Range::new(start.least, super::ranges::greatest(family)),
        Step::UpSigned if !signed => Range::new(start.least, greatest),
        Step::Up | Step::UpSigned => Range::new(start.least, most.unwrap_or(greatest)),
    };
    let below = limit.zip(bound).filter(|(limit, bound)| {
        let condition = Condition { relation: limit.relation, a: first, b: *bound, holds: true };
        limit.strict && known.decide(family, condition) == Some(true)
    });
    Some(Counted { register, family, range, below: below.map(|(limit, bound)| (limit.relation, bound)) })
}

/// The greatest that a counter can be for which a further round begins, where the bound lies in a range.
fn most_below(limit: Limit<'_>, family: ValueType, bound: Range) -> u64 {
    let most = match limit.relation {
        Relation::BelowSigned => bound.most.min(greatest_signed(family)),
        _ => bound.most,
    };
    most.saturating_sub(u64::from(limit.strict))
}

impl Counted {
    /// Notes what is known, where a round begins.
    pub(super) fn note(&self, known: &mut Known<'_>) {
        let value = known.of(self.register);
        known.narrow(self.family, value, self.range);
        if let Some((relation, bound)) = self.below {
            known.learn(self.family, Condition { relation, a: value, b: bound, holds: true });
        }
    }
}
