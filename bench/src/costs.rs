//! What assembling, verifying, starting and stopping cost, and what making and destroying does.

use std::process::Command;
use std::time::Instant;

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Config, DomainId, Machine, Mode, Verified, verify};

use crate::statistics::median;
use crate::{domains, stalls, starts, stops};

/// Lines of the source that is assembled, and of one in the structured notation.
const LINES: usize = 100_000;
const STRUCTURED_LINES: usize = 50_000;

/// Machines that are held at once.
const MACHINES: usize = 1000;

/// Prints a line for each measurement.
pub fn print(rounds: u32) {
    machine_memory(); // first: what others leave behind could be used again, and would not show
    assembler_and_verifier(rounds);
    hello(rounds);
    for table in [domains::print, starts::print, stops::print, stalls::print] {
        println!();
        table(rounds);
    }
}

/// The median of the times of some work in seconds.
fn seconds(rounds: u32, mut work: impl FnMut()) -> f64 {
    let times: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    median(&times)
}

fn assembled(source: &str) -> Module {
    assemble("source.lim", source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}")).module
}

fn assembler_and_verifier(rounds: u32) {
    let source = large_source();
    let lines = source.lines().count();
    let assembling = seconds(rounds, || drop(assembled(&source)));
    println!("assembler: {lines} lines in {:.0} ms", assembling * 1e3);
    let structured = structured_source();
    let lines = structured.lines().count();
    let assembling = seconds(rounds, || drop(assembled(&structured)));
    println!("structured notation: {lines} lines in {:.0} ms", assembling * 1e3);

    let module = assembled(&source);
    let words: usize = module.functions.iter().map(|function| function.code.len()).sum();
    let mut copies: Vec<Module> = (0..rounds).map(|_| module.clone()).collect();
    let mut verified = Vec::new(); // so that nothing is freed while time is taken
    let verifying = seconds(rounds, || verified.extend(copies.pop().map(|copy| verify(copy, Mode::User))));
    println!("verifier: {:.0} M words of code/s", words as f64 / verifying / 1e6);
}

/// Functions of arithmetic, memory and branches.
fn large_source() -> String {
    const BODY: &str = "
    a = i32.add a, b
    b = i32.xor b, a
    i32.store [a + 8], b
    b = i32.load [a + 8]
    i32.br_lt_s a, b, again";
    const LINES_EACH: usize = 24;
    let function =
        |index| format!("fn f{index}(a: i32, b: i32) -> i32 {{\n  again:{}\n    ret a\n}}\n", BODY.repeat(4));
    (0..LINES / LINES_EACH).map(function).collect()
}

/// Copies of what a service is made of: a structure in memory, slices, loops, matches and errors.
fn structured_source() -> String {
    const TEXT: &str = include_str!("../kernels/structured/large.lim");
    let (first, copied) = TEXT.split_once("// Copied:\n").expect("large.lim says what is copied");
    let copies = STRUCTURED_LINES / copied.lines().count();
    std::iter::once(first.to_owned())
        .chain((0..copies).map(|index| copied.replace("_N", &format!("_{index}"))))
        .collect()
}

/// A program that does nothing, ready to be instantiated.
fn trivial() -> Verified<Module> {
    let source = "export fn main() -> i32 {\n    reg status: i32\n    ret status\n}\n";
    verify(assembled(source), Mode::User).unwrap_or_else(|error| panic!("{error}"))
}

fn create(module: &Verified<Module>) -> (Machine, DomainId) {
    let mut machine = Machine::new(Config::default()).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    (machine, domain)
}

fn create_and_call(module: &Verified<Module>) -> Machine {
    let (mut machine, domain) = create(module);
    machine.call(domain, "main", &[]).expect("main can be called");
    machine
}

fn machine_memory() {
    let module = trivial();
    let before = resident_kib();
    let machines: Vec<Machine> = (0..MACHINES).map(|_| create_and_call(&module)).collect();
    if let Some((before, after)) = before.zip(resident_kib()) {
        println!("machine: {:.1} KiB resident each", (after - before) / machines.len() as f64);
    }
}

/// Of this process; `None` where the system does not tell.
fn resident_kib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The whole command, from start to exit.
fn hello(rounds: u32) {
    let Some(limen) = starts::command() else { return };
    let run = || Command::new(&limen).args(["run", "hello"]).output();
    assert!(run().is_ok_and(|output| output.status.success()), "hello fails");
    let starting = seconds(rounds.max(11), || drop(run()));
    println!("limen run hello: {:.2} ms from start to exit", starting * 1e3);
}
