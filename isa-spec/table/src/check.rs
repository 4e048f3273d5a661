//! The table checks itself: run by the build, so that a bad row never becomes code.

use std::collections::HashSet;

use crate::{List, OperandKind, Row};

/// Codes that no instruction may have: 0 is what zeroed memory holds, 1 marks operand words.
const TAKEN: [u16; 2] = [0, 1];

/// Checks that no code or mnemonic occurs twice, that rows stand in the order of their codes, and that the operands of
/// each row do not overlap.
///
/// # Errors
///
/// One line per defect.
pub fn check(rows: &[Row]) -> Result<(), String> {
    let mut defects = Vec::new();
    let mut mnemonics = HashSet::new();
    for row in rows {
        if !mnemonics.insert(row.mnemonic) {
            defects.push(format!("{}: mnemonic occurs twice", row.mnemonic));
        }
        if TAKEN.contains(&row.code) {
            defects.push(format!("{}: code {:#06x} is taken", row.mnemonic, row.code));
        }
        defects.extend(overlaps(row));
        defects.extend(misordered_results(row));
    }
    defects.extend(
        rows.windows(2).filter(|pair| pair[0].code >= pair[1].code).map(|pair| {
            format!("{}: code {:#06x} does not follow {:#06x}", pair[1].mnemonic, pair[1].code, pair[0].code)
        }),
    );
    if defects.is_empty() { Ok(()) } else { Err(defects.join("\n")) }
}

/// Two operands that claim the same bits.
fn overlaps(row: &Row) -> Vec<String> {
    let mut used = [0xffff_u64; 4];
    let mut defects = Vec::new();
    for operand in row.operands {
        let mask = match operand.kind {
            OperandKind::List(List::CallResults | List::CallArguments | List::Returned) => 0,
            _ => operand.place.field.mask(),
        };
        let wide = matches!(operand.kind, OperandKind::Literal64 | OperandKind::Float64);
        for (word, used) in used.iter_mut().enumerate() {
            let here = usize::from(operand.place.word) == word || (wide && word == 1);
            let mask = if here { mask } else { 0 };
            if *used & mask != 0 {
                defects.push(format!("{}: operand {} overlaps another", row.mnemonic, operand.name));
            }
            *used |= mask;
        }
    }
    defects
}

/// The text has results first, so the row must.
fn misordered_results(row: &Row) -> Option<String> {
    let results = row.operands.iter().take_while(|operand| operand.is_result()).count();
    let late = row.operands[results..].iter().any(|operand| operand.is_result());
    late.then(|| format!("{}: a result follows another operand", row.mnemonic))
}
