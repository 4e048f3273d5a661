//! A kernel in miniature, in bytecode: it proves the supervisor instructions before anything is built on them.

#[path = "support/restored.rs"]
mod restored;

use std::path::{Path, PathBuf};

use limen_assembler::{NoFiles, Options, assemble, assemble_file};
use limen_isa::Fault;
use limen_isa::module::Module;
use limen_vm::{Config, EngineKind, Mode, NoServices, Outcome, Time, Verified, verify};

use restored::to_the_end;

fn module(name: &str, mode: Mode) -> Verified<Module> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel").join(name);
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A kernel in one text.
fn kernel_of(source: &str) -> Verified<Module> {
    module_of(source, Mode::Kernel)
}

fn module_of(source: &str, mode: Mode) -> Verified<Module> {
    let assembled = assemble("text.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, mode).unwrap_or_else(|error| panic!("{error}"))
}

/// The beginning of a kernel that has one client, whose context `start` makes.
const ONE_CLIENT: &str = "
    data main_name { \"main\" }
    slots 4
    fn start() -> ref {
        reg account, module, home, domain, context: ref
        reg zero, name, length, function, stack: i32
        reg payload: i64
        account = slot.get [zero + 0]
        module = slot.get [zero + 1]
        domain = domain.make account, module, home, payload
        name = i32.const main_name
        length = i32.const sizeof main_name
        function = domain.export domain, name, length
        stack = i32.const 1024
        context = ctx.make account, domain, function, stack, payload
        ret context
    }";

/// Boots the kernel with its two domains; gives how it ended, the fuel burnt and the kernel's memory.
fn boot(engine: EngineKind, time: Time) -> (Outcome, u64, Vec<u8>) {
    let mut machine =
        limen_jit::machine(Config { engine, time, ..Config::default() }).expect("the budget allows a machine");
    let modules = [module("client.lim", Mode::User), module("server.lim", Mode::User)];
    let outcome = machine.boot(&module("kernel.lim", Mode::Kernel), &modules).expect("the kernel boots");
    let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
    (outcome, machine.fuel_burnt(), memory)
}

#[test]
fn two_domains_talk_and_one_outlives_the_other() {
    for engine in EngineKind::ALL {
        let (outcome, ..) = boot(engine, Time::Live);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

#[test]
fn in_virtual_time_every_boot_is_the_same() {
    let first = boot(EngineKind::Interp, Time::Virtual);
    assert_eq!(first.0, Outcome::Halted(0));
    assert!(first.1 > 1000, "the server slept for 1000 units, and {} were burnt", first.1);
    for engine in EngineKind::ALL {
        assert_eq!(boot(engine, Time::Virtual), first, "{}", engine.name());
    }
}

#[test]
fn a_kernel_is_not_loaded_as_a_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/kernel.lim");
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let refusal = verify(assembled.module, Mode::User).expect_err("supervisor instructions are privileged").to_string();
    assert!(refusal.contains("supervisor instruction") && refusal.contains("kernel.lim:"), "{refusal}");
}

/// The kernel with traffic, with a timer of this period if it is not 0, and its two modules.
fn traffic(timer: u32) -> (Verified<Module>, [Verified<Module>; 2]) {
    let source = include_str!("kernel/traffic.lim").replace("const TIMER = 0 ", &format!("const TIMER = {timer} "));
    (kernel_of(&source), ["traffic_client.lim", "traffic_server.lim"].map(|name| module(name, Mode::User)))
}

/// How the traffic ended, the fuel burnt and the kernel's memory. The machine is stopped every `slice` units, and then goes
/// on with the next of `engines`.
fn run_traffic(timer: u32, time: Time, engines: &[EngineKind], slice: Option<u64>) -> (Outcome, u64, Vec<u8>) {
    let (kernel, modules) = traffic(timer);
    let mut engines = engines.iter().copied().cycle();
    let engine = engines.next().unwrap_or_default();
    let config = Config { engine, time, fuel: slice, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let mut outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
    while let (Outcome::OutOfFuel, Some(slice)) = (&outcome, slice) {
        machine.set_engine(None, engines.next().unwrap_or_default()).expect("there are domains");
        machine.add_fuel(slice);
        outcome = machine.resume(&mut NoServices).expect("it was suspended");
    }
    let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
    (outcome, machine.fuel_burnt(), memory)
}

#[test]
fn traffic_is_the_same_on_every_engine() {
    for timer in [0, 61, 1009] {
        let wanted = run_traffic(timer, Time::Virtual, &[EngineKind::Interp], None);
        assert_eq!(wanted.0, Outcome::Halted(0));
        for engine in EngineKind::ALL {
            assert!(run_traffic(timer, Time::Virtual, &[engine], None) == wanted, "{} {timer}", engine.name());
        }
    }
}

/// Clients and servers in calls, killed, captured, waiting and pre-empted, go on in new machines.
#[test]
fn traffic_is_the_same_in_new_machines() {
    for (timer, piece) in [(0, 1), (61, 7), (61, 100), (1009, 1000)] {
        let wanted = run_traffic(timer, Time::Virtual, &[EngineKind::Interp], None);
        let piece = piece.max(wanted.1 / MOST_MACHINES);
        for first in [EngineKind::Interp, EngineKind::Jit] {
            let (kernel, modules) = traffic(timer);
            let config = Config { engine: first, time: Time::Virtual, fuel: Some(piece), ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
            let outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
            let engines = [EngineKind::Jit, EngineKind::Interp];
            let (mut machine, outcome) = to_the_end(machine, outcome, &engines, (piece, MOST_MACHINES));
            let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
            let found = (outcome, machine.fuel_burnt(), memory);
            assert!(found == wanted, "timer {timer}, {piece} units at a time: {:?}, {} burnt", found.0, found.1);
        }
    }
}

/// A machine that was captured again and again comes to the same as one that never was.
#[test]
fn capturing_traffic_changes_nothing() {
    let wanted = run_traffic(61, Time::Virtual, &[EngineKind::Interp], None);
    let (kernel, modules) = traffic(61);
    for engine in EngineKind::ALL {
        let config = Config { engine, time: Time::Virtual, fuel: Some(13), ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let mut outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
        while outcome == Outcome::OutOfFuel {
            let [first, second] = [(); 2].map(|()| machine.checkpoint().expect("it was suspended").write());
            assert_eq!(first, second);
            machine.add_fuel(13);
            outcome = machine.resume(&mut NoServices).expect("it was suspended");
        }
        let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
        assert!((outcome, machine.fuel_burnt(), memory) == wanted, "{}", engine.name());
    }
}

/// A run of a kernel goes through at most so many machines.
const MOST_MACHINES: u64 = 50;

#[test]
fn traffic_is_the_same_while_engines_are_switched() {
    let wanted = run_traffic(0, Time::Virtual, &[EngineKind::Interp], None);
    let orders: [&[EngineKind]; 3] = [
        &[EngineKind::Interp, EngineKind::Jit],
        &[EngineKind::Jit, EngineKind::Tiered, EngineKind::Interp],
        &[EngineKind::Jit],
    ];
    for engines in orders {
        for slice in [1, 7, 100, 1000] {
            let found = run_traffic(0, Time::Virtual, engines, Some(slice));
            assert!(found == wanted, "{engines:?}, {slice} units at a time: {:?}, {} burnt", found.0, found.1);
        }
    }
}

/// A NaN that is loaded keeps its bits in a register to which arithmetic writes, too, whatever was in it before.
#[test]
fn a_nan_loaded_from_a_segment_keeps_its_bits() {
    const SOURCE: &str = "
        export fn boot() {
            reg account, segment: ref
            reg slot, pages, n: i32
            reg at, strange, found: i64
            reg value, zero: f64
            account = slot.get [slot + 0]
            pages = i32.const 1
            segment = mem.make account, pages, pages
            strange = i64.const64 0xfff4_0000_0000_0123
            n = i32.const 100
          again:
            value = f64.div zero, zero
            found = i64.bits_f64 value
            i64.br_eq found, strange, wrong
            value = f64.add value, zero
            i64.seg_store [segment, at + 8], strange
            value = f64.seg_load [segment, at + 8]
            f64.seg_store [segment, at + 16], value
            found = i64.seg_load [segment, at + 16]
            i64.br_ne found, strange, wrong
            found = i64.bits_f64 value
            i64.br_ne found, strange, wrong
            n = i32.addi n, -1
            i32.br_nei n, 0, again
            halt n
          wrong:
            halt pages
        }";
    let kernel = kernel_of(SOURCE);
    for engine in EngineKind::ALL {
        let mut machine =
            limen_jit::machine(Config { engine, ..Config::default() }).expect("the budget allows a machine");
        assert_eq!(machine.boot(&kernel, &[]).expect("the kernel boots"), Outcome::Halted(0), "{}", engine.name());
    }
}

/// An `svc` of the kernel itself begins its entry anew, with a null context, however it came there.
#[test]
fn a_kernel_calls_itself() {
    const SOURCE: &str = "
        data count { u32 0 }
        export fn boot() {
            svc 1()
            trap 1
        }
        export fn svc(c: ref, number: i32) {
            reg zero, count: i32
            ref.br_nonnull c, wrong
            count = i32.load [zero + count]
            count = i32.addi count, 1
            i32.store [zero + count], count
            i32.br_eqi count, 1000, done
            call deeper()
          wrong:
            trap 2
          done:
            halt count
        }
        fn deeper() {
            svc 1()
            trap 3
        }";
    let kernel = kernel_of(SOURCE);
    let boot = |engine| {
        let config = Config { engine, time: Time::Virtual, ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcomes = [(); 2].map(|()| machine.boot(&kernel, &[]).expect("the kernel boots"));
        (outcomes, machine.fuel_burnt())
    };
    let wanted = boot(EngineKind::Interp);
    assert_eq!(wanted.0, [Outcome::Halted(1000), Outcome::Halted(1000)]);
    for engine in EngineKind::ALL {
        assert_eq!(boot(engine), wanted, "{}", engine.name());
    }
}

/// A timer that is due is forgotten when it is set anew before its interrupt was raised. When that is, depends on no engine:
/// not even where compiled code looks at the clock, after what it left to the runtime.
#[test]
fn a_timer_is_set_anew_at_the_last_moment() {
    let source = |due: u32| {
        format!(
            "{ONE_CLIENT}
            const DUE = {due}
            export fn boot() {{
                reg context: ref
                reg at: i64
                context = call start()
                at = timer.now
                at = i64.addi at, DUE
                timer.set at
                ctx.resume context
            }}
            export fn interrupt(running: ref) {{
                reg status: i32
                status = i32.const 1
                halt status
            }}
            export fn fault(c: ref, code: i32) {{
                reg pending: i64
                reg status: i32
                pending = i64.const 1000000
                timer.set pending
                pending = irq.take
                status = i32.from_i64 pending
                status = i32.addi status, 2
                halt status
            }}"
        )
    };
    const CLIENT: &str = "export fn main() {
        reg i, pages: i32
      next:
        i = i32.addi i, 1
        i32.br_nei i, 10, next
        pages = home.size
        trap 1
    }";
    let client = module_of(CLIENT, Mode::User);
    let ends = (1..30).map(|due| {
        let kernel = kernel_of(&source(due));
        let ends = EngineKind::ALL.map(|engine| {
            let config = Config { engine, time: Time::Virtual, ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
            (machine.boot(&kernel, std::slice::from_ref(&client)).expect("the kernel boots"), machine.fuel_burnt())
        });
        assert!(ends.iter().all(|end| *end == ends[0]), "due after {due} units: {ends:?}");
        ends[0].0.clone()
    });
    let ends: Vec<Outcome> = ends.collect();
    assert!(ends.contains(&Outcome::Halted(1)) && ends.contains(&Outcome::Halted(2)), "{ends:?}");
}

/// A kernel may change all registers of a context that has not begun, not only its parameters.
#[test]
fn a_context_begins_with_the_registers_that_it_was_given() {
    const BOOT: &str = "
        export fn boot() {
            reg context: ref
            reg zero, index: i32
            reg value: i64
            context = call start()
            value = i64.const 40
            ctx.set_reg context, zero, index, value
            ctx.resume context
        }
        export fn svc(c: ref, number: i32) {
            halt number
        }";
    const CLIENT: &str = "export fn main() {
        reg given: i64
        i64.br_eqi given, 40, right
        svc 1()
      right:
        svc 2()
        trap 1
    }";
    let client = module_of(CLIENT, Mode::User);
    let kernel = kernel_of(&format!("{ONE_CLIENT}{BOOT}"));
    for engine in EngineKind::ALL {
        let mut machine = limen_jit::machine(Config { engine, ..Config::default() }).expect("there is room");
        let outcome = machine.boot(&kernel, std::slice::from_ref(&client)).expect("the kernel boots");
        assert_eq!(outcome, Outcome::Halted(2), "{}", engine.name());
    }
}

/// What a kernel reads of a context's registers does not depend on what an engine has forgotten: those that nothing will read
/// before it is written read zero, the others what they hold.
#[test]
fn registers_that_are_dead_read_zero() {
    const BOOT: &str = "
        data seen { u64 0 }
        export fn boot() {
            reg context: ref
            reg at: i64
            context = call start()
            at = i64.const 20
            timer.set at
            ctx.resume context
        }
        // Notes the registers of all frames, five in each.
        fn look(c: ref) {
            reg zero, depth, register: i32
            reg word, seen: i64
            depth = ctx.depth c
          frames:
            depth = i32.addi depth, -1
            register = i32.const 0
          registers:
            word = ctx.reg c, depth, register
            seen = i64.load [zero + seen]
            seen = i64.muli seen, 31
            seen = i64.add seen, word
            i64.store [zero + seen], seen
            register = i32.addi register, 1
            i32.br_lt_si register, 5, registers
            i32.br_gt_si depth, 0, frames
            ret
        }
        export fn interrupt(c: ref) {
            reg pending, at: i64
            pending = irq.take
            call look(c)
            at = timer.now
            at = i64.addi at, 3
            timer.set at
            ctx.resume c
        }
        export fn svc(c: ref, number: i32) {
            call look(c)
            ctx.resume c
        }
        export fn fault(c: ref, code: i32) {
            call look(c)
            halt code
        }";
    // Of `work`, b is dead at the first branch back, n behind its last use, and x wherever it is written again first.
    const CLIENT: &str = "
        export fn main() {
            reg n, m, x, y, z: i64
            n = i64.const 12
            m = i64.const 5
            x = call work(n, m)
            y = i64.add x, x
            z = call work(x, y)
            trap 9
        }
        fn work(n: i64, b: i64) -> i64 {
            reg x, sum, k: i64
            sum = i64.mov b
          again:
            x = i64.muli n, 3
            sum = i64.add sum, x
            x = i64.const 77
            n = i64.addi n, -1
            k = i64.const 4
          inner:
            k = i64.addi k, -1
            i64.br_gt_si k, 0, inner
            svc 1(sum)
            i64.br_gt_si n, 6, again
            i64.br_eqi n, 5, done
            x = call work(n, sum)
            sum = i64.add sum, x
          done:
            ret sum
        }";
    let (kernel, client) = (kernel_of(&format!("{ONE_CLIENT}{BOOT}")), module_of(CLIENT, Mode::User));
    let runs = EngineKind::ALL.map(|engine| {
        let config = Config { engine, time: Time::Virtual, fuel: Some(4000), ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot(&kernel, std::slice::from_ref(&client)).expect("the kernel boots");
        (outcome, machine.fuel_burnt(), machine.kernel_memory().expect("there is a kernel").to_vec())
    });
    for (run, engine) in runs.iter().zip(EngineKind::ALL) {
        assert_eq!((&run.0, run.1), (&runs[0].0, runs[0].1), "{}", engine.name());
        assert!(run.2 == runs[0].2, "{}", engine.name());
    }
}

#[test]
fn traffic_is_preempted_in_live_time() {
    for engine in EngineKind::ALL {
        let (outcome, ..) = run_traffic(20_000, Time::Live, &[engine], None);
        assert_eq!(outcome, Outcome::Halted(0), "{}", engine.name());
    }
}

/// The kernel's own context has no reference: what a kernel does about an `svc` must not take the place of one of its own.
#[test]
fn a_kernel_that_enters_itself_finds_no_caller() {
    let kernel = kernel_of(&format!(
        "{ONE_CLIENT}
    data entered {{ u32 0 }}
    export fn boot() {{
        reg client: ref
        client = call start()
        ctx.resume client
    }}
    export fn svc(c: ref, number: i32) {{
        br_table number, [back, count]
      count:
        call on_count(c)
        trap 1
      back:
        ctx.resume c
    }}
    fn on_count(c: ref) {{
        reg zero, n: i32
        n = i32.load [zero + entered]
        n = i32.addi n, 1
        i32.store [zero + entered], n
        i32.br_gt_ui n, 100, own
        ctx.resume c
      own:
        svc 0()
        trap 2
    }}"
    ));
    let client = module_of("export fn main() {\n  again:\nsvc 0()\nsvc 1()\njump again\n}", Mode::User);
    let runs = EngineKind::ALL.map(|engine| {
        let config = Config { engine, time: Time::Virtual, ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot(&kernel, std::slice::from_ref(&client)).expect("the kernel boots");
        (outcome, machine.fuel_burnt())
    });
    let is_null = |outcome: &Outcome| matches!(outcome, Outcome::Faulted(report) if report.fault == Fault::Null);
    assert!(is_null(&runs[0].0), "{:?}", runs[0]);
    assert_eq!(runs, [runs[0].clone(), runs[0].clone(), runs[0].clone()]);
}

/// What a kernel may burn in the tests below.
const KERNEL_FUEL: u64 = 10_000;

/// A kernel that goes round so many times for each `svc`; the client's word says how many, and 0 is for ever.
fn circling() -> Verified<Module> {
    kernel_of(&format!(
        "{ONE_CLIENT}
    export fn boot() {{
        reg client: ref
        client = call start()
        ctx.resume client
    }}
    export fn svc(c: ref, number: i32) {{
        reg rounds: i64
        i32.br_eqi number, 1, end
        rounds = ctx.word c, 0
        call goes_round(rounds)
        ctx.resume c
      end:
        number = i32.const 7
        halt number
    }}
    fn goes_round(rounds: i64) {{
      again:
        rounds = i64.addi rounds, -1
        i64.br_nei rounds, 0, again
        ret
    }}"
    ))
}

/// How a machine ends whose kernel goes round for each of these words of its client's.
fn ends_with(engine: EngineKind, time: Time, fuel: Option<u64>, rounds: &str) -> Outcome {
    let client = module_of(
        &format!(
            "export fn main() {{
                reg n, rounds: i64
                {rounds}
                svc 1()
                trap 1
            }}"
        ),
        Mode::User,
    );
    let config = Config { engine, time, fuel, kernel_fuel: Some(KERNEL_FUEL), ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    machine.boot(&circling(), std::slice::from_ref(&client)).expect("the kernel boots")
}

/// Where fuel is counted, a kernel that goes in circles is stopped, and it is said where. Others that compute are not, however long.
#[test]
fn a_kernel_that_goes_in_circles_is_stopped() {
    for engine in EngineKind::ALL {
        for (time, fuel) in [(Time::Virtual, None), (Time::Live, Some(u64::MAX))] {
            let outcome = ends_with(engine, time, fuel, "rounds = i64.const 0\nsvc 0(rounds)");
            let Outcome::Stuck(calls) = outcome else { panic!("{}, {time:?}: {outcome:?}", engine.name()) };
            let names: Vec<_> = calls.iter().map(ToString::to_string).collect();
            assert!(names.len() == 2 && names[0].contains("goes_round") && names[1].contains("svc"), "{names:?}");
            let outcome = ends_with(
                engine,
                time,
                fuel,
                "n = i64.const 1000000\nagain:\nn = i64.addi n, -1\ni64.br_nei n, 0, again",
            );
            assert_eq!(outcome, Outcome::Halted(7), "{}, {time:?}: a client may go round", engine.name());
        }
    }
}

/// What counts is what a kernel burns before it lets somebody else run, not what it burns in all.
#[test]
fn a_kernel_that_works_hard_is_not_stopped() {
    let often = format!(
        "n = i64.const 100\nagain:\nrounds = i64.const {}\nsvc 0(rounds)\nn = i64.addi n, -1\ni64.br_nei n, 0, again",
        KERNEL_FUEL / 3
    );
    for engine in EngineKind::ALL {
        let outcome = ends_with(engine, Time::Virtual, None, &often);
        assert_eq!(outcome, Outcome::Halted(7), "{}", engine.name());
    }
}
