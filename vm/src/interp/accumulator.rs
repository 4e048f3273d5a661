//! Accumulators: the registers written last, at hand without a way through memory.
//!
//! There are two, one for floats of 64 bits and one for cells of any other type. An instruction that writes one register
//! leaves the value in the accumulator of its type, and in the cell, where whoever looks at a frame finds it. An instruction
//! that reads that register then has a handler that takes it from the accumulator. What the accumulators hold before an
//! instruction is found out when its function is prepared; it is nothing where a branch may come from elsewhere.

use std::sync::LazyLock;

use limen_isa::codec::for_each_target;
use limen_isa::{Field, List, Opcode, Operand, OperandKind, Role, ValueType};

use super::cpu::Cell;

/// The accumulators' values.
#[derive(Clone, Copy)]
pub(super) struct Accumulators {
    pub(super) cell: u64,
    pub(super) float: f64,
}

impl Accumulators {
    pub(super) const EMPTY: Self = Self { cell: 0, float: 0.0 };
}

/// No register has this number: it stands for the accumulator of the type that is wanted.
pub(super) const ACCUMULATOR: u16 = u16::MAX;

/// A set of the fields A, B and C of an instruction: those that read an accumulator.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Accumulating(pub(super) u8);

impl Accumulating {
    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// The registers whose values the accumulators hold; [`ACCUMULATOR`] for none.
#[derive(Clone, Copy)]
pub(super) struct Held {
    cell: u16,
    float: u16,
}

impl Held {
    pub(super) const NOTHING: Self = Self { cell: ACCUMULATOR, float: ACCUMULATOR };

    /// What they hold before each word of a function.
    pub(super) fn throughout(code: &[u64]) -> Vec<Self> {
        let mut held = Self::NOTHING;
        let targets = targets(code);
        let before = |(word, is_target): (&u64, bool)| {
            let before = if is_target { Self::NOTHING } else { held };
            held = before.after(*word);
            before
        };
        code.iter().zip(targets).map(before).collect()
    }

    /// The fields of an instruction that can read them.
    pub(super) fn readers(self, word: u64) -> Accumulating {
        let Some(Summary { effect: Effect::Nothing | Effect::Writes(..), reads, .. }) = summary(word) else {
            return Accumulating::default();
        };
        let reads = reads.iter().flatten().filter(|(field, ty)| field.get(word) == u64::from(self.of_type(*ty)));
        Accumulating(reads.fold(0, |fields, (field, _)| fields | field_bit(*field)))
    }

    /// What they hold behind an instruction. Operand words change nothing.
    fn after(self, word: u64) -> Self {
        match summary(word).map(|summary| summary.effect) {
            None | Some(Effect::Nothing) => self,
            Some(Effect::Writes(ValueType::F64, field)) => Self { float: field.get(word) as u16, ..self },
            Some(Effect::Writes(_, field)) => Self { cell: field.get(word) as u16, ..self },
            Some(Effect::Much) => Self::NOTHING,
        }
    }

    fn of_type(self, ty: ValueType) -> u16 {
        match ty {
            ValueType::F64 => self.float,
            _ => self.cell,
        }
    }

    /// Fills the accumulators from the cells of a frame.
    ///
    /// # Safety
    ///
    /// These must be registers of the frame whose register 0 is at `fp`.
    pub(super) unsafe fn load(self, fp: *const u64) -> Accumulators {
        // SAFETY: the caller's promise.
        let cell = |register: u16| unsafe { fp.add(usize::from(register)).read() };
        let load = |register| if register == ACCUMULATOR { 0 } else { cell(register) };
        Accumulators { cell: load(self.cell), float: f64::from_cell(load(self.float)) }
    }
}

/// What an instruction does to accumulators.
#[derive(Clone, Copy)]
enum Effect {
    Nothing,
    /// It writes the register in this field, and does so at its end.
    Writes(ValueType, Field),
    /// It writes several, or some before it has read all: it can neither read accumulators, nor does it leave them usable.
    Much,
}

/// What a row says about accumulators.
#[derive(Clone, Copy)]
struct Summary {
    effect: Effect,
    /// The fields of the instruction word whose registers are read, as far as readers of them have handlers of their own.
    reads: [Option<(Field, ValueType)>; 3],
    /// Whether it can go elsewhere than to the next instruction of its function.
    branches: bool,
}

/// Of all opcodes. Functions are prepared when they are first called, and most of that is to ask this.
static SUMMARIES: LazyLock<Vec<Summary>> =
    LazyLock::new(|| Opcode::ALL.iter().map(|opcode| Summary::of(opcode.row().operands)).collect());

fn summary(word: u64) -> Option<&'static Summary> {
    SUMMARIES.get(Opcode::of_word(word)? as usize)
}

impl Summary {
    fn of(operands: &[Operand]) -> Self {
        let mut reads = [None; 3];
        let read = operands.iter().filter_map(|operand| match operand.kind {
            OperandKind::Register { ty, role: Role::Read } if operand.place.word == 0 => {
                Some((operand.place.field, ty))
            }
            _ => None,
        });
        let handled = read.filter(|(field, _)| field_bit(*field) != 0);
        reads.iter_mut().zip(handled).for_each(|(place, read)| *place = Some(read));
        let is_target = |kind| matches!(kind, OperandKind::Label | OperandKind::List(List::Targets));
        let branches = operands.iter().any(|operand| is_target(operand.kind));
        Self { effect: Effect::of(operands), reads, branches }
    }
}

impl Effect {
    fn of(operands: &[Operand]) -> Self {
        if operands.iter().any(|operand| matches!(operand.kind, OperandKind::List(_))) {
            return Self::Much;
        }
        let mut written = operands.iter().filter_map(|operand| match operand.kind {
            OperandKind::Register { ty, role } if role != Role::Read => Some((ty, role, operand.place)),
            _ => None,
        });
        match (written.next(), written.next()) {
            (None, _) => Self::Nothing,
            (Some((ty, Role::Write, place)), None) if place.word == 0 => Self::Writes(ty, place.field),
            _ => Self::Much,
        }
    }
}

/// For each word of a function, whether some instruction may branch to it.
fn targets(code: &[u64]) -> Vec<bool> {
    let mut targets = vec![false; code.len()];
    for pc in (0..code.len()).filter(|pc| summary(code[*pc]).is_some_and(|summary| summary.branches)) {
        for_each_target(&code[pc..], |distance| targets[pc.wrapping_add_signed(distance as isize)] = true);
    }
    targets
}

/// The bit of a field in [`Accumulating`]: none for fields whose readers have no handlers of their own.
pub(super) const fn field_bit(field: Field) -> u8 {
    match field {
        Field::A => 1,
        Field::B => 2,
        Field::C => 4,
        Field::D | Field::Wide24 | Field::Wide32 => 0,
    }
}
