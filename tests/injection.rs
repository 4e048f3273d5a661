//! Faults at random: bits flipped in the memory of a server and in that of the kernel, while two clients call the server. The
//! machine is stopped after so many units of fuel, a bit is flipped, and it goes on.
//!
//! A server that is damaged may answer nonsense or fault: its supervisor (`tests/system/injected.lim`) starts it again, and the
//! system goes on. A kernel that is damaged stops with a report, goes on, or comes to no end in the fuel it has; the machine never
//! panics. `LIMEN_INJECTION_CASES` says how many cases there are of each sort, `LIMEN_INJECTION_SEED` the first seed; a failure prints
//! the seed of its case.

use std::collections::BTreeMap;

use limen_isa::module::Module;
use limen_vm::{EngineKind, Machine, Mode, NoServices, Outcome, Time, Verified};

use support::boot::{boot, kernel, machine, module};
use support::random::{self, Random};

mod support {
    pub(crate) mod boot;
    pub(crate) mod random;
}

/// More than the scenario burns however often its server is started again.
const FUEL: u64 = 12_000_000;

/// What is flipped in a domain's data, which lie at the beginning of its memory.
const BITS: usize = 8;
const DATA: usize = 4096;

/// How long an actor's turn is waited for.
const STEPS: usize = 200;
const STEP: u64 = 97;

/// What the first domain writes into its memory, and no other one.
const MARK: &[u8] = &0x5eed_0f7e_57f1_4a11_u64.to_le_bytes();

struct System {
    kernel: Verified<Module>,
    modules: [Verified<Module>; 2],
    /// What an undamaged run burns.
    fuel: u64,
}

impl System {
    fn new() -> Self {
        let scenario = module("tests/system/injected.lim", Mode::User, &[]);
        let modules = [scenario.clone(), scenario];
        let (outcome, fuel) = boot(&modules, EngineKind::Interp, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "without damage all is well");
        Self { kernel: kernel(), modules, fuel }
    }

    /// When damage is done: not in the first tenth of the run, nor in the last.
    fn moment(&self, random: &mut Random) -> u64 {
        self.fuel / 10 + random.next() % (self.fuel * 8 / 10)
    }

    /// Runs until the moment, and on until a domain runs that is neither the kernel's nor the first one; flips bits in its memory.
    fn damaged_actor(&self, engine: EngineKind, random: &mut Random) -> Outcome {
        self.damaged(engine, self.moment(random), |machine| {
            for _ in 0..STEPS {
                if let Some(memory) = actors_memory(machine) {
                    let end = memory.len().min(DATA);
                    (0..BITS).for_each(|_| flip(&mut memory[..end], random));
                    return;
                }
                machine.add_fuel(STEP);
                assert_eq!(machine.resume(&mut NoServices), Ok(Outcome::OutOfFuel), "the run goes on");
            }
            panic!("no actor has its turn");
        })
    }

    /// Runs until the moment, has the machine damaged, and lets it go on; gives how it ended.
    fn damaged(&self, engine: EngineKind, moment: u64, damage: impl FnOnce(&mut Machine)) -> Outcome {
        let mut machine = machine(engine, Time::Virtual, Some(moment));
        let outcome = machine.boot(&self.kernel, &self.modules).expect("the kernel boots");
        assert_eq!(outcome, Outcome::OutOfFuel, "the run goes on");
        damage(&mut machine);
        machine.add_fuel(FUEL);
        machine.resume(&mut NoServices).expect("it was suspended")
    }
}

/// The memory of the domain that runs, if it is an actor's: the first domain alone has begun to count what it started.
fn actors_memory(machine: &mut Machine) -> Option<&mut [u8]> {
    let kernel = machine.kernel_memory()?.as_ptr();
    let domain = machine.suspended()?;
    let memory = machine.memory(domain).ok()?;
    let is_first = memory.windows(MARK.len()).any(|bytes| bytes == MARK);
    (memory.as_ptr() != kernel && !is_first).then_some(memory)
}

fn flip(memory: &mut [u8], random: &mut Random) {
    let place = random.below(memory.len());
    memory[place] ^= 1 << random.below(8);
}

/// Flips a bit of the kernel's in a byte that is in use: in most of its memory there is nothing yet.
fn flip_in_use(memory: &mut [u8], random: &mut Random) {
    let begin = random.below(memory.len());
    let used = (0..memory.len()).map(|step| (begin + step) % memory.len()).find(|place| memory[*place] != 0);
    memory[used.unwrap_or(begin)] ^= 1 << random.below(8);
}

fn print(name: &str, found: &[&'static str]) {
    let mut counts = BTreeMap::new();
    for end in found {
        *counts.entry(end).or_insert(0) += 1;
    }
    println!("{name}: {counts:?}");
}

/// How a run ended in which the kernel was damaged.
fn end_of_kernel(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Halted(0) => "went on",
        Outcome::Halted(_) => "the first domain noticed",
        Outcome::Faulted(_) => "stopped with a report",
        Outcome::Asleep => "stopped, with nobody left to run",
        Outcome::OutOfFuel => "came to no end",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_server_is_started_again() {
    let system = System::new();
    let (_, ends) = random::campaign("servers", "LIMEN_INJECTION", 20, |random| {
        let engine = *random.pick(&EngineKind::ALL);
        let outcome = system.damaged_actor(engine, random);
        assert_eq!(outcome, Outcome::Halted(0), "the system goes on");
        end_of_kernel(&outcome)
    });
    print("servers and clients", &ends);
}

#[test]
fn a_damaged_kernel_stops_or_goes_on() {
    let system = System::new();
    let (_, ends) = random::campaign("kernel", "LIMEN_INJECTION", 20, |random| {
        let engine = *random.pick(&EngineKind::ALL);
        let outcome = system.damaged(engine, system.moment(random), |machine| {
            flip_in_use(machine.kernel_memory().expect("there is a kernel"), random);
        });
        end_of_kernel(&outcome)
    });
    print("the kernel", &ends);
}
