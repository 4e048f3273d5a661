//! Scripts of the suite, run directive by directive.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::rc::Rc;

use limen_isa::Fault;
use limen_vm::{Outcome, Value};
use limen_wasm::{Trap, translate};
use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

use super::instance::{Instance, Linker, Shared, Way, instantiate};

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failed: Vec<String>,
    /// What must be refused and was, as text already: it is no module that the translator could be asked about.
    pub(crate) refused_as_text: usize,
    /// By reason.
    pub(crate) skipped: BTreeMap<&'static str, usize>,
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
const IMPORTS: &str = "memories, tables and variables that several modules share";
const CROSSING: &str = "exceptions that cross from module to module";
const FEATURES: &str = "features that are not supported";

/// Of `try_table.wast`: what catches exceptions of another module.
const CATCH_OF_OTHERS: [&str; 3] = ["catch-imported", "catch-imported-alias", "imported-mismatch"];

/// The instances of a script: the last one, and those with names.
#[derive(Default)]
struct Instances {
    named: HashMap<String, Option<Shared>>,
    last: String,
    linker: Linker,
    /// What other modules import from, and which instance that is.
    registered: Vec<(String, String)>,
}

impl Instances {
    fn add(&mut self, name: Option<String>, instance: Option<Instance>) {
        self.last = name.unwrap_or_default();
        let instance = instance.map(|instance| Rc::new(RefCell::new(instance)));
        self.named.insert(self.last.clone(), instance);
    }

    fn register(&mut self, name: &str, instance: Option<&str>) {
        let instance = instance.unwrap_or(&self.last).to_owned();
        self.linker.register(name, self.named.get(&instance).cloned().flatten());
        self.registered.push((name.to_owned(), instance));
    }

    /// A module was refused with this error, since it imports from others: it would have changed their tables and memories.
    /// So nothing is known of these instances any more.
    fn forget_imported(&self, error: &str) {
        let imported = self.registered.iter().filter(|(name, _)| error.contains(&format!("\n    {name}.")));
        for instance in imported.filter_map(|(_, instance)| self.named.get(instance)?.as_ref()) {
            instance.borrow_mut().is_unknown = true;
        }
    }

    fn get(&self, name: Option<&str>) -> Option<Shared> {
        self.named.get(name.unwrap_or(&self.last)).cloned().flatten().filter(|instance| instance.borrow().is_known())
    }

    /// What a call comes to; `None` if the instance is not there.
    fn invoke(&self, invoke: &WastInvoke<'_>) -> Option<Outcome> {
        let instance = self.get(invoke.module.map(|id| id.name()))?;
        let arguments = invoke.args.iter().map(argument).collect::<Option<Vec<Value>>>()?;
        instance.borrow_mut().invoke(invoke.name, arguments)
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
        let made = module
            .encode()
            .map_err(|error| error.to_string())
            .and_then(|wasm| instantiate(&wasm, &mut instances.linker, way));
        match &made {
            Ok(_) => {}
            Err(error) if lacks_import(error) => instances.forget_imported(error),
            Err(error) if error.contains("it needs what is not supported") => self.skip(FEATURES),
            Err(error) => self.failed.push(error.clone()),
        }
        instances.add(name, made.ok());
    }

    /// A module that must be refused.
    fn refused(&mut self, module: &mut QuoteWat<'_>, place: impl Fn(&dyn Debug) -> String) {
        match module.encode().map(|wasm| translate(&wasm, &mut Linker::default())) {
            Err(_) => self.refused_as_text += 1,
            Ok(translated) => self.note(translated.is_err(), || place(&"accepted")),
        }
    }

    /// A module that imports what is not there, or what is otherwise.
    fn unlinkable(
        &mut self,
        instances: &mut Instances,
        module: &mut wast::Wat<'_>,
        place: impl Fn(&dyn Debug) -> String,
    ) {
        let Ok(wasm) = module.encode() else { return self.failed.push(place(&"not even a module")) };
        let linker = &mut instances.linker;
        linker.is_unshared = false;
        match translate(&wasm, linker) {
            Err(_) if linker.is_unshared => self.skip(IMPORTS),
            translated => self.note(translated.is_err(), || place(&"linked")),
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
        let outcome = match exec {
            WastExecute::Invoke(invoke) if CATCH_OF_OTHERS.contains(&invoke.name) => return self.skip(CROSSING),
            WastExecute::Invoke(invoke) => instances.invoke(invoke),
            WastExecute::Get { module, global, .. } => {
                let instance = instances.get(module.map(|id| id.name()));
                let value = instance.and_then(|instance| instance.borrow_mut().global(global));
                value.map(|value| Outcome::Returned(vec![value]))
            }
            WastExecute::Wat(_) => None,
        };
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
            WastExecute::Invoke(invoke) => match instances.invoke(invoke) {
                Some(outcome) => self.note(matches!(outcome, Outcome::Faulted(_)), || place(&outcome)),
                None => self.skip(IMPORTS),
            },
            WastExecute::Wat(module) => {
                match module.encode().map(|wasm| instantiate(&wasm, &mut instances.linker, way).map(|_| ())) {
                    Ok(Err(error)) if lacks_import(&error) => {
                        instances.forget_imported(&error);
                        self.skip(IMPORTS);
                    }
                    Ok(begun) => {
                        let traps = begun.as_ref().is_err_and(|error| error.starts_with("Faulted"));
                        self.note(traps, || place(&begun));
                    }
                    Err(error) => self.failed.push(place(&error)),
                }
            }
            WastExecute::Get { .. } => self.failed.push(place(&"a variable cannot trap")),
        }
    }

    /// A call must end with an exception that nothing caught.
    fn throws(&mut self, instances: &Instances, exec: &WastExecute<'_>, place: impl Fn(&dyn Debug) -> String) {
        let WastExecute::Invoke(invoke) = exec else { return self.failed.push(place(&"only calls throw")) };
        match instances.invoke(invoke) {
            Some(Outcome::Faulted(report)) => {
                let is_uncaught = (report.fault, report.detail) == (Fault::Trap, Trap::Uncaught as u64);
                self.note(is_uncaught, || place(&report));
            }
            Some(outcome) => self.failed.push(place(&outcome)),
            None => self.skip(IMPORTS),
        }
    }

    pub(crate) fn file(&mut self, name: &str, text: &str, way: Way) {
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
                    instances.invoke(&invoke);
                }
                WastDirective::Register { name, module, .. } => {
                    instances.register(name, module.map(|id| id.name()));
                }
                WastDirective::AssertUnlinkable { mut module, .. } => {
                    self.unlinkable(&mut instances, &mut module, place);
                }
                WastDirective::AssertException { exec, .. } => self.throws(&instances, &exec, place),
                _ => self.skip("directives that are not of version 2"),
            }
        }
    }
}
