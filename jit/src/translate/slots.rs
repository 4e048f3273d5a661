//! Registers that are in slots of the native frame; see [`crate::resident`].

use std::borrow::Cow;
use std::sync::Arc;

use cranelift_codegen::ir::{
    AliasRegionData, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, Value, types,
};
use limen_isa::Reg;
use rustc_hash::FxHashSet;

use super::{CELL, Translator, trusted};
use crate::frames::SLOTS_AT;
use crate::resident::Residents;
use crate::shape::RegisterSet;

/// Which registers are in slots where translation stands.
#[derive(Clone, Default)]
pub(crate) struct Slots {
    residents: Arc<Residents>,
    now: RegisterSet,
    /// All of them, one after the other.
    memory: Option<StackSlot>,
    /// Whole slots that were loaded for the number of 32 bits in them, which is zeroes beyond it.
    loaded: FxHashSet<Value>,
}

pub(super) struct Slot {
    memory: StackSlot,
    offset: i32,
}

/// What is in slots is accessed in no other way.
const REGION: AliasRegionData = AliasRegionData { user_id: 1, description: Cow::Borrowed("slots") };

impl Slots {
    pub(crate) fn new(residents: Arc<Residents>) -> Self {
        Self { residents, ..Self::default() }
    }

    /// Whether this is a whole slot, loaded for the number of 32 bits in it.
    pub(super) fn have_loaded(&self, value: Value) -> bool {
        self.loaded.contains(&value)
    }

    /// Whether a register is in its slot.
    pub(crate) fn have(&self, register: Reg) -> bool {
        self.now.contains(register.0)
    }

    /// The slot that a register is in, if it is in one: of this memory, behind so many bytes.
    pub(super) fn of(&self, register: Reg) -> Option<Slot> {
        let index = self.now.contains(register.0).then(|| self.residents.slot(register.0)).flatten()?;
        Some(Slot { memory: self.memory?, offset: index as i32 * CELL })
    }

    /// The instruction at the word `pc` writes a register.
    pub(super) fn write(&mut self, pc: u32, register: Reg) {
        if let Some(is_in) = self.residents.behind_write(pc, register.0) {
            self.now.put(register.0, is_in);
        }
    }

    /// A basic block begins.
    pub(super) fn enter(&mut self, block: usize) {
        if self.memory.is_some() {
            self.now = self.residents.at_start(block);
        }
    }

    /// An instruction begins, or what belongs to it.
    pub(super) fn stand_at(&mut self, pc: u32) {
        if self.memory.is_some() {
            self.now = self.residents.before(pc);
        }
    }
}

impl Translator<'_, '_> {
    /// Where the function is entered at this word: makes the slots, if there are any, and notes where they are.
    pub(super) fn begin_slots(&mut self, entry: u32) {
        let slots = self.slots.residents.slots();
        if slots == 0 {
            return;
        }
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, slots as u32 * CELL as u32, 3);
        let memory = self.builder.create_sized_stack_slot(data);
        let address = self.builder.ins().stack_addr(types::I64, memory, 0);
        self.builder.ins().store(trusted(), address, self.frame, SLOTS_AT as i32 * CELL);
        self.slots.memory = Some(memory);
        self.slots.enter(self.shape.index_of(entry));
    }

    pub(super) fn load_slot(&mut self, slot: Slot, ty: Type) -> Value {
        let (address, flags) = self.address_of(slot);
        let value = self.builder.ins().load(types::I64, flags, address, 0);
        if ty != types::I32 {
            return value;
        }
        self.slots.loaded.insert(value);
        self.builder.ins().ireduce(ty, value)
    }

    /// Whole slots are stored and loaded: an instruction that uses half a slot would have Cranelift keep the slot's address in a
    /// register for it.
    pub(super) fn store_slot(&mut self, slot: Slot, value: Value) {
        let (address, flags) = self.address_of(slot);
        let is_half = self.builder.func.dfg.value_type(value) == types::I32;
        let value = if is_half { self.extend(value) } else { value };
        self.builder.ins().store(flags, value, address, 0);
    }

    fn address_of(&mut self, Slot { memory, offset }: Slot) -> (Value, MemFlagsData) {
        let region = self.builder.func.dfg.alias_regions.insert(REGION);
        let address = self.builder.ins().stack_addr(types::I64, memory, offset);
        (address, trusted().with_alias_region(Some(region)))
    }
}
