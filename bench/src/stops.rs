//! How long a program goes on that another thread stops.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, StopHandle, Verified, verify};

use crate::statistics::quantile;

/// Stops of each program on each engine, at least: of fewer, the 99th percentile says nothing.
const MIN_STOPS: u32 = 300;

/// How long a program runs before it is stopped.
const RUNS_FOR: Duration = Duration::from_millis(2);

/// What is stopped. The recursion goes 100,000 calls deep, and the copies are of 64 MiB.
const PROGRAMS: [(&str, &str); 3] = [
    ("spinning", "export fn main() {\nl:\njump l\n}\n"),
    (
        "deep recursion",
        "
        export fn main() {
            reg n: i32
          again:
            n = i32.const 100000
            call down(n)
            jump again
        }
        fn down(n: i32) {
            i32.br_eqi n, 0, done
            n = i32.addi n, -1
            call down(n)
          done:
            ret
        }",
    ),
    (
        "bulk copy",
        "
        home 32768 max 32768
        export fn main() {
            reg to, from, n: i32
          again:
            to = i32.const 0x4000000
            from = i32.const 0
            n = i32.const 0x4000000
            home.copy to, from, n
            jump again
        }",
    ),
];

/// Prints a line for each program on each engine, in microseconds.
pub fn print(rounds: u32) {
    println!("{:<44} {:<9} {:>9} {:>9} {:>9}", "wish to end of a run, us", "", "median", "p99", "max");
    for (name, source) in PROGRAMS {
        let module = module(source);
        for engine in [EngineKind::Interp, EngineKind::Jit, EngineKind::Tiered] {
            let samples = latencies(&module, engine, rounds.max(MIN_STOPS));
            let [median, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&samples, share));
            println!("{name:<44} {:<9} {median:>9.1} {p99:>9.1} {max:>9.1}", engine.name());
        }
    }
}

fn module(source: &str) -> Verified<Module> {
    let assembled = assemble("stops.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, Mode::User)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A run is stopped and gone on with, again and again.
fn latencies(module: &Verified<Module>, engine: EngineKind, stops: u32) -> Vec<f64> {
    let config = Config { engine, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let run = |machine: &mut Machine, is_first: bool| {
        if is_first { machine.call(domain, "main", &[]) } else { machine.resume(&mut NoServices) }
    };
    let (stopper, begun, wishes) = stopper(machine.stop_handle());
    let mut latencies = Vec::new();
    for stop in 0..stops {
        begun.send(()).expect("the stopper waits");
        assert_eq!(run(&mut machine, stop == 0), Ok(Outcome::Stopped));
        let ended = Instant::now();
        let wished = wishes.recv().expect("the stopper says when");
        latencies.push(ended.duration_since(wished).as_secs_f64() * 1e6);
    }
    drop(begun);
    stopper.join().expect("the stopper ends");
    latencies
}

/// A thread that stops each run that it is told of, and says when it did.
fn stopper(handle: StopHandle) -> (JoinHandle<()>, Sender<()>, std::sync::mpsc::Receiver<Instant>) {
    let ((begun, runs), (said, wishes)) = (channel(), channel());
    let stopper = std::thread::spawn(move || {
        for () in runs {
            std::thread::sleep(RUNS_FOR);
            let wished = Instant::now();
            handle.stop();
            said.send(wished).expect("the runner waits");
        }
    });
    (stopper, begun, wishes)
}
