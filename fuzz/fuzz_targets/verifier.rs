//! Words are refused, or run within their limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limen_isa::ValueType::{F32, F64, I32, I64, Ref};
use limen_isa::module::{Export, ExportItem, Function, Home, Module, Signature};
use limen_vm::{Budget, Config, Machine, Mode, Time, verify};

fuzz_target!(|words: Vec<u64>| {
    let registers = [I32, I64, F32, F64, Ref].repeat(3);
    let module = Module {
        types: vec![Signature::default()],
        functions: vec![Function::new(0, registers, words)],
        home: Home { min_pages: 1, max_pages: 16, slots: 4, data: Vec::new() },
        tables: vec![vec![Some(0), None]],
        exports: vec![Export { name: "main".into(), item: ExportItem::Function(0) }],
        ..Module::default()
    };
    let Ok(module) = verify(module, Mode::User) else { return };
    let budget = Budget { bytes: 1 << 20, objects: 100, contexts: 4 };
    let config = Config { time: Time::Virtual, fuel: Some(2_000), budget, stack_cells: 4096, ..Config::default() };
    let mut machine = Machine::new(config).expect("the budget allows a machine");
    let domain = machine.instantiate(&module).expect("the budget allows a domain");
    machine.call(domain, "main", &[]).expect("main takes nothing");
});
