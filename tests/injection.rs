//! Faults at random, in a server and its clients, and in the kernel, while the clients call the server: bits flipped in memory
//! and in registers, and instructions skipped or done twice. The machine is stopped after so many units of fuel, damage is
//! done, and it goes on.
//!
//! A server that is damaged may answer nonsense or fault: its supervisor (`tests/system/injected.lim`) starts it again, and the
//! system goes on. A kernel that is damaged goes on, or stops with a report: if it goes in circles, the machine stops it. The
//! machine never panics. `LIMEN_INJECTION_CASES` says how many cases there are of each sort, `LIMEN_INJECTION_SEED` the first
//! seed; a failure prints its own: `LIMEN_INJECTION_CASES=1 LIMEN_INJECTION_SEED=N cargo test --test injection NAME` repeats it.

// By their paths: a folder with this file's name is there, too.
#[path = "support/boot.rs"]
mod booting;
#[path = "injection/code.rs"]
mod code;
#[path = "injection/frozen.rs"]
mod frozen;
#[path = "support/random.rs"]
mod random;
#[path = "support/sections.rs"]
mod sections;

use std::collections::BTreeMap;

use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, Time, Verified};

use booting::{boot, kernel, module};
use code::Slip;
use frozen::Frozen;
use random::Random;

/// More than the scenario burns however often its server is started again.
const FUEL: u64 = 12_000_000;

/// More than an entry of the kernel burns.
const KERNEL_FUEL: u64 = 1_000_000;

/// What is flipped in a domain's data, which lie at the beginning of its memory.
const BITS: usize = 8;
const DATA: usize = 4096;

/// How long the turn of whom damage is done to is waited for.
const STEPS: usize = 400;
const STEP: u64 = 97;

/// How long an instruction is another one at most.
const SLIP: u64 = 300;

/// What the first domain writes into its memory, and no other one.
const MARK: &[u8] = &0x5eed_0f7e_57f1_4a11_u64.to_le_bytes();

/// To whom damage is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// A server or a client.
    Actor,
    Kernel,
}

struct System {
    kernel: Verified<Module>,
    modules: [Verified<Module>; 2],
    /// What an undamaged run burns.
    fuel: u64,
}

impl System {
    fn new() -> Self {
        let scenario = |patience| module("tests/system/injected.lim", Mode::User, &[("PATIENCE", patience)]);
        // They differ, so that damage to the code of the one is none to the first domain's.
        let modules = [scenario(4000), scenario(4001)];
        let (outcome, fuel) = boot(&modules, EngineKind::Interp, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "without damage all is well");
        Self { kernel: kernel(), modules, fuel }
    }

    /// When damage is done: not in the first tenth of the run, nor in the last.
    fn moment(&self, random: &mut Random) -> u64 {
        self.fuel / 10 + random.next() % (self.fuel * 8 / 10)
    }

    /// A machine that has come to a moment at which the victim runs.
    fn stopped_at(&self, victim: Victim, engine: EngineKind, random: &mut Random) -> Machine {
        let moment = Some(self.moment(random));
        let config = Config { engine, time: Time::Virtual, fuel: moment, ..config() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot(&self.kernel, &self.modules).expect("the kernel boots");
        assert_eq!(outcome, Outcome::OutOfFuel, "the run goes on");
        for _ in 0..STEPS {
            if memory_of(victim, &mut machine).is_some() {
                return machine;
            }
            machine.add_fuel(STEP);
            assert_eq!(machine.resume(&mut NoServices), Ok(Outcome::OutOfFuel), "the run goes on");
        }
        panic!("it does not have its turn");
    }
}

fn config() -> Config {
    Config { kernel_fuel: Some(KERNEL_FUEL), ..Config::default() }
}

/// The memory of the domain that runs, if it is the victim's: of all but the kernel, the first domain alone has begun to count
/// what it started.
fn memory_of(victim: Victim, machine: &mut Machine) -> Option<&mut [u8]> {
    let kernel = machine.kernel_memory()?.as_ptr();
    let domain = machine.suspended()?;
    let memory = machine.memory(domain).ok()?;
    let is_kernel = memory.as_ptr() == kernel;
    let is_first = !is_kernel && memory.windows(MARK.len()).any(|bytes| bytes == MARK);
    (is_kernel == (victim == Victim::Kernel) && !is_first).then_some(memory)
}

/// How a run ended.
#[derive(Debug)]
enum End {
    Of(Outcome),
    /// It did not, in the fuel that it has: the actors go on, but nobody looks at them any more.
    WithoutTheFirst,
}

/// Lets a machine go on to its end.
fn end(mut machine: Machine) -> End {
    machine.add_fuel(FUEL);
    let outcome = machine.resume(&mut NoServices).expect("it was suspended");
    if outcome == Outcome::OutOfFuel && goes_on(&mut machine) { End::WithoutTheFirst } else { End::Of(outcome) }
}

/// Whether actors have their turns.
fn goes_on(machine: &mut Machine) -> bool {
    (0..STEPS).any(|_| {
        machine.add_fuel(STEP);
        machine.resume(&mut NoServices) == Ok(Outcome::OutOfFuel) && memory_of(Victim::Actor, machine).is_some()
    })
}

/// A machine that goes on from a damaged snapshot.
fn thawed(frozen: &Frozen, engine: EngineKind) -> Option<Machine> {
    let snapshot = frozen.thawed()?;
    let config = Config { engine, fuel: Some(0), kernel_fuel: Some(KERNEL_FUEL), ..snapshot.config() };
    limen_jit::restore(config, &snapshot).ok()
}

/// Whether registers and code are those of compiled code makes no difference once they are in a snapshot, and compiling all
/// anew for each case takes long.
fn engine_of_snapshot(random: &mut Random) -> EngineKind {
    *random.pick(&[EngineKind::Interp, EngineKind::Interp, EngineKind::Interp, EngineKind::Tiered])
}

// ---- Damage ----------------------------------------------------------------------------------------------------------------

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

/// Bits in memory.
fn memory(system: &System, victim: Victim, random: &mut Random) -> End {
    let engine = *random.pick(&EngineKind::ALL);
    let mut machine = system.stopped_at(victim, engine, random);
    let memory = memory_of(victim, &mut machine).expect("it was waited for");
    match victim {
        Victim::Kernel => flip_in_use(memory, random),
        Victim::Actor => {
            let end = memory.len().min(DATA);
            (0..BITS).for_each(|_| flip(&mut memory[..end], random));
        }
    }
    end(machine)
}

/// A bit in a register of one of the innermost frames. No bit makes a reference of what is none: where a register cannot hold
/// what comes of it, another one is taken.
fn register(system: &System, victim: Victim, random: &mut Random) -> End {
    const INNERMOST: usize = 3;
    const TRIES: usize = 200;
    let engine = engine_of_snapshot(random);
    let mut machine = system.stopped_at(victim, engine, random);
    let mut frozen = Frozen::of(&mut machine).expect("it can be captured");
    let frames = frozen.frames();
    for _ in 0..TRIES {
        let frame = &frames[frames.len() - 1 - random.below(frames.len().min(INNERMOST))];
        if frame.registers.is_empty() {
            continue;
        }
        let (place, bit) = (frame.registers.start + random.below(frame.registers.len()), 1 << random.below(8));
        frozen.contexts_mut()[place] ^= bit;
        if let Some(machine) = thawed(&frozen, engine) {
            return end(machine);
        }
        frozen.contexts_mut()[place] ^= bit;
    }
    panic!("no register can be damaged");
}

/// One of the next instructions, which is skipped or done twice for a little while.
fn slip(system: &System, victim: Victim, slip: Slip, random: &mut Random) -> End {
    const NEXT: usize = 24;
    let engine = engine_of_snapshot(random);
    loop {
        let mut machine = system.stopped_at(victim, engine, random);
        let mut frozen = Frozen::of(&mut machine).expect("it can be captured");
        let (number, frames) = (frozen.module_number(), frozen.frames());
        let frame = &frames[frames.len() - 1];
        let module = frozen.module(number);
        let mut places = code::places(&module, frame.function, frame.pc, slip);
        places.truncate(NEXT);
        if places.is_empty() {
            continue;
        }
        frozen.set_module(number, &code::slipped(&module, frame.function, *random.pick(&places), slip));
        // What the verifier refuses, no machine has.
        if let Some(machine) = thawed(&frozen, engine) {
            return end_with(machine, (number, &module), 1 + random.next() % SLIP);
        }
    }
}

/// Lets a machine go on for a little while, and then to its end with another module.
fn end_with(mut machine: Machine, (number, module): (usize, &Module), fuel: u64) -> End {
    machine.add_fuel(fuel);
    loop {
        let outcome = machine.resume(&mut NoServices).expect("it was suspended");
        if outcome != Outcome::OutOfFuel || machine.fuel_burnt() > FUEL {
            return End::Of(outcome);
        }
        let mut frozen = Frozen::of(&mut machine).expect("it can be captured");
        frozen.set_module(number, module);
        if let Some(machine) = thawed(&frozen, EngineKind::Interp) {
            return end(machine);
        }
        // Somebody stands at what is not in that module.
        machine.add_fuel(1);
    }
}

// ---- What comes of it ------------------------------------------------------------------------------------------------------

/// Does damage again and again, and prints what came of it. The name is that of the test, which repeats a case of its own.
fn campaign(name: &str, damage: impl Fn(&mut Random) -> End, kind: impl Fn(&End) -> &'static str) {
    let (_, ends) = random::campaign(name, "LIMEN_INJECTION", 12, |random| {
        let Random(seed) = *random;
        let end = kind(&damage(random));
        if UNNOTICED.contains(&end) {
            println!("{name}: LIMEN_INJECTION_CASES=1 LIMEN_INJECTION_SEED={seed} {end}");
        }
        end
    });
    let mut counts = BTreeMap::new();
    for end in ends {
        *counts.entry(end).or_insert(0) += 1;
    }
    println!("{name}: {counts:?}");
}

/// Whatever was done to an actor, the system goes on.
fn end_of_actors(end: &End) -> &'static str {
    assert!(matches!(end, End::Of(Outcome::Halted(0))), "the system does not go on: {end:?}");
    "contained"
}

/// Ends of damage that nobody has noticed, and that somebody suffers from: these cases are named.
const UNNOTICED: [&str; 2] = ["came to no end", "went on without the first domain"];

/// Whatever was done to the kernel, it does not fall asleep for ever without a word.
fn end_of_kernel(end: &End) -> &'static str {
    match end {
        End::Of(Outcome::Halted(0)) => "went on",
        End::Of(Outcome::Halted(_)) => "the first domain noticed",
        End::Of(Outcome::Faulted(_)) => "stopped with a report",
        End::Of(Outcome::Stuck(_)) => "went in circles and was stopped with a report",
        End::Of(Outcome::OutOfFuel) => UNNOTICED[0],
        End::WithoutTheFirst => UNNOTICED[1],
        End::Of(other) => panic!("{other:?}"),
    }
}

#[test]
fn actors_with_damaged_memory_are_contained() {
    let system = System::new();
    campaign(
        "actors_with_damaged_memory_are_contained",
        |random| memory(&system, Victim::Actor, random),
        end_of_actors,
    );
}

#[test]
fn actors_with_damaged_registers_are_contained() {
    let system = System::new();
    campaign(
        "actors_with_damaged_registers_are_contained",
        |random| register(&system, Victim::Actor, random),
        end_of_actors,
    );
}

#[test]
fn actors_that_skip_an_instruction_are_contained() {
    let system = System::new();
    campaign(
        "actors_that_skip_an_instruction_are_contained",
        |random| slip(&system, Victim::Actor, Slip::Skipped, random),
        end_of_actors,
    );
}

#[test]
fn actors_that_repeat_an_instruction_are_contained() {
    let system = System::new();
    campaign(
        "actors_that_repeat_an_instruction_are_contained",
        |random| slip(&system, Victim::Actor, Slip::Repeated, random),
        end_of_actors,
    );
}

#[test]
fn a_kernel_with_damaged_memory_stops_or_goes_on() {
    let system = System::new();
    campaign(
        "a_kernel_with_damaged_memory_stops_or_goes_on",
        |random| memory(&system, Victim::Kernel, random),
        end_of_kernel,
    );
}

#[test]
fn a_kernel_with_damaged_registers_stops_or_goes_on() {
    let system = System::new();
    campaign(
        "a_kernel_with_damaged_registers_stops_or_goes_on",
        |random| register(&system, Victim::Kernel, random),
        end_of_kernel,
    );
}

#[test]
fn a_kernel_that_skips_an_instruction_stops_or_goes_on() {
    let system = System::new();
    campaign(
        "a_kernel_that_skips_an_instruction_stops_or_goes_on",
        |random| slip(&system, Victim::Kernel, Slip::Skipped, random),
        end_of_kernel,
    );
}

#[test]
fn a_kernel_that_repeats_an_instruction_stops_or_goes_on() {
    let system = System::new();
    campaign(
        "a_kernel_that_repeats_an_instruction_stops_or_goes_on",
        |random| slip(&system, Victim::Kernel, Slip::Repeated, random),
        end_of_kernel,
    );
}
