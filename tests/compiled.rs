//! What is special about compiled code: frames of both engines in one stack, code that is too large, machines that come and
//! go, and the host that wants to stop it all.

use std::fmt::Write;
use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::Fault;
use limen_isa::module::{Export, ExportItem, Function, Module, Signature};
use limen_jit::{Jit, Log};
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, Time, Value, Verified, verify};

fn program(source: &str) -> Verified<Module> {
    let assembled = assemble("compiled.lim", source, &NoFiles, Options::default());
    let module = assembled.unwrap_or_else(|errors| panic!("{errors}")).module;
    verify(module, Mode::User).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `main` with pieces of fuel, each under the next engine; gives how it ended and the fuel burnt.
fn run(module: &Verified<Module>, engines: &[EngineKind], piece: u64, arguments: &[Value]) -> (Outcome, u64) {
    let mut engines = engines.iter().copied().cycle();
    let engine = engines.next().unwrap_or_default();
    let config = Config { engine, time: Time::Virtual, fuel: Some(piece), stack_cells: 1 << 16, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let mut outcome = machine.call(domain, "main", arguments).expect("main can be called");
    while outcome == Outcome::OutOfFuel {
        machine.add_fuel(piece);
        machine.set_engine(None, engines.next().unwrap_or_default()).expect("all domains are meant");
        outcome = machine.resume(&mut NoServices).expect("a run without fuel can go on");
    }
    (outcome, machine.fuel_burnt())
}

/// Ways to run that nobody may be able to tell apart.
const WAYS: [(&[EngineKind], u64); 6] = [
    (&[EngineKind::Interp], 1 << 40),
    (&[EngineKind::Jit], 1 << 40),
    (&[EngineKind::Tiered], 1 << 40),
    (&[EngineKind::Interp, EngineKind::Jit], 1000),
    (&[EngineKind::Jit, EngineKind::Interp], 7),
    (&[EngineKind::Jit, EngineKind::Interp, EngineKind::Tiered], 1),
];

/// Runs `main` in all ways; gives how it ends in each.
#[track_caller]
fn same_in_all_ways(module: &Verified<Module>, arguments: &[Value]) -> Outcome {
    let runs = WAYS.map(|(engines, piece)| run(module, engines, piece, arguments));
    for (way, run) in WAYS.iter().zip(&runs) {
        assert_eq!(run, &runs[0], "{way:?}");
    }
    runs[0].0.clone()
}

#[test]
fn the_stack_overflows_at_the_same_call_in_frames_of_any_engine() {
    let source = "export fn main() -> i32 {
reg n: i32\nn = call deeper(n)\nret n\n}
fn deeper(n: i32) -> i32 {
reg spare: i64\nspare = i64.from_i32_s n\nn = i32.addi n, 1\nn = call deeper(n)\nn = i32.addi n, 1\nret n\n}";
    let Outcome::Faulted(report) = same_in_all_ways(&program(source), &[]) else {
        panic!("nothing ends it but the stack")
    };
    assert_eq!((report.fault, report.backtrace.len()), (Fault::Stack, 32));
    // Frames of `main` take 5 cells, of `deeper` 6.
    assert_eq!(report.omitted.frames, 1 + ((1 << 16) - 5) / 6 - 32);
}

#[test]
fn faults_in_every_kind_of_frame_are_found_at_their_place() {
    let source = "home 1
export fn main(where: i32) -> i32 {
reg r: i32\nr = i32.addi where, -1\ni32.br_lt_si r, 0, here\nr = call inner(r)\nret r
here:\nr = i32.load [r + 0]\nret r\n}
fn inner(where: i32) -> i32 {
reg i, sum: i32\ni32.br_eqi where, 0, divides
next:\nsum = i32.add sum, i\ni = i32.addi i, 1\ni32.store [i + 4080], sum\njump next
divides:\nsum = i32.const 7\nsum = i32.div_s sum, where\nret sum\n}";
    let module = program(source);
    let places = [0, 1, 2].map(|place| {
        let Outcome::Faulted(report) = same_in_all_ways(&module, &[Value::I32(place)]) else {
            panic!("{place} ends well")
        };
        (report.fault, report.detail, report.backtrace.len())
    });
    let expected = [(Fault::Bounds, 0xffff_ffff, 1), (Fault::Division, 0, 2), (Fault::Bounds, 4093, 2)];
    assert_eq!(places, expected);
}

#[test]
fn a_call_right_before_the_branch_back_is_found_at_its_place() {
    let source = "export fn main() -> i32 {
reg r: i32
again:\ncall g()\ni32.br_eqi r, 1, again\nret r\n}
fn g() { reg r: i32\nr = i32.div_s r, r\nret }";
    let Outcome::Faulted(report) = same_in_all_ways(&program(source), &[]) else {
        panic!("nothing is divided by zero")
    };
    assert_eq!(report.backtrace.iter().map(|entry| entry.pc).collect::<Vec<_>>(), [0, 0]);
}

/// Stores floats of which some are NaNs, some of them over each other, looks at some in between and at last, perhaps, beyond
/// home.
const NANS_IN_MEMORY: &str = "home 1
export fn main(at: i32, also: i32, far: i32) -> i64 {
reg zero, one, huge, nan, x, y: f64
reg small: f32
reg bits, sum: i64
one = f64.const 1.0
nan = f64.div zero, zero
huge = f64.div one, zero
y = f64.sub zero, huge
f64.store [at + 0], nan
f64.store [at + 8], huge
x = f64.load [also + 0]
x = f64.add x, one
f64.store [at + 16], y
f64.store [also + 24], x
f64.store [also + 20], nan
bits = i64.load [at + 16]
sum = i64.add sum, bits
small = f32.from_f64 nan
f64.store [also + 40], x
f32.store [also + 44], small
f64.store [also + 48], huge
f64.store [also + 56], y
f64.store [also + 64], nan
bits = i64.load [at + 20]
sum = i64.add sum, bits
f64.store [at + 72], x
f64.store [far], x
ret sum\n}
export fn look(at: i32) -> i64 {
reg bits, sum: i64
next:
bits = i64.load [at + 0]
sum = i64.rotli sum, 7
sum = i64.xor sum, bits
at = i32.addi at, 4
i32.br_lt_ui at, 120, next
ret sum\n}";

#[test]
fn nans_are_canonical_in_memory_whenever_someone_looks() {
    let module = program(NANS_IN_MEMORY);
    let places = [(0, 0), (0, 8), (8, 0), (4, 0), (0, 16), (16, 4), (4000, 0), (0, 4000)];
    for (at, also, far) in places.iter().flat_map(|(at, also)| [(*at, *also, 0), (*at, *also, 4096)]) {
        let looked = EngineKind::ALL.map(|engine| {
            let config = Config { engine, time: Time::Virtual, ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("there is room");
            let domain = machine.instantiate(&module).expect("there is room");
            let outcome = machine.call(domain, "main", &[at, also, far].map(Value::I32)).expect("main takes three");
            let looked = machine.call(domain, "look", &[Value::I32(0)]).expect("look takes one");
            assert!(matches!(looked, Outcome::Returned(_)), "{looked:?}");
            (format!("{outcome:?}"), looked, machine.fuel_burnt())
        });
        assert!(looked.iter().all(|other| *other == looked[0]), "at {at}, {also} and {far}: {looked:#?}");
    }
}

/// Conversions behind comparisons that say that they do not fault, or seem to: each guard, the range that it leaves, and whether it
/// is one.
#[test]
fn conversions_fault_unless_what_is_converted_was_compared() {
    let guards = [
        ("s = F.abs x\nc = F.const LIMIT\nF.br_nlt s, c, other\n", true),
        ("s = F.abs x\nc = F.const LIMIT\nF.br_nlt s, c, next\nnext:\n", false),
        ("s = F.abs x\nc = F.const LIMIT\nF.br_nlt c, s, other\n", false),
        ("s = F.abs y\nc = F.const LIMIT\nF.br_nlt s, c, other\n", false),
        ("s = F.abs x\nc = F.const 4e30\nF.br_nlt s, c, other\n", false),
        ("x = F.abs x\nc = F.const LIMIT\nF.br_nlt x, c, other\nx = F.mul x, y\n", false),
        ("s = F.abs x\nc = F.const LIMIT\nF.br_nlt s, c, other\nagain:\nx = F.add x, y\n", false),
        ("F.br_lt x, y, there\ns = F.abs x\nc = F.const LIMIT\nF.br_nlt s, c, other\nthere:\n", false),
        ("s = F.abs x\nx = F.const LIMIT\nF.br_nlt s, x, other\n", false),
    ];
    let converted = [("f32", "i32", "2147483648.0"), ("f32", "i64", "9223372036854775808.0")]
        .into_iter()
        .chain([("f64", "i32", "2147483648.0"), ("f64", "i64", "9223372036854775808.0")]);
    let numbers = [0.0, -1.5, 2147483520.0, 2147483647.5, 2147483648.0, -2147483648.0, -2147483648.5, -2147483904.0]
        .into_iter()
        .chain([9223371487098961920.0, 9223372036854775808.0, -9223372036854775808.0, 1e30, f64::INFINITY, f64::NAN]);
    let mut faults = 0;
    for (float, integer, limit) in converted {
        for (guard, is_guard) in guards {
            let guard = guard.replace("F.", &format!("{float}.")).replace("LIMIT", limit);
            let module = program(&format!(
                "export fn main(x: {float}, y: {float}) -> {integer} {{\nreg s, c: {float}\nreg d: {integer}\n{guard}\
                 d = {integer}.from_{float}_s x\nret d\nother:\nd = {integer}.const 77\nret d\n}}"
            ));
            for number in numbers.clone() {
                let value = if float == "f32" { Value::F32(number as f32) } else { Value::F64(number) };
                let other = if float == "f32" { Value::F32(0.5) } else { Value::F64(0.5) };
                let has_faulted = matches!(same_in_all_ways(&module, &[value, other]), Outcome::Faulted(_));
                assert!(!(is_guard && has_faulted), "{float} {number}");
                faults += usize::from(has_faulted);
            }
        }
    }
    assert!(faults > 50, "{faults}");
}

#[test]
fn a_function_that_only_computes_is_called_like_any_other() {
    let source = "export fn main(n: i32, deep: i32) -> (i64, i64) {
reg x, y: f64\nreg product, sum, bits: i64
next:\nx, y, product = call turn(y, x, n)\nsum = i64.add sum, product
bits = i64.bits_f64 x\nsum = i64.xor sum, bits
n = i32.addi n, -1\ni32.br_nei n, 0, next
deep = call dive(deep)\nproduct = i64.from_i32_s deep\nret sum, product\n}
fn turn(a: f64, b: f64, n: i32) -> (f64, f64, i64) {
reg zero, one: f64\nreg wide, unset: i64
one = f64.const 1.5\na = f64.div a, zero\nb = f64.add b, one\nwide = i64.from_i32_s n
wide = i64.add wide, unset\nunset = i64.const 7\nwide = i64.mul wide, wide\nret b, a, wide\n}
fn dive(n: i32) -> i32 {
reg r: i32\nreg x, y: f64\nreg wide: i64\ni32.br_eqi n, 0, here\nn = i32.addi n, -1\nr = call dive(n)\nret r
here:\nx, y, wide = call turn(x, y, n)\nret r\n}";
    let module = program(source);
    assert!(matches!(same_in_all_ways(&module, &[Value::I32(100), Value::I32(10)]), Outcome::Returned(_)));
    // At some depth the frames of `dive` fit, but not one of `turn` beside them.
    let ends = (7260..7300).map(|deep| same_in_all_ways(&module, &[Value::I32(1), Value::I32(deep)]));
    let callers: Vec<String> = ends
        .filter_map(|end| if let Outcome::Faulted(report) = end { Some(report.backtrace[0].clone()) } else { None })
        .map(|innermost| format!("{} {}", innermost.function, innermost.pc))
        .collect();
    assert!(callers.iter().any(|place| place == "dive 5"), "{callers:?}");
}

/// A function that adds up its parameters, with weights, and gives back as many values.
fn many(count: usize) -> String {
    let names = |letter: char| (0..count).map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(", ");
    let types: Vec<&str> = ["i32", "f64", "i64", "f32"].into_iter().cycle().take(count).collect();
    let mut text = String::from("export fn main() -> i64 {\n    reg sum, one: i64\n");
    for (i, ty) in types.iter().enumerate() {
        let value = if ty.starts_with('f') { format!("{i}.0") } else { i.to_string() };
        _ = write!(text, "    reg a{i}, b{i}: {ty}\n    a{i} = {ty}.const {value}\n");
    }
    _ = writeln!(text, "    {} = call turned({})", names('b'), names('a'));
    for (i, ty) in types.iter().enumerate() {
        let cast = match *ty {
            "i32" => "i64.from_i32_s",
            "i64" => "i64.mov",
            "f32" => "i64.from_f32_s",
            _ => "i64.from_f64_s",
        };
        let factor = i + 1;
        _ = write!(text, "    one = {cast} b{i}\n    one = i64.muli one, {factor}\n    sum = i64.add sum, one\n");
    }
    let params = types.iter().enumerate().map(|(i, ty)| format!("a{i}: {ty}")).collect::<Vec<_>>().join(", ");
    _ = write!(text, "    ret sum\n}}\nfn turned({params}) -> ({}) {{\n    ret {}\n}}\n", types.join(", "), names('a'));
    text
}

#[test]
fn arguments_and_results_that_no_register_has_room_for() {
    for count in [1, 2, 3, 5, 17, 60] {
        let expected = (0..count as i64).map(|i| i * (i + 1)).sum();
        assert_eq!(same_in_all_ways(&program(&many(count)), &[]), Outcome::Returned(vec![Value::I64(expected)]));
    }
}

#[test]
fn a_function_too_large_to_compile_is_interpreted_and_what_it_calls_is_not() {
    let mut source = String::from("export fn main() -> i32 {\nreg n: i32\n");
    for _ in 0..1_000_000 {
        source.push_str("n = i32.addi n, 1\n");
    }
    source.push_str("n = call twice(n)\nret n\n}\nfn twice(n: i32) -> i32 {\nn = i32.add n, n\nret n\n}");
    let log = Log::default();
    let config = Config { engine: EngineKind::Jit, ..Config::default() };
    let mut machine = Machine::with_engine(config, Box::new(Jit::with_log(&log))).expect("the budget allows a machine");
    let domain = machine.instantiate(&program(&source)).expect("the budget allows a domain");
    assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::Returned(vec![Value::I32(2_000_000)])));
    let compiled: Vec<_> = log.compilations().into_iter().map(|it| (it.function, it.outcome.is_ok())).collect();
    assert_eq!(compiled, [("main".to_owned(), false), ("twice".to_owned(), true)]);
}

#[test]
fn of_many_functions_only_those_that_are_called_are_compiled() {
    let signature = Signature::default();
    let ret = u64::from(limen_isa::Opcode::Ret.row().code);
    let function = Function::new(0, Vec::new(), vec![ret]);
    let exports = vec![Export { name: "main".into(), item: ExportItem::Function(99_999) }];
    let module = Module { types: vec![signature], functions: vec![function; 100_000], exports, ..Module::default() };
    let module = verify(module, Mode::User).expect("it does nothing, and that correctly");
    assert_eq!(run(&module, &[EngineKind::Jit], 100, &[]).0, Outcome::Returned(Vec::new()));
}

/// Lines of a file about this process.
#[cfg(target_os = "linux")]
fn lines_of(path: &str) -> usize {
    std::fs::read_to_string(path).expect("the host has /proc").lines().count()
}

#[cfg(target_os = "linux")]
#[test]
fn machines_that_come_and_go_leave_nothing_behind() {
    let module = program(
        "export fn main() -> i32 {\nreg n: i32\nl:\nn = i32.addi n, 1\ncall f()\ni32.br_lt_si n, 50, l\nret n\n}\nfn f() {\nret\n}",
    );
    let cycle = |machines: usize| {
        for index in 0..machines {
            let config = Config { engine: EngineKind::Jit, fuel: Some(30), ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
            let domain = machine.instantiate(&module).expect("the budget allows a domain");
            // Half of them are dropped in the middle of compiled code.
            let outcome = machine.call(domain, "main", &[]).expect("main can be called");
            assert_eq!(outcome, Outcome::OutOfFuel);
            machine.add_fuel(1000);
            if index % 2 == 0 {
                assert_eq!(machine.resume(&mut NoServices), Ok(Outcome::Returned(vec![Value::I32(50)])));
            }
        }
    };
    let files = || std::fs::read_dir("/proc/self/fd").expect("the host has /proc").count();
    cycle(100);
    let before = (lines_of("/proc/self/maps"), files());
    cycle(1000);
    let after = (lines_of("/proc/self/maps"), files());
    // Other tests of this file run meanwhile, and the allocator keeps what it likes: but not one mapping per machine.
    assert!(after.0 < before.0 + 200 && after.1 < before.1 + 50, "{before:?} became {after:?}");
}

#[test]
fn whatever_runs_is_stopped_soon() {
    let sources = [
        "export fn main() {\nl: jump l\n}",
        "export fn main() {\nl:\ncall f()\njump l\n}\nfn f() {\nreg n: i32\nn = i32.const 3000\ncall g(n)\nret\n}
fn g(n: i32) {\ni32.br_eqi n, 0, done\nn = i32.addi n, -1\ncall g(n)\ndone:\nret\n}",
        "home 16384 max 16384\nexport fn main() {\nreg to, n: i32\nl:\nto = i32.const 0\nn = i32.const 0x4000000\nhome.fill to, to, n\njump l\n}",
    ];
    for source in sources {
        let module = program(source);
        for engine in EngineKind::ALL {
            let mut latencies: Vec<Duration> = (0..20).map(|_| time_to_stop(&module, engine)).collect();
            latencies.sort();
            println!("{engine:?}: {:?} median, {:?} at worst", latencies[10], latencies[19]);
            assert!(latencies[10] < Duration::from_millis(50), "{engine:?} takes {:?} to stop", latencies[10]);
        }
    }
}

#[test]
fn a_stop_that_comes_before_the_run_is_not_lost() {
    let module = program("export fn main() {\nl: jump l\n}");
    for engine in EngineKind::ALL {
        let mut machine =
            limen_jit::machine(Config { engine, ..Config::default() }).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        machine.stop_handle().stop();
        assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::Stopped), "{}", engine.name());
        // Once it was met, the wish is no more.
        machine.set_deadline(Some(Duration::from_millis(1)));
        assert_eq!(machine.resume(&mut NoServices), Ok(Outcome::TimedOut), "{}", engine.name());
    }
}

/// Who wanted the machine's attention while no compiled code ran does not keep such code from running: it would take a thousand
/// times as long.
#[test]
fn code_goes_on_after_a_stop_as_before() {
    let callees = [
        ("a, b", "fn f(a: i64, b: i64) -> i64 {\na = i64.add a, b\nret a\n}"),
        (
            "a, b, b, b, b, b, b",
            "fn f(a: i64, b: i64, c: i64, d: i64, e: i64, g: i64, h: i64) -> i64 {\na = i64.add a, h\ncall g()\nret a\n}
fn g() {\nreg r: i64\nr = i64.addi r, 1\nret\n}",
        ),
    ];
    for (arguments, callee) in callees {
        let module = program(&format!(
            "export fn main(n: i32) -> i64 {{\nreg a, b: i64\nb = i64.const 3\nagain:\na = call f({arguments})
n = i32.addi n, -1\ni32.br_nei n, 0, again\nret a\n}}\n{callee}"
        ));
        for engine in [EngineKind::Jit, EngineKind::Tiered] {
            let config = Config { engine, ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
            let domain = machine.instantiate(&module).expect("the budget allows a domain");
            machine.stop_handle().stop();
            let begun = machine.call(domain, "main", &[Value::I32(5_000_000)]).expect("main can be called");
            assert_eq!(begun, Outcome::Stopped);
            let start = Instant::now();
            let ended = machine.resume(&mut NoServices).expect("it was stopped");
            assert_eq!(ended, Outcome::Returned(vec![Value::I64(15_000_000)]));
            assert!(start.elapsed() < Duration::from_secs(5), "{engine:?}, {arguments}: {:?}", start.elapsed());
        }
    }
}

/// From the host's wish to the end of the run.
fn time_to_stop(module: &Verified<Module>, engine: EngineKind) -> Duration {
    let config = Config { engine, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let handle = machine.stop_handle();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(3));
        let wished = Instant::now();
        handle.stop();
        wished
    });
    assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::Stopped));
    let ended = Instant::now();
    ended.duration_since(stopper.join().expect("the stopper ends"))
}

#[test]
fn machines_that_run_the_same_module_share_its_code() {
    let module = program(
        "export fn main(n: i32) {\ncall deeper(n)\nret\n}
fn deeper(n: i32) {\nreg zero: i32\ni32.br_eqi n, 0, fault\nn = i32.addi n, -1\ncall deeper(n)\nret
fault:\nn = i32.div_s n, zero\nret\n}",
    );
    let machine = || {
        let (log, config) = (Log::default(), Config { engine: EngineKind::Jit, ..Config::default() });
        let engine = Box::new(Jit::with_log(&log));
        let mut machine = Machine::with_engine(config, engine).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        (machine, domain, log)
    };
    let run = |(machine, domain, _): &mut (Machine, _, Log)| machine.call(*domain, "main", &[Value::I32(7)]);
    let compiled = |(_, _, log): &(Machine, _, Log)| {
        log.compilations().into_iter().map(|it| (it.function, it.took.is_zero())).collect::<Vec<_>>()
    };
    let named = |is_shared: bool| [("main".to_owned(), is_shared), ("deeper".to_owned(), is_shared)];
    let (mut first, mut second) = (machine(), machine());
    let wanted = run(&mut first);
    assert!(matches!(&wanted, Ok(Outcome::Faulted(report)) if report.backtrace.len() == 9), "{wanted:?}");
    assert_eq!(run(&mut second), wanted);
    assert_eq!((compiled(&first), compiled(&second)), (named(false).to_vec(), named(true).to_vec()));
    // What is known of the code's calls stays when one of them goes.
    drop(first);
    assert_eq!(run(&mut second), wanted);
    let mut third = machine();
    assert_eq!((run(&mut third), compiled(&third)), (wanted.clone(), named(true).to_vec()));
    // The code stays with the module when all of them have gone.
    drop((second, third));
    let mut last = machine();
    assert_eq!((run(&mut last), compiled(&last)), (wanted, named(true).to_vec()));
}

/// What no longer fits into the memory for code is interpreted, and what was compiled before calls it.
#[test]
fn code_that_has_no_memory_is_interpreted() {
    let mut source = String::from("export fn main(n: i32) -> i32 {\nreg sum: i32\nnext:\n");
    for number in 0..20 {
        writeln!(source, "sum = call f{number}(sum, n)").expect("a text takes everything");
    }
    source.push_str("n = i32.addi n, -1\ni32.br_nei n, 0, next\nret sum\n}\n");
    for number in 0..20 {
        let body = format!("next:\na = i32.muli a, {}\nb = i32.shr_ui b, 1\na = i32.add a, b", 2 * number + 3);
        writeln!(source, "fn f{number}(a: i32, b: i32) -> i32 {{\n{body}\ni32.br_nei b, 0, next\nret a\n}}")
            .expect("a text takes everything");
    }
    let module = program(&source);
    let run = |engine, limit| {
        let log = Log::default();
        let jit = Jit::with_log(&log).with_code_limit(limit);
        let config = Config { engine, time: Time::Virtual, ..Config::default() };
        let mut machine = Machine::with_engine(config, Box::new(jit)).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        let outcome = machine.call(domain, "main", &[Value::I32(3000)]).expect("main can be called");
        ((outcome, machine.fuel_burnt()), log.compilations())
    };
    let (wanted, _) = run(EngineKind::Interp, 0);
    for (engine, limit) in [EngineKind::Jit, EngineKind::Tiered].into_iter().flat_map(|it| [(it, 0), (it, 8 << 10)]) {
        let (seen, compilations) = run(engine, limit);
        assert_eq!(seen, wanted, "{engine:?} with {limit} bytes");
        let (made, refused): (Vec<_>, Vec<_>) = compilations.into_iter().partition(|it| it.outcome.is_ok());
        let taken: usize = made.iter().filter_map(|it| it.outcome.as_ref().ok()).sum();
        assert!(taken <= limit, "{engine:?} with {limit} bytes: {made:?}");
        let says_so =
            |it: &limen_jit::Compilation| it.outcome == Err(format!("the memory for code, {limit} bytes, is used up"));
        assert!(refused.iter().all(says_so), "{refused:?}");
        // How much is asked for in the background depends on how long that takes.
        assert!(engine == EngineKind::Tiered || made.len() + refused.len() > 20, "{made:?}\n{refused:?}");
    }
}

/// What this kernel does about an `svc` needs far more of the native stack than its caller may take, and has room for no other
/// way through: the caller is compiled without it.
#[test]
fn callers_of_a_kernel_with_large_frames_are_compiled_too() {
    const VALUES: usize = 58;
    let names: Vec<String> = (0..VALUES).map(|value| format!("v{value}")).collect();
    let mut kernel =
        format!("slots 4\nexport fn svc(c: ref, number: i32) {{\nreg zero: i32\nreg {}: i64\n", names.join(", "));
    for (value, name) in names.iter().enumerate() {
        writeln!(kernel, "{name} = i64.load [zero + {}]", 8 * value).expect("a text takes everything");
    }
    // Each is used after all have been loaded, the first one last.
    for pair in names.windows(2).rev() {
        writeln!(kernel, "{} = i64.add {}, {}", pair[0], pair[0], pair[1]).expect("a text takes everything");
    }
    kernel.push_str(
        "v0 = i64.addi v0, 3\nctx.set_word c, 0, v0\nctx.resume c\n}\n\
         export fn exit(c: ref) {\nreg status: i32\nreg r: i64\nr = ctx.word c, 0\nstatus = i32.from_i64 r\nhalt status\n}\n\
         export fn boot() {\nreg account, module, none, domain, c: ref\nreg p, i, j, n, main: i32\nreg payload: i64\n\
         account = slot.get [i + 0]\nmodule = slot.get [i + 1]\ndomain = domain.make account, module, none, payload\n\
         n = i32.const 4\np = i32.const main_name\nmain = domain.export domain, p, n\nn = i32.const 4096\n\
         c = ctx.make account, domain, main, n, payload\nctx.resume c\n}\n\
         data main_name at 2048 { u8 109, 97, 105, 110 }\nhome 1 max 1\n",
    );
    let assembled = assemble("kernel.lim", &kernel, &NoFiles, Options::default());
    let kernel = assembled.unwrap_or_else(|errors| panic!("{errors}")).module;
    let kernel = verify(kernel, Mode::Kernel).unwrap_or_else(|error| panic!("{error}"));
    let client = program("export fn main() -> i64 {\nreg r: i64\nr = svc 1()\nr = svc 1()\nret r\n}");
    let run = |engine| {
        let log = Log::default();
        let config = Config { engine, ..Config::default() };
        let mut machine = Machine::with_engine(config, Box::new(Jit::with_log(&log))).expect("the budget has room");
        let outcome = machine.boot(&kernel, std::slice::from_ref(&client)).expect("the kernel boots");
        (outcome, log.compilations())
    };
    assert_eq!(run(EngineKind::Interp).0, Outcome::Halted(3));
    let (outcome, compilations) = run(EngineKind::Jit);
    assert_eq!(outcome, Outcome::Halted(3));
    let of_client: Vec<_> = compilations.iter().filter(|one| one.function.contains("main")).collect();
    assert!(!of_client.is_empty() && of_client.iter().all(|one| one.outcome.is_ok()), "{compilations:?}");
}

/// So many registers live across so many calls that most of them stay in their cells.
#[test]
fn large_functions_with_many_registers_do_the_same() {
    const REGISTERS: usize = 60;
    let names = |prefix: &str| (0..REGISTERS).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>().join(", ");
    let mut source = format!(
        "home 1
fn mix(a: i64, b: i32) -> (i64, i32) {{
reg p, q: i32
p = i32.andi b, 0x7f8\ni64.store [p + 0], a\na = i64.rotl a, a\nq = i32.muli b, 77\na = i64.addi a, 5\nret a, q
}}
export fn main(end: i32) -> i64 {{
reg {}: i64
reg {}: i32
reg i, p, at: i32
again:
",
        names("l"),
        names("w")
    );
    for step in 0..600 {
        let (from, to, other) = (step * 7 % REGISTERS, step * 11 % REGISTERS, step * 13 % REGISTERS);
        let _ = match step % 4 {
            0 => writeln!(source, "l{to}, w{other} = call mix(l{from}, w{to})"),
            1 => writeln!(source, "l{to} = i64.add l{from}, l{other}\nw{to} = i32.sub w{from}, w{other}"),
            2 => writeln!(
                source,
                "at = i32.andi w{from}, 0x3f8\nl{to} = i64.load [at + 8]\nw{to} = i32.addi w{other}, 3"
            ),
            _ => writeln!(source, "i32.br_eqi w{from}, {step}, last\nl{to}, w{to} = call mix(l{other}, w{from})"),
        };
    }
    source += "i = i32.addi i, 1\ni32.br_lt_s i, end, again\nlast:\n";
    for number in 1..REGISTERS {
        let _ = writeln!(source, "l0 = i64.xor l0, l{number}\nw0 = i32.add w0, w{number}");
    }
    source += "l1 = i64.from_i32_s w0\nl0 = i64.add l0, l1\np = i32.load [i + 4095]\nret l0\n}";
    let module = program(&source);
    assert!(module.functions.iter().any(|function| function.code.len() > 1024), "it is large");
    for end in [0, 3, 40] {
        let Outcome::Faulted(report) = same_in_all_ways(&module, &[Value::I32(end)]) else {
            panic!("the last load is outside")
        };
        assert_eq!(report.fault, Fault::Bounds);
    }
}
