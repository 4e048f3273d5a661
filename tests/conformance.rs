//! The conformance suite: every instruction at its edges, on every engine.
//!
//! `conformance/*.cases` are instructions that only compute, `conformance/*.lim` are programs with directives; the modules
//! of `support` say how both are written.

#[path = "support/cases.rs"]
mod cases;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use limen_isa::{Fault, Opcode};
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

/// Compiled code counts fuel only if somebody wants to know how much was burnt.
#[test]
fn programs_behave_in_live_time() {
    for engine in EngineKind::ALL {
        let failures: Vec<String> = all_programs().iter().flat_map(|program| program.live_failures(engine)).collect();
        assert_none(&failures);
    }
}

/// Frames go from engine to engine, in mid-loop, in mid-recursion and in services.
#[test]
fn engines_can_be_switched() {
    for safepoints in [1, 7, 1000] {
        let engines = [EngineKind::Interp, EngineKind::Jit];
        let failing = |program: &Program| program.switching_failures(&engines, safepoints);
        let failures: Vec<String> = all_programs().iter().flat_map(failing).collect();
        assert_none(&failures);
    }
}

/// A snapshot is all that a run needs, wherever it is suspended.
#[test]
fn machines_can_be_restored() {
    for safepoints in [1, 7, 1000] {
        let engines = [EngineKind::Interp, EngineKind::Jit];
        let failing = |program: &Program| program.restoring_failures(&engines, safepoints);
        let failures: Vec<String> = all_programs().iter().flat_map(failing).collect();
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

/// Every instruction ends with each of the faults of its row somewhere in the suite, and never with another.
#[test]
fn rows_list_their_faults() {
    let mut met: BTreeSet<(&str, Fault)> = all_cases().iter().filter_map(Case::fault).collect();
    met.extend(all_programs().iter().flat_map(Program::faults));
    let rows = Opcode::ALL.map(Opcode::row);
    let pairs = rows.iter().flat_map(|row| row.faults.iter().map(|fault| (row.mnemonic, *fault)));
    let listed: BTreeSet<(&str, Fault)> = pairs.collect();
    let unlisted: Vec<_> = met.difference(&listed).collect();
    // Only programs under a kernel meet protected pages of their home: there the kernel is told, not the suite.
    let told = |(mnemonic, fault): &&(&str, Fault)| *fault == Fault::Right && !mnemonic.contains("seg");
    let unmet: Vec<_> = listed.difference(&met).filter(|pair| !told(pair)).collect();
    assert!(unlisted.is_empty() && unmet.is_empty(), "not listed: {unlisted:?}\nnot met: {unmet:?}");
}
