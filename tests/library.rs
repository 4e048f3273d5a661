//! The standard library in `std/` and the examples of the book: their own tests, on every engine.

use std::path::Path;
use std::process::Command;

use limen_assembler::{NoFiles, Options, assemble};
use limen_vm::{Mode, verify};

/// Runs the tests of all sources below a folder, each of which has some.
fn passes(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    let output = command.arg("test").arg(&folder).output().expect("limen starts");
    let [printed, complaints] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{printed}{complaints}");
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let name = entry.expect("the folder can be listed").file_name();
        let name = name.to_str().expect("names are plain");
        assert!(printed.contains(name), "{name} has no tests: {printed}");
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
fn what_the_pages_of_the_book_show_is_assembled() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/language");
    let mut shown = 0;
    for entry in std::fs::read_dir(&pages).expect("the book is there") {
        let path = entry.expect("the folder can be listed").path();
        let page = std::fs::read_to_string(&path).expect("pages are text");
        for example in page.split("```lim\n").skip(1) {
            let source = example.split("```").next().unwrap_or_default();
            let options = Options { tests: true, ..Options::default() };
            let name = path.display().to_string();
            let assembled = assemble(&name, source, &NoFiles, options).unwrap_or_else(|errors| panic!("{errors}"));
            verify(assembled.module, Mode::User).unwrap_or_else(|error| panic!("{name}: {error}\n{source}"));
            shown += 1;
        }
    }
    assert!(shown > 10, "only {shown} examples were found");
}
