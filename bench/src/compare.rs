//! The kernels on Limen's interpreter and on wasmi.

use std::time::Instant;

use limen_assembler::{NoFiles, Options, assemble};
use limen_vm::{Config, DomainId, Machine, Mode, Outcome, Value, verify};

use crate::kernels::Kernel;
use crate::statistics::{geometric_mean, median, quantile};

/// One side of a comparison, ready to run.
trait Side {
    /// Runs the kernel and gives its checksum.
    fn run(&mut self, n: i32) -> i64;
}

struct Limen {
    machine: Machine,
    domain: DomainId,
}

impl Limen {
    fn new(kernel: &Kernel) -> Self {
        let assembled = assemble(kernel.name, kernel.lim, &NoFiles, Options::default());
        let assembled = assembled.unwrap_or_else(|errors| panic!("{errors}"));
        let module = verify(assembled.module, Mode::User).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        let mut machine = Machine::new(Config::default()).expect("the budget allows a machine");
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

impl Wasmi {
    fn new(kernel: &Kernel) -> Self {
        let engine = wasmi::Engine::default();
        let wasm = wat::parse_str(kernel.wat).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        let module = wasmi::Module::new(&engine, &wasm).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        let mut store = wasmi::Store::new(&engine, ());
        let instance = wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module).expect("it instantiates");
        let run = instance.get_typed_func(&store, "run").expect("it exports run");
        Self { store, run }
    }
}

impl Side for Wasmi {
    fn run(&mut self, n: i32) -> i64 {
        self.run.call(&mut self.store, n).expect("the kernel does not trap")
    }
}

/// Prints a line for each kernel, and the geometric mean.
pub fn print(kernels: &[&Kernel], rounds: u32, quick: bool) {
    println!("{:12} {:>10} {:>10} {:>8} {:>8} {:>8}", "kernel", "limen ms", "wasmi ms", "ratio", "q1", "q3");
    let ratios: Vec<f64> = kernels.iter().map(|kernel| compare(kernel, rounds, quick).print(kernel.name)).collect();
    println!("{:34} {:>8.3}", "geometric mean", geometric_mean(&ratios));
}

/// The times of one kernel in milliseconds, round by round.
struct Times {
    limen: Vec<f64>,
    wasmi: Vec<f64>,
}

/// Runs a kernel on both sides in turn. Each side goes first in every second round.
fn compare(kernel: &Kernel, rounds: u32, quick: bool) -> Times {
    let n = if quick { kernel.quick } else { kernel.n };
    let (mut limen, mut wasmi) = (Limen::new(kernel), Wasmi::new(kernel));
    let checksum = wasmi.run(n);
    let mut times = Times { limen: Vec::new(), wasmi: Vec::new() };
    time(kernel, &mut limen, n, checksum); // warms up; so did the checksum
    for round in 0..rounds {
        let first = (round % 2 == 0).then(|| time(kernel, &mut limen, n, checksum));
        times.wasmi.push(time(kernel, &mut wasmi, n, checksum));
        times.limen.push(first.unwrap_or_else(|| time(kernel, &mut limen, n, checksum)));
    }
    times
}

fn time(kernel: &Kernel, side: &mut dyn Side, n: i32, checksum: i64) -> f64 {
    let begun = Instant::now();
    let result = side.run(n);
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(result, checksum, "{}: the two sides do not agree", kernel.name);
    milliseconds
}

impl Times {
    /// Prints a line; gives the median of the rounds' ratios.
    fn print(&self, name: &str) -> f64 {
        let ratios: Vec<f64> = self.limen.iter().zip(&self.wasmi).map(|(limen, wasmi)| limen / wasmi).collect();
        let [q1, ratio, q3] = [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share));
        let [limen, wasmi] = [&self.limen, &self.wasmi].map(|times| median(times));
        println!("{name:12} {limen:>10.2} {wasmi:>10.2} {ratio:>8.3} {q1:>8.3} {q3:>8.3}");
        ratio
    }
}
