//! The pre-decoded form of code: one 16-byte slot per word, so that a slot's number is its word's position.

use std::sync::LazyLock;

use limen_isa::module::{Body, Function, Module};
use limen_isa::{Field, Fields, Opcode, OperandKind, Reg};

use super::accumulator::{ACCUMULATOR, Accumulating, Held, field_bit};
use super::dispatch::{Handler, UNPREPARED, handler, pair, small_call, small_return};
use crate::verify::Verified;

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

/// Of a function that is not prepared.
const EMPTY: Slot = Slot { head: Head { raw: 0 }, a: 0, b: 0, tail: Tail { wide: 0 } };

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

/// The slots of a module. They are filled function by function, when first called; until then nobody reads them. Much code
/// runs once, so that of larger functions, which takes long to refine, is refined when it was found running.
pub(super) struct Code {
    pub(super) slots: Vec<Slot>,
    pub(super) callees: Vec<Callee>,
    /// What the accumulators hold before the instruction of each slot of refined functions, up to the last of them.
    held: Vec<Held>,
    /// By function, whether it is refined.
    refined: Vec<bool>,
    /// A bit per slot before which the interpreter stops, up to the last of them.
    marks: Vec<u64>,
    /// Where it stops in each function.
    stops: Option<Stops>,
}

/// Functions with fewer words are refined when they are prepared.
const WORTH_WAITING: usize = 96;

/// So many words do the functions of a module have that run in its beginning, for each that there is.
const WORDS_OF_MANY: usize = 64;

/// There is room for no more words before they come.
const MOST_ROOM: usize = 1 << 18;

/// The words of a function before which to stop.
pub type Stops = fn(&Module, u32) -> Vec<u32>;

impl Code {
    pub(super) fn new(module: &Module) -> Self {
        let callee = |function: &Function| {
            let signature = &module.types[function.signature as usize];
            Callee {
                start: 0,
                signature: function.signature,
                registers: 0,
                params: signature.params.len() as u16,
                results: signature.results.len() as u16,
                call_words: 1 + (signature.params.len() + signature.results.len()).div_ceil(4) as u16,
                prepared: false,
            }
        };
        let callees: Vec<Callee> = module.functions.iter().map(callee).collect();
        let refined = vec![false; callees.len()];
        // Room for what of many functions is run, as a rule; what is not needed of it takes no substance.
        let room = (callees.len() * WORDS_OF_MANY).min(MOST_ROOM);
        let (slots, held) = (Vec::with_capacity(room), Vec::with_capacity(room));
        Self { slots, callees, held, refined, marks: Vec::new(), stops: None }
    }

    /// Has the fast way leave before these words of every function.
    pub(super) fn stop_at(&mut self, module: &Verified<Module>, stops: Stops) {
        self.stops = Some(stops);
        let prepared = (0..self.callees.len() as u32).filter(|index| self.callees[*index as usize].prepared);
        for index in prepared.collect::<Vec<_>>() {
            stops(module, index).into_iter().for_each(|word| self.mark(module.start_of(index) + word));
        }
    }

    /// Has the fast way leave before the instruction at this position.
    pub(super) fn mark(&mut self, position: u32) {
        let place = position as usize / 64;
        self.marks.resize(self.marks.len().max(place + 1), 0);
        self.marks[place] |= 1 << (position % 64);
        if let Some(slot) = self.slots.get_mut(position as usize) {
            slot.head = Head { handler: UNPREPARED };
        }
    }

    /// Whether the instruction at this position is marked.
    pub(super) fn is_marked(&self, position: u32) -> bool {
        self.marks.get(position as usize / 64).is_some_and(|bits| bits >> (position % 64) & 1 != 0)
    }

    /// What the accumulators hold before the instruction at this position.
    pub(super) fn held_before(&self, position: u32) -> Held {
        self.held.get(position as usize).copied().unwrap_or(Held::NOTHING)
    }

    /// Fills the slots of a function that does not have them yet.
    pub(super) fn ensure_prepared(&mut self, module: &Verified<Module>, index: u32) {
        if !self.callees[index as usize].prepared {
            self.prepare(module, index);
        }
    }

    /// Fills the slots of a function, which all of them may move for.
    pub(super) fn prepare(&mut self, module: &Verified<Module>, index: u32) {
        let Body { registers, code } = &*module.functions[index as usize];
        let callee = &mut self.callees[index as usize];
        (callee.start, callee.registers, callee.prepared) = (module.start_of(index), registers.len() as u16, true);
        let own = *callee;
        self.slots.resize(self.slots.len().max(own.start as usize + code.len()), EMPTY);
        let (shapes, callees) = (&**SHAPES, &self.callees);
        for (word, slot) in code.iter().zip(&mut self.slots[own.start as usize..]) {
            *slot = decode(*word, own, callees, shapes);
        }
        for word in self.stops.map_or_else(Vec::new, |stops| stops(module, index)) {
            self.mark(own.start + word);
        }
        self.put_marks(own.start, code.len());
        if code.len() < WORTH_WAITING {
            self.refine(module, index);
        }
    }

    /// Chooses the best handlers for a function that is prepared, unless that was done. It may be running.
    pub(super) fn refine(&mut self, module: &Verified<Module>, index: u32) {
        if std::mem::replace(&mut self.refined[index as usize], true) {
            return;
        }
        let (start, code) = (self.callees[index as usize].start, &module.functions[index as usize].code);
        self.held.resize(self.held.len().max(start as usize + code.len()), Held::NOTHING);
        self.held[start as usize..][..code.len()].copy_from_slice(&Held::throughout(code));
        self.specialise(module, index);
        self.put_marks(start, code.len());
    }

    /// Has the fast way leave where it is to stop.
    fn put_marks(&mut self, start: u32, words: usize) {
        let end = (self.marks.len() * 64).min(start as usize + words) as u32;
        for position in start..end {
            if self.is_marked(position) {
                self.slots[position as usize].head = Head { handler: UNPREPARED };
            }
        }
    }

    /// Puts handlers for the shapes at hand where there are such: calls and returns of few values, readers of accumulators,
    /// pairs. Of two pairs that share an instruction, the choice falls on what is best up to the end of the function.
    fn specialise(&mut self, module: &Module, index: u32) {
        let own = self.callees[index as usize];
        let code = &module.functions[index as usize].code;
        let mut gains = vec![0; code.len() + 2];
        // What the next word is, unless it is an operand word.
        let mut next = None;
        for (pc, word) in code.iter().enumerate().rev() {
            let slot = own.start as usize + pc;
            let this = Chosen::of(*word, self.held[slot]);
            let behind = std::mem::replace(&mut next, this);
            let Some(this) = this else { continue };
            let (handler, gain) =
                small(&self.callees, own, this.opcode, *word).map_or_else(|| this.single(), |small| (small, 0));
            self.slots[slot].head = Head { handler };
            gains[pc] = gain + gains[pc + 1];
            if let Some((handler, gain)) = behind.and_then(|behind| this.paired(behind))
                && gain + gains[pc + 2] >= gains[pc]
            {
                self.slots[slot].head = Head { handler };
                gains[pc] = gain + gains[pc + 2];
            }
        }
    }
}

/// The special handler of a call or return of few values.
fn small(callees: &[Callee], own: Callee, opcode: Opcode, word: u64) -> Option<Handler> {
    match opcode {
        Opcode::Call => {
            let callee = callees[Field::Wide32.get(word) as usize];
            small_call(callee.results, callee.params)
        }
        Opcode::Ret => small_return(own.results),
        _ => None,
    }
}

/// What the choice of an instruction's handler depends on.
#[derive(Clone, Copy)]
struct Chosen {
    opcode: Opcode,
    /// The fields that can be read from accumulators.
    readers: Accumulating,
    backward: bool,
}

impl Chosen {
    /// None for operand words.
    fn of(word: u64, held: Held) -> Option<Self> {
        let opcode = Opcode::of_word(word)?;
        Some(Self { opcode, readers: held.readers(word), backward: distance(opcode, word) <= 0 })
    }

    /// The handler of the instruction by itself, and how often it reads an accumulator.
    fn single(self) -> (Handler, u32) {
        (handler(self.opcode, self.readers, self.backward), self.readers.count())
    }

    /// The handler of a pair, and what it gains: a jump, which is worth two, and what is read from accumulators.
    fn paired(self, next: Self) -> Option<(Handler, u32)> {
        const JUMP: u32 = 2;
        let (handler, readers) = pair([self.opcode, next.opcode], [self.readers, next.readers], next.backward)?;
        Some((handler, JUMP + readers[0].count() + readers[1].count()))
    }
}

/// Bits of the slots A to D of an instruction word.
const LANE_BITS: u32 = 12;

/// What is known of an instruction by its opcode.
struct Shape {
    /// Which of the slots A to D are signed, if any is.
    signed: Option<[bool; 4]>,
    wide: Option<Wide>,
    /// The handlers that read no accumulators: for branches that go forward and for such as go backward.
    plain: [Handler; 2],
}

/// A wide field, which is the uppermost of its word, and how it comes to have 32 bits.
#[derive(Clone, Copy)]
struct Wide {
    /// The bits below it.
    below: u32,
    /// The bits of its value that stay.
    mask: u32,
    /// Of a branch: its distance, which slots have in bytes of slots.
    is_distance: bool,
}

/// Of all opcodes: asked for every word of every function that runs.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| Opcode::ALL.into_iter().map(Shape::of).collect());

impl Shape {
    fn of(opcode: Opcode) -> Self {
        let (mut signed, mut wide) = ([false; 4], None);
        for operand in opcode.row().operands.iter().filter(|operand| operand.place.word == 0) {
            match (operand.place.field, operand.kind) {
                (field @ (Field::Wide24 | Field::Wide32), kind) => wide = Some(Wide::of(field, kind)),
                (lane, OperandKind::Immediate { signed: true }) => {
                    signed[((lane.shift() - Field::A.shift()) / LANE_BITS) as usize] = true;
                }
                // Registers and unsigned immediates are as they stand.
                (Field::A | Field::B | Field::C | Field::D, _) => {}
            }
        }
        let plain = [false, true].map(|backward| handler(opcode, Accumulating::default(), backward));
        Self { signed: signed.contains(&true).then_some(signed), wide, plain }
    }

    /// How far a branch goes; 1 for what is no branch.
    fn distance(&self, word: u64) -> i64 {
        self.wide.filter(|wide| wide.is_distance).map_or(1, |wide| wide.value(word))
    }
}

impl Wide {
    fn of(field: Field, kind: OperandKind) -> Self {
        debug_assert_eq!(field.shift() + field.width(), u64::BITS, "it is the uppermost");
        let is_distance = kind == OperandKind::Label;
        let is_signed = is_distance || kind == OperandKind::Immediate { signed: true };
        let mask = if is_signed { u32::MAX } else { u32::MAX >> (u32::BITS - field.width()) };
        Self { below: field.shift(), mask, is_distance }
    }

    /// Sign-extended.
    fn value(self, word: u64) -> i64 {
        word as i64 >> self.below
    }

    fn extended(self, word: u64) -> u32 {
        let scale = if self.is_distance { SLOT_SHIFT } else { 0 };
        (self.value(word) << scale) as u32 & self.mask
    }
}

/// The slot of a word of a function, with a handler that reads no accumulators. A call must know the frame size of its function
/// to place the next frame.
fn decode(word: u64, own: Callee, callees: &[Callee], shapes: &[Shape]) -> Slot {
    // One by one: in a loop over them, each would be asked where it lies.
    let lane = |field: Field| field.get(word) as u16;
    let mut lanes = [lane(Field::A), lane(Field::B), lane(Field::C), lane(Field::D)];
    let Some(opcode) = Opcode::of_word(word) else {
        return slot(Head { raw: word }, lanes, None);
    };
    let shape = &shapes[opcode as usize];
    for (lane, _) in lanes.iter_mut().zip(shape.signed.into_iter().flatten()).filter(|(_, is_signed)| *is_signed) {
        let unused = u16::BITS - LANE_BITS;
        *lane = ((*lane << unused) as i16 >> unused) as u16;
    }
    if opcode == Opcode::Call {
        lanes[0] = own.registers;
    }
    let plain = || shape.plain[usize::from(shape.distance(word) <= 0)];
    let handler = small(callees, own, opcode, word).unwrap_or_else(plain);
    slot(Head { handler }, lanes, shape.wide.map(|wide| wide.extended(word)))
}

/// How far a branch goes; 1 for what is no branch.
fn distance(opcode: Opcode, word: u64) -> i64 {
    SHAPES[opcode as usize].distance(word)
}

fn slot(head: Head, [a, b, c, d]: [u16; 4], wide: Option<u32>) -> Slot {
    Slot { head, a, b, tail: wide.map_or(Tail { lanes: [c, d] }, |wide| Tail { wide }) }
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
        // SAFETY: slots A to D are four `u16` in a row, which end the slot; registers are few.
        unsafe {
            let register = slot.cast::<u16>().add(size_of::<Head>() / 2 + index % 4).read();
            std::hint::assert_unchecked(register != ACCUMULATOR);
            Reg(register)
        }
    }
}

/// Operands of an instruction of which those in some fields, an [`Accumulating`] set, are read from accumulators.
#[cfg_attr(not(threaded_dispatch), allow(dead_code, reason = "the fast way is threaded dispatch"))]
#[derive(Clone, Copy)]
pub(super) struct Accumulated<const FIELDS: u8>(pub(super) Operands);

impl<const FIELDS: u8> Fields for Accumulated<FIELDS> {
    #[inline(always)]
    fn unsigned(self, word: usize, field: Field) -> u32 {
        if word == 0 && field_bit(field) & FIELDS != 0 {
            return u32::from(ACCUMULATOR);
        }
        let value = self.0.unsigned(word, field);
        if matches!(field, Field::A | Field::B | Field::C | Field::D) {
            // SAFETY: an immediate that is all ones was sign-extended, and is asked for by `signed`; registers are few.
            unsafe { std::hint::assert_unchecked(value != u32::from(ACCUMULATOR)) };
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
