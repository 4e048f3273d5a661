//! Who is compared: each side runs a kernel in its own way.

use limen_assembler::{NoFiles, Options, assemble};
use limen_jit::Jit;
use limen_vm::{Config, DomainId, EngineKind, Machine, Mode, Outcome, Value, verify};

use crate::kernels::Kernel;

/// One side of a comparison, ready to run.
pub trait Side {
    /// Runs the kernel and gives its checksum.
    fn run(&mut self, n: i32) -> i64;
}

/// Makes a side ready for a kernel.
pub type Maker = fn(&Kernel) -> Box<dyn Side>;

pub fn limen_interpreted(kernel: &Kernel) -> Box<dyn Side> {
    limen(kernel.name, kernel.lim, EngineKind::Interp)
}

pub fn limen_compiled(kernel: &Kernel) -> Box<dyn Side> {
    limen(kernel.name, kernel.lim, EngineKind::Jit)
}

/// Compiled without what it takes to be stopped at a safepoint and to have frames taken out.
pub fn limen_unstoppable(kernel: &Kernel) -> Box<dyn Side> {
    Box::new(Limen::new(kernel.name, kernel.lim, EngineKind::Jit, Jit::default().unstoppable()))
}

/// A source with a function `run`.
pub fn limen(name: &str, source: &str, engine: EngineKind) -> Box<dyn Side> {
    Box::new(Limen::new(name, source, engine, Jit::default()))
}

pub fn wasmi(kernel: &Kernel) -> Box<dyn Side> {
    let engine = wasmi::Engine::default();
    let module = wasmi::Module::new(&engine, wasm(kernel)).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
    let mut store = wasmi::Store::new(&engine, ());
    let instance = wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module).expect("it instantiates");
    let run = instance.get_typed_func(&store, "run").expect("it exports run");
    Box::new(Wasmi { store, run })
}

pub fn wasmtime(kernel: &Kernel) -> Box<dyn Side> {
    Box::new(Wasmtime::new(kernel, false))
}

/// Wasmtime that can be interrupted at any call and loop turn, as Limen can.
pub fn wasmtime_with_epochs(kernel: &Kernel) -> Box<dyn Side> {
    Box::new(Wasmtime::new(kernel, true))
}

/// The same algorithm in C.
pub fn native(kernel: &Kernel) -> Box<dyn Side> {
    Box::new(Native(kernel.native))
}

/// The binary form of a kernel's text.
pub fn wasm(kernel: &Kernel) -> Vec<u8> {
    wat::parse_str(kernel.wat).unwrap_or_else(|error| panic!("{}: {error}", kernel.name))
}

struct Limen {
    machine: Machine,
    domain: DomainId,
}

impl Limen {
    fn new(name: &str, source: &str, kind: EngineKind, engine: Jit) -> Self {
        let assembled = assemble(name, source, &NoFiles, Options::default());
        let assembled = assembled.unwrap_or_else(|errors| panic!("{errors}"));
        let module = verify(assembled.module, Mode::User).unwrap_or_else(|error| panic!("{name}: {error}"));
        let config = Config { engine: kind, ..Config::default() };
        let mut machine = Machine::with_engine(config, Box::new(engine)).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        Self { machine, domain }
    }
}

impl Side for Limen {
    fn run(&mut self, n: i32) -> i64 {
        match self.machine.call(self.domain, "run", &[Value::I32(n)]) {
            Ok(Outcome::Returned(values)) => match values[..] {
                [Value::I64(checksum)] => checksum,
                _ => panic!("{values:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

struct Wasmi {
    store: wasmi::Store<()>,
    run: wasmi::TypedFunc<i32, i64>,
}

impl Side for Wasmi {
    fn run(&mut self, n: i32) -> i64 {
        self.run.call(&mut self.store, n).expect("the kernel does not trap")
    }
}

struct Wasmtime {
    store: wasmtime::Store<()>,
    run: wasmtime::TypedFunc<i32, i64>,
}

impl Wasmtime {
    fn new(kernel: &Kernel, epochs: bool) -> Self {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(epochs);
        let engine = wasmtime::Engine::new(&config).expect("the processor is known");
        let module = wasmtime::Module::new(&engine, wasm(kernel)).expect("it compiles");
        let mut store = wasmtime::Store::new(&engine, ());
        if epochs {
            store.set_epoch_deadline(1);
        }
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("it instantiates");
        let run = instance.get_typed_func(&mut store, "run").expect("it exports run");
        Self { store, run }
    }
}

impl Side for Wasmtime {
    fn run(&mut self, n: i32) -> i64 {
        self.run.call(&mut self.store, n).expect("the kernel does not trap")
    }
}

struct Native(unsafe extern "C" fn(i32) -> i64);

impl Side for Native {
    fn run(&mut self, n: i32) -> i64 {
        // SAFETY: the kernels in C are of this type, have memory of their own for the sizes that are asked for, and run on
        // one thread.
        unsafe { self.0(n) }
    }
}
