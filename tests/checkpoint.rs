//! Programs that go on from snapshots: in new machines, under other engines, in new processes. And snapshots that are
//! damaged or forged.
//!
//! That the conformance suite comes to the same through snapshots is tested with it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::{
    Budget, CheckpointError, Config, EngineKind, FrameProblem, Host, Machine, MachineError, Mode, NoServices, Outcome,
    Snapshot, SnapshotError, SvcCall, SvcOutcome, Time, Value, Verified, verify,
};
use tempfile::TempDir;

/// Loops, recursion, calls through a table, floats, and a home that grows.
const MIXTURE: &str = "
home 1 max 40
slots 3
type unary = fn(i64) -> i64
table steps { double, none_of, next }

fn double(n: i64) -> i64 {
    n = i64.add n, n
    ret n
}

fn none_of(n: i64) -> i64 {
    n = i64.const 0
    ret n
}

fn next(n: i64) -> i64 {
    n = i64.addi n, 1
    ret n
}

fn ackermann(m: i64, n: i64) -> i64 {
    i64.br_nei m, 0, deeper
    n = i64.addi n, 1
    ret n
  deeper:
    i64.br_nei n, 0, deepest
    n = i64.const 1
    jump shallower
  deepest:
    n = i64.addi n, -1
    n = call ackermann(m, n)
  shallower:
    m = i64.addi m, -1
    n = call ackermann(m, n)
    ret n
}

export fn main() -> (i64, f64) {
    reg i, which, at, size, pages: i32
    reg sum, value: i64
    reg x, third: f64
    reg nothing: ref
    third = f64.const 0.3333333333333333
    value = i64.const 2
    sum = call ackermann(value, value)
  again:
    which = i32.andi i, 2
    sum = call_indirect steps[which] unary(sum)
    x = f64.add x, third
    at = i32.shli i, 3
    i64.store [at + 64], sum
    i = i32.addi i, 1
    i32.br_lt_si i, 60, again
    pages = i32.const 32
    pages = home.grow pages
    at = i32.const 4096
    which = i32.const 0
    size = i32.const 120000
    home.copy at, which, size
    which = i32.const 65536
    value = i64.load [which + 0]
    sum = i64.add sum, value
    which = i32.const 2
    slot.set [which + 0], nothing
    ret sum, x
}
";

fn assembled(source: &str) -> Module {
    assemble("test.lim", source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}")).module
}

fn verified(source: &str) -> Verified<Module> {
    verify(assembled(source), Mode::User).expect("the source is good")
}

/// The few services that programs need to be told arguments and to print.
#[derive(Default)]
struct Console {
    arguments: Vec<String>,
    printed: Vec<u8>,
}

impl Host for Console {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        match self.answer(call) {
            Ok(result) => {
                call.set_word(0, result as u64);
                SvcOutcome::Continue
            }
            Err(outcome) => outcome,
        }
    }
}

impl Console {
    fn answer(&mut self, call: &mut SvcCall<'_>) -> Result<i64, SvcOutcome> {
        let [first, at, length] = [0, 1, 2].map(|index| call.word(index));
        match call.number() {
            0 => Err(SvcOutcome::Exit(first as i32)),
            1 => {
                let Some(argument) = self.arguments.get(first as usize) else { return Ok(-1) };
                let into = call.bytes_mut(at, length)?;
                let fits = argument.len().min(into.len());
                into[..fits].copy_from_slice(&argument.as_bytes()[..fits]);
                Ok(argument.len() as i64)
            }
            3 => {
                self.printed.extend(call.bytes(at, length)?);
                Ok(length as i64)
            }
            number => panic!("service {number} was not expected"),
        }
    }
}

/// All that a run shows.
#[derive(Debug, PartialEq)]
struct Shown {
    outcome: Outcome,
    burnt: u64,
    printed: Vec<u8>,
    left: Budget,
}

fn config(engine: EngineKind, fuel: Option<u64>) -> Config {
    Config { engine, fuel, time: Time::Virtual, stack_cells: 1 << 14, ..Config::default() }
}

/// A machine that called `main` with so much fuel, and what came of that.
fn started(module: &Verified<Module>, config: Config, host: &mut dyn Host) -> (Machine, Outcome) {
    let mut machine = limen_jit::machine(config).expect("the budget has room");
    let domain = machine.instantiate(module).expect("the budget has room");
    let outcome = machine.call_with(host, domain, "main", &[]).expect("there is a main");
    (machine, outcome)
}

/// A new machine that has nothing of this one but the bytes of its snapshot.
fn moved(machine: &mut Machine, engine: EngineKind) -> Machine {
    let bytes = machine.checkpoint().expect("it was suspended").write().expect("its module came from a source");
    let snapshot = Snapshot::read(&bytes).expect("it was just written");
    let restored = limen_jit::restore(Config { engine, fuel: Some(0), ..snapshot.config() }, &snapshot);
    restored.expect("the budget is as it was")
}

/// Runs `main`; in pieces of so much fuel, if there are any, each in a new machine under the next engine.
fn run(module: &Verified<Module>, arguments: &[&str], pieces: Option<u64>) -> Shown {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let mut host = Console { arguments, printed: Vec::new() };
    let (mut machine, mut outcome) = started(module, config(EngineKind::Interp, pieces), &mut host);
    let mut engines = [EngineKind::Jit, EngineKind::Interp].into_iter().cycle();
    while outcome == Outcome::OutOfFuel {
        machine = moved(&mut machine, engines.next().expect("it never ends"));
        machine.add_fuel(pieces.unwrap_or_default());
        outcome = machine.resume(&mut host).expect("it was suspended");
    }
    Shown { outcome, burnt: machine.fuel_burnt(), printed: host.printed, left: machine.budget_left() }
}

/// How many machines a run has at most.
const MOST: u64 = 250;

#[track_caller]
fn assert_same_in_pieces(module: &Verified<Module>, arguments: &[&str]) {
    let whole = run(module, arguments, None);
    for piece in [1, 7, 1000] {
        let piece = piece.max(whole.burnt / MOST);
        let pieces = run(module, arguments, Some(piece));
        assert!(pieces == whole, "{arguments:?} in pieces of {piece}: {pieces:?}, in one go {whole:?}");
    }
}

#[test]
fn a_mixture_goes_on_in_new_machines() {
    let module = verified(MIXTURE);
    assert!(matches!(run(&module, &[], None).outcome, Outcome::Returned(_)));
    assert_same_in_pieces(&module, &[]);
}

#[test]
fn programs_go_on_in_new_machines() {
    let calls: [&[&str]; 7] = [
        &["fib", "15"],
        &["collatz", "300"],
        &["sieve", "2000"],
        &["nbody", "40"],
        &["calc", "3 4 + 5 *"],
        &["echo", "-e", "a\\tb"],
        &["mandelbrot", "24", "16"],
    ];
    for call in calls {
        let program = limen_programs::find(call[0]).expect("it is built in");
        let module = Module::read(program.module).expect("it is built in");
        assert_same_in_pieces(&verify(module, Mode::User).expect("it is built in"), call);
    }
}

/// The machine that was captured goes on as well, and its clock and its home are as they were.
#[test]
fn capturing_changes_nothing() {
    let module = verified(MIXTURE);
    let whole = run(&module, &[], None);
    for engine in EngineKind::ALL {
        let (mut machine, mut outcome) = started(&module, config(engine, Some(5)), &mut NoServices);
        while outcome == Outcome::OutOfFuel {
            let [first, second] = [(); 2].map(|()| machine.checkpoint().expect("it was suspended").write());
            assert_eq!(first, second);
            machine.add_fuel(5);
            outcome = machine.resume(&mut NoServices).expect("it was suspended");
        }
        assert_eq!((outcome, machine.fuel_burnt()), (whole.outcome.clone(), whole.burnt));
    }
}

/// Every byte of home is what it was, also those that data began with and the program has cleared.
#[test]
fn homes_are_the_same() {
    let module = verified(
        "home 3 max 3\ndata text { \"some bytes\" }\nexport fn main() {\n    reg zero: i32\n    reg none: i64\n    \
         i64.store [zero + text], none\n    i32.store [zero + 9000], zero\n  forever:\n    jump forever\n}\n",
    );
    let (mut machine, outcome) = started(&module, config(EngineKind::Interp, Some(3)), &mut NoServices);
    assert_eq!(outcome, Outcome::OutOfFuel);
    let mut other = moved(&mut machine, EngineKind::Jit);
    let homes = [&mut machine, &mut other].map(|machine| {
        let domain = machine.suspended().expect("it was suspended");
        machine.memory(domain).expect("it is there").to_vec()
    });
    assert_eq!(homes[0].iter().filter(|byte| **byte != 0).count(), 2);
    assert!(homes[0] == homes[1]);
    assert_eq!(machine.budget_left(), other.budget_left());
}

/// Other functions left their values in the cells of registers that an `svc` will write: no snapshot has them.
#[test]
fn what_an_svc_will_write_is_zero() {
    let module = verified(
        "export fn main() {\n    reg x: i64\n    x = i64.const -1\n    \
         call leave(x, x, x, x, x, x, x, x, x, x, x, x)\n    call ask()\n    ret\n}\n\
         fn leave(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64, k: i64, l: i64) {\n    \
         ret\n}\n\
         fn ask() {\n    reg a, b, c, d, e, f, g, h, i: i64\n    reg w: i32\n    reg r: ref\n    w, r = svc 1()\n    \
         ret\n}\n",
    );
    for engine in EngineKind::ALL {
        // A unit for each function that is entered, and none for the service.
        let (mut machine, outcome) = started(&module, config(engine, Some(3)), &mut NoServices);
        assert_eq!(outcome, Outcome::OutOfFuel);
        let bytes =
            machine.checkpoint().expect("no reference was made").write().expect("its module came from a source");
        assert!(Snapshot::read(&bytes).is_ok(), "{}", engine.name());
    }
}

/// Live time goes on from where it was.
#[test]
fn clocks_go_on() {
    struct Clock(i64);
    impl Host for Clock {
        fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
            assert!(call.now() >= self.0, "{} comes after {}", call.now(), self.0);
            self.0 = call.now();
            SvcOutcome::Continue
        }
    }
    let module = verified("export fn main() {\n  forever:\n    svc 0()\n    jump forever\n}\n");
    let mut clock = Clock(0);
    let live = Config { time: Time::Live, ..config(EngineKind::Interp, Some(10)) };
    let (mut machine, _) = started(&module, live, &mut clock);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(2));
        machine = moved(&mut machine, EngineKind::Interp);
        machine.add_fuel(10);
        assert_eq!(machine.resume(&mut clock), Ok(Outcome::OutOfFuel));
    }
    assert!(clock.0 >= 20_000_000);
}

/// A machine that was stopped from outside is like one whose fuel is used up.
#[test]
fn a_machine_that_was_stopped_goes_on() {
    struct Stopper(limen_vm::StopHandle);
    impl Host for Stopper {
        fn svc(&mut self, _: &mut SvcCall<'_>) -> SvcOutcome {
            self.0.stop();
            SvcOutcome::Continue
        }
    }
    let module = verified(
        "export fn main() -> i32 {\n    reg n, end: i32\n    end = i32.const 9999\n    svc 0()\n  again:\n    \
         n = i32.addi n, 1\n    i32.br_lt_s n, end, again\n    ret n\n}\n",
    );
    let mut machine = limen_jit::machine(config(EngineKind::Jit, None)).expect("the budget has room");
    let domain = machine.instantiate(&module).expect("the budget has room");
    let mut host = Stopper(machine.stop_handle());
    assert_eq!(machine.call_with(&mut host, domain, "main", &[]), Ok(Outcome::Stopped));
    let mut other = moved(&mut machine, EngineKind::Interp);
    other.add_fuel(u64::MAX);
    assert_eq!(other.resume(&mut NoServices), Ok(Outcome::Returned(vec![Value::I32(9999)])));
    assert_eq!(other.fuel_burnt(), 1 + 1 + 9998);
}

/// A machine of several domains has them all again, in their order.
#[test]
fn all_domains_of_the_host_are_captured() {
    let module = verified("home 1 max 1\nexport fn main() {\n  forever:\n    jump forever\n}\n");
    let mut machine = limen_jit::machine(config(EngineKind::Interp, Some(10))).expect("the budget has room");
    let domains = [(); 3].map(|()| machine.instantiate(&module).expect("the budget has room"));
    for (number, domain) in (1..).zip(domains) {
        machine.memory(domain).expect("it is there")[7] = number;
    }
    assert_eq!(machine.call(domains[1], "main", &[]), Ok(Outcome::OutOfFuel));
    let mut other = moved(&mut machine, EngineKind::Jit);
    let domains = other.domains();
    let found: Vec<u8> = domains.iter().map(|domain| other.memory(*domain).expect("it is there")[7]).collect();
    assert_eq!((found, other.suspended()), (vec![1, 2, 3], domains.get(1).copied()));
}

#[test]
fn what_cannot_be_captured_is_refused() {
    let module = verified("export fn main(r: ref) {\n  forever:\n    jump forever\n}\n");
    let mut machine = limen_jit::machine(config(EngineKind::Interp, Some(10))).expect("the budget has room");
    assert_eq!(machine.checkpoint().err(), Some(CheckpointError::NothingSuspended));
    let domain = machine.instantiate(&module).expect("the budget has room");
    let null = Value::Ref(limen_vm::Ref::NULL);
    assert_eq!(machine.call(domain, "main", &[null]), Ok(Outcome::OutOfFuel));
    assert!(machine.checkpoint().is_ok());

    let kernel = assembled("export fn boot() {\n  forever:\n    jump forever\n}\n");
    let kernel = verify(kernel, Mode::Kernel).expect("the source is good");
    let mut machine = limen_jit::machine(config(EngineKind::Interp, Some(10))).expect("the budget has room");
    let domain = machine.instantiate(&kernel).expect("the budget has room");
    assert_eq!(machine.call(domain, "boot", &[]), Ok(Outcome::OutOfFuel));
    assert_eq!(machine.checkpoint().err(), Some(CheckpointError::Supervisor));
}

#[test]
fn a_machine_must_have_room_for_the_snapshot() {
    let (mut machine, _) = started(&verified(MIXTURE), config(EngineKind::Interp, Some(50)), &mut NoServices);
    let snapshot = machine.checkpoint().expect("it was suspended");
    let budget = Budget { bytes: 1 << 16, ..snapshot.config().budget };
    let refused = limen_jit::restore(Config { budget, ..snapshot.config() }, &snapshot);
    assert_eq!(refused.err(), Some(MachineError::Budget));
}

// ---- Damaged and forged ---------------------------------------------------------------------------------------------

/// A snapshot in mid-recursion.
fn sample() -> Vec<u8> {
    let (mut machine, outcome) = started(&verified(MIXTURE), config(EngineKind::Interp, Some(12)), &mut NoServices);
    assert_eq!(outcome, Outcome::OutOfFuel);
    machine.checkpoint().expect("it was suspended").with_host(b"host".to_vec()).write().expect("its module was read")
}

/// With a checksum that is right.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len().saturating_sub(4);
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes.truncate(end);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Where the payload of a section begins, and its length.
fn section(bytes: &[u8], wanted: u32) -> (usize, usize) {
    let mut at = 6;
    loop {
        let id = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let length = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().expect("eight bytes")) as usize;
        if id == wanted {
            return (at + 12, length);
        }
        at += 12 + length;
    }
}

const CONTEXTS: u32 = 5;

/// If it is a snapshot, runs it within limits under these engines, which must agree; gives whether it was none.
fn is_refused(bytes: &[u8], engines: &[EngineKind]) -> bool {
    let Ok(snapshot) = Snapshot::read(bytes) else { return true };
    assert_eq!(snapshot.write().as_deref(), Ok(bytes), "a snapshot has one form");
    // In live time no two runs of a kernel are the same, and one that sleeps may never wake.
    let lives = snapshot.has_kernel() && snapshot.config().time == Time::Live;
    let engines = if lives { &engines[..1] } else { engines };
    let runs: Vec<_> = engines.iter().map(|engine| limited_run(&snapshot, *engine, lives)).collect();
    assert!(runs.iter().all(|run| *run == runs[0]), "{runs:?}");
    false
}

/// How a run ends that may use little, and the fuel it burns.
fn limited_run(snapshot: &Snapshot, engine: EngineKind, lives: bool) -> Option<(String, u64)> {
    let few = Budget { bytes: 1 << 24, objects: 64, contexts: 4 };
    let budget = if snapshot.has_kernel() { snapshot.config().budget } else { few };
    let deadline = lives.then_some(Duration::from_millis(20));
    let limited = Config { engine, budget, deadline, fuel: Some(3000), ..snapshot.config() };
    let mut machine = limen_jit::restore(limited, snapshot).ok()?;
    let outcome = machine.resume(&mut NoServices).expect("it was suspended");
    Some((format!("{outcome:?}"), machine.fuel_burnt()))
}

static BOTH: [EngineKind; 2] = [EngineKind::Interp, EngineKind::Jit];

#[test]
fn truncated_snapshots_are_refused() {
    let bytes = sample();
    assert!(!is_refused(&bytes, &BOTH));
    for length in 0..bytes.len() {
        assert!(is_refused(&bytes[..length], &BOTH), "{length} bytes");
        assert!(is_refused(&sealed(bytes[..length].to_vec()), &BOTH), "{length} bytes, sealed");
    }
    assert!(is_refused(&sealed([&bytes[..bytes.len() - 4], &[0; 5]].concat()), &BOTH));
}

#[test]
fn damaged_snapshots_are_refused_or_harmless() {
    let (refused, run) = damaged(&sample(), 6000, |_| &BOTH[..]);
    assert!(refused > 500 && run > 500, "{refused} are refused, {run} run");
}

/// References, messages, page states and accounts can be damaged too. Code for all that is seldom made: it takes time.
#[test]
fn damaged_snapshots_of_kernels_are_refused_or_harmless() {
    let engines = |case: usize| if case.is_multiple_of(50) { &BOTH[..] } else { &BOTH[..1] };
    let (refused, run) = damaged(&sample_of_kernel(), 4000, engines);
    assert!(refused > 500 && run > 500, "{refused} are refused, {run} run");
}

/// Damages a snapshot so many times; gives how often it was refused, and how often it ran under the case's engines.
fn damaged(bytes: &[u8], cases: usize, engines: impl Fn(usize) -> &'static [EngineKind]) -> (usize, usize) {
    let mut state = 1_u64;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((state >> 33) as usize) % limit
    };
    let start = section(bytes, 2).0;
    let (mut refused, mut run) = (0, 0);
    for case in 0..cases {
        let mut damaged = bytes.to_vec();
        for _ in 0..=random(3) {
            // Modules have tests of their own; most damage goes into the rest.
            let from = if case % 4 == 0 { 0 } else { start };
            let at = from + random(bytes.len() - from);
            damaged[at] ^= 1 << random(8);
        }
        let by_chance = damaged != bytes && !is_refused(&damaged, &BOTH[..1]);
        assert!(!by_chance, "a checksum is right by chance in case {case}");
        if is_refused(&sealed(damaged), engines(case)) { refused += 1 } else { run += 1 }
    }
    (refused, run)
}

/// A snapshot of a kernel with clients and a server in mid-call.
fn sample_of_kernel() -> Vec<u8> {
    let kernel = built("tests/kernel/traffic.lim", Mode::Kernel);
    let modules =
        ["traffic_client", "traffic_server"].map(|name| built(&format!("tests/kernel/{name}.lim"), Mode::User));
    let mut machine = limen_jit::machine(config(EngineKind::Interp, Some(400))).expect("the budget has room");
    assert_eq!(machine.boot(&kernel, &modules), Ok(Outcome::OutOfFuel));
    machine.checkpoint().expect("it was suspended").write().expect("its modules came from sources")
}

/// Where the first frame of the first context is: behind how many contexts there are, owner, domain, cells, whether it is
/// fresh, its state, and how many frames it has.
fn first_frame(bytes: &[u8]) -> usize {
    section(bytes, CONTEXTS).0 + 4 + 5 + 5 + 4 + 1 + 1 + 4
}

/// Frames that are changed like this are refused, and this is said of them.
#[track_caller]
fn assert_frame_refused(bytes: &[u8], at: usize, with: &[u8], wanted: FrameProblem) {
    let mut forged = bytes.to_vec();
    forged[at..at + with.len()].copy_from_slice(with);
    match Snapshot::read(&sealed(forged)) {
        Err(SnapshotError::Frame { context: 0, frame: 0, problem }) => assert_eq!(problem, wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn forged_frames_are_refused() {
    let bytes = sample();
    let first = first_frame(&bytes);
    let (function, pc, registers) = (first, first + 4, first + 12);
    // `nothing` is the last of the registers of `main`: five, two, two and one.
    // The machine has made one reference, with index 1.
    let reference = (1_u64 << 32 | 2).to_le_bytes();
    assert_frame_refused(&bytes, registers + 9 * 8, &reference, FrameProblem::Reference(9));
    assert_frame_refused(&bytes, registers + 4, &[1], FrameProblem::Wide(0));
    assert_frame_refused(&bytes, function, &[99], FrameProblem::Function(99));
    assert_frame_refused(&bytes, function, &[0], FrameProblem::Registers);
    assert_frame_refused(&bytes, pc, &[0], FrameProblem::NoCall);
    assert_frame_refused(&bytes, pc, &u32::MAX.to_le_bytes(), FrameProblem::NoInstruction);
    assert_frame_refused(&bytes, first - 6, &[1], FrameProblem::NotFresh);
}

#[test]
fn lengths_that_promise_too_much_are_refused() {
    let bytes = sample();
    for id in 1..=7 {
        let length = section(&bytes, id).0 - 8;
        for promised in [u64::MAX, 1 << 40, bytes.len() as u64] {
            let mut forged = bytes.clone();
            forged[length..length + 8].copy_from_slice(&promised.to_le_bytes());
            assert!(matches!(Snapshot::read(&sealed(forged)), Err(SnapshotError::Truncated)));
        }
    }
    let first = first_frame(&bytes);
    for count in [section(&bytes, 3).0, section(&bytes, CONTEXTS).0, first - 4, first + 8] {
        let mut forged = bytes.clone();
        forged[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Snapshot::read(&sealed(forged)).is_err());
    }
}

// ---- The command ----------------------------------------------------------------------------------------------------

/// Prints a line for each of the numbers from 1 to 99, and burns a good deal of fuel between them.
const LINES: &str = "
home 1 max 1
export fn main() -> i32 {
    reg n, tens, ones, at, size, stdout: i32
    reg turns: i64
    stdout = i32.const 1
    size = i32.const 3
  next:
    n = i32.addi n, 1
    turns = i64.const 200000
  wait:
    turns = i64.addi turns, -1
    i64.br_gt_si turns, 0, wait
    tens = i32.const 10
    ones = i32.rem_u n, tens
    tens = i32.div_u n, tens
    tens = i32.addi tens, 48
    ones = i32.addi ones, 48
    i32.store8 [at + 0], tens
    i32.store8 [at + 1], ones
    ones = i32.const 10
    i32.store8 [at + 2], ones
    turns = svc 3(stdout, at, size)
    i32.br_lt_si n, 99, next
    n = i32.const 7
    ret n
}
";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        fs::write(folder.path("lines.lim"), LINES).expect("the folder is writable");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn limen(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("limen starts")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn all_lines() -> String {
    (1..=99).map(|number| format!("{number:02}\n")).collect()
}

#[track_caller]
fn assert_ends(output: &Output, status: i32) {
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_goes_on_in_a_new_process() {
    let folder = Folder::new();
    let keep = ["--checkpoint-every", "1000000", "--checkpoint", "state"];
    let whole = folder.limen(&[&["run"], &keep[..], &["lines.lim"]].concat());
    assert_ends(&whole, 7);
    assert_eq!(text(&whole.stdout), all_lines());
    for engine in ["interp", "jit", "tiered"] {
        let rest = folder.limen(&["resume", "--engine", engine, "state"]);
        assert_ends(&rest, 7);
        let lines = text(&rest.stdout);
        assert!(!lines.is_empty() && lines.len() < 60 && all_lines().ends_with(&lines), "{engine}: {lines}");
    }
}

/// A module of the system.
fn built(path: &str, mode: Mode) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let assembled = limen_assembler::assemble_file(&path, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, mode).expect("the source is good")
}

/// The kernel and its domains, one of which is killed again and again, in virtual time with so much fuel; and how that ends.
fn system(fuel: Option<u64>) -> (Machine, Outcome) {
    let kernel = built("os-services/kernel/kernel.lim", Mode::Kernel);
    let programs = ["kills", "server", "client"].map(|name| built(&format!("tests/system/{name}.lim"), Mode::User));
    let config = Config { engine: EngineKind::Jit, time: Time::Virtual, fuel, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget has room");
    let outcome = machine.boot(&kernel, &programs).expect("the kernel boots");
    (machine, outcome)
}

#[test]
fn a_whole_machine_goes_on_in_a_new_process() {
    let (whole, outcome) = system(None);
    assert_eq!(outcome, Outcome::Halted(0));
    let folder = Folder::new();
    for (part, engine) in [(1, "interp"), (3, "jit"), (5, "tiered"), (7, "jit")] {
        let (mut machine, outcome) = system(Some(whole.fuel_burnt() * part / 8));
        assert_eq!(outcome, Outcome::OutOfFuel);
        let bytes = machine.checkpoint().expect("it was suspended").write().expect("its modules came from sources");
        fs::write(folder.path("state"), bytes).expect("the folder is writable");
        let rest = folder.limen(&["resume", "--stats", "--engine", engine, "state"]);
        assert_ends(&rest, 0);
        let burnt = format!("{} units of fuel burnt", whole.fuel_burnt());
        assert!(text(&rest.stderr).starts_with(&burnt), "{burnt}: {}", text(&rest.stderr));
    }
}

#[test]
fn a_program_goes_on_that_was_killed() {
    let folder = Folder::new();
    let mut command = folder.command(&["run", "--checkpoint-every", "100000", "lines.lim"]);
    let mut killed = command.stdout(Stdio::piped()).spawn().expect("limen starts");
    wait_for(&folder.path("limen.snapshot"));
    killed.kill().expect("it may be killed");
    let mut before = String::new();
    killed.stdout.take().expect("it is piped").read_to_string(&mut before).expect("it is text");
    killed.wait().expect("it was started");
    let rest = folder.limen(&["resume", "limen.snapshot"]);
    assert_ends(&rest, 7);
    let after = text(&rest.stdout);
    assert!(all_lines().starts_with(&before) && all_lines().ends_with(&after), "{before}and then\n{after}");
    assert!(before.len() + after.len() >= all_lines().len(), "{before}and then\n{after}");
}

#[test]
fn a_program_goes_on_again_and_again() {
    let folder = Folder::new();
    let limits = ["--fuel", "3000000", "--checkpoint-every", "700000", "--checkpoint", "state"];
    let mut output = folder.limen(&[&["run", "--virtual-time"], &limits[..], &["lines.lim"]].concat());
    let mut lines = text(&output.stdout);
    while output.status.code() == Some(75) {
        assert!(text(&output.stderr).contains("its fuel is used up"));
        output = folder.limen(&[&["resume"], &limits[..], &["state"]].concat());
        lines.push_str(&text(&output.stdout));
    }
    assert_ends(&output, 7);
    assert_eq!(lines, all_lines());
}

#[test]
fn a_program_that_ran_out_of_time_goes_on() {
    let folder = Folder::new();
    let first = folder.limen(&["run", "--timeout", "0", "--checkpoint-every", "5000000000", "lines.lim"]);
    assert_ends(&first, 75);
    let rest = folder.limen(&["resume", "limen.snapshot"]);
    assert_eq!(text(&first.stdout) + &text(&rest.stdout), all_lines());
}

/// Arguments are kept, files are opened again where they were.
#[test]
fn arguments_and_open_files_are_kept() {
    let folder = Folder::new();
    fs::write(folder.path("input"), "some words to read\n".repeat(40_000)).expect("the folder is writable");
    let whole = folder.limen(&["run", "--dir", ".", "sha256sum", "input"]);
    assert_ends(&whole, 0);
    let stop = ["--fuel", "300000", "--checkpoint-every", "300000"];
    let first = folder.limen(&[&["run", "--dir", "."], &stop[..], &["sha256sum", "input"]].concat());
    assert_ends(&first, 75);
    let without = folder.limen(&["resume", "limen.snapshot"]);
    assert_ends(&without, 1);
    assert!(text(&without.stderr).contains("`input` open"), "{}", text(&without.stderr));
    let rest = folder.limen(&["resume", "--dir", ".", "limen.snapshot"]);
    assert_ends(&rest, 0);
    assert_eq!(text(&rest.stdout), text(&whole.stdout));
}

/// Writes the letters from a to z into a file, each after some turns of a loop.
const LETTERS: &str = "
home 1 max 1
data path { \"out\" }
data letter { \"a\" }
export fn main() {
    reg i, at, size, flags: i32
    reg file, turns: i64
    at = i32.const path
    size = i32.const 3
    flags = i32.const 1
    file = svc 4(at, size, flags)
    size = i32.const 1
  next:
    turns = i64.const 1000
  wait:
    turns = i64.addi turns, -1
    i64.br_gt_si turns, 0, wait
    at = i32.const letter
    turns = svc 3(file, at, size)
    at = i32.const 0
    flags = i32.load8_u [at + letter]
    flags = i32.addi flags, 1
    i32.store8 [at + letter], flags
    i = i32.addi i, 1
    i32.br_lt_si i, 26, next
    ret
}
";

/// What was written into a file stays, and what comes next is written behind it.
#[test]
fn a_file_is_written_to_the_end() {
    let folder = Folder::new();
    fs::write(folder.path("letters.lim"), LETTERS).expect("the folder is writable");
    let stop = ["--fuel", "9000", "--checkpoint-every", "4000"];
    let first = folder.limen(&[&["run", "--dir", "."], &stop[..], &["letters.lim"]].concat());
    assert_ends(&first, 75);
    assert_eq!(fs::read(folder.path("out")).expect("it was written"), b"abcdefgh");
    assert_ends(&folder.limen(&["resume", "--dir", ".", "limen.snapshot"]), 0);
    let alphabet: Vec<u8> = (b'a'..=b'z').collect();
    assert_eq!(fs::read(folder.path("out")).expect("it was written"), alphabet);
}

#[test]
fn other_files_are_no_snapshots() {
    let folder = Folder::new();
    fs::write(folder.path("damaged"), b"LIMS\x01\0 and so forth").expect("the folder is writable");
    for (file, part) in [("lines.lim", "does not begin with `LIMS`"), ("damaged", "damaged"), ("missing", "missing")] {
        let output = folder.limen(&["resume", file]);
        assert_ends(&output, 1);
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
    assert_ends(&folder.limen(&["run", "--checkpoint-every", "0", "lines.lim"]), 2);
    assert_ends(&folder.limen(&["run", "--checkpoint", "state", "lines.lim"]), 2);
    let nowhere = ["run", "--checkpoint-every", "9", "--checkpoint", "no/such/place", "lines.lim"];
    assert_ends(&folder.limen(&nowhere), 1);
}
