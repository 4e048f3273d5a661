//! `.cases` files: instructions that only compute, as columns of values.
//!
//! ```text
//! i32.div_s
//!     7 2  = 3
//!     1 0  ! division
//! ```
//!
//! The columns are the sources (registers and immediates) in the order of the row, then `=` and the results, or `!` and a
//! fault. For a conditional branch the one result is whether it is taken. Each case is run in several arrangements of
//! registers and code.

use std::path::Path;

use limen_isa::codec::{Instruction, Value as Operand, encode};
use limen_isa::module::{Export, ExportItem, Function, MAX_REGISTERS, Module, Signature};
use limen_isa::{Fault, Flow, Opcode, OperandKind, Role, ValueType};
use limen_vm::{Config, EngineKind, Mode, Outcome, Value, verify};

use crate::support::literal;

/// One line of a file.
pub(crate) struct Case {
    /// File and line, for a person.
    place: String,
    pub opcode: Opcode,
    sources: Vec<String>,
    expected: Expected,
}

enum Expected {
    Results(Vec<String>),
    Fault(Fault),
}

/// The cases of a file.
pub(crate) fn load(path: &Path) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let mut opcode = None;
    let mut cases = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let place = format!("{file}:{line}");
        let content = text.split("//").next().unwrap_or_default();
        if content.trim().is_empty() {
            continue;
        }
        if content.starts_with(' ') {
            let opcode = opcode.ok_or_else(|| format!("{place}: a case comes before the first instruction"))?;
            cases.push(Case::parse(place, opcode, content)?);
        } else {
            opcode =
                Some(Opcode::from_mnemonic(content.trim()).ok_or_else(|| format!("{place}: no such instruction"))?);
        }
    }
    Ok(cases)
}

impl Case {
    fn parse(place: String, opcode: Opcode, text: &str) -> Result<Case, String> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        if let Some((sources, results)) = text.split_once('=') {
            let expected = Expected::Results(words(results));
            return Ok(Case { place, opcode, sources: words(sources), expected });
        }
        let (sources, name) = text.split_once('!').ok_or_else(|| format!("{place}: a case has `=` or `!`"))?;
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name.trim());
        let fault = fault.ok_or_else(|| format!("{place}: `{}` is no fault", name.trim()))?;
        Ok(Case { place, opcode, sources: words(sources), expected: Expected::Fault(fault) })
    }

    /// How the instruction faults, if it should.
    pub(crate) fn fault(&self) -> Option<(&'static str, Fault)> {
        match self.expected {
            Expected::Fault(fault) => Some((self.opcode.mnemonic(), fault)),
            Expected::Results(_) => None,
        }
    }

    /// Runs the case in every arrangement; gives a line for each in which it does not hold.
    pub(crate) fn failures(&self, engine: EngineKind) -> Vec<String> {
        let arrangements = arrangements(self.opcode).iter();
        let failure = |arrangement| self.check(engine, arrangement).err().map(|error| (arrangement, error));
        let line =
            |(arrangement, error)| format!("{}: {} {arrangement:?}: {error}", self.place, self.opcode.mnemonic());
        arrangements.filter_map(failure).map(line).collect()
    }

    fn check(&self, engine: EngineKind, arrangement: &Arrangement) -> Result<(), String> {
        let build = Build::new(self, *arrangement)?;
        let results = build.signature.results.clone();
        let arguments = build.arguments.clone();
        let module = verify(build.module(), Mode::User).map_err(|error| error.to_string())?;
        let config = Config { engine, stack_cells: 2 * MAX_REGISTERS as u32, ..Config::default() };
        let mut machine = limen_jit::machine(config).map_err(|error| error.to_string())?;
        let domain = machine.instantiate(&module).map_err(|error| error.to_string())?;
        let outcome = machine.call(domain, "case", &arguments).map_err(|error| error.to_string())?;
        self.compare(&results, &outcome)
    }

    fn compare(&self, types: &[ValueType], outcome: &Outcome) -> Result<(), String> {
        match (&self.expected, outcome) {
            (Expected::Results(texts), Outcome::Returned(values)) if texts.len() == types.len() => {
                let wanted = types.iter().zip(texts).map(|(ty, text)| literal::parse(*ty, text));
                let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
                let given: Vec<u64> = values.iter().map(literal::bits).collect();
                if wanted == given { Ok(()) } else { Err(format!("it gives {}", literal::show(&given))) }
            }
            (Expected::Fault(fault), Outcome::Faulted(report)) => {
                let same = (report.fault, report.detail, report.mnemonic) == (*fault, 0, self.opcode.mnemonic());
                if same { Ok(()) } else { Err(format!("it ends with {report}")) }
            }
            _ => Err(format!("it ends with {outcome:?}")),
        }
    }
}

/// How registers and code are arranged.
#[derive(Clone, Copy, Debug)]
enum Arrangement {
    /// Each operand in a register of its own.
    Apart,
    /// Results in the first sources of their types.
    OverFirst,
    /// Results in the last sources of their types.
    OverLast,
    /// In the last registers that a function can have.
    Far,
    /// A branch that goes backwards.
    Backward,
}

fn arrangements(opcode: Opcode) -> &'static [Arrangement] {
    use Arrangement::{Apart, Backward, Far, OverFirst, OverLast};
    if opcode.row().flow == Flow::Branch { &[Apart, Backward, Far] } else { &[Apart, OverFirst, OverLast, Far] }
}

/// A function around one instruction while it is put together.
struct Build {
    opcode: Opcode,
    arrangement: Arrangement,
    signature: Signature,
    arguments: Vec<Value>,
    /// Types of all registers.
    registers: Vec<ValueType>,
    /// The registers of the sources and of the results.
    sources: Vec<usize>,
    results: Vec<usize>,
    /// Immediates by their place among the operands.
    immediates: Vec<(usize, i64)>,
}

impl Build {
    fn new(case: &Case, arrangement: Arrangement) -> Result<Build, String> {
        let mut build = Build {
            opcode: case.opcode,
            arrangement,
            signature: Signature::default(),
            arguments: Vec::new(),
            registers: Vec::new(),
            sources: Vec::new(),
            results: Vec::new(),
            immediates: Vec::new(),
        };
        build.take_columns(&case.sources)?;
        build.place_sources();
        build.place_results();
        Ok(build)
    }

    /// Gives each column to its operand: registers become parameters.
    fn take_columns(&mut self, columns: &[String]) -> Result<(), String> {
        let mut columns = columns.iter();
        for (index, operand) in self.opcode.row().operands.iter().enumerate() {
            match operand.kind {
                OperandKind::Register { role: Role::Write, ty } => self.signature.results.push(ty),
                OperandKind::Label => self.signature.results.push(ValueType::I32),
                OperandKind::Register { ty, .. } => {
                    let bits = literal::parse(ty, columns.next().ok_or("a column is missing")?)?;
                    self.signature.params.push(ty);
                    self.arguments.push(literal::value(ty, bits));
                }
                kind => {
                    let text = columns.next().ok_or("a column is missing")?;
                    self.immediates.push((index, immediate(kind, text)?));
                }
            }
        }
        if columns.next().is_some() { Err("there is a column too many".to_owned()) } else { Ok(()) }
    }

    fn place_sources(&mut self) {
        self.registers = self.signature.params.clone();
        let count = self.registers.len();
        if !matches!(self.arrangement, Arrangement::Far) {
            self.sources = (0..count).collect();
            return;
        }
        let used = count + self.signature.results.len();
        self.registers.resize(MAX_REGISTERS - used, ValueType::Ref);
        self.sources = (self.registers.len()..self.registers.len() + count).collect();
        self.registers.extend(&self.signature.params);
    }

    fn place_results(&mut self) {
        let mut free = self.sources.clone();
        for index in 0..self.signature.results.len() {
            let ty = self.signature.results[index];
            let fits = |register: &usize| self.registers[*register] == ty;
            let reused = match self.arrangement {
                Arrangement::OverFirst => free.iter().position(fits),
                Arrangement::OverLast => free.iter().rposition(fits),
                Arrangement::Apart | Arrangement::Far | Arrangement::Backward => None,
            };
            let register = reused.map_or(self.registers.len(), |position| free.remove(position));
            if register == self.registers.len() {
                self.registers.push(ty);
            }
            self.results.push(register);
        }
    }

    fn module(self) -> Module {
        let mut code = self.moves();
        if self.opcode.row().flow == Flow::Branch {
            self.branch(&mut code);
        } else {
            self.put(&mut code, 0);
            self.give_back(&mut code);
        }
        Module {
            types: vec![self.signature],
            functions: vec![Function::new(0, self.registers, code)],
            exports: vec![Export { name: "case".to_owned(), item: ExportItem::Function(0) }],
            ..Module::default()
        }
    }

    /// Brings the arguments from the first registers to those of the sources.
    fn moves(&self) -> Vec<u64> {
        let mut code = Vec::new();
        for (parameter, register) in
            self.sources.iter().enumerate().filter(|(parameter, register)| parameter != *register)
        {
            let name = format!("{}.mov", self.signature.params[parameter]);
            instruction(&mut code, &name, &[*register as i64, parameter as i64]);
        }
        code
    }

    /// The branch, with a way on that gives 0 and a target that gives 1.
    fn branch(&self, code: &mut Vec<u64>) {
        if matches!(self.arrangement, Arrangement::Backward) {
            instruction(code, "jump", &[3]);
            self.answer(code, 1);
            self.put(code, -2);
            self.answer(code, 0);
        } else {
            self.put(code, 3);
            self.answer(code, 0);
            self.answer(code, 1);
        }
    }

    /// Two words: returns the number.
    fn answer(&self, code: &mut Vec<u64>, number: i64) {
        instruction(code, "i32.const", &[self.results[0] as i64, number]);
        self.give_back(code);
    }

    fn give_back(&self, code: &mut Vec<u64>) {
        let results = self.results.iter().map(|register| *register as i64).collect();
        let ret = Instruction { opcode: Opcode::Ret, values: vec![Operand::List(results)] };
        encode(&ret, code).expect("registers fit their slots");
    }

    /// The instruction itself, with the distance to its label.
    fn put(&self, code: &mut Vec<u64>, distance: i64) {
        let (mut sources, mut results) = (self.sources.iter(), self.results.iter());
        let mut values = Vec::new();
        for (index, operand) in self.opcode.row().operands.iter().enumerate() {
            let next = match operand.kind {
                OperandKind::Register { role: Role::Write, .. } => results.next().map(|register| *register as i64),
                OperandKind::Register { .. } => sources.next().map(|register| *register as i64),
                OperandKind::Label => Some(distance),
                _ => self.immediates.iter().find(|(place, _)| *place == index).map(|(_, value)| *value),
            };
            values.push(next.expect("every operand was given a value"));
        }
        instruction(code, self.opcode.mnemonic(), &values);
    }
}

fn immediate(kind: OperandKind, text: &str) -> Result<i64, String> {
    match kind {
        OperandKind::Float32 => literal::parse(ValueType::F32, text).map(|bits| bits as i64),
        OperandKind::Float64 => literal::parse(ValueType::F64, text).map(|bits| bits as i64),
        _ => literal::integer(text).map(|value| value as i64).ok_or_else(|| format!("`{text}` is no integer")),
    }
}

fn instruction(code: &mut Vec<u64>, mnemonic: &str, values: &[i64]) {
    let opcode = Opcode::from_mnemonic(mnemonic).expect("the instruction exists");
    let values = values.iter().map(|value| Operand::Integer(*value)).collect();
    encode(&Instruction { opcode, values }, code).expect("the values fit their fields");
}
