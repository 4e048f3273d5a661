//! Running the directives of a program on an engine.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use limen_assembler::{Directory, Options, assemble};
use limen_isa::module::{Export, ExportItem, Module, Signature};
use limen_isa::{Fault, Opcode, ValueType};
use limen_vm::device::{Console, Device, Entropy, Loopback};
use limen_vm::{
    Boot, Config, EngineKind, FaultReport, Machine, Mode, NoServices, Outcome, Time, Value, Verified, verify,
};

use super::directive::{Expected, Run, Script};
use super::literal;
use super::restored::restored;

/// A source with its directives, assembled and verified.
pub(crate) struct Program {
    name: String,
    script: Script,
    module: Module,
    /// What a kernel is given.
    modules: Vec<Verified<Module>>,
}

/// More than any run that ends needs.
const FUEL: u64 = 1 << 32;

/// Of what never ends this much is tried.
const SOME_FUEL: u64 = 1000;

/// Into how many pieces a long run is cut when it is done again in pieces.
const PIECES: u64 = 300;

/// How often a run changes engines at most.
const MOST_SWITCHES: u64 = 2000;

/// How often a run changes machines at most: each compiles anew.
const MOST_RESTORES: u64 = 40;

/// The same for kernels, of which there are more, with more code.
const MOST_RESTORES_OF_KERNELS: u64 = 10;

/// How a run goes on whose fuel is used up.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// Not at all.
    Nothing,
    /// It is resumed.
    Resume,
    /// A new machine is made of the bytes of a snapshot, and goes on.
    Restore,
}

impl Program {
    /// A program in a file.
    pub(crate) fn load(path: &Path) -> Result<Program, String> {
        let source = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Program::new(&name, &source, path.parent().unwrap_or(Path::new("")))
    }

    /// A program in a text; what it uses lies in `directory`.
    pub(crate) fn new(name: &str, source: &str, directory: &Path) -> Result<Program, String> {
        let script = Script::parse(source).map_err(|error| format!("{name}: {error}"))?;
        let plain = module_of(name, source, directory)?;
        let module =
            if script.kernel { module_of(name, &with_wrappers(source, &script, &plain)?, directory)? } else { plain };
        let load = |path: &String| user_module(&directory.join(path));
        let modules = script.modules.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Program { name: name.to_owned(), script, module, modules })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// How many runs it has.
    pub(crate) fn runs(&self) -> usize {
        self.script.runs.len()
    }

    /// The instructions that occur in it.
    pub(crate) fn opcodes(&self) -> BTreeSet<Opcode> {
        let modules = self.modules.iter().map(|module| &**module).chain([&self.module]);
        modules.flat_map(opcodes_of).collect()
    }

    /// The instructions that fault in it, and how.
    pub(crate) fn faults(&self) -> BTreeSet<(&'static str, Fault)> {
        let fault = |run: &Run| match run.expected {
            Expected::Faults { fault, mnemonic, .. } => Some((mnemonic, fault)),
            _ => None,
        };
        self.script.runs.iter().filter_map(fault).collect()
    }

    /// Does all runs on an engine; gives one line for each that does not turn out as it should.
    pub(crate) fn failures(&self, engine: EngineKind) -> Vec<String> {
        (0..self.script.runs.len()).filter_map(|index| self.failure(engine, index)).collect()
    }

    /// What is wrong with one run.
    pub(crate) fn failure(&self, engine: EngineKind, index: usize) -> Option<String> {
        let run = &self.script.runs[index];
        let error = self.check(engine, index, run).err()?;
        Some(format!("{}:{}: {}: {error}", self.name, run.line, run.function))
    }

    /// Does one run in one go and again in pieces.
    fn check(&self, engine: EngineKind, index: usize, run: &Run) -> Result<(), String> {
        let verified = self.verified(index, run)?;
        let fuel = if matches!(run.expected, Expected::NeverEnds) { SOME_FUEL } else { FUEL };
        let whole = self.play(&[engine], &verified, run, fuel, Next::Nothing)?;
        self.compare(run, &whole)?;
        if matches!(run.expected, Expected::NeverEnds) {
            return Ok(());
        }
        let piece = (whole.burnt / PIECES).max(1);
        self.same(&[engine], &verified, run, (piece, Next::Resume), &whole)
    }

    /// Does all runs while switching from one engine to the next at every n-th safepoint; gives one line for each that does
    /// not turn out as it does under the first engine alone.
    pub(crate) fn switching_failures(&self, engines: &[EngineKind], safepoints: u64) -> Vec<String> {
        self.failures_in_pieces(engines, safepoints, (MOST_SWITCHES, Next::Resume))
    }

    /// The same with a new machine for each engine, which has nothing of the one before but a snapshot. What has devices is
    /// left out: they are the host's, and no snapshot has them.
    pub(crate) fn restoring_failures(&self, engines: &[EngineKind], safepoints: u64) -> Vec<String> {
        if !self.script.devices.is_empty() {
            return Vec::new();
        }
        let most = if self.script.kernel { MOST_RESTORES_OF_KERNELS } else { MOST_RESTORES };
        self.failures_in_pieces(engines, safepoints, (most, Next::Restore))
    }

    /// Does all runs that end and do not ask what time it is in live time without a limit of fuel, where compiled code does
    /// not count; gives one line for each that does not turn out as it should.
    pub(crate) fn live_failures(&self, engine: EngineKind) -> Vec<String> {
        if self.opcodes().iter().any(|opcode| opcode.mnemonic().starts_with("timer.")) {
            return Vec::new();
        }
        let runs = self.script.runs.iter().enumerate();
        let ends = runs.filter(|(_, run)| !matches!(run.expected, Expected::NeverEnds));
        ends.filter_map(|(index, run)| {
            let error = self.check_live(engine, index, run).err()?;
            Some(format!("{}:{}: {}: in live time: {error}", self.name, run.line, run.function))
        })
        .collect()
    }

    fn check_live(&self, engine: EngineKind, index: usize, run: &Run) -> Result<(), String> {
        let (_, outcome) = self.start(Config { engine, ..Config::default() }, &self.verified(index, run)?, run)?;
        let burnt = if let Expected::Returns { burns: Some(burns), .. } = run.expected { burns } else { 0 };
        self.compare(run, &Played { outcome, burnt })
    }

    fn failures_in_pieces(&self, engines: &[EngineKind], safepoints: u64, how: (u64, Next)) -> Vec<String> {
        let runs = self.script.runs.iter().enumerate();
        let ends = runs.filter(|(_, run)| !matches!(run.expected, Expected::NeverEnds));
        ends.filter_map(|(index, run)| {
            let error = self.check_in_pieces(engines, safepoints, how, index, run).err()?;
            Some(format!("{}:{}: {}: {error}", self.name, run.line, run.function))
        })
        .collect()
    }

    /// `how` says how many pieces there may be, and how it goes on after each.
    fn check_in_pieces(
        &self,
        engines: &[EngineKind],
        safepoints: u64,
        how: (u64, Next),
        index: usize,
        run: &Run,
    ) -> Result<(), String> {
        let (most, next) = how;
        let verified = self.verified(index, run)?;
        let whole = self.play(&engines[..1], &verified, run, FUEL, Next::Nothing)?;
        // Of long runs with short pieces only as many pieces as one has patience for.
        let piece = safepoints.max(whole.burnt / most);
        self.same(engines, &verified, run, (piece, next), &whole)
    }

    /// Does a run in pieces, which must give the same.
    fn same(
        &self,
        engines: &[EngineKind],
        module: &Verified<Module>,
        run: &Run,
        (piece, next): (u64, Next),
        whole: &Played,
    ) -> Result<(), String> {
        let pieces = self.play(engines, module, run, piece, next)?;
        if whole.is_like(&pieces) {
            Ok(())
        } else {
            Err(format!("in pieces of {piece} it gives {pieces:?}, in one go {whole:?}"))
        }
    }

    /// The module of a run: in a kernel the run is what it boots with.
    fn verified(&self, index: usize, run: &Run) -> Result<Verified<Module>, String> {
        let mut module = self.module.clone();
        let mode = if self.script.kernel { Mode::Kernel } else { Mode::User };
        if self.script.kernel {
            let entry = module.exported_function(&wrapper(index)).ok_or_else(|| format!("no `{}`", run.function))?;
            module.exports.push(Export { name: "boot".to_owned(), item: ExportItem::Function(entry) });
            module.exports.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        }
        verify(module, mode).map_err(|error| error.to_string())
    }

    /// One run with so much fuel, and, if it is to go on, with so much again under the next engine until it ends.
    fn play(
        &self,
        engines: &[EngineKind],
        module: &Verified<Module>,
        run: &Run,
        fuel: u64,
        next: Next,
    ) -> Result<Played, String> {
        let mut engines = engines.iter().copied().cycle();
        let engine = engines.next().unwrap_or_default();
        let config = Config { engine, time: Time::Virtual, fuel: Some(fuel), ..Config::default() };
        let (mut machine, mut outcome) = self.start(config, module, run)?;
        while next != Next::Nothing && outcome == Outcome::OutOfFuel {
            let engine = engines.next().unwrap_or_default();
            if next == Next::Restore {
                machine = restored(&mut machine, engine);
            }
            machine.add_fuel(fuel);
            machine.set_engine(None, engine).map_err(|error| error.to_string())?;
            outcome = machine.resume(&mut NoServices).map_err(|error| error.to_string())?;
        }
        Ok(Played { outcome, burnt: machine.fuel_burnt() })
    }

    /// A run in a new machine.
    fn start(&self, config: Config, module: &Verified<Module>, run: &Run) -> Result<(Machine, Outcome), String> {
        let mut machine = limen_jit::machine(config).map_err(|error| error.to_string())?;
        let started = if self.script.kernel {
            let devices = self.script.devices.iter().map(|sort| device(sort)).collect::<Result<_, _>>()?;
            machine.boot_system(module, Boot { modules: self.modules.clone(), devices, ..Boot::default() })
        } else {
            let arguments = arguments(module, run)?;
            machine.instantiate(module).and_then(|domain| machine.call(domain, &run.function, &arguments))
        };
        Ok((machine, started.map_err(|error| error.to_string())?))
    }

    fn compare(&self, run: &Run, played: &Played) -> Result<(), String> {
        let same = match (&run.expected, &played.outcome) {
            (Expected::Returns { results, burns }, Outcome::Returned(values)) => {
                return self.compare_results(run, results, values, *burns, played.burnt);
            }
            // The wrapper of a kernel's run compares the results itself.
            (Expected::Returns { .. }, Outcome::Halted(status)) if *status >= FIRST_RESULT => {
                return Err(format!("result {} is another", status - FIRST_RESULT));
            }
            (Expected::Returns { .. }, Outcome::Halted(status)) => *status == 0,
            (Expected::Halts(wanted), Outcome::Halted(status)) => wanted == status,
            (Expected::Faults { fault, line, mnemonic, detail }, Outcome::Faulted(report)) => {
                let place = Some((self.name.clone(), *line));
                (report.fault, report.mnemonic, report.detail, place_of(report)) == (*fault, *mnemonic, *detail, place)
            }
            (Expected::NeverEnds, Outcome::OutOfFuel) => played.burnt == SOME_FUEL,
            (Expected::FallsAsleep, Outcome::Asleep) => true,
            (Expected::Lacks(wanted), Outcome::NoEntry(entry)) => wanted == entry,
            _ => false,
        };
        if same { Ok(()) } else { Err(format!("{:?} was expected, and it gives {:?}", run.expected, played.outcome)) }
    }

    fn compare_results(
        &self,
        run: &Run,
        wanted: &[String],
        values: &[Value],
        burns: Option<u64>,
        burnt: u64,
    ) -> Result<(), String> {
        let wanted = parsed(wanted, &signature(&self.module, run)?.results)?;
        let given: Vec<u64> = values.iter().map(literal::bits).collect();
        if wanted != given {
            return Err(format!("it returns ({})", literal::show(&given)));
        }
        if burns.is_none_or(|fuel| fuel == burnt) { Ok(()) } else { Err(format!("it burns {burnt}")) }
    }
}

/// What a run came to.
#[derive(Debug)]
struct Played {
    outcome: Outcome,
    burnt: u64,
}

impl Played {
    /// Whether nobody could tell the two runs apart; values are compared as bits.
    fn is_like(&self, other: &Played) -> bool {
        let same = match (&self.outcome, &other.outcome) {
            (Outcome::Returned(one), Outcome::Returned(two)) => {
                one.iter().map(literal::bits).eq(two.iter().map(literal::bits))
            }
            (one, two) => one == two,
        };
        same && self.burnt == other.burnt
    }
}

fn device(sort: &str) -> Result<Box<dyn Device>, String> {
    match sort {
        "console" => Ok(Box::new(Console::new(Loopback::default()))),
        "entropy" => {
            let mut next = 0_u8;
            Ok(Box::new(Entropy::new(move |bytes: &mut [u8]| {
                for byte in bytes {
                    *byte = next;
                    next = next.wrapping_add(1);
                }
            })))
        }
        _ => Err(format!("there is no device `{sort}`")),
    }
}

fn place_of(report: &FaultReport) -> Option<(String, u32)> {
    report.backtrace.first()?.line.clone()
}

fn module_of(name: &str, source: &str, directory: &Path) -> Result<Module, String> {
    let assembled = assemble(name, source, &Directory(directory.to_owned()), Options::default());
    assembled.map(|assembled| assembled.module).map_err(|errors| errors.to_string())
}

fn user_module(path: &Path) -> Result<Verified<Module>, String> {
    let module = limen_assembler::assemble_file(path, Options::default()).map_err(|errors| errors.to_string())?.module;
    verify(module, Mode::User).map_err(|error| format!("{}: {error}", path.display()))
}

fn signature<'a>(module: &'a Module, run: &Run) -> Result<&'a Signature, String> {
    let function = module.exported_function(&run.function);
    let signature = function.and_then(|function| module.signature_of(function));
    signature.ok_or_else(|| format!("line {}: `{}` is not exported", run.line, run.function))
}

fn arguments(module: &Module, run: &Run) -> Result<Vec<Value>, String> {
    let types = &signature(module, run)?.params;
    let bits = parsed(&run.arguments, types)?;
    Ok(types.iter().zip(bits).map(|(ty, bits)| literal::value(*ty, bits)).collect())
}

fn parsed(texts: &[String], types: &[ValueType]) -> Result<Vec<u64>, String> {
    if texts.len() != types.len() {
        return Err(format!("{} values are given, {} are wanted", texts.len(), types.len()));
    }
    types.iter().zip(texts).map(|(ty, text)| literal::parse(*ty, text)).collect()
}

fn opcodes_of(module: &Module) -> Vec<Opcode> {
    let words = module.functions.iter().flat_map(|function| &function.code);
    words.filter_map(|word| Opcode::of_word(*word)).collect()
}

/// The name under which a kernel's run is exported.
fn wrapper(index: usize) -> String {
    format!("run_{index}")
}

/// A wrong result halts the machine with this status plus its number.
const FIRST_RESULT: i32 = 1000;

/// A kernel's source with one more function for each run, which makes the arguments, calls, and compares the results.
fn with_wrappers(source: &str, script: &Script, plain: &Module) -> Result<String, String> {
    let mut text = source.to_owned();
    for (index, run) in script.runs.iter().enumerate() {
        let signature = signature(plain, run)?;
        if run.arguments.len() != signature.params.len() {
            return Err(format!("line {}: `{}` takes {} arguments", run.line, run.function, signature.params.len()));
        }
        if !matches!(run.expected, Expected::Returns { .. }) && run.arguments.is_empty() && signature.results.is_empty()
        {
            _ = writeln!(text, "export \"{}\" = {}", wrapper(index), run.function);
        } else {
            _ = write!(text, "{}", wrap(index, run, signature)?);
        }
    }
    Ok(text)
}

fn wrap(index: usize, run: &Run, signature: &Signature) -> Result<String, String> {
    let mut text = format!("export fn {}() {{\n    reg status: i32\n", wrapper(index));
    for (number, (ty, argument)) in signature.params.iter().zip(&run.arguments).enumerate() {
        _ = writeln!(text, "    reg a{number}: {ty}\n    a{number} = {}", constant(*ty, argument)?);
    }
    for (number, ty) in signature.results.iter().enumerate() {
        _ = writeln!(text, "    reg r{number}: {ty}");
    }
    let names = |letter, count| (0..count).map(|number| format!("{letter}{number}")).collect::<Vec<_>>().join(", ");
    let results = names('r', signature.results.len());
    let equals = if results.is_empty() { "" } else { " = " };
    _ = writeln!(text, "    {results}{equals}call {}({})", run.function, names('a', signature.params.len()));
    match &run.expected {
        Expected::Returns { results, .. } => text.push_str(&comparisons(results, signature)?),
        Expected::Faults { .. }
        | Expected::NeverEnds
        | Expected::Halts(_)
        | Expected::FallsAsleep
        | Expected::Lacks(_) => text.push_str("    ret\n"),
    }
    text.push_str("}\n");
    Ok(text)
}

/// The instruction that gives a register its value.
fn constant(ty: ValueType, text: &str) -> Result<String, String> {
    Ok(match ty {
        ValueType::I32 => format!("i32.const {text}"),
        ValueType::I64 => format!("i64.const64 {text}"),
        ValueType::F32 | ValueType::F64 => format!("{ty}.const bits {:#x}", literal::parse(ty, text)?),
        ValueType::Ref => format!("call {text}()"),
    })
}

/// Halts with 0, or with the number of the first result that is another than it should be.
fn comparisons(results: &[String], signature: &Signature) -> Result<String, String> {
    let mut text = String::new();
    for (number, (ty, bits)) in signature.results.iter().zip(parsed(results, &signature.results)?).enumerate() {
        let (width, cast) = match ty {
            ValueType::I32 => ("i32", "i32.mov"),
            ValueType::I64 => ("i64", "i64.mov"),
            ValueType::F32 => ("i32", "i32.bits_f32"),
            ValueType::F64 => ("i64", "i64.bits_f64"),
            ValueType::Ref => return Err("a reference cannot be compared".to_owned()),
        };
        let literal = if width == "i32" { "i32.const" } else { "i64.const64" };
        _ = write!(
            text,
            "    reg is{number}, should{number}: {width}\n    is{number} = {cast} r{number}\n    should{number} = {literal} {bits:#x}\n    \
             {width}.br_eq is{number}, should{number}, fine{number}\n    status = i32.const {}\n    halt status\nfine{number}:\n",
            FIRST_RESULT + number as i32
        );
    }
    text.push_str("    halt status\n");
    Ok(text)
}
