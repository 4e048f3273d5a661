//! The grammar for editors knows all words that the language has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use limen_isa::{Opcode, ValueType};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

fn json(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vscode").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A rule: what it finds, and the name that it gives to all of it or to its first group.
struct Rule {
    name: String,
    pattern: Regex,
}

impl Rule {
    fn of(rule: &Value) -> Option<Self> {
        let pattern = rule["match"].as_str().or(rule["begin"].as_str())?;
        let name = rule["name"].as_str().or(rule["captures"]["1"]["name"].as_str())?.to_owned();
        let regex = RegexBuilder::new(pattern).unicode(false).build();
        let pattern = regex.unwrap_or_else(|error| panic!("{pattern}: {error}"));
        Some(Self { name, pattern })
    }

    /// Whether it finds the word as a whole in the line.
    fn takes(&self, line: &str, word: &str) -> bool {
        let Some(found) = self.pattern.captures(line.as_bytes()) else { return false };
        found.iter().flatten().any(|part| part.as_bytes() == word.as_bytes())
    }
}

/// The rules of a part of the grammar.
fn rules(grammar: &Value, part: &str) -> Vec<Rule> {
    let patterns = grammar["repository"][part]["patterns"].as_array().unwrap_or_else(|| panic!("no part {part}"));
    let rules: Vec<Rule> = patterns.iter().filter_map(Rule::of).collect();
    assert_eq!(rules.len(), patterns.len(), "{part} has rules without name or pattern");
    rules
}

fn grammar() -> Value {
    json("syntaxes/limen.tmLanguage.json")
}

/// Whether a part of the grammar has a rule for the word, alone on its line.
fn knows(rules: &[Rule], word: &str) -> bool {
    rules.iter().any(|rule| rule.takes(word, word))
}

#[test]
fn every_part_is_used_and_every_use_is_a_part() {
    let grammar = grammar();
    let parts: BTreeSet<&str> =
        grammar["repository"].as_object().expect("there are parts").keys().map(|key| &**key).collect();
    let text = grammar.to_string();
    let used: BTreeSet<&str> =
        text.split("\"include\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(parts, used);
    for part in parts {
        rules(&grammar, part);
    }
}

#[test]
fn every_word_of_the_language_has_a_colour() {
    let grammar = grammar();
    let rules: Vec<Rule> =
        ["annotations", "keywords", "constants"].iter().flat_map(|part| rules(&grammar, part)).collect();
    for word in limen_assembler::keywords() {
        assert!(knows(&rules, word), "{word}");
    }
}

#[test]
fn every_instruction_has_a_colour() {
    let grammar = grammar();
    let rules = rules(&grammar, "instructions");
    for opcode in Opcode::ALL {
        let mnemonic = opcode.row().mnemonic;
        assert!(knows(&rules, mnemonic), "{mnemonic}");
        assert!(rules.iter().any(|rule| rule.takes(&format!("    d = {mnemonic} a, b"), mnemonic)), "{mnemonic}");
    }
    assert!(!knows(&rules, "text.len") && !knows(&rules, "retry"));
}

#[test]
fn every_type_has_a_colour() {
    let grammar = grammar();
    let rules = rules(&grammar, "types");
    let machine = ValueType::ALL.map(ValueType::name);
    let others = ["bool", "u8", "i8", "u16", "i16", "u32", "u64", "u16be", "i16be", "u32be", "i32be", "u64be", "i64be"];
    for name in machine.into_iter().chain(others).chain(["Point", "Map"]) {
        assert!(knows(&rules, name), "{name}");
    }
}

/// What the rules make of lines: the first rule in the grammar's order that finds something where it stands.
#[test]
fn lines_are_told_apart() {
    let grammar = grammar();
    let cases = [
        ("labels", "  next: // again", "next", "entity.name.label"),
        ("declarations", "private fn Words.next(w: *Words)", "Words.next", "storage.type.function"),
        ("declarations", "export const SIZE = 4", "SIZE", "storage.type"),
        ("declarations", "struct Map[K, V] {", "Map", "storage.type"),
        ("declarations", "test \"it holds\" {", "test", "storage.type.test"),
        ("numbers", "x = 1.5e-3", "1.5e-3", "constant.numeric.float"),
        ("numbers", "x = 0xff_ff", "0xff_ff", "constant.numeric.integer"),
        ("characters", "c == '\\n'", "'\\n'", "string.quoted.single"),
        ("comments", "x // why", "// why", "comment.line"),
        ("escapes", "\\x0a", "\\x0a", "constant.character.escape"),
        ("calls", "bytes_equal (a, b)", "bytes_equal", "entity.name.function.call"),
        ("operators", "a +%= b", "+%=", "keyword.operator"),
    ];
    for (part, line, word, name) in cases {
        let rules = rules(&grammar, part);
        let rule = rules.iter().find(|rule| rule.takes(line, word)).unwrap_or_else(|| panic!("{part}: {line}"));
        assert!(rule.name.starts_with(name), "{line}: {}", rule.name);
    }
    let labels = rules(&grammar, "labels");
    assert!(!labels.iter().any(|rule| rule.takes("    x: i32", "x")), "a field is no label");
}

#[test]
fn the_extension_says_where_its_files_are() {
    let package = json("package.json");
    let language = &package["contributes"]["languages"][0];
    assert_eq!(language["extensions"][0], ".lim");
    json(language["configuration"].as_str().expect("the language has a configuration"));
    let description = &package["contributes"]["grammars"][0];
    assert_eq!(description["scopeName"], grammar()["scopeName"]);
    json(description["path"].as_str().expect("the grammar has a path"));
}
