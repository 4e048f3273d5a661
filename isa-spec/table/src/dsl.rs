//! The words in which rows are written. Operands are placed here, once, by one rule.

use crate::{Fault, Field, Flow, List, Operand, OperandKind, Place, Role, Row, ValueType};

/// An operand before it has a place.
#[derive(Clone, Copy)]
pub(crate) struct Draft {
    name: &'static str,
    kind: OperandKind,
    room: Room,
}

/// How much room an operand wants in the word.
#[derive(Clone, Copy)]
enum Room {
    Slot,
    Fixed(Field),
}

const fn draft(name: &'static str, kind: OperandKind, room: Room) -> Draft {
    Draft { name, kind, room }
}

const fn register(name: &'static str, ty: ValueType, role: Role) -> Draft {
    draft(name, OperandKind::Register { ty, role }, Room::Slot)
}

/// A register that is written.
pub(crate) const fn w(name: &'static str, ty: ValueType) -> Draft {
    register(name, ty, Role::Write)
}

/// A register that is read.
pub(crate) const fn r(name: &'static str, ty: ValueType) -> Draft {
    register(name, ty, Role::Read)
}

/// A register that is read and written.
pub(crate) const fn rw(name: &'static str, ty: ValueType) -> Draft {
    register(name, ty, Role::ReadWrite)
}

/// A 12-bit immediate, sign-extended.
pub(crate) const fn simm12(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: true }, Room::Slot)
}

/// A 12-bit immediate, zero-extended.
pub(crate) const fn uimm12(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: false }, Room::Slot)
}

/// A 24-bit immediate, sign-extended.
pub(crate) const fn simm24(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: true }, Room::Fixed(Field::Wide24))
}

/// A 24-bit immediate, zero-extended.
pub(crate) const fn uimm24(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: false }, Room::Fixed(Field::Wide24))
}

/// A 32-bit immediate, sign-extended.
pub(crate) const fn simm32(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: true }, Room::Fixed(Field::Wide32))
}

/// A 32-bit immediate, zero-extended.
pub(crate) const fn uimm32(name: &'static str) -> Draft {
    draft(name, OperandKind::Immediate { signed: false }, Room::Fixed(Field::Wide32))
}

/// An operand of the given kind in bits 32..64.
pub(crate) const fn wide(name: &'static str, kind: OperandKind) -> Draft {
    draft(name, kind, Room::Fixed(Field::Wide32))
}

/// A branch target within 2^23 words.
pub(crate) const fn label24(name: &'static str) -> Draft {
    draft(name, OperandKind::Label, Room::Fixed(Field::Wide24))
}

/// A branch target anywhere in the function.
pub(crate) const fn label32(name: &'static str) -> Draft {
    wide(name, OperandKind::Label)
}

/// The index of a table (12 bits).
pub(crate) const fn table(name: &'static str) -> Draft {
    draft(name, OperandKind::Table, Room::Slot)
}

/// The index of a signature (24 bits).
pub(crate) const fn signature(name: &'static str) -> Draft {
    draft(name, OperandKind::Signature, Room::Fixed(Field::Wide24))
}

/// A list; where it has a count, the count takes a slot (`svc`) or bits 32..64 (targets).
pub(crate) const fn list(name: &'static str, list: List) -> Draft {
    let room = match list {
        List::Targets => Room::Fixed(Field::Wide32),
        List::SvcResults | List::SvcArguments => Room::Slot,
        List::CallResults | List::CallArguments | List::Returned => Room::Fixed(Field::A),
    };
    draft(name, OperandKind::List(list), room)
}

/// Registers and 12-bit immediates take the next free slot, going on in operand words; wider fields stand where their
/// width puts them; lists of calls start in the first operand word.
fn place(drafts: &[Draft]) -> Vec<Operand> {
    let mut slots = 0;
    let mut next_slot = || {
        let place = Place { word: (slots / 4) as u8, field: Field::SLOTS[slots % 4] };
        slots += 1;
        place
    };
    let mut give = |draft: &Draft| match (draft.kind, draft.room) {
        (OperandKind::List(List::CallResults | List::CallArguments), _) => Place { word: 1, field: Field::A },
        (_, Room::Slot) => next_slot(),
        (_, Room::Fixed(field)) => Place { word: 0, field },
    };
    drafts.iter().map(|d| Operand { name: d.name, kind: d.kind, place: give(d) }).collect()
}

/// A row with the given number, mnemonic, operands and meaning; the rest is set by the methods below.
pub(crate) fn op(code: u16, mnemonic: impl Into<String>, operands: &[Draft], meaning: &str) -> Row {
    Row {
        code,
        mnemonic: mnemonic.into().leak(),
        operands: place(operands).leak(),
        brackets: 0..0,
        faults: &[],
        flow: Flow::Next,
        safepoint: false,
        privileged: false,
        reserved: false,
        meaning: meaning.to_owned().leak(),
    }
}

impl Row {
    /// States the faults.
    pub(crate) fn faults(mut self, faults: &[Fault]) -> Self {
        self.faults = faults.to_vec().leak();
        self
    }

    /// Puts `count` operands from the first one that is not a result into square brackets.
    pub(crate) fn bracketed(mut self, count: usize) -> Self {
        let results = self.operands.iter().take_while(|operand| operand.is_result()).count();
        self.brackets = results..results + count;
        self
    }

    /// A conditional branch: a safepoint where it goes backwards.
    pub(crate) fn branch(mut self) -> Self {
        self.flow = Flow::Branch;
        self.safepoint = true;
        self
    }

    /// Control never goes on to the next instruction.
    pub(crate) fn terminator(mut self) -> Self {
        self.flow = Flow::Terminator;
        self
    }

    /// A safepoint.
    pub(crate) fn safepoint(mut self) -> Self {
        self.safepoint = true;
        self
    }

    /// Verifies only in a kernel.
    pub(crate) fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    /// Not built yet.
    pub(crate) fn reserved(mut self) -> Self {
        self.reserved = true;
        self
    }
}
