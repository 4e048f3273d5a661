//! The kernel with domains that talk, fail and are replaced: all of it bytecode, on every engine.

use std::path::Path;

use limen_assembler::{Options, assemble_file};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Time, Verified, verify};

fn module(path: &str, mode: Mode) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kernel() -> Verified<Module> {
    module("os-services/kernel/kernel.lim", Mode::Kernel)
}

fn program(name: &str) -> Verified<Module> {
    module(&format!("tests/system/{name}.lim"), Mode::User)
}

/// Boots the kernel with programs, of which the first starts the others; gives how it ended, and the fuel burnt.
fn boot(programs: &[&str], engine: EngineKind, time: Time) -> (Outcome, u64) {
    let modules: Vec<_> = programs.iter().map(|name| program(name)).collect();
    let mut machine: Machine =
        limen_jit::machine(Config { engine, time, ..Config::default() }).expect("the budget allows a machine");
    let outcome = machine.boot(&kernel(), &modules).expect("the kernel boots");
    (outcome, machine.fuel_burnt())
}

/// Boots on every engine in both sorts of time; in virtual time all must burn the same.
fn boots_well(programs: &[&str]) {
    let mut burnt = None;
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(programs, engine, Time::Live);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}", engine.name());
        let (outcome, fuel) = boot(programs, engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}, virtual time", engine.name());
        assert_eq!(*burnt.get_or_insert(fuel), fuel, "{programs:?}, {}", engine.name());
    }
}

#[test]
fn domains_call_each_other() {
    boots_well(&["talk", "server"]);
}

#[test]
fn a_server_is_killed_under_load() {
    boots_well(&["kills", "server", "client"]);
}
