//! What could go wrong only in compiled code, under a kernel that takes back what it gave, and in a process that others send
//! signals to.

use std::fmt::Write;

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::Fault;
use limen_isa::module::Module;
use limen_vm::EngineKind::{Interp, Jit, Tiered};
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, Time, Verified, verify};

#[path = "compiled_attacks/messages.rs"]
mod messages;

fn verified(source: &str, mode: Mode) -> Verified<Module> {
    let assembled = assemble("attack.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, mode).unwrap_or_else(|error| panic!("{error}"))
}

/// A kernel and the modules that it loads.
struct System {
    kernel: Verified<Module>,
    modules: Vec<Verified<Module>>,
}

/// How a run ended, the fuel it burnt, and the kernel's memory.
type Seen = (Outcome, u64, Vec<u8>);

/// Ways to run that nobody may be able to tell apart.
const WAYS: [(&[EngineKind], u64); 6] = [
    (&[Interp], 1 << 40),
    (&[Jit], 1 << 40),
    (&[Tiered], 1 << 40),
    (&[Interp, Jit], 100),
    (&[Jit, Interp], 7),
    (&[Jit, Interp, Tiered], 1),
];

impl System {
    /// A kernel without anything to load.
    fn alone(kernel: &str) -> Self {
        Self { kernel: verified(kernel, Mode::Kernel), modules: Vec::new() }
    }

    /// A kernel with a user module, which begins with `start(domain)`: makes a context at its `main` and a timer.
    fn new(kernel: &str, user: &str) -> Self {
        let modules = vec![verified(user, Mode::User)];
        Self { kernel: verified(&format!("{START}{kernel}"), Mode::Kernel), modules }
    }

    fn machine(engine: EngineKind, fuel: u64) -> Machine {
        let config = Config { engine, time: Time::Virtual, fuel: Some(fuel), ..Config::default() };
        limen_jit::machine(config).expect("the budget allows a machine")
    }

    fn run(&self, engines: &[EngineKind], piece: u64) -> Seen {
        let mut engines = engines.iter().copied().cycle();
        let mut machine = Self::machine(engines.next().unwrap_or_default(), piece);
        let mut outcome = machine.boot(&self.kernel, &self.modules).expect("the kernel boots");
        while outcome == Outcome::OutOfFuel {
            machine.add_fuel(piece);
            machine.set_engine(None, engines.next().unwrap_or_default()).expect("all domains are meant");
            outcome = machine.resume(&mut NoServices).expect("a run without fuel can go on");
        }
        let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
        (outcome, machine.fuel_burnt(), memory)
    }

    #[track_caller]
    fn same_in_all_ways(&self) -> Seen {
        let first = self.run(WAYS[0].0, WAYS[0].1);
        for (engines, piece) in WAYS {
            let (outcome, burnt, memory) = self.run(engines, piece);
            assert_eq!((&outcome, burnt), (&first.0, first.1), "{engines:?} in pieces of {piece}");
            assert!(memory == first.2, "{engines:?} in pieces of {piece}: the kernel saw something else");
        }
        first
    }
}

/// What kernels here begin with. Slot 2 is for the domain, 3 for the context, 4 and up for objects.
const START: &str = "
slots 16
home 4
data main_name { \"main\" }
fn start(period: i32) {
    reg account, module, domain, home, context: ref
    reg zero, name, length, function, cells: i32
    reg payload, at, wait: i64
    account = slot.get [zero + 0]
    module = slot.get [zero + 1]
    domain = domain.make account, module, home, payload
    slot.set [zero + 2], domain
    name = i32.const main_name
    length = i32.const sizeof main_name
    function = domain.export domain, name, length
    cells = i32.const 16384
    context = ctx.make account, domain, function, cells, payload
    slot.set [zero + 3], context
    i32.br_eqi period, 0, ready
    at = timer.now
    wait = i64.from_i32_u period
    at = i64.add at, wait
    timer.set at
  ready:
    ret
}
fn run() {
    reg context: ref
    reg zero: i32
    context = slot.get [zero + 3]
    ctx.resume context
}
fn give_segment() {
    reg account, domain, segment: ref
    reg zero, one: i32
    one = i32.const 1
    account = slot.get [zero + 0]
    domain = slot.get [zero + 2]
    segment = mem.make account, one, one
    slot.set [zero + 4], segment
    domain.slot_set domain, zero, segment
    ret
}
// Notes fault, place and counter, and halts with the number of the fault.
export fn fault(c: ref, code: i32) {
    reg zero, function, pc, four: i32
    reg detail, counter: i64
    code, detail = ctx.fault c
    function, pc = ctx.frame c, zero
    counter = ctx.reg c, zero, zero
    i32.store [zero + 64], code
    i64.store [zero + 72], detail
    i32.store [zero + 80], pc
    i64.store [zero + 88], counter
    i32.store [zero + 96], function
    halt code
}
";

/// How kernels here begin with two contexts: the one that runs first is in slot 5. A context that asks who it is gets 1 if it is the
/// server, else 0, and goes on.
const BOOT_TWO: &str = "
export fn boot() {
    reg none, zero: i32
    reg first: ref
    call start(none)
    first = slot.get [zero + 3]
    slot.set [zero + 5], first
    call start(none)
    ctx.resume first
}
fn say_who(c: ref, server: ref) {
    reg is_server: i32
    reg word: i64
    is_server = ref.eq c, server
    word = i64.from_i32_u is_server
    ctx.set_word c, 0, word
    ctx.resume c
}
";

/// In a compiled loop the reference is checked in each round, and used again behind the place where it ends.
#[test]
fn a_reference_ends_between_two_uses_in_a_loop() {
    let user = "slots 4
export fn main() {
    reg round: i32
    reg zero, value: i32
    reg segment: ref
    reg offset: i64
    segment = slot.get [zero + 0]
  again:
    i32.seg_store [segment, offset], round
    svc 1()
    value = i32.seg_load [segment, offset]
    round = i32.addi round, 1
    i32.br_eq round, round, again
    ret
}";
    let kernel = "
data asked { u32 0 }
export fn boot() {
    reg none: i32
    call start(none)
    call give_segment()
    call run()
    trap 1
}
export fn svc(c: ref, number: i32) {
    reg zero, count: i32
    reg segment: ref
    count = i32.load [zero + asked]
    count = i32.addi count, 1
    i32.store [zero + asked], count
    i32.br_nei count, 2000, go_on
    segment = slot.get [zero + 4]
    obj.revoke segment
  go_on:
    ctx.resume c
}";
    let (outcome, _, memory) = System::new(kernel, user).same_in_all_ways();
    assert_eq!(outcome, Outcome::Halted(7), "the reference is stale");
    // The load is the fourth word, and faults in round 1999.
    assert_eq!((word(&memory, 80), word(&memory, 88)), (3, 1999));
}

/// It is not the reference itself that ends, but the object that it hangs on, or what that hangs on in its turn.
#[test]
fn what_a_reference_hangs_on_ends_between_two_uses() {
    let user = "slots 4
export fn main() {
    reg round: i32
    reg zero, value, status: i32
    reg segment: ref
    reg offset: i64
    segment = slot.get [zero + 0]
  again:
    value, status = i32.seg_try_load [segment, offset]
    i32.seg_store [segment, offset], round
    svc 1(status)
    round = i32.addi round, 1
    i32.br_eq round, round, again
    ret
}";
    for links in [1, 2, 5] {
        let kernel = format!(
            "
data asked {{ u32 0 }}
export fn boot() {{
    reg account, domain, anchor, further, segment: ref
    reg links, zero, kind, rights: i32
    reg offset, length: i64
    call start(zero)
    call give_segment()
    account = slot.get [zero + 0]
    domain = slot.get [zero + 2]
    segment = slot.get [zero + 4]
    kind = i32.const 64
    anchor = obj.make account, kind, offset
    slot.set [zero + 5], anchor
    links = i32.const {links}
    rights = i32.const 3
  more:
    links = i32.addi links, -1
    i32.br_eqi links, 0, enough
    anchor = obj.derive anchor, anchor, account, rights, offset
    jump more
  enough:
    length = i64.const 100
    segment = mem.derive segment, anchor, account, offset, length, rights
    domain.slot_set domain, zero, segment
    call run()
    trap 1
}}
export fn svc(c: ref, number: i32) {{
    reg zero, count: i32
    reg anchor: ref
    count = i32.load [zero + asked]
    count = i32.addi count, 1
    i32.store [zero + asked], count
    i32.br_nei count, 2000, go_on
    anchor = slot.get [zero + 5]
    obj.revoke anchor
  go_on:
    ctx.resume c
}}"
        );
        let (outcome, _, memory) = System::new(&kernel, user).same_in_all_ways();
        assert_eq!(outcome, Outcome::Halted(7), "the reference is stale");
        assert_eq!((word(&memory, 80), word(&memory, 88)), (2, 2000), "{links} links");
    }
}

fn word(memory: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(memory[at..at + 4].try_into().expect("four bytes"))
}

/// The same without any call: an interrupt at the branch back is all that comes between.
#[test]
fn a_reference_ends_while_a_loop_is_interrupted() {
    let user = "slots 4
export fn main() {
    reg round: i32
    reg zero, value, sum: i32
    reg segment: ref
    reg offset: i64
    segment = slot.get [zero + 0]
  again:
    value = i32.seg_load [segment, offset]
    sum = i32.add sum, value
    i32.seg_store [segment, offset], round
    round = i32.addi round, 1
    i32.br_ge_si round, 0, again
    ret
}";
    a_reference_ends_while_this_goes_round(user, 1);
}

/// A program that goes round and round with a segment that is revoked when the timer comes, and loads from it at this word.
fn a_reference_ends_while_this_goes_round(user: &str, load_at: u32) {
    let kernel = "
export fn boot() {
    reg period: i32
    period = i32.const 5003
    call start(period)
    call give_segment()
    call run()
    trap 1
}
export fn interrupt(c: ref) {
    reg zero: i32
    reg segment: ref
    reg pending: i64
    pending = irq.take
    segment = slot.get [zero + 4]
    obj.revoke segment
    ctx.resume c
}";
    let (outcome, _, memory) = System::new(kernel, user).same_in_all_ways();
    assert_eq!(outcome, Outcome::Halted(7), "the reference is stale");
    assert_eq!(word(&memory, 80), load_at, "the load is what faults");
    assert!((4900..5003).contains(&word(&memory, 88)), "in round {}", word(&memory, 88));
}

/// The same in a loop that counts, which looks at its accesses before it begins, and not in its turns.
#[test]
fn a_reference_ends_while_a_loop_that_counts_is_interrupted() {
    let user = "slots 4
export fn main() {
    reg round: i32
    reg zero, value, sum, rounds: i32
    reg segment: ref
    reg offset: i64
    segment = slot.get [zero + 0]
    rounds = i32.const 100000
  again:
    value = i32.seg_load [segment, offset]
    sum = i32.add sum, value
    i32.seg_store [segment, offset], round
    round = i32.addi round, 1
    i32.br_lt_u round, rounds, again
    ret
}";
    a_reference_ends_while_this_goes_round(user, 2);
}

/// A register that no instruction writes is zero until the kernel sets it; the loop that goes on with it has been compiled.
#[test]
fn a_slot_is_looked_for_by_an_index_that_only_the_kernel_has_set() {
    let user = "
slots 4
export fn main() {
    reg zero, n: i32
    reg r: ref
  again:
    r = slot.get [zero + 0]
    slot.set [zero + 1], r
    n = i32.addi n, 1
    i32.br_nei n, 200, again
    svc 1()
    n = i32.const 0
    jump again
}";
    let kernel = "
export fn boot() {
    reg none: i32
    call start(none)
    call run()
    trap 1
}
export fn svc(c: ref, number: i32) {
    reg zero: i32
    reg index: i64
    index = i64.const 500000
    ctx.set_reg c, zero, zero, index
    ctx.resume c
}";
    let (outcome, ..) = System::new(kernel, user).same_in_all_ways();
    assert_eq!(outcome, Outcome::Halted(i32::from(Fault::Bounds.code())));
}

/// The kernel captures frames at every `svc` on the way down and up, some of which were captured before.
/// A kernel that has whatever its client could not do tried again, fifty times. The client's stack has `CELLS` cells.
const STUBBORN: &str = "slots 2
home 1
data name { \"main\" }
export fn boot() {
    reg account, module, home, domain, context: ref
    reg zero, at, n, function, cells: i32
    reg payload: i64
    account = slot.get [zero]
    module = slot.get [zero + 1]
    domain = domain.make account, module, home, payload
    at = i32.const name
    n = i32.const sizeof name
    function = domain.export domain, at, n
    cells = i32.const CELLS
    context = ctx.make account, domain, function, cells, payload
    ctx.resume context
}
export fn svc(c: ref, number: i32) {
    number = i32.const 7
    halt number
}
export fn fault(c: ref, code: i32) {
    reg zero, count: i32
    count = i32.load [zero + 2048]
    count = i32.addi count, 1
    i32.store [zero + 2048], count
    i32.br_gt_si count, 50, enough
    ctx.resume c
enough:
    code = i32.addi code, 1000
    halt code
}";

#[test]
fn a_full_stack_is_full_however_often_a_call_is_tried() {
    let registers: Vec<String> = (0..200).map(|number| format!("r{number}")).collect();
    let mut large = format!(
        "home 1\nexport fn main() {{\nreg x: i64\nx = call large(x)\nsvc 1()\ntrap 9\n}}
fn large(x: i64) -> i64 {{\nreg {}: i64\nreg p: i32\nr199 = i64.fetch_add [p], r198\n",
        registers.join(", ")
    );
    registers.iter().for_each(|register| _ = writeln!(large, "x = i64.add x, {register}"));
    large.push_str("ret x\n}");
    let deep = "export fn main() {\nreg n: i32\nn = i32.const 20\ncall down(n)\nsvc 1()\ntrap 9\n}
fn down(n: i32) {\ni32.br_eqi n, 0, ground\nn = i32.addi n, -1\ncall down(n)\nground: ret\n}";
    for (user, cells) in [(&*large, "40"), (deep, "60")] {
        let modules = [verified(user, Mode::User)];
        let kernel = verified(&STUBBORN.replace("CELLS", cells), Mode::Kernel);
        for (engine, time) in EngineKind::ALL.into_iter().flat_map(|it| [(it, Time::Live), (it, Time::Virtual)]) {
            let config = Config { engine, time, ..Config::default() };
            let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
            let outcome = machine.boot(&kernel, &modules).expect("the kernel boots");
            assert!(matches!(outcome, Outcome::Halted(code) if code > 1000), "{engine:?}, {time:?}: {outcome:?}");
        }
    }
}

#[test]
fn frames_are_captured_again_after_they_were_resumed() {
    let user = "
export fn main() {
    reg n: i32
    reg x: i64
    reg f: f64
    n = i32.const 60
    f = f64.const 0.5
    x = call down(n, f)
    svc 2(x)
    ret
}
fn down(n: i32, f: f64) -> i64 {
    reg x, y, one: i64
    reg more: i32
    reg g: f64
    i32.br_eqi n, 0, bottom
    x = svc 1(n)
    more = i32.addi n, -1
    g = f64.add f, f
    y = call down(more, f)
    one = svc 1(n)
    x = i64.mul x, one
    x = i64.add x, y
    one = i64.from_f64_s_sat g
    x = i64.add x, one
  bottom:
    ret x
}";
    let kernel = "
export fn boot() {
    reg period: i32
    period = i32.const 17
    call start(period)
    call run()
    trap 1
}
export fn interrupt(c: ref) {
    reg size, at: i64
    at = irq.take
    at = timer.now
    at = i64.addi at, 17
    timer.set at
    ref.br_null c, none
    size = ctx.capture c
    ctx.resume c
  none:
    idle
}
export fn svc(c: ref, number: i32) {
    reg size, again: i64
    reg status: i32
    size = ctx.word c, 0
    i32.br_eqi number, 2, done
    again = ctx.capture c
    again = ctx.capture c
    ctx.set_word c, 0, size
    ctx.resume c
  done:
    status = i32.from_i64 size
    halt status
}";
    // The sum of n * n + 1 for n up to 60.
    assert_eq!(System::new(kernel, user).same_in_all_ways().0, Outcome::Halted(73_810 + 60));
}

/// Makes objects whose payloads are their numbers, hands references and floats to a function that turns them round, and
/// weighs what comes back.
fn many(count: usize) -> String {
    let names = |letter: char| (0..count).map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(", ");
    let types: Vec<&str> = ["ref", "f64", "ref", "f32", "i64"].into_iter().cycle().take(count).collect();
    let mut text = String::from(
        "slots 1\nexport fn boot() {\n    reg account: ref\n    reg kind, status: i32\n    reg sum, one: i64\n    \
         account = slot.get [kind + 0]\n    kind = i32.const 64\n",
    );
    for (i, ty) in types.iter().enumerate() {
        let make = match *ty {
            "ref" => format!("one = i64.const {i}\n    a{i} = obj.make account, kind, one"),
            "i64" => format!("a{i} = i64.const {i}"),
            _ => format!("a{i} = {ty}.const {i}.0"),
        };
        _ = write!(text, "    reg a{i}, b{i}: {ty}\n    {make}\n");
    }
    _ = writeln!(text, "    {} = call turned({})", names('b'), names('a'));
    for (i, ty) in types.iter().enumerate() {
        let back = match *ty {
            "ref" => format!("obj.payload b{i}, 64"),
            "i64" => format!("i64.mov b{i}"),
            _ => format!("i64.from_{ty}_s b{i}"),
        };
        _ = write!(text, "    one = {back}\n    one = i64.muli one, {}\n    sum = i64.add sum, one\n", i + 1);
    }
    let params = types.iter().enumerate().map(|(i, ty)| format!("p{i}: {ty}")).collect::<Vec<_>>().join(", ");
    let (results, nothing) = (types.join(", "), "reg r: ref\n    reg n: i32\n    r = slot.get [n + 0]");
    _ = write!(
        text,
        "    status = i32.from_i64 sum\n    halt status\n}}\nfn turned({params}) -> ({results}) {{\n    {nothing}\n    ret {}\n}}\n",
        names('p')
    );
    text
}

#[test]
fn references_and_floats_that_no_register_has_room_for() {
    for count in [1, 5, 17, 60, 200] {
        let expected = (0..count as i32).map(|i| i * (i + 1)).sum();
        assert_eq!(System::alone(&many(count)).same_in_all_ways().0, Outcome::Halted(expected));
    }
}

/// A kernel whose door leads to functions that call each other from each of many blocks. To follow all of these ways would take for
/// ever: there are `BLOCKS` to the power of `DEPTH` of them, and none comes to an end.
fn door_to_everywhere() -> String {
    const DEPTH: usize = 8;
    const BLOCKS: usize = 20;
    let mut text = String::from(
        "export fn boot() {
    reg zero: i32
    call start(zero)
    call run()
    ret
}
export fn svc(c: ref, number: i32) {
    reg x: i64
    i32.br_eqi number, 1, on
    halt number
  on:
    i64.br_nei x, 0, off
    ctx.resume c
  off:
    call way0(c, x)
    trap 9
}
",
    );
    for level in 0..DEPTH {
        let _ = writeln!(text, "fn way{level}(c: ref, x: i64) {{");
        for block in 0..BLOCKS {
            let next = level + 1;
            let _ = writeln!(text, "i64.br_eqi x, {block}, on{block}\ncall way{next}(c, x)\ntrap 9\non{block}:");
        }
        text.push_str("trap 9\n}\n");
    }
    let _ = writeln!(text, "fn way{DEPTH}(c: ref, x: i64) {{\ntrap 9\n}}");
    text
}

#[test]
fn a_door_with_very_many_ways_behind_it_is_compiled_in_time() {
    let user = "
export fn main() {
    svc 1()
    svc 1()
    svc 0()
    ret
}";
    assert_eq!(System::new(&door_to_everywhere(), user).same_in_all_ways().0, Outcome::Halted(0));
}

/// Signals that come while this process runs compiled code are handled on whatever stack it runs on.
#[cfg(target_os = "linux")]
mod signals {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use limen_vm::{Config, Mode, Outcome, Value};

    use super::{Jit, verified};

    static HANDLED: AtomicUsize = AtomicUsize::new(0);

    /// Takes some of the stack that it is called on.
    extern "C" fn handle(_: libc::c_int) {
        let mut scratch = [0xa5_u8; 4096];
        std::hint::black_box(&mut scratch);
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends signals to a thread until that is enough.
    fn send_until(done: &AtomicBool, thread: libc::pthread_t) {
        while !done.load(Ordering::Relaxed) {
            // SAFETY: whoever waits for this has not ended, and the signal has a handler.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    #[test]
    fn do_no_harm() {
        let handler: extern "C" fn(libc::c_int) = handle;
        // SAFETY: the handler only uses its own stack and an atomic number.
        unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
        let source = "home 1
export fn main(n: i32) -> (i64, f64) {
    reg sum, one: i64
    reg x: f64
    reg i: i32
  again:
    one, x = call deep(n, x)
    sum = i64.add sum, one
    i = i32.addi i, 1
    i32.br_lt_si i, 40, again
    ret sum, x
}
fn deep(n: i32, x: f64) -> (i64, f64) {
    reg one: i64
    reg half: f64
    reg less, p: i32
    i32.br_eqi n, 0, done
    half = f64.const 0.5
    less = i32.addi n, -1
    one, x = call deep(less, x)
    x = f64.add x, half
    i64.store [p + 8], one
    one = i64.load [p + 8]
    one = i64.addi one, 1
  done:
    ret one, x
}";
        let module = verified(source, Mode::User);
        let mut machine = limen_jit::machine(Config { engine: Jit, ..Config::default() }).expect("there is room");
        let domain = machine.instantiate(&module).expect("there is room");
        let done = AtomicBool::new(false);
        // SAFETY: it has no conditions.
        let this = unsafe { libc::pthread_self() };
        std::thread::scope(|scope| {
            scope.spawn(|| send_until(&done, this));
            let begun = Instant::now();
            while HANDLED.load(Ordering::Relaxed) < 5_000 && begun.elapsed() < Duration::from_secs(20) {
                let outcome = machine.call(domain, "main", &[Value::I32(3000)]);
                let wanted = vec![Value::I64(40 * 3000), Value::F64(40.0 * 1500.0)];
                assert_eq!(outcome, Ok(Outcome::Returned(wanted)));
            }
            done.store(true, Ordering::Relaxed);
        });
        let handled = HANDLED.load(Ordering::Relaxed);
        println!("{handled} signals");
        assert!(handled >= 1_000, "only {handled} signals came");
    }
}

/// Machines whose kernel and client are dropped wherever they stand.
#[cfg(target_os = "linux")]
#[test]
fn systems_that_come_and_go_leave_nothing_behind() {
    let user = "slots 4\nexport fn main() {\nreg n: i32\nl:\nn = i32.addi n, 1\nsvc 1(n)\ncall f()\njump l\n}\nfn f() {\nret\n}";
    let kernel = "
export fn boot() {
    reg period: i32
    period = i32.const 11
    call start(period)
    call give_segment()
    call run()
    trap 1
}
export fn svc(c: ref, number: i32) {
    ctx.resume c
}
export fn interrupt(c: ref) {
    reg pending: i64
    pending = irq.take
    pending = ctx.capture c
    ctx.resume c
}";
    let system = System::new(kernel, user);
    let cycle = |machines: u64| {
        for index in 0..machines {
            let mut machine = System::machine(Jit, 20 + index % 30);
            assert_eq!(machine.boot(&system.kernel, &system.modules), Ok(Outcome::OutOfFuel));
        }
    };
    cycle(200);
    let before = (lines_of("/proc/self/maps"), files(), resident());
    cycle(2_000);
    let after = (lines_of("/proc/self/maps"), files(), resident());
    println!("mappings, files and resident KiB: {before:?}, then {after:?}");
    // Other tests of this file run meanwhile, and the allocator keeps what it likes: but nothing for each machine.
    let grown = (after.0 - before.0.min(after.0), after.1 - before.1.min(after.1), after.2 - before.2.min(after.2));
    assert!(grown.0 < 300 && grown.1 < 50 && grown.2 < 100 << 10, "{before:?} became {after:?}");
}

#[cfg(target_os = "linux")]
fn lines_of(path: &str) -> usize {
    std::fs::read_to_string(path).expect("the host has /proc").lines().count()
}

#[cfg(target_os = "linux")]
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the host has /proc").count()
}

/// KiB of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the host has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("the host says how much it is")
}
