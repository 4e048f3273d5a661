//! The pre-decoded form of code: one 16-byte slot per word, so that a slot's number is its word's position.

use limen_isa::module::{Function, Module};
use limen_isa::{Field, Fields, Opcode, Operand, OperandKind};

use super::dispatch::{Handler, UNPREPARED, handler};

/// A word with its fields apart.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) head: Head,
    pub(super) a: u16,
    pub(super) b: u16,
    /// Slots C (low half) and D, or a wide field already extended to 32 bits. Branch distances are in bytes of slots.
    wide: u32,
}

/// The first half of a slot.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union Head {
    /// Of an instruction word: what executes it.
    pub(super) handler: Handler,
    /// Of an operand word: the word itself.
    raw: u64,
}

/// The size of a slot as a power of two.
pub(super) const SLOT_SHIFT: u32 = 4;

const _: () = assert!(size_of::<Slot>() == 1 << SLOT_SHIFT);

/// What a call needs to know of its callee.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Callee {
    /// Position of the first word in the module's code.
    pub(super) start: u32,
    pub(super) signature: u32,
    pub(super) registers: u16,
    pub(super) params: u16,
    pub(super) results: u16,
    /// Words of a call of this function.
    pub(super) call_words: u16,
    /// Whether its slots have been filled.
    pub(super) prepared: bool,
}

/// The slots of a module. They are filled function by function, when first called.
pub(super) struct Code {
    pub(super) slots: Vec<Slot>,
    pub(super) callees: Vec<Callee>,
}

impl Code {
    pub(super) fn new(module: &Module) -> Self {
        let mut start = 0;
        let callee = |function: &Function| {
            let signature = &module.types[function.signature as usize];
            let callee = Callee {
                start,
                signature: function.signature,
                registers: function.registers.len() as u16,
                params: signature.params.len() as u16,
                results: signature.results.len() as u16,
                call_words: 1 + (signature.params.len() + signature.results.len()).div_ceil(4) as u16,
                prepared: false,
            };
            start += function.code.len() as u32;
            callee
        };
        let callees: Vec<Callee> = module.functions.iter().map(callee).collect();
        let blank = Slot { head: Head { handler: UNPREPARED }, a: 0, b: 0, wide: 0 };
        Self { slots: vec![blank; start as usize], callees }
    }

    /// Fills the slots of a function.
    pub(super) fn prepare(&mut self, module: &Module, index: u32) {
        let callee = &mut self.callees[index as usize];
        let code = &module.functions[index as usize].code;
        let slots = &mut self.slots[callee.start as usize..][..code.len()];
        callee.prepared = true;
        for (slot, word) in slots.iter_mut().zip(code) {
            *slot = decode(*word, callee.registers);
        }
    }
}

/// `registers` is the frame size of the function, which a call must know to place the next frame.
fn decode(word: u64, registers: u16) -> Slot {
    let mut lanes = Field::SLOTS.map(|field| field.get(word) as u16);
    let mut wide = None;
    let Some(opcode) = Opcode::of_word(word) else {
        return slot(Head { raw: word }, lanes, None);
    };
    let mut distance = 1;
    for operand in opcode.row().operands.iter().filter(|operand| operand.place.word == 0) {
        match operand.place.field {
            Field::Wide24 | Field::Wide32 => wide = Some(extended(operand, word)),
            lane if operand.kind == (OperandKind::Immediate { signed: true }) => {
                lanes[((lane.shift() - 16) / 12) as usize] = lane.get_signed(word) as u16;
            }
            _ => {}
        }
        if operand.kind == OperandKind::Label {
            distance = operand.place.field.get_signed(word);
        }
    }
    if opcode == Opcode::Call {
        lanes[0] = registers;
    }
    slot(Head { handler: handler(opcode, distance <= 0) }, lanes, wide)
}

fn slot(head: Head, [a, b, c, d]: [u16; 4], wide: Option<u32>) -> Slot {
    Slot { head, a, b, wide: wide.unwrap_or(u32::from(d) << 16 | u32::from(c)) }
}

/// A wide field as 32 bits.
fn extended(operand: &Operand, word: u64) -> u32 {
    let field = operand.place.field;
    match operand.kind {
        OperandKind::Label => (field.get_signed(word) << SLOT_SHIFT) as u32,
        OperandKind::Immediate { signed: true } => field.get_signed(word) as u32,
        _ => field.get(word) as u32,
    }
}

/// The operands of the instruction whose slot this is.
#[derive(Clone, Copy)]
pub(super) struct Operands(pub(super) *const Slot);

impl Operands {
    /// The slot of an operand word (or of the instruction word, 0).
    #[inline(always)]
    fn slot(self, word: usize) -> &'static Slot {
        // SAFETY: the verifier saw that the instruction has this operand word, slots are one per word, and code outlives
        // its execution.
        unsafe { &*self.0.add(word) }
    }

    /// The distance of a branch target in bytes of slots.
    #[inline(always)]
    pub(super) fn target(self, word: usize) -> isize {
        (self.signed(word, Field::Wide32) as isize) << SLOT_SHIFT
    }

    /// Element `index` of a register list that begins in the instruction word (`first` 0) or after it (`first` 1).
    #[inline(always)]
    pub(super) fn listed(self, first: usize, index: usize) -> limen_isa::Reg {
        limen_isa::Reg(self.unsigned(first + index / 4, Field::SLOTS[index % 4]) as u16)
    }
}

impl Fields for Operands {
    #[inline(always)]
    fn unsigned(self, word: usize, field: Field) -> u32 {
        let slot = self.slot(word);
        match field {
            Field::A => u32::from(slot.a),
            Field::B => u32::from(slot.b),
            Field::C => slot.wide & 0xffff,
            Field::D => slot.wide >> 16,
            Field::Wide24 | Field::Wide32 if word == 0 => slot.wide,
            // SAFETY: the slots of operand words hold the raw word.
            Field::Wide24 | Field::Wide32 => field.get(unsafe { slot.head.raw }) as u32,
        }
    }

    #[inline(always)]
    fn signed(self, word: usize, field: Field) -> i32 {
        let value = self.unsigned(word, field);
        match field {
            Field::A | Field::B | Field::C | Field::D => i32::from(value as u16 as i16),
            Field::Wide24 | Field::Wide32 => value as i32,
        }
    }
}
