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
            format!("{:?} {} {trace:?}", report.fault, message(module, report.detail))
        }
        other => format!("{other:?}"),
    }
}

/// What a fault's detail says: the message, if it is the code of one. Checks that are left out are not counted among those.
fn message(module: &Verified<Module>, detail: u64) -> String {
    let section = module.custom.iter().find(|section| section.id == 0x8000_0001);
    let (Some(mut number), Some(section)) = (detail.checked_sub(0x8000_0000), section) else {
        return detail.to_string();
    };
    let mut rest = &section.bytes[4..];
    while let Some((length, text)) = rest.split_first_chunk::<4>() {
        let (text, after) = text.split_at(u32::from_le_bytes(*length) as usize);
        if number == 0 {
            return String::from_utf8_lossy(text).into_owned();
        }
        (number, rest) = (number - 1, after);
    }
    detail.to_string()
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

/// Lines of a function that is called with 9, 10, ... 13 beside an array of ten elements. What it must come to stands at the end
/// of each: the sum of what it returned, or `stops` if one of the calls is stopped at an index.
const AT_THE_EDGE: [(&str, &str); 20] = [
    ("if i < 10 { return xs[i] }", "0"),
    ("if i <= 10 { return xs[i] }", "stops"),
    ("if i > ys.len { return xs[i] }", "stops"),
    ("if i < xs.len { i += 1\n return xs[i] }", "stops"),
    ("if i < xs.len { rest = xs[..5]\n return rest[i] }", "stops"),
    ("if i < 10 or i == 11 { return xs[i] }", "stops"),
    ("if not (i >= 10) { return xs[i] }", "0"),
    ("var k = i - 9\n while k < 9 { k += 2\n xs[k] = 1 }", "stops"),
    ("var k = i - 9\n while k < 9 { k += 1\n xs[k] = 1 }", "0"),
    ("var k: u32 = 0\n while k <= 9 { xs[k] = k\n k += 1 }", "0"),
    ("var k: u32 = 10\n while k > 0 { k -= 1\n xs[k] = k }", "0"),
    ("var k: u32 = 10\n while k > 0 { xs[k] = k\n k -= 1 }", "stops"),
    ("for k in 1..u32(10) { xs[k - 1] = 1 }", "0"),
    ("for k in 0..u32(10) { xs[k - 1] = 1 }", "stops"),
    ("for k in 0..u32(9) { xs[k + 2] = 1 }", "stops"),
    ("for k in i32(-1)..9 { xs[k] = 1 }", "stops"),
    ("for k in 0..i { if k == 3 { rest = ys }\n rest[k] = 1 }", "stops"),
    ("var n = i\n var k: u32 = 0\n while k < n { if i == 99 { n = 5 }\n xs[k] = k\n k += 1 }", "stops"),
    ("var s: u32 = 9\n var k: u32 = 0\n while k < 10 { xs[k + s] = k\n s = 0\n k += 1 }", "0"),
    ("var k: u32 = 8\n for j in 0..u32(2) { k = later(k)\n xs[k] = j }", "stops"),
];

#[test]
fn no_check_is_left_out_that_could_have_failed() {
    for (lines, expected) in AT_THE_EDGE {
        let source = format!(
            "static xs: [10]u32\nstatic few: [5]u32\nfn later(k: u32) -> u32 {{ return k + 1 }}\n\
             fn f(i: u32) -> u32 {{\nlet ys = few[..]\nvar rest = xs[..]\nassert rest.len + ys.len < 99\n{lines}\nreturn 0\n}}\n\
             export fn main() -> i64 {{\nvar sum: u32 = 0\nfor i in 9..u32(14) {{ sum += f(i) }}\nreturn sum\n}}\n"
        );
        for (unoptimised, engine) in [(true, Interp), (false, Interp), (false, Jit)] {
            let module = assembled(&source, unoptimised).expect("the constants fit");
            let found = run(&module, engine);
            let stops = !found.starts_with("Returned");
            let as_expected = if expected == "stops" { stops } else { found == format!("Returned([I64({expected})])") };
            assert!(as_expected, "{engine:?}, expected {expected}: {found}\n{source}");
        }
    }
}
