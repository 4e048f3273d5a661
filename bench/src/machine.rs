//! Verifier, assembler, and what a machine costs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use limen_assembler::{NoFiles, Options, assemble};
use limen_vm::{Config, Machine, Mode, verify};

use crate::statistics::median;

/// Prints a line a measurement.
pub fn print(rounds: usize) {
    let source = large_source(100_000);
    let lines = source.lines().count();
    let assembling = samples(rounds, || drop(assemble("large.lim", &source, &NoFiles, Options::default())));
    println!("assembler: {lines} lines in {:.0} ms", median(&assembling) * 1e3);
    let module = assemble("large.lim", &source, &NoFiles, Options { strip: true }).unwrap_or_else(|errors| panic!("{errors}")).module;
    let instructions: usize = module.functions.iter().map(|function| function.code.len()).sum();
    let clones: Vec<_> = (0..rounds).map(|_| module.clone()).collect();
    let mut clones = clones.into_iter();
    let verifying = samples(rounds, || drop(verify(clones.next().expect("one a round"), Mode::User)));
    println!("verifier: {:.0} M words/s", instructions as f64 / median(&verifying) / 1e6);
    machines();
    hello(rounds);
}

fn samples(rounds: usize, mut work: impl FnMut()) -> Vec<f64> {
    let once = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    (0..rounds).map(once).collect()
}

/// Functions of arithmetic, memory and branches, about 25 lines each.
fn large_source(lines: usize) -> String {
    let function = |index: usize| {
        let body = "    a = i32.add a, b\n    b = i32.xor b, a\n    i32.store [a + 8], b\n    b = i32.load [a + 8]\n    i32.br_lt_s a, b, again\n".repeat(4);
        format!("fn f{index}(a: i32, b: i32) -> i32 {{\n  again:\n{body}    ret a\n}}\n\n")
    };
    (0..lines / 25).map(function).collect()
}

/// Creates many machines with a trivial program and keeps them.
fn machines() {
    const COUNT: usize = 1000;
    let source = "export fn main() -> i32 {\n    reg s: i32\n    ret s\n}\n";
    let module = assemble("trivial.lim", source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}")).module;
    let module = verify(module, Mode::User).unwrap_or_else(|error| panic!("{error}"));
    let (before, begun) = (resident_kib(), Instant::now());
    let make = |_| {
        let mut machine = Machine::new(Config::default()).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        machine.call(domain, "main", &[]).expect("main can be called");
        machine
    };
    let machines: Vec<Machine> = (0..COUNT).map(make).collect();
    let microseconds = begun.elapsed().as_secs_f64() * 1e6 / COUNT as f64;
    let kib = resident_kib().zip(before).map(|(after, before)| (after - before) / COUNT as f64);
    println!("machine: created and called in {microseconds:.1} us, {:.1} KiB resident each", kib.unwrap_or(f64::NAN));
    drop(machines);
}

/// Of this process; `None` where the system does not tell.
fn resident_kib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The whole command, from start to exit.
fn hello(rounds: usize) {
    let limen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/limen");
    if !limen.exists() {
        println!("limen run hello: skipped, build the command first (cargo build --release)");
        return;
    }
    let times = samples(rounds.max(11), || {
        let output = Command::new(&limen).args(["run", "hello"]).output().expect("limen starts");
        assert!(output.status.success(), "hello fails");
    });
    println!("limen run hello: {:.2} ms from start to exit", median(&times) * 1e3);
}
