//! Prints the table as Rust: opcode type, rows, dispatch trait, operand visitor.

use std::fmt::Write;

use crate::instructions::Chapter;
use crate::{Flow, List, Operand, OperandKind, Row};

/// Everything that `limen-isa` includes.
#[must_use]
pub fn print(chapters: &[Chapter]) -> String {
    let rows: Vec<Row> = chapters.iter().flat_map(|chapter| chapter.rows.clone()).collect();
    let mut out = String::new();
    opcode(&mut out, &rows);
    table(&mut out, &rows);
    by_mnemonic(&mut out, &rows);
    traits(&mut out, chapters);
    visitors(&mut out, chapters);
    dispatcher(&mut out, &rows);
    listing_macro(&mut out, &rows);
    out
}

/// The rows of a chapter that are more than a name.
fn built(chapter: &Chapter) -> impl Iterator<Item = &Row> {
    chapter.rows.iter().filter(|row| !row.reserved)
}

/// Formats a line into a string; writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("writing to a string") };
}

fn opcode(out: &mut String, rows: &[Row]) {
    line!(out, "/// An instruction of the set, numbered densely in the order of the codes.");
    line!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n#[repr(u16)]\npub enum Opcode {{");
    for row in rows {
        line!(out, "    /// `{}`: {}\n    {},", row.mnemonic, doc(row.meaning), row.variant());
    }
    line!(out, "}}\n\nimpl Opcode {{\n    /// Every opcode.\n    pub const ALL: [Opcode; {}] = [", rows.len());
    for row in rows {
        line!(out, "        Self::{},", row.variant());
    }
    line!(out, "    ];\n}}\n");
}

fn table(out: &mut String, rows: &[Row]) {
    line!(out, "static ROWS: [Row; {}] = [", rows.len());
    for row in rows {
        line!(out, "    {},", literal(row));
    }
    line!(out, "];\n");
    let last = rows.last().map_or(0, |row| row.code);
    line!(
        out,
        "/// Opcode number by code; `NO_OPCODE` where there is none.\nstatic BY_CODE: [u16; {}] = [",
        usize::from(last) + 1
    );
    for code in 0..=last {
        let index = rows.iter().position(|row| row.code == code);
        line!(out, "    {},", index.map_or("NO_OPCODE".into(), |index| index.to_string()));
    }
    line!(out, "];\n");
}

fn literal(row: &Row) -> String {
    let faults: Vec<String> = row.faults.iter().map(|fault| format!("Fault::{fault:?}")).collect();
    let operands: Vec<String> = row.operands.iter().map(operand_literal).collect();
    format!(
        "Row {{ code: {:#06x}, mnemonic: {:?}, operands: &[{}], brackets: {}..{}, faults: &[{}], flow: Flow::{:?}, safepoint: {}, privileged: {}, reserved: {}, meaning: {:?} }}",
        row.code,
        row.mnemonic,
        operands.join(", "),
        row.brackets.start,
        row.brackets.end,
        faults.join(", "),
        row.flow,
        row.safepoint,
        row.privileged,
        row.reserved,
        row.meaning
    )
}

fn operand_literal(operand: &Operand) -> String {
    let kind = match operand.kind {
        OperandKind::Register { ty, role } => format!("Register {{ ty: ValueType::{ty:?}, role: Role::{role:?} }}"),
        OperandKind::List(list) => format!("List(List::{list:?})"),
        kind => format!("{kind:?}"),
    };
    let place = operand.place;
    format!(
        "Operand {{ name: {:?}, kind: OperandKind::{kind}, place: Place {{ word: {}, field: Field::{:?} }} }}",
        operand.name, place.word, place.field
    )
}

fn by_mnemonic(out: &mut String, rows: &[Row]) {
    let mut names: Vec<(&str, String)> = rows.iter().map(|row| (row.mnemonic, row.variant())).collect();
    names.sort_unstable();
    line!(out, "/// Sorted, for binary search.\nstatic BY_MNEMONIC: [(&str, Opcode); {}] = [", names.len());
    for (mnemonic, variant) in names {
        line!(out, "    ({mnemonic:?}, Opcode::{variant}),");
    }
    line!(out, "];\n");
}

fn traits(out: &mut String, chapters: &[Chapter]) {
    let mut bounds = Vec::new();
    let mut last = "";
    for chapter in chapters.iter().filter(|chapter| built(chapter).next().is_some()) {
        let parameter = chapter.family.map_or(String::new(), |t| format!("<{t}>"));
        bounds.push(format!("{}{parameter}", chapter.group));
        if chapter.group != last {
            group_trait(out, chapter);
        }
        last = chapter.group;
    }
    line!(
        out,
        "/// Every instruction: an engine that forgets one does not compile.\npub trait Dispatch: {} {{}}\n",
        bounds.join(" + ")
    );
    line!(out, "impl<E: {}> Dispatch for E {{}}\n", bounds.join(" + "));
}

fn group_trait(out: &mut String, chapter: &Chapter) {
    let parameter = if chapter.family.is_some() { "<T>" } else { "" };
    let over = if chapter.family.is_some() { ", for registers of type `T`" } else { "" };
    line!(
        out,
        "/// The instructions of the group *{}*{over}.\npub trait {}{parameter}: Execute {{",
        chapter.group,
        chapter.group
    );
    for row in built(chapter) {
        let parameters = row.operands.iter().filter_map(parameter_of).fold(String::new(), |all, one| all + ", " + &one);
        line!(out, "    /// `{}`: {}", row.mnemonic, doc(row.meaning));
        if row.operands.len() > 6 {
            line!(
                out,
                "    #[allow(clippy::too_many_arguments, reason = \"an instruction has as many operands as it has\")]"
            );
        }
        line!(out, "    fn {}(&mut self{parameters}) -> Self::Output;", chapter.method(row));
    }
    line!(out, "}}\n");
}

/// Square brackets and angle brackets mean something else to rustdoc.
fn doc(meaning: &str) -> String {
    meaning.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<").replace('>', "\\>")
}

/// The parameter of a dispatch method for an operand; lists without a count have none.
fn parameter_of(operand: &Operand) -> Option<String> {
    let ty = match operand.kind {
        OperandKind::Register { .. } => "Reg",
        OperandKind::Immediate { signed: true } | OperandKind::Bits32 | OperandKind::Label => "i32",
        OperandKind::Literal64 | OperandKind::Float32 | OperandKind::Float64 => "u64",
        OperandKind::List(List::CallResults | List::CallArguments | List::Returned) => return None,
        OperandKind::Immediate { signed: false }
        | OperandKind::Function
        | OperandKind::Table
        | OperandKind::Signature
        | OperandKind::List(_) => "u32",
    };
    Some(format!("{}: {ty}", operand.name))
}

/// The expression that fetches a parameter from a [`Fields`] source.
fn fetch(operand: &Operand) -> Option<String> {
    let (word, field) = (operand.place.word, format!("Field::{:?}", operand.place.field));
    let unsigned = format!("fields.unsigned({word}, {field})");
    Some(match operand.kind {
        OperandKind::Register { .. } => format!("Reg({unsigned} as u16)"),
        OperandKind::Immediate { signed: true } | OperandKind::Bits32 | OperandKind::Label => {
            format!("fields.signed({word}, {field})")
        }
        OperandKind::Float32 => format!("u64::from({unsigned})"),
        OperandKind::Literal64 | OperandKind::Float64 => format!("fields.literal({word})"),
        OperandKind::List(List::CallResults | List::CallArguments | List::Returned) => return None,
        OperandKind::Immediate { signed: false }
        | OperandKind::Function
        | OperandKind::Table
        | OperandKind::Signature
        | OperandKind::List(_) => unsigned,
    })
}

fn visitors(out: &mut String, chapters: &[Chapter]) {
    line!(out, "/// One function per instruction that fetches the operands and calls the engine's method.");
    line!(out, "pub mod visit {{\n    use super::*;\n");
    for (chapter, row) in chapters.iter().flat_map(|chapter| built(chapter).map(move |row| (chapter, row))) {
        visitor(out, chapter, row);
    }
    line!(out, "}}\n");
}

fn visitor(out: &mut String, chapter: &Chapter, row: &Row) {
    let arguments = row.operands.iter().filter_map(fetch).fold(String::new(), |all, one| all + ", " + &one);
    let unused = if arguments.is_empty() { "_" } else { "" };
    let parameter = chapter.family.map_or(String::new(), |t| format!("::<{t}>"));
    line!(out, "    /// Fetches the operands of `{}`.\n    #[inline(always)]", row.mnemonic);
    line!(
        out,
        "    pub fn {}<D: Dispatch, F: Fields>(engine: &mut D, {unused}fields: F) -> D::Output {{",
        row.method()
    );
    line!(out, "        {}{parameter}::{}(engine{arguments})\n    }}", chapter.group, chapter.method(row));
}

fn dispatcher(out: &mut String, rows: &[Row]) {
    line!(
        out,
        "/// Fetches the operands of `opcode` and calls the engine's method; `None` for a reserved row.\n#[inline]"
    );
    line!(
        out,
        "pub fn dispatch<D: Dispatch, F: Fields>(engine: &mut D, opcode: Opcode, fields: F) -> Option<D::Output> {{"
    );
    line!(out, "    Some(match opcode {{");
    for row in rows {
        if row.reserved {
            line!(out, "        Opcode::{} => return None,", row.variant());
        } else {
            line!(out, "        Opcode::{} => visit::{}(engine, fields),", row.variant(), row.method());
        }
    }
    line!(out, "    }})\n}}\n");
}

/// A macro rather than a function, so that an engine can make an item per instruction.
fn listing_macro(out: &mut String, rows: &[Row]) {
    line!(
        out,
        "/// Calls `$callback!` once, with `(Variant, method, flow, words)` for every instruction that is built: `flow` is"
    );
    line!(out, "/// `next`, `branch` or `terminator`, `words` its length without lists.");
    line!(
        out,
        "#[macro_export]\nmacro_rules! for_each_instruction {{\n    ($callback:ident) => {{\n        $callback! {{"
    );
    for row in rows.iter().filter(|row| !row.reserved) {
        let flow = match row.flow {
            Flow::Next => "next",
            Flow::Branch => "branch",
            Flow::Terminator => "terminator",
        };
        line!(out, "            ({}, {}, {flow}, {})", row.variant(), row.method(), row.fixed_words());
    }
    line!(out, "        }}\n    }};\n}}");
}
