//! Home with a guard: compiled code in live time accesses it without a look, and the host stops it where there is nothing.
//! Nobody may be able to tell.

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::Fault;
use limen_isa::module::Module;
use limen_jit::Log;
use limen_vm::EngineKind::{Interp, Jit, Tiered};
use limen_vm::{Config, EngineKind, Machine, Mode, Outcome, Value, Verified, verify};

fn verified(source: &str) -> Verified<Module> {
    let assembled = assemble("guard.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, Mode::User)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// How a run in live time ends, and home afterwards.
fn run(module: &Verified<Module>, engine: EngineKind, arguments: &[Value]) -> (Outcome, Vec<u8>) {
    let (log, config) = (Log::default(), Config { engine, ..Config::default() });
    let jit = Box::new(limen_jit::Jit::with_log(&log));
    let mut machine = Machine::with_engine(config, jit).expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("it fits");
    let outcome = machine.call(domain, "main", arguments).expect("main takes these");
    assert!(log.compilations().iter().all(|it| it.outcome.is_ok()), "{:?}", log.compilations());
    let home = machine.memory(domain).expect("the domain is there").to_vec();
    (outcome, home)
}

/// The same on every engine.
fn same(module: &Verified<Module>, arguments: &[Value]) -> (Outcome, Vec<u8>) {
    let wanted = run(module, Interp, arguments);
    for engine in [Jit, Tiered] {
        assert!(run(module, engine, arguments) == wanted, "{engine:?}, {arguments:?}: not {:?}", wanted.0);
    }
    wanted
}

fn fault_at(outcome: &Outcome) -> Option<(Fault, u64)> {
    if let Outcome::Faulted(report) = outcome { Some((report.fault, report.detail)) } else { None }
}

#[test]
fn accesses_at_the_edges_fault_where_they_begin() {
    let module = verified(
        "home 1
export fn main(p: i32, i: i32, n: i32) -> i64 {
    reg d: i64
    reg f: f64
    reg index: i32
    reg b: i32
    i32.br_eqi n, 0, plain
    i32.br_eqi n, 1, far
    i32.br_eqi n, 2, indexed
    i32.br_eqi n, 3, store
    i32.br_eqi n, 4, byte
    f = f64.load [p + 0]
    f64.store [p + 8], f
    ret d
  plain:
    d = i64.load [p + 0]
    ret d
  far:
    d = i64.load [p + 16777215]
    ret d
  indexed:
    d = i64.load_at [p, i + 8]
    ret d
  store:
    i64.store [p + 0], d
    ret d
  byte:
    b = i32.load8_u [p + 1]
    d = i64.from_i32_u b
    ret d
}",
    );
    let addresses = [0, 1, 4080, 4087, 4088, 4089, 4094, 4095, 4096, 4097, 1 << 20, i32::MAX, i32::MIN, -8, -1];
    let mut faults = 0;
    for (n, p) in (0..6).flat_map(|n| addresses.map(|p| (n, p))) {
        for i in [0, 1, 511, 512, -1] {
            let (outcome, _) = same(&module, &[Value::I32(p), Value::I32(i), Value::I32(n)]);
            faults += usize::from(fault_at(&outcome).is_some_and(|(fault, _)| fault == Fault::Bounds));
        }
    }
    assert!(faults > 200, "{faults}");
    let (outcome, _) = same(&module, &[Value::I32(-1), Value::I32(-1), Value::I32(2)]);
    assert_eq!(fault_at(&outcome), Some((Fault::Bounds, u64::from(u32::MAX) * 9 + 8)), "nothing reaches further");
}

/// A machine instruction may do a load for what uses its value, another access perhaps, or one at another place: it is the load's
/// fault all the same.
#[test]
fn a_load_that_another_instruction_does_faults_where_it_stands() {
    let module = verified(
        "home 1
export fn main(p: i32, q: i32, n: i32) -> i64 {
    reg a, b, c: i32
    reg d: i64
    i32.br_eqi n, 0, address
    i32.br_eqi n, 1, both
    i32.br_eqi n, 2, changed
    i32.br_eqi n, 3, same
    a = i32.load [p + 4]
    i32.br_eq a, q, plus
    d = i64.load [q + 0]
    ret d
  address:
    a = i32.load [p + 400]
    a = i32.load8_u [a + 0]
    d = i64.from_i32_u a
    ret d
  both:
    a = i32.load [p + 4]
    b = i32.load [q + 4]
    d = i64.load_at [a, b + 8]
    ret d
  changed:
    a = i32.load [p + 0]
    a = i32.add a, q
    i32.store [p + 0], a
    d = i64.from_i32_u a
    ret d
  same:
    a = i32.load [p + 0]
    b = i32.load [p + 0]
    c = i32.load [q + 0]
    a = i32.add a, b
    a = i32.add a, c
    d = i64.load [a + 0]
    ret d
  plus:
    a = i32.addi a, 1
    d = i64.from_i32_u a
    ret d
}",
    );
    let mut words = Vec::new();
    for (n, p) in (0..5).flat_map(|n| [0, 64, 4000, 4092, -3, i32::MIN].map(|p| (n, p))) {
        for q in [0, 128, 4093, -1, i32::MAX] {
            let (outcome, _) = same(&module, &[Value::I32(p), Value::I32(q), Value::I32(n)]);
            if let Outcome::Faulted(report) = outcome {
                words.push(report.backtrace[0].pc);
            }
        }
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 8, "almost every access faults once: {words:?}");
}

/// Stores of floats wait for each other, so that their NaNs are looked for at once: what is stopped has been done so far, and no
/// further, as if they had not.
#[test]
fn stores_that_wait_are_stopped_one_by_one() {
    let module = verified(
        "home 2
export fn main(p: i32, q: i32, n: i32) -> i64 {
    reg a, b: f64
    reg c: i64
    reg r: i32
    a = f64.from_i32_s n
    b = f64.div a, a
    a = f64.add a, b
    f64.store [p + 4096], a
    f64.store [q + 4096], b
    b = f64.mul a, b
    f64.store [p + 4112], b
    i32.br_eqi n, 0, load
    i32.br_eqi n, 1, other
    f64.store [q + 8], a
    f64.store [p + 4104], a
    ret c
  load:
    a = f64.add b, b
    f64.store [q + 16], a
    b = f64.load [q + 24]
    f64.store [p + 24], b
    ret c
  other:
    a = f64.sub b, a
    f64.store [q + 4], a
    i64.store [p + 8], c
    r = i32.from_f64_s a
    ret c
}",
    );
    let mut faults = 0;
    for (n, p) in (0..4).flat_map(|n| [0, 4080, 4072, 4064, -4096, -8, 1 << 24].map(|p| (n, p))) {
        for q in [0, 64, 4080, 4088, 4089, 4096, 8184, -4096, -4097, -1] {
            let (outcome, _) = same(&module, &[Value::I32(p), Value::I32(q), Value::I32(n)]);
            faults += usize::from(fault_at(&outcome).is_some());
        }
    }
    assert!(faults > 100, "{faults}");
}

/// Behind what may have been left to the runtime nothing is known that only the other way has found.
#[test]
fn accesses_behind_pieces_of_memory_that_are_copied() {
    let module = verified(
        "home 4
export fn main(to: i32, n: i32) -> i32 {
    reg from, byte, size, p, r: i32
    size = i32.mov n
    i32.store [p + 64], n
    home.copy to, from, size
    i32.store [p + 68], to
    size = i32.mov n
    byte = i32.const 5
    home.fill to, byte, size
    i32.store [p + 72], to
    r = i32.load [p + 64]
    ret r
}",
    );
    for (to, n) in [(4096, 0), (4096, 100), (4096, 8192), (0, 4096), (16383, 1), (16383, 2), (12288, 9000), (-1, 1)] {
        same(&module, &[Value::I32(to), Value::I32(n)]);
    }
}

/// Code of a module that says where a memory of its own begins counts from there.
#[test]
fn accesses_below_where_code_counts_from_are_what_they_are() {
    let module = verified(
        "home 2
export const memory = 4096
export fn main(p: i32, i: i32) -> i64 {
    reg a, b, c, d, e: i64
    a = i64.load_at [p, i + 8]
    b = i64.load [p + 4096]
    c = i64.load [p + 5000]
    e = i64.load [p + 4099]
    a = i64.add a, e
    i64.store [p + 4104], c
    d = i64.load_at [p, i + 4090]
    a = i64.add a, b
    c = i64.add c, d
    a = i64.add a, c
    i64.store [p + 0], a
    i64.store [p + 8184], a
    i64.store_at [p, i + 4095], c
    ret a
}",
    );
    let mut returned = 0;
    for p in [0, 1, 8, 3184, 3192, 3193, 4088, 4096, -1, -8, -4096, i32::MIN] {
        for i in [0, 1, 7, 500, 511, 512, -1, -512, i32::MIN] {
            let (outcome, _) = same(&module, &[Value::I32(p), Value::I32(i)]);
            returned += usize::from(matches!(outcome, Outcome::Returned(_)));
        }
    }
    assert!(returned >= 3, "{returned}");
}

/// The frames around the one that is stopped are found, whatever registers they had put away; and what it had done before is
/// done, what would have come after is not.
#[test]
fn what_is_stopped_deep_down_leaves_everything_as_it_should_be() {
    let module = verified(
        "home 1
fn down(n: i32, x: f64, a: i64, b: i64, c: i64, d: i64) -> (i64, f64) {
    reg p, less: i32
    reg e: i64
    reg y, z: f64
    i32.br_eqi n, 0, bottom
    less = i32.addi n, -1
    e = i64.add a, b
    i64.store [p + 64], e
    e, y = call down(less, x, b, c, d, e)
    e = i64.add e, a
    e = i64.add e, d
    y = f64.add y, x
    ret e, y
  bottom:
    p = i32.const 4064
  fill:
    z = f64.div y, y
    f64.store [p + 0], z
    e = i64.load [p + 16]
    f64.store [p + 8], x
    p = i32.addi p, 8
    jump fill
}

export fn main(n: i32) -> i64 {
    reg a: i64
    reg x: f64
    a = i64.const 7
    a, x = call down(n, x, a, a, a, a)
    ret a
}",
    );
    for n in [0, 1, 30] {
        let (outcome, home) = same(&module, &[Value::I32(n)]);
        assert_eq!(fault_at(&outcome), Some((Fault::Bounds, 4096)), "{outcome:?}");
        assert!(home[4064..4072].iter().any(|byte| *byte != 0), "a NaN was stored before");
        let Outcome::Faulted(report) = outcome else { return };
        assert_eq!(report.backtrace.len(), n as usize + 2);
    }
}

#[test]
fn what_grows_can_be_accessed_at_once_and_nothing_else() {
    let module = verified(
        "home 0 max 3
export fn main(more: i32, p: i32) -> i64 {
    reg d: i64
    reg before, i: i32
  again:
    before = home.grow more
    i64.store [p + 0], d
    d = i64.load [p + 0]
    d = i64.addi d, 1
    i = i32.addi i, 1
    i32.br_lt_si i, 5, again
    ret d
}",
    );
    for (more, p) in [(0, 0), (1, 0), (1, 4088), (1, 4096), (1, 4089), (3, 12280), (3, 12288), (4, 0)] {
        same(&module, &[Value::I32(more), Value::I32(p)]);
    }
}

/// What lies behind the cells of a stack belongs to others.
#[test]
fn calls_at_the_end_of_the_stack_write_nothing_behind_it() {
    let many = |of: &str| vec![of; 200].join(", ");
    let parameters: Vec<String> = (0..200).map(|number| format!("a{number}: i64")).collect();
    let module = verified(&format!(
        "fn wide({}) -> i64 {{
    reg d: i64
    d = call wide({})
    ret d
}}

fn returns(n: i32) -> ({}) {{
    reg less: i32
    reg d: i64
    i32.br_eqi n, 0, end
    less = i32.addi n, -1
    {} = call returns(less)
  end:
    ret {}
}}

export fn main(n: i32) -> i64 {{
    reg d: i64
    i32.br_eqi n, 0, wide
    {} = call returns(n)
    ret d
  wide:
    d = call wide({})
    ret d
}}",
        parameters.join(", "),
        many("a0"),
        many("i64"),
        many("d"),
        many("d"),
        many("d"),
        many("d"),
    ));
    for n in [0, 1, 1 << 20] {
        for _ in 0..20 {
            same(&module, &[Value::I32(n)]);
        }
    }
}

#[cfg(target_os = "linux")]
mod signals {
    use super::{Jit, Value, run, verified};

    /// Once the handler is there, what compiled code has nothing to do with still ends the process.
    #[test]
    fn those_of_others_are_passed_on() {
        let module =
            verified("home 1\nexport fn main(p: i32) -> i32 {\n    reg d: i32\n    d = i32.load [p + 0]\n    ret d\n}");
        let stopped = run(&module, Jit, &[Value::I32(1 << 16)]);
        // SAFETY: the child does nothing but end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: it is meant to end like this.
            unsafe {
                std::ptr::without_provenance_mut::<u8>(1 << 16).write_volatile(1);
                libc::_exit(0);
            }
        }
        let mut status = 0;
        // SAFETY: the status is there to be written.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(libc::WIFSIGNALED(status), "{stopped:?}, {status}");
        assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
    }
}
