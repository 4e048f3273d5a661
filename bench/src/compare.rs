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

fn milliseconds(side: &mut dyn Side, n: i32) -> (f64, i64) {
    let begun = Instant::now();
    let checksum = side.run(n);
    (begun.elapsed().as_secs_f64() * 1e3, checksum)
}

/// Prints a line a kernel and the geometric mean.
pub fn print(kernels: &[&Kernel], rounds: usize, divisor: i32) {
    println!("{:12} {:>10} {:>10} {:>8} {:>8} {:>8}", "kernel", "limen ms", "wasmi ms", "ratio", "q1", "q3");
    let ratios: Vec<f64> = kernels.iter().map(|kernel| line(kernel, rounds, divisor)).collect();
    println!("{:12} {:>10} {:>10} {:>8.3}", "geo. mean", "", "", geometric_mean(&ratios));
}

/// Measures a kernel on both sides in turn; gives the median of the ratios of each round.
fn line(kernel: &Kernel, rounds: usize, divisor: i32) -> f64 {
    let n = if kernel.scales { (kernel.n / divisor).max(1) } else { kernel.n };
    let (mut limen, mut wasmi) = (Limen::new(kernel), Wasmi::new(kernel));
    assert_eq!(limen.run(n), wasmi.run(n), "{}: the two sides do not agree", kernel.name);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(milliseconds(&mut limen, n).0);
        theirs.push(milliseconds(&mut wasmi, n).0);
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(our, their)| our / their).collect();
    println!(
        "{:12} {:>10.2} {:>10.2} {:>8.3} {:>8.3} {:>8.3}",
        kernel.name, median(&ours), median(&theirs), median(&ratios), quantile(&ratios, 0.25), quantile(&ratios, 0.75)
    );
    median(&ratios)
}
