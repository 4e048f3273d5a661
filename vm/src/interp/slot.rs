//! The pre-decoded form of code: one 16-byte slot per word, so that a slot's number is its word's position.

use limen_isa::module::{Function, Module};
use limen_isa::{Field, Fields, Opcode, Operand, OperandKind, Reg, Role};

use super::cpu::FORWARDED;
use super::dispatch::{Handler, UNPREPARED, handler, pair, small_call, small_return};

/// A word with its fields apart.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) head: Head,
    pub(super) a: u16,
    pub(super) b: u16,
    tail: Tail,
}

/// The last four bytes of a slot.
#[derive(Clone, Copy)]
#[repr(C)]
union Tail {
    /// Slots C and D.
    lanes: [u16; 2],
    /// A wide field, already extended to 32 bits. Branch distances are in bytes of slots.
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
    /// Index of its signature.
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
    /// A bit per slot before which the interpreter stops; empty while there are none.
    marks: Vec<u64>,
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
        let blank = Slot { head: Head { handler: UNPREPARED }, a: 0, b: 0, tail: Tail { wide: 0 } };
        Self { slots: vec![blank; start as usize], callees, marks: Vec::new() }
    }

    /// Has the fast way leave before the instruction at this position.
    pub(super) fn mark(&mut self, position: u32) {
        self.marks.resize(self.slots.len().div_ceil(64), 0);
        self.marks[position as usize / 64] |= 1 << (position % 64);
        self.slots[position as usize].head = Head { handler: UNPREPARED };
    }

    /// Whether the instruction at this position is marked.
    pub(super) fn is_marked(&self, position: u32) -> bool {
        self.marks.get(position as usize / 64).is_some_and(|bits| bits >> (position % 64) & 1 != 0)
    }

    /// Fills the slots of a function that does not have them yet.
    pub(super) fn ensure_prepared(&mut self, module: &Module, index: u32) {
        if !self.callees[index as usize].prepared {
            self.prepare(module, index);
        }
    }

    /// Fills the slots of a function.
    pub(super) fn prepare(&mut self, module: &Module, index: u32) {
        self.callees[index as usize].prepared = true;
        let own = self.callees[index as usize];
        let code = &module.functions[index as usize].code;
        let slots = &mut self.slots[own.start as usize..][..code.len()];
        for (slot, word) in slots.iter_mut().zip(code) {
            *slot = decode(*word, own.registers);
        }
        self.specialise(module, index);
        for position in (own.start..).take(code.len()) {
            if self.is_marked(position) {
                self.slots[position as usize].head = Head { handler: UNPREPARED };
            }
        }
    }

    /// Puts handlers for the shapes at hand where there are such: calls and returns of few values, pairs. Of two pairs that
    /// share an instruction, the choice falls on what is best up to the end of the function.
    fn specialise(&mut self, module: &Module, index: u32) {
        let own = self.callees[index as usize];
        let code = &module.functions[index as usize].code;
        let mut gains = vec![0; code.len() + 2];
        for (pc, word) in code.iter().enumerate().rev() {
            let slot = own.start as usize + pc;
            gains[pc] = gains[pc + 1];
            if let Some(handler) = self.small(own, *word) {
                self.slots[slot].head = Head { handler };
            } else if let Some((handler, gain)) = code.get(pc + 1).and_then(|next| paired(*word, *next))
                && gain + gains[pc + 2] >= gains[pc]
            {
                self.slots[slot].head = Head { handler };
                gains[pc] = gain + gains[pc + 2];
            }
        }
    }

    /// The special handler of a call or return of few values.
    fn small(&self, own: Callee, word: u64) -> Option<Handler> {
        match Opcode::of_word(word)? {
            Opcode::Call => {
                let callee = self.callees[Field::Wide32.get(word) as usize];
                small_call(callee.results, callee.params)
            }
            Opcode::Ret => small_return(own.results),
            _ => None,
        }
    }
}

/// The handler of a pair, and what it gains: a jump, and where a value is forwarded also a way through memory.
fn paired(word: u64, next: u64) -> Option<(Handler, u32)> {
    let (first, second) = (Opcode::of_word(word)?, Opcode::of_word(next)?);
    let forwarded = written_and_read(first, word, second, next);
    let handler = pair(first, second, forwarded, distance(second, next) <= 0)?;
    Some((handler, if forwarded.is_some() { 3 } else { 2 }))
}

/// `registers` is the frame size of the function, which a call must know to place the next frame.
fn decode(word: u64, registers: u16) -> Slot {
    let mut lanes = Field::SLOTS.map(|field| field.get(word) as u16);
    let mut wide = None;
    let Some(opcode) = Opcode::of_word(word) else {
        return slot(Head { raw: word }, lanes, None);
    };
    for operand in opcode.row().operands.iter().filter(|operand| operand.place.word == 0) {
        match operand.place.field {
            Field::Wide24 | Field::Wide32 => wide = Some(extended(operand, word)),
            lane if operand.kind == (OperandKind::Immediate { signed: true }) => {
                lanes[((lane.shift() - 16) / 12) as usize] = lane.get_signed(word) as u16;
            }
            // Registers and unsigned immediates are as they stand.
            Field::A | Field::B | Field::C | Field::D => {}
        }
    }
    if opcode == Opcode::Call {
        lanes[0] = registers;
    }
    slot(Head { handler: handler(opcode, distance(opcode, word) <= 0) }, lanes, wide)
}

/// The field of the second instruction that reads the register which the first one writes, if there is one.
fn written_and_read(first: Opcode, word: u64, second: Opcode, next: u64) -> Option<Field> {
    let register =
        |operand: &&Operand, wanted| matches!(operand.kind, OperandKind::Register { role, .. } if role == wanted);
    let written = first.row().operands.iter().find(|operand| register(operand, Role::Write))?;
    let number = written.place.field.get(word);
    let reads = |operand: &&Operand| register(operand, Role::Read) && operand.place.field.get(next) == number;
    second.row().operands.iter().find(reads).map(|operand| operand.place.field)
}

/// How far a branch goes; 1 for what is no branch.
fn distance(opcode: Opcode, word: u64) -> i64 {
    let label = opcode.row().operands.iter().find(|operand| operand.kind == OperandKind::Label);
    label.map_or(1, |operand| operand.place.field.get_signed(word))
}

fn slot(head: Head, [a, b, c, d]: [u16; 4], wide: Option<u32>) -> Slot {
    Slot { head, a, b, tail: wide.map_or(Tail { lanes: [c, d] }, |wide| Tail { wide }) }
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
    pub(super) fn listed(self, first: usize, index: usize) -> Reg {
        let slot: *const Slot = self.slot(first + index / 4);
        // SAFETY: slots A to D are four `u16` in a row, which end the slot.
        Reg(unsafe { slot.cast::<u16>().add(size_of::<Head>() / 2 + index % 4).read() })
    }
}

/// Operands of an instruction of which the one in a field, by [`Field`]'s number, is the value that the instruction
/// before has just written.
#[cfg_attr(not(threaded_dispatch), allow(dead_code, reason = "the fast way is threaded dispatch"))]
#[derive(Clone, Copy)]
pub(super) struct ForwardedTo<const FIELD: usize>(pub(super) Operands);

impl<const FIELD: usize> Fields for ForwardedTo<FIELD> {
    #[inline(always)]
    fn unsigned(self, word: usize, field: Field) -> u32 {
        if word == 0 && field as usize == FIELD {
            return u32::from(FORWARDED);
        }
        let value = self.0.unsigned(word, field);
        if matches!(field, Field::A | Field::B | Field::C | Field::D) {
            // SAFETY: an immediate that is all ones was sign-extended, and is asked for by `signed`; registers are few.
            unsafe { std::hint::assert_unchecked(value != u32::from(FORWARDED)) };
        }
        value
    }

    #[inline(always)]
    fn signed(self, word: usize, field: Field) -> i32 {
        self.0.signed(word, field)
    }
}

impl Fields for Operands {
    #[inline(always)]
    fn unsigned(self, word: usize, field: Field) -> u32 {
        let slot = self.slot(word);
        match field {
            Field::A => u32::from(slot.a),
            Field::B => u32::from(slot.b),
            // SAFETY: both forms of the tail are four plain bytes.
            Field::C => u32::from(unsafe { slot.tail.lanes[0] }),
            // SAFETY: as above.
            Field::D => u32::from(unsafe { slot.tail.lanes[1] }),
            // SAFETY: as above.
            Field::Wide24 | Field::Wide32 if word == 0 => unsafe { slot.tail.wide },
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
