//! Functions that are translated when they are first called: nobody can tell, except by what was never called.

use std::sync::Barrier;
use std::thread;

use limen_isa::Fault;
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, FaultReport, Machine, Mode, Outcome, Snapshot, Value, Verified, verify_later};
use limen_wasm::{Bodies, Error, FIRST_REFUSED, NoImports, translate, translate_later};

use crate::support::command::wasm;

const ENGINES: [EngineKind; 3] = [EngineKind::Interp, EngineKind::Jit, EngineKind::Tiered];

fn later(wasm: &[u8]) -> (Verified<Module>, Bodies) {
    let (translation, bodies) =
        translate_later(wasm.to_vec().into(), &mut NoImports).unwrap_or_else(|error| panic!("{error}"));
    (verify_later(translation.module, Mode::User).unwrap_or_else(|error| panic!("{error}")), bodies)
}

fn machine(engine: EngineKind, fuel: Option<u64>) -> Machine {
    limen_jit::machine(Config { engine, fuel, ..Config::default() }).expect("the budget allows a machine")
}

fn call(module: &Verified<Module>, engine: EngineKind, name: &str, argument: i32) -> Outcome {
    let mut machine = machine(engine, None);
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    machine.call(domain, name, &[Value::I32(argument)]).expect("it is exported")
}

fn fault(outcome: Outcome) -> FaultReport {
    match outcome {
        Outcome::Faulted(report) => report,
        outcome => panic!("{outcome:?}"),
    }
}

/// How many functions have their bodies.
fn come(module: &Module) -> usize {
    module.functions.iter().filter(|function| function.body.has_come()).count()
}

/// So many functions, each of which calls the next unless its parameter is 0, and the last of which divides by it.
fn chain(functions: usize) -> Vec<u8> {
    let mut text = String::from("(module\n");
    for index in 0..functions {
        text += &format!(
            "(func $f{index} (export \"f{index}\") (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (i32.add (i32.const {index}) (call $f{} (i32.sub (local.get 0) (i32.const 1)))))
                    (else (i32.const {index}))))\n",
            index + 1
        );
    }
    wasm(&(text + &format!("(func $f{functions} (param i32) (result i32) (i32.div_s (i32.const 1) (i32.const 0))))")))
}

#[test]
fn what_is_not_called_is_not_translated() {
    let wasm = chain(200);
    for engine in ENGINES {
        let (module, _) = later(&wasm);
        // The routines and what enters the module are no bodies of WebAssembly.
        let others = come(&module);
        assert!(others <= 4, "{others} are there from the start");
        assert_eq!(
            call(&module, engine, "wasm.f10", 5),
            Outcome::Returned(vec![Value::I32(10 + 11 + 12 + 13 + 14 + 15)])
        );
        // Whoever compiles a function looks at those that it calls.
        let come = come(&module) - others;
        assert!((6..=7).contains(&come), "{engine:?}: {come} were translated");
    }
}

/// The module that comes of it is the same, whatever is called first.
#[test]
fn the_order_makes_no_difference() {
    let wasm = chain(50);
    let eager = translate(&wasm, &mut NoImports).expect("it is valid").module;
    let bytes = eager.write().expect("it can be written");
    let (module, _) = later(&wasm);
    assert_eq!(module.write().as_ref(), Ok(&bytes), "nothing was called");
    for engine in ENGINES {
        let (module, _) = later(&wasm);
        let mut backtraces = Vec::new();
        for first in [40, 3, 17, 45, 0] {
            let outcome = call(&module, engine, &format!("wasm.f{first}"), 50 - first);
            backtraces.push(fault(outcome));
        }
        assert_eq!(module.write().as_ref(), Ok(&bytes), "{engine:?}");
        let whole = limen_vm::verify(eager.clone(), Mode::User).expect("it is good");
        for (first, report) in [40, 3, 17, 45, 0].into_iter().zip(backtraces) {
            assert_eq!(report.fault, Fault::Division);
            assert_eq!(fault(call(&whole, engine, &format!("wasm.f{first}"), 50 - first)), report, "{engine:?}");
        }
    }
}

/// A module with a valid body and one that leaves nothing where a result belongs.
fn half_valid() -> Vec<u8> {
    let mut wasm = wasm(
        "(module (func (export \"good\") (param i32) (result i32) (i32.const 77))
            (func $bad (param i32) (result i32) (i32.const 88) (nop) (nop))
            (func (export \"worse\") (param i32) (result i32) (call $bad (local.get 0))))",
    );
    let at = wasm.windows(5).position(|bytes| bytes == [0x41, 0xd8, 0, 1, 1]).expect("the bad body is there");
    // `nop` becomes `drop`: the result is gone.
    wasm[at + 3] = 0x1a;
    wasm
}

#[test]
fn a_body_that_is_not_valid_is_a_trap_when_it_is_called() {
    let wasm = half_valid();
    let Err(wanted @ Error::Invalid { .. }) = translate(&wasm, &mut NoImports) else { panic!("it is not valid") };
    for engine in ENGINES {
        let (module, bodies) = later(&wasm);
        assert_eq!(call(&module, engine, "wasm.good", 1), Outcome::Returned(vec![Value::I32(77)]), "{engine:?}");
        for _ in 0..3 {
            let report = fault(call(&module, engine, "wasm.worse", 1));
            assert_eq!((report.fault, report.detail), (Fault::Trap, u64::from(FIRST_REFUSED) + 1), "{engine:?}");
            assert_eq!(report.backtrace.len(), 2, "{report}");
            assert_eq!(bodies.refusal(report.detail), Some(wanted.clone()));
        }
        assert_eq!(bodies.refusal(u64::from(FIRST_REFUSED)), None);
        assert_eq!(bodies.refusal(u64::from(FIRST_REFUSED) + 1000), None);
        assert_eq!(bodies.refusal(0), None);
        // It is the same module again when it was written: with a function that traps.
        let again = Module::read(&module.write().expect("it can be written")).expect("it can be read");
        let again = limen_vm::verify(again, Mode::User).expect("it is good");
        assert_eq!(fault(call(&again, engine, "wasm.worse", 1)), fault(call(&module, engine, "wasm.worse", 1)));
    }
}

#[test]
fn what_is_not_supported_is_refused_before_anything_runs() {
    for (text, feature) in [
        ("(module (func $f (return_call $f)))", "tail calls"),
        ("(module (func (drop (v128.const i64x2 0 0))))", "vectors (SIMD)"),
        ("(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))", "threads"),
    ] {
        let refused = translate_later(wasm(text).into(), &mut NoImports).map(|_| ());
        assert_eq!(refused, Err(Error::Unsupported(vec![feature])));
    }
}

/// A machine whose program is translated in part goes on elsewhere as it would have here.
#[test]
fn a_checkpoint_of_a_program_that_is_translated_in_part() {
    let wasm = chain(60);
    for engine in ENGINES {
        let (module, _) = later(&wasm);
        let mut machine = machine(engine, Some(20));
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        let outcome = machine.call(domain, "wasm.f0", &[Value::I32(60)]).expect("it is exported");
        assert_eq!(outcome, Outcome::OutOfFuel);
        assert!(come(&module) < 40, "{engine:?}: {} have come", come(&module));
        let bytes = machine.checkpoint().expect("it was suspended").write().expect("it can be written");
        machine.add_fuel(u64::MAX);
        let wanted = machine.resume(&mut limen_vm::NoServices).expect("it goes on");
        assert_eq!(fault(wanted.clone()).fault, Fault::Division);
        for other in ENGINES {
            let snapshot = Snapshot::read(&bytes).expect("it was written");
            let config = Config { engine: other, fuel: None, ..snapshot.config() };
            let mut machine = limen_jit::restore(config, &snapshot).expect("it fits");
            assert_eq!(machine.resume(&mut limen_vm::NoServices).as_ref(), Ok(&wanted), "{engine:?}, {other:?}");
        }
    }
}

/// Machines of several threads run one module, and come to its functions at the same time.
#[test]
fn threads_race_for_the_same_functions() {
    const THREADS: usize = 4;
    let wasm = chain(150);
    for engine in ENGINES {
        let (module, _) = later(&wasm);
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (module, barrier) = (module.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for turn in 0..150 {
                        let first = if thread % 2 == 0 { turn } else { 149 - turn };
                        let sum = (first..=first + 2).sum::<usize>() as i32;
                        let wanted = if first + 2 < 150 { Some(sum) } else { None };
                        match call(&module, engine, &format!("wasm.f{first}"), 2) {
                            Outcome::Returned(values) => assert_eq!(values.first(), wanted.map(Value::I32).as_ref()),
                            Outcome::Faulted(report) => assert_eq!((report.fault, wanted), (Fault::Division, None)),
                            outcome => panic!("{outcome:?}"),
                        }
                    }
                });
            }
        });
        let eager = translate(&wasm, &mut NoImports).expect("it is valid").module;
        assert_eq!(module.write(), eager.write(), "{engine:?}");
    }
}

#[test]
fn what_is_translated_ahead_comes_as_it_would_have() {
    let wasm = chain(50);
    let bytes = translate(&wasm, &mut NoImports).expect("it is valid").module.write();
    for engine in ENGINES {
        let (module, bodies) = later(&wasm);
        let others = come(&module);
        // Some are no bodies of WebAssembly, and some are not there at all.
        (0..100).step_by(2).for_each(|function| bodies.go_ahead(function));
        assert_eq!(come(&module), others, "nobody has looked");
        assert!(bodies.wanted().is_empty());
        assert_eq!(call(&module, engine, "wasm.f47", 2), Outcome::Returned(vec![Value::I32(47 + 48 + 49)]));
        let wanted = bodies.wanted();
        assert!(wanted.starts_with(&[47]) && [48, 49].iter().all(|function| wanted.contains(function)), "{wanted:?}");
        assert!(bodies.wanted().is_empty());
        assert_eq!(module.write(), bytes, "{engine:?}");
    }
}

#[test]
fn callees_are_known_before_a_function_is_translated() {
    let (_, bodies) = later(&wasm(
        "(module (table funcref (elem $c)) (func $a (call $c) (if (i32.const 1) (then (call $a) (call $b))))
            (func $b (call_indirect (i32.const 0)) (drop (i64.const 0x1010))) (func $c))",
    ));
    assert_eq!(
        [0, 1, 2, 3, 1000].map(|function| bodies.callees(function)),
        [vec![2, 0, 1], vec![], vec![], vec![], vec![]]
    );
}

#[test]
fn what_is_not_valid_traps_when_it_was_translated_ahead() {
    for engine in ENGINES {
        let (module, bodies) = later(&half_valid());
        (0..3).for_each(|function| bodies.go_ahead(function));
        assert_eq!(bodies.callees(2), [1]);
        assert_eq!(call(&module, engine, "wasm.good", 1), Outcome::Returned(vec![Value::I32(77)]), "{engine:?}");
        let report = fault(call(&module, engine, "wasm.worse", 1));
        assert_eq!((report.fault, report.detail), (Fault::Trap, u64::from(FIRST_REFUSED) + 1), "{engine:?}");
        assert!(bodies.refusal(report.detail).is_some());
    }
}

/// One thread translates what others are about to call, or are at themselves.
#[test]
fn a_thread_goes_ahead_of_programs() {
    let wasm = chain(150);
    let eager = translate(&wasm, &mut NoImports).expect("it is valid").module;
    let whole = limen_vm::verify(eager.clone(), Mode::User).expect("it is good");
    for engine in ENGINES {
        let (module, bodies) = later(&wasm);
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                (0..151).for_each(|function| bodies.go_ahead(function));
            });
            for first in [0, 75] {
                let (module, whole, barrier) = (&module, &whole, &barrier);
                scope.spawn(move || {
                    let [call, wanted] = [module, whole]
                        .map(|module| move || fault(call(module, engine, &format!("wasm.f{first}"), 150 - first)));
                    barrier.wait();
                    assert_eq!(call(), wanted(), "{engine:?}");
                });
            }
        });
        assert_eq!(module.write(), eager.write(), "{engine:?}");
    }
}
