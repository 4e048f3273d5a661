//! Loops that count their turns, so that it can be known before the first one where the last one accesses memory.
//!
//! Such a loop is a single basic block. A register that only one of its instructions writes, and that adds the same each time, is
//! after so many turns what it was and so many times that. Where numbers are made of such and of what does not change, by
//! additions and shifts, they only grow, as long as none of them leaves 32 bits: what the last turn accesses is the farthest.

use std::collections::HashMap;

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Opcode, Reg, Role};
use limen_vm::Rights;

use crate::bounds::{self, Bounds};
use crate::lower::inline::is_arithmetic;
use crate::lower::kept;
use crate::ranges::operand;
use crate::shape::{Block, Shape};

/// In loops of more words a look at each access takes little of a turn.
const MAX_WORDS: u32 = 32;

/// Numbers that are made of more are not followed.
const MAX_PARTS: usize = 8;

/// What is known of a loop that counts.
pub(crate) struct Counted {
    pub(crate) counter: Counter,
    /// Its accesses that need no look in a turn, once it is known where the last turn's go.
    pub(crate) accesses: Vec<Access>,
    /// What each turn adds to registers.
    pub(crate) steps: HashMap<u16, Step>,
}

/// When the loop ends.
pub(crate) struct Counter {
    pub(crate) register: u16,
    pub(crate) end: End,
    /// Whether both are taken for signed numbers.
    pub(crate) is_signed: bool,
}

/// Where a counter ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It goes down to zero.
    Zero,
    /// It goes up as long as it is below this.
    Below(Limit),
    /// It goes up as long as it is not above this.
    NotAbove(Limit),
}

/// What a counter is compared with, or what is added to a register.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    Number(u32),
    /// Of a register that does not change.
    Register(u16),
}

/// What a turn adds to a register.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Up(Limit),
    /// It takes one away.
    Down,
}

/// An access, by its word.
pub(crate) struct Access {
    pub(crate) pc: u32,
    pub(crate) place: Place,
    /// So many bytes from the place must be open.
    pub(crate) bytes: u32,
}

/// Where an access goes.
pub(crate) enum Place {
    /// In home: the first number and so many times the second one.
    Home(Number, Option<(Number, u32)>),
    /// Behind a reference, with this right.
    Segment(Reg, Rights, Number),
}

/// A number that never gets less from turn to turn.
#[derive(Clone)]
pub(crate) enum Number {
    Constant(u32),
    /// In a register that does not change.
    Same(u16),
    /// In one that grows, before it does or behind.
    Grown {
        register: u16,
        is_behind: bool,
    },
    Sum(Box<Number>, Box<Number>),
    Shifted(Box<Number>, u32),
}

impl Counted {
    /// Of the loop that is this basic block, which ends with a branch to its beginning; `None` if there is nothing to be gained or
    /// to be known. Of home nothing is, unless it is said what is open there.
    pub(crate) fn of(
        module: &Module,
        function: u32,
        shape: &Shape,
        block: usize,
        home: Option<&Bounds>,
    ) -> Option<Self> {
        let code = &module.functions[function as usize].code;
        let Block { start, end, .. } = shape.blocks[block];
        let instructions = shape.instructions(code, ModuleShapes { module, function }, block);
        let (branch, others) = instructions.split_last()?;
        if end - start > MAX_WORDS {
            return None;
        }
        let writes = writes(module, function, others);
        let steps = steps(code, &writes);
        let counter = Counter::of(&code[*branch as usize..], &writes, &steps)?;
        let open = home.map(|home| home.at_start(block)).unwrap_or_default();
        let mut walk =
            Walk { writes: &writes, steps: &steps, home, open, numbers: HashMap::new(), accesses: Vec::new() };
        others.iter().try_for_each(|pc| walk.follow(*pc, &code[*pc as usize..]))?;
        let accesses = walk.accesses;
        (!accesses.is_empty()).then_some(Self { counter, accesses, steps })
    }
}

/// By register: the words of the instructions that write it.
type Writes = HashMap<u16, Vec<u32>>;

fn writes(module: &Module, function: u32, instructions: &[u32]) -> Writes {
    let code = &module.functions[function as usize].code;
    let mut writes = Writes::new();
    for pc in instructions {
        for_each_register(&code[*pc as usize..], &ModuleShapes { module, function }, |role, register| {
            if role != Role::Read {
                writes.entry(register.0).or_default().push(*pc);
            }
        });
    }
    writes
}

/// The registers to which each turn adds the same.
fn steps(code: &[u64], writes: &Writes) -> HashMap<u16, Step> {
    let step = |(register, pcs): (&u16, &Vec<u32>)| {
        let [pc] = pcs[..] else { return None };
        Some((*register, Step::of(&code[pc as usize..], *register, writes)?))
    };
    writes.iter().filter_map(step).collect()
}

impl Step {
    /// What an instruction adds to the register that it writes.
    fn of(words: &[u64], register: u16, writes: &Writes) -> Option<Self> {
        let opcode = Opcode::of_word(words[0])?;
        let [a, b] = ["a", "b"].map(|name| operand(opcode, words, name).map(|register| register as u16));
        match opcode {
            Opcode::I32Addi | Opcode::I64Addi if a == Some(register) => match operand(opcode, words, "k")? as i32 {
                -1 => Some(Self::Down),
                k => (k > 0).then_some(Self::Up(Limit::Number(k as u32))),
            },
            Opcode::I32Add | Opcode::I64Add => {
                let other = if a == Some(register) { b? } else { a.filter(|_| b == Some(register))? };
                (!writes.contains_key(&other)).then_some(Self::Up(Limit::Register(other)))
            }
            _ => None,
        }
    }
}

impl Counter {
    /// Of the branch at the end of a loop.
    fn of(words: &[u64], writes: &Writes, steps: &HashMap<u16, Step>) -> Option<Self> {
        use Opcode::*;
        let opcode = Opcode::of_word(words[0])?;
        let register = operand(opcode, words, "a")? as u16;
        let limit = match (operand(opcode, words, "k"), operand(opcode, words, "b")) {
            (Some(k), _) => Limit::Number(k),
            (None, b) => Limit::Register(b.map(|b| b as u16).filter(|b| !writes.contains_key(b))?),
        };
        let (end, is_signed) = match opcode {
            I32BrNei | I64BrNei | I32BrGtUi | I64BrGtUi if limit == Limit::Number(0) => (End::Zero, false),
            I32BrLtU | I32BrLtUi | I64BrLtU | I64BrLtUi => (End::Below(limit), false),
            I32BrLeU | I32BrLeUi | I64BrLeU | I64BrLeUi => (End::NotAbove(limit), false),
            I32BrLtS | I32BrLtSi | I64BrLtS | I64BrLtSi => (End::Below(limit), true),
            I32BrLeS | I32BrLeSi | I64BrLeS | I64BrLeSi => (End::NotAbove(limit), true),
            _ => return None,
        };
        let goes_down = *steps.get(&register)? == Step::Down;
        let is_negative = matches!(limit, Limit::Number(k) if (k as i32) < 0);
        (goes_down == matches!(end, End::Zero) && !is_negative).then_some(Self { register, end, is_signed })
    }
}

/// A walk through the instructions of a turn.
struct Walk<'a> {
    writes: &'a Writes,
    steps: &'a HashMap<u16, Step>,
    home: Option<&'a Bounds>,
    /// What is known to be open in home.
    open: Vec<u32>,
    /// In registers that were written in this turn.
    numbers: HashMap<u16, Option<Number>>,
    accesses: Vec<Access>,
}

impl Walk<'_> {
    /// An instruction; `None` if it may need the runtime and then go on in the loop.
    fn follow(&mut self, pc: u32, words: &[u64]) -> Option<()> {
        let opcode = Opcode::of_word(words[0])?;
        if let Some((reference, rights, bytes)) = kept::access(words) {
            let offset = self.number(operand(opcode, words, "o")? as u16)?;
            self.accesses.push(Access { pc, place: Place::Segment(reference, rights, offset), bytes });
        } else if let Some((place, end)) = bounds::access(words) {
            self.follow_home(pc, place, end);
        } else if !is_done_here(opcode, words) {
            return None;
        }
        let number = self.result(opcode, words).filter(|number| number.parts() <= MAX_PARTS);
        for (register, _) in self.writes.iter().filter(|(_, pcs)| pcs.contains(&pc)) {
            self.numbers.insert(*register, number.clone());
            if let Some(home) = self.home {
                home.forget(&mut self.open, *register);
            }
        }
        Some(())
    }

    /// An access to home. If it is not known where it goes, each turn looks.
    fn follow_home(&mut self, pc: u32, place: bounds::Place, end: u32) {
        let Some(bytes) = self.home.and_then(|home| home.looks_for(&mut self.open, pc, end)) else { return };
        let index = place.index.map(|(index, size)| Some((self.number(index)?, size)));
        if let (Some(base), None | Some(Some(_))) = (self.number(place.base), &index) {
            self.accesses.push(Access { pc, place: Place::Home(base, index.flatten()), bytes });
        }
    }

    /// What is in a register.
    fn number(&self, register: u16) -> Option<Number> {
        match (self.numbers.get(&register), self.steps.get(&register)) {
            (Some(number), _) => number.clone(),
            (None, Some(Step::Up(_))) => Some(Number::Grown { register, is_behind: false }),
            (None, _) => (!self.writes.contains_key(&register)).then_some(Number::Same(register)),
        }
    }

    /// What an instruction writes.
    fn result(&self, opcode: Opcode, words: &[u64]) -> Option<Number> {
        use Opcode::*;
        let written = operand(opcode, words, "d")? as u16;
        if let Some(Step::Up(_)) = self.steps.get(&written) {
            return Some(Number::Grown { register: written, is_behind: true });
        }
        let k = operand(opcode, words, "k");
        let register = |name: &str| self.number(operand(opcode, words, name)? as u16).map(Box::new);
        match opcode {
            I32Const => Some(Number::Constant(k?)),
            // Of numbers of 32 bits none of these changes anything.
            I32Mov | I64Mov | I64FromI32U | I32FromI64 => Some(*register("a")?),
            I32Addi | I64Addi if k? as i32 >= 0 => Some(Number::Sum(register("a")?, Box::new(Number::Constant(k?)))),
            I32Add | I64Add => Some(Number::Sum(register("a")?, register("b")?)),
            I32Shli | I64Shli if k? < u32::BITS => Some(Number::Shifted(register("a")?, k?)),
            _ => None,
        }
    }
}

impl Number {
    fn parts(&self) -> usize {
        match self {
            Self::Constant(_) | Self::Same(_) | Self::Grown { .. } => 1,
            Self::Sum(a, b) => a.parts() + b.parts(),
            Self::Shifted(a, _) => 1 + a.parts(),
        }
    }
}

/// Whether an instruction computes, and the runtime has nothing to do with it but where it faults. A division by the constant zero is
/// the runtime's.
fn is_done_here(opcode: Opcode, words: &[u64]) -> bool {
    let never_faults = opcode.row().faults.is_empty();
    is_arithmetic(opcode) && (never_faults || operand(opcode, words, "k") != Some(0))
}
