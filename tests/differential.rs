//! Programs made at random that run for a while: whatever runs them, and however often that changes, nobody may be able to
//! tell.
//!
//! `LIMEN_DIFFERENTIAL_CASES` says how many of each sort to try, `LIMEN_DIFFERENTIAL_SEED` with which seed to begin. A
//! failure prints the program and the seed of its case, with which it can be tried alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use limen_assembler::{NoFiles, Options, assemble, disassemble};
use limen_isa::module::Module;
use limen_vm::EngineKind::{Interp, Jit, Tiered};
use limen_vm::{
    Budget, Config, DomainId, EngineKind, Host, Machine, MachineError, Mode, Outcome, SvcCall, SvcOutcome, Time, Value,
    Verified, verify,
};

use support::doors;
use support::generator::{Sort, source};
use support::random::{Random, campaign};
use support::restored::restored;

mod support {
    pub(crate) mod doors;
    pub(crate) mod generator;
    pub(crate) mod random;
    pub(crate) mod restored;
}

/// Answers with words that depend on the question.
struct Oracle;

impl Host for Oracle {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        let mut random = Random(call.word(0) ^ call.word(1).rotate_left(32) ^ u64::from(call.number()));
        call.set_word(0, random.next());
        call.set_word(1, random.next() >> 54);
        SvcOutcome::Continue
    }
}

/// What is run.
enum Subject {
    Program(Verified<Module>),
    /// A kernel and what it loads.
    Kernel(Verified<Module>, Vec<Verified<Module>>),
}

impl Subject {
    fn is_client(&self) -> bool {
        matches!(self, Self::Kernel(_, modules) if !modules.is_empty())
    }

    /// Whether it knows what time it is, which in live time is another in each run.
    fn tells_time(&self) -> bool {
        let modules = match self {
            Self::Program(module) => vec![module],
            Self::Kernel(kernel, modules) => modules.iter().chain([kernel]).collect(),
        };
        modules.into_iter().any(|module| disassemble(module).contains("timer."))
    }
}

/// Where the kernel of clients counts their faults.
const FAULTS: usize = 16;

/// How it is run: with pieces of so much fuel, each under the next engine, perhaps each in a new machine.
#[derive(Clone, Debug)]
struct Way {
    engines: &'static [EngineKind],
    piece: u64,
    restores: bool,
}

/// All that can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: String,
    has_faulted: bool,
    burnt: u64,
    memories: Vec<Vec<u8>>,
}

fn verified(source: &str, mode: Mode) -> Verified<Module> {
    let assembled = assemble("random.lim", source, &NoFiles, Options::default());
    let module = assembled.unwrap_or_else(|errors| panic!("{errors}")).module;
    verify(module, mode).unwrap_or_else(|error| panic!("{error}"))
}

impl Way {
    const fn new(engines: &'static [EngineKind], piece: u64) -> Self {
        Self { engines, piece, restores: false }
    }

    /// Runs the subject, a program several times with what it left in its home; each time until it ends or so much fuel is
    /// burnt.
    fn run(&self, subject: &Subject, fuel: u64) -> Seen {
        let mut run = Running::new(self);
        let mut outcomes = Vec::new();
        match subject {
            Subject::Kernel(kernel, modules) => {
                run.grant(fuel);
                let outcome = run.machine.boot(kernel, modules).expect("it has an entry");
                outcomes.push(Ok(run.finish(outcome, fuel)));
            }
            Subject::Program(module) => {
                run.domain = run.machine.instantiate(module).ok();
                for limit in (1..=CALLS).map(|call| call * fuel) {
                    run.grant(limit);
                    let domain = run.domain.expect("the budget allows a domain");
                    let called = run.machine.call_with(&mut Oracle, domain, "main", &[]);
                    outcomes.push(called.map(|outcome| run.finish(outcome, limit)));
                }
            }
        }
        run.seen(&outcomes, subject.is_client())
    }
}

/// Runs a subject that ends, in live time and without a limit of fuel, where compiled code does not count. Another thread stops
/// it again and again, wherever it is; then it goes on under the next engine.
fn run_live(subject: &Subject, engines: &'static [EngineKind]) -> Seen {
    let mut run = Running::live(engines);
    let (handle, done) = (run.machine.stop_handle(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                handle.stop();
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let mut outcomes = Vec::new();
        match subject {
            Subject::Kernel(kernel, modules) => {
                let outcome = run.machine.boot(kernel, modules).expect("it has an entry");
                outcomes.push(Ok(run.finish_live(outcome)));
            }
            Subject::Program(module) => {
                let domain = run.machine.instantiate(module).expect("the budget allows a domain");
                run.domain = Some(domain);
                for _ in 0..CALLS {
                    let called = run.machine.call_with(&mut Oracle, domain, "main", &[]);
                    outcomes.push(called.map(|outcome| run.finish_live(outcome)));
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        run.seen(&outcomes, subject.is_client())
    })
}

/// A run on its way.
struct Running<'a> {
    /// In live time there are no pieces.
    way: Option<&'a Way>,
    engines: std::iter::Cycle<std::slice::Iter<'static, EngineKind>>,
    machine: Machine,
    /// The fuel that the machine was given in all.
    granted: u64,
    domain: Option<DomainId>,
}

impl<'a> Running<'a> {
    fn new(way: &'a Way) -> Self {
        Self::with(way.engines, Time::Virtual, Some(way))
    }

    fn live(engines: &'static [EngineKind]) -> Self {
        Self::with(engines, Time::Live, None)
    }

    fn with(engines: &'static [EngineKind], time: Time, way: Option<&'a Way>) -> Self {
        let mut engines = engines.iter().cycle();
        let engine = engines.next().copied().unwrap_or_default();
        let budget = Budget { bytes: 4 << 20, objects: 100, contexts: 8 };
        let config = Config { engine, time, budget, stack_cells: 8192, fuel: way.map(|_| 0), ..Config::default() };
        let machine = limen_jit::machine(config).expect("the budget allows a machine");
        Self { way, engines, machine, granted: 0, domain: None }
    }

    /// Gives the machine fuel for another piece, but no more than `limit` in all.
    fn grant(&mut self, limit: u64) {
        let piece = self.way.map_or(0, |way| way.piece).min(limit - self.granted);
        self.machine.add_fuel(piece);
        self.granted += piece;
    }

    /// Goes on until it ends or so much fuel is burnt in all.
    fn finish(&mut self, begun: Outcome, limit: u64) -> Outcome {
        let mut outcome = begun;
        while outcome == Outcome::OutOfFuel && self.granted < limit {
            let engine = self.engines.next().copied().unwrap_or_default();
            if self.way.is_some_and(|way| way.restores) {
                self.machine = restored(&mut self.machine, engine);
                self.domain = self.machine.domains().first().copied();
            }
            self.grant(limit);
            self.machine.set_engine(None, engine).expect("all domains are meant");
            outcome = self.machine.resume(&mut Oracle).expect("it was suspended");
        }
        outcome
    }

    /// Goes on until it ends, whenever it is stopped.
    fn finish_live(&mut self, begun: Outcome) -> Outcome {
        let mut outcome = begun;
        while outcome == Outcome::Stopped {
            let engine = self.engines.next().copied().unwrap_or_default();
            self.machine.set_engine(None, engine).expect("all domains are meant");
            outcome = self.machine.resume(&mut Oracle).expect("it was suspended");
        }
        outcome
    }

    /// All that can be seen of it. A program that has taken all the memory cannot be called again, on no engine.
    fn seen(mut self, outcomes: &[Result<Outcome, MachineError>], is_client: bool) -> Seen {
        let domains: Vec<_> = self.domain.into_iter().chain(self.machine.suspended()).collect();
        let home = |domain| self.machine.memory(domain).expect("it is there").to_vec();
        let mut memories: Vec<Vec<u8>> = domains.into_iter().map(home).collect();
        memories.extend(self.machine.kernel_memory().map(|memory| memory.to_vec()));
        let client_has = is_client && memories.last().is_some_and(|kernel| kernel[FAULTS] > 0);
        Seen {
            outcome: outcomes.iter().map(shown).collect::<Vec<_>>().join("; "),
            has_faulted: client_has || outcomes.iter().any(|outcome| matches!(outcome, Ok(Outcome::Faulted(_)))),
            burnt: self.machine.fuel_burnt(),
            memories,
        }
    }
}

/// So often a program is called.
const CALLS: u64 = 3;

/// An outcome with the bits of its values.
fn shown(outcome: &Result<Outcome, MachineError>) -> String {
    let bits = |value: &Value| match value {
        Value::F32(value) => format!("{:#x}", value.to_bits()),
        Value::F64(value) => format!("{:#x}", value.to_bits()),
        other => format!("{other:?}"),
    };
    match outcome {
        Ok(Outcome::Returned(values)) => values.iter().map(bits).collect::<Vec<_>>().join(", "),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

/// Runs the subject in some of all ways; gives what all of them come to.
fn same_in_some_ways(subject: &Subject, text: &str, fuel: u64, random: &mut Random) -> Seen {
    let whole = Way::new(&[Interp], fuel).run(subject, fuel);
    let most = 1 + fuel / 3_000;
    let mut ways = vec![
        Way::new(&[Jit], fuel),
        Way::new(&[Jit], 1 + fuel / 40),
        Way::new(&[Tiered], fuel),
        Way::new(&[Interp, Jit], most),
        Way::new(&[Jit, Interp], 7 * most),
        Way::new(&[Jit, Interp, Tiered], 100 * most),
    ];
    ways.push(Way { engines: &[Jit, Interp], piece: 1 + whole.burnt / 5, restores: true });
    if !whole.outcome.contains("OutOfFuel") && random.below(LIVE) == 0 && !subject.tells_time() {
        let engines: [&[EngineKind]; 3] = [&[Jit], &[Tiered, Interp], &[Jit, Interp]];
        let seen = run_live(subject, engines[random.below(engines.len())]);
        let same = (&seen.outcome, &seen.memories) == (&whole.outcome, &whole.memories);
        assert!(same, "{text}\nin live time: {}", difference(&seen, &whole));
    }
    // Making code is what takes time, and each way makes its own.
    for _ in 0..WAYS {
        let way = ways.swap_remove(random.below(ways.len()));
        let seen = way.run(subject, fuel);
        assert!(seen == whole, "{text}\n{way:?} with {fuel} units: {}", difference(&seen, &whole));
    }
    whole
}

/// One case of so many is run in live time too, if nothing in it can tell.
const LIVE: usize = 2;

/// In so many ways each case is run, beside the one that all are compared with.
const WAYS: usize = 2;

/// Where two runs differ, for a person.
fn difference(seen: &Seen, whole: &Seen) -> String {
    let mut text =
        format!("{}, {} burnt\ninstead of {}, {} burnt", seen.outcome, seen.burnt, whole.outcome, whole.burnt);
    for (number, (one, other)) in seen.memories.iter().zip(&whole.memories).enumerate() {
        if let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) {
            text.push_str(&format!("\nmemory {number} differs at {at:#x}: {:#x} and {:#x}", one[at], other[at]));
        }
    }
    text
}

/// What a campaign wants to know of a case.
struct Case {
    burnt: u64,
    has_faulted: bool,
    has_loops: bool,
}

/// Limits of the shares, in percent, that keep a campaign from testing nothing.
struct Shares {
    ran: usize,
    faulted_at_most: usize,
}

/// Makes subjects, each with its source, and runs each in some of all ways.
fn differential(name: &str, cases: u64, shares: &Shares, make: impl Fn(&mut Random) -> (Subject, String)) {
    let (_, found) = campaign(name, "LIMEN_DIFFERENTIAL", cases, |random| {
        // Long runs are for what is compiled in the background.
        let fuel = if random.below(24) == 0 { 60_000 } else { 3_000 };
        let (subject, text) = make(random);
        let seen = same_in_some_ways(&subject, &text, fuel, random);
        let has_loops = text.contains("c0 = i32.addi") || text.contains("jump again");
        Case { burnt: seen.burnt, has_faulted: seen.has_faulted, has_loops }
    });
    let share = |is: &dyn Fn(&Case) -> bool| found.iter().filter(|case| is(case)).count() * 100 / found.len().max(1);
    let (ran, faulted, loops) =
        (share(&|case| case.burnt >= 50), share(&|case| case.has_faulted), share(&|case| case.has_loops));
    let burnt: u64 = found.iter().map(|case| case.burnt).sum();
    println!("{name}: {ran} % ran for a while, {faulted} % faulted, {loops} % have loops; {burnt} units in all");
    let is_fair = ran >= shares.ran && (1..=shares.faulted_at_most).contains(&faulted) && loops >= 50;
    assert!(is_fair || found.len() < 200, "{name}: these programs test too little");
}

#[test]
fn programs() {
    let shares = Shares { ran: 50, faulted_at_most: 60 };
    differential("programs", 300, &shares, |random| {
        let text = source(random, Sort::Program);
        (Subject::Program(verified(&text, Mode::User)), text)
    });
}

#[test]
fn supervisors() {
    let shares = Shares { ran: 50, faulted_at_most: 60 };
    differential("supervisors", 300, &shares, |random| {
        let text = source(random, Sort::Supervisor);
        (Subject::Kernel(verified(&text, Mode::Kernel), Vec::new()), text)
    });
}

#[test]
fn clients() {
    let kernels = Kernels::default();
    let shares = Shares { ran: 90, faulted_at_most: 99 };
    differential("clients", 300, &shares, |random| {
        let text = source(random, Sort::Client);
        let kernel = kernels.get(random.below(64) as u64, *random.pick(&[20, 50, 211, 1009]));
        (Subject::Kernel(kernel, vec![verified(&text, Mode::User)]), text)
    });
}

/// Kernels for clients, by their seed and period. Each is used again, with the code that was made of it: most of the time would
/// go into making that.
#[derive(Default)]
struct Kernels(RefCell<HashMap<(u64, u32), Verified<Module>>>);

impl Kernels {
    fn get(&self, seed: u64, period: u32) -> Verified<Module> {
        let make = || {
            let source = include_str!("kernel/restless.lim")
                .replace("const SEED = 0 ", &format!("const SEED = {:#x} ", Random(seed).next()))
                .replace("const PERIOD = 50 ", &format!("const PERIOD = {period} "));
            verified(&source, Mode::Kernel)
        };
        self.0.borrow_mut().entry((seed, period)).or_insert_with(make).clone()
    }
}

#[test]
fn doors_of_a_kernel() {
    let shares = Shares { ran: 50, faulted_at_most: 70 };
    differential("doors", 300, &shares, |random| {
        let (kernel, client) = (doors::kernel(random), doors::client(random));
        let subject = Subject::Kernel(verified(&kernel, Mode::Kernel), vec![verified(&client, Mode::User)]);
        (subject, kernel + &client)
    });
}
