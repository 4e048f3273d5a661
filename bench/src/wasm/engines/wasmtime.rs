//! Wasmtime's sides.

use wasmtime::{Config, Engine, Error, Linker, Module, Store};

use super::{digest, world_for};
use crate::wasm::compare::Run;
use crate::wasm::program::Program;
use crate::wasm::world::World;

/// An engine for code that is interrupted at any call and loop turn once the epoch ends, or for code that runs to its end.
pub fn engine(epochs: bool) -> Engine {
    let mut config = Config::new();
    config.epoch_interruption(epochs);
    Engine::new(&config).expect("the processor is known")
}

pub fn program(program: &Program, epochs: bool, input: &[u8]) -> Run {
    let engine = engine(epochs);
    let module = Module::new(&engine, &program.wasm).unwrap_or_else(|error| panic!("{}: {error}", program.name));
    let linker = linker(&engine, &module);
    let (arguments, input) = ([&[program.name], program.arguments].concat(), input.to_vec());
    Box::new(move || digest(&run(&linker, &module, &arguments, &input)))
}

/// Compiles a binary and runs it; gives its output.
pub fn first_run(wasm: &[u8], arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let engine = engine(false);
    let module = Module::new(&engine, wasm).unwrap_or_else(|error| panic!("{error}"));
    run(&linker(&engine, &module), &module, arguments, input)
}

fn run(linker: &Linker<World>, module: &Module, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut store = Store::new(module.engine(), World::new(arguments, input));
    // Says nothing to an engine without epochs.
    store.set_epoch_deadline(1);
    let instance = linker.instantiate(&mut store, module).expect("it instantiates");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("it is a program");
    let result = start.call(&mut store, ());
    let is_done = result.is_ok() || store.data().status == Some(0);
    assert!(is_done, "{}: {result:?}", arguments[0]);
    std::mem::take(&mut store.data_mut().output)
}

world_for!(wasmtime, Error::msg("it exits"));
