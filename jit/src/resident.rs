//! Values that live in slots of the native frame.
//!
//! Every place at which frames can become portable writes the registers that are live there to their cells. In a large function,
//! an interpreter's loop for instance, hundreds of such places times a hundred registers become code many times as large as the
//! function, and the compiler takes longest over it, although the processor has no registers for so many values in any case. So
//! there what lives across many such places has a slot in the native frame: what is written is stored at once, and fetched where
//! it is read. The runtime copies it from there when frames become portable, and code need not.
//!
//! Compilers use a register again and again for what has nothing to do with each other. So this is not a question of registers but
//! of webs, as the literature calls them: the writes of a register, and all the reads that they reach.

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Opcode, Reg, Role, ValueType};

use crate::shape::{Block, RegisterSet, Shape, targets};

/// In functions of fewer words no value has a slot.
const LARGE: usize = 1024;

/// Webs that live across fewer places than this have none.
const MANY: u32 = 16;

/// Where more registers than this are live at the beginnings of basic blocks, all together, a register is one web.
const MAX_NODES: usize = 1 << 22;

/// Which registers of a function are in slots, and where: the same ones however it is compiled.
#[derive(Debug, Default)]
pub(crate) struct Residents {
    /// Those that are somewhere, each with the slot of its place in this list.
    registers: Vec<u16>,
    /// By basic block: its first word, and those that are in their slots where it begins, of those that are live.
    starts: Vec<(u32, RegisterSet)>,
    /// Where instructions write these registers, in order: the word, the register, and whether it is in its slot from then on.
    writes: Vec<(u32, u16, bool)>,
}

impl Residents {
    pub(crate) fn of(module: &Module, function: u32, shape: &Shape) -> Self {
        if module.functions[function as usize].code.len() < LARGE {
            return Self::default();
        }
        let webs = Webs::of(module, function, shape);
        let chosen = webs.chosen(&module.functions[function as usize].registers);
        if chosen.iter().all(|is_chosen| !is_chosen) {
            return Self::default();
        }
        let is_chosen = |web: u32| chosen[webs.links.root(web) as usize];
        let none = RegisterSet::new(module.functions[function as usize].registers.len());
        let mut all = none.clone();
        let at_start = |block: &Block| {
            let mut found = none.clone();
            let chosen = webs.at_start(block.start, shape).filter(|(_, web)| is_chosen(*web));
            chosen.for_each(|(register, _)| found.insert(register));
            (block.start, found)
        };
        let starts: Vec<(u32, RegisterSet)> = shape.blocks.iter().map(at_start).collect();
        for (_, found) in &starts {
            all.unite(found);
        }
        let mut writes: Vec<(u32, u16, bool)> =
            webs.writes.iter().map(|(pc, register, web)| (*pc, *register, is_chosen(*web))).collect();
        writes.iter().filter(|(.., is_in)| *is_in).for_each(|(_, register, _)| all.insert(*register));
        writes.retain(|(_, register, _)| all.contains(*register));
        writes.sort_unstable();
        Self { registers: all.iter().collect(), starts, writes }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.registers.len()
    }

    /// The slot of a register.
    pub(crate) fn slot(&self, register: u16) -> Option<usize> {
        self.registers.binary_search(&register).ok()
    }

    /// The registers that are in their slots where a basic block begins.
    pub(crate) fn at_start(&self, block: usize) -> RegisterSet {
        self.starts.get(block).map(|(_, set)| set.clone()).unwrap_or_default()
    }

    /// Whether a register is in its slot once the instruction at the word `pc` has written it; `None` if it has none.
    pub(crate) fn behind_write(&self, pc: u32, register: u16) -> Option<bool> {
        let index = self.writes.binary_search_by_key(&(pc, register), |(pc, register, _)| (*pc, *register)).ok()?;
        Some(self.writes[index].2)
    }

    /// The registers that are in their slots before the instruction at the word `pc`.
    pub(crate) fn before(&self, pc: u32) -> RegisterSet {
        let Some(block) = self.starts.partition_point(|(start, _)| *start <= pc).checked_sub(1) else {
            return RegisterSet::default();
        };
        let (start, mut set) = (self.starts[block].0, self.at_start(block));
        let first = self.writes.partition_point(|(word, ..)| *word < start);
        for (_, register, is_in) in self.writes[first..].iter().take_while(|(word, ..)| *word < pc) {
            set.put(*register, *is_in);
        }
        set
    }
}

/// The webs of a function.
struct Webs {
    /// By basic block: the number of the web of the first register that is live where it begins; those of the others follow.
    firsts: Vec<u32>,
    /// Whether the number of a web is simply the register.
    is_coarse: bool,
    links: Links,
    /// The word, the register and the web of each write.
    writes: Vec<(u32, u16, u32)>,
    /// By the number of a web: across how many places it lives, as far as it is not joined with others.
    crossed: Vec<u32>,
    /// The register.
    registers: Vec<u16>,
}

impl Webs {
    fn of(module: &Module, function: u32, shape: &Shape) -> Self {
        let registers = module.functions[function as usize].registers.len();
        let mut webs = Self::at_starts(shape, registers);
        let mut current = vec![0; registers];
        for block in 0..shape.blocks.len() {
            for (register, web) in webs.at_start(shape.blocks[block].start, shape) {
                current[usize::from(register)] = web;
            }
            webs.follow(module, function, shape, block, &mut current);
            for successor in &shape.blocks[block].successors {
                for (register, web) in webs.at_start(*successor, shape) {
                    webs.links.join(current[usize::from(register)], web);
                }
            }
        }
        webs
    }

    /// Those that are live where basic blocks begin, each by itself.
    fn at_starts(shape: &Shape, registers: usize) -> Self {
        let counts = shape.blocks.iter().map(|block| shape.live_at(block.start).iter().count());
        let is_coarse = counts.clone().sum::<usize>() > MAX_NODES;
        let mut webs = Self {
            firsts: Vec::new(),
            is_coarse,
            links: Links::default(),
            writes: Vec::new(),
            crossed: Vec::new(),
            registers: Vec::new(),
        };
        if is_coarse {
            (0..registers as u16).for_each(|register| {
                webs.add(register);
            });
            return webs;
        }
        for block in &shape.blocks {
            webs.firsts.push(webs.registers.len() as u32);
            for register in shape.live_at(block.start).iter() {
                webs.add(register);
            }
        }
        webs
    }

    fn add(&mut self, register: u16) -> u32 {
        self.registers.push(register);
        self.crossed.push(0);
        self.links.add()
    }

    /// The registers that are live where a basic block begins, and their webs.
    fn at_start(&self, start: u32, shape: &Shape) -> std::vec::IntoIter<(u16, u32)> {
        let live = shape.live_at(start).iter();
        let found: Vec<(u16, u32)> = if self.is_coarse {
            live.map(|register| (register, u32::from(register))).collect()
        } else {
            live.zip(self.firsts[shape.index_of(start)]..).collect()
        };
        found.into_iter()
    }

    /// Goes through a basic block with the webs that registers are of.
    fn follow(&mut self, module: &Module, function: u32, shape: &Shape, block: usize, current: &mut [u32]) {
        let code = &module.functions[function as usize].code;
        let shapes = ModuleShapes { module, function };
        let instructions = shape.live_before(module, function, block);
        for (number, (pc, live)) in instructions.iter().enumerate() {
            let words = &code[*pc as usize..];
            let behind = instructions.get(number + 1).map_or(&shape.blocks[block].live_out, |(_, live)| live);
            let is_call = matches!(Opcode::of_word(words[0]), Some(Opcode::Call | Opcode::CallIndirect | Opcode::Svc));
            if is_call || targets(words, *pc).iter().any(|target| target <= pc) {
                for register in live.iter().filter(|register| behind.contains(*register)) {
                    self.crossed[current[usize::from(register)] as usize] += 1;
                }
            }
            let mut written = Vec::new();
            for_each_register(words, &shapes, |role, register| {
                if role != Role::Read {
                    written.push((role, register));
                }
            });
            written.into_iter().for_each(|(role, register)| self.write(*pc, role, register, current));
        }
    }

    /// An instruction writes a register.
    fn write(&mut self, pc: u32, role: Role, Reg(register): Reg, current: &mut [u32]) {
        let before = current[usize::from(register)];
        let web = if self.is_coarse { u32::from(register) } else { self.add(register) };
        if role != Role::Write {
            self.links.join(before, web);
        }
        self.writes.push((pc, register, web));
        current[usize::from(register)] = web;
    }

    /// By the number of a root: whether what is of this web has a slot.
    fn chosen(&self, types: &[ValueType]) -> Vec<bool> {
        let mut crossed = vec![0u32; self.registers.len()];
        for (web, places) in self.crossed.iter().enumerate() {
            let root = self.links.root(web as u32) as usize;
            crossed[root] = crossed[root].saturating_add(*places);
        }
        let is_number = |register: u16| matches!(types[usize::from(register)], ValueType::I32 | ValueType::I64);
        crossed.iter().zip(&self.registers).map(|(places, register)| *places >= MANY && is_number(*register)).collect()
    }
}

/// Sets that are joined one after the other (Tarjan 1975).
#[derive(Default)]
struct Links(Vec<u32>);

impl Links {
    fn add(&mut self) -> u32 {
        self.0.push(self.0.len() as u32);
        self.0.len() as u32 - 1
    }

    /// What stands for all of a set.
    fn root(&self, mut of: u32) -> u32 {
        while self.0[of as usize] != of {
            of = self.0[of as usize];
        }
        of
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.shorten(one), self.shorten(other));
        self.0[one.max(other) as usize] = one.min(other);
    }

    /// As [`Links::root`], and makes the way there half as long.
    fn shorten(&mut self, mut of: u32) -> u32 {
        while self.0[of as usize] != of {
            let next = self.0[of as usize];
            self.0[of as usize] = self.0[next as usize];
            of = next;
        }
        of
    }
}
