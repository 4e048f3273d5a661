//! What it costs to make a domain, enter it and destroy it, and the same with a machine around it.

use std::path::Path;

use limen_assembler::{Options, assemble_file};
use limen_isa::module::Module;
use limen_vm::{Config, DomainId, EngineKind, Machine, Mode, Outcome, Verified, verify};

use crate::lines::{heading, in_turn, microseconds};

/// How often the kernel makes and destroys a domain, as `kernel.lim` says.
const DOMAINS: u32 = 1000;

/// Machines and instances in one sample.
const MACHINES: u32 = 100;

/// A program that only returns, and one that writes to its one page.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("bare", "nothing", r#"(module (func (export "main")))"#),
    (
        "page",
        "a page",
        r#"(module (memory 1 1) (func (export "main") (i32.store offset=64 (i32.const 0) (i32.const 7))))"#,
    ),
];

/// Prints a line for each way to run each program, in microseconds.
pub fn print(rounds: u32) {
    heading("create, enter and destroy, us");
    for (program, what, text) in PROGRAMS {
        print_program(rounds, program, what, text);
    }
}

fn print_program(rounds: u32, program: &str, what: &str, text: &str) {
    let (kernel, module) = (module("kernel", Mode::Kernel), module(program, Mode::User));
    let domain = format!("domain with {what}");
    let machine = format!("machine with a domain with {what}");
    let never_run = format!("{machine}, not run");
    let instance = format!("instance with {what}");
    let wasmtime = wasmtime::Engine::default();
    let wasm = wasmtime::Module::new(&wasmtime, wat::parse_str(text).expect("it is valid")).expect("it compiles");
    in_turn(
        rounds,
        &mut [
            (&domain, "interp", &mut || {
                microseconds(|| boot(&kernel, &module, EngineKind::Interp)) / f64::from(DOMAINS)
            }),
            (&domain, "jit", &mut || microseconds(|| boot(&kernel, &module, EngineKind::Jit)) / f64::from(DOMAINS)),
            (&never_run, "jit", &mut || each(|| drop(make_alone(&module, EngineKind::Jit)))),
            (&machine, "interp", &mut || each(|| run_alone(&module, EngineKind::Interp))),
            (&machine, "tiered", &mut || each(|| run_alone(&module, EngineKind::Tiered))),
            (&machine, "jit", &mut || each(|| run_alone(&module, EngineKind::Jit))),
            (&instance, "wasmtime", &mut || each(|| run_instance(&wasmtime, &wasm))),
        ],
    );
}

/// The time of one of several.
fn each(work: impl Fn()) -> f64 {
    microseconds(|| (0..MACHINES).for_each(|_| work())) / f64::from(MACHINES)
}

fn module(name: &str, mode: Mode) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("domains").join(name).with_extension("lim");
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn machine(engine: EngineKind) -> Machine {
    limen_jit::machine(Config { engine, ..Config::default() }).expect("the budget allows a machine")
}

/// A kernel that makes and destroys domains.
fn boot(kernel: &Verified<Module>, module: &Verified<Module>, engine: EngineKind) {
    let outcome = machine(engine).boot(kernel, std::slice::from_ref(module)).expect("the kernel boots");
    assert_eq!(outcome, Outcome::Halted(0));
}

/// A machine without a kernel, with one domain.
fn make_alone(module: &Verified<Module>, engine: EngineKind) -> (Machine, DomainId) {
    let mut machine = machine(engine);
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    (machine, domain)
}

fn run_alone(module: &Verified<Module>, engine: EngineKind) {
    let (mut machine, domain) = make_alone(module, engine);
    assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::Returned(Vec::new())));
}

fn run_instance(engine: &wasmtime::Engine, module: &wasmtime::Module) {
    let mut store = wasmtime::Store::new(engine, ());
    let instance = wasmtime::Instance::new(&mut store, module, &[]).expect("it instantiates");
    let main = instance.get_typed_func::<(), ()>(&mut store, "main").expect("it exports main");
    main.call(&mut store, ()).expect("it does not trap");
}
