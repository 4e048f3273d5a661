//! What the system does: how long services take to start, and to be back after they were killed; whether calls stay as cheap
//! when there are many domains; what a service costs that only waits.
//!
//! The scenarios are those of the tests, `tests/system/`, which end with the number that they are asked for.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use limen_assembler::{Directory, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Budget, Config, EngineKind, Machine, Mode, Outcome, Verified, verify};

use crate::lines::{heading, line};

/// What `many.lim` is asked for.
const STARTING: u64 = 1;
const CALL_ALONE: u64 = 2;
const CALL_IN_A_CROWD: u64 = 3;

const KILLS: u64 = 1_000;

/// Prints a line for each measurement.
pub fn print(rounds: u32) {
    heading("of the system, compiled code");
    for (name, count, what) in [
        ("start of a service, ns", 1_000, STARTING),
        ("call and answer, 2 domains, ns", 2, CALL_ALONE),
        ("call and answer, 1,000 domains, ns", 1_000, CALL_IN_A_CROWD),
        ("call and answer, 10,000 domains, ns", 10_000, CALL_IN_A_CROWD),
    ] {
        let measured: Vec<f64> = (0..rounds).map(|_| many(count, what)).collect();
        line(name, "", &measured);
    }
    println!(
        "{:<44} {:<9} {:>9} {:>9} {:>9}",
        format!("from a kill to the next answer, {KILLS} kills, us"),
        "",
        "p50",
        "p99",
        "p99.9"
    );
    let [p50, p99, p999] = [500, 990, 999].map(recovery);
    println!("{:<54} {p50:>9.0} {p99:>9.0} {p999:>9.0}", "");
    println!("{:<54} {:>9}", "10,000 services that wait: MiB of memory", idle_memory());
}

fn many(count: u64, what: u64) -> f64 {
    f64::from(run(&[scenario("many", &[("COUNT", count), ("WHAT", what)]), scenario("idle", &[])]))
}

/// The per mille of the times from a kill to the next answer, in microseconds.
fn recovery(per_mille: u64) -> f64 {
    let storm = scenario("storm", &[("ROUNDS", KILLS), ("PER_MILLE", per_mille)]);
    f64::from(run(&[storm, service("store"), scenario("keeper", &[])])) * 1.024
}

/// Runs in a process of its own, whose peak is that of the machine with its services.
fn idle_memory() -> String {
    let command = env::current_exe().and_then(|path| process::Command::new(path).arg("--idle-services").output());
    let output = command.unwrap_or_else(|error| panic!("the measurement cannot run itself: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Prints the peak of this process's memory, in MiB, with 10,000 services.
pub fn print_idle_memory() {
    many(10_000, CALL_IN_A_CROWD);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("{}", peak.and_then(|peak| peak.trim().parse::<u64>().ok()).map_or(0, |kib| kib / 1024));
}

fn run(modules: &[Verified<Module>]) -> i32 {
    let budget = Budget { bytes: 1 << 34, objects: 1 << 20, contexts: 1 << 16 };
    let config = Config { engine: EngineKind::Jit, budget, ..Config::default() };
    let mut machine: Machine = limen_jit::machine(config).expect("the budget allows a machine");
    let kernel = module("os-services/kernel/kernel.lim", Mode::Kernel, &[]);
    match machine.boot(&kernel, modules) {
        Ok(Outcome::Halted(result)) => result,
        other => panic!("the scenario ends otherwise: {other:?}"),
    }
}

fn scenario(name: &str, settings: &[(&str, u64)]) -> Verified<Module> {
    module(&format!("tests/system/{name}.lim"), Mode::User, settings)
}

fn service(name: &str) -> Verified<Module> {
    module(&format!("os-services/services/{name}.lim"), Mode::User, &[])
}

/// A source of the project, with some of its constants set.
fn module(path: &str, mode: Mode, settings: &[(&str, u64)]) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (name, value) in settings {
        let begin = format!("const {name} = ");
        let line = source.lines().find(|line| line.starts_with(&begin)).expect("the scenario has the constant");
        source = source.replacen(line, &format!("{begin}{value}"), 1);
    }
    let loader = Directory(path.parent().map(PathBuf::from).unwrap_or_default());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let assembled = assemble(&name, &source, &loader, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
