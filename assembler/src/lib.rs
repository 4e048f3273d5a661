//! Text to modules and back.
//!
//! - [`assemble`] and [`assemble_file`]: a source to a [`limen_isa::module::Module`].
//! - [`disassemble`]: a module to a source that assembles to the same bytes.
//! - [`format()`]: a source in its canonical layout.
//! - [`explain`]: a source and the instructions that came of it, side by side.
//! - [`document`]: the interfaces of a source as a page of documentation.
//! - [`parse`]: a source to its tree, and [`keywords`]: its words, for other tools.

mod assemble;
pub mod ast;
mod body;
mod clauses;
mod constants;
mod debug;
mod diagnostic;
mod disassemble;
mod emit;
mod explain;
mod format;
mod globals;
mod instruction;
mod interfaces;
mod layout;
mod lexer;
mod library;
mod lines;
mod listing;
mod literal;
mod load;
mod naming;
mod parse;
mod program;
mod shape;
mod source;
mod structured;
mod suggest;
mod words;

pub use assemble::{Assembled, Options, assemble, assemble_file};
pub use diagnostic::{Diagnostic, Diagnostics, Label};
pub use disassemble::disassemble;
pub use explain::explain;
pub use format::{format, format_named};
pub use interfaces::document;
pub use lexer::keywords;
pub use parse::parse;
pub use source::{Directory, FileId, Loader, NoFiles, SourceFile, SourceMap, Span};
pub use suggest::similar;
