//! What the system does: how long services take to start, and to be back after they were killed; whether calls stay as cheap
//! when there are many domains; how late a thread is; what a service costs that only waits.
//!
//! The scenarios are those of the tests, `tests/system/`, which end with the number that they are asked for.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{env, fs};

use limen_isa::module::Module;
use limen_vm::device::{Device, Queues};
use limen_vm::{Boot, Budget, Config, EngineKind, Machine, Mode, Outcome, Verified};

use crate::lines::{heading, in_turn, line};
use crate::sources::{kernel, module};
use crate::starts::command;

/// What `many.lim` is asked for.
const STARTING: u64 = 1;
const CALL_ALONE: u64 = 2;
const CALL_IN_A_CROWD: u64 = 3;

/// What `contended.lim` is asked for.
const CALL_OF_ONE_SERVER: u64 = 1;

/// How many calls clients make that contend for one server.
const CALLS: u64 = 3_000_000;

const KILLS: u64 = 1_000;

/// How often a thread sleeps whose lateness is taken.
const PERIODS: u64 = 10_000;

/// Which per mille of some times are shown, and what they are called.
const PER_MILLES: [(&str, usize); 4] = [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1000)];

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
            ("call and answer, 2 clients in turn, ns", "", &mut || contended(2, false)),
            ("call and answer, 1,000 clients in turn, ns", "", &mut || contended(1_000, false)),
            ("call behind others, 2 clients, ns", "", &mut || contended(2, true)),
            ("call behind others, 16 clients, ns", "", &mut || contended(16, true)),
            ("call behind others, 100 clients, ns", "", &mut || contended(100, true)),
            ("call behind others, 1,000 clients, ns", "", &mut || contended(1_000, true)),
        ],
    );
    if let Some(limen) = command() {
        let samples: Vec<f64> = (0..rounds).map(|_| boot(&limen)).collect();
        line("start of the command to its prompt, ms", "", &samples);
    }
    println!();
    let columns = PER_MILLES.map(|(name, _)| format!("{name:>9}")).join(" ");
    println!("{:<54} {columns}", "");
    percentiles(&format!("from a kill to the next answer, {KILLS} kills, us"), recovery());
    percentiles(&format!("lateness of the highest level, {PERIODS} periods, us"), lateness());
    println!();
    for (name, flag) in
        [("10,000 services that wait", "--idle-services"), ("10,000 passive services", "--passive-services")]
    {
        println!("{:<54} {:>9}", format!("{name}: MiB of memory"), memory(flag));
    }
}

/// Prints some of these times, which are in nanoseconds, as microseconds.
fn percentiles(name: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let place = |per_mille: usize| (times.len() * per_mille / 1000).min(times.len() - 1);
    let values = PER_MILLES.map(|(_, per_mille)| format!("{:>9.1}", times[place(per_mille)] as f64 / 1e3));
    println!("{name:<54} {}", values.join(" "));
}

fn many(count: u64, what: u64, is_passive: bool) -> f64 {
    let settings = [("COUNT", count), ("WHAT", what), ("PASSIVE", is_passive.into())];
    f64::from(run(&[scenario("many", &settings), scenario("idle", &[])]))
}

/// The time of a call of one server by so many clients, each in a domain of its own. Where the server is busy, all of them wait in its
/// queue nearly always.
fn contended(clients: u64, is_busy: bool) -> f64 {
    let calls = if is_busy { CALLS / 10 } else { CALLS };
    let settings = [("COUNT", clients), ("ROUNDS", calls), ("WHAT", CALL_OF_ONE_SERVER), ("BUSY", is_busy.into())];
    let scenario = scenario("contended", &settings);
    f64::from(run(&[scenario.clone(), scenario]))
}

/// The times from a kill to the next answer.
fn recovery() -> Vec<u64> {
    let storm = scenario("storm", &[("ROUNDS", KILLS)]);
    measured(KILLS, &[storm, service("store"), scenario("keeper", &[])])
}

/// The times by which a thread of the highest level is late while others do what takes the kernel longest.
fn lateness() -> Vec<u64> {
    let late = scenario("late", &[("ROUNDS", PERIODS)]);
    measured(PERIODS, &[late.clone(), late])
}

/// The times that a scenario measures, which are so many.
fn measured(count: u64, modules: &[Verified<Module>]) -> Vec<u64> {
    let times = Times { count, shown: Arc::default() };
    let shown = Arc::clone(&times.shown);
    let boot = Boot { modules: modules.to_vec(), devices: vec![Box::new(times)], ..Boot::default() };
    let outcome = machine().boot_system(&kernel(), boot);
    assert_eq!(outcome, Ok(Outcome::Halted(0)), "the scenario ends as it should");
    std::mem::take(&mut *shown.lock().expect("nobody panics with it"))
}

/// The device to which a scenario shows its times (`tests/system/measured.lim`).
struct Times {
    count: u64,
    shown: Arc<Mutex<Vec<u64>>>,
}

impl Device for Times {
    fn id(&self) -> u32 {
        0x4c53
    }

    fn queue_sizes(&self) -> &[u16] {
        &[]
    }

    fn work(&mut self, queues: &mut Queues<'_>) {
        let time = |number: u64| {
            let mut bytes = [0; 8];
            queues.read_window(0, (number * 8) as u32, &mut bytes).then_some(u64::from_le_bytes(bytes))
        };
        *self.shown.lock().expect("nobody panics with it") = (0..self.count).map_while(time).collect();
    }
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

fn machine() -> Machine {
    let budget = Budget { bytes: 1 << 34, objects: 1 << 20, contexts: 1 << 16 };
    let config = Config { engine: EngineKind::Jit, budget, ..Config::default() };
    limen_jit::machine(config).expect("the budget allows a machine")
}

fn run(modules: &[Verified<Module>]) -> i32 {
    match machine().boot(&kernel(), modules) {
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
