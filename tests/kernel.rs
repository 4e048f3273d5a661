//! A kernel in miniature, in bytecode: it proves the supervisor instructions before anything is built on them.

use std::path::{Path, PathBuf};

use limen_assembler::{NoFiles, Options, assemble, assemble_file};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Mode, NoServices, Outcome, Time, Verified, verify};

fn module(name: &str, mode: Mode) -> Verified<Module> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel").join(name);
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Boots the kernel with its two domains; gives how it ended, the fuel burnt and the kernel's memory.
fn boot(engine: EngineKind, time: Time) -> (Outcome, u64, Vec<u8>) {
    let mut machine =
        limen_jit::machine(Config { engine, time, ..Config::default() }).expect("the budget allows a machine");
    let modules = [module("client.lim", Mode::User), module("server.lim", Mode::User)];
    let outcome = machine.boot(&module("kernel.lim", Mode::Kernel), &modules).expect("the kernel boots");
    let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
    (outcome, machine.fuel_burnt(), memory)
}

#[test]
fn two_domains_talk_and_one_outlives_the_other() {
    for engine in EngineKind::ALL {
        let (outcome, ..) = boot(engine, Time::Live);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

#[test]
fn in_virtual_time_every_boot_is_the_same() {
    let first = boot(EngineKind::Interp, Time::Virtual);
    assert_eq!(first.0, Outcome::Halted(0));
    assert!(first.1 > 1000, "the server slept for 1000 units, and {} were burnt", first.1);
    for engine in EngineKind::ALL {
        assert_eq!(boot(engine, Time::Virtual), first, "{}", engine.name());
    }
}

#[test]
fn a_kernel_is_not_loaded_as_a_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/kernel.lim");
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let refusal = verify(assembled.module, Mode::User).expect_err("supervisor instructions are privileged").to_string();
    assert!(refusal.contains("supervisor instruction") && refusal.contains("kernel.lim:"), "{refusal}");
}

/// The kernel with traffic, with a timer of this period if it is not 0, and its two modules.
fn traffic(timer: u32) -> (Verified<Module>, [Verified<Module>; 2]) {
    let source = include_str!("kernel/traffic.lim").replace("const TIMER = 0 ", &format!("const TIMER = {timer} "));
    let assembled = assemble("traffic.lim", &source, &NoFiles, Options::default());
    let kernel = assembled.unwrap_or_else(|errors| panic!("{errors}")).module;
    let kernel = verify(kernel, Mode::Kernel).unwrap_or_else(|error| panic!("{error}"));
    (kernel, ["traffic_client.lim", "traffic_server.lim"].map(|name| module(name, Mode::User)))
}

/// How the traffic ended, the fuel burnt and the kernel's memory. The machine is stopped every `slice` units, and then goes
/// on with the next of `engines`.
fn run_traffic(timer: u32, time: Time, engines: &[EngineKind], slice: Option<u64>) -> (Outcome, u64, Vec<u8>) {
    let (kernel, modules) = traffic(timer);
    let mut engines = engines.iter().copied().cycle();
    let engine = engines.next().unwrap_or_default();
    let config = Config { engine, time, fuel: slice, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let mut outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
    while let (Outcome::OutOfFuel, Some(slice)) = (&outcome, slice) {
        machine.set_engine(None, engines.next().unwrap_or_default()).expect("there are domains");
        machine.add_fuel(slice);
        outcome = machine.resume(&mut NoServices).expect("it was suspended");
    }
    let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
    (outcome, machine.fuel_burnt(), memory)
}

#[test]
fn traffic_is_the_same_on_every_engine() {
    for timer in [0, 61, 1009] {
        let wanted = run_traffic(timer, Time::Virtual, &[EngineKind::Interp], None);
        assert_eq!(wanted.0, Outcome::Halted(0));
        for engine in EngineKind::ALL {
            assert!(run_traffic(timer, Time::Virtual, &[engine], None) == wanted, "{} {timer}", engine.name());
        }
    }
}

#[test]
fn traffic_is_the_same_while_engines_are_switched() {
    let wanted = run_traffic(0, Time::Virtual, &[EngineKind::Interp], None);
    let orders: [&[EngineKind]; 3] = [
        &[EngineKind::Interp, EngineKind::Jit],
        &[EngineKind::Jit, EngineKind::Tiered, EngineKind::Interp],
        &[EngineKind::Jit],
    ];
    for engines in orders {
        for slice in [1, 7, 100, 1000] {
            let found = run_traffic(0, Time::Virtual, engines, Some(slice));
            assert!(found == wanted, "{engines:?}, {slice} units at a time: {:?}, {} burnt", found.0, found.1);
        }
    }
}

#[test]
fn traffic_is_preempted_in_live_time() {
    for engine in EngineKind::ALL {
        let (outcome, ..) = run_traffic(20_000, Time::Live, &[engine], None);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}
