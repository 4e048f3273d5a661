//! What the codes of a module's traps mean: its section says it.

use limen_isa::Fault;
use limen_isa::module::Module;
use limen_vm::{FaultReport, REFUSED};
use limen_wasm::{Bodies, INITIALIZE, Trap};

use crate::wasi;

/// The number of the section.
const SECTION: u32 = 0x8000_0001;

/// The code that stands for the first message.
const FIRST: u64 = 0x8000_0000;

/// The messages of a module; none if it has no such section, or one that is damaged.
#[derive(Default)]
pub(crate) struct Messages {
    listed: Vec<String>,
    /// Whether it came from WebAssembly, which has words of its own for faults.
    is_foreign: bool,
    /// What it is translated from while it runs.
    bodies: Option<Bodies>,
}

impl Messages {
    pub(crate) fn of(module: &Module, bodies: Option<Bodies>) -> Self {
        let section = module.custom.iter().find(|section| section.id == SECTION);
        let listed = section.and_then(|section| read(&section.bytes)).unwrap_or_default();
        Self { listed, is_foreign: wasi::is_wanted(module), bodies }
    }

    /// Whether a module from WebAssembly could not begin: what it declares as its start ended like this.
    pub(crate) fn is_of_start(&self, report: &FaultReport) -> bool {
        let called_by_main = report.backtrace.iter().rev().nth(1);
        self.is_foreign && called_by_main.is_some_and(|entry| entry.function == INITIALIZE)
    }

    /// A fault as its user is told of it, with the message that it stands for before it.
    pub(crate) fn explain(&self, report: &FaultReport) -> String {
        if report.fault == Fault::Trap && report.detail == u64::from(REFUSED) {
            return format!("the verifier refuses the code of this function\n{report}");
        }
        if let Some(reason) = self.refusal(report) {
            return format!("{reason}\n{report}");
        }
        let index = report.detail.checked_sub(FIRST).filter(|_| report.fault == Fault::Trap);
        match index.and_then(|index| self.listed.get(usize::try_from(index).ok()?)) {
            Some(message) => format!("{message}\n{report}"),
            None if self.is_foreign => format!("{}\n{report}", Trap::describe(report.fault, report.detail)),
            None => report.to_string(),
        }
    }
}

impl Messages {
    /// Why the function that a fault is of was not translated, if that is what happened.
    fn refusal(&self, report: &FaultReport) -> Option<limen_wasm::Error> {
        self.bodies.as_ref().filter(|_| report.fault == Fault::Trap)?.refusal(report.detail)
    }
}

fn read(bytes: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = number(bytes)?;
    let mut messages = Vec::new();
    for _ in 0..count {
        let (length, after) = number(rest)?;
        let text = after.get(..length as usize)?;
        messages.push(String::from_utf8_lossy(text).into_owned());
        rest = &after[length as usize..];
    }
    Some(messages)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*first), rest))
}
