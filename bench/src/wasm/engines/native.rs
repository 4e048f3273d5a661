//! The side of the host's own processor: the program in a process of its own.

use std::fs::File;
use std::process::{Command, Stdio};

use super::digest;
use crate::wasm::compare::Run;
use crate::wasm::program::Program;

pub fn program(program: &Program, input: &[u8]) -> Run {
    let file = program.native.with_extension("input");
    std::fs::write(&file, input).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (native, arguments) = (program.native.clone(), program.arguments);
    Box::new(move || {
        let input = File::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let output = Command::new(&native).args(arguments).stdin(input).stderr(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", native.display()));
        assert!(output.status.success(), "{}: {}", native.display(), output.status);
        digest(&output.stdout)
    })
}
