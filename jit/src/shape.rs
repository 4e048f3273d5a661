//! The shape of a function: its instructions, its basic blocks, and which registers are live where.

use std::collections::BTreeMap;
use std::ops::Range;

use limen_isa::codec::{ModuleShapes, for_each_register, for_each_target};
use limen_isa::module::Module;
use limen_isa::{Flow, Opcode, Role};

/// Of more loops than this, nobody asks which have one door: for each of them all ways are looked at.
const MAX_LOOPS: usize = 512;

/// What the compiler knows of a function before it compiles it.
pub(crate) struct Shape {
    /// Basic blocks, in order of their first word.
    pub(crate) blocks: Vec<Block>,
    /// The registers that instructions write.
    pub(crate) written: RegisterSet,
    registers: usize,
}

/// Instructions that are executed one after the other.
pub(crate) struct Block {
    /// Word of the first instruction, and the one behind the last.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Words at which execution can go on.
    pub(crate) successors: Vec<u32>,
    /// The number of the block with which the innermost loop begins that it is in: it lies between the two ends of a branch
    /// backwards.
    pub(crate) loop_head: Option<usize>,
    live_in: RegisterSet,
    pub(crate) live_out: RegisterSet,
}

/// A set of registers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct RegisterSet(Vec<u64>);

impl RegisterSet {
    pub(crate) fn new(registers: usize) -> Self {
        Self(vec![0; registers.div_ceil(64)])
    }

    pub(crate) fn insert(&mut self, register: u16) {
        self.0[usize::from(register) / 64] |= 1 << (register % 64);
    }

    pub(crate) fn remove(&mut self, register: u16) {
        self.0[usize::from(register) / 64] &= !(1 << (register % 64));
    }

    /// Inserts or removes.
    pub(crate) fn put(&mut self, register: u16, is_in: bool) {
        if is_in { self.insert(register) } else { self.remove(register) }
    }

    pub(crate) fn contains(&self, register: u16) -> bool {
        self.0.get(usize::from(register) / 64).is_some_and(|word| word >> (register % 64) & 1 != 0)
    }

    /// Adds what `other` has; whether that was anything new.
    pub(crate) fn unite(&mut self, other: &Self) -> bool {
        let mut grew = false;
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            grew |= *other & !*own != 0;
            *own |= other;
        }
        grew
    }

    /// The first 64 registers, a bit each.
    pub(crate) fn first_word(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let ones = |(index, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| (index * 64 + bit) as u16)
        };
        self.0.iter().enumerate().flat_map(ones)
    }
}

impl FromIterator<u16> for RegisterSet {
    fn from_iter<I: IntoIterator<Item = u16>>(registers: I) -> Self {
        let mut set = Self::default();
        for register in registers {
            set.0.resize(set.0.len().max(usize::from(register) / 64 + 1), 0);
            set.insert(register);
        }
        set
    }
}

impl Shape {
    pub(crate) fn of(module: &Module, function: u32) -> Self {
        let code = &module.functions[function as usize].code;
        let registers = module.functions[function as usize].registers.len();
        let shapes = ModuleShapes { module, function };
        let (blocks, written) = (blocks(code, shapes, registers), written(code, shapes, registers));
        let mut shape = Self { blocks, written, registers };
        shape.flow(code, shapes);
        shape
    }

    /// The block that a word lies in.
    pub(crate) fn block_of(&self, pc: u32) -> &Block {
        &self.blocks[self.index_of(pc)]
    }

    /// The number of the block that a word lies in.
    pub(crate) fn index_of(&self, pc: u32) -> usize {
        self.blocks.partition_point(|block| block.start <= pc) - 1
    }

    /// The registers whose values are still wanted where a block begins.
    pub(crate) fn live_at(&self, start: u32) -> &RegisterSet {
        &self.block_of(start).live_in
    }

    /// The words of each loop that has no other one in it, in order.
    pub(crate) fn innermost_loops(&self) -> Vec<Range<u32>> {
        let in_loops = self.blocks.iter().enumerate().filter_map(|(index, block)| Some((block.loop_head?, index)));
        let last_of: BTreeMap<usize, usize> = in_loops.collect();
        let has_none_in_it =
            |head: usize, last: usize| last_of.range(head + 1..).next().is_none_or(|(other, _)| *other > last);
        let innermost = last_of.iter().filter(|(head, last)| has_none_in_it(**head, **last));
        innermost.map(|(head, last)| self.blocks[*head].start..self.blocks[*last].end).collect()
    }

    /// Whether any branch goes backwards.
    pub(crate) fn has_loops(&self) -> bool {
        self.blocks.iter().any(|block| block.loop_head.is_some())
    }

    /// The loops of the function that no way enters but by its head, if `entry` is the block that the function is entered at: by
    /// the number of their first block, that of their last one. None at all if there are very many loops.
    pub(crate) fn loops_with_one_door(&self, entry: usize) -> BTreeMap<usize, usize> {
        let mut loops: BTreeMap<usize, usize> = BTreeMap::new();
        let ways = || {
            self.blocks
                .iter()
                .enumerate()
                .flat_map(|(from, block)| block.successors.iter().map(move |to| (from, self.index_of(*to))))
        };
        for (from, to) in ways().filter(|(from, to)| to <= from) {
            let last = loops.entry(to).or_insert(from);
            *last = from.max(*last);
        }
        if loops.len() > MAX_LOOPS {
            return BTreeMap::new();
        }
        let is_within = |block: usize, (head, last): (usize, usize)| (head..=last).contains(&block);
        for (from, to) in ways().map(|(from, to)| (Some(from), to)).chain([(None, entry)]) {
            loops.retain(|head, last| {
                let it = (*head, *last);
                to == *head || !is_within(to, it) || from.is_some_and(|from| is_within(from, it))
            });
        }
        loops
    }

    /// Propagates liveness from the ends of blocks to their beginnings until nothing changes.
    fn flow(&mut self, code: &[u64], shapes: ModuleShapes<'_>) {
        let mut changed = true;
        while changed {
            changed = false;
            for index in (0..self.blocks.len()).rev() {
                let mut live = RegisterSet::new(self.registers);
                for successor in &self.blocks[index].successors {
                    live.unite(self.live_at(*successor));
                }
                self.blocks[index].live_out.unite(&live);
                for pc in self.instructions(code, shapes, index).into_iter().rev() {
                    step_back(&mut live, code, shapes, pc);
                }
                changed |= self.blocks[index].live_in.unite(&live);
            }
        }
    }

    /// The words at which the instructions of a block begin.
    pub(crate) fn instructions(&self, code: &[u64], shapes: ModuleShapes<'_>, block: usize) -> Vec<u32> {
        let Block { start, end, .. } = self.blocks[block];
        let next = |pc: &u32| {
            let next = *pc + for_each_register(&code[*pc as usize..], &shapes, |_, _| {}) as u32;
            (next < end).then_some(next)
        };
        std::iter::successors(Some(start), next).collect()
    }

    /// By block: the branch that goes back to it, if there is just one.
    pub(crate) fn single_ways_back(&self, module: &Module, function: u32) -> Vec<Option<u32>> {
        let (code, shapes) = (&module.functions[function as usize].code, ModuleShapes { module, function });
        let mut ways = vec![Vec::new(); self.blocks.len()];
        for (index, block) in self.blocks.iter().enumerate() {
            for head in block.successors.iter().filter(|successor| **successor <= block.start) {
                ways[self.index_of(*head)].extend(self.instructions(code, shapes, index).last());
            }
        }
        ways.into_iter().map(|ways| if let [way] = ways[..] { Some(way) } else { None }).collect()
    }

    /// The registers that are live before the last instruction of a block.
    pub(crate) fn live_before_branch(&self, module: &Module, function: u32, branch: u32) -> RegisterSet {
        let shapes = ModuleShapes { module, function };
        let mut live = self.block_of(branch).live_out.clone();
        step_back(&mut live, &module.functions[function as usize].code, shapes, branch);
        live
    }

    /// For each instruction of a block, in order: its word, and the registers that are live before it.
    pub(crate) fn live_before(&self, module: &Module, function: u32, block: usize) -> Vec<(u32, RegisterSet)> {
        let code = &module.functions[function as usize].code;
        let shapes = ModuleShapes { module, function };
        let mut live = self.blocks[block].live_out.clone();
        let mut found: Vec<_> =
            self.instructions(code, shapes, block).into_iter().map(|pc| (pc, live.clone())).collect();
        for (pc, before) in found.iter_mut().rev() {
            step_back(&mut live, code, shapes, *pc);
            before.clone_from(&live);
        }
        found
    }
}

/// Turns what is live behind an instruction into what is live before it.
fn step_back(live: &mut RegisterSet, code: &[u64], shapes: ModuleShapes<'_>, pc: u32) {
    let words = &code[pc as usize..];
    for_each_register(words, &shapes, |role, register| {
        if role == Role::Write {
            live.remove(register.0);
        }
    });
    for_each_register(words, &shapes, |role, register| {
        if role != Role::Write {
            live.insert(register.0);
        }
    });
}

/// Where a branch can go, as words of the function.
pub(crate) fn targets(words: &[u64], pc: u32) -> Vec<u32> {
    let mut targets = Vec::new();
    for_each_target(words, |distance| targets.push(pc.wrapping_add_signed(distance)));
    targets
}

/// The words to which a branch of the function comes back, in order.
pub(crate) fn loop_heads(module: &Module, function: u32) -> Vec<u32> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let (mut heads, mut pc) = (Vec::new(), 0);
    while pc < code.len() {
        let words = &code[pc..];
        heads.extend(targets(words, pc as u32).into_iter().filter(|target| *target as usize <= pc));
        pc += for_each_register(words, &shapes, |_, _| {});
    }
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// The head of the longest loop around a word.
pub(crate) fn outermost_loop(module: &Module, function: u32, word: u32) -> Option<u32> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let (mut outermost, mut pc) = (None, word as usize);
    while pc < code.len() {
        let words = &code[pc..];
        let back = targets(words, pc as u32).into_iter().filter(|target| *target <= word);
        outermost = back.chain(outermost).min();
        pc += for_each_register(words, &shapes, |_, _| {});
    }
    outermost
}

/// The registers that instructions write.
fn written(code: &[u64], shapes: ModuleShapes<'_>, registers: usize) -> RegisterSet {
    let (mut written, mut pc) = (RegisterSet::new(registers), 0);
    while pc < code.len() {
        pc += for_each_register(&code[pc..], &shapes, |role, register| {
            if role != Role::Read {
                written.insert(register.0);
            }
        });
    }
    written
}

/// Cuts a function into basic blocks.
fn blocks(code: &[u64], shapes: ModuleShapes<'_>, registers: usize) -> Vec<Block> {
    let mut is_leader = vec![false; code.len() + 1];
    is_leader[0] = true;
    let mut pc = 0;
    while pc < code.len() {
        let words = &code[pc..];
        let length = for_each_register(words, &shapes, |_, _| {});
        let Some(opcode) = Opcode::of_word(words[0]) else { break };
        for target in targets(words, pc as u32) {
            is_leader[target as usize] = true;
        }
        if opcode.row().flow != Flow::Next {
            is_leader[pc + length] = true;
        }
        pc += length;
    }
    let mut found: Vec<Block> = Vec::new();
    let (mut pc, mut last) = (0, 0);
    while pc < code.len() {
        if is_leader[pc] {
            close(&mut found, code, pc as u32, last);
            found.push(Block {
                start: pc as u32,
                end: 0,
                successors: Vec::new(),
                loop_head: None,
                live_in: RegisterSet::new(registers),
                live_out: RegisterSet::new(registers),
            });
        }
        last = pc as u32;
        pc += for_each_register(&code[pc..], &shapes, |_, _| {});
    }
    close(&mut found, code, code.len() as u32, last);
    find_loops(&mut found);
    found
}

/// Finds out which blocks lie between the two ends of a branch backwards.
fn find_loops(blocks: &mut [Block]) {
    let mut last = vec![None; blocks.len()];
    for (index, block) in blocks.iter().enumerate() {
        for head in block.successors.iter().filter(|successor| **successor <= block.start) {
            last[blocks.partition_point(|block| block.start < *head)] = Some(index);
        }
    }
    let mut around: Vec<usize> = Vec::new();
    for index in 0..blocks.len() {
        while around.last().is_some_and(|head| last[*head] < Some(index)) {
            around.pop();
        }
        around.extend(last[index].map(|_| index));
        blocks[index].loop_head = around.last().copied();
    }
}

/// Ends the last block before the word `end`, where `last` is its last instruction.
fn close(blocks: &mut [Block], code: &[u64], end: u32, last: u32) {
    let Some(block) = blocks.last_mut() else { return };
    block.end = end;
    let words = &code[last as usize..];
    let Some(opcode) = Opcode::of_word(words[0]) else { return };
    block.successors = targets(words, last);
    if opcode.row().flow != Flow::Terminator {
        block.successors.push(end);
    }
}
