//! Directives: what a `.lim` file of the tests says about itself in comments.
//!
//! ```text
//! // kernel                                     the file is loaded as the kernel
//! // module: other.lim                          a user module that the kernel finds in its slots, in order
//! // device: console                           a device that the kernel finds behind them: one that gives back what it is
//!                                              given, or `entropy`, whose bytes are 0, 1, 2 and so on
//! // run: f(1, 2) == 3                          the exported function f returns 3
//! // run: f() == (3, 4) burns 2                 several results; the run burns two units of fuel
//! // run: f(7)                                  f returns, and has no result
//! // run: f(9) faults bounds at here detail 9   f faults in the next line that ends in `//= here`; no detail means 0
//! // run: f(9) faults bounds at 12              ... in line 12
//! // run: f() never ends                        f uses up any fuel
//! // run: f() halts 0                           the kernel stops the machine with this status
//! // run: f() falls asleep                      the kernel idles, and nothing can wake it
//! // run: f() lacks page                        the kernel has no entry of this name, and needs it
//! ```
//!
//! In a kernel an argument may be any constant expression without commas, and a reference is the name of a function that
//! makes it.

use limen_isa::{Fault, Opcode};

use super::literal::integer;

/// All directives of a file.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Whether the file is a kernel.
    pub kernel: bool,
    /// Files of the user modules.
    pub(crate) modules: Vec<String>,
    /// Sorts of devices.
    pub(crate) devices: Vec<String>,
    pub runs: Vec<Run>,
}

/// One call and what must come of it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Where the directive stands.
    pub line: usize,
    pub function: String,
    pub arguments: Vec<String>,
    pub expected: Expected,
}

/// What must come of a call.
#[derive(Debug)]
pub(crate) enum Expected {
    Returns { results: Vec<String>, burns: Option<u64> },
    Faults { fault: Fault, line: u32, mnemonic: &'static str, detail: u64 },
    NeverEnds,
    Halts(i32),
    FallsAsleep,
    Lacks(String),
}

impl Script {
    /// The directives of a source.
    pub(crate) fn parse(source: &str) -> Result<Script, String> {
        let mut script = Script::default();
        for (index, text) in source.lines().enumerate() {
            script.add(source, index, text.trim()).map_err(|error| format!("line {}: {error}", index + 1))?;
        }
        Ok(script)
    }

    fn add(&mut self, source: &str, index: usize, text: &str) -> Result<(), String> {
        if text == "// kernel" {
            self.kernel = true;
        } else if let Some(path) = text.strip_prefix("// module:") {
            self.modules.push(path.trim().to_owned());
        } else if let Some(sort) = text.strip_prefix("// device:") {
            self.devices.push(sort.trim().to_owned());
        } else if let Some(run) = text.strip_prefix("// run:") {
            self.runs.push(Run::parse(source, index, run.trim())?);
        }
        Ok(())
    }
}

impl Run {
    fn parse(source: &str, index: usize, text: &str) -> Result<Run, String> {
        let (call, rest) = text.split_once(')').ok_or("a run is `name(arguments)`")?;
        let (function, arguments) = call.split_once('(').ok_or("a run is `name(arguments)`")?;
        let expected = Expected::parse(source, index, rest.trim())?;
        Ok(Run { line: index + 1, function: function.to_owned(), arguments: list(arguments), expected })
    }
}

fn list(text: &str) -> Vec<String> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

impl Expected {
    fn parse(source: &str, index: usize, text: &str) -> Result<Expected, String> {
        match text {
            "never ends" => return Ok(Expected::NeverEnds),
            "falls asleep" => return Ok(Expected::FallsAsleep),
            _ => {}
        }
        if let Some(entry) = text.strip_prefix("lacks ") {
            return Ok(Expected::Lacks(entry.to_owned()));
        }
        if let Some(status) = text.strip_prefix("halts ") {
            return Ok(Expected::Halts(number(status)? as i32));
        }
        if let Some(fault) = text.strip_prefix("faults ") {
            return Expected::fault(source, index, fault);
        }
        let (results, burns) = text.split_once("burns ").map_or((text, None), |(results, fuel)| (results, Some(fuel)));
        let burns = burns.map(number).transpose()?.map(|fuel| fuel as u64);
        match results.trim() {
            "" => Ok(Expected::Returns { results: Vec::new(), burns }),
            results => {
                let results = results.strip_prefix("==").ok_or_else(|| format!("`{results}` is no expectation"))?;
                Ok(Expected::Returns { results: list(results), burns })
            }
        }
    }

    fn fault(source: &str, index: usize, text: &str) -> Result<Expected, String> {
        let (text, detail) = text.split_once(" detail ").unwrap_or((text, "0"));
        let (name, place) = text.split_once(" at ").ok_or("a fault needs a line: `at here`")?;
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let fault = fault.ok_or_else(|| format!("`{name}` is no fault"))?;
        let line = place_of(source, index, place)?;
        Ok(Expected::Faults { fault, line, mnemonic: instruction_in(source, line)?, detail: number(detail)? as u64 })
    }
}

/// A line by its number or by the mark at its end.
fn place_of(source: &str, index: usize, place: &str) -> Result<u32, String> {
    if let Ok(line) = place.parse() {
        return Ok(line);
    }
    let mark = format!("//= {place}");
    let found = source.lines().skip(index).position(|line| line.ends_with(&mark));
    found.map(|offset| (index + offset + 1) as u32).ok_or_else(|| format!("no later line ends in `{mark}`"))
}

/// The instruction that a line holds.
fn instruction_in(source: &str, line: u32) -> Result<&'static str, String> {
    let text = source.lines().nth(line as usize - 1).unwrap_or_default();
    let found = text.split_whitespace().find_map(Opcode::from_mnemonic);
    found.map(Opcode::mnemonic).ok_or_else(|| format!("line {line} holds no instruction"))
}

fn number(text: &str) -> Result<i128, String> {
    integer(text.trim()).ok_or_else(|| format!("`{text}` is no integer"))
}
