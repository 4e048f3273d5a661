//! What the pass asks of each instruction, prepared once from the table.

use std::sync::LazyLock;

use limen_isa::{Field, Flow, List, Opcode, OperandKind, Row, ValueType};

/// Stands in the register types for "any": it differs from every type, so it is masked out.
const ANY: u8 = 0;

/// What an instruction's rows ask of its words, arranged so that the common case is a few comparisons.
pub(super) struct Check {
    /// The types that the registers in slots A to D of each fixed word must have, and which of the slots are registers.
    pub(super) words: Vec<WordCheck>,
    pub(super) special: Special,
    pub(super) row: &'static Row,
    pub(super) terminator: bool,
}

/// One word of an instruction.
#[derive(Clone, Copy)]
pub(super) struct WordCheck {
    /// Wanted type per slot; [`ANY`] where the slot is no register.
    pub(super) types: [u8; 4],
    /// `0xff` where the slot is a register, else 0.
    pub(super) masks: [u8; 4],
    /// Bits that no operand uses.
    pub(super) unused: u64,
}

/// What goes beyond registers and unused bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    None,
    Branch24,
    Branch32,
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
        let words = (0..row.fixed_words() as u8).map(|word| WordCheck::of(row, word)).collect();
        Self { words, special: special(row), row, terminator: row.flow == Flow::Terminator }
    }
}

impl WordCheck {
    fn of(row: &Row, word: u8) -> Self {
        let mut check = Self { types: [ANY; 4], masks: [0; 4], unused: !row.used_bits(word) };
        for operand in row.operands.iter().filter(|operand| operand.place.word == word) {
            if let OperandKind::Register { ty, .. } = operand.kind {
                let slot = Field::SLOTS.iter().position(|field| *field == operand.place.field).unwrap_or(0);
                check.types[slot] = ty as u8;
                check.masks[slot] = 0xff;
            }
        }
        check
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
    row.operands.iter().find_map(of_operand).unwrap_or(Special::None)
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
