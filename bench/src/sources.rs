//! Programs that are measured: sources of this folder and of the project.

use std::fs;
use std::path::{Path, PathBuf};

use limen_assembler::{Directory, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Mode, Verified, verify};

/// The module of a source, named from this folder, with some of its constants set.
pub fn module(path: &str, mode: Mode, settings: &[(&str, u64)]) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).with_extension("lim");
    let mut source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (name, value) in settings {
        let begin = format!("const {name} = ");
        let line = source.lines().find(|line| line.starts_with(&begin)).expect("the program has the constant");
        source = source.replacen(line, &format!("{begin}{value}"), 1);
    }
    let loader = Directory(path.parent().map(PathBuf::from).unwrap_or_default());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let assembled = assemble(&name, &source, &loader, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The kernel that ships.
pub fn kernel() -> Verified<Module> {
    module("../os-services/kernel/kernel", Mode::Kernel, &[])
}
