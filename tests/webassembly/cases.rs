//! What the suite does not ask: frames with more locals than registers, exceptions in their old form, payloads of several
//! values, and what happens after traps.

use limen_isa::Fault;
use limen_vm::{EngineKind, Outcome, Value};
use limen_wasm::{Error, NoImports, Trap, translate};

use crate::support::command::wasm;

use super::instance::{Instance, Linker, Way, instantiate};

const ENGINES: [&[EngineKind]; 3] = [&[EngineKind::Interp], &[EngineKind::Jit], &[EngineKind::Tiered]];

/// The module on each engine, and on two in turn.
fn on_every_engine(text: &str, test: impl Fn(&mut Instance)) {
    let wasm = wasm(text);
    let whole = ENGINES.iter().map(|engines| Way { engines, piece: None, later: false });
    let switching = Way { engines: &[EngineKind::Interp, EngineKind::Jit], piece: Some(3), later: true };
    for way in whole.chain([switching]) {
        let mut instance = instantiate(&wasm, &mut Linker::default(), way).unwrap_or_else(|error| panic!("{error}"));
        test(&mut instance);
    }
}

fn returns(instance: &mut Instance, name: &str, arguments: &[i32], wanted: &[Value]) {
    let arguments = arguments.iter().map(|argument| Value::I32(*argument)).collect();
    let outcome = instance.invoke(name, arguments).expect("it is exported");
    assert_eq!(outcome, Outcome::Returned(wanted.to_vec()), "{name}");
}

fn traps(instance: &mut Instance, name: &str, arguments: &[i32], wanted: Trap) {
    let arguments = arguments.iter().map(|argument| Value::I32(*argument)).collect();
    match instance.invoke(name, arguments).expect("it is exported") {
        Outcome::Faulted(report) => assert_eq!((report.fault, report.detail), (Fault::Trap, wanted as u64), "{name}"),
        outcome => panic!("{name}: {outcome:?}"),
    }
}

/// A function with this many locals of every type, which calls itself `depth` times and gives the sum of what its locals
/// hold afterwards: each holds its own number times the depth.
fn with_locals(count: usize) -> String {
    let mut text = String::from("(module (func $f (export \"f\") (param $n i32) (result f64)\n");
    let ty = |local: usize| ["i32", "i64", "f32", "f64"][local % 4];
    let convert = |local: usize| ["f64.convert_i32_s", "f64.convert_i64_s", "f64.promote_f32", ""][local % 4];
    let from = |local: usize| ["", "i64.extend_i32_s", "f32.convert_i32_s", "f64.convert_i32_s"][local % 4];
    (0..count).for_each(|local| text += &format!("(local $l{local} {})", ty(local)));
    text += "(local $sum f64)\n(if (i32.eqz (local.get $n)) (then (return (f64.const 0))))\n";
    // What nobody wrote reads zero, also in a frame that lies where another one lay.
    (0..count).for_each(|local| {
        text += &format!("local.get $sum local.get $l{local} {} f64.add local.set $sum\n", convert(local))
    });
    for local in 0..count {
        text += &format!("i32.const {local} local.get $n i32.mul {} local.set $l{local}\n", from(local));
    }
    text += "(drop (call $f (i32.sub (local.get $n) (i32.const 1))))\n";
    (0..count).for_each(|local| {
        text += &format!("local.get $sum local.get $l{local} {} f64.add local.set $sum\n", convert(local))
    });
    text + "local.get $sum))"
}

#[test]
fn functions_have_more_locals_than_registers() {
    for count in [2046, 2047, 2050, 3000] {
        let sum = (count * (count - 1) / 2) as f64;
        on_every_engine(&with_locals(count), |instance| {
            returns(instance, "f", &[1], &[Value::F64(sum)]);
            returns(instance, "f", &[5], &[Value::F64(5.0 * sum)]);
        });
    }
}

#[test]
fn the_spill_stack_has_an_end_and_is_empty_after_a_trap() {
    let text = format!(
        "(module (func $f (export \"f\") (param $n i32) (result i32) (local {}) (local $last i32)
            (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
            (local.set $last (i32.add (local.get $last) (local.get $n)))
            (i32.add (call $f (i32.sub (local.get $n) (i32.const 1))) (local.get $last))))",
        "i64 ".repeat(3000),
    );
    on_every_engine(&text, |instance| {
        traps(instance, "f", &[100_000], Trap::Stack);
        traps(instance, "f", &[100_000], Trap::Stack);
        returns(instance, "f", &[100], &[Value::I32(5050)]);
    });
}

#[test]
fn a_function_has_as_many_locals_as_webassembly_allows() {
    let text = format!(
        "(module (func (export \"f\") (param i32) (result i32) {} (local.set 49999 (local.get 0)) (local.get 49999)))",
        "(local i64 i32 i32 i32 i32)".repeat(10_000).replacen("i64 ", "", 1),
    );
    on_every_engine(&text, |instance| returns(instance, "f", &[7], &[Value::I32(7)]));
}

/// A function with this many locals that brings `depth` operands of all types on the stack, lets blocks, branches with values,
/// calls and exceptions pass above them, and adds them up: operand *i* is `n + i`.
fn with_operands(locals: usize, depth: usize) -> String {
    let from = |operand: usize| ["i32", "i64", "f32", "f64"][operand % 4];
    let make = |operand: usize| {
        let convert = ["", "i64.extend_i32_s", "f32.convert_i32_s", "f64.convert_i32_s"][operand % 4];
        format!("(i32.add (local.get $n) (i32.const {operand})) {convert}\n")
    };
    let to = |operand: usize| ["f64.convert_i32_s", "f64.convert_i64_s", "f64.promote_f32", ""][operand % 4];
    let mut text = format!(
        "(module (tag $t (param i32 f64))
          (func $throw (param $n i32) (throw $t (local.get $n) (f64.const 0.5)))
          (func $pair (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
          (func (export \"f\") (param $n i32) (result f64) (local $i i32) {} (local $sum f64)\n",
        "(local i64)".repeat(locals),
    );
    (0..depth).for_each(|operand| text += &make(operand));
    text += "(local.get $n)                            ;; changes while it is on the stack
        (local.set $n (i32.const 3))
        (loop $again (param i32) (result i32)
          (i32.const 2) (i32.add)
          (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_s (i32.const 5)))
        )
        (i64.const 100)
        (call $pair)
        (if (param i64 i32) (result i32) (local.get $i)
          (then (drop) (i32.wrap_i64))
          (else (drop) (drop) (i32.const -1)))
        (block $out (result i32 i64)
          (i32.const 7) (i64.const 8)
          (br_table $out $out (local.get $i)))
        (i32.wrap_i64) (i32.add) (i32.add)
        (block $caught (result i32 f64)
          (try_table (catch $t $caught) (call $throw (i32.const 20)))
          (unreachable))
        (local.set $sum) (i32.add) (f64.convert_i32_s) (f64.add (local.get $sum)) (local.set $sum)\n"
        .replace("(br_if $again (i32.lt_s (i32.const 5)))", "(i32.const 5) (i32.lt_s) (br_if $again)")
        .as_str();
    (0..depth).rev().for_each(|operand| {
        text += &format!("(; {} ;) {} (local.get $sum) (f64.add) (local.set $sum)\n", from(operand), to(operand));
    });
    text + "(local.get $sum)))"
}

#[test]
fn operands_lie_deeper_than_there_are_registers() {
    for (locals, depth) in [(0, 100), (0, 3000), (0, 20_000), (2500, 2000), (49_000, 20_000)] {
        on_every_engine(&with_operands(locals, depth), |instance| {
            for n in [1, -50] {
                let operands: i64 = (0..depth as i64).map(|operand| n + operand).sum();
                // The loop adds 2 five times; then 100, 7 and 8 go on top and 100 stays; 20 and a half come with the exception.
                let wanted = operands as f64 + 100.0 + 7.0 + 8.0 + 20.0 + 0.5;
                returns(instance, "f", &[n as i32], &[Value::F64(wanted)]);
            }
        });
    }
}

/// The old form, as compilers still write it.
const OLD_FORM: &str = r#"(module
  (tag $a) (tag $b (param i32)) (tag $wide (param i32 i64 f32))
  (global $log (mut i32) (i32.const 0))
  (func $throw (param $which i32) (result i32)
    (if (i32.eq (local.get $which) (i32.const 1)) (then (throw $a)))
    (if (i32.eq (local.get $which) (i32.const 2)) (then (throw $b (i32.const 20))))
    (if (i32.eq (local.get $which) (i32.const 3)) (then (throw $wide (i32.const 1) (i64.const 2) (f32.const 3))))
    (i32.const 5))
  (func (export "catch") (param $which i32) (result i32) (local $x i32)
    (local.set $x (i32.const 100))
    try (result i32)
      (local.set $x (call $throw (local.get $which)))
      local.get $x
    catch $a
      local.get $x
    catch $b
      local.get $x
      i32.add
    catch_all
      i32.const 7
    end)
  (func $again (param $which i32)
    try
      (drop (call $throw (local.get $which)))
    catch $wide
      drop drop drop
      try
        (drop (call $throw (i32.const 3)))
      catch_all
      end
      rethrow 0
    catch_all
      (global.set $log (i32.add (global.get $log) (i32.const 1)))
      try
        rethrow 1
      catch $b
        i32.const 1
        i32.add
        throw $b
      end
    end)
  (func (export "rethrow") (param $which i32) (result i32 i64 f32)
    try (result i32 i64 f32)
      (call $again (local.get $which))
      i32.const 0 i64.const 0 f32.const 0
    catch $a
      i32.const 1 i64.const 0 f32.const 0
    catch $b
      i64.const 0 f32.const 0
    catch $wide
    end)
  (func (export "delegate") (param $which i32) (result i32)
    try (result i32)
      try (result i32)
        try (result i32)
          (call $throw (local.get $which))
        delegate 1
      catch_all
        i32.const -1
      end
    catch $b
    catch_all
      i32.const 1
    end)
  (func (export "to_caller") (param $which i32) (result i32)
    try (result i32)
      (call $throw (local.get $which))
    delegate 0)
  (func (export "log") (result i32) (global.get $log)))"#;

#[test]
fn exceptions_in_their_old_form() {
    let (zero, none) = (Value::I32(0), [Value::I64(0), Value::F32(0.0)]);
    on_every_engine(OLD_FORM, |instance| {
        for (which, wanted) in [(0, 5), (1, 100), (2, 120), (3, 7)] {
            returns(instance, "catch", &[which], &[Value::I32(wanted)]);
        }
        returns(instance, "rethrow", &[0], &[zero, none[0], none[1]]);
        returns(instance, "rethrow", &[1], &[Value::I32(1), none[0], none[1]]);
        returns(instance, "rethrow", &[2], &[Value::I32(21), none[0], none[1]]);
        returns(instance, "rethrow", &[3], &[Value::I32(1), Value::I64(2), Value::F32(3.0)]);
        returns(instance, "log", &[], &[Value::I32(2)]);
        for (which, wanted) in [(0, 5), (1, 1), (2, 20), (3, 1)] {
            returns(instance, "delegate", &[which], &[Value::I32(wanted)]);
        }
        traps(instance, "to_caller", &[2], Trap::Uncaught);
        returns(instance, "to_caller", &[0], &[Value::I32(5)]);
    });
}

/// Functions that throw and functions that do not, in one table; references that live in variables; more wide payloads than
/// there is room for.
const REFERENCES: &str = r#"(module
  (type $t (func (param i32) (result i32)))
  (tag $a (param i32)) (tag $wide (param i64 i64))
  (table funcref (elem $quiet $loud))
  (global $kept (mut exnref) (ref.null exn))
  (func $quiet (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $loud (type $t) (throw $a (local.get 0)))
  (func (export "indirect") (param $which i32) (result i32)
    (block $h (result i32)
      (try_table (result i32) (catch $a $h)
        (i32.add (call_indirect (type $t) (i32.const 40) (local.get $which)) (i32.const 1000)))))
  (func $wide (param $n i64) (throw $wide (local.get $n) (i64.const 9)))
  (func (export "keep") (param $n i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (call $wide (i64.extend_i32_s (local.get $n))))
      (unreachable))
    (global.set $kept))
  (func (export "throw_kept") (result i64 i64)
    (block $h (result i64 i64)
      (try_table (catch $wide $h) (throw_ref (global.get $kept)))
      (unreachable)))
  (func (export "many") (param $n i32)
    (loop $again
      (drop (block $h (result exnref)
        (try_table (catch_all_ref $h) (call $wide (i64.const 0)))
        (unreachable)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

#[test]
fn references_to_exceptions() {
    on_every_engine(REFERENCES, |instance| {
        returns(instance, "indirect", &[0], &[Value::I32(1041)]);
        returns(instance, "indirect", &[1], &[Value::I32(40)]);
        traps(instance, "throw_kept", &[], Trap::NullException);
        for n in [3, -4] {
            returns(instance, "keep", &[n], &[]);
            returns(instance, "many", &[100], &[]);
            returns(instance, "throw_kept", &[], &[Value::I64(n.into()), Value::I64(9)]);
        }
        traps(instance, "many", &[100_000], Trap::Exceptions);
    });
}

#[test]
fn tables_of_exceptions_are_refused_by_name() {
    let error = translate(&wasm("(module (table 1 exnref))"), &mut NoImports).map(|_| ());
    assert_eq!(error, Err(Error::Unsupported(vec!["tables of exceptions"])));
}

/// Loops whose last operators leave them on a condition and else begin them anew: of every sort of condition, and where a value
/// is brought to the head.
#[test]
fn loops_that_are_left_on_a_condition() {
    // How often each counts before it is left, with its condition on the count.
    let loops = [
        ("signed", "(i32.ge_s (local.get $i) (local.get $n))", 7),
        ("unsigned", "(i32.gt_u (local.get $i) (i32.const 9))", 10),
        ("far", "(i32.eq (i32.mul (local.get $i) (i32.const 100000)) (i32.const 500000))", 5),
        ("bits", "(i32.and (local.get $i) (i32.const 8))", 8),
        ("wide", "(i64.le_s (i64.const 6) (i64.extend_i32_s (local.get $i)))", 6),
        ("float", "(f64.gt (f64.convert_i32_s (local.get $i)) (f64.const 3.5))", 4),
        ("none", "(f64.ne (f64.sqrt (f64.sub (f64.const 2) (f64.convert_i32_s (local.get $i)))) (local.get $root))", 3),
        ("value", "(local.get $i)", 1),
    ];
    let mut text = String::from("(module\n");
    for (name, condition, _) in loops {
        // What is no number is neither less nor equal: with `none` the square root of a negative one ends it.
        text += &format!(
            "(func (export \"{name}\") (param $n i32) (result i32) (local $i i32) (local $root f64)
                (block $out (loop $again
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (local.set $root (f64.sqrt (f64.abs (f64.sub (f64.const 2) (f64.convert_i32_s (local.get $i))))))
                    (br_if $out {condition})
                    (br $again)))
                (local.get $i))\n"
        );
    }
    text += "(func (export \"brought\") (param $n i32) (result i32) (local $i i32)
        (i32.const 0)
        (block $out (param i32) (result i32) (loop $again (param i32) (result i32)
            (local.set $i (i32.add (i32.const 3)))
            (local.get $i)
            (br_if $out (i32.ge_s (local.get $i) (local.get $n)))
            (br $again))))
    )";
    on_every_engine(&text, |instance| {
        for (name, _, wanted) in loops {
            returns(instance, name, &[7], &[Value::I32(wanted)]);
        }
        returns(instance, "brought", &[7], &[Value::I32(9)]);
    });
}
