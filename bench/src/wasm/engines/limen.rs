//! Limen's sides.

use limen_isa::module::{ExportItem, Module};
use limen_vm::{Config, EngineKind, Host, Machine, Mode, Outcome, SvcCall, SvcOutcome, Value, Verified, verify};
use limen_wasm::{INITIALIZE, Import, Imports, MEMORY, Provided, translate};

use super::digest;
use crate::wasm::compare::Run;
use crate::wasm::program::Program;
use crate::wasm::world::{MODULE, World, number};

/// The functions of the world, by their numbers.
pub struct WorldImports;

impl Imports for WorldImports {
    fn find(&mut self, import: &Import) -> Option<Provided> {
        (import.module == MODULE).then_some(Provided::Function(number(&import.name) as u32))
    }
}

/// The world of one run, for the memory that begins here in home.
struct WorldHost {
    world: World,
    base: usize,
}

impl Host for WorldHost {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        let arguments: [u64; 8] = std::array::from_fn(|index| call.word(index));
        let number = call.number() as usize;
        let errno = self.world.call(number, &arguments, call.memory_mut().get_mut(self.base..).unwrap_or_default());
        call.set_word(0, u64::from(errno as u32));
        self.world.status.map_or(SvcOutcome::Continue, SvcOutcome::Exit)
    }
}

/// Translates and verifies.
pub fn module(wasm: &[u8]) -> Verified<Module> {
    let translation = translate(wasm, &mut WorldImports).unwrap_or_else(|error| panic!("{error}"));
    verify(translation.module, Mode::User).unwrap_or_else(|error| panic!("{error}"))
}

pub fn kernel(wasm: &[u8], engine: EngineKind, n: i32) -> Run {
    let module = module(wasm);
    let mut machine = machine(engine);
    let domain = machine.instantiate(&module).expect("the budget allows a domain");
    if module.export(INITIALIZE).is_some() {
        let outcome = machine.call(domain, INITIALIZE, &[]);
        assert!(matches!(outcome, Ok(Outcome::Returned(_))), "{outcome:?}");
    }
    Box::new(move || match machine.call(domain, "wasm.run", &[Value::I32(n)]) {
        Ok(Outcome::Returned(values)) if let [Value::I64(checksum)] = values[..] => checksum as u64,
        other => panic!("{other:?}"),
    })
}

pub fn program(program: &Program, engine: EngineKind, input: &[u8]) -> Run {
    let (module, input) = (module(&program.wasm), input.to_vec());
    let arguments = [&[program.name], program.arguments].concat();
    Box::new(move || digest(&run(&module, engine, &arguments, &input)))
}

/// Runs a program in a new machine; gives its output.
pub fn run(module: &Verified<Module>, engine: EngineKind, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let Some(ExportItem::Constant(base)) = module.export(MEMORY) else { panic!("it says where its memory begins") };
    let mut host = WorldHost { world: World::new(arguments, input), base: base as usize };
    let mut machine = machine(engine);
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let outcome = machine.call_with(&mut host, domain, "main", &[]);
    assert!(
        matches!(outcome, Ok(Outcome::Exited(0))) || matches!(&outcome, Ok(Outcome::Returned(_))),
        "{}: {outcome:?}",
        arguments[0]
    );
    host.world.output
}

fn machine(engine: EngineKind) -> Machine {
    limen_jit::machine(Config { engine, ..Config::default() }).expect("the budget allows a machine")
}
