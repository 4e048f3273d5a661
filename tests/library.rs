//! The standard library in `std/` and the programs of the book: their own tests, on every engine; their layout; what needs
//! another implementation to compare with; and mistakes that it finds.

#[path = "library/floats.rs"]
mod floats;
#[path = "library/mistakes.rs"]
mod mistakes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use limen_assembler::format;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "lim")).collect()
}

/// Files of the library without tests of their own: a table, numbers, and what only makes sense with a kernel.
const WITHOUT_TESTS: [&str; 5] = ["bare.lim", "ipc.lim", "kernel.lim", "powers.lim", "slots.lim"];

/// Runs the tests of all sources below a folder, each of which has some.
fn passes(folder: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    let output = command.arg("test").arg(root().join(folder)).output().expect("limen starts");
    let [printed, complaints] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{printed}{complaints}");
    for path in sources(folder) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are plain");
        assert!(printed.contains(name) || WITHOUT_TESTS.contains(&name), "{name} has no tests: {printed}");
    }
}

#[test]
fn the_library_passes_its_tests() {
    passes("std");
}

#[test]
fn the_examples_of_the_book_pass_their_tests() {
    passes("docs/examples");
}

#[test]
fn every_source_is_in_the_canonical_layout() {
    let services =
        ["kernel", "init", "lib", "services", "services/control"].map(|folder| format!("os-services/{folder}"));
    let library = ["std", "std/system", "docs/examples", "tests/system"].map(str::to_owned);
    for path in library.iter().chain(&services).flat_map(|folder| sources(folder)) {
        let text = fs::read_to_string(&path).expect("the source is text");
        let formatted = format(&text).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        assert!(formatted == text, "{}: `limen fmt` changes this", path.display());
    }
}
