//! What the build prints from the instruction table, and the few lines around it.

use limen_isa_table::{Fault, Field, Flow, List, Operand, OperandKind, Place, Role, Row, ValueType};

include!(concat!(env!("OUT_DIR"), "/instructions.rs"));

const NO_OPCODE: u16 = u16::MAX;

/// The code that marks an operand word.
pub const OPERAND_WORD: u16 = 1;

/// The number of a register within its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u16);

/// What the methods of an engine answer.
pub trait Execute {
    /// Whatever the engine's loop goes on with.
    type Output;
}

/// Where a visitor fetches operands from: an engine's own form of an instruction.
pub trait Fields: Copy {
    /// The zero-extended value of a field of the instruction word (`word` 0) or of one of its operand words.
    fn unsigned(self, word: usize, field: Field) -> u32;

    /// The same, sign-extended.
    fn signed(self, word: usize, field: Field) -> i32;

    /// A 64-bit literal that begins in `word`.
    #[inline(always)]
    fn literal(self, word: usize) -> u64 {
        let half = |word| u64::from(self.unsigned(word, Field::Wide32));
        half(word) | half(word + 1) << 32
    }
}

/// Words as they stand in a module, the instruction word first. A missing word reads as zero.
impl Fields for &[u64] {
    #[inline]
    fn unsigned(self, word: usize, field: Field) -> u32 {
        field.get(self.get(word).copied().unwrap_or(0)) as u32
    }

    #[inline]
    fn signed(self, word: usize, field: Field) -> i32 {
        field.get_signed(self.get(word).copied().unwrap_or(0)) as i32
    }
}

impl Opcode {
    /// The opcode with this code, reserved ones included.
    #[must_use]
    #[inline]
    pub fn from_code(code: u16) -> Option<Self> {
        let index = BY_CODE.get(usize::from(code)).copied().unwrap_or(NO_OPCODE);
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The opcode of an instruction word.
    #[must_use]
    #[inline]
    pub fn of_word(word: u64) -> Option<Self> {
        Self::from_code(word as u16)
    }

    /// The opcode with this mnemonic, reserved ones included.
    #[must_use]
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        let found = BY_MNEMONIC.binary_search_by_key(&mnemonic, |(name, _)| name);
        found.ok().map(|index| BY_MNEMONIC[index].1)
    }

    /// What the table says about it.
    #[must_use]
    #[inline]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Its name in the instruction notation.
    #[must_use]
    pub fn mnemonic(self) -> &'static str {
        self.row().mnemonic
    }
}
