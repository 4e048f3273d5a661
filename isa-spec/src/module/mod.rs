//! The module format `.limo`: what a module is, and its one canonical byte string.
//!
//! [`Module::read`] and [`Module::write`] are inverses: a byte string that reads is the one that writing gives back.

mod error;
mod locate;
mod model;
mod read;
mod write;

pub use error::{ReadError, ReadProblem, WriteError};
pub use locate::{Call, Location};
pub use model::{
    CustomSection, DataSegment, Debug, Export, ExportItem, Function, Home, InlineSite, LineRow, Module, Signature,
};

/// The version of the format that this crate reads and writes.
pub const VERSION: u16 = 1;

/// The first bytes of every module.
pub const MAGIC: [u8; 4] = *b"LIMO";

/// Bytes of a page of memory.
pub const PAGE_SIZE: u32 = 4096;

/// Pages of the largest memory: 4 GiB.
pub const MAX_PAGES: u32 = 1 << 20;

/// Registers of a function.
pub const MAX_REGISTERS: usize = 4096;

/// Parameters of a function.
pub const MAX_PARAMS: usize = 1000;

/// Results of a function.
pub const MAX_RESULTS: usize = 1000;

/// Words of a function.
pub const MAX_FUNCTION_WORDS: usize = 1 << 23;

/// Words of a module.
pub const MAX_CODE_WORDS: usize = 1 << 28;

/// Slots of a domain, or of an array of slots.
pub const MAX_SLOTS: u32 = 1 << 20;

/// Bytes of a name.
pub const MAX_NAME: usize = 255;

/// Section numbers from here on are opaque and kept in order.
pub const FIRST_CUSTOM_SECTION: u32 = 0x8000_0000;

/// Section numbers.
mod section {
    pub(super) const TYPES: u32 = 1;
    pub(super) const FUNCTIONS: u32 = 2;
    pub(super) const CODE: u32 = 3;
    pub(super) const HOME: u32 = 4;
    pub(super) const TABLES: u32 = 5;
    pub(super) const EXPORTS: u32 = 6;
    pub(super) const DEBUG: u32 = 7;
    pub(super) const INTERFACES: u32 = 8;

    /// What a person calls a section.
    pub(super) fn name(id: u32) -> &'static str {
        match id {
            TYPES => "types",
            FUNCTIONS => "functions",
            CODE => "code",
            HOME => "home",
            TABLES => "tables",
            EXPORTS => "exports",
            DEBUG => "debug",
            INTERFACES => "interfaces",
            _ => "custom",
        }
    }
}

/// Stands for "none" where an index would be.
const NONE: u32 = u32::MAX;

/// Bytes before the section directory.
const HEADER_BYTES: usize = 16;

/// Bytes of a directory entry.
const ENTRY_BYTES: usize = 12;

/// Payloads begin at multiples of this.
const ALIGNMENT: usize = 8;
