//! Which rule a module breaks, and where.

use limen_isa::module::Module;
use limen_isa::{Opcode, ValueType};
use thiserror::Error;

/// The rules. `SPEC.md` has them in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// Structure: what a module that was read from bytes always has.
    #[error("{0}")]
    Structure(&'static str),
    /// Function not empty.
    #[error("a function has at least one instruction")]
    Empty,
    /// Known code.
    #[error("no instruction has the code {0:#06x}")]
    Code(u16),
    /// Not reserved.
    #[error("{0} is reserved, not built")]
    Reserved(&'static str),
    /// Privilege.
    #[error("{0} is a supervisor instruction: only a kernel may have it")]
    Privilege(&'static str),
    /// Complete.
    #[error("the instruction runs off the end of the function")]
    Truncated,
    /// Operand words.
    #[error("word {0} of the instruction is not marked as an operand word")]
    OperandWord(usize),
    /// Unused bits.
    #[error("word {0} of the instruction has a bit set that has no meaning")]
    UnusedBits(usize),
    /// Register exists.
    #[error("register {register} does not exist: the function has {registers}")]
    NoRegister {
        /// The register named.
        register: u16,
        /// How many there are.
        registers: usize,
    },
    /// Register type.
    #[error("register {register} is {found}, the instruction wants {wanted}")]
    RegisterType {
        /// The register named.
        register: u16,
        /// Its type.
        found: ValueType,
        /// The type wanted; `i32 or i64` for words of `svc`.
        wanted: &'static str,
    },
    /// Branch target.
    #[error("the branch goes to word {0}, which is not in the function")]
    TargetOutside(i64),
    /// Branch target.
    #[error("the branch goes to word {0}, which is an operand word")]
    TargetOperandWord(i64),
    /// Branch table.
    #[error("a branch table has at least one target")]
    NoTargets,
    /// Callee exists.
    #[error("there is no {what} {index}")]
    NoSuch {
        /// What is named.
        what: &'static str,
        /// Its index.
        index: u32,
    },
    /// Message size.
    #[error("a message has at most 8 words and 4 references")]
    Message,
    /// End of function.
    #[error("control can run off the end of the function")]
    FallsOff,
}

/// Where the word of a function breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: Rule,
    pub(super) pc: usize,
}

/// A broken rule and its place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {rule}", self.place())]
pub struct VerifyError {
    /// The rule.
    pub rule: Rule,
    /// Index of the function.
    pub function: u32,
    /// The function's name, if the module has one for it.
    pub name: Option<String>,
    /// Word of the function.
    pub pc: usize,
    /// The instruction that stands there, if it is one.
    pub mnemonic: Option<&'static str>,
    /// Source file and line, if the module knows them.
    pub line: Option<(String, u32)>,
}

impl VerifyError {
    pub(super) fn new(module: &Module, function: u32, broken: Broken) -> Self {
        let pc = broken.pc;
        let word = module.functions.get(function as usize).and_then(|function| function.code.get(pc));
        let line = u32::try_from(pc).ok().and_then(|pc| module.locate(function, pc));
        Self {
            rule: broken.rule,
            function,
            name: module.function_name(function).map(str::to_owned),
            pc,
            mnemonic: word.and_then(|word| Opcode::of_word(*word)).map(Opcode::mnemonic),
            line: line.map(|location| (location.file.to_owned(), location.line)),
        }
    }

    /// A defect of the module as a whole.
    pub(super) fn of_structure(rule: &'static str) -> Self {
        Self {
            rule: Rule::Structure(rule),
            function: 0,
            name: Some("the module".into()),
            pc: 0,
            mnemonic: None,
            line: None,
        }
    }

    fn place(&self) -> String {
        let function = self.name.clone().unwrap_or_else(|| format!("function {}", self.function));
        let mnemonic = self.mnemonic.map_or_else(String::new, |mnemonic| format!(" ({mnemonic})"));
        let line = self.line.as_ref().map_or_else(String::new, |(file, line)| format!("{file}:{line}: "));
        format!("{line}{function}, word {}{mnemonic}", self.pc)
    }
}
