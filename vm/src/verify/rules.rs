//! What the pass asks of each instruction, prepared once from the table.

use std::sync::LazyLock;

use limen_isa::{Field, Flow, List, Opcode, OperandKind, Row, ValueType};

/// What an instruction's rows ask of its words, arranged so that the common case is a few comparisons.
pub(super) struct Check {
    /// The instruction word.
    pub(super) first: WordCheck,
    pub(super) special: Special,
    pub(super) terminator: bool,
    pub(super) row: &'static Row,
    /// The operand words that the row fixes.
    pub(super) operand_words: Box<[WordCheck]>,
}

/// One word of an instruction. Slots A to D have a byte each, A the lowest.
#[derive(Clone, Copy)]
pub(super) struct WordCheck {
    /// The types that registers must have; 0 where the slot is no register.
    pub(super) types: u32,
    /// `0xff` where the slot is a register, else 0.
    pub(super) masks: u32,
    /// Bits that no operand uses.
    pub(super) unused: u64,
}

/// What goes beyond registers and unused bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// One word, of registers and immediates.
    None,
    /// One word, with a label in it.
    Branch24,
    /// The same.
    Branch32,
    /// Several words, of registers and immediates.
    Long,
    Table,
    Return,
    Call,
    CallIndirect,
    Svc,
    /// Reserved, or only for the kernel: looked at before everything else.
    Refused,
    Privileged,
}

impl Check {
    fn of(opcode: Opcode) -> Self {
        let row = opcode.row();
        let operand_words = (1..row.fixed_words() as u8).map(|word| WordCheck::of(row, word)).collect();
        let terminator = row.flow == Flow::Terminator;
        Self { first: WordCheck::of(row, 0), special: special(row), terminator, row, operand_words }
    }
}

impl WordCheck {
    fn of(row: &Row, word: u8) -> Self {
        let (mut types, mut masks) = ([0; 4], [0; 4]);
        for operand in row.operands.iter().filter(|operand| operand.place.word == word) {
            if let OperandKind::Register { ty, .. } = operand.kind {
                let slot = Field::SLOTS.iter().position(|field| *field == operand.place.field).unwrap_or(0);
                types[slot] = ty as u8;
                masks[slot] = 0xff;
            }
        }
        Self { types: u32::from_le_bytes(types), masks: u32::from_le_bytes(masks), unused: !row.used_bits(word) }
    }
}

fn special(row: &Row) -> Special {
    if row.reserved {
        return Special::Refused;
    }
    if row.privileged {
        return Special::Privileged;
    }
    let of_operand = |operand: &limen_isa::Operand| match operand.kind {
        OperandKind::Label if operand.place.field == Field::Wide24 => Some(Special::Branch24),
        OperandKind::Label => Some(Special::Branch32),
        OperandKind::Function => Some(Special::Call),
        OperandKind::Table => Some(Special::CallIndirect),
        OperandKind::List(List::Targets) => Some(Special::Table),
        OperandKind::List(List::Returned) => Some(Special::Return),
        OperandKind::List(List::SvcResults) => Some(Special::Svc),
        OperandKind::Register { .. }
        | OperandKind::Immediate { .. }
        | OperandKind::Bits32
        | OperandKind::Float32
        | OperandKind::Literal64
        | OperandKind::Float64
        | OperandKind::Signature
        | OperandKind::List(_) => None,
    };
    let plain = if row.fixed_words() == 1 { Special::None } else { Special::Long };
    row.operands.iter().find_map(of_operand).unwrap_or(plain)
}

static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| Opcode::ALL.into_iter().map(Check::of).collect());

/// The checks of all opcodes, by opcode.
pub(super) fn checks() -> &'static [Check] {
    &CHECKS
}

/// Whether a type is one that words of messages may have.
pub(super) fn is_word(ty: ValueType) -> bool {
    matches!(ty, ValueType::I32 | ValueType::I64)
}
