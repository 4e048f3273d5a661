//! Messages of an `svc`: from registers to the port of who gives them, from port to port, and to the registers of who takes them.
//!
//! A message has a place in the port for all that there can be, and what is not in it counts as zero. So that nobody has to write all
//! these zeroes, the port says which of its cells are not in it: they are whatever they are.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, InstructionData, MemFlagsData, Value, types};
use limen_isa::codec::ModuleShapes;
use limen_isa::{Opcode, Reg, ValueType};
use limen_vm::{MESSAGE_CELLS, MESSAGE_REFS, MESSAGE_WORDS, Message, layout};

use super::enter::Svc;
use super::inline::computes;
use super::known::Taken;
use super::object::Usual;
use crate::ranges::operand;
use crate::translate::{CELL, Translator, trusted, type_of};

/// The message that is given at an `svc`.
#[derive(Clone)]
pub(crate) struct GivenMessage {
    /// By cell: zero for those that are not in it.
    pub(super) cells: Vec<Value>,
    /// Those that are in it, a bit each.
    in_it: u16,
}

/// Cells of a message, a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Replaced {
    by_any: u16,
    by_null: u16,
}

/// What the message lacks that was handed to a port, where that is not noted yet.
#[derive(Clone, Copy)]
pub(crate) struct Lacking {
    pub(super) port: Value,
    /// Cells, a bit each.
    pub(super) cells: u16,
}

/// All cells of a message, a bit each.
const ALL_CELLS: u16 = (1 << MESSAGE_CELLS) - 1;

impl Translator<'_, '_> {
    /// Has a context give a message, and take nothing until it is given something.
    pub(super) fn give(&mut self, port: Value, message: &GivenMessage) {
        self.put(port, layout::PORT_GIVEN, message);
        // What the message that is given lacks, and that the one that is taken lacks all.
        let lacks = self.builder.ins().iconst(types::I32, i64::from(!i32::from(message.in_it)));
        let unaligned = MemFlagsData::new().with_notrap();
        self.builder.ins().store(unaligned, lacks, port, layout::PORT_LACKS as i32);
    }

    /// Has a context give a message that was to be given later. What it takes is set by now.
    fn give_at_last(&mut self, port: Value, message: &GivenMessage) {
        self.put(port, layout::PORT_GIVEN, message);
        self.set_lacks(port, layout::PORT_GIVEN_LACKS, !message.in_it);
    }

    /// In the place of an `svc`: gives the caller's message, which others may see from here on, unless it was handed over.
    pub(super) fn give_now(&mut self, svc: &Svc) {
        let is_at_hand = self.builder.use_var(svc.is_message_at_hand);
        match self.known_constant(is_at_hand) {
            Some(0) => {}
            Some(_) => self.give_at_last(svc.port, &svc.message),
            None => {
                let [give, next] = [(); 2].map(|()| self.continuation());
                self.builder.ins().brif(is_at_hand, give, &[], next, &[]);
                self.fill_cold(give, |cold| {
                    cold.give_at_last(svc.port, &svc.message);
                    cold.builder.ins().jump(next, &[]);
                });
                self.builder.switch_to_block(next);
                [give, next].into_iter().for_each(|block| self.builder.seal_block(block));
            }
        }
    }

    /// In the place of an `svc`: goes on if the caller's message is at hand. Of one that was handed over the interpreter will find
    /// nothing.
    pub(super) fn check_message(&mut self, usual: &Usual, svc: &Svc) {
        let is_at_hand = self.builder.use_var(svc.is_message_at_hand);
        if self.known_constant(is_at_hand) != Some(1) {
            let is_gone = self.builder.ins().icmp_imm_s(IntCC::Equal, is_at_hand, 0);
            self.unless(is_gone, usual.slow);
        }
    }

    /// In the place of an `svc`: goes on if this is not the caller's port, whose message may be at hand only.
    pub(super) fn check_stranger(&mut self, usual: &Usual, port: Value) {
        let Some(own) = self.inlined.as_ref().map(|inlined| inlined.svc.port) else { return };
        let is_caller = self.builder.ins().icmp(IntCC::Equal, port, own);
        self.unless(is_caller, usual.slow);
    }

    /// Has these registers take the message that is in the port for them.
    pub(super) fn take(&mut self, port: Value, taken: &[Reg]) {
        let cells = self.cells_of_message(taken);
        self.complete(port, &cells);
        for (register, cell) in taken.iter().zip(cells) {
            let ty = type_of(self.type_of(*register));
            let value = self.builder.ins().load(ty, trusted(), port, place_of(layout::PORT_TAKEN, cell));
            self.set(*register, value);
        }
    }

    /// Has a context take a message that is given at the `svc` whose place this code takes; but for what replaces cells of it at once.
    pub(super) fn hand(&mut self, to: Value, svc: &Svc, replaced: Replaced) {
        let message = &svc.message;
        let gone = self.builder.ins().iconst(types::I8, 0);
        self.builder.def_var(svc.is_message_at_hand, gone);
        // Who gets nothing in a cell mostly does not look there: that it is lacking takes no store of its own.
        let has = message.in_it & !replaced.by_null;
        self.lacking = Some(Lacking { port: to, cells: !has & ALL_CELLS });
        let stays = GivenMessage { cells: message.cells.clone(), in_it: has & !replaced.by_any };
        self.put(to, layout::PORT_TAKEN, &stays);
        self.known.takes(to, Taken { has, lacks: !has });
    }

    /// The cells of a context's message that the instructions that follow replace before anything can be seen of it.
    pub(super) fn cells_replaced(&self, context: Reg) -> Replaced {
        let shapes = ModuleShapes { module: self.module, function: self.index };
        let code = &self.function.code;
        let instructions = self.shape.instructions(code, shapes, self.block).into_iter();
        let (mut replaced, mut nulls) = (Replaced::default(), Vec::new());
        for words in instructions.filter(|pc| *pc > self.pc).map(|pc| &code[pc as usize..]) {
            let Some(opcode) = Opcode::of_word(words[0]) else { break };
            let register = |name| operand(opcode, words, name);
            let is_its = |name| register(name) == Some(u32::from(context.0));
            let (first, count) = match opcode {
                Opcode::CtxSetWord if is_its("c") => (layout::MESSAGE_WORDS_AT, MESSAGE_WORDS),
                Opcode::CtxSetRef if is_its("c") => (layout::MESSAGE_REFS_AT, MESSAGE_REFS),
                Opcode::RefNull if !is_its("d") => {
                    nulls.push(register("d"));
                    continue;
                }
                _ if computes(opcode) => continue,
                _ => break,
            };
            let Some(index) = register("i").filter(|index| (*index as usize) < count) else { break };
            let cell = 1 << (first / CELL as usize + index as usize);
            replaced.by_any |= cell;
            if opcode == Opcode::CtxSetRef && nulls.contains(&register("a")) {
                replaced.by_null |= cell;
            }
        }
        replaced
    }

    /// Has a context take the message that is in the port of another one, which has nothing more to give then.
    pub(super) fn copy_message(&mut self, to: Value, from: Value) {
        for place in (0..size_of::<Message>() as i32).step_by(size_of::<u128>()) {
            let pair = self.builder.ins().load(types::I64X2, trusted(), from, layout::PORT_GIVEN as i32 + place);
            self.builder.ins().store(trusted(), pair, to, layout::PORT_TAKEN as i32 + place);
        }
        let lacks = self.builder.ins().uload16(types::I32, trusted(), from, layout::PORT_GIVEN_LACKS as i32);
        self.builder.ins().istore16(trusted(), lacks, to, layout::PORT_TAKEN_LACKS as i32);
        self.set_lacks(from, layout::PORT_GIVEN_LACKS, u16::MAX);
        self.known.takes(to, Taken::default()); // which those are nobody knows here
    }

    /// What a context gives in a cell of its message.
    pub(super) fn given_cell(&mut self, port: Value, cell: usize) -> Value {
        self.cell_in(port, (layout::PORT_GIVEN, layout::PORT_GIVEN_LACKS), cell)
    }

    /// Has a context take something in a cell of its message.
    pub(super) fn set_taken_cell(&mut self, port: Value, cell: usize, value: Value) {
        let Taken { has, lacks } = self.known.taken_at(&self.builder.func.dfg, port);
        if lacks >> cell & 1 != 0 && self.is_zero(value) {
            return; // so it is already
        }
        if has >> cell & 1 == 0 {
            self.take_cell(port, cell);
            self.known.takes_cell(&self.builder.func.dfg, port, cell);
        }
        self.builder.ins().store(trusted(), value, port, place_of(layout::PORT_TAKEN, cell));
    }

    /// Notes that a cell is in the message that is to be taken at a port.
    fn take_cell(&mut self, port: Value, cell: usize) {
        match &mut self.lacking {
            Some(lacking) if lacking.port == port => lacking.cells &= !(1 << cell),
            _ => {
                let lacks = self.builder.ins().uload16(types::I32, trusted(), port, layout::PORT_TAKEN_LACKS as i32);
                let lacks = self.builder.ins().band_imm_s(lacks, !(1 << cell));
                self.builder.ins().istore16(trusted(), lacks, port, layout::PORT_TAKEN_LACKS as i32);
            }
        }
    }

    /// Notes what a message lacks.
    fn set_lacks(&mut self, port: Value, place: usize, cells: u16) {
        let cells = self.builder.ins().iconst(types::I32, i64::from(cells));
        self.builder.ins().istore16(trusted(), cells, port, place as i32);
    }

    /// Whether what was handed over need not be noted yet: the instruction adds to the message, or lets who takes it go on, which are
    /// told at once; or it has nothing to do with it, and goes nowhere.
    pub(crate) fn lets_message_wait(&mut self, opcode: Opcode, words: &[u64]) -> bool {
        let Some(Lacking { port, .. }) = self.lacking else { return true };
        let is_at = |count: usize| operand(opcode, words, "i").is_some_and(|index| (index as usize) < count);
        let is_told = match opcode {
            Opcode::CtxSetWord => is_at(MESSAGE_WORDS),
            Opcode::CtxSetRef => is_at(MESSAGE_REFS),
            Opcode::CtxResume => true,
            Opcode::RefNull => return true,
            _ => return computes(opcode),
        };
        let context = operand(opcode, words, "c").map(|context| Reg(context as u16));
        // The caller's port may be the same by another name.
        let context = context.filter(|context| is_told && self.svc_of_caller(*context).is_none());
        context.and_then(|context| self.port_of_met(context)) == Some(port)
    }

    /// Notes what was handed over lacks, if that was put off.
    pub(crate) fn settle_message(&mut self) {
        if let Some(Lacking { port, cells }) = self.lacking.take() {
            self.set_lacks(port, layout::PORT_TAKEN_LACKS, cells);
        }
    }

    /// Whether a value is known to be zero.
    pub(super) fn is_zero(&self, value: Value) -> bool {
        self.known_constant(value) == Some(0)
    }

    /// A value, if it is a constant.
    pub(super) fn known_constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.builder.func.dfg;
        let inst = dfg.value_def(dfg.resolve_aliases(value)).inst()?;
        match dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: ir::Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        }
    }

    /// A cell of a message in a port, which is there with what it lacks.
    fn cell_in(&mut self, port: Value, (message, lacks): (usize, usize), cell: usize) -> Value {
        let lacks = self.builder.ins().uload16(types::I32, trusted(), port, lacks as i32);
        let is_lacking = self.builder.ins().band_imm_u(lacks, 1 << cell);
        let found = self.builder.ins().load(types::I64, trusted(), port, place_of(message, cell));
        let nothing = self.zero(types::I64);
        self.builder.ins().select(is_lacking, nothing, found)
    }

    /// Sees to it that these cells are in the message that is to be taken, which most likely they are.
    fn complete(&mut self, port: Value, cells: &[usize]) {
        if cells.is_empty() {
            return;
        }
        let [missing, next] = [(); 2].map(|()| self.continuation());
        let wanted: i64 = cells.iter().map(|cell| 1 << cell).sum();
        let lacks = self.builder.ins().uload16(types::I32, trusted(), port, layout::PORT_TAKEN_LACKS as i32);
        let lacking = self.builder.ins().band_imm_u(lacks, wanted);
        self.builder.ins().brif(lacking, missing, &[], next, &[]);
        self.fill_cold(missing, |cold| {
            for cell in cells {
                let value = cold.cell_in(port, (layout::PORT_TAKEN, layout::PORT_TAKEN_LACKS), *cell);
                cold.builder.ins().store(trusted(), value, port, place_of(layout::PORT_TAKEN, *cell));
            }
            cold.builder.ins().jump(next, &[]);
        });
        self.builder.switch_to_block(next);
        [missing, next].into_iter().for_each(|block| self.builder.seal_block(block));
    }

    /// Writes what is in a message to its place in a port.
    fn put(&mut self, port: Value, place: usize, message: &GivenMessage) {
        for (cell, value) in message.cells.iter().enumerate().filter(|(cell, _)| message.in_it >> cell & 1 != 0) {
            self.builder.ins().store(trusted(), *value, port, place_of(place, cell));
        }
    }

    /// The cells in which these registers stand in a message.
    fn cells_of_message(&self, registers: &[Reg]) -> Vec<usize> {
        let (mut words, mut refs) = (0, 0);
        let cell = |register: &Reg| {
            let (first, index) = match self.type_of(*register) {
                ValueType::Ref => (layout::MESSAGE_REFS_AT, &mut refs),
                _ => (layout::MESSAGE_WORDS_AT, &mut words),
            };
            *index += 1;
            first / CELL as usize + *index - 1
        };
        registers.iter().map(cell).collect()
    }

    /// The message of these registers.
    pub(super) fn message_of(&mut self, registers: &[Reg]) -> GivenMessage {
        let nothing = self.zero(types::I64);
        let mut message = GivenMessage { cells: vec![nothing; MESSAGE_CELLS], in_it: 0 };
        for (register, cell) in registers.iter().zip(self.cells_of_message(registers)) {
            message.cells[cell] = self.message_cell(*register);
            message.in_it |= 1 << cell;
        }
        message
    }

    /// A register's value as a cell of a message holds it; no register with a float is in a message.
    fn message_cell(&mut self, register: Reg) -> Value {
        let value = self.get(register);
        if self.type_of(register) == ValueType::I32 { self.extend(value) } else { value }
    }
}

/// Where a cell of a message in a port is that begins there.
fn place_of(message: usize, cell: usize) -> i32 {
    message as i32 + cell as i32 * CELL
}
