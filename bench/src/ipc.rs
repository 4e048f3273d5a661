//! What crossing a protection boundary costs: from one domain to another and back, through a kernel in bytecode; and what others
//! take for as much.

mod components;
mod host;
mod tasks;

use std::time::Instant;

use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Verified};

use crate::lines::{heading, in_turn};
use crate::sources::{kernel, module};
use components::Components;

/// How often a client does what it does.
const ROUNDS: usize = 1_000_000;

/// The same under the interpreter, which takes longer.
const INTERPRETED_ROUNDS: usize = 50_000;

/// Round trips by way of the host; they are slow.
const HOST_ROUNDS: usize = 10_000;

/// Settings of a client's source.
type Settings = &'static [(&'static str, u64)];

/// What is measured: the client, and the server that it talks to.
struct Exchange {
    name: &'static str,
    client: &'static str,
    server: &'static str,
    settings: Settings,
}

const fn exchange(name: &'static str, client: &'static str, server: &'static str, settings: Settings) -> Exchange {
    Exchange { name, client, server, settings }
}

/// Through the least kernel there can be.
const LEAST: [Exchange; 4] = [
    exchange("null svc", "null", "server", &[]),
    exchange("call and reply, 4 words", "call", "server", &[]),
    exchange("64 bytes by lend", "lend", "lender", &[("SIZE", 64)]),
    exchange("4 KiB by lend", "lend", "lender", &[("SIZE", 4096)]),
];

/// Through the kernel that ships.
const REAL: [Exchange; 16] = [
    exchange("kernel: call, 4 words", "call", "server", &[]),
    exchange("kernel: calls of two services in turn, 4 words", "pair", "server", &[]),
    exchange("kernel: call of a passive service, 4 words", "call", "server", &[("PASSIVE", 1)]),
    exchange("kernel: a call that takes another one, 4 words", "call", "server", &[("NESTED", 1)]),
    exchange("kernel: 2 bytes by lend", "lend", "lender", &[("SIZE", 2)]),
    exchange("kernel: 64 bytes by lend", "lend", "lender", &[("SIZE", 64)]),
    exchange("kernel: 4 KiB by lend", "lend", "lender", &[("SIZE", 4096)]),
    exchange("kernel: 64 KiB by lend", "lend", "lender", &[("SIZE", 65_536)]),
    exchange("kernel: 64 bytes by lend, passive service", "lend", "lender", &[("SIZE", 64), ("PASSIVE", 1)]),
    exchange("kernel: 64 bytes by lend, copied", "lend", "copier", &[("SIZE", 64)]),
    exchange("kernel: 4 KiB by lend, copied", "lend", "copier", &[("SIZE", 4096)]),
    exchange("kernel: 64 KiB by lend, copied", "lend", "copier", &[("SIZE", 65_536)]),
    exchange("kernel: raise bits of a notification", "raise", "server", &[]),
    exchange("kernel: raise bits and take them", "take", "server", &[]),
    exchange("kernel: bits to another domain and back", "signal", "signaller", &[]),
    exchange("function in the same domain, 4 words", "direct", "server", &[]),
];

/// Something to measure, in nanoseconds: its name, the side that does it, and how.
struct Work(String, &'static str, Box<dyn FnMut() -> f64>);

/// Prints a line for each exchange on each engine, and for each way of others, in nanoseconds. All take turns.
pub fn print(rounds: u32) {
    heading("there and back, ns");
    let least = module("ipc/kernel", Mode::Kernel, &[]);
    let mut works = Vec::new();
    LEAST.iter().for_each(|it| add(&mut works, &least, it, "ipc", &[]));
    let between = module("ipc/system/between", Mode::User, &[]);
    REAL.iter().for_each(|it| add(&mut works, &kernel(), it, "ipc/system", &[between.clone()]));
    for is_stoppable in [false, true] {
        add_components(&mut works, is_stoppable);
    }
    works.push(work("tokio channels between two tasks", "", || nanoseconds(ROUNDS, || tasks::channels(ROUNDS))));
    for (name, way) in host::WAYS {
        works.push(work(name, "one CPU", move || host::round_trip(way, HOST_ROUNDS, true)));
        works.push(work(name, "any CPU", move || host::round_trip(way, HOST_ROUNDS, false)));
    }
    let mut turns: Vec<_> =
        works.iter_mut().map(|Work(name, side, run)| (name.as_str(), *side, run.as_mut() as _)).collect();
    in_turn(rounds, &mut turns);
}

fn work(name: &str, side: &'static str, run: impl FnMut() -> f64 + 'static) -> Work {
    Work(name.to_owned(), side, Box::new(run))
}

fn add(works: &mut Vec<Work>, kernel: &Verified<Module>, it: &Exchange, folder: &str, others: &[Verified<Module>]) {
    let server = module(&format!("{folder}/{}", it.server), Mode::User, &[]);
    for (engine, rounds) in [(EngineKind::Jit, ROUNDS), (EngineKind::Interp, INTERPRETED_ROUNDS)] {
        let settings = [it.settings, &[("ROUNDS", rounds as u64)]].concat();
        let client = module(&format!("{folder}/{}", it.client), Mode::User, &settings);
        let (kernel, modules) = (kernel.clone(), [&[client, server.clone()], others].concat());
        // What this one compiles is there for the others as long as it lives: compiling is not what is measured.
        let first = boot(&kernel, &modules, engine);
        works.push(work(it.name, engine.name(), move || {
            let _alive = &first;
            nanoseconds(rounds, || drop(boot(&kernel, &modules, engine)))
        }));
    }
}

/// WebAssembly components that call each other, which can be stopped or not.
fn add_components(works: &mut Vec<Work>, is_stoppable: bool) {
    let side = if is_stoppable { "epochs" } else { "wasmtime" };
    let sizes = [("64 bytes", 64, ROUNDS), ("4 KiB", 4096, ROUNDS / 10), ("64 KiB", 65_536, ROUNDS / 100)];
    let mut calls = Components::new(is_stoppable);
    works.push(work("component to component, nothing", side, move || nanoseconds(ROUNDS, || calls.nothing(ROUNDS))));
    let mut calls = Components::new(is_stoppable);
    works.push(work("component to component, 4 words", side, move || nanoseconds(ROUNDS, || calls.words(ROUNDS))));
    for (name, size, rounds) in sizes {
        let mut calls = Components::new(is_stoppable);
        let name = format!("component to component, {name}");
        works.push(work(&name, side, move || nanoseconds(rounds, || calls.bytes(rounds, size))));
    }
}

/// The time of one of `rounds` exchanges.
fn nanoseconds(rounds: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

/// Runs a client and its server to the end.
fn boot(kernel: &Verified<Module>, modules: &[Verified<Module>], engine: EngineKind) -> Machine {
    let config = Config { engine, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let outcome = machine.boot(kernel, modules).expect("the kernel boots");
    assert_eq!(outcome, Outcome::Halted(0));
    machine
}
