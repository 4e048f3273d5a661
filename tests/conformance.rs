//! The conformance suite: every instruction at its edges, on every engine.
//!
//! `conformance/*.cases` are instructions that only compute, `conformance/*.lim` are programs with directives; the modules
//! of `support` say how both are written.

#[path = "support/cases.rs"]
mod cases;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use limen_isa::Opcode;
use limen_vm::EngineKind;

use cases::Case;
use support::program::Program;

/// The files of the suite with this ending, in order.
fn files(ending: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let entries = std::fs::read_dir(directory).expect("the suite is there");
    let paths = entries.map(|entry| entry.expect("its files can be listed").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|is| is == ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no .{ending} files");
    paths
}

fn all_cases() -> Vec<Case> {
    loaded(files("cases").iter().map(|path| cases::load(path))).into_iter().flatten().collect()
}

fn all_programs() -> Vec<Program> {
    loaded(files("lim").iter().map(|path| Program::load(path)))
}

/// Everything, or a panic that says what is wrong with which files.
fn loaded<T>(results: impl Iterator<Item = Result<T, String>>) -> Vec<T> {
    let (loaded, failed): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    assert_none(&failed.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    loaded.into_iter().flatten().collect()
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn instructions_compute() {
    for engine in EngineKind::ALL {
        let failures: Vec<String> = all_cases().iter().flat_map(|case| case.failures(engine)).collect();
        assert_none(&failures);
    }
}

#[test]
fn programs_behave() {
    for engine in EngineKind::ALL {
        let failures: Vec<String> = all_programs().iter().flat_map(|program| program.failures(engine)).collect();
        assert_none(&failures);
    }
}

#[test]
fn every_program_runs_something() {
    let idle: Vec<String> = all_programs().iter().filter(|program| program.runs() == 0).map(Program::name).collect();
    assert!(idle.is_empty(), "{idle:?} have no runs");
}

#[test]
fn every_instruction_occurs() {
    let mut found: BTreeSet<Opcode> = all_cases().iter().map(|case| case.opcode).collect();
    found.extend(all_programs().iter().flat_map(Program::opcodes));
    let built = Opcode::ALL.into_iter().filter(|opcode| !opcode.row().reserved);
    let missing: Vec<&str> = built.filter(|opcode| !found.contains(opcode)).map(Opcode::mnemonic).collect();
    assert!(missing.is_empty(), "no test has {missing:?}");
}
