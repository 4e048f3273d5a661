//! What crossing a protection boundary costs: from one domain to another and back, through a kernel in bytecode.

use std::io::{Read, Write, pipe};
use std::path::Path;
use std::time::Instant;

use limen_assembler::{Options, assemble_file};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Verified, verify};

use crate::statistics::quantile;

/// How often a client does what it does, as `ipc/protocol.lim` says.
const ROUNDS: usize = 1_000_000;

/// Round trips through a pair of pipes; they are slow.
const PIPE_ROUNDS: usize = 10_000;

/// What is measured: the kernel, the client, and the server that it talks to.
struct Exchange {
    name: &'static str,
    kernel: &'static str,
    client: &'static str,
    server: &'static str,
}

impl Exchange {
    /// Through the least kernel there can be.
    const fn least(name: &'static str, client: &'static str, server: &'static str) -> Self {
        Self { name, kernel: "ipc/kernel", client, server }
    }

    /// Through the kernel that ships.
    const fn real(name: &'static str, client: &'static str, server: &'static str) -> Self {
        Self { name, kernel: "../os-services/kernel/kernel", client, server }
    }
}

const EXCHANGES: [Exchange; 7] = [
    Exchange::least("null svc", "ipc/null", "ipc/server"),
    Exchange::least("call and reply, 4 words", "ipc/call", "ipc/server"),
    Exchange::least("64 bytes by lend", "ipc/lend_64", "ipc/lender"),
    Exchange::least("4 KiB by lend", "ipc/lend_4096", "ipc/lender"),
    Exchange::real("kernel: call, 4 words", "ipc/system/call", "ipc/system/server"),
    Exchange::real("kernel: 64 bytes by lend", "ipc/system/lend_64", "ipc/system/lender"),
    Exchange::real("kernel: 4 KiB by lend", "ipc/system/lend_4096", "ipc/system/lender"),
];

/// Prints a line for each exchange on each engine, in nanoseconds, and one for pipes.
pub fn print(rounds: u32) {
    println!("{:<26} {:<7} {:>9} {:>9} {:>9}", "there and back, ns", "engine", "q1", "median", "q3");
    for Exchange { name, kernel, client, server } in EXCHANGES {
        let kernel = module(kernel, Mode::Kernel);
        let modules = [module(client, Mode::User), module(server, Mode::User)];
        for engine in [EngineKind::Jit, EngineKind::Interp] {
            // What this one compiles is there for the others as long as it lives: compiling is not what is measured.
            let _first = boot(&kernel, &modules, engine);
            line(name, engine.name(), rounds, || nanoseconds(ROUNDS, || drop(boot(&kernel, &modules, engine))));
        }
    }
    line("pipes between two threads", "", rounds, || nanoseconds(PIPE_ROUNDS, pipes));
}

fn line(name: &str, engine: &str, rounds: u32, mut work: impl FnMut() -> f64) {
    let times: Vec<f64> = (0..rounds).map(|_| work()).collect();
    let [q1, median, q3] = [0.25, 0.5, 0.75].map(|share| quantile(&times, share));
    println!("{name:<26} {engine:<7} {q1:>9.1} {median:>9.1} {q3:>9.1}");
}

/// The time of one of `rounds` exchanges.
fn nanoseconds(rounds: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

fn module(name: &str, mode: Mode) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).with_extension("lim");
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a client and its server to the end.
fn boot(kernel: &Verified<Module>, modules: &[Verified<Module>], engine: EngineKind) -> Machine {
    let config = Config { engine, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let outcome = machine.boot(kernel, modules).expect("the kernel boots");
    assert_eq!(outcome, Outcome::Halted(0));
    machine
}

/// A byte there and back, again and again, between two threads of the host.
fn pipes() {
    let (mut there_out, mut there_in) = pipe().expect("the host has pipes");
    let (mut back_out, mut back_in) = pipe().expect("the host has pipes");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut byte = [0];
            for _ in 0..PIPE_ROUNDS {
                there_out.read_exact(&mut byte).and_then(|()| back_in.write_all(&byte)).expect("pipes work");
            }
        });
        let mut byte = [0];
        for _ in 0..PIPE_ROUNDS {
            there_in.write_all(&byte).and_then(|()| back_out.read_exact(&mut byte)).expect("pipes work");
        }
    });
}
