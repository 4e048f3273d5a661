//! The vocabulary of the table: what a row says about an instruction.

use std::ops::Range;

use crate::{Fault, ValueType};

/// What an instruction does to a register operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Only written: stands left of `=` in the text.
    Write,
    /// Only read.
    Read,
    /// Read and written: the advancing operands of bulk instructions.
    ReadWrite,
}

/// Where control can go after the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To the next instruction or to a label.
    Branch,
    /// Never to the next instruction.
    Terminator,
}

/// A list of operands whose length is not fixed by the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Results of a call: registers written, as the signature says.
    CallResults,
    /// Arguments of a call: registers read, as the signature says. They follow the results without a gap.
    CallArguments,
    /// Values returned: registers read, as the function's own signature says.
    Returned,
    /// Results of `svc`: up to 8 `i32`/`i64` registers and up to 4 `ref` registers, counted in the instruction word.
    SvcResults,
    /// Arguments of `svc`, with the same limits. They follow the results without a gap.
    SvcArguments,
    /// Branch targets, one operand word each, counted in the instruction word.
    Targets,
}

/// What an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// A register of a fixed type.
    Register {
        /// The type the register must be declared with.
        ty: ValueType,
        /// What happens to it.
        role: Role,
    },
    /// An integer; its width is that of its field.
    Immediate {
        /// Whether the field is sign-extended; otherwise it is zero-extended.
        signed: bool,
    },
    /// 32 bits that may be written as a signed or an unsigned integer.
    Bits32,
    /// The bits of a binary32 number.
    Float32,
    /// A 64-bit integer: low half in the instruction word, high half in one operand word.
    Literal64,
    /// The bits of a binary64 number, laid out like [`OperandKind::Literal64`].
    Float64,
    /// A signed distance in words from the instruction word to the target.
    Label,
    /// The index of a function.
    Function,
    /// The index of a function table.
    Table,
    /// The index of a signature.
    Signature,
    /// Several operands.
    List(List),
}

/// The bits of a word that hold an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Bits 16..28.
    A,
    /// Bits 28..40.
    B,
    /// Bits 40..52.
    C,
    /// Bits 52..64.
    D,
    /// Bits 40..64.
    Wide24,
    /// Bits 32..64.
    Wide32,
}

impl Field {
    /// The four register slots in order.
    pub const SLOTS: [Field; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// The lowest bit.
    #[must_use]
    pub const fn shift(self) -> u32 {
        match self {
            Self::A => 16,
            Self::B => 28,
            Self::C | Self::Wide24 => 40,
            Self::D => 52,
            Self::Wide32 => 32,
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn width(self) -> u32 {
        match self {
            Self::A | Self::B | Self::C | Self::D => 12,
            Self::Wide24 => 24,
            Self::Wide32 => 32,
        }
    }

    /// The bits as a mask over the word.
    #[must_use]
    pub const fn mask(self) -> u64 {
        ((1 << self.width()) - 1) << self.shift()
    }

    /// The field's value in `word`, zero-extended.
    #[must_use]
    #[inline]
    pub const fn get(self, word: u64) -> u64 {
        (word & self.mask()) >> self.shift()
    }

    /// The field's value in `word`, sign-extended.
    #[must_use]
    #[inline]
    pub const fn get_signed(self, word: u64) -> i64 {
        let unused = 64 - self.width();
        ((self.get(word) << unused) as i64) >> unused
    }
}

/// Where an operand stands: a word of the instruction and a field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// 0 for the instruction word, 1 and up for its operand words.
    pub word: u8,
    /// The field. For a [`OperandKind::List`] it is where the list's *count* stands, if the row says
    /// [`Operand::counted`], else where its first register stands.
    pub field: Field,
}

/// One operand of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The name used in the row's meaning.
    pub name: &'static str,
    /// What it is.
    pub kind: OperandKind,
    /// Where it stands.
    pub place: Place,
}

impl Operand {
    /// Whether this is a list whose length stands in the instruction word.
    #[must_use]
    pub const fn counted(&self) -> bool {
        matches!(self.kind, OperandKind::List(List::SvcResults | List::SvcArguments | List::Targets))
    }

    /// Whether the text has it left of `=`.
    #[must_use]
    pub const fn is_result(&self) -> bool {
        matches!(
            self.kind,
            OperandKind::Register { role: Role::Write, .. } | OperandKind::List(List::CallResults | List::SvcResults)
        )
    }
}

/// One instruction, said once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The 16-bit operation code.
    pub code: u16,
    /// The name in the instruction notation.
    pub mnemonic: &'static str,
    /// The operands in the order of the text, results first.
    pub operands: &'static [Operand],
    /// The operands that the text puts in square brackets, as a range of `operands`; empty if none.
    pub brackets: Range<usize>,
    /// The faults it can end with.
    pub faults: &'static [Fault],
    /// Where control can go.
    pub flow: Flow,
    /// Whether a context can be pre-empted, captured, killed or moved to another engine here (a branch: when it is
    /// taken backwards).
    pub safepoint: bool,
    /// Whether it verifies only in a kernel.
    pub privileged: bool,
    /// Whether it has only its name and number so far.
    pub reserved: bool,
    /// One line of pseudo-code.
    pub meaning: &'static str,
}

impl Row {
    /// The number of words before any list: the instruction word and the operand words that the row fixes.
    #[must_use]
    pub fn fixed_words(&self) -> usize {
        let words = |operand: &Operand| match operand.kind {
            OperandKind::Literal64 | OperandKind::Float64 => 2,
            OperandKind::List(_) => 1,
            _ => usize::from(operand.place.word) + 1,
        };
        self.operands.iter().map(words).max().unwrap_or(1)
    }

    /// The bits of instruction word or operand word `word` that some operand or the opcode uses.
    #[must_use]
    pub fn used_bits(&self, word: u8) -> u64 {
        let returned = |o: &Operand| matches!(o.kind, OperandKind::List(List::Returned));
        let bits = |operand: &Operand| match operand.kind {
            OperandKind::Literal64 | OperandKind::Float64 if word < 2 => Field::Wide32.mask(),
            OperandKind::List(_) if !operand.counted() && !returned(operand) => 0,
            _ if returned(operand) && word == 0 => Field::SLOTS.iter().fold(0, |all, slot| all | slot.mask()),
            _ if operand.place.word == word => operand.place.field.mask(),
            _ => 0,
        };
        self.operands.iter().fold(0xffff, |all, operand| all | bits(operand))
    }

    /// The name as a Rust method.
    #[must_use]
    pub fn method(&self) -> String {
        self.mnemonic.replace('.', "_")
    }

    /// The name as a Rust enum variant.
    #[must_use]
    pub fn variant(&self) -> String {
        let capitalise = |part: &str| {
            let mut letters = part.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        };
        self.mnemonic.split(['.', '_']).map(capitalise).collect()
    }
}
