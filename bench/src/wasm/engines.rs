//! How each side runs a kernel, and a whole program from its start to its exit.

pub mod limen;
mod native;
mod peer;
pub mod wasmi;
pub mod wasmtime;

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use limen_vm::EngineKind;

use peer::world_for;

use super::compare::{Case, Run};
use super::program::Program;
use crate::kernels::Kernel;
use crate::sides::{self, Maker};

const ENGINES: [EngineKind; 3] = [EngineKind::Jit, EngineKind::Tiered, EngineKind::Interp];

/// The WebAssembly text of a kernel, on all sides; and the one in C.
pub fn kernel(kernel: &Kernel, quick: bool) -> Case {
    let n = if quick { kernel.quick } else { kernel.n };
    let run = |make: Maker| -> Run {
        let mut side = make(kernel);
        Box::new(move || side.run(n) as u64)
    };
    let [jit, tiered, interp] = ENGINES.map(|engine| limen::kernel(&sides::wasm(kernel), engine, n));
    let peers = [sides::wasmtime, sides::wasmtime_with_epochs, sides::wasmi, sides::native];
    let [plain, epochs, wasmi, native] = peers.map(run);
    Case { name: kernel.name.to_owned(), sides: [jit, tiered, interp, plain, epochs, wasmi, native] }
}

/// A program, on all sides. All has been compiled before, except what Limen compiles in its first runs.
pub fn program(program: &Program, quick: bool) -> Case {
    let input = if quick { &program.quick } else { &program.input };
    let sides = MAKERS.map(|make| make(program, input));
    Case { name: program.name.to_owned(), sides }
}

/// A program with little to do, on all sides, each time from the binary on.
pub fn first_run(program: &Rc<Program>) -> Case {
    let sides = MAKERS.map(|make| -> Run {
        let program = Rc::clone(program);
        Box::new(move || make(&program, &program.quick)())
    });
    Case { name: program.name.to_owned(), sides }
}

/// In the order of the sides.
const MAKERS: [fn(&Program, &[u8]) -> Run; super::compare::SIDES.len()] = [
    |program, input| limen::program(program, EngineKind::Jit, input),
    |program, input| limen::program(program, EngineKind::Tiered, input),
    |program, input| limen::program(program, EngineKind::Interp, input),
    |program, input| wasmtime::program(program, false, input),
    |program, input| wasmtime::program(program, true, input),
    wasmi::program,
    native::program,
];

/// What a run comes to.
fn digest(output: &[u8]) -> u64 {
    assert!(!output.is_empty(), "the program prints something");
    let mut hasher = DefaultHasher::new();
    hasher.write(output);
    hasher.finish()
}
