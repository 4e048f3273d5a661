//! What is kept in the native frame, so that registers are free in loops.
//!
//! A value that is wanted all over a function lives from its beginning to its end. Cranelift then either gives it a register
//! everywhere, in loops that hardly need it too, or in none, so that even the hottest loop fetches it at each use. What is kept
//! here is fetched where it is wanted next: by cold blocks, and where loops begin.

use std::collections::BTreeMap;
use std::mem::offset_of;

use cranelift_codegen::ir::{Block, InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value, types};
use cranelift_frontend::Variable;
use limen_isa::{Reg, ValueType};

use super::{CELL, Entry, Translator, constant, trusted};
use crate::context::{NativeContext, Processor};
use crate::mode::Pinned;

/// Where context and frame are kept for cold blocks, and for loops where offsets in home count from.
#[derive(Default)]
pub(crate) struct AtHand {
    slot: Option<StackSlot>,
    /// By the first block of a loop that fetches that: what it has it in.
    loops: BTreeMap<usize, Variable>,
    /// By block: as above, of the innermost loop that it is in.
    origins: Vec<Option<Variable>>,
    /// Cranelift's block in which the pinned register was read for that, and what was found.
    pinned: Option<(Block, Value)>,
}

/// Where in the slot each is.
const CONTEXT: i32 = 0;
const FRAME: i32 = CELL;
const ORIGIN: i32 = 2 * CELL;
/// A multiple of 16, which keeps what Cranelift spills behind it from lying across two lines of the cache.
const BYTES: u32 = 4 * CELL as u32;

/// Where fewer numbers are live in a loop, there are registers for context and frame, too.
const MANY: usize = 8;

/// Words of a function that has registers enough for all its loops.
const SMALL: usize = 128;

impl Translator<'_, '_> {
    /// In a function with a loop that calls nothing and has much to keep in registers, keeps context and frame where cold blocks find
    /// them, so that they need none in there. Around a call they are kept in any case.
    pub(super) fn keep_at_hand(&mut self) {
        let in_loops = self.shape.blocks.iter().filter(|block| block.loop_head.is_some());
        // Behind a switch of stacks nothing is in registers, however few it takes.
        let is_wanted = self.enters_kernel() || in_loops.map(|block| self.numbers_at(block.start)).max() >= Some(MANY);
        let calls: Vec<bool> = (0..self.shape.blocks.len()).map(|block| self.calls_in(block)).collect();
        if !is_wanted || !self.has_loop_without(&calls) {
            return;
        }
        let slot = self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, BYTES, 3));
        self.builder.ins().stack_store(types::I64, self.context, slot, CONTEXT);
        self.builder.ins().stack_store(types::I64, self.frame, slot, FRAME);
        self.at_hand.slot = Some(slot);
        if self.function.code.len() > SMALL && self.mode.pinned() != Pinned::Origin {
            let origin = self.field(trusted(), types::I64, offset_of!(NativeContext, origin));
            self.builder.ins().stack_store(types::I64, origin, slot, ORIGIN);
            self.choose_loops(&calls);
        }
    }

    /// How many registers that are live where a block begins are not floats, which are kept elsewhere.
    fn numbers_at(&self, start: u32) -> usize {
        let is_number = |register: &u16| !matches!(self.type_of(Reg(*register)), ValueType::F32 | ValueType::F64);
        self.shape.live_at(start).iter().filter(is_number).count()
    }

    /// Whether there is a loop in whose blocks, but for those of loops in it, nothing is called; by block, whether anything is.
    fn has_loop_without(&self, calls: &[bool]) -> bool {
        let mut calls_in_loops = BTreeMap::new();
        for (block, calls) in self.shape.blocks.iter().zip(calls) {
            if let Some(head) = block.loop_head {
                *calls_in_loops.entry(head).or_insert(false) |= calls;
            }
        }
        calls_in_loops.into_values().any(|calls| !calls)
    }

    /// Finds the loops that fetch where offsets in home count from: those that call nothing, which is said by block, and have one door.
    fn choose_loops(&mut self, calls: &[bool]) {
        let entry = match self.entry {
            Entry::Call => 0,
            Entry::Loop(word) => self.shape.index_of(word),
        };
        self.at_hand.origins = vec![None; self.shape.blocks.len()];
        // Outer loops come before those in them.
        for (head, last) in self.shape.loops_with_one_door(entry) {
            if !calls[head..=last].contains(&true) {
                let variable = self.builder.declare_var(types::I64);
                self.at_hand.loops.insert(head, variable);
                self.at_hand.origins[head..=last].fill(Some(variable));
            }
        }
    }

    /// Fetches context and frame for a cold block. Gives what they are elsewhere.
    pub(crate) fn fetch_at_hand(&mut self) -> (Value, Value) {
        let known = (self.context, self.frame);
        if let Some(frame_at) = self.inlined.as_ref().map(|inlined| inlined.frame_at) {
            self.fetch_kernel(frame_at);
        } else if let Some(slot) = self.at_hand.slot {
            self.context = self.fetch_context_from(slot);
            self.frame = self.fetch(slot, FRAME, CELL / 2);
        }
        known
    }

    /// Where context and frame are kept for cold blocks, if they are.
    pub(crate) fn slot_at_hand(&self) -> Option<StackSlot> {
        self.at_hand.slot
    }

    /// In the place of an `svc`: finds the kernel's context, and its frame so many bytes behind the outermost one.
    pub(crate) fn fetch_kernel(&mut self, frame_at: i64) {
        self.renew_processor();
        self.context = self.processor_field(offset_of!(Processor, kernel));
        let outermost = self.field(trusted(), types::I64, offset_of!(NativeContext, frame));
        self.frame = self.builder.ins().iadd_imm_s(outermost, frame_at);
    }

    /// The context, fetched for what follows at once: on a stack that has just been switched to nothing is in registers.
    pub(crate) fn fetch_context(&mut self) -> Value {
        match self.at_hand.slot {
            Some(slot) => self.fetch_context_from(slot),
            None => self.context,
        }
    }

    /// As [`Translator::fetch_context`], for what has no slot of its own.
    pub(crate) fn fetch_context_from(&mut self, slot: StackSlot) -> Value {
        self.fetch(slot, CONTEXT, CELL / 2)
    }

    /// Fetches what is so far into the slot. By way of an address that is off by so many bytes, from which Cranelift does not see
    /// that it has the value.
    fn fetch(&mut self, slot: StackSlot, at: i32, off: i32) -> Value {
        let other = self.builder.ins().stack_addr(types::I64, slot, off);
        self.builder.ins().load(types::I64, trusted(), other, at - off)
    }

    /// Whether the loop that begins with this block fetches anything where it is entered.
    pub(super) fn fetches(&self, head: usize) -> bool {
        self.at_hand.loops.contains_key(&head)
    }

    /// On the way to a block from outside of the loop that begins with it, if one does: fetches what it wants.
    pub(super) fn enter_loop(&mut self, head: usize) {
        let (Some(slot), Some(variable)) = (self.at_hand.slot, self.at_hand.loops.get(&head).copied()) else { return };
        // Cranelift sees that what two loops fetch is the same, unless the addresses differ.
        let origin = self.fetch(slot, ORIGIN, BYTES as i32 + head as i32);
        self.builder.def_var(variable, origin);
    }

    /// Where that is in the host from which offsets in home count.
    pub(crate) fn origin_in_host(&mut self) -> Value {
        match self.at_hand.origins.get(self.block) {
            _ if self.mode.pinned() == Pinned::Origin => self.pinned_origin(),
            Some(Some(variable)) => self.builder.use_var(*variable),
            _ => self.field(constant(), types::I64, offset_of!(NativeContext, origin)),
        }
    }

    /// As [`Translator::origin_in_host`], from the pinned register: anew in each block, so that no other register has it for long.
    fn pinned_origin(&mut self) -> Value {
        let here = self.builder.current_block();
        match self.at_hand.pinned {
            Some((block, value)) if Some(block) == here => value,
            _ => {
                let value = self.builder.ins().get_pinned_reg(types::I64);
                self.at_hand.pinned = here.map(|block| (block, value));
                value
            }
        }
    }
}
