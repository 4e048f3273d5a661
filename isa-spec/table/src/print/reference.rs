//! Prints the table as the reference manual.

use crate::instructions::{Chapter, chapters};
use crate::{Fault, List, Operand, OperandKind, Role, Row};

const HEAD: &str = "# Instruction reference

Printed from the instruction table; a test fails when this page is stale (`LIMEN_BLESS=1 cargo test -p limen-isa` prints it
anew). `SPEC.md` explains the machine; this page lists what it can do.

*Encoding* names the fields of the instruction word: slots `A` (bits 16..28), `B` (28..40), `C` (40..52), `D` (52..64), `w24`
(bits 40..64), `w32` (bits 32..64); `+1` marks the first operand word. Registers are written with their type; a register that
is both read and written is marked `*`. *Notes*: **B** branch, **T** terminator, **S** safepoint, **P** privileged.
";

/// The whole page.
#[must_use]
pub fn print() -> String {
    let body: Vec<String> = chapters().iter().map(chapter).collect();
    format!("{HEAD}\n{}\n{}", faults(), body.join("\n"))
}

fn faults() -> String {
    let rows: String = Fault::ALL
        .iter()
        .map(|fault| format!("| {} | `{fault}` | {} |\n", fault.code(), fault.description()))
        .collect();
    format!("## Faults\n\n| number | name | meaning |\n| --- | --- | --- |\n{rows}")
}

fn chapter(chapter: &Chapter) -> String {
    let rows: String = chapter.rows.iter().map(row).collect();
    format!(
        "## {}\n\n{}\n\n| code | text | meaning | encoding | faults | notes |\n| --- | --- | --- | --- | --- | --- |\n{rows}",
        chapter.title, chapter.preface
    )
}

fn row(row: &Row) -> String {
    let encoding: Vec<String> = row.operands.iter().map(place).collect();
    let faults: Vec<&str> = row.faults.iter().map(|fault| fault.name()).collect();
    let meaning = row.meaning.replace('|', "\\|");
    format!(
        "| `{:04x}` | `{}` | {meaning} | {} | {} | {} |\n",
        row.code,
        text(row),
        encoding.join(" "),
        faults.join(", "),
        notes(row)
    )
}

/// The instruction as it is written, with operand names in place of operands.
fn text(row: &Row) -> String {
    let (results, rest): (Vec<&Operand>, Vec<&Operand>) = row.operands.iter().partition(|operand| operand.is_result());
    let left = if results.is_empty() { String::new() } else { names(&results) + " = " };
    let right = match rest.split_last() {
        Some((list, callee)) if matches!(list.kind, OperandKind::List(List::CallArguments | List::SvcArguments)) => {
            format!("{}({})", called(callee), list.name)
        }
        Some((list, [index])) if matches!(list.kind, OperandKind::List(List::Targets)) => {
            format!("{}, [{}]", index.name, list.name)
        }
        _ => plain(row, &rest),
    };
    format!("{left}{} {right}", row.mnemonic).trim_end().to_owned()
}

fn names(operands: &[&Operand]) -> String {
    operands.iter().map(|operand| operand.name).collect::<Vec<_>>().join(", ")
}

/// What a call names: a function, a service number, or a table entry with the signature it must have.
fn called(callee: &[&Operand]) -> String {
    match callee {
        [table, index, signature] => format!("{}[{}] {}", table.name, index.name, signature.name),
        _ => names(callee),
    }
}

/// Operands separated by commas, those of an address in brackets with an immediate as its offset.
fn plain(row: &Row, operands: &[&Operand]) -> String {
    let (address, rest) = operands.split_at(row.brackets.len());
    let address = match address.split_last() {
        None => None,
        Some((last, others)) if matches!(last.kind, OperandKind::Immediate { .. }) => {
            Some(format!("[{} + {}]", names(others), last.name))
        }
        Some(_) => Some(format!("[{}]", names(address))),
    };
    let rest = rest.iter().map(|operand| operand.name.to_owned());
    address.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

fn place(operand: &Operand) -> String {
    let field = match operand.place.field {
        crate::Field::Wide24 => "w24".to_owned(),
        crate::Field::Wide32 => "w32".to_owned(),
        slot => format!("{slot:?}"),
    };
    let word = if operand.place.word == 0 { String::new() } else { format!("+{}.", operand.place.word) };
    let kind = match operand.kind {
        OperandKind::Register { ty, role: Role::ReadWrite } => format!("{ty}*"),
        OperandKind::Register { ty, .. } => ty.to_string(),
        OperandKind::Immediate { signed: true } => "signed".into(),
        OperandKind::Immediate { signed: false } => "unsigned".into(),
        OperandKind::Bits32 => "bits".into(),
        OperandKind::Float32 => "f32 bits".into(),
        OperandKind::Literal64 => return format!("{}:w32,+1.w32", operand.name),
        OperandKind::Float64 => return format!("{}:w32,+1.w32 f64 bits", operand.name),
        OperandKind::Label => "label".into(),
        OperandKind::Function => "function".into(),
        OperandKind::Table => "table".into(),
        OperandKind::Signature => "signature".into(),
        OperandKind::List(_) if operand.counted() => "count".into(),
        OperandKind::List(_) => "list".into(),
    };
    format!("{}:{word}{field} {kind};", operand.name)
}

fn notes(row: &Row) -> String {
    let marks = [
        (row.flow == crate::Flow::Branch, "B"),
        (row.flow == crate::Flow::Terminator, "T"),
        (row.safepoint, "S"),
        (row.privileged, "P"),
        (row.reserved, "reserved"),
    ];
    marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect::<Vec<_>>().join(" ")
}
