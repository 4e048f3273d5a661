//! The code of one function as lines of text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use limen_isa::codec::{CallShapes, Instruction, Value, decode};
use limen_isa::module::{Function, LineRow, Module, Signature};
use limen_isa::{Flow, List, Operand, OperandKind, ValueType};

use crate::instruction::{MAX_SVC_REFERENCES, MAX_SVC_WORDS};
use crate::naming::Names;
use crate::shape::{print, split_bracket};

/// What begins at a word.
struct Statement {
    pc: usize,
    /// `None`: the word is printed as it is.
    instruction: Option<Instruction>,
    /// In words.
    length: usize,
}

/// The statements of a function, ready to be printed.
pub(crate) struct Listing<'m> {
    module: &'m Module,
    function: &'m Function,
    signature: &'m Signature,
    names: &'m Names,
    files: &'m [String],
    statements: Vec<Statement>,
    /// The names of the words that branches go to.
    labels: HashMap<usize, String>,
    rows: &'m [LineRow],
}

impl<'m> Listing<'m> {
    pub(crate) fn of(module: &'m Module, index: u32, names: &'m Names, files: &'m [String]) -> Self {
        const NOTHING: &Signature = &Signature { params: Vec::new(), results: Vec::new() };
        let function = &module.functions[index as usize];
        let lines = module.debug.as_ref().and_then(|debug| debug.lines.get(index as usize));
        let mut listing = Self {
            module,
            function,
            signature: module.signature_of(index).unwrap_or(NOTHING),
            names,
            files,
            statements: Vec::new(),
            labels: HashMap::new(),
            rows: lines.map_or(&[], |lines| lines.as_slice()),
        };
        listing.statements = listing.decode();
        listing.keep_what_can_be_written();
        listing.name_labels();
        listing
    }

    /// Reads the words from first to last; where no instruction begins, a word stands for itself.
    fn decode(&self) -> Vec<Statement> {
        let code = &self.function.code;
        let mut statements = Vec::new();
        let mut pc = 0;
        while pc < code.len() {
            let (instruction, length) = match decode(code, pc, self) {
                Ok((instruction, length)) => (Some(instruction), length),
                Err(_) => (None, 1),
            };
            statements.push(Statement { pc, instruction, length });
            pc += length;
        }
        statements
    }

    /// Turns instructions into words that the assembler would not take, or that the text cannot say: registers that do
    /// not exist or have another type, targets within instructions, lines that change within them, an open end.
    fn keep_what_can_be_written(&mut self) {
        let starts: Vec<usize> = self.statements.iter().map(|statement| statement.pc).collect();
        let mut statements = std::mem::take(&mut self.statements);
        let last = statements.len().saturating_sub(1);
        for (index, statement) in statements.iter_mut().enumerate() {
            let Some(instruction) = &statement.instruction else { continue };
            let open = index == last && instruction.opcode.row().flow != Flow::Terminator;
            let split = self.has_row_within(statement);
            if open || split || !self.can_be_written(statement.pc, instruction, &starts) {
                statement.instruction = None;
            }
        }
        self.statements = statements;
    }

    fn has_row_within(&self, statement: &Statement) -> bool {
        let next = self.rows.partition_point(|row| row.pc as usize <= statement.pc);
        self.rows.get(next).is_some_and(|row| (row.pc as usize) < statement.pc + statement.length)
    }

    fn can_be_written(&self, pc: usize, instruction: &Instruction, starts: &[usize]) -> bool {
        let is_start = |distance: i64| target(pc, distance).is_some_and(|target| starts.binary_search(&target).is_ok());
        let operands = instruction.opcode.row().operands;
        operands.iter().zip(&instruction.values).all(|(operand, value)| match (operand.kind, value) {
            (OperandKind::Register { ty, .. }, Value::Integer(number)) => self.register(*number) == Some(ty),
            (OperandKind::Label, Value::Integer(distance)) => is_start(*distance),
            (OperandKind::Table, Value::Integer(index)) => (*index as usize) < self.module.tables.len(),
            (OperandKind::List(List::Targets), Value::List(targets)) => {
                !targets.is_empty() && targets.iter().all(|distance| is_start(*distance))
            }
            (OperandKind::List(list), Value::List(registers)) => self.list_can_be_written(list, registers, instruction),
            (
                OperandKind::Immediate { .. }
                | OperandKind::Bits32
                | OperandKind::Literal64
                | OperandKind::Float32
                | OperandKind::Float64
                | OperandKind::Function
                | OperandKind::Signature,
                Value::Integer(_),
            ) => true,
            (_, Value::List(_)) | (OperandKind::List(_), Value::Integer(_)) => false,
        })
    }

    fn register(&self, number: i64) -> Option<ValueType> {
        self.function.registers.get(usize::try_from(number).ok()?).copied()
    }

    fn list_can_be_written(&self, list: List, registers: &[i64], instruction: &Instruction) -> bool {
        let types: Option<Vec<_>> = registers.iter().map(|register| self.register(*register)).collect();
        let Some(types) = types else { return false };
        let callee = self.callee(instruction);
        match list {
            List::CallResults => callee.is_some_and(|signature| signature.results == types),
            List::CallArguments => callee.is_some_and(|signature| signature.params == types),
            List::Returned => self.signature.results == types,
            List::SvcResults | List::SvcArguments => {
                let count = |wanted: &[ValueType]| types.iter().filter(|ty| wanted.contains(ty)).count();
                count(&[ValueType::F32, ValueType::F64]) == 0
                    && count(&[ValueType::I32, ValueType::I64]) <= MAX_SVC_WORDS
                    && count(&[ValueType::Ref]) <= MAX_SVC_REFERENCES
            }
            List::Targets => false,
        }
    }

    /// The signature of what a call calls.
    fn callee(&self, instruction: &Instruction) -> Option<&'m Signature> {
        let operands = instruction.opcode.row().operands;
        operands.iter().zip(&instruction.values).find_map(|(operand, value)| match (operand.kind, value) {
            (OperandKind::Function, Value::Integer(index)) => self.module.signature_of(u32::try_from(*index).ok()?),
            (OperandKind::Signature, Value::Integer(index)) => self.module.types.get(usize::try_from(*index).ok()?),
            _ => None,
        })
    }

    fn name_labels(&mut self) {
        let mut targets = BTreeSet::new();
        for statement in &self.statements {
            let Some(instruction) = &statement.instruction else { continue };
            for (operand, value) in instruction.opcode.row().operands.iter().zip(&instruction.values) {
                let distances = match (operand.kind, value) {
                    (OperandKind::Label, Value::Integer(distance)) => std::slice::from_ref(distance),
                    (OperandKind::List(List::Targets), Value::List(distances)) => distances,
                    _ => &[],
                };
                targets.extend(distances.iter().filter_map(|distance| target(statement.pc, *distance)));
            }
        }
        self.labels = targets.into_iter().zip(0..).map(|(target, number)| (target, format!("l{number}"))).collect();
    }

    // ---- Printing ---------------------------------------------------------------------------------------------------

    pub(crate) fn print(&self, text: &mut String) {
        let mut rows = self.rows.iter().peekable();
        if self.rows.is_empty() && self.module.debug.is_some() {
            text.push_str("    @line\n");
        }
        if self.statements.is_empty() {
            text.push_str("    @word\n");
        }
        for statement in &self.statements {
            if let Some(label) = self.labels.get(&statement.pc) {
                let _ = writeln!(text, "  {label}:");
            }
            match &statement.instruction {
                Some(instruction) => {
                    self.print_row(text, rows.next_if(|row| row.pc as usize == statement.pc));
                    let _ = writeln!(text, "    {}", self.instruction(statement.pc, instruction));
                }
                None => {
                    for pc in statement.pc..statement.pc + statement.length {
                        self.print_row(text, rows.next_if(|row| row.pc as usize == pc));
                        let _ = writeln!(text, "    @word {:#018x}", self.function.code[pc]);
                    }
                }
            }
        }
    }

    /// The labels and instructions, each with the row that says where it comes from.
    pub(crate) fn lines(&self) -> Vec<(Option<&LineRow>, String)> {
        let mut lines = Vec::new();
        for statement in &self.statements {
            let row = self.rows.partition_point(|row| row.pc as usize <= statement.pc).checked_sub(1);
            let row = row.map(|index| &self.rows[index]);
            lines.extend(self.labels.get(&statement.pc).map(|label| (None, format!("  {label}:"))));
            lines.push(match &statement.instruction {
                Some(instruction) => (row, format!("    {}", self.instruction(statement.pc, instruction))),
                None => (row, format!("    @word {:#018x}", self.function.code[statement.pc])),
            });
        }
        lines
    }

    fn print_row(&self, text: &mut String, row: Option<&LineRow>) {
        let Some(row) = row else { return };
        let file = row.file.and_then(|file| self.files.get(file as usize));
        let via = row.site.map(|site| format!(" via {site}")).unwrap_or_default();
        let _ = match file {
            Some(file) => writeln!(text, "    @line {file} {}{via}", row.line),
            None => writeln!(text, "    @line none"),
        };
    }

    fn instruction(&self, pc: usize, instruction: &Instruction) -> String {
        let row = instruction.opcode.row();
        let is_offset = |index| row.brackets.contains(&index) && split_bracket(row, &row.brackets).1 == Some(index);
        print(row, |index| match &instruction.values[index] {
            Value::Integer(0) if is_offset(index) => String::new(),
            Value::Integer(offset) if is_offset(index) => format!(" + {offset}"),
            Value::Integer(value) => self.integer(pc, &row.operands[index], *value),
            Value::List(list) => self.list(pc, &row.operands[index], list),
        })
    }

    fn integer(&self, pc: usize, operand: &Operand, value: i64) -> String {
        match operand.kind {
            OperandKind::Register { .. } => format!("r{value}"),
            OperandKind::Immediate { .. } | OperandKind::Bits32 | OperandKind::Literal64 => value.to_string(),
            OperandKind::Float32 => float32(value as u32),
            OperandKind::Float64 => float64(value as u64),
            OperandKind::Label => self.label(pc, value).to_owned(),
            OperandKind::Function => self.names.function(value as u32).to_owned(),
            OperandKind::Table => self.names.tables[value as usize].clone(),
            OperandKind::Signature => self.names.types[value as usize].clone(),
            OperandKind::List(_) => String::new(),
        }
    }

    fn list(&self, pc: usize, operand: &Operand, list: &[i64]) -> String {
        let item = |value: &i64| match operand.kind {
            OperandKind::List(List::Targets) => self.label(pc, *value).to_owned(),
            _ => format!("r{value}"),
        };
        list.iter().map(item).collect::<Vec<_>>().join(", ")
    }

    fn label(&self, pc: usize, distance: i64) -> &str {
        target(pc, distance).and_then(|target| self.labels.get(&target)).map_or("", String::as_str)
    }
}

impl CallShapes for Listing<'_> {
    fn of_function(&self, function: u32) -> Option<(usize, usize)> {
        self.module.signature_of(function).map(|signature| (signature.results.len(), signature.params.len()))
    }

    fn of_signature(&self, signature: u32) -> Option<(usize, usize)> {
        let signature = self.module.types.get(signature as usize)?;
        Some((signature.results.len(), signature.params.len()))
    }

    fn returned(&self) -> usize {
        self.signature.results.len()
    }
}

/// The word that a branch at `pc` goes to.
fn target(pc: usize, distance: i64) -> Option<usize> {
    usize::try_from(pc as i64 + distance).ok()
}

fn float32(bits: u32) -> String {
    let value = f32::from_bits(bits);
    match bits {
        0x7fc0_0000 => "nan".into(),
        _ if value.is_nan() => format!("bits {bits:#x}"),
        _ => format!("{value:?}"),
    }
}

fn float64(bits: u64) -> String {
    let value = f64::from_bits(bits);
    match bits {
        0x7ff8_0000_0000_0000 => "nan".into(),
        _ if value.is_nan() => format!("bits {bits:#x}"),
        _ => format!("{value:?}"),
    }
}
