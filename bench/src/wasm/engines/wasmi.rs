//! Wasmi's side.

use wasmi::{Engine, Error, Module, Store};

use super::{digest, world_for};
use crate::wasm::compare::Run;
use crate::wasm::program::Program;
use crate::wasm::world::World;

pub fn program(program: &Program, input: &[u8]) -> Run {
    let engine = Engine::default();
    let module = Module::new(&engine, &program.wasm).unwrap_or_else(|error| panic!("{}: {error}", program.name));
    let linker = linker(&engine, &module);
    let (arguments, input) = ([&[program.name], program.arguments].concat(), input.to_vec());
    Box::new(move || {
        let mut store = Store::new(&engine, World::new(&arguments, &input));
        let instance = linker.instantiate_and_start(&mut store, &module).expect("it instantiates");
        let start = instance.get_typed_func::<(), ()>(&store, "_start").expect("it is a program");
        let result = start.call(&mut store, ());
        let is_done = result.is_ok() || store.data().status == Some(0);
        assert!(is_done, "{}: {result:?}", arguments[0]);
        digest(&store.data().output)
    })
}

world_for!(wasmi, Error::i32_exit(0));
