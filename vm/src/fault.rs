//! Fault reports: what went wrong, and where.

use std::fmt;

use limen_isa::module::Module;
use limen_isa::{Fault, Opcode};

use crate::context::{Context, Frame};
use crate::verify::Verified;

/// A fault with the place it happened at and how execution came there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// What went wrong.
    pub fault: Fault,
    /// The code of a trap; the address, offset or index of a bounds fault; else 0.
    pub detail: u64,
    /// The instruction that faulted.
    pub mnemonic: &'static str,
    /// The calls, innermost first; inlined ones are calls too. Of very many, the middle is left out.
    pub backtrace: Vec<TraceEntry>,
    /// How many frames were left out, and before which entry of `backtrace` they belong.
    pub omitted: Omitted,
}

/// The frames that a backtrace leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Omitted {
    /// How many.
    pub frames: usize,
    /// The entry of the backtrace before which they belong.
    pub before: usize,
}

/// One line of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// The function's name, or `function N` where the module has none.
    pub function: String,
    /// Word of the function that holds the instruction; an inlined call has that of the function it is part of.
    pub pc: u32,
    /// Source file and line, if the module knows them.
    pub line: Option<(String, u32)>,
}

/// A backtrace of endless recursion is no use whole: so many frames are kept at each end.
const KEPT_AT_EACH_END: usize = 16;

impl FaultReport {
    pub(crate) fn new(fault: Fault, detail: u64, context: &Context, module: &Verified<Module>) -> Self {
        let frames = context.frames(module);
        let mnemonic = frames.last().and_then(|frame| {
            let word = module.functions.get(frame.function as usize)?.code.get(frame.pc as usize)?;
            Opcode::of_word(*word).map(Opcode::mnemonic)
        });
        let outer = KEPT_AT_EACH_END.min(frames.len());
        let inner = (frames.len() - outer).saturating_sub(KEPT_AT_EACH_END);
        let traces = |frames: &[Frame]| -> Vec<TraceEntry> {
            frames.iter().rev().flat_map(|frame| trace(module, frame.function, frame.pc)).collect()
        };
        let mut backtrace = traces(&frames[outer + inner..]);
        let omitted = Omitted { frames: inner, before: backtrace.len() };
        backtrace.extend(traces(&frames[..outer]));
        Self { fault, detail, mnemonic: mnemonic.unwrap_or("?"), backtrace, omitted }
    }
}

/// The calls that one frame stands for: what was inlined into it, and itself.
fn trace(module: &Module, function: u32, pc: u32) -> Vec<TraceEntry> {
    let name = module.function_name(function).map_or_else(|| format!("function {function}"), str::to_owned);
    let Some(location) = module.locate(function, pc) else {
        return vec![TraceEntry { function: name, pc, line: None }];
    };
    let mut entries = Vec::new();
    let mut line = (location.file.to_owned(), location.line);
    for call in &location.calls {
        entries.push(TraceEntry { function: call.function.to_owned(), pc, line: Some(line) });
        line = (call.file.to_owned(), call.line);
    }
    entries.push(TraceEntry { function: name, pc, line: Some(line) });
    entries
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} in {}: {}", self.fault, self.mnemonic, self.fault.description())?;
        match self.fault {
            Fault::Trap => write!(f, " (code {})", self.detail)?,
            Fault::Bounds => write!(f, " (at {:#x})", self.detail)?,
            Fault::Division
            | Fault::Overflow
            | Fault::Conversion
            | Fault::Null
            | Fault::Stale
            | Fault::Kind
            | Fault::Right
            | Fault::Stack
            | Fault::Signature
            | Fault::Argument
            | Fault::State => {}
        }
        for (index, entry) in self.backtrace.iter().enumerate() {
            if self.omitted.frames > 0 && index == self.omitted.before {
                write!(f, "\n    ... {} more ...", self.omitted.frames)?;
            }
            write!(f, "\n    {entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}, word {}", self.function, self.pc)?;
        match &self.line {
            Some((file, line)) => write!(f, " ({file}:{line})"),
            None => Ok(()),
        }
    }
}
