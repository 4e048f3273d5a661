//! Programs that are measured: sources of this folder and of the project.

use std::fs;
use std::path::{Path, PathBuf};

use limen_assembler::{Directory, Loader, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Mode, Verified, verify};

/// The module of a source, named from this folder, with some of the constants set that it or what it uses has.
pub fn module(path: &str, mode: Mode, settings: &[(&str, u64)]) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).with_extension("lim");
    let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let directory = Directory(path.parent().map(PathBuf::from).unwrap_or_default());
    let loader = |path: &str| directory.load(path).map(|text| with(text, settings));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let assembled = assemble(&name, &with(source, settings), &loader, Options::default());
    let assembled = assembled.unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text with those of these constants set that it has.
fn with(text: String, settings: &[(&str, u64)]) -> String {
    settings.iter().fold(text, |text, (name, value)| {
        let begin = format!("const {name} = ");
        match text.lines().find(|line| line.starts_with(&begin)) {
            Some(line) => text.replacen(line, &format!("{begin}{value}"), 1),
            None => text,
        }
    })
}

/// The kernel that ships.
pub fn kernel() -> Verified<Module> {
    module("../os-services/kernel/kernel", Mode::Kernel, &[])
}
