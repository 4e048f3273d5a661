//! Wasmi's side.

use wasmi::{CompilationMode, Config, Engine, Error, Linker, Module, Store};

use super::{digest, world_for};
use crate::wasm::compare::Run;
use crate::wasm::program::Program;
use crate::wasm::world::World;

pub fn program(program: &Program, input: &[u8]) -> Run {
    let engine = Engine::default();
    let module = Module::new(&engine, &program.wasm).unwrap_or_else(|error| panic!("{}: {error}", program.name));
    let linker = linker(&engine, &module);
    let (arguments, input) = ([&[program.name], program.arguments].concat(), input.to_vec());
    Box::new(move || digest(&run(&engine, &linker, &module, &arguments, &input)))
}

/// Runs a binary whose functions are validated and translated when they are called; gives its output.
pub fn first_run(wasm: &[u8], arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut config = Config::default();
    config.compilation_mode(CompilationMode::Lazy);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, wasm).unwrap_or_else(|error| panic!("{error}"));
    run(&engine, &linker(&engine, &module), &module, arguments, input)
}

fn run(engine: &Engine, linker: &Linker<World>, module: &Module, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut store = Store::new(engine, World::new(arguments, input));
    let instance = linker.instantiate_and_start(&mut store, module).expect("it instantiates");
    let start = instance.get_typed_func::<(), ()>(&store, "_start").expect("it is a program");
    let result = start.call(&mut store, ());
    let is_done = result.is_ok() || store.data().status == Some(0);
    assert!(is_done, "{}: {result:?}", arguments[0]);
    std::mem::take(&mut store.data_mut().output)
}

world_for!(wasmi, Error::i32_exit(0));
