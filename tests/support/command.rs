//! The `limen` command, and WebAssembly modules from texts.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use wast::Wat;
use wast::parser::{self, ParseBuffer};

/// What `limen` does in a folder, with nothing on standard input.
pub(crate) fn limen(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache")).stdin(Stdio::null());
    command.output().expect("limen starts")
}

/// A text as a module.
pub(crate) fn wasm(text: &str) -> Vec<u8> {
    let buffer = ParseBuffer::new(text).expect("it is text");
    let mut module: Wat<'_> = parser::parse(&buffer).unwrap_or_else(|error| panic!("{error}\n{text}"));
    module.encode().expect("it is a module")
}
