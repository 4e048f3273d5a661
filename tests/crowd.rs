//! A hundred thousand contexts at once: all of them stand at an `svc` before the first is answered.

use std::path::Path;

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Budget, Config, EngineKind, Machine, Mode, NoServices, Outcome, Verified, verify};

/// Contexts that stand at an `svc` at once.
const CROWD: u32 = 100_000;

/// Bytes that they may take, all in all.
const BOUND: u64 = 1 << 30;

/// Fuel between two looks at the process.
const SLICE: u64 = 50_000;

fn module(name: &str, mode: Mode, change: impl Fn(String) -> String) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel").join(name);
    let source = change(std::fs::read_to_string(&path).expect("the kernel is there"));
    let assembled = assemble(name, &source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, mode).unwrap_or_else(|error| panic!("{error}"))
}

fn machine(engine: EngineKind) -> Machine {
    let budget = Budget { bytes: 1 << 30, objects: 1 << 20, contexts: 1 << 17 };
    limen_jit::machine(Config { engine, budget, fuel: Some(SLICE), ..Config::default() })
        .expect("the budget allows a machine")
}

/// Bytes of this process that are in memory, and those of its page tables; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((kib("VmRSS:")? + kib("VmPTE:")?) << 10)
}

/// Runs a crowd to its end; gives the most bytes that were resident meanwhile.
fn run(engine: EngineKind) -> Option<u64> {
    let kernel = module("crowd.lim", Mode::Kernel, |source| {
        assert!(source.contains("const COUNT = 1000 "));
        source.replace("const COUNT = 1000 ", &format!("const COUNT = {CROWD} "))
    });
    let member = module("crowd_member.lim", Mode::User, |source| source);
    let mut machine = machine(engine);
    let mut outcome = machine.boot(&kernel, &[member]).expect("the kernel boots");
    let mut most = None;
    while outcome == Outcome::OutOfFuel {
        most = most.max(resident());
        machine.add_fuel(SLICE);
        outcome = machine.resume(&mut NoServices).expect("it was suspended");
    }
    assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    most
}

/// The process is looked at as a whole, so no other test is in this file.
#[test]
fn a_hundred_thousand_contexts_fit_into_a_gibibyte() {
    for engine in EngineKind::ALL {
        let begun = std::time::Instant::now();
        let most = run(engine);
        let Some(most) = most else {
            println!("{}: how much memory they take is not tested, since this system does not tell", engine.name());
            continue;
        };
        let mib = most >> 20;
        println!("{}: {CROWD} contexts, {mib} MiB, {:.1} s", engine.name(), begun.elapsed().as_secs_f64());
        assert!(most < BOUND, "{}: {mib} MiB", engine.name());
    }
}
