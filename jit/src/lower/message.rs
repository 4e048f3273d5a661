//! Messages of an `svc`: from registers to the port of who gives them, from port to port, and to the registers of who takes them.
//!
//! A message has a place in the port for all that there can be, and what is not in it counts as zero. So that nobody has to write all
//! these zeroes, the port says which of its cells are not in it: they are whatever they are.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use limen_isa::{Reg, ValueType};
use limen_vm::{MESSAGE_CELLS, Message, layout};

use crate::translate::{CELL, Translator, trusted, type_of};

/// The message that is given at an `svc`.
#[derive(Clone)]
pub(crate) struct GivenMessage {
    /// By cell: zero for those that are not in it.
    pub(super) cells: Vec<Value>,
    /// Those that are in it, a bit each.
    in_it: u32,
}

impl Translator<'_, '_> {
    /// Has a context give the message of these registers, and take nothing until it is given something.
    pub(super) fn give(&mut self, port: Value, given: &[Reg]) -> GivenMessage {
        let message = self.message_of(given);
        self.put(port, layout::PORT_GIVEN, &message);
        // In one store: what the message that is given lacks, and that the other lacks all.
        let lacks = self.builder.ins().iconst(types::I64, !i64::from(message.in_it));
        self.builder.ins().store(trusted(), lacks, port, layout::PORT_GIVEN_LACKS as i32);
        message
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

    /// Has a context take a message that is given at the `svc` whose place this code takes.
    pub(super) fn hand(&mut self, to: Value, message: &GivenMessage) {
        self.put(to, layout::PORT_TAKEN, message);
        let lacks = self.builder.ins().iconst(types::I32, i64::from(!message.in_it));
        self.builder.ins().store(trusted(), lacks, to, layout::PORT_TAKEN_LACKS as i32);
        self.known.takes(to, message.in_it);
    }

    /// Has a context take the message that is in the port of another one.
    pub(super) fn copy_message(&mut self, to: Value, from: Value) {
        for place in (0..size_of::<Message>() as i32).step_by(size_of::<u128>()) {
            let pair = self.builder.ins().load(types::I64X2, trusted(), from, layout::PORT_GIVEN as i32 + place);
            self.builder.ins().store(trusted(), pair, to, layout::PORT_TAKEN as i32 + place);
        }
        let lacks = self.builder.ins().load(types::I32, trusted(), from, layout::PORT_GIVEN_LACKS as i32);
        self.builder.ins().store(trusted(), lacks, to, layout::PORT_TAKEN_LACKS as i32);
        self.known.takes(to, 0); // which those are nobody knows here
    }

    /// What a context gives in a cell of its message.
    pub(super) fn given_cell(&mut self, port: Value, cell: usize) -> Value {
        self.cell_in(port, (layout::PORT_GIVEN, layout::PORT_GIVEN_LACKS), cell)
    }

    /// Has a context take something in a cell of its message.
    pub(super) fn set_taken_cell(&mut self, port: Value, cell: usize, value: Value) {
        if !self.known.is_taken(&self.builder.func.dfg, port, cell) {
            let lacks = self.builder.ins().load(types::I32, trusted(), port, layout::PORT_TAKEN_LACKS as i32);
            let lacks = self.builder.ins().band_imm_s(lacks, !(1 << cell));
            self.builder.ins().store(trusted(), lacks, port, layout::PORT_TAKEN_LACKS as i32);
        }
        self.builder.ins().store(trusted(), value, port, place_of(layout::PORT_TAKEN, cell));
    }

    /// A cell of a message in a port, which is there with what it lacks.
    fn cell_in(&mut self, port: Value, (message, lacks): (usize, usize), cell: usize) -> Value {
        let lacks = self.builder.ins().load(types::I32, trusted(), port, lacks as i32);
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
        let lacks = self.builder.ins().load(types::I32, trusted(), port, layout::PORT_TAKEN_LACKS as i32);
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
    fn message_of(&mut self, registers: &[Reg]) -> GivenMessage {
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
