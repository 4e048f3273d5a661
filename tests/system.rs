//! The kernel with domains that talk, fail and are replaced: all of it bytecode, on every engine.

#[path = "support/restored.rs"]
mod restored;

use std::path::{Path, PathBuf};
use std::{env, fs};

use limen_assembler::{Directory, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Time, Verified, verify};

use restored::to_the_end;

/// What a scenario's constants are set to, instead of what its source says.
type Settings<'a> = &'a [(&'a str, u64)];

fn module(path: &str, mode: Mode, settings: Settings) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (name, value) in settings {
        source = with_constant(&source, name, *value);
    }
    let name = path.file_name().expect("the path is a file's").to_string_lossy();
    let loader = Directory(path.parent().map(PathBuf::from).unwrap_or_default());
    let assembled = assemble(&name, &source, &loader, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_constant(source: &str, name: &str, value: u64) -> String {
    let begin = format!("const {name} = ");
    let line = source.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("there is no {name}"));
    source.replacen(line, &format!("{begin}{value}"), 1)
}

fn kernel() -> Verified<Module> {
    module("os-services/kernel/kernel.lim", Mode::Kernel, &[])
}

/// The scenarios lie in `tests/system`; `services/NAME` is a service of the system.
fn program(name: &str, settings: Settings) -> Verified<Module> {
    match name.strip_prefix("services/") {
        Some(service) => module(&format!("os-services/services/{service}.lim"), Mode::User, settings),
        None => module(&format!("tests/system/{name}.lim"), Mode::User, settings),
    }
}

/// Programs, with settings for the first one.
fn modules(programs: &[&str], settings: Settings) -> Vec<Verified<Module>> {
    let settings_of = |index| if index == 0 { settings } else { &[] };
    programs.iter().enumerate().map(|(index, name)| program(name, settings_of(index))).collect()
}

/// Boots the kernel with programs, of which the first starts the others; gives how it ended, and the fuel burnt.
fn boot(programs: &[&str], settings: Settings, engine: EngineKind, time: Time) -> (Outcome, u64) {
    let modules = modules(programs, settings);
    let mut machine: Machine =
        limen_jit::machine(Config { engine, time, ..Config::default() }).expect("the budget allows a machine");
    let outcome = machine.boot(&kernel(), &modules).expect("the kernel boots");
    (outcome, machine.fuel_burnt())
}

/// Boots on every engine in both sorts of time; in virtual time all must burn the same.
fn boots_well(programs: &[&str], settings: Settings) {
    let mut burnt = None;
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(programs, settings, engine, Time::Live);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}", engine.name());
        let (outcome, fuel) = boot(programs, settings, engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}, virtual time", engine.name());
        assert_eq!(*burnt.get_or_insert(fuel), fuel, "{programs:?}, {}", engine.name());
    }
}

fn knob(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

/// The same in new machines that have nothing but snapshots, at every n-th safepoint.
fn goes_on_well(programs: &[&str], settings: Settings) {
    let (_, whole) = boot(programs, settings, EngineKind::Interp, Time::Virtual);
    for piece in [1, 7, 1000] {
        let piece = piece.max(whole / MOST_MACHINES);
        let modules = modules(programs, settings);
        let config = Config { time: Time::Virtual, fuel: Some(piece), ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot(&kernel(), &modules).expect("the kernel boots");
        let engines = [EngineKind::Jit, EngineKind::Interp];
        let (machine, outcome) = to_the_end(machine, outcome, &engines, (piece, MOST_MACHINES));
        assert_eq!((outcome, machine.fuel_burnt()), (Outcome::Halted(0), whole), "{programs:?}, pieces of {piece}");
    }
}

/// A run goes through at most so many machines.
const MOST_MACHINES: u64 = 30;

#[test]
fn the_system_goes_on_in_new_machines() {
    goes_on_well(&["talk", "server"], &[]);
    goes_on_well(&["kills", "server", "client"], &[]);
}

#[test]
fn domains_call_each_other() {
    boots_well(&["talk", "server"], &[]);
}

#[test]
fn a_server_is_killed_under_load() {
    boots_well(&["kills", "server", "client"], &[]);
}

/// `LIMEN_STORM_ROUNDS` kills, at times that follow from `LIMEN_STORM_SEED`.
#[test]
fn the_store_loses_no_write_that_it_acknowledged() {
    let (rounds, seed) = (knob("LIMEN_STORM_ROUNDS", 50), knob("LIMEN_STORM_SEED", 1));
    println!("LIMEN_STORM_ROUNDS={rounds} LIMEN_STORM_SEED={seed}");
    boots_well(&["storm", "services/store", "keeper"], &[("ROUNDS", rounds), ("SEED", seed)]);
}

/// All that many services were given comes back when their accounts are closed.
#[test]
fn many_services_wait_at_once() {
    boots_well(&["many", "idle"], &[("COUNT", knob("LIMEN_SERVICES", 500))]);
}
