//! Modules that nobody in his right mind would write: valid ones damaged, and random words. Each is refused with a
//! reason, or runs within its limits.
//!
//! `LIMEN_HOSTILE_CASES` says how many of each sort to try (default 3,000), `LIMEN_HOSTILE_SEED` with which seed to begin.
//! A failure prints the seed of its case, with which it can be tried alone.

use std::path::Path;

use limen_assembler::{Options, assemble_file};
use limen_isa::module::{Export, ExportItem, Function, Home, Module, Signature};
use limen_isa::{Opcode, OperandKind, ValueType};
use limen_vm::{Budget, Config, EngineKind, Machine, Mode, NoServices, Outcome, Time, Value, Verified, verify};

use support::random::{self, Random};

mod support {
    pub(crate) mod random;
}

/// Tries a case for each seed. A case says whether it was what the campaign is after; without any such, the campaign tests
/// nothing.
fn campaign(name: &str, sought: &str, case: impl FnMut(&mut Random) -> bool) {
    let (cases, results) = random::campaign(name, "LIMEN_HOSTILE", 3_000, case);
    let found = results.into_iter().filter(|found| *found).count();
    println!("{name}: {found} of {cases} {sought}");
    assert!(found > 0 || cases < 1_000, "{name}: none of {cases} {sought}");
}

const FUEL: u64 = 3_000;

fn limits(engine: EngineKind) -> Config {
    let budget = Budget { bytes: 2 << 20, objects: 64, contexts: 4 };
    Config { engine, time: Time::Virtual, budget, stack_cells: 8192, fuel: Some(FUEL), ..Config::default() }
}

/// If the module verifies, calls all its exports within limits, twice under the interpreter, once under each other engine
/// and once under changing ones: nobody may be able to tell the runs apart. Gives whether anything ran.
fn run_within_limits(module: Module) -> bool {
    let Ok(module) = verify(module, Mode::User) else { return false };
    let first = observe(&module, &[EngineKind::Interp], FUEL);
    let others: [(&[EngineKind], u64); 5] = [
        (&[EngineKind::Interp], FUEL),
        (&[EngineKind::Jit], FUEL),
        (&[EngineKind::Tiered], FUEL),
        (&[EngineKind::Interp, EngineKind::Jit], 7),
        (&[EngineKind::Jit, EngineKind::Interp], 50),
    ];
    for (engines, piece) in others {
        let other = observe(&module, engines, piece);
        assert!(first == other, "{engines:?} in pieces of {piece} differ:\n{first:?}\n{other:?}");
    }
    first.is_some_and(|observed| observed.fuel > 0)
}

/// All that can be seen of a run.
#[derive(PartialEq)]
struct Observed {
    outcomes: String,
    fuel: u64,
    memory: Vec<u8>,
}

/// Without the memory, which no one would read; but with a sum that tells two apart.
impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum = self.memory.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        write!(f, "{} after {} units, {} bytes with the sum {sum:x}", self.outcomes, self.fuel, self.memory.len())
    }
}

/// Calls all exports of a module with pieces of fuel, each under the next engine, until they end or [`FUEL`] is burnt.
fn observe(module: &Verified<Module>, engines: &[EngineKind], piece: u64) -> Option<Observed> {
    let mut engines = engines.iter().copied().cycle();
    let config = Config { fuel: Some(piece), ..limits(engines.next()?) };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let domain = machine.instantiate(module).ok()?;
    let mut outcomes = Vec::new();
    for export in &module.exports {
        let mut outcome = call(&mut machine, domain, export, module);
        while outcome == Some(Outcome::OutOfFuel) && machine.fuel_burnt() < FUEL {
            machine.add_fuel(piece.min(FUEL - machine.fuel_burnt()));
            machine.set_engine(None, engines.next()?).expect("all domains are meant");
            outcome = machine.resume(&mut NoServices).ok();
        }
        outcomes.push(outcome);
    }
    let fuel = machine.fuel_burnt();
    assert!(fuel <= FUEL, "{fuel} units of {FUEL} were burnt");
    let memory = machine.memory(domain).expect("the domain is there").to_vec();
    Some(Observed { outcomes: format!("{outcomes:?}"), fuel, memory })
}

fn call(machine: &mut Machine, domain: limen_vm::DomainId, export: &Export, module: &Module) -> Option<Outcome> {
    let ExportItem::Function(function) = export.item else { return None };
    let value = |ty: &ValueType| match ty {
        ValueType::I32 => Value::I32(5),
        ValueType::I64 => Value::I64(-5),
        ValueType::F32 => Value::F32(1.5),
        ValueType::F64 => Value::F64(-1.5),
        ValueType::Ref => Value::Ref(limen_vm::Ref::NULL),
    };
    let arguments: Vec<Value> = module.signature_of(function)?.params.iter().map(value).collect();
    machine.call(domain, &export.name, &arguments).ok()
}

/// The modules of this repository that can be damaged.
fn victims() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = [
        "tests/kernel/client.lim",
        "tests/kernel/server.lim",
        "tests/conformance/control.lim",
        "tests/conformance/home_bulk.lim",
    ];
    sources
        .map(|source| {
            assemble_file(&root.join(source), Options::default()).unwrap_or_else(|errors| panic!("{errors}")).bytes
        })
        .to_vec()
}

#[test]
fn damaged_bytes_are_refused() {
    let victims = victims();
    campaign("damaged bytes", "were refused", |random| {
        let mut bytes = random.pick(&victims).clone();
        for _ in 0..=random.below(3) {
            damage(&mut bytes, random);
        }
        match Module::read(&bytes) {
            Ok(module) => assert_eq!(module.write().as_deref(), Ok(&bytes[..]), "what reads is canonical"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        Module::read(&bytes).is_err()
    });
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next() as u8),
        2 => drop(bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len()))),
        3 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
        _ => bytes[at] ^= 1 << random.below(8),
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
}

/// Damage behind the checksums: what a malicious author would write.
#[test]
fn damaged_modules_run_within_their_limits() {
    let victims: Vec<Module> =
        victims().iter().map(|bytes| Module::read(bytes).expect("the victim is sound")).collect();
    campaign("damaged modules", "verified and ran", |random| {
        let mut module = random.pick(&victims).clone();
        for _ in 0..=random.below(4) {
            tamper(&mut module, random);
        }
        match module.write() {
            Ok(bytes) => run_within_limits(Module::read(&bytes).expect("what was written reads")),
            Err(_) => false,
        }
    });
}

fn tamper(module: &mut Module, random: &mut Random) {
    let index = random.below(module.functions.len());
    let types = module.types.len();
    let function = &mut module.functions[index];
    let at = random.below(function.code.len());
    match random.below(8) {
        0 => function.code[at] ^= 1 << random.below(64),
        1 => function.code[at] = function.code[at] & !0xffff | u64::from(random.pick(&Opcode::ALL).row().code),
        2 => drop(function.code.remove(at)),
        3 => function.code.insert(at, random_word(random)),
        4 => function.signature = random.below(types) as u32,
        5 => function.registers.push(*random.pick(&ValueType::ALL)),
        6 => module.home.slots = random.below(100) as u32,
        _ => function.code[at] = random.next(),
    }
    if module.functions[index].code.is_empty() {
        module.functions[index].code.push(random_word(random));
    }
}

const REGISTERS: usize = 12;

/// A word that has a good chance to be an instruction on few registers.
fn random_word(random: &mut Random) -> u64 {
    let row = random.pick(&Opcode::ALL).row();
    row.operands.iter().filter(|operand| operand.place.word == 0).fold(u64::from(row.code), |word, operand| {
        let field = operand.place.field;
        let anything = random.next();
        let value = match operand.kind {
            OperandKind::Register { ty, .. } => (ty as usize + 5 * random.below(REGISTERS / 5)) as u64,
            OperandKind::Label => (random.below(9) as i64 - 4) as u64,
            _ => *random.pick(&[0, 1, 2, 7, anything]),
        };
        word | value << field.shift() & field.mask()
    })
}

/// A function of random instructions, without operand words but for those that an instruction asks for.
fn random_code(random: &mut Random) -> Vec<u64> {
    let mut code = Vec::new();
    for _ in 0..1 + random.below(30) {
        let word = random_word(random);
        let row = Opcode::of_word(word).map(Opcode::row);
        code.push(word);
        code.extend((1..row.map_or(1, |row| row.fixed_words())).map(|_| u64::from(limen_isa::OPERAND_WORD)));
    }
    code.push(u64::from(Opcode::Ret.row().code));
    code
}

#[test]
fn random_instructions_run_within_their_limits() {
    campaign("random instructions", "verified and ran", |random| {
        // Most random functions break some rule, so only the lines that the verifier likes are kept.
        let lines: Vec<u64> = (0..40)
            .map(|_| random_word(random))
            .filter(|word| verify(module_of(vec![vec![*word, ret()]]), Mode::User).is_ok())
            .collect();
        let mut code = lines;
        code.push(ret());
        run_within_limits(module_of(vec![code, random_code(random)]))
            || run_within_limits(module_of(vec![random_code(random)]))
    });
}

fn ret() -> u64 {
    u64::from(Opcode::Ret.row().code)
}

fn module_of(functions: Vec<Vec<u64>>) -> Module {
    let registers: Vec<ValueType> = ValueType::ALL.into_iter().cycle().take(REGISTERS).collect();
    Module {
        types: vec![Signature::default()],
        functions: functions.into_iter().map(|code| Function::new(0, registers.clone(), code)).collect(),
        home: Home { min_pages: 1, max_pages: 64, slots: 4, data: Vec::new() },
        tables: vec![vec![Some(0), None]],
        exports: vec![Export { name: "main".into(), item: ExportItem::Function(0) }],
        ..Module::default()
    }
}

#[test]
fn random_words_are_refused_or_run() {
    campaign("random words", "were refused", |random| {
        let code = (0..1 + random.below(8)).map(|_| random.next()).collect();
        let module = module_of(vec![code]);
        let refused = verify(module.clone(), Mode::User).is_err();
        run_within_limits(module);
        refused
    });
}
