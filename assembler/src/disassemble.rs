//! Module to text that assembles to the same module.
//!
//! What the text has no words for (instructions that would not verify, code that is none) is printed as `@word`.

use std::fmt::Write;

use limen_isa::ValueType;
use limen_isa::module::{Debug, ExportItem, Module, Signature};

use crate::listing::Listing;
use crate::literal::quote;
use crate::naming::Names;

/// How many registers or table entries stand on one line.
const NAMES_PER_LINE: usize = 8;

/// The source of a module: assembled, it gives the same bytes again. It is laid out as [`crate::format()`] would.
#[must_use]
pub fn disassemble(module: &Module) -> String {
    let mut printer = Printer { module, names: Names::of(module), files: file_references(module), text: String::new() };
    printer.debug();
    printer.home();
    printer.types();
    printer.data();
    printer.constants();
    printer.tables();
    (0..module.functions.len()).for_each(|index| printer.function(index));
    printer.sections();
    printer.text
}

/// How annotations name each file: by its name, or by its number where the name stands for an earlier file.
fn file_references(module: &Module) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let files = module.debug.iter().flat_map(|debug| debug.files.iter()).enumerate();
    files.map(|(index, name)| if seen.insert(name) { quote(name.as_bytes()) } else { index.to_string() }).collect()
}

struct Printer<'m> {
    module: &'m Module,
    names: Names,
    files: Vec<String>,
    text: String,
}

impl Printer<'_> {
    /// Appends a line.
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn debug(&mut self) {
        let Some(debug) = &self.module.debug else { return self.line("@nodebug\n") };
        for file in debug.files.iter() {
            self.line(format!("@file {}", quote(file.as_bytes())));
        }
        for site in &debug.sites {
            let parent = site.parent.map(|parent| format!(" in {parent}")).unwrap_or_default();
            let function = quote(site.function.as_bytes());
            self.line(format!("@site {function} {} {}{parent}", self.file(site.file), site.line));
        }
        if self.module.functions.len() > debug.function_names.len() {
            self.line("@nonames");
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn file(&self, index: u32) -> &str {
        self.files.get(index as usize).map_or("", String::as_str)
    }

    fn home(&mut self) {
        let home = &self.module.home;
        self.line(format!("home {} max {}", home.min_pages, home.max_pages));
        self.line(format!("slots {}\n", home.slots));
    }

    fn types(&mut self) {
        for (name, signature) in self.names.types.iter().zip(&self.module.types) {
            let params = types(&signature.params);
            let _ = writeln!(self.text, "type {name} = fn({params}){}", results(signature));
        }
        self.blank_after(self.module.types.len());
    }

    fn data(&mut self) {
        for (name, segment) in self.names.data.iter().zip(&self.module.home.data) {
            let _ = writeln!(self.text, "data {name} at {:#x} {{", segment.address);
            push_bytes(&mut self.text, &segment.bytes);
            self.text.push_str("}\n");
        }
        self.blank_after(self.module.home.data.len());
    }

    fn blank_after(&mut self, items: usize) {
        if items > 0 {
            self.text.push('\n');
        }
    }

    fn constants(&mut self) {
        let mut count = 0;
        for (name, export) in self.names.constants.iter().zip(&self.module.exports) {
            let ExportItem::Constant(value) = export.item else { continue };
            let _ = match name {
                Some(name) => writeln!(self.text, "export const {name} = {value}"),
                None => writeln!(self.text, "export {} = {value}", quote(export.name.as_bytes())),
            };
            count += 1;
        }
        self.blank_after(count);
    }

    fn tables(&mut self) {
        for (name, table) in self.names.tables.iter().zip(&self.module.tables) {
            let entry = |entry: &Option<u32>| entry.map_or("null", |function| self.names.function(function));
            let entries: Vec<_> = table.iter().map(entry).collect();
            let lines: Vec<_> = entries.chunks(NAMES_PER_LINE).map(|line| line.join(", ")).collect();
            let _ = match lines.as_slice() {
                [] => writeln!(self.text, "table {name} {{ }}"),
                [line] => writeln!(self.text, "table {name} {{ {line} }}"),
                _ => writeln!(self.text, "table {name} {{\n    {}\n}}", lines.join(",\n    ")),
            };
        }
        self.blank_after(self.module.tables.len());
    }

    fn function(&mut self, index: usize) {
        let function = &self.module.functions[index];
        let default = Signature::default();
        let signature = self.module.types.get(function.signature as usize).unwrap_or(&default);
        let exports = self.names.exports_of(self.module, index as u32);
        self.debug_name(index);
        let name = self.names.function(index as u32);
        let export = if exports.under_its_name { "export " } else { "" };
        let params: Vec<_> = signature.params.iter().enumerate().map(|(r, ty)| format!("r{r}: {ty}")).collect();
        let _ = writeln!(self.text, "{export}fn {name}({}){} {{", params.join(", "), results(signature));
        push_registers(&mut self.text, signature.params.len(), &function.registers);
        Listing::of(self.module, index as u32, &self.names, &self.files).print(&mut self.text);
        self.text.push_str("}\n");
        for other in exports.others {
            let _ = writeln!(self.text, "export {} = {name}", quote(other.as_bytes()));
        }
        self.text.push('\n');
    }

    /// `@name`, where the identifier is not the name in the debug section.
    fn debug_name(&mut self, index: usize) {
        let names = self.module.debug.as_ref().map(|debug: &Debug| &debug.function_names);
        let Some(name) = names.and_then(|names| names.get(index)) else { return };
        if name != self.names.function(index as u32) {
            self.line(format!("@name {}", quote(name.as_bytes())));
        }
    }

    fn sections(&mut self) {
        let interfaces = self.module.interfaces.iter().map(|bytes| (8, bytes));
        let custom = self.module.custom.iter().map(|section| (section.id, &section.bytes));
        for (id, bytes) in interfaces.chain(custom) {
            let _ = writeln!(self.text, "@section {id:#x} {{");
            push_bytes(&mut self.text, bytes);
            self.text.push_str("}\n\n");
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }
}

fn types(types: &[ValueType]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ")
}

fn results(signature: &Signature) -> String {
    match signature.results.as_slice() {
        [] => String::new(),
        [result] => format!(" -> {result}"),
        several => format!(" -> ({})", types(several)),
    }
}

/// The registers that are no parameters, those of one type together.
fn push_registers(text: &mut String, params: usize, registers: &[ValueType]) {
    let numbered: Vec<_> = registers.iter().enumerate().skip(params).collect();
    for run in numbered.chunk_by(|a, b| a.1 == b.1) {
        for line in run.chunks(NAMES_PER_LINE) {
            let names: Vec<_> = line.iter().map(|(register, _)| format!("r{register}")).collect();
            let _ = writeln!(text, "    reg {}: {}", names.join(", "), run[0].1);
        }
    }
}

// ---- Bytes ----------------------------------------------------------------------------------------------------------

/// So many zero bytes are written as `zero N`.
const ZERO_RUN: usize = 8;

/// So many printable characters are written as a string.
const TEXT_RUN: usize = 4;

/// How many bytes stand on one line.
const BYTES_PER_LINE: usize = 16;

/// How many characters of text stand on one line.
const TEXT_PER_LINE: usize = 64;

/// How a run of bytes is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Zero,
    Text,
    Numbers,
}

/// Data lines that hold `bytes`.
fn push_bytes(text: &mut String, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (run, length) = first_run(rest);
        let (bytes, after) = rest.split_at(length);
        let _ = match run {
            Run::Zero => writeln!(text, "    zero {length}"),
            Run::Text => writeln!(text, "    {}", quote(bytes)),
            Run::Numbers => {
                let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
                writeln!(text, "    u8 {}", numbers.join(", "))
            }
        };
        rest = after;
    }
}

/// The kind and length of the first line.
fn first_run(bytes: &[u8]) -> (Run, usize) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let printable = text_run(bytes);
    if zeros >= ZERO_RUN {
        (Run::Zero, zeros)
    } else if printable >= TEXT_RUN {
        (Run::Text, printable)
    } else {
        let longest = bytes.len().min(BYTES_PER_LINE);
        let begins_other = |at: &usize| bytes[*at..].starts_with(&[0; ZERO_RUN]) || text_run(&bytes[*at..]) >= TEXT_RUN;
        (Run::Numbers, (1..longest).find(begins_other).unwrap_or(longest))
    }
}

/// How many bytes from the first on are characters of one line of text.
fn text_run(bytes: &[u8]) -> usize {
    let printable = |byte: &&u8| matches!(**byte, b' '..=b'~' | b'\t' | b'\n');
    let run = bytes.iter().take(TEXT_PER_LINE).take_while(printable).count();
    bytes[..run].iter().position(|byte| *byte == b'\n').map_or(run, |newline| newline + 1)
}
