//! What the system does: how long services take to start, and to be back after they were killed; whether calls stay as cheap
//! when there are many domains; how late a thread is; what a service costs that only waits.
//!
//! The scenarios are those of the tests, `tests/system/`, which end with the number that they are asked for.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use limen_isa::module::Module;
use limen_vm::{Budget, Config, EngineKind, Machine, Mode, Outcome, Verified};

use crate::lines::{heading, in_turn, line};
use crate::sources::{kernel, module};
use crate::starts::command;

/// What `many.lim` is asked for.
const STARTING: u64 = 1;
const CALL_ALONE: u64 = 2;
const CALL_IN_A_CROWD: u64 = 3;

const KILLS: u64 = 1_000;

/// How often a thread sleeps whose lateness is taken.
const PERIODS: u64 = 10_000;

/// Which per mille of some times are shown, and what they are called.
const PER_MILLES: [(&str, u64); 4] = [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1000)];

/// Prints a line for each measurement.
pub fn print(rounds: u32) {
    heading("of the system, compiled code");
    in_turn(
        rounds,
        &mut [
            ("start of a service, us", "", &mut || many(1_000, STARTING, false) / 1e3),
            ("start of a passive service, us", "", &mut || many(1_000, STARTING, true) / 1e3),
            ("call and answer, 2 domains, ns", "", &mut || many(2, CALL_ALONE, false)),
            ("call and answer, 1,000 domains, ns", "", &mut || many(1_000, CALL_IN_A_CROWD, false)),
            ("call and answer, 10,000 domains, ns", "", &mut || many(10_000, CALL_IN_A_CROWD, false)),
        ],
    );
    if let Some(limen) = command() {
        let samples: Vec<f64> = (0..rounds).map(|_| boot(&limen)).collect();
        line("start of the command to its prompt, ms", "", &samples);
    }
    println!();
    let columns = PER_MILLES.map(|(name, _)| format!("{name:>9}")).join(" ");
    println!("{:<54} {columns}", "each column from a run of its own");
    percentiles(&format!("from a kill to the next answer, {KILLS} kills, us"), recovery);
    percentiles(&format!("lateness of the highest level, {PERIODS} periods, us"), lateness);
    println!();
    for (name, flag) in
        [("10,000 services that wait", "--idle-services"), ("10,000 passive services", "--passive-services")]
    {
        println!("{:<54} {:>9}", format!("{name}: MiB of memory"), memory(flag));
    }
}

fn percentiles(name: &str, of: impl Fn(u64) -> f64) {
    let values = PER_MILLES.map(|(_, per_mille)| format!("{:>9.1}", of(per_mille)));
    println!("{name:<54} {}", values.join(" "));
}

fn many(count: u64, what: u64, is_passive: bool) -> f64 {
    let settings = [("COUNT", count), ("WHAT", what), ("PASSIVE", is_passive.into())];
    f64::from(run(&[scenario("many", &settings), scenario("idle", &[])]))
}

/// The per mille of the times from a kill to the next answer, in microseconds.
fn recovery(per_mille: u64) -> f64 {
    let storm = scenario("storm", &[("ROUNDS", KILLS), ("PER_MILLE", per_mille)]);
    f64::from(run(&[storm, service("store"), scenario("keeper", &[])])) * 1.024
}

/// The per mille of the times by which a thread of the highest level is late while others do what takes the kernel longest, in
/// microseconds.
fn lateness(per_mille: u64) -> f64 {
    let late = scenario("late", &[("ROUNDS", PERIODS), ("PER_MILLE", per_mille)]);
    f64::from(run(&[late.clone(), late])) / 1e3
}

/// From the start of the command until the built-in system shows its prompt, in milliseconds.
fn boot(limen: &Path) -> f64 {
    let begun = Instant::now();
    let mut command = Command::new(limen);
    let mut child =
        command.arg("boot").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command starts");
    let (mut output, mut shown) = (child.stdout.take().expect("its output is piped"), Vec::new());
    while !shown.ends_with(b"> ") {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("it shows a prompt");
        shown.extend(byte);
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    child.stdin.take().expect("its input is piped").write_all(b"stop 0\n").expect("it takes input");
    output.read_to_end(&mut shown).expect("it shows the rest");
    assert!(child.wait().is_ok_and(|status| status.success()), "the system does not stop as it is told");
    milliseconds
}

/// Runs in a process of its own, whose peak is that of the machine with its services.
fn memory(flag: &str) -> String {
    let command = env::current_exe().and_then(|path| Command::new(path).arg(flag).output());
    let output = command.unwrap_or_else(|error| panic!("the measurement cannot run itself: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Prints the peak of this process's memory, in MiB, with 10,000 services.
pub fn print_memory(is_passive: bool) {
    many(10_000, CALL_IN_A_CROWD, is_passive);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("{}", peak.and_then(|peak| peak.trim().parse::<u64>().ok()).map_or(0, |kib| kib / 1024));
}

fn run(modules: &[Verified<Module>]) -> i32 {
    let budget = Budget { bytes: 1 << 34, objects: 1 << 20, contexts: 1 << 16 };
    let config = Config { engine: EngineKind::Jit, budget, ..Config::default() };
    let mut machine: Machine = limen_jit::machine(config).expect("the budget allows a machine");
    match machine.boot(&kernel(), modules) {
        Ok(Outcome::Halted(result)) => result,
        other => panic!("the scenario ends otherwise: {other:?}"),
    }
}

fn scenario(name: &str, settings: &[(&str, u64)]) -> Verified<Module> {
    module(&format!("../tests/system/{name}"), Mode::User, settings)
}

fn service(name: &str) -> Verified<Module> {
    module(&format!("../os-services/services/{name}"), Mode::User, &[])
}
