//! How long a program stands still while what it is about to run is made ready.

use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Host, Mode, Outcome, SvcCall, SvcOutcome, Verified, verify};

/// How long each program runs.
const RUNS_FOR: Duration = Duration::from_secs(2);

/// The function that is called has so many instructions.
const SIZES: [usize; 4] = [2_000, 30_000, 100_000, 1_000_000];

/// So many functions are called, one after the other and again.
const FUNCTIONS: usize = 100_000;

/// Prints a line for each program on each engine, in milliseconds.
pub fn print(_: u32) {
    println!("{:<44} {:<9} {:>9}", "longest stall of a program, ms", "", "max");
    let of_size = |size: usize| (format!("a function of {size} instructions"), one_large_function(size));
    let many = (format!("{FUNCTIONS} functions"), many_functions());
    for (name, source) in SIZES.into_iter().map(of_size).chain([many]) {
        let module = module(&source);
        for engine in [EngineKind::Interp, EngineKind::Jit, EngineKind::Tiered] {
            println!("{name:<44} {:<9} {:>9.2}", engine.name(), longest(&module, engine).as_secs_f64() * 1e3);
        }
    }
}

fn module(source: &str) -> Verified<Module> {
    let assembled = assemble("stalls.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, Mode::User)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Calls it all the time. Most of its instructions are never executed, so that a turn takes no time by itself.
fn one_large_function(instructions: usize) -> String {
    let rest = "a = i32.add a, b\n b = i32.xor b, a\n i32.store [zero + 8], b\n b = i32.load [zero + 4]\n";
    format!(
        "home 1
        export fn main() {{
            reg one: i32
            one = i32.const 1
          again:
            svc 0()
            call large(one, one)
            jump again
        }}
        fn large(a: i32, b: i32) {{
            reg zero: i32
            i32.br_nei a, 0, done
            {}
          done:
            ret
        }}",
        rest.repeat(instructions / 4)
    )
}

fn many_functions() -> String {
    let function = |index| format!("fn f{index}(a: i32) -> i32 {{\n a = i32.addi a, {}\n ret a\n}}\n", index % 1000);
    let names: Vec<String> = (0..FUNCTIONS).map(|index| format!("f{index}")).collect();
    format!(
        "{}
        type step = fn(i32) -> i32
        table all {{ {} }}
        export fn main() {{
            reg next, value, count: i32
            count = i32.const {FUNCTIONS}
          from_first:
            next = i32.const 0
          again:
            svc 0()
            value = call_indirect all[next] step(value)
            next = i32.addi next, 1
            i32.br_lt_u next, count, again
            jump from_first
        }}",
        (0..FUNCTIONS).map(function).collect::<String>(),
        names.join(", ")
    )
}

/// Notes how long nothing was heard of the program.
struct Listener {
    begun: Instant,
    last: Instant,
    longest: Duration,
}

impl Host for Listener {
    fn svc(&mut self, _: &mut SvcCall<'_>) -> SvcOutcome {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
        if now - self.begun > RUNS_FOR { SvcOutcome::Exit(0) } else { SvcOutcome::Continue }
    }
}

/// The longest time from one sign of life to the next.
fn longest(module: &Verified<Module>, engine: EngineKind) -> Duration {
    let config = Config { engine, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let begun = Instant::now();
    let mut listener = Listener { begun, last: begun, longest: Duration::ZERO };
    assert_eq!(machine.call_with(&mut listener, domain, "main", &[]), Ok(Outcome::Exited(0)));
    listener.longest
}
