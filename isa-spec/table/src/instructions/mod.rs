//! The rows, by chapter. A code's high byte is its chapter; a code once given is never given to another instruction.

mod branches;
mod control;
mod conversions;
mod float;
mod integer;
mod memory;
mod references;
mod segments;
mod supervisor;
mod vector;

use crate::{Row, ValueType};

/// A chapter of the reference manual, and a trait of the engines.
pub struct Chapter {
    /// The heading.
    pub title: &'static str,
    /// What its instructions have in common.
    pub preface: &'static str,
    /// The trait that an engine implements for it; chapters of one family share theirs.
    pub group: &'static str,
    /// The type that this chapter's family is made for: the parameter of its trait.
    pub family: Option<ValueType>,
    /// Its rows in the order of their codes.
    pub rows: Vec<Row>,
}

impl Chapter {
    /// The name of the row's method in the trait of the group. A family's methods are named without the type.
    #[must_use]
    pub fn method(&self, row: &Row) -> String {
        let prefix = self.family.map(|t| format!("{t}."));
        let name = prefix.as_deref().and_then(|prefix| row.mnemonic.strip_prefix(prefix)).unwrap_or(row.mnemonic);
        if name == "const" { "constant".to_owned() } else { name.replace('.', "_") }
    }
}

fn chapter(title: &'static str, preface: &'static str, group: &'static str, rows: Vec<Row>) -> Chapter {
    Chapter { title, preface, group, family: None, rows }
}

impl Chapter {
    fn family(self, t: ValueType) -> Self {
        Self { family: Some(t), ..self }
    }
}

/// All chapters in the order of their codes.
#[must_use]
pub fn chapters() -> Vec<Chapter> {
    use ValueType::{F32, F64, I32, I64};
    let integer = |title, t, base| chapter(title, integer::PREFACE, "Integer", integer::rows(t, base)).family(t);
    let float = |title, t, base| chapter(title, float::PREFACE, "Float", float::rows(t, base)).family(t);
    let branches =
        |title, t, base| chapter(title, branches::PREFACE, "IntegerBranch", branches::integer(t, base)).family(t);
    let float_branches =
        |title, t, base| chapter(title, branches::PREFACE, "FloatBranch", branches::float(t, base)).family(t);
    vec![
        chapter("Control", control::PREFACE, "Control", control::rows()),
        integer("32-bit integers", I32, 0x0100),
        integer("64-bit integers", I64, 0x0200),
        float("32-bit floats", F32, 0x0300),
        float("64-bit floats", F64, 0x0400),
        chapter("Conversions", conversions::PREFACE, "Conversion", conversions::rows()),
        chapter("Home memory", memory::PREFACE, "Home", memory::rows()),
        chapter("Segments", segments::PREFACE, "Segment", segments::rows()),
        chapter("References and slots", references::PREFACE, "Reference", references::rows()),
        branches("Compare and branch, 32-bit integers", I32, 0x0900),
        branches("Compare and branch, 64-bit integers", I64, 0x0920),
        float_branches("Compare and branch, 32-bit floats", F32, 0x0940),
        float_branches("Compare and branch, 64-bit floats", F64, 0x0948),
        chapter("Supervisor", supervisor::PREFACE, "Supervisor", supervisor::rows()),
        chapter("Vectors (reserved)", vector::PREFACE, "Vector", vector::rows()),
    ]
}

/// Every row in the order of its code.
#[must_use]
pub fn all() -> Vec<Row> {
    chapters().into_iter().flat_map(|chapter| chapter.rows).collect()
}
