//! Programs of the structured notation that are made at random come to the same result, or stop at the same check in the same
//! place, whether their code was improved or not and whatever engine runs them.
//!
//! `LIMEN_LANGUAGE_CASES` says how many to try, `LIMEN_LANGUAGE_SEED` with which seed to begin. A failure prints the program
//! and the seed of its case.

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_vm::EngineKind::{Interp, Jit, Tiered};
use limen_vm::{Config, EngineKind, Host, Machine, Mode, Outcome, SvcCall, SvcOutcome, Verified, verify};

use support::random::campaign;
use support::sentences::program;

mod support {
    pub(crate) mod random;
    pub(crate) mod sentences;
}

/// Nobody is asked anything.
struct Silent;

impl Host for Silent {
    fn svc(&mut self, _call: &mut SvcCall<'_>) -> SvcOutcome {
        SvcOutcome::Continue
    }
}

/// More than any of the programs burns.
const FUEL: u64 = 20_000_000;

/// The module of a program; `None` where constants in it turn out not to fit their types, which is found while compiling.
fn assembled(source: &str, unoptimised: bool) -> Option<Verified<Module>> {
    let assembled = assemble("random.lim", source, &NoFiles, Options { unoptimised, ..Options::default() });
    match assembled {
        Ok(assembled) => Some(verify(assembled.module, Mode::User).unwrap_or_else(|error| panic!("{error}\n{source}"))),
        Err(errors) if errors.list().iter().all(|error| error.message.contains("does not fit")) => None,
        Err(errors) => panic!("{errors}\n{source}"),
    }
}

/// What a program came to: its result, or the fault, its message and its backtrace by functions and lines.
fn run(module: &Verified<Module>, engine: EngineKind) -> String {
    let config = Config { engine, fuel: Some(FUEL), ..Config::default() };
    let mut machine: Machine = limen_jit::machine(config).expect("there is room for a machine");
    let domain = machine.instantiate(module).expect("there is room for a domain");
    match machine.call_with(&mut Silent, domain, "main", &[]).expect("there is a main") {
        Outcome::Faulted(report) => {
            let trace: Vec<_> = report.backtrace.iter().map(|entry| (&entry.function, &entry.line)).collect();
            format!("{:?} {:#x} {trace:?}", report.fault, report.detail)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn improved_code_does_the_same_on_every_engine() {
    let (cases, seen) = campaign("language", "LIMEN_LANGUAGE", 60, |random| {
        let source = program(random);
        let (plain, improved) = match (assembled(&source, true), assembled(&source, false)) {
            (Some(plain), Some(improved)) => (plain, improved),
            (None, None) => return None,
            _ => panic!("one of them is refused\n{source}"),
        };
        let expected = run(&plain, Interp);
        for (module, engine) in [(&improved, Interp), (&improved, Jit), (&improved, Tiered), (&plain, Jit)] {
            let found = run(module, engine);
            assert!(found == expected, "{engine:?}: {found}\nexpected: {expected}\n{source}");
        }
        Some(expected.starts_with("Returned"))
    });
    let returned = seen.iter().filter(|returned| **returned == Some(true)).count() as u64;
    let stopped = seen.iter().filter(|returned| **returned == Some(false)).count() as u64;
    println!("{returned} of {cases} returned, {stopped} were stopped by a check");
    assert!(cases < 50 || (returned > cases / 4 && stopped > 0), "{returned} of {cases}, {stopped}");
}
