//! What somebody would try who wants out: each attempt is refused, or ends in the fault that the architecture names.

use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::codec::{Instruction, Value as Operand, encode};
use limen_isa::module::{Export, ExportItem, Function, Home, Module, Signature};
use limen_isa::{Fault, Field, OPERAND_WORD, Opcode, ValueType};
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, REFUSED, Rule, Time, Value, Verified, verify, verify_later};

fn assembled(source: &str) -> Module {
    assemble("attack.lim", source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}")).module
}

fn program(source: &str) -> Verified<Module> {
    verify(assembled(source), Mode::User).unwrap_or_else(|error| panic!("{error}"))
}

fn kernel(source: &str) -> Verified<Module> {
    verify(assembled(source), Mode::Kernel).unwrap_or_else(|error| panic!("{error}"))
}

/// Limits in which every attack must stay.
fn confined(engine: EngineKind) -> Config {
    let budget = Budget { bytes: 4 << 20, objects: 1000, contexts: 10 };
    Config { engine, time: Time::Virtual, budget, stack_cells: 1 << 16, fuel: Some(1_000_000), ..Config::default() }
}

/// Runs `main` on each engine, which must agree.
fn run(module: &Verified<Module>, arguments: &[Value]) -> Outcome {
    let outcomes = EngineKind::ALL.map(|engine| {
        let mut machine = limen_jit::machine(confined(engine)).expect("the budget allows a machine");
        let domain = machine.instantiate(module).expect("the budget allows a domain");
        machine.call(domain, "main", arguments).expect("main can be called")
    });
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    outcomes[0].clone()
}

#[track_caller]
fn assert_fault(outcome: &Outcome, fault: Fault, line: u32) {
    let Outcome::Faulted(report) = outcome else { panic!("{outcome:?} is no fault") };
    let place = report.backtrace[0].line.as_ref().map(|(_, line)| *line);
    assert_eq!((report.fault, place), (fault, Some(line)), "{report}");
}

/// A module of one function with the words given.
fn words(registers: &[ValueType], code: Vec<u64>) -> Module {
    Module {
        types: vec![Signature::default()],
        functions: vec![Function::new(0, registers.to_vec(), code)],
        home: Home { min_pages: 1, max_pages: 1, ..Home::default() },
        exports: vec![Export { name: "main".into(), item: ExportItem::Function(0) }],
        ..Module::default()
    }
}

fn encoded(instructions: &[(Opcode, &[i64])]) -> Vec<u64> {
    let mut code = Vec::new();
    for (opcode, values) in instructions {
        let values = values.iter().map(|value| Operand::Integer(*value)).collect();
        encode(&Instruction { opcode: *opcode, values }, &mut code).expect("the attack can be written down");
    }
    code.push(u64::from(Opcode::Ret.row().code));
    code
}

/// What breaks this rule in its `main` is refused; and where functions are verified later, `main` traps.
#[track_caller]
fn assert_refused(module: Module, rule: &Rule) {
    match verify_later(module.clone(), Mode::User) {
        Ok(module) => {
            let Outcome::Faulted(report) = run(&module, &[]) else { panic!("it ran: {rule}") };
            assert_eq!((report.fault, report.detail), (Fault::Trap, u64::from(REFUSED)), "{report}");
        }
        Err(error) => panic!("{rule} is not about the code of a function: {error}"),
    }
    let error = verify(module, Mode::User).expect_err("the verifier refuses it");
    assert_eq!(error.rule, *rule, "{error}");
}

#[test]
fn jump_outside_the_function() {
    for distance in [-1, 2, 3, i64::from(i32::MAX), i64::from(i32::MIN)] {
        assert_refused(words(&[], encoded(&[(Opcode::Jump, &[distance])])), &Rule::TargetOutside(distance));
    }
    let branch = encoded(&[(Opcode::I32BrEq, &[0, 0, (1 << 23) - 1])]);
    assert_refused(words(&[ValueType::I32], branch), &Rule::TargetOutside((1 << 23) - 1));
}

#[test]
fn jump_into_an_operand_word() {
    let code = encoded(&[(Opcode::I64Const64, &[0, -1]), (Opcode::Jump, &[-1])]);
    assert_refused(words(&[ValueType::I64], code), &Rule::TargetOperandWord(1));
}

#[test]
fn an_instruction_in_an_operand_word() {
    let mut code = encoded(&[(Opcode::I64Const64, &[0, -1])]);
    code[1] = code[1] & !0xffff | u64::from(Opcode::Nop.row().code);
    assert_refused(words(&[ValueType::I64], code), &Rule::OperandWord(1));
    assert_refused(words(&[], vec![u64::from(OPERAND_WORD)]), &Rule::Code(OPERAND_WORD));
}

#[test]
fn running_off_the_end() {
    assert_refused(words(&[], vec![u64::from(Opcode::Nop.row().code)]), &Rule::FallsOff);
    assert_refused(words(&[], Vec::new()), &Rule::Empty);
}

#[test]
fn a_truncated_instruction() {
    let mut code = encoded(&[(Opcode::I64Const64, &[0, -1])]);
    code.truncate(1);
    assert_refused(words(&[ValueType::I64], code), &Rule::Truncated);
}

#[test]
fn register_out_of_range() {
    let code = encoded(&[(Opcode::I32Add, &[0, 0, 4095])]);
    assert_refused(words(&[ValueType::I32], code), &Rule::NoRegister { register: 4095, registers: 1 });
}

#[test]
fn integer_used_as_reference_and_reference_stored_to_bytes() {
    let types = [ValueType::I64, ValueType::Ref, ValueType::I32];
    let forged = encoded(&[(Opcode::RefMov, &[1, 0])]);
    assert_refused(words(&types, forged), &Rule::RegisterType { register: 0, found: ValueType::I64, wanted: "ref" });
    let stored = encoded(&[(Opcode::I64Store, &[2, 0, 1])]);
    assert_refused(words(&types, stored), &Rule::RegisterType { register: 1, found: ValueType::Ref, wanted: "i64" });
    let leaked = encoded(&[(Opcode::I64Mov, &[0, 1])]);
    assert_refused(words(&types, leaked), &Rule::RegisterType { register: 1, found: ValueType::Ref, wanted: "i64" });
}

#[test]
fn call_with_wrong_types() {
    let mut module = assembled("fn f(a: i64) { ret }\nexport fn main() {\nreg x: i64\nreg r: ref\ncall f(x)\nret\n}");
    let [first, second] = [0, 1].map(|register| register << Field::A.shift());
    module.functions[1].code[1] = module.functions[1].code[1] & !Field::A.mask() | first;
    assert!(verify(module.clone(), Mode::User).is_ok());
    module.functions[1].code[1] = module.functions[1].code[1] & !Field::A.mask() | second;
    assert_refused(module, &Rule::RegisterType { register: 1, found: ValueType::Ref, wanted: "i64" });
}

#[test]
fn calls_of_what_does_not_exist() {
    let code = encoded(&[]);
    let call = u64::from(Opcode::Call.row().code) | 7 << Field::Wide32.shift();
    assert_refused(words(&[], [vec![call], code].concat()), &Rule::NoSuch { what: "function", index: 7 });
}

#[test]
fn supervisor_instruction_in_a_user_module() {
    let supervisor = Opcode::ALL.into_iter().filter(|opcode| opcode.row().privileged);
    for opcode in supervisor {
        let registers: Vec<ValueType> = opcode.row().operands.iter().filter_map(register_type).collect();
        let mut next = 0..;
        let operands =
            opcode.row().operands.iter().map(|operand| register_type(operand).and_then(|_| next.next()).unwrap_or(0));
        let values: Vec<i64> = operands.collect();
        let module = words(&registers, encoded(&[(opcode, &values)]));
        assert!(verify(module.clone(), Mode::Kernel).is_ok(), "{opcode:?}");
        assert_refused(module, &Rule::Privilege(opcode.mnemonic()));
    }
}

fn register_type(operand: &limen_isa::Operand) -> Option<ValueType> {
    match operand.kind {
        limen_isa::OperandKind::Register { ty, .. } => Some(ty),
        _ => None,
    }
}

#[test]
fn stale_reference_after_free_and_reuse() {
    let source = "slots 1
export fn boot() {
    reg account, old, new: ref
    reg zero, one, word: i32
    reg offset: i64
    one = i32.const 1
    account = slot.get [zero]
    old = mem.make account, one, one
    obj.revoke old
    new = mem.make account, one, one
    i32.seg_store [new, offset], one
    word = i32.seg_load [old, offset]
    halt zero
}";
    assert_fault(&boot(source), Fault::Stale, 12);
}

#[test]
fn stale_view_after_its_root_is_revoked() {
    let source = "slots 1
export fn boot() {
    reg account, root, view: ref
    reg zero, one, rights: i32
    reg offset, length: i64
    one = i32.const 1
    rights = i32.const 3
    length = i64.const 64
    account = slot.get [zero]
    root = mem.make account, one, one
    view = mem.derive root, root, account, offset, length, rights
    i32.seg_store [view, offset], one
    obj.revoke root
    i32.seg_store [view, offset], one
    halt zero
}";
    assert_fault(&boot(source), Fault::Stale, 14);
}

#[test]
fn segment_bounds_at_2_to_the_32_and_64() {
    for offset in ["0x1000", "0xffffffff", "0x100000000", "0xffffffffffffffff", "0xfffffffffffffff8"] {
        let source = format!(
            "slots 1\nexport fn boot() {{\nreg account, s: ref\nreg zero, one, word: i32\nreg offset: i64\none = i32.const 1
account = slot.get [zero]\ns = mem.make account, one, one\noffset = i64.const64 {offset}\nword = i32.seg_load [s, offset + 8]\nhalt zero\n}}"
        );
        assert_fault(&boot(&source), Fault::Bounds, 10);
    }
}

fn boot(source: &str) -> Outcome {
    let mut machine = limen_jit::machine(confined(EngineKind::Interp)).expect("the budget allows a machine");
    machine.boot(&kernel(source), &[]).expect("the kernel boots")
}

#[test]
fn home_bounds_at_2_to_the_32() {
    let source = "export fn main(p: i32) -> i32 {\nreg d: i32\nd = i32.load_at [p, p + 4095]\nret d\n}";
    for address in [0xffff_ffff_u32, 0xffff_fffc, 0x8000_0000, 4096] {
        assert_fault(&run(&program(source), &[Value::I32(address as i32)]), Fault::Bounds, 3);
    }
}

#[test]
fn deep_recursion() {
    let source = "export fn main() {\ncall main()\nret\n}";
    let outcome = run(&program(source), &[]);
    assert_fault(&outcome, Fault::Stack, 2);
    let Outcome::Faulted(report) = outcome else { unreachable!("asserted above") };
    assert_eq!(
        report.backtrace.len() + report.omitted.frames,
        (1 << 16) / 4,
        "a frame without registers costs four cells"
    );
}

#[test]
fn endless_loops() {
    for source in ["export fn main() {\nl: jump l\n}", "export fn main() {\nreg i: i32\nl: br_table i, [l]\n}"] {
        assert_eq!(run(&program(source), &[]), Outcome::OutOfFuel);
    }
}

#[test]
fn an_endless_loop_is_stopped_by_its_host() {
    let module = program("export fn main() {\nl: jump l\n}");
    for engine in EngineKind::ALL {
        let config = Config { engine, deadline: Some(Duration::from_millis(20)), ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let domain = machine.instantiate(&module).expect("the budget allows a domain");
        assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::TimedOut));
        let handle = machine.stop_handle();
        let stopper = std::thread::spawn(move || {
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(1));
                handle.stop();
            }
        });
        let outcome = machine.call(domain, "main", &[]);
        stopper.join().expect("the stopper ends");
        assert!(matches!(outcome, Ok(Outcome::Stopped | Outcome::TimedOut)), "{outcome:?}");
    }
}

#[test]
fn endless_bulk_copy() {
    let source = "home 512 max 512\nexport fn main() {
reg to, from, n: i32
l:\nto = i32.const 1\nfrom = i32.const 0\nn = i32.const 0x1fffff\nhome.copy to, from, n\njump l\n}";
    let begun = Instant::now();
    let mut config = confined(EngineKind::Interp);
    config.fuel = Some(2_000);
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(&program(source)).expect("the budget allows a domain");
    assert_eq!(machine.call(domain, "main", &[]), Ok(Outcome::OutOfFuel));
    assert_eq!(machine.fuel_burnt(), 2_000);
    assert!(begun.elapsed() < Duration::from_secs(60), "2,000 pieces of 64 KiB are no work");
}

#[test]
fn allocation_of_everything() {
    let source = "home 1 max 1048576\nslots 0\nexport fn main() -> (i32, i32) {
reg pages, slots, n, got: i32\nn = i32.const 64
more:\ngot = home.grow n\ni32.br_ge_si got, 0, more\npages = home.size
more_slots:\ngot = slot.grow n\ni32.br_ge_si got, 0, more_slots\nslots = slot.size\nret pages, slots\n}";
    let Outcome::Returned(values) = run(&program(source), &[]) else { panic!("being refused memory is an answer") };
    let [Value::I32(pages), Value::I32(slots)] = values[..] else { panic!("{values:?}") };
    let spent = pages as u64 * 4096 + slots as u64 * 8 + (1 << 16) * 8;
    assert!(spent <= 4 << 20 && spent > (4 << 20) - 64 * 4096 - 64 * 8, "{spent} bytes of 4 MiB were spent");
}

#[test]
fn all_objects() {
    let source = "slots 1
export fn boot() {
    reg account, made: ref
    reg zero, kind, count: i32
    reg payload: i64
    account = slot.get [zero]
    kind = i32.const 64
  more:
    made = obj.make account, kind, payload
    ref.br_null made, full
    count = i32.addi count, 1
    jump more
  full:
    halt count
}";
    let Outcome::Halted(count) = boot(source) else { panic!("running out of objects is an answer") };
    assert_eq!(count, 999, "all but the account's own entry");
}

/// Nothing that is done again and again takes room on the host's stack each time: as often as here, it would be full.
#[test]
fn the_native_stack_does_not_grow() {
    const BODY: &str = "
    to = i32.const 8
    n = i32.const 16
    home.copy to, from, n
    n = i32.const 16
    home.fill from, to, n
    n = i32.const 8
    d = home.compare to, from, n
    to = i32.const 0
    from = i32.const 64
    n = i32.const 16
    o = i64.const 0
    seg.read to, s, o, n
    n = i32.const 16
    seg.write s, o, from, n
    n = i32.const 16
    st = seg.try_read to, s, o, n
    n = i32.const 16
    st = seg.try_write s, o, from, n
    p = i64.const 0
    m = i64.const 16
    seg.copy s, p, s, o, m
    m = i64.const 16
    seg.fill s, p, to, m
    m = seg.size s
    n = home.size
    n = slot.size
    account = slot.get [zero]";
    const TIMES: usize = 100;
    let source = format!(
        "slots 1
home 1
type step = fn(i32) -> i32
table steps {{ next }}
export fn boot() {{
    reg account, s: ref
    reg zero, one, round, to, from, n, d, st: i32
    reg o, p, m: i64
    account = slot.get [zero]
    one = i32.const 1
    s = mem.make account, one, one
  again:{}
    round = call_indirect steps[zero] step(round)
    i32.br_lt_ui round, 1000, again
    halt round
}}
fn next(n: i32) -> i32 {{
    n = i32.addi n, 1
    ret n
}}",
        BODY.repeat(TIMES)
    );
    assert_eq!(boot(&source), Outcome::Halted(1000));
}

/// The kernel has a stack of its own: a user who has used up his can still enter it.
#[test]
fn a_kernel_entry_from_a_full_user_stack() {
    let user = "export fn main(depth: i32) {\nreg d: i32\nd = i32.addi depth, -1\ni32.br_gt_si depth, 0, deeper\nsvc 1()\ntrap 9
deeper: call main(d)\nret\n}";
    let kernel_source = "slots 2
data name { \"main\" }
export fn boot() {
    reg account, module, home, domain, context: ref
    reg zero, one, at, n, function, cells: i32
    reg payload, depth: i64
    one = i32.const 1
    account = slot.get [zero]
    module = slot.get [zero + 1]
    domain = domain.make account, module, home, payload
    at = i32.const name
    n = i32.const sizeof name
    function = domain.export domain, at, n
    cells = i32.const 60
    context = ctx.make account, domain, function, cells, payload
    depth = i64.const 9
    ctx.set_word context, 0, depth
    ctx.resume context
}
export fn svc(c: ref, number: i32) {
    number = call deep(number)
    halt number
}
fn deep(n: i32) -> i32 {
    reg a, b, e, f, g, h: i64
    i32.br_gt_si n, 500, done
    n = i32.addi n, 1
    n = call deep(n)
  done:
    ret n
}
export fn fault(c: ref, code: i32) {
    code = i32.addi code, 1000
    halt code
}";
    let mut machine = limen_jit::machine(confined(EngineKind::Interp)).expect("the budget allows a machine");
    let outcome = machine.boot(&kernel(kernel_source), &[program(user)]).expect("the kernel boots");
    assert_eq!(outcome, Outcome::Halted(501), "ten frames of six cells fill the user's stack of 60");
}

#[test]
fn the_same_run_in_virtual_time_is_the_same_in_slices() {
    let source = "export fn main() -> i64 {
reg h, i: i64\nreg to, from, n: i32
l:\nh = i64.muli h, 31\nh = i64.add h, i\ni = i64.addi i, 1\ncall touch(i)\ni64.br_lt_si i, 2000, l\nret h\n}
fn touch(i: i64) { reg at: i32\nat = i32.from_i64 i\ni64.store [at], i\nret }\nhome 1";
    let whole = sliced(&program(source), u64::MAX);
    assert!(matches!(whole.0, Outcome::Returned(_)), "{:?}", whole.0);
    for slice in [1, 2, 7, 1000] {
        assert_eq!(sliced(&program(source), slice), whole, "in slices of {slice}");
    }
}

/// Runs `main` with `slice` units of fuel at a time; gives outcome, fuel burnt and memory.
fn sliced(module: &Verified<Module>, slice: u64) -> (Outcome, u64, Vec<u8>) {
    let mut machine = limen_jit::machine(Config { fuel: Some(slice), ..confined(EngineKind::Interp) })
        .expect("the budget allows a machine");
    let domain = machine.instantiate(module).expect("the budget allows a domain");
    let mut outcome = machine.call(domain, "main", &[]).expect("main can be called");
    while outcome == Outcome::OutOfFuel {
        machine.add_fuel(slice);
        outcome = machine.resume(&mut limen_vm::NoServices).expect("a run without fuel can go on");
    }
    (outcome, machine.fuel_burnt(), machine.memory(domain).expect("the domain is there").to_vec())
}
