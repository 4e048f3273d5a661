//! Where code counts offsets in home from.
//!
//! A processor may take a cycle longer for an address of a base, an index and an offset than for one of a base and an index
//! (Zen 5 does: a chain of loads takes a fifth longer). So code of a module whose own memory begins somewhere in home has that
//! place for its base, and many of its offsets are zero.

use limen_isa::module::{ExportItem, MEMORY, Module};

/// Addresses beyond this are no place to count from: offsets must be numbers of 32 bits with a sign.
const MOST: i64 = 1 << 30;

/// The address in home from which the module's code counts.
pub(crate) fn origin(module: &Module) -> u32 {
    match module.export(MEMORY) {
        Some(ExportItem::Constant(address)) if (0..=MOST).contains(&address) => address as u32,
        _ => 0,
    }
}
