//! References and the table they are checked against.

mod reference;
mod rings;
mod table;

pub use reference::{Kind, Ref, Rights};
pub(crate) use rings::EMPTY;
pub(crate) use table::{Details, Entry, Listed, NewEntry, Object, ObjectTable, Span, Vacant, View};
