//! Words are refused, or run within their limits, under either engine to the same end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_fuzz::function;
use limen_isa::module::{Export, ExportItem, Function, Home, Module, Signature};
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, Time, Verified, verify};

fuzz_target!(|bytes: &[u8]| {
    let (registers, words) = function::of_bytes(bytes);
    let module = Module {
        types: vec![Signature::default()],
        functions: vec![Function::new(0, registers, words)],
        home: Home { min_pages: 1, max_pages: 16, slots: 4, data: Vec::new() },
        tables: vec![vec![Some(0), None]],
        exports: vec![Export { name: "main".into(), item: ExportItem::Function(0) }],
        ..Module::default()
    };
    let Ok(module) = verify(module, Mode::User) else { return };
    assert_eq!(run(&module, EngineKind::Interp), run(&module, EngineKind::Jit));
});

/// How it ends, the fuel that it burnt, and what it left in home.
fn run(module: &Verified<Module>, engine: EngineKind) -> (Outcome, u64, Vec<u8>) {
    let budget = Budget { bytes: 1 << 20, objects: 100, contexts: 4 };
    let config =
        Config { engine, time: Time::Virtual, fuel: Some(2_000), budget, stack_cells: 4096, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let outcome = machine.call(domain, "main", &[]).expect("main takes nothing");
    let home = machine.memory(domain).expect("the domain is there").to_vec();
    (outcome, machine.fuel_burnt(), home)
}
