//! How a row's operands stand in the text: read by the encoder, printed by the disassembler.

use std::ops::Range;

use limen_isa::{List, Operand, OperandKind, Row};

/// What stands at one place right of the mnemonic; numbers are indices into the row's operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// One operand.
    Single(usize),
    /// `[base, index + 4]`
    Bracket(Range<usize>),
    /// `[label, label]`
    Targets(usize),
    /// `(a, b)` right after the piece before.
    Arguments(usize),
    /// Any number of registers.
    Registers(usize),
}

/// The operands left of `=`.
pub(crate) fn results(row: &'static Row) -> &'static [Operand] {
    let count = row.operands.iter().take_while(|operand| operand.is_result()).count();
    &row.operands[..count]
}

/// The pieces right of the mnemonic.
pub(crate) fn pieces(row: &'static Row) -> impl Iterator<Item = Piece> {
    let brackets = &row.brackets;
    let inside = |index: &usize| brackets.contains(index) && *index != brackets.start;
    (results(row).len()..row.operands.len()).filter(move |index| !inside(index)).map(|index| {
        match row.operands[index].kind {
            _ if brackets.contains(&index) => Piece::Bracket(brackets.clone()),
            OperandKind::List(List::Targets) => Piece::Targets(index),
            OperandKind::List(List::CallArguments | List::SvcArguments) => Piece::Arguments(index),
            OperandKind::List(List::Returned | List::CallResults | List::SvcResults) => Piece::Registers(index),
            _ => Piece::Single(index),
        }
    })
}

/// Whether the operand is the register that selects the entry of a function table: the text has it in brackets.
fn is_table_index(row: &Row, index: usize) -> bool {
    index > 0 && row.operands[index - 1].kind == OperandKind::Table
}

/// An instruction as text. `operand` prints one operand; lists without their brackets, and the last operand in square
/// brackets, if it is an immediate, with its ` + ` or not at all.
pub(crate) fn print(row: &'static Row, mut operand: impl FnMut(usize) -> String) -> String {
    let left: Vec<_> = (0..results(row).len()).map(&mut operand).filter(|text| !text.is_empty()).collect();
    let mut text = left.join(", ");
    if !text.is_empty() {
        text.push_str(" = ");
    }
    text.push_str(row.mnemonic);
    let mut separator = " ";
    for piece in pieces(row) {
        let printed = print_piece(row, &piece, &mut operand);
        if !printed.is_empty() {
            text.push_str(piece_separator(row, &piece, separator));
            text.push_str(&printed);
            separator = ", ";
        }
    }
    text
}

fn piece_separator(row: &Row, piece: &Piece, separator: &'static str) -> &'static str {
    match piece {
        Piece::Arguments(_) => "",
        Piece::Single(index) if is_table_index(row, *index) => "",
        Piece::Single(index) if row.operands[*index].kind == OperandKind::Signature => " ",
        _ => separator,
    }
}

fn print_piece(row: &'static Row, piece: &Piece, operand: &mut impl FnMut(usize) -> String) -> String {
    match piece {
        Piece::Single(index) if is_table_index(row, *index) => format!("[{}]", operand(*index)),
        Piece::Single(index) | Piece::Registers(index) => operand(*index),
        Piece::Targets(index) => format!("[{}]", operand(*index)),
        Piece::Arguments(index) => format!("({})", operand(*index)),
        Piece::Bracket(range) => {
            let (registers, offset) = split_bracket(row, range);
            let registers: Vec<_> = registers.map(&mut *operand).collect();
            format!("[{}{}]", registers.join(", "), offset.map(operand).unwrap_or_default())
        }
    }
}

/// The registers in square brackets and the immediate that is added to the last of them, if the row has one.
pub(crate) fn split_bracket(row: &Row, range: &Range<usize>) -> (Range<usize>, Option<usize>) {
    let last = range.end - 1;
    match row.operands[last].kind {
        OperandKind::Immediate { .. } => (range.start..last, Some(last)),
        _ => (range.clone(), None),
    }
}

/// How the instruction is written, with the row's names for its operands.
pub(crate) fn usage(row: &'static Row) -> String {
    print(row, |index| {
        let name = row.operands[index].name;
        let is_offset = row.brackets.contains(&index) && split_bracket(row, &row.brackets).1 == Some(index);
        if is_offset { format!(" + {name}") } else { name.to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use limen_isa::Opcode;

    use super::*;

    fn usage_of(mnemonic: &str) -> String {
        usage(Opcode::from_mnemonic(mnemonic).unwrap().row())
    }

    #[test]
    fn every_shape_prints_as_it_is_written() {
        assert_eq!(usage_of("i32.add"), "d = i32.add a, b");
        assert_eq!(usage_of("i32.load"), "d = i32.load [p + k]");
        assert_eq!(usage_of("i32.store"), "i32.store [p + k], v");
        assert_eq!(usage_of("i64.seg_load"), "d = i64.seg_load [s, o + k]");
        assert_eq!(usage_of("br_table"), "br_table i, [targets]");
        assert_eq!(usage_of("call"), "results = call f(arguments)");
        assert_eq!(usage_of("call_indirect"), "results = call_indirect t[i] s(arguments)");
        assert_eq!(usage_of("svc"), "results = svc number(arguments)");
        assert_eq!(usage_of("ret"), "ret values");
        assert_eq!(usage_of("home.copy"), "home.copy to, from, n");
        assert_eq!(usage_of("nop"), "nop");
    }

    #[test]
    fn in_every_row_only_the_last_operand_in_brackets_is_an_immediate() {
        for row in Opcode::ALL.iter().map(|opcode| opcode.row()).filter(|row| !row.brackets.is_empty()) {
            let (registers, _) = split_bracket(row, &row.brackets);
            let is_register = |index: usize| matches!(row.operands[index].kind, OperandKind::Register { .. });
            assert!(!registers.is_empty() && registers.clone().all(is_register), "{}", row.mnemonic);
        }
    }
}
