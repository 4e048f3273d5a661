//! A kernel in miniature, in bytecode: it proves the supervisor instructions before anything is built on them.

use std::path::{Path, PathBuf};

use limen_assembler::{Options, assemble_file};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Mode, Outcome, Time, Verified, verify};

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
