//! The standard library in `std/`: its own tests, on every engine.

use std::path::Path;
use std::process::Command;

#[test]
fn the_library_passes_its_tests() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("std");
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    let output = command.arg("test").arg(&library).output().expect("limen starts");
    let [printed, complaints] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{printed}{complaints}");
    for entry in std::fs::read_dir(&library).expect("the library is there") {
        let name = entry.expect("the folder can be listed").file_name();
        let name = name.to_str().expect("names are plain");
        assert!(printed.contains(name), "{name} has no tests: {printed}");
    }
}
