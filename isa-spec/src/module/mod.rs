//! The module format `.limo`: what a module is, and its one canonical byte string.
//!
//! [`Module::read`] and [`Module::write`] are inverses: a byte string that reads is the one that writing gives back.

mod cursor;
mod envelope;
mod error;
mod interfaces;
mod later;
mod locate;
mod model;
mod read;
mod section;
mod write;

pub use error::{ReadError, ReadProblem, WriteError};
pub use interfaces::{Interface, Method, Param, Passing};
pub use later::Later;
pub use locate::{Call, Location};
pub use model::{
    Body, CustomSection, DataSegment, Debug, Export, ExportItem, Function, Home, InlineSite, LineRow, Module, Signature,
};

/// The version of the format that this crate reads and writes.
pub const VERSION: u16 = 1;

/// The first bytes of every module.
pub const MAGIC: [u8; 4] = *b"LIMO";

/// Bytes of a page of memory.
pub const PAGE_SIZE: u32 = 4096;

/// The name of the exported constant that says where in home a memory begins that is the program's own, in bytes. What lies below
/// is for what the program was translated with.
pub const MEMORY: &str = "memory";

/// Pages of the largest memory: 4 GiB.
pub const MAX_PAGES: u32 = 1 << 20;

/// Registers of a function.
pub const MAX_REGISTERS: usize = 4096;

/// Registers of all functions together. Parameters take no bytes in a function's entry, so without this limit a few
/// bytes of module could ask for a thousand times as much memory.
pub const MAX_MODULE_REGISTERS: usize = 1 << 26;

/// Parameters of a function.
pub const MAX_PARAMS: usize = 1000;

/// Results of a function.
pub const MAX_RESULTS: usize = 1000;

/// Words of a function.
pub const MAX_FUNCTION_WORDS: usize = 1 << 23;

/// Words of a module.
pub const MAX_CODE_WORDS: usize = 1 << 28;

/// Function tables of a module: what a register field of an instruction can number.
pub const MAX_TABLES: usize = 4096;

/// Slots of a domain, or of an array of slots.
pub const MAX_SLOTS: u32 = 1 << 20;

/// Inlined calls that lie in one another: as many entries can one frame have in a backtrace, besides its own.
pub const MAX_INLINE_DEPTH: usize = 256;

/// Bytes of an exported name.
pub const MAX_NAME: usize = 255;

/// Section numbers from here on are opaque and kept in order.
pub const FIRST_CUSTOM_SECTION: u32 = 0x8000_0000;

/// Stands for "none" where an index would be.
const NONE: u32 = u32::MAX;

/// Bytes before the section directory.
const HEADER_BYTES: usize = 16;

/// Bytes of a directory entry.
const ENTRY_BYTES: usize = 12;

/// Payloads begin at multiples of this.
const ALIGNMENT: usize = 8;

/// The kind of an export that is a function.
const EXPORTED_FUNCTION: u8 = 0;

/// The kind of an export that is a number.
const EXPORTED_CONSTANT: u8 = 1;
