//! What is known already is not computed, loaded, compared or checked again.
//!
//! Blocks are taken in their order. Each begins with what is known where all ways to it come through, less what may have been
//! written on them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use limen_isa::codec::Value;
use limen_isa::{Flow, Opcode, OperandKind, Role, ValueType};

use super::condition::{self, Condition, Source, integer_name};
use super::known::{Computed, Known, Origin, State, Values, Vn};
use super::loops::{Flowing, constants};
use super::ranges::Range;
use super::simplify::{Form, simplified};
use crate::structured::code::{Code, Inst, Item, Label, Reg};
use crate::structured::flow::{self, Block};

/// More blocks than this between two places are not looked through.
const MAX_REGION: usize = 1000;

/// Functions of more blocks than this stay as they are.
const MAX_BLOCKS: usize = 5000;

/// What is known on the way from one block to another.
type Learnt = HashMap<(usize, usize), (ValueType, Condition)>;

pub(super) fn number(code: &mut Code, params: usize) {
    let blocks = flow::blocks(code);
    if blocks.len() > MAX_BLOCKS {
        return;
    }
    let constants = constants(code, params);
    let mut registers = std::mem::take(&mut code.registers);
    code.items = renumbered(code, &blocks, &constants, &mut registers);
    code.registers = registers;
}

/// The items of the code after this pass.
fn renumbered(
    code: &Code,
    blocks: &[Block],
    constants: &HashMap<Reg, i64>,
    registers: &mut Vec<ValueType>,
) -> Vec<Item> {
    let before = flow::before(blocks);
    let dominators = flow::dominators(blocks, &before);
    let flowing = Flowing { code, blocks, before: &before, dominators: &dominators, constants };
    let written: Vec<Vec<Reg>> = blocks.iter().map(|block| written(&code.items[block.start..block.end])).collect();
    let of_label = blocks_of_labels(code, blocks);
    let mut wanted = wanted(code, blocks, &dominators);
    let mut values = Values::default();
    let mut states: HashMap<usize, Rc<State>> = HashMap::new();
    let mut learnt: Learnt = HashMap::new();
    let mut out = Vec::with_capacity(code.items.len());
    for (number, block) in blocks.iter().enumerate() {
        let origin = dominators[number].filter(|origin| *origin != number);
        let state = origin.map_or_else(State::default, |origin| take(&mut states, &mut wanted, origin));
        let mut known = Known { values: &mut values, state };
        match origin {
            Some(origin) => begin(&flowing, &mut known, &written, &learnt, origin, number),
            None => known.state = State::default(),
        }
        let mut numbering = Numbering { known, registers, out: &mut out };
        for item in &code.items[block.start..block.end] {
            match item {
                Item::Label(_) => numbering.out.push(item.clone()),
                Item::Inst(inst) => numbering.instruction(inst.clone()),
            }
        }
        learn_from_branch(&mut numbering, code, block, &of_label, number, &mut learnt);
        if wanted[number] > 0 {
            states.insert(number, Rc::new(numbering.known.state));
        }
    }
    out
}

fn blocks_of_labels(code: &Code, blocks: &[Block]) -> HashMap<Label, usize> {
    let mut of_label = HashMap::new();
    for (number, block) in blocks.iter().enumerate() {
        for item in &code.items[block.start..block.end] {
            if let Item::Label(label) = item {
                of_label.insert(*label, number);
            }
        }
    }
    of_label
}

/// Makes of what is known at the end of `origin`, which all ways to a block come through, what is known where that begins.
fn begin(
    flowing: &Flowing<'_>,
    known: &mut Known<'_>,
    written: &[Vec<Reg>],
    learnt: &Learnt,
    origin: usize,
    number: usize,
) {
    let from_origin = learnt.get(&(origin, number)).copied();
    let learn = |known: &mut Known<'_>| {
        if let Some((family, condition)) = from_origin {
            known.learn(family, condition);
        }
    };
    if flowing.before[number] == [origin] {
        return learn(known);
    }
    let Some(region) = region(flowing.before, origin, number) else {
        known.state = State::default();
        return;
    };
    let mut counters = Vec::new();
    if flowing.is_loop(number, origin, region.len()) {
        learn(known);
        counters = flowing.counters(number, origin, &region, known);
    }
    known.state.forget(&region.iter().flat_map(|block| written[*block].iter().copied()).collect());
    counters.iter().for_each(|counter| counter.note(known));
}

/// How many blocks begin with what is known at the end of each. Blocks that stop the program need not know anything.
fn wanted(code: &Code, blocks: &[Block], dominators: &[Option<usize>]) -> Vec<usize> {
    let mut wanted = vec![0; blocks.len()];
    for (number, origin) in dominators.iter().enumerate() {
        if let Some(origin) = origin.filter(|origin| *origin != number && !stops(code, &blocks[number])) {
            wanted[origin] += 1;
        }
    }
    wanted
}

fn stops(code: &Code, block: &Block) -> bool {
    code.items[block.start..block.end]
        .iter()
        .all(|item| matches!(item, Item::Label(_)) || matches!(item, Item::Inst(inst) if inst.opcode == Opcode::Trap))
}

/// What is known at the end of a block; the last who wants to know it gets it without a copy.
fn take(states: &mut HashMap<usize, Rc<State>>, wanted: &mut [usize], block: usize) -> State {
    let Some(state) = states.get(&block) else { return State::default() };
    wanted[block] = wanted[block].saturating_sub(1);
    if wanted[block] > 0 {
        return State::clone(state);
    }
    states.remove(&block).map(Rc::unwrap_or_clone).unwrap_or_default()
}

fn written(items: &[Item]) -> Vec<Reg> {
    let mut written = Vec::new();
    for item in items {
        if let Item::Inst(inst) = item {
            inst.each_register(|reg, _, writes| written.extend(writes.then_some(reg)));
        }
    }
    written
}

/// The blocks on the ways from the end of `origin` to the beginning of `block`; `None` if they are too many.
fn region(before: &[Vec<usize>], origin: usize, block: usize) -> Option<HashSet<usize>> {
    let mut region = HashSet::new();
    let mut open = before[block].clone();
    while let Some(next) = open.pop() {
        if next != origin && region.insert(next) {
            open.extend(&before[next]);
            if region.len() > MAX_REGION {
                return None;
            }
        }
    }
    Some(region)
}

/// What is known on each way out of a block that ends with a question.
fn learn_from_branch(
    numbering: &mut Numbering<'_, '_>,
    code: &Code,
    block: &Block,
    of_label: &HashMap<Label, usize>,
    number: usize,
    learnt: &mut Learnt,
) {
    let Some(Item::Inst(last)) = code.items[block.start..block.end].last() else { return };
    if last.opcode.row().flow != Flow::Branch {
        return;
    }
    let Some((family, condition, label)) = numbering.asked(last) else { return };
    let taken = of_label.get(&label).copied();
    let on = number + 1;
    if taken != Some(on) {
        learnt.insert((number, on), (family, condition.negated()));
        learnt.extend(taken.map(|taken| ((number, taken), (family, condition))));
    }
}

/// What an instruction is to this pass.
enum Sort {
    Move,
    Constant,
    /// It computes one result from its operands alone, and cannot fault once it has not.
    Computes,
    /// The same, from home.
    Loads,
    /// It writes home.
    Stores,
    Other,
}

pub(super) struct Numbering<'n, 'v> {
    pub(super) known: Known<'v>,
    pub(super) registers: &'n mut Vec<ValueType>,
    pub(super) out: &'n mut Vec<Item>,
}

impl Numbering<'_, '_> {
    fn instruction(&mut self, mut inst: Inst) {
        match sort(&inst) {
            Sort::Move => self.moved(inst),
            Sort::Constant => self.constant(inst),
            Sort::Computes => self.computed(inst, false),
            Sort::Loads => self.computed(inst, true),
            Sort::Stores => {
                self.shorten_address(&mut inst);
                self.read_holders(&mut inst);
                self.known.state.loaded.clear();
                self.out.push(Item::Inst(inst));
            }
            Sort::Other if inst.opcode.row().flow == Flow::Branch && self.asked(&inst).is_some() => self.branch(inst),
            Sort::Other => self.other(inst),
        }
    }

    fn moved(&mut self, inst: Inst) {
        let Some((to, from)) = inst.moved() else { return };
        let value = self.known.of(from);
        self.give(inst, to, value);
    }

    /// Lets a register have a value that is known already.
    fn give(&mut self, mut inst: Inst, to: Reg, value: Vn) {
        if self.known.holds(to, value) {
            return;
        }
        let ty = self.registers[to as usize];
        if let Origin::Constant(of, bits) = self.known.values.origin(value)
            && of == ty
        {
            inst.make_constant(to, ty, bits);
        } else if let Some(from) = self.known.holder(value) {
            inst.make_move(to, from, ty);
        }
        self.known.write(to, value);
        self.out.push(Item::Inst(inst));
    }

    fn constant(&mut self, inst: Inst) {
        if let Some((to, ty, bits)) = inst.constant() {
            let value = self.known.constant(ty, bits);
            self.give(inst, to, value);
        }
    }

    fn computed(&mut self, mut inst: Inst, loads: bool) {
        if loads {
            self.shorten_address(&mut inst);
        }
        let key = self.key(&inst);
        let to = result(&inst);
        if let Some(value) = self.known.known(&key, loads)
            && (self.known.holds(to, value) || self.is_at_hand(value))
        {
            return self.give(inst, to, value);
        }
        if !loads && self.simplify(&mut inst, to, key) {
            return;
        }
        self.read_holders(&mut inst);
        let value = self.known.values.fresh(Origin::Computed(key));
        self.known.write(to, value);
        self.known.note(key, loads, value);
        self.out.push(Item::Inst(inst));
    }

    /// Whether a value need not be computed again: a register holds it, or it is a constant.
    fn is_at_hand(&mut self, value: Vn) -> bool {
        matches!(self.known.values.origin(value), Origin::Constant(..)) || self.known.holder(value).is_some()
    }

    /// Takes a better form of the instruction, if there is one.
    fn simplify(&mut self, inst: &mut Inst, to: Reg, key: Computed) -> bool {
        let Some((family, name)) = integer_name(inst.opcode) else { return false };
        let (_, [a, b, ..]) = key;
        let immediate = match inst.opcode.row().operands {
            [_, _, last] => matches!(last.kind, OperandKind::Immediate { .. }),
            _ => return false,
        };
        let operand = if immediate { Err(b) } else { Ok(b as Vn) };
        let Some(form) = simplified(&self.known, family, name, a as Vn, operand) else { return false };
        // A difference that was checked lies where the one without a check need not.
        let range = self.known.range_of(inst.opcode, a, b, family);
        let done = self.take_form(inst.clone(), to, key, form);
        if done && range != Range::all(family) {
            let value = self.known.of(to);
            self.known.narrow(family, value, range);
        }
        done
    }

    fn take_form(&mut self, source: Inst, to: Reg, key: Computed, form: Form) -> bool {
        match form {
            Form::Constant(ty, bits) => {
                let value = self.known.constant(ty, bits);
                self.known.note(key, false, value);
                self.give(source, to, value);
                true
            }
            Form::Same(value) => {
                self.known.note(key, false, value);
                self.give(source, to, value);
                true
            }
            Form::Immediate(opcode, a, k) => {
                let Some(a) = self.known.holder(a) else { return false };
                self.replace(source, key, opcode, [i64::from(to), i64::from(a), k])
            }
            Form::Two(opcode, a, b) => {
                let (Some(a), Some(b)) = (self.known.holder(a), self.known.holder(b)) else { return false };
                self.replace(source, key, opcode, [to, a, b].map(i64::from))
            }
        }
    }

    fn replace(&mut self, mut inst: Inst, key: Computed, opcode: Opcode, values: [i64; 3]) -> bool {
        inst.opcode = opcode;
        inst.values = values.into_iter().map(Value::Integer).collect();
        let new = self.key(&inst);
        let to = result(&inst);
        if let Some(value) = self.known.known(&new, false)
            && self.is_at_hand(value)
        {
            self.known.note(key, false, value);
            self.give(inst, to, value);
            return true;
        }
        let value = self.known.values.fresh(Origin::Computed(new));
        self.known.write(to, value);
        self.known.note(key, false, value);
        self.known.note(new, false, value);
        self.out.push(Item::Inst(inst));
        true
    }

    /// The computation that an instruction with one result does.
    fn key(&mut self, inst: &Inst) -> Computed {
        let mut operands = [0; 4];
        let row = inst.opcode.row();
        for (index, (operand, value)) in row.operands.iter().zip(&inst.values).skip(1).enumerate() {
            if let Value::Integer(number) = value {
                let is_register = matches!(operand.kind, OperandKind::Register { .. });
                operands[index] = if is_register { i64::from(self.known.of(*number as Reg)) } else { *number };
            }
        }
        (inst.opcode, operands)
    }

    /// Lets what an instruction reads be read where it was first.
    fn read_holders(&mut self, inst: &mut Inst) {
        let known = &mut self.known;
        inst.registers(|used| {
            if used.reads && !used.writes {
                let value = known.of(*used.register as Reg);
                if let Some(holder) = known.holder(value) {
                    *used.register = i64::from(holder);
                }
            }
        });
    }

    fn other(&mut self, mut inst: Inst) {
        self.read_holders(&mut inst);
        let mut written = Vec::new();
        inst.each_register(|reg, _, writes| written.extend(writes.then_some(reg)));
        written.into_iter().for_each(|reg| self.known.write_unknown(reg));
        if inst.opcode.row().flow == Flow::Next {
            self.known.state.loaded.clear();
        }
        self.out.push(Item::Inst(inst));
    }

    // ---- Branches ---------------------------------------------------------------------------------------------------

    /// The condition of a branch, followed back to the comparison whose result is asked for.
    fn asked(&mut self, inst: &Inst) -> Option<(ValueType, Condition, Label)> {
        let (mut family, mut condition, label) = condition::of_branch(inst, &mut self.known)?;
        while let Some((of, inner)) = self.compared(condition) {
            (family, condition) = (of, if condition.holds { inner.negated() } else { inner });
        }
        Some((family, condition, label))
    }

    /// The comparison of integers whose result a condition compares with 0: the condition holds where that does not.
    fn compared(&mut self, condition: Condition) -> Option<(ValueType, Condition)> {
        let is_zero = |value| self.known.number(value) == Some(0);
        if condition.relation != super::condition::Relation::Equal || !is_zero(condition.b) {
            return None;
        }
        let Origin::Computed((opcode, [a, b, ..])) = self.known.values.origin(condition.a) else { return None };
        let (family, name) = integer_name(opcode)?;
        let a = a as Vn;
        if name == "xori" && b == 1 && self.known.range(family, a).most <= 1 {
            let zero = self.known.constant(family, 0);
            return Some((family, Condition { relation: condition.relation, a, b: zero, holds: true }));
        }
        let b = match name {
            "eq" | "ne" | "lt_s" | "lt_u" | "le_s" | "le_u" => b as Vn,
            "eqi" | "nei" | "lt_si" | "lt_ui" | "gt_si" | "gt_ui" => self.known.constant(family, b),
            _ => return None,
        };
        Some((family, Condition::named(name, a, b)?))
    }

    fn branch(&mut self, mut inst: Inst) {
        let Some((family, condition, label)) = self.asked(&inst) else { return };
        match self.known.decide(family, condition) {
            Some(false) => return,
            Some(true) => {
                inst.opcode = Opcode::Jump;
                inst.values = vec![Value::Integer(i64::from(label))];
                return self.out.push(Item::Inst(inst));
            }
            None => {}
        }
        let sources = (self.source(condition.a), self.source(condition.b));
        if let (Some(a), Some(b)) = sources
            && let Some((opcode, values)) = condition::branch(family, condition, a, b, label)
        {
            (inst.opcode, inst.values) = (opcode, values);
        }
        self.read_holders(&mut inst);
        self.out.push(Item::Inst(inst));
    }

    /// Where a value is at hand. A number that does not fit into a branch is taken from its register.
    fn source(&mut self, value: Vn) -> Option<Source> {
        match self.known.number(value) {
            Some(number) if (-(1 << 11)..1 << 12).contains(&number) => Some(Source::Constant(number)),
            _ => self.known.holder(value).map(Source::Register),
        }
    }
}

fn result(inst: &Inst) -> Reg {
    if let Some(Value::Integer(to)) = inst.values.first() { *to as Reg } else { 0 }
}

fn sort(inst: &Inst) -> Sort {
    let row = inst.opcode.row();
    if inst.moved().is_some() {
        return Sort::Move;
    }
    if inst.constant().is_some() {
        return Sort::Constant;
    }
    let Some((family, name)) = row.mnemonic.split_once('.') else { return Sort::Other };
    if !matches!(family, "i32" | "i64" | "f32" | "f64") || inst.heap_start || name.starts_with("seg_") {
        return Sort::Other;
    }
    if name.starts_with("store") {
        return Sort::Stores;
    }
    if row.flow != Flow::Next || matches!(name, "cas" | "fetch_add") {
        return Sort::Other;
    }
    let writes_first = row.operands.iter().enumerate().all(|(index, operand)| match operand.kind {
        OperandKind::Register { role, .. } => (role == Role::Write) == (index == 0) && role != Role::ReadWrite,
        OperandKind::Immediate { .. } => index > 0,
        _ => false,
    });
    match (writes_first && row.operands.len() <= 5, name.starts_with("load")) {
        (false, _) => Sort::Other,
        (true, true) => Sort::Loads,
        (true, false) => Sort::Computes,
    }
}
