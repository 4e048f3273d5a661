//! Printers: the table as Rust and as the reference manual.

pub mod reference;
pub mod rust;
