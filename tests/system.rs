//! The kernel with domains that talk, fail and are replaced: all of it bytecode, on every engine.

// By their paths: a folder with this file's name is there, too.
#[path = "support/aged.rs"]
mod aged;
#[path = "support/boot.rs"]
mod boot;
#[path = "support/checked.rs"]
mod checked;
#[path = "support/restored.rs"]
mod restored;
#[path = "support/sections.rs"]
mod sections;

use std::env;

use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, Snapshot, Time, Verified};

use aged::{Aged, aged};
use boot::{Settings, boot, boot_kernel, kernel, machine, module};
use checked::checked_kernel;
use restored::{restored, to_the_end};

/// The scenarios lie in `tests/system`; `services/NAME` is a service of the system.
fn program(name: &str, settings: Settings) -> Verified<Module> {
    match name.strip_prefix("services/") {
        Some(service) => module(&format!("os-services/services/{service}.lim"), Mode::User, settings),
        None => module(&format!("tests/system/{name}.lim"), Mode::User, settings),
    }
}

/// Programs, with settings for the first one.
fn modules(programs: &[&str], settings: Settings) -> Vec<Verified<Module>> {
    let settings_of = |index| if index == 0 { settings } else { &[] };
    programs.iter().enumerate().map(|(index, name)| program(name, settings_of(index))).collect()
}

/// Boots on every engine in both sorts of time; in virtual time all must burn the same. And once with the kernel that looks.
fn boots_well(programs: &[&str], settings: Settings) {
    let (modules, mut burnt) = (modules(programs, settings), None);
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(&modules, engine, Time::Live);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}", engine.name());
        let (outcome, fuel) = boot(&modules, engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, {}, virtual time", engine.name());
        assert_eq!(*burnt.get_or_insert(fuel), fuel, "{programs:?}, {}", engine.name());
    }
    let (outcome, _) = boot_kernel(&checked_kernel(), &modules, EngineKind::Tiered, Time::Virtual);
    assert_eq!(outcome, Outcome::Halted(0), "{programs:?}, by what is looked at");
}

fn knob(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

/// The same in new machines that have nothing but snapshots, at every n-th safepoint, but in no more than
/// `LIMEN_SYSTEM_MACHINES`.
fn goes_on_well(programs: &[&str], settings: Settings) {
    let modules = modules(programs, settings);
    let (_, whole) = boot(&modules, EngineKind::Interp, Time::Virtual);
    let most = knob("LIMEN_SYSTEM_MACHINES", 12);
    for piece in [1, 7, 1000] {
        let piece = piece.max(whole / most);
        let mut machine = machine(EngineKind::Tiered, Time::Virtual, Some(piece));
        let outcome = machine.boot(&kernel(), &modules).expect("the kernel boots");
        let engines = [EngineKind::Jit, EngineKind::Interp];
        let (machine, outcome) = to_the_end(machine, outcome, &engines, (piece, most));
        assert_eq!((outcome, machine.fuel_burnt()), (Outcome::Halted(0), whole), "{programs:?}, pieces of {piece}");
    }
}

#[test]
fn the_system_goes_on_in_new_machines() {
    goes_on_well(&["talk", "server"], &[]);
    goes_on_well(&["kills", "server", "client"], &[]);
}

#[test]
fn domains_call_each_other() {
    boots_well(&["talk", "server"], &[]);
}

#[test]
fn a_server_is_killed_under_load() {
    boots_well(&["kills", "server", "client"], &[]);
}

#[test]
fn calls_lie_within_each_other_as_deep_as_they_may() {
    boots_well(&["chain", "chain"], &[]);
}

/// `LIMEN_STORM_ROUNDS` kills, at times that follow from `LIMEN_STORM_SEED`.
#[test]
fn the_store_loses_no_write_that_it_acknowledged() {
    let (rounds, seed) = (knob("LIMEN_STORM_ROUNDS", 50), knob("LIMEN_STORM_SEED", 1));
    println!("LIMEN_STORM_ROUNDS={rounds} LIMEN_STORM_SEED={seed}");
    boots_well(&["storm", "services/store", "keeper"], &[("ROUNDS", rounds), ("SEED", seed)]);
}

/// A new machine with what this one is suspended with, in which the views that are lent have few generations left; and how many
/// entries are used up.
fn worn(machine: &mut Machine, engine: EngineKind) -> (Machine, u32) {
    let bytes = machine.checkpoint().expect("it was suspended").write().expect("its modules came from sources");
    let Aged { bytes, used_up } = aged(&bytes, 3);
    let snapshot = Snapshot::read(&bytes).unwrap_or_else(|error| panic!("a snapshot with older views: {error}"));
    let config = Config { engine, fuel: Some(0), ..snapshot.config() };
    (limen_jit::restore(config, &snapshot).expect("the budget is as it was"), used_up)
}

/// Where the generations of an entry are used up, another one takes its place, and nobody sees that.
#[test]
fn lends_go_on_in_other_entries() {
    let modules = modules(&["hostile/worn"; 2], &[]);
    let (outcome, whole) = boot(&modules, EngineKind::Interp, Time::Virtual);
    assert_eq!(outcome, Outcome::Halted(0));
    for engine in EngineKind::ALL {
        let piece = whole / 50;
        let mut machine = machine(engine, Time::Virtual, Some(piece));
        let (mut outcome, mut used_up) = (machine.boot(&kernel(), &modules).expect("the kernel boots"), 0);
        while outcome == Outcome::OutOfFuel {
            (machine, used_up) = worn(&mut machine, engine);
            machine.add_fuel(piece);
            outcome = machine.resume(&mut NoServices).expect("it was suspended");
        }
        assert_eq!((outcome, machine.fuel_burnt()), (Outcome::Halted(0), whole), "{}", engine.name());
        assert!(used_up > 20, "{used_up} entries were used up, {}", engine.name());
    }
}

/// All that many services were given comes back when their accounts are closed.
#[test]
fn many_services_wait_at_once() {
    for is_passive in [0, 1] {
        boots_well(&["many", "idle"], &[("COUNT", knob("LIMEN_SERVICES", 500)), ("PASSIVE", is_passive)]);
    }
}

/// A thread that all others make way for is late by no more than what one entry of the kernel, and one step of what it does in
/// steps, burn: in virtual time that is a number.
#[test]
fn a_thread_of_the_highest_level_is_not_late() {
    const MOST: u64 = 20_000;
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(&modules(&["late", "late"], &[("MOST", MOST)]), engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

/// What a thread has left over of a call that it once had does not make its own calls dearer: in virtual time that is a number.
#[test]
fn who_was_deep_within_calls_calls_as_before() {
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(&modules(&["deep", "deep"], &[]), engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

/// What changes nothing that a call hangs on leaves it known to the kernel: in virtual time what it takes is a number.
#[test]
fn what_leaves_a_call_known() {
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(&modules(&["again", "again"], &[]), engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

/// A machine goes on from snapshots that were taken between any two steps of a caller and its server, also while a call is under
/// way of which nothing is in the kernel's records.
#[test]
fn calls_that_are_under_way_go_on_in_new_machines() {
    const SNAPSHOTS: usize = 24;
    let contended = program("contended", &[("COUNT", 1), ("ROUNDS", 2000)]);
    let modules = [contended.clone(), contended];
    for kernel in [kernel(), checked_kernel()] {
        let (_, whole) = boot_kernel(&kernel, &modules, EngineKind::Interp, Time::Virtual);
        let mut machine = machine(EngineKind::Tiered, Time::Virtual, Some(whole / 2));
        let mut outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
        let mut who = Vec::new();
        for engine in EngineKind::ALL.into_iter().cycle().take(SNAPSHOTS) {
            assert_eq!(outcome, Outcome::OutOfFuel, "the run goes on");
            who.push(machine.suspended());
            machine = restored(&mut machine, engine);
            machine.add_fuel(1);
            outcome = machine.resume(&mut NoServices).expect("it was suspended");
        }
        assert!(who.iter().any(|domain| *domain != who[0]), "the caller and the server were suspended");
        machine.add_fuel(whole);
        outcome = machine.resume(&mut NoServices).expect("it was suspended");
        assert_eq!((outcome, machine.fuel_burnt()), (Outcome::Halted(0), whole));
    }
}

/// Clients that contend for one server have as much of it as each other: in turns where it answers at once, and else one by one.
/// In turns there are as many rounds as go into about five turns for each client.
#[test]
fn clients_of_one_server_have_equal_shares() {
    let in_turns = [("BUSY", 0), ("COUNT", 4), ("ROUNDS", 3_000_000), ("FAIR", 800)];
    let one_by_one = [("BUSY", 1), ("COUNT", 16), ("ROUNDS", 20_000), ("FAIR", 990)];
    for settings in [in_turns, one_by_one] {
        let contended = program("contended", &settings);
        for engine in EngineKind::ALL {
            let (outcome, _) = boot(&[contended.clone(), contended.clone()], engine, Time::Virtual);
            assert_eq!(outcome, Outcome::Halted(0), "{settings:?}, {}", engine.name());
        }
    }
}
