//! `isa-spec/SPEC.md` says what is so: its examples run, its module is the one the assembler makes, its tables are those of
//! the code.

#[allow(dead_code, reason = "each test uses what it needs")]
mod support;

use std::path::Path;

use limen_assembler::{NoFiles, Options, assemble};
use limen_isa::{Fault, ValueType};
use limen_vm::{EngineKind, Rule};

use support::program::Program;

fn spec() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("isa-spec/SPEC.md");
    std::fs::read_to_string(path).expect("SPEC.md is there")
}

/// The contents of fenced blocks with this info string, each with the line it begins in.
fn blocks(text: &str, info: &str) -> Vec<(usize, String)> {
    let fence = format!("```{info}");
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((line, _)) = lines.find(|(_, line)| *line == fence) {
        let content: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        blocks.push((line + 2, content.join("\n") + "\n"));
    }
    blocks
}

/// The one block with this info string.
fn block(text: &str, info: &str) -> String {
    let mut found = blocks(text, info);
    assert_eq!(found.len(), 1, "there is one block of {info}");
    found.remove(0).1
}

#[test]
fn examples_behave() {
    let examples = blocks(&spec(), "lim");
    assert!(!examples.is_empty(), "SPEC.md has lost its examples");
    let failures: Vec<String> = examples.iter().flat_map(|(line, source)| failures(*line, source)).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What is wrong with an example.
fn failures(line: usize, source: &str) -> Vec<String> {
    let name = format!("SPEC.md:{line}");
    match Program::new(&name, source, Path::new("")) {
        Ok(program) if program.runs() == 0 => vec![format!("{name} runs nothing")],
        Ok(program) => EngineKind::ALL.into_iter().flat_map(|engine| program.failures(engine)).collect(),
        Err(error) => vec![error],
    }
}

#[test]
fn the_dump_is_the_module() {
    let text = spec();
    let assembled = assemble("SPEC.md", &block(&text, "lim module"), &NoFiles, Options::default());
    let bytes = assembled.unwrap_or_else(|errors| panic!("{errors}")).bytes;
    let dump: Vec<u8> = block(&text, "hex").lines().flat_map(dumped).collect();
    assert_eq!(dump, bytes);
}

/// The bytes in a line of the dump: an offset, bytes, and behind `|` what they mean.
fn dumped(line: &str) -> Vec<u8> {
    let (bytes, _) = line.split_once('|').expect("each line of the dump says what it means");
    let bytes = bytes.split_whitespace().skip(1);
    bytes.map(|byte| u8::from_str_radix(byte, 16).expect("bytes are hexadecimal")).collect()
}

#[test]
fn the_dump_counts_its_bytes() {
    let mut next = 0;
    for line in block(&spec(), "hex").lines() {
        let offset = line.split_whitespace().next().and_then(|text| usize::from_str_radix(text, 16).ok());
        assert_eq!(offset, Some(next), "the offset of: {line}");
        next += dumped(line).len();
    }
}

#[test]
fn faults_are_listed() {
    let text = spec();
    for fault in Fault::ALL {
        let row = format!("\n| {} | `{}` | ", fault.code(), fault.name());
        assert!(text.contains(&row), "SPEC.md has no row for fault {}", fault.name());
    }
}

/// The rules of the verifier, as their messages, stand in SPEC.md in this order.
#[test]
fn rules_are_listed() {
    let rules = [
        Rule::Structure("the data do not lie in home in ascending order"),
        Rule::Empty,
        Rule::Code(2),
        Rule::Reserved("tail_call"),
        Rule::Privilege("obj.make"),
        Rule::Truncated,
        Rule::OperandWord(1),
        Rule::UnusedBits(1),
        Rule::NoRegister { register: 7, registers: 3 },
        Rule::RegisterType { register: 2, found: ValueType::F32, wanted: "i32" },
        Rule::TargetOutside(9),
        Rule::TargetOperandWord(3),
        Rule::NoTargets,
        Rule::NoSuch { what: "function", index: 5 },
        Rule::Message,
        Rule::FallsOff,
    ];
    let text = spec().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = text.as_str();
    for rule in rules {
        let message = format!("\"{rule}\"");
        let (_, behind) =
            rest.split_once(&message).unwrap_or_else(|| panic!("SPEC.md misses, or has too early: {rule}"));
        rest = behind;
    }
}
