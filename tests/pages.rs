//! Homes whose pages a kernel controls, under compiled code: whatever a pager sees is the same on every engine.

#[path = "support/restored.rs"]
mod restored;

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::module::Module;
use limen_jit::{Compilation, Jit, Log};
use limen_vm::EngineKind::{Interp, Jit as Compiled, Tiered};
use limen_vm::{Config, EngineKind, Machine, Mode, NoServices, Outcome, Time, Verified, verify};

use restored::to_the_end;

/// Ways to run that nobody may be able to tell apart.
const WAYS: [(&[EngineKind], u64); 6] = [
    (&[Interp], 1 << 40),
    (&[Compiled], 1 << 40),
    (&[Tiered], 1 << 40),
    (&[Interp, Compiled], 100),
    (&[Compiled, Interp], 7),
    (&[Compiled, Interp, Tiered], 1),
];

/// What a kernel's run shows: how it ended, the fuel it burnt and the kernel's memory.
type Seen = (Outcome, u64, Vec<u8>);

fn verified(source: &str, mode: Mode) -> Verified<Module> {
    let assembled = assemble("pages.lim", source, &NoFiles, Options::default());
    verify(assembled.unwrap_or_else(|errors| panic!("{errors}")).module, mode).unwrap_or_else(|error| panic!("{error}"))
}

/// A kernel, and the program that it runs.
struct System {
    kernel: Verified<Module>,
    user: Verified<Module>,
}

impl System {
    fn new(kernel: &str, user: &str) -> Self {
        let kernel = format!("{START}{kernel}");
        Self { kernel: verified(&kernel, Mode::Kernel), user: verified(user, Mode::User) }
    }

    /// Runs in pieces of fuel, each under the next engine.
    fn run(&self, engines: &[EngineKind], piece: u64) -> (Seen, Vec<Compilation>) {
        let log = Log::default();
        let mut engines = engines.iter().copied().cycle();
        let engine = engines.next().unwrap_or_default();
        let config = Config { engine, time: Time::Virtual, fuel: Some(piece), ..Config::default() };
        let mut machine =
            Machine::with_engine(config, Box::new(Jit::with_log(&log))).expect("the budget allows a machine");
        let mut outcome = machine.boot(&self.kernel, std::slice::from_ref(&self.user)).expect("the kernel boots");
        while outcome == Outcome::OutOfFuel {
            machine.add_fuel(piece);
            machine.set_engine(None, engines.next().unwrap_or_default()).expect("all domains are meant");
            outcome = machine.resume(&mut NoServices).expect("a run without fuel can go on");
        }
        let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
        ((outcome, machine.fuel_burnt(), memory), log.compilations())
    }

    /// Runs in all ways; the program's function `work` is compiled where anything is. Gives what is seen in each.
    #[track_caller]
    fn same_in_all_ways(&self) -> Seen {
        let (first, _) = self.run(WAYS[0].0, WAYS[0].1);
        for (engines, piece) in WAYS {
            let (seen, compilations) = self.run(engines, piece);
            assert_eq!((&seen.0, seen.1), (&first.0, first.1), "{engines:?} in pieces of {piece}");
            assert!(seen.2 == first.2, "{engines:?} in pieces of {piece}: the kernel saw something else");
            let is_of_work = |it: &Compilation| it.function == "work" && it.looks_at_pages && it.outcome.is_ok();
            let is_compiled = compilations.iter().any(is_of_work);
            assert!(is_compiled || engines[0] != Compiled, "{engines:?}: {compilations:?}");
        }
        assert!(self.run_in_new_machines(first.1) == first, "in new machines the kernel saw something else");
        first
    }

    /// Runs in so many new machines that have nothing but snapshots, also while contexts wait.
    fn run_in_new_machines(&self, burnt: u64) -> Seen {
        let piece = 1 + burnt / MOST_MACHINES;
        let config = Config { engine: Compiled, time: Time::Virtual, fuel: Some(piece), ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot(&self.kernel, std::slice::from_ref(&self.user)).expect("the kernel boots");
        let (mut machine, outcome) = to_the_end(machine, outcome, &[Interp, Compiled], (piece, MOST_MACHINES));
        let memory = machine.kernel_memory().expect("there is a kernel").to_vec();
        (outcome, machine.fuel_burnt(), memory)
    }
}

/// A run goes through at most so many machines.
const MOST_MACHINES: u64 = 40;

fn word(memory: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(memory[at..at + 8].try_into().expect("eight bytes"))
}

/// What kernels here begin with: `start` makes a context at `main` of the program, of whose home all pages but the first are
/// absent, and lets it run. Slot 2 is for its domain, 3 for the context, 4 for its home. `note` adds a number to what is seen.
const START: &str = "
slots 8
home 1
const SEEN = 64
const STATE = 72
const WAITS = 80
const FAULTS = 88
data main_name { \"main\" }
fn start() {
    reg account, module, domain, home, context: ref
    reg zero, one, name, length, function, cells, pages: i32
    reg payload: i64
    account = slot.get [zero + 0]
    module = slot.get [zero + 1]
    domain = domain.make account, module, home, payload
    slot.set [zero + 2], domain
    home = domain.home domain
    slot.set [zero + 4], home
    one = i32.const 1
    pages = i32.const 7
    page.protect home, one, pages, zero
    name = i32.const main_name
    length = i32.const sizeof main_name
    function = domain.export domain, name, length
    cells = i32.const 4096
    context = ctx.make account, domain, function, cells, payload
    slot.set [zero + 3], context
    ctx.resume context
}
fn home() -> ref {
    reg home: ref
    reg zero: i32
    home = slot.get [zero + 4]
    ret home
}
fn note(what: i64) {
    reg zero: i32
    reg seen: i64
    seen = i64.load [zero + SEEN]
    seen = i64.rotli seen, 9
    seen = i64.xor seen, what
    seen = i64.muli seen, 31
    i64.store [zero + SEEN], seen
    ret
}
fn note_word(what: i32) {
    reg long: i64
    long = i64.from_i32_u what
    call note(long)
    ret
}
// A number below n.
fn random(n: i32) -> i32 {
    reg zero, number: i32
    reg state: i64
    state = i64.load [zero + STATE]
    state = i64.muli state, 6364137
    state = i64.addi state, 1442695
    i64.store [zero + STATE], state
    state = i64.shr_ui state, 17
    number = i32.from_i64 state
    number = i32.rem_u number, n
    ret number
}
// Counts at an address of the kernel's.
fn count(at: i32) {
    reg number: i64
    number = i64.load [at]
    number = i64.addi number, 1
    i64.store [at], number
    ret
}
// Notes where a context stands, and two registers of its innermost frame that the program still needs.
fn note_frames(c: ref) {
    reg zero, number: i32
    reg bits: i64
    number = ctx.depth c
    call note_word(number)
    number, zero = ctx.frame c, zero
    call note_word(number)
    call note_word(zero)
    zero = i32.const 0
    bits = ctx.reg c, zero, zero
    call note(bits)
    number = i32.const 1
    bits = ctx.reg c, zero, number
    call note(bits)
    ret
}
// Makes some page absent or readable, and notes what was done with another one.
fn evict() {
    reg h: ref
    reg page, n, one, access: i32
    h = call home()
    one = i32.const 1
    n = i32.const 8
    page = call random(n)
    access = i32.const 2
    access = call random(access)
    page.protect h, page, one, access
    page = call random(n)
    page = page.take h, page
    call note_word(page)
    ret
}
";

/// A program that reads and writes numbers of all sizes at addresses all over its home, some of them across pages, from
/// nested calls.
const WANDERER: &str = "
home 8 max 8
export fn main() -> i64 {
    reg depth: i32
    reg x, sum: i64
    depth = i32.const 6
    x = i64.const 88172645
    sum = call down(depth, x)
    ret sum
}
fn down(depth: i32, x: i64) -> i64 {
    reg rounds: i32
    reg below: i64
    i32.br_eqi depth, 0, deepest
    depth = i32.addi depth, -1
    below = call down(depth, x)
    x = i64.add x, below
  deepest:
    rounds = i32.const 400
    x = call work(rounds, x)
    ret x
}
fn work(rounds: i32, x: i64) -> i64 {
    reg at, at2, i, word, k: i32
    reg long, sum, far, last: i64
    reg float, zero, quotient: f64
    last = i64.const 32700
  next:
    x = i64.muli x, 6364137
    x = i64.addi x, 14426
    long = i64.shr_ui x, 20
    at = i32.from_i64 long
    at = i32.andi at, 32767
    at2 = i32.xori at, 4096
    word = i32.load8_u [at]
    i32.store8 [at2], rounds
    far = i64.from_i32_u at
    i64.br_lt_u last, far, skip
    far = i64.from_i32_u at2
    i64.br_lt_u last, far, skip
    i64.store [at + 8], x
    long = i64.load [at2]
    sum = i64.add sum, long
    i32.store16 [at + 3], word
    i = i32.andi word, 3
    k = i32.load_at [at, i + 4]
    float = f64.load [at2 + 16]
    quotient = f64.div float, zero
    f64.store [at + 24], quotient
    f64.store [at + 32], float
    long = i64.load16_s [at + 25]
    sum = i64.xor sum, long
    word = i32.fetch_add [at2], k
    sum = i64.rotli sum, 5
    i = i32.const 40
    home.copy at, at2, i
  skip:
    rounds = i32.addi rounds, -1
    i32.br_nei rounds, 0, next
    sum = i64.add sum, x
    ret sum
}
";

/// A pager that takes pages away whenever it is called, at random, and sees everything.
const PAGER: &str = "
export fn boot() {
    reg zero: i32
    reg seed: i64
    seed = i64.const SEED
    i64.store [zero + STATE], seed
    call tick()
    call start()
    trap 1
}
fn tick() {
    reg at, wait: i64
    at = timer.now
    wait = i64.const 37
    at = i64.add at, wait
    timer.set at
    ret
}
export fn page(c: ref, m: ref, page: i32, write: i32) {
    reg h: ref
    reg one, access: i32
    one = i32.const WAITS
    call count(one)
    call note_word(page)
    call note_word(write)
    call note_frames(c)
    call evict()
    h = call home()
    one = i32.const 1
    access = i32.const 2
    access = call random(access)
    access = i32.addi access, 1
    page.protect h, page, one, access
    ctx.resume c
}
export fn fault(c: ref, code: i32) {
    reg h: ref
    reg page, one, access: i32
    reg detail: i64
    page = i32.const FAULTS
    call count(page)
    call note_word(code)
    code, detail = ctx.fault c
    call note(detail)
    call note_frames(c)
    h = call home()
    page = i32.from_i64 detail
    page = i32.shr_ui page, 12
    one = i32.const 1
    access = i32.const 2
    page.protect h, page, one, access
    page = i32.addi page, 1
    i32.br_eqi page, 8, resume
    page.protect h, page, one, access
  resume:
    ctx.resume c
}
export fn interrupt(c: ref) {
    reg bits: i64
    bits = irq.take
    call evict()
    call note_frames(c)
    call tick()
    ctx.resume c
}
export fn exit(c: ref) {
    reg zero: i32
    reg result: i64
    result = ctx.word c, 0
    call note(result)
    halt zero
}
";

#[test]
fn a_pager_that_evicts_at_random_sees_the_same_on_every_engine() {
    for seed in 0..6 {
        println!("seed {seed}");
        let kernel = PAGER.replace("SEED", &seed.to_string());
        let (outcome, _, memory) = System::new(&kernel, WANDERER).same_in_all_ways();
        assert_eq!(outcome, Outcome::Halted(0));
        let (waits, faults) = (word(&memory, 80), word(&memory, 88));
        assert!(waits > 150 && faults > 150, "{waits} waits for pages, {faults} faults of right");
    }
}

/// The kernel kills a context that waits deep in compiled code, and makes the next one, again and again.
#[test]
fn contexts_that_wait_are_killed() {
    let kernel = "
data killed { u32 0 }
export fn boot() {
    call start()
    trap 1
}
export fn page(c: ref, m: ref, page: i32, write: i32) {
    reg zero, count, state: i32
    reg domain, context: ref
    call note_word(page)
    call note_frames(c)
    ctx.kill c
    state = ctx.state c
    call note_word(state)
    obj.revoke c
    domain = slot.get [zero + 2]
    obj.revoke domain
    count = i32.load [zero + killed]
    count = i32.addi count, 1
    i32.store [zero + killed], count
    i32.br_eqi count, 300, enough
    call start()
  enough:
    halt count
}";
    let (outcome, ..) = System::new(kernel, WANDERER).same_in_all_ways();
    assert_eq!(outcome, Outcome::Halted(300));
}

/// A home comes under control while its program is in the middle of a compiled loop, and can grow afterwards.
#[test]
fn control_begins_in_mid_loop_and_homes_grow_under_it() {
    let user = "
home 1 max 9
export fn main() {
    reg a, b: i32
    call work()
    ret
}
fn work() {
    reg i, at, more: i32
    reg sum, value: i64
  next:
    value = i64.load [at + 8]
    sum = i64.add sum, value
    i64.store [at + 8], sum
    i = i32.addi i, 1
    i32.br_lt_ui i, 300, next
    more = i32.const 1
    more = home.grow more
    at = i32.addi at, 4092
    i = i32.const 0
    i32.br_nei more, -1, next
    ret
}";
    let kernel = "
export fn boot() {
    reg at: i64
    reg account, module, domain, home, context: ref
    reg zero, name, length, function, cells: i32
    at = i64.const 100
    timer.set at
    account = slot.get [zero + 0]
    module = slot.get [zero + 1]
    domain = domain.make account, module, home, at
    home = domain.home domain
    slot.set [zero + 4], home
    name = i32.const main_name
    length = i32.const sizeof main_name
    function = domain.export domain, name, length
    cells = i32.const 4096
    context = ctx.make account, domain, function, cells, at
    ctx.resume context
}
export fn interrupt(c: ref) {
    reg h: ref
    reg zero, one: i32
    reg at: i64
    at = irq.take
    call note_frames(c)
    h = call home()
    one = i32.const 1
    page.protect h, zero, one, zero
    at = timer.now
    at = i64.addi at, 211
    timer.set at
    ctx.resume c
}
export fn page(c: ref, m: ref, page: i32, write: i32) {
    reg h: ref
    reg one, access: i32
    call note_word(page)
    call note_word(write)
    call note_frames(c)
    h = call home()
    one = i32.const 1
    access = page.take h, page
    call note_word(access)
    access = i32.const 2
    page.protect h, page, one, access
    ctx.resume c
}
export fn exit(c: ref) {
    reg zero: i32
    halt zero
}
export fn fault(c: ref, code: i32) {
    halt code
}";
    assert_eq!(System::new(kernel, user).same_in_all_ways().0, Outcome::Halted(0));
}
