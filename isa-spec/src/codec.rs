//! Instructions to words and back, driven by the table alone.
//!
//! This is the convenient form for assemblers, disassemblers and tests. Engines and the verifier read words directly.

use std::sync::LazyLock;

use thiserror::Error;

use crate::module::{Module, Signature};
use crate::{Field, Fields, List, OPERAND_WORD, Opcode, Operand, OperandKind, Reg, Role};

/// The value of one operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A register number, an immediate, a literal's bits, a distance or an index.
    Integer(i64),
    /// The elements of a list: register numbers, or distances for branch targets.
    List(Vec<i64>),
}

/// An instruction with its operands, in the order of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub opcode: Opcode,
    /// One value per operand of the opcode's row.
    pub values: Vec<Value>,
}

/// How many results and arguments (or parameters) a call has: what the words of a call do not say themselves.
pub trait CallShapes {
    /// Of the function with this index: (results, parameters).
    fn of_function(&self, function: u32) -> Option<(usize, usize)>;
    /// Of the signature with this index: (results, parameters).
    fn of_signature(&self, signature: u32) -> Option<(usize, usize)>;
    /// How many values the function that is being decoded returns.
    fn returned(&self) -> usize;
}

/// Why an instruction has no encoding.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A value does not fit its field.
    #[error("operand {operand} is {value}, outside {min}..={max}")]
    Range {
        /// The operand's name.
        operand: &'static str,
        /// The value given.
        value: i64,
        /// The least value that fits.
        min: i64,
        /// The greatest value that fits.
        max: i64,
    },
    /// There are too many or too few values, or a list where an integer belongs.
    #[error("the operands of {mnemonic} do not have the shape of its row")]
    Shape {
        /// The instruction.
        mnemonic: &'static str,
    },
    /// The row has no encoding yet.
    #[error("{mnemonic} is reserved, not built")]
    Reserved {
        /// The instruction.
        mnemonic: &'static str,
    },
}

/// Why words are not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No instruction has this code.
    #[error("no instruction has the code {0:#06x}")]
    Code(u16),
    /// The instruction is only reserved.
    #[error("{0} is reserved, not built")]
    Reserved(&'static str),
    /// The function ends before the instruction does.
    #[error("the instruction runs off the end of the function")]
    Truncated,
    /// A word that should be an operand word is not.
    #[error("word {0} of the instruction is not an operand word")]
    NotAnOperandWord(usize),
    /// A bit that no operand uses is set.
    #[error("word {0} of the instruction has a bit set that has no meaning")]
    UnusedBits(usize),
    /// The function or signature that a call names does not exist.
    #[error("the call names function or signature {0}, which does not exist")]
    UnknownCallee(u32),
}

/// The least and the greatest value of a field that holds `operand`.
#[must_use]
pub fn range(operand: &Operand) -> (i64, i64) {
    let width = operand.place.field.width();
    let unsigned = (1_i64 << width) - 1;
    match operand.kind {
        OperandKind::Immediate { signed: true } | OperandKind::Label => (-(1 << (width - 1)), (1 << (width - 1)) - 1),
        OperandKind::Bits32 => (i64::from(i32::MIN), i64::from(u32::MAX)),
        OperandKind::Literal64 | OperandKind::Float64 => (i64::MIN, i64::MAX),
        OperandKind::Register { .. }
        | OperandKind::Immediate { signed: false }
        | OperandKind::Float32
        | OperandKind::Function
        | OperandKind::Table
        | OperandKind::Signature
        | OperandKind::List(_) => (0, unsigned),
    }
}

/// Appends the words of an instruction to `out`.
///
/// # Errors
///
/// If a value does not fit, the values do not match the row, or the row is reserved; `out` is then unchanged.
pub fn encode(instruction: &Instruction, out: &mut Vec<u64>) -> Result<(), EncodeError> {
    let row = instruction.opcode.row();
    if row.reserved {
        return Err(EncodeError::Reserved { mnemonic: row.mnemonic });
    }
    if instruction.values.len() != row.operands.len() {
        return Err(EncodeError::Shape { mnemonic: row.mnemonic });
    }
    let mut words = Words { words: vec![u64::from(row.code)], run: None };
    for (operand, value) in row.operands.iter().zip(&instruction.values) {
        words
            .operand(operand, value)
            .map_err(|error| error.unwrap_or(EncodeError::Shape { mnemonic: row.mnemonic }))?;
    }
    out.extend(words.words);
    Ok(())
}

/// The words of one instruction while it is encoded.
struct Words {
    words: Vec<u64>,
    /// The next free slot of the register list, counted in slots from the instruction word's.
    run: Option<usize>,
}

impl Words {
    /// Puts one operand in its place; `Err(None)` where value and kind do not match.
    fn operand(&mut self, operand: &Operand, value: &Value) -> Result<(), Option<EncodeError>> {
        let word = usize::from(operand.place.word);
        match (operand.kind, value) {
            (OperandKind::List(list), Value::List(elements)) => self.list(operand, list, elements),
            (OperandKind::Literal64 | OperandKind::Float64, Value::Integer(bits)) => {
                self.put(word, Field::Wide32, *bits as u64);
                self.put(word + 1, Field::Wide32, (*bits as u64) >> 32);
                Ok(())
            }
            (OperandKind::List(_), Value::Integer(_)) | (_, Value::List(_)) => Err(None),
            (_, Value::Integer(value)) => {
                self.put(word, operand.place.field, in_range(operand, *value)? as u64);
                Ok(())
            }
        }
    }

    fn list(&mut self, operand: &Operand, list: List, elements: &[i64]) -> Result<(), Option<EncodeError>> {
        if operand.counted() {
            let count = in_range(operand, elements.len() as i64)? as u64;
            self.put(usize::from(operand.place.word), operand.place.field, count);
        }
        let element = Operand { kind: element_kind(list), ..*operand };
        for value in elements {
            let place = if list == List::Targets { self.next_target() } else { self.next_slot(list) };
            let element = Operand { place: crate::Place { word: 0, field: place.1 }, ..element };
            self.put(place.0, place.1, in_range(&element, *value)? as u64);
        }
        Ok(())
    }

    fn next_target(&mut self) -> (usize, Field) {
        (self.words.len(), Field::Wide32)
    }

    fn next_slot(&mut self, list: List) -> (usize, Field) {
        let slot = self.run.unwrap_or_else(|| first_slot(list));
        self.run = Some(slot + 1);
        (slot / 4, Field::SLOTS[slot % 4])
    }

    fn put(&mut self, word: usize, field: Field, value: u64) {
        while self.words.len() <= word {
            self.words.push(u64::from(OPERAND_WORD));
        }
        self.words[word] |= (value << field.shift()) & field.mask();
    }
}

fn element_kind(list: List) -> OperandKind {
    match list {
        List::Targets => OperandKind::Label,
        List::CallResults | List::CallArguments | List::Returned | List::SvcResults | List::SvcArguments => {
            OperandKind::Immediate { signed: false }
        }
    }
}

/// Where a register list begins, in slots from the instruction word's first.
fn first_slot(list: List) -> usize {
    if list == List::Returned { 0 } else { 4 }
}

fn in_range(operand: &Operand, value: i64) -> Result<i64, Option<EncodeError>> {
    let (min, max) = range(operand);
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(Some(EncodeError::Range { operand: operand.name, value, min, max }))
    }
}

/// Reads the instruction at `pc` and how many words it takes.
///
/// What is refused here would be refused by the verifier; whether registers exist and have the right types is not
/// looked at. An instruction that decodes encodes to the same words.
///
/// # Errors
///
/// If the words are not an instruction.
pub fn decode(code: &[u64], pc: usize, shapes: &dyn CallShapes) -> Result<(Instruction, usize), DecodeError> {
    let words = code.get(pc..).filter(|words| !words.is_empty()).ok_or(DecodeError::Truncated)?;
    let opcode = Opcode::of_word(words[0]).ok_or(DecodeError::Code(words[0] as u16))?;
    let row = opcode.row();
    if row.reserved {
        return Err(DecodeError::Reserved(row.mnemonic));
    }
    let counts = Counts::of(opcode, words, shapes)?;
    let length = counts.length(opcode);
    let words = words.get(..length).ok_or(DecodeError::Truncated)?;
    if let Some(index) = (1..length).find(|index| words[*index] as u16 != OPERAND_WORD) {
        return Err(DecodeError::NotAnOperandWord(index));
    }
    let mut run = None;
    let values = row.operands.iter().map(|operand| value(operand, words, &counts, &mut run)).collect();
    let instruction = Instruction { opcode, values };
    canonical(&instruction, words)?;
    Ok((instruction, length))
}

/// Unused bits are those that encoding the instruction again does not set.
fn canonical(instruction: &Instruction, words: &[u64]) -> Result<(), DecodeError> {
    let mut again = Vec::with_capacity(words.len());
    encode(instruction, &mut again).map_err(|_| DecodeError::UnusedBits(0))?;
    let differs = again.iter().zip(words).position(|(again, word)| again != word);
    differs.map_or(Ok(()), |index| Err(DecodeError::UnusedBits(index)))
}

/// The lengths of an instruction's lists.
#[derive(Default)]
struct Counts {
    results: usize,
    arguments: usize,
    returned: usize,
    targets: usize,
}

impl Counts {
    fn of(opcode: Opcode, words: &[u64], shapes: &dyn CallShapes) -> Result<Self, DecodeError> {
        let mut counts = Counts::default();
        for operand in opcode.row().operands {
            let raw = words.unsigned(usize::from(operand.place.word), operand.place.field);
            match operand.kind {
                OperandKind::Function => {
                    (counts.results, counts.arguments) =
                        shapes.of_function(raw).ok_or(DecodeError::UnknownCallee(raw))?;
                }
                OperandKind::Signature => {
                    (counts.results, counts.arguments) =
                        shapes.of_signature(raw).ok_or(DecodeError::UnknownCallee(raw))?;
                }
                OperandKind::List(List::SvcResults) => counts.results = raw as usize,
                OperandKind::List(List::SvcArguments) => counts.arguments = raw as usize,
                OperandKind::List(List::Targets) => counts.targets = raw as usize,
                OperandKind::List(List::Returned) => counts.returned = shapes.returned(),
                // Their lengths are the callee's business, which `Function` or `Signature` has answered.
                OperandKind::List(List::CallResults | List::CallArguments) => {}
                OperandKind::Register { .. }
                | OperandKind::Immediate { .. }
                | OperandKind::Bits32
                | OperandKind::Float32
                | OperandKind::Literal64
                | OperandKind::Float64
                | OperandKind::Label
                | OperandKind::Table => {}
            }
        }
        Ok(counts)
    }

    fn get(&self, list: List) -> usize {
        match list {
            List::CallResults | List::SvcResults => self.results,
            List::CallArguments | List::SvcArguments => self.arguments,
            List::Returned => self.returned,
            List::Targets => self.targets,
        }
    }

    /// In words, the instruction word and the row's fixed operand words included.
    fn length(&self, opcode: Opcode) -> usize {
        let listed = (self.results + self.arguments).div_ceil(4) + self.returned.saturating_sub(4).div_ceil(4);
        opcode.row().fixed_words() + listed + self.targets
    }
}

/// What there is to know of an instruction of which each one has the same registers and the same length. Compilers go through all of
/// a function's instructions again and again.
struct Plain {
    /// All of them are in the first word.
    registers: Vec<(Role, Field)>,
    length: usize,
}

impl Plain {
    fn of(opcode: Opcode) -> Option<Self> {
        let row = opcode.row();
        let mut registers = Vec::new();
        for operand in row.operands {
            match operand.kind {
                OperandKind::Register { role, .. } if operand.place.word == 0 => {
                    registers.push((role, operand.place.field));
                }
                // Of these the length depends on what is called, or on a count.
                OperandKind::Register { .. }
                | OperandKind::List(_)
                | OperandKind::Function
                | OperandKind::Signature => return None,
                OperandKind::Immediate { .. }
                | OperandKind::Bits32
                | OperandKind::Float32
                | OperandKind::Literal64
                | OperandKind::Float64
                | OperandKind::Label
                | OperandKind::Table => {}
            }
        }
        Some(Self { registers, length: row.fixed_words() })
    }
}

/// By opcode; `None` of those that are not plain.
static PLAIN: LazyLock<Vec<Option<Plain>>> = LazyLock::new(|| Opcode::ALL.into_iter().map(Plain::of).collect());

/// Calls `visit` with each register that an instruction names and what happens to it, in the order of its row; gives the
/// instruction's length in words.
///
/// `words` begin with the instruction. It must be one of a verified function: what does not decode is passed over.
pub fn for_each_register(words: &[u64], shapes: &dyn CallShapes, mut visit: impl FnMut(Role, Reg)) -> usize {
    let Some(opcode) = Opcode::of_word(words[0]) else { return 1 };
    if let Some(plain) = &PLAIN[opcode as usize] {
        plain.registers.iter().for_each(|(role, field)| visit(*role, Reg(field.get(words[0]) as u16)));
        return plain.length;
    }
    let Ok(counts) = Counts::of(opcode, words, shapes) else { return 1 };
    let mut slots = first_slot(List::CallResults)..;
    for operand in opcode.row().operands {
        match operand.kind {
            OperandKind::Register { role, .. } => {
                let word = usize::from(operand.place.word);
                visit(role, Reg(words.unsigned(word, operand.place.field) as u16));
            }
            OperandKind::List(list) if list != List::Targets => {
                let role = if operand.is_result() { Role::Write } else { Role::Read };
                if list == List::Returned {
                    slots = first_slot(list)..;
                }
                for slot in slots.by_ref().take(counts.get(list)) {
                    visit(role, Reg(words.unsigned(slot / 4, Field::SLOTS[slot % 4]) as u16));
                }
            }
            OperandKind::List(_)
            | OperandKind::Immediate { .. }
            | OperandKind::Bits32
            | OperandKind::Float32
            | OperandKind::Literal64
            | OperandKind::Float64
            | OperandKind::Label
            | OperandKind::Function
            | OperandKind::Table
            | OperandKind::Signature => {}
        }
    }
    counts.length(opcode)
}

/// Calls `visit` with the distance in words, from the instruction, of each place that it may branch to.
///
/// `words` begin with the instruction, or with an operand word, which branches nowhere. It must be one of a verified
/// function.
pub fn for_each_target(words: &[u64], mut visit: impl FnMut(i32)) {
    let operands = Opcode::of_word(words[0]).map_or(&[][..], |opcode| opcode.row().operands);
    for operand in operands {
        if operand.kind == OperandKind::Label {
            visit(words.signed(usize::from(operand.place.word), operand.place.field));
        }
        if operand.kind == OperandKind::List(List::Targets) {
            let count = words.unsigned(0, Field::Wide32) as usize;
            (1..=count).for_each(|index| visit(words.signed(index, Field::Wide32)));
        }
    }
}

/// The shapes of a module's calls, as one of its functions sees them.
#[derive(Clone, Copy, Debug)]
pub struct ModuleShapes<'a> {
    /// The module.
    pub module: &'a Module,
    /// Index of the function whose code it is.
    pub function: u32,
}

impl CallShapes for ModuleShapes<'_> {
    fn of_function(&self, function: u32) -> Option<(usize, usize)> {
        self.module.signature_of(function).map(Signature::shape)
    }

    fn of_signature(&self, signature: u32) -> Option<(usize, usize)> {
        self.module.types.get(signature as usize).map(Signature::shape)
    }

    fn returned(&self) -> usize {
        self.of_function(self.function).map_or(0, |(results, _)| results)
    }
}

fn value(operand: &Operand, words: &[u64], counts: &Counts, run: &mut Option<usize>) -> Value {
    let word = usize::from(operand.place.word);
    match operand.kind {
        OperandKind::Literal64 | OperandKind::Float64 => Value::Integer(words.literal(word) as i64),
        OperandKind::Immediate { signed: true } | OperandKind::Label | OperandKind::Bits32 => {
            Value::Integer(i64::from(words.signed(word, operand.place.field)))
        }
        OperandKind::List(List::Targets) => {
            Value::List((1..=counts.targets).map(|index| i64::from(words.signed(index, Field::Wide32))).collect())
        }
        OperandKind::List(list) => {
            let mut next = || {
                let slot = run.unwrap_or_else(|| first_slot(list));
                *run = Some(slot + 1);
                i64::from(words.unsigned(slot / 4, Field::SLOTS[slot % 4]))
            };
            Value::List((0..counts.get(list)).map(|_| next()).collect())
        }
        OperandKind::Register { role: Role::Write | Role::Read | Role::ReadWrite, .. }
        | OperandKind::Immediate { signed: false }
        | OperandKind::Float32
        | OperandKind::Function
        | OperandKind::Table
        | OperandKind::Signature => Value::Integer(i64::from(words.unsigned(word, operand.place.field))),
    }
}
