//! What of the kernel takes the place of an `svc`.
//!
//! From its entry on, all that can be reached without an instruction that only the runtime executes; functions that are called
//! are taken in as well, as long as all of it is short. Where the plan ends before anything was changed, the kernel is called
//! instead and begins anew; where it ends later, the interpreter goes on. So a plan ends as soon as there is no way any more to
//! where it lets a context go on; and a kernel's usual way should be a short function that looks at everything first, comes to its
//! `ctx.resume` by instructions that are compiled, and calls a longer one for the rest.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::{Body, Module};
use limen_isa::{Field, Fields, Flow, Opcode, Reg, Role};
use limen_vm::HEADER_CELLS;

use super::inline::{is_arithmetic, is_inlined};
use crate::bounds::access;
use crate::context::MAX_INLINED;
use crate::passing::listed;
use crate::ranges::operand;
use crate::shape::{Shape, targets};

/// No more instructions of the kernel than this take the place of one `svc`.
const MAX_INSTRUCTIONS: usize = 512;

/// No more words than this are looked at for that, those of functions that are looked at again among them: functions can call each
/// other in very many ways.
const MAX_LOOKS: usize = 1 << 15;

/// Functions with loops that have more words than this are not taken in: who goes round a loop is not in a hurry.
const MAX_LOOPING: usize = 32;

/// Functions with more registers are not taken in: what is live of them is told in one word.
const MAX_REGISTERS: usize = u64::BITS as usize;

// The kernel's stack holds the largest frame that there can be, so it holds all frames that are taken in, without a look.
const _: () =
    assert!((MAX_INLINED + 1) * (MAX_REGISTERS + HEADER_CELLS) <= limen_isa::module::MAX_REGISTERS + HEADER_CELLS);

/// What of a function is put in the place of an `svc`.
pub(crate) struct Plan {
    pub(super) function: u32,
    pub(super) shape: Shape,
    /// The basic blocks that can be reached; with the instruction, if there is one, at which a block is left for good.
    blocks: BTreeMap<usize, Option<u32>>,
    /// The functions that are called and taken in, by the word of the call.
    calls: HashMap<u32, Rc<Plan>>,
    /// By block: the registers that may have been written before it, a bit each.
    written_before: BTreeMap<usize, u64>,
    /// The blocks before which something else than registers may have been changed.
    changed_before: BTreeSet<usize>,
    /// What can happen in it.
    pub(super) does: Deeds,
    /// Whether the function itself has an instruction that lets a context go on.
    pub(super) resumes_itself: bool,
    /// How many instructions are taken in, those of functions that are called among them.
    instructions: usize,
}

/// What can happen in something that is taken in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deeds {
    /// Something else than registers is changed.
    pub(super) changes: bool,
    /// The function returns.
    pub(super) returns: bool,
    /// A context goes on.
    resumes: bool,
    /// Memory is lent.
    pub(super) lends: bool,
}

impl Deeds {
    fn and(self, other: Self) -> Self {
        Self {
            changes: self.changes || other.changes,
            returns: self.returns || other.returns,
            resumes: self.resumes || other.resumes,
            lends: self.lends || other.lends,
        }
    }
}

impl Plan {
    /// Of a function, with nothing taken in yet.
    fn new(function: u32, shape: Shape) -> Self {
        Self {
            function,
            shape,
            blocks: BTreeMap::new(),
            calls: HashMap::new(),
            written_before: BTreeMap::new(),
            changed_before: BTreeSet::new(),
            does: Deeds::default(),
            resumes_itself: false,
            instructions: 0,
        }
    }

    /// What a kernel's function does about an `svc` of this number; `None` if it comes to no end in this way.
    pub(super) fn of(module: &Module, function: u32, number: u32) -> Option<Rc<Self>> {
        let looks = Cell::new(MAX_LOOKS);
        let plan =
            Planner { module, left: MAX_INSTRUCTIONS, looks: &looks }.plan(function, Some(number), MAX_INLINED)?;
        plan.does.resumes.then(|| Rc::new(plan))
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = usize> + '_ {
        self.blocks.keys().copied()
    }

    /// Whether the instruction at this word is the last of its basic block that is put there.
    pub(crate) fn ends_at(&self, block: usize, pc: u32) -> bool {
        self.blocks.get(&block).is_some_and(|end| *end == Some(pc))
    }

    /// Whether the interpreter goes on from the instruction at this word, which is the last that was reached of its basic block.
    pub(crate) fn leaves_at(&self, block: usize, pc: u32) -> bool {
        self.ends_at(block, pc) && !self.calls.contains_key(&pc)
    }

    /// Whether a basic block ends with the interpreter going on, or with the kernel being called.
    pub(crate) fn leaves(&self, block: usize) -> bool {
        self.blocks.get(&block).is_some_and(|end| end.is_some_and(|pc| !self.calls.contains_key(&pc)))
    }

    /// What is taken in of the function that the call at this word calls.
    pub(super) fn called_at(&self, pc: u32) -> Option<Rc<Self>> {
        self.calls.get(&pc).cloned()
    }

    /// The registers that no instruction before this block has written, a bit each.
    pub(super) fn unwritten_before(&self, block: usize) -> u64 {
        !self.written_before.get(&block).copied().unwrap_or(u64::MAX)
    }

    /// Whether something else than registers may have been changed before this block, since the function was entered.
    pub(super) fn is_changed_before(&self, block: usize) -> bool {
        self.changed_before.contains(&block)
    }

    /// The blocks from which there is a way to this one.
    pub(crate) fn predecessors(&self, block: usize) -> Vec<usize> {
        let leads = |before: &usize| self.followers(*before).any(|next| next == block);
        self.blocks().filter(leads).collect()
    }

    /// The blocks that are taken in to which there is a way from the end of this one; none if it is left before.
    fn followers(&self, block: usize) -> impl Iterator<Item = usize> + '_ {
        let goes_on = self.blocks.get(&block).is_some_and(Option::is_none);
        let targets = self.shape.blocks[block].successors.iter().filter(move |_| goes_on);
        targets.map(|target| self.shape.index_of(*target)).filter(|next| self.blocks.contains_key(next))
    }

    /// Ends the plan where blocks begin from which there is no way to where it returns or lets a context go on.
    fn end_where_hopeless(&mut self, module: &Module, deeds: &mut BTreeMap<usize, Deeds>) {
        let does_end = |(block, does): (&usize, &Deeds)| (does.returns || does.resumes).then_some(*block);
        let mut hopeful: BTreeSet<usize> = deeds.iter().filter_map(does_end).collect();
        let mut grows = true;
        while std::mem::take(&mut grows) {
            for block in self.blocks() {
                grows |= self.followers(block).any(|next| hopeful.contains(&next)) && hopeful.insert(block);
            }
        }
        let code = &module.functions[self.function as usize].code;
        let shapes = ModuleShapes { module, function: self.function };
        for block in self.blocks().filter(|block| !hopeful.contains(block)).collect::<Vec<_>>() {
            for pc in self.shape.instructions(code, shapes, block) {
                self.calls.remove(&pc);
            }
            self.blocks.insert(block, Some(self.shape.blocks[block].start));
            deeds.insert(block, Deeds::default());
        }
        let mut reached = BTreeSet::new();
        let mut next = vec![0];
        while let Some(block) = next.pop() {
            if reached.insert(block) {
                next.extend(self.followers(block));
            }
        }
        self.blocks.retain(|block, _| reached.contains(block));
        deeds.retain(|block, _| reached.contains(block));
    }

    /// How many instructions are taken in.
    fn count(&self, module: &Module) -> usize {
        let code = &module.functions[self.function as usize].code;
        let shapes = ModuleShapes { module, function: self.function };
        let of_block = |(block, end): (&usize, &Option<u32>)| {
            let instructions = self.shape.instructions(code, shapes, *block);
            end.map_or(instructions.len(), |end| instructions.iter().filter(|pc| **pc <= end).count())
        };
        self.blocks.iter().map(of_block).chain(self.calls.values().map(|called| called.instructions)).sum()
    }

    /// Finds out before which blocks something may have been changed.
    fn spread_changes(&mut self, changing: Vec<usize>) {
        let mut next = changing;
        while let Some(block) = next.pop() {
            let followers: Vec<usize> = self.followers(block).collect();
            next.extend(followers.into_iter().filter(|follower| self.changed_before.insert(*follower)));
        }
    }

    /// Finds out what may have been written before each block.
    fn flow(&mut self, module: &Module) {
        let blocks: Vec<_> =
            self.blocks().map(|block| (block, written(module, self.function, &self.shape, block))).collect();
        self.written_before = blocks.iter().map(|(block, _)| (*block, 0)).collect();
        let mut is_changed = true;
        while std::mem::take(&mut is_changed) {
            for (block, written) in &blocks {
                let behind = self.written_before[block] | written;
                let next: Vec<usize> = self.followers(*block).collect();
                for next in next {
                    let Some(before) = self.written_before.get_mut(&next) else { continue };
                    is_changed |= behind & !*before != 0;
                    *before |= behind;
                }
            }
        }
    }
}

/// Makes plans.
struct Planner<'m> {
    module: &'m Module,
    /// So many instructions may still be taken in.
    left: usize,
    /// So many words may still be looked at, by all planners of an `svc`.
    looks: &'m Cell<usize>,
}

/// Which calls are taken in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ways {
    All,
    /// Not those by which a function leaves to another one what is not as it usually is, see [`is_long_way`].
    Short,
}

/// What may be taken in.
#[derive(Clone, Copy)]
struct Limits {
    /// Functions that call no deeper than this, the one that is looked at among them.
    depth: usize,
    ways: Ways,
}

/// What follows an instruction.
enum Next {
    /// The next one.
    Instruction,
    /// Nothing: the interpreter goes on from there, or nobody does.
    Nothing,
}

impl Planner<'_> {
    /// Of a function whose parameter 1 is this number, until it is written, and which calls no deeper than this. Long ways are
    /// taken in if there is no other one.
    fn plan(&mut self, function: u32, number: Option<u32>, depth: usize) -> Option<Plan> {
        let left = self.left;
        let has_end = |plan: &Plan| plan.does.resumes || plan.does.returns;
        let plan = self.plan_of(function, number, depth, Ways::Short).filter(has_end);
        plan.or_else(|| {
            self.left = left;
            self.plan_of(function, number, depth, Ways::All)
        })
    }

    fn plan_of(&mut self, function: u32, number: Option<u32>, depth: usize, ways: Ways) -> Option<Plan> {
        let Body { registers, code } = &*self.module.functions[function as usize];
        if depth == 0 || registers.len() > MAX_REGISTERS {
            return None;
        }
        self.looks.set(self.looks.get().checked_sub(code.len())?);
        let shape = Shape::of(self.module, function);
        let writes = |block| written(self.module, function, &shape, block) & 0b10 != 0;
        // Where it is written somewhere, it is known where the function begins, to which nothing goes back.
        let is_written = (0..shape.blocks.len()).any(writes);
        let last = if is_written { 0 } else { shape.blocks.len() };
        let number = number.filter(|_| !is_written || !writes(0) && !shape.has_loops());
        if shape.has_loops() && code.len() > MAX_LOOPING {
            return None;
        }
        let mut plan = Plan::new(function, shape);
        let (left, mut next, mut deeds) = (self.left, vec![0], BTreeMap::new());
        while let Some(block) = next.pop() {
            if !plan.blocks.contains_key(&block) {
                let number = number.filter(|_| block <= last);
                let (does, following) = self.take_block(&mut plan, block, number, Limits { depth, ways })?;
                deeds.insert(block, does);
                next.extend(following);
            }
        }
        plan.end_where_hopeless(self.module, &mut deeds);
        plan.instructions = plan.count(self.module);
        self.left = left.saturating_sub(plan.instructions);
        plan.does = deeds.values().fold(Deeds::default(), |all, does| all.and(*does));
        plan.spread_changes(deeds.iter().filter(|(_, does)| does.changes).map(|(block, _)| *block).collect());
        plan.flow(self.module);
        Some(plan)
    }

    /// Takes in a block; says what happens in it, and which follow it. `None` if there are too many instructions.
    fn take_block(
        &mut self,
        plan: &mut Plan,
        block: usize,
        number: Option<u32>,
        limits: Limits,
    ) -> Option<(Deeds, Vec<usize>)> {
        let code = &self.module.functions[plan.function as usize].code;
        let shapes = ModuleShapes { module: self.module, function: plan.function };
        let (mut does, mut last) = (Deeds::default(), 0);
        plan.blocks.insert(block, None);
        for pc in plan.shape.instructions(code, shapes, block) {
            self.left = self.left.checked_sub(1)?;
            if let Next::Nothing = self.take(plan, &mut does, pc, number, limits) {
                plan.blocks.insert(block, Some(pc));
                return Some((does, Vec::new()));
            }
            last = pc;
        }
        let chosen = number.and_then(|number| chosen(last, &code[last as usize..], shapes, number));
        let successors = chosen.map_or_else(|| plan.shape.blocks[block].successors.clone(), |target| vec![target]);
        Some((does, successors.into_iter().map(|target| plan.shape.index_of(target)).collect()))
    }

    /// Takes in an instruction.
    fn take(&mut self, plan: &mut Plan, does: &mut Deeds, pc: u32, number: Option<u32>, limits: Limits) -> Next {
        let words = &self.module.functions[plan.function as usize].code[pc as usize..];
        match Opcode::of_word(words[0]) {
            Some(Opcode::Call) => self.take_call(plan, does, pc, number, limits),
            Some(opcode) if stays_in_line(opcode, words) => {
                does.returns |= opcode == Opcode::Ret;
                does.resumes |= opcode == Opcode::CtxResume;
                plan.resumes_itself |= opcode == Opcode::CtxResume;
                does.lends |= opcode == Opcode::MemLend;
                does.changes |= changes(opcode);
                Next::Instruction
            }
            _ => Next::Nothing,
        }
    }

    /// Takes in a call: what it calls as well, if that can come to an end.
    fn take_call(
        &mut self,
        plan: &mut Plan,
        does: &mut Deeds,
        pc: u32,
        number: Option<u32>,
        Limits { depth, ways }: Limits,
    ) -> Next {
        let code = &self.module.functions[plan.function as usize].code;
        let shapes = ModuleShapes { module: self.module, function: plan.function };
        let Some(function) = operand(Opcode::Call, &code[pc as usize..], "f") else { return Next::Nothing };
        if is_inlined(self.module, function) {
            return Next::Instruction;
        }
        if ways == Ways::Short && is_long_way(self.module, function, &code[pc as usize..]) {
            return Next::Nothing;
        }
        // The outermost function may leave all to another one; whoever passes on the number later, or has changed something before,
        // has had something else to do.
        let number = number.filter(|_| passes_on(self.module, function, &code[pc as usize..]));
        if number.is_some() && (depth < MAX_INLINED || does.changes) {
            return Next::Nothing;
        }
        // A quarter of what is left stays with whoever calls, unless it leaves all to whom it calls.
        let share = if number.is_some() { self.left } else { self.left - self.left / 4 };
        self.left -= share;
        let mut planner = Planner { left: share, ..*self };
        let is_worth_it =
            |called: &Plan| called.does.returns || called.does.resumes && !is_refusal(plan, code, shapes, pc);
        let called = planner.plan(function, number, depth - 1).filter(is_worth_it);
        self.left += if called.is_some() { planner.left } else { share };
        let Some(called) = called else { return Next::Nothing };
        let next = if called.does.returns { Next::Instruction } else { Next::Nothing };
        // That it returns is not for its caller.
        *does = does.and(Deeds { returns: false, ..called.does });
        plan.calls.insert(pc, Rc::new(called));
        next
    }
}

/// Whether a call passes on the caller of the `svc` and nothing else: whatever the function that calls has found out is of no use.
fn is_long_way(module: &Module, function: u32, call: &[u64]) -> bool {
    let signature = module.signature_of(function).filter(|signature| signature.results.is_empty());
    signature.is_some_and(|signature| signature.params.len() == 1 && listed(call, 1, 0) == Reg(0))
}

/// Whether a call passes on the number of the `svc`, in the place in which it came in.
fn passes_on(module: &Module, function: u32, call: &[u64]) -> bool {
    let signature = module.signature_of(function).filter(|signature| signature.params.len() == 2);
    signature.is_some_and(|signature| listed(call, 1, signature.results.len() + 1) == Reg(1))
}

/// Whether all that the basic block of a call that never returns does is to call with constants that are not all zero: so are calls
/// answered that make no sense, and nobody is in a hurry for that.
fn is_refusal(plan: &Plan, code: &[u64], shapes: ModuleShapes<'_>, pc: u32) -> bool {
    let before = plan.shape.instructions(code, shapes, plan.shape.index_of(pc)).into_iter();
    let constants: Option<Vec<u32>> =
        before.take_while(|before| *before < pc).map(|pc| constant(&code[pc as usize..])).collect();
    constants.is_some_and(|constants| constants.iter().any(|number| *number != 0))
}

/// The number that an instruction gives, if it does nothing else.
fn constant(words: &[u64]) -> Option<u32> {
    let opcode = Opcode::of_word(words[0]).filter(|opcode| matches!(opcode, Opcode::I32Const | Opcode::I64Const))?;
    operand(opcode, words, "k")
}

/// Where the branch at this word goes if it looks at the number of the `svc`.
fn chosen(pc: u32, words: &[u64], shapes: ModuleShapes<'_>, number: u32) -> Option<u32> {
    let opcode = Opcode::of_word(words[0])?;
    let looks_at_number = |name| operand(opcode, words, name) == Some(1);
    let is_taken = match opcode {
        Opcode::BrTable if looks_at_number("i") => {
            let count = operand(opcode, words, "targets")?;
            return Some(pc.wrapping_add_signed(words.signed(number.min(count - 1) as usize + 1, Field::Wide32)));
        }
        Opcode::I32BrEqi if looks_at_number("a") => number == operand(opcode, words, "k")?,
        Opcode::I32BrNei if looks_at_number("a") => number != operand(opcode, words, "k")?,
        _ => return None,
    };
    let next = pc + for_each_register(words, &shapes, |_, _| {}) as u32;
    if is_taken { targets(words, pc).first().copied() } else { Some(next) }
}

/// The registers that a block writes, a bit each.
fn written(module: &Module, function: u32, shape: &Shape, block: usize) -> u64 {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let mut written = 0;
    for pc in shape.instructions(code, shapes, block) {
        for_each_register(&code[pc as usize..], &shapes, |role, register| {
            if role != Role::Read {
                written |= 1 << register.0;
            }
        });
    }
    written
}

/// Whether an instruction that is taken in changes anything but registers.
pub(crate) fn changes(opcode: Opcode) -> bool {
    let sets = [
        Opcode::SlotSet,
        Opcode::CtxSetWord,
        Opcode::CtxSetRef,
        Opcode::CtxTransfer,
        Opcode::CtxResume,
        Opcode::MemLend,
    ];
    sets.contains(&opcode) || opcode.row().mnemonic.contains(".store")
}

/// Whether an instruction is compiled wholly, or else ends what the kernel does.
fn stays_in_line(opcode: Opcode, words: &[u64]) -> bool {
    let goes_elsewhere = opcode.row().flow != Flow::Next;
    let is_known = matches!(
        opcode,
        Opcode::SlotGet
            | Opcode::SlotSet
            | Opcode::RefMov
            | Opcode::RefSelect
            | Opcode::RefNull
            | Opcode::RefIsNull
            | Opcode::RefEq
            | Opcode::RefKind
            | Opcode::RefRights
            | Opcode::ObjPayload
            | Opcode::CtxResume
            | Opcode::CtxState
            | Opcode::CtxWord
            | Opcode::CtxRef
            | Opcode::CtxSetWord
            | Opcode::CtxSetRef
            | Opcode::CtxTransfer
            | Opcode::MemLend
    );
    goes_elsewhere || is_known || is_arithmetic(opcode) || access(words).is_some()
}
