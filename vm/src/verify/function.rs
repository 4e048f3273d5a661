//! The pass over one function.

use limen_isa::module::{Body, MAX_REGISTERS, Module, Signature};
use limen_isa::{Field, Fields, OPERAND_WORD, Opcode, ValueType};

use super::Mode;
use super::error::{Broken, Rule};
use super::rules::{Check, Special, WordCheck, checks, is_word};

/// Stands for the type of a register that does not exist: no instruction wants it.
const MISSING: u8 = 0xfe;

/// The types of a function's registers by number, with room for every number that fits a slot: looking one up is at once
/// the question whether it exists. One table serves all functions of a module, since clearing it whole for each would
/// take longer than many functions.
pub(super) struct RegisterTypes([u8; MAX_REGISTERS]);

impl RegisterTypes {
    pub(super) const fn new() -> Self {
        Self([MISSING; MAX_REGISTERS])
    }

    /// Notes the registers of a function, after which [`RegisterTypes::forget`] must follow.
    fn note(&mut self, registers: &[ValueType]) {
        for (slot, ty) in self.0.iter_mut().zip(registers) {
            *slot = *ty as u8;
        }
    }

    fn forget(&mut self, registers: &[ValueType]) {
        self.0.iter_mut().zip(registers).for_each(|(slot, _)| *slot = MISSING);
    }
}

/// Verifies a body for a function with this signature. Nothing is asked about the bodies that the module's functions have.
pub(super) fn verify(
    module: &Module,
    signature: u32,
    body: &Body,
    mode: Mode,
    types: &mut RegisterTypes,
) -> Result<(), Broken> {
    let Body { registers, code } = body;
    let returned = &module.types[signature as usize].results;
    types.note(registers);
    let verdict = Pass { module, code, types: &types.0, registers, returned, mode }.run();
    types.forget(registers);
    verdict
}

/// What stays the same during the pass.
struct Pass<'a> {
    module: &'a Module,
    code: &'a [u64],
    types: &'a [u8; MAX_REGISTERS],
    registers: &'a [ValueType],
    returned: &'a [ValueType],
    mode: Mode,
}

impl Pass<'_> {
    fn run(&self) -> Result<(), Broken> {
        let checks = checks();
        let (mut pc, mut last) = (0, None);
        while let Some(word) = self.code.get(pc) {
            let opcode = Opcode::of_word(*word).ok_or(Broken { rule: Rule::Code(*word as u16), pc })?;
            let check = &checks[opcode as usize];
            last = Some((check, pc));
            pc += self.instruction(check, *word, pc).map_err(|rule| Broken { rule, pc })?;
        }
        match last {
            None => Err(Broken { rule: Rule::Empty, pc: 0 }),
            Some((check, pc)) if !check.terminator => Err(Broken { rule: Rule::FallsOff, pc }),
            Some(_) => Ok(()),
        }
    }

    /// Checks one instruction; gives its length in words.
    ///
    /// The common lengths are constants behind jumps, which the processor predicts: it need not wait for the length of one
    /// instruction to begin with the next.
    #[inline(always)]
    fn instruction(&self, check: &Check, word: u64, pc: usize) -> Result<usize, Rule> {
        self.word(check.first, word, 0)?;
        match check.special {
            Special::None => Ok(1),
            Special::Branch24 => self.target(pc, Field::Wide24.get_signed(word)).map(|()| 1),
            Special::Branch32 => self.target(pc, Field::Wide32.get_signed(word)).map(|()| 1),
            _ => self.long_instruction(check, pc),
        }
    }

    /// Checks what other instructions have beyond their first word; gives the length. Not inlined, so as to leave registers
    /// to the loop.
    #[inline(never)]
    fn long_instruction(&self, check: &Check, pc: usize) -> Result<usize, Rule> {
        match check.special {
            Special::Refused => Err(Rule::Reserved(check.row.mnemonic)),
            Special::Privileged if self.mode == Mode::User => Err(Rule::Privilege(check.row.mnemonic)),
            Special::Table => self.targets(pc),
            Special::Return => {
                let wanted = self.returned.iter().copied().map(Wanted::Type);
                self.list(pc, 0, self.returned.len(), wanted)
            }
            Special::Call => self.call(pc),
            Special::CallIndirect => self.call_indirect(pc),
            Special::Svc => self.svc(pc),
            Special::None | Special::Branch24 | Special::Branch32 | Special::Long | Special::Privileged => {
                self.operand_words(check, pc)
            }
        }
    }

    /// Checks the registers and the unused bits of a word, number `index` of its instruction.
    #[inline(always)]
    fn word(&self, check: WordCheck, word: u64, index: usize) -> Result<(), Rule> {
        if (self.found(word) ^ check.types) & check.masks != 0 {
            return Err(self.wrong_register(check, word));
        }
        if word & check.unused != 0 { Err(Rule::UnusedBits(index)) } else { Ok(()) }
    }

    /// The types of the registers that the slots of a word name, a byte each.
    #[inline(always)]
    fn found(&self, word: u64) -> u32 {
        let of = |field: Field| u32::from(self.types[field.get(word) as usize]);
        of(Field::A) | of(Field::B) << 8 | of(Field::C) << 16 | of(Field::D) << 24
    }

    #[cold]
    fn wrong_register(&self, check: WordCheck, word: u64) -> Rule {
        let wrong = (self.found(word) ^ check.types) & check.masks;
        let slot = wrong.trailing_zeros() as usize / 8;
        let wanted = ValueType::from_code(check.types.to_le_bytes()[slot]).map_or("another type", ValueType::name);
        self.misfit(Field::SLOTS[slot].get(word) as u16, wanted)
    }

    /// Why a register is not one of the type wanted.
    #[cold]
    fn misfit(&self, register: u16, wanted: &'static str) -> Rule {
        match self.registers.get(usize::from(register)) {
            None => Rule::NoRegister { register, registers: self.registers.len() },
            Some(found) => Rule::RegisterType { register, found: *found, wanted },
        }
    }

    /// Checks the operand words that the row fixes; gives the instruction's length.
    fn operand_words(&self, check: &Check, pc: usize) -> Result<usize, Rule> {
        for (index, word_check) in (1..).zip(&check.operand_words) {
            let word = self.operand_word(pc, index)?;
            self.word(*word_check, word, index)?;
        }
        Ok(1 + check.operand_words.len())
    }

    /// The operand word `index` of the instruction at `pc`.
    fn operand_word(&self, pc: usize, index: usize) -> Result<u64, Rule> {
        let word = *self.code.get(pc + index).ok_or(Rule::Truncated)?;
        if word as u16 == OPERAND_WORD { Ok(word) } else { Err(Rule::OperandWord(index)) }
    }

    #[inline(always)]
    fn target(&self, pc: usize, distance: i64) -> Result<(), Rule> {
        let target = pc as i64 + distance;
        match usize::try_from(target).ok().and_then(|target| self.code.get(target)) {
            None => Err(Rule::TargetOutside(target)),
            Some(word) if *word as u16 == OPERAND_WORD => Err(Rule::TargetOperandWord(target)),
            Some(_) => Ok(()),
        }
    }

    fn targets(&self, pc: usize) -> Result<usize, Rule> {
        let count = self.code[pc..].unsigned(0, Field::Wide32) as usize;
        if count == 0 {
            return Err(Rule::NoTargets);
        }
        for index in 1..=count {
            let word = self.operand_word(pc, index)?;
            if word & !(Field::Wide32.mask() | 0xffff) != 0 {
                return Err(Rule::UnusedBits(index));
            }
            self.target(pc, Field::Wide32.get_signed(word))?;
        }
        Ok(1 + count)
    }

    fn call(&self, pc: usize) -> Result<usize, Rule> {
        let index = self.code[pc..].unsigned(0, Field::Wide32);
        let signature = self.module.signature_of(index).ok_or(Rule::NoSuch { what: "function", index })?;
        self.call_operands(pc, signature)
    }

    fn call_indirect(&self, pc: usize) -> Result<usize, Rule> {
        let words = &self.code[pc..];
        let table = words.unsigned(0, Field::A);
        let index = words.unsigned(0, Field::Wide24);
        self.module.tables.get(table as usize).ok_or(Rule::NoSuch { what: "table", index: table })?;
        let signature = self.module.types.get(index as usize).ok_or(Rule::NoSuch { what: "signature", index })?;
        self.call_operands(pc, signature)
    }

    fn call_operands(&self, pc: usize, signature: &Signature) -> Result<usize, Rule> {
        let count = signature.results.len() + signature.params.len();
        self.list(pc, 1, count, signature.results.iter().chain(&signature.params).copied().map(Wanted::Type))
    }

    fn svc(&self, pc: usize) -> Result<usize, Rule> {
        let words = &self.code[pc..];
        let [results, arguments] = [Field::A, Field::C].map(|field| words.unsigned(0, field) as usize);
        let length =
            self.list(pc, 1, results + arguments, std::iter::repeat_n(Wanted::Message, results + arguments))?;
        for (first, count) in [(0, results), (results, arguments)] {
            let listed = (first..first + count).map(|index| listed(&self.code[pc..], 1, index));
            let references = listed.filter(|register| self.registers[usize::from(*register)] == ValueType::Ref).count();
            if references > 4 || count - references > 8 {
                return Err(Rule::Message);
            }
        }
        Ok(length)
    }

    /// Checks a list of registers that begins in word `first` of the instruction; gives the instruction's length.
    fn list(&self, pc: usize, first: usize, count: usize, wanted: impl Iterator<Item = Wanted>) -> Result<usize, Rule> {
        let length = (first + count.div_ceil(4)).max(1);
        for index in 1..length {
            self.operand_word(pc, index)?;
        }
        for (index, wanted) in wanted.enumerate() {
            let register = listed(&self.code[pc..], first, index);
            let found = self.registers.get(usize::from(register));
            if !found.is_some_and(|ty| wanted.admits(*ty)) {
                return Err(self.misfit(register, wanted.name()));
            }
        }
        self.unused_slots(pc, first, count, length)?;
        Ok(length)
    }

    /// The slots behind the last element of a list are zero, up to the end of the instruction.
    fn unused_slots(&self, pc: usize, first: usize, count: usize, length: usize) -> Result<(), Rule> {
        let set =
            (first * 4 + count..length * 4).find(|slot| Field::SLOTS[slot % 4].get(self.code[pc + slot / 4]) != 0);
        set.map_or(Ok(()), |slot| Err(Rule::UnusedBits(slot / 4)))
    }
}

/// What an element of a list must be.
#[derive(Clone, Copy)]
enum Wanted {
    Type(ValueType),
    /// `i32`, `i64` or `ref`.
    Message,
}

impl Wanted {
    fn admits(self, ty: ValueType) -> bool {
        match self {
            Wanted::Type(wanted) => ty == wanted,
            Wanted::Message => ty == ValueType::Ref || is_word(ty),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Wanted::Type(ty) => ty.name(),
            Wanted::Message => "i32, i64 or ref",
        }
    }
}

/// Element `index` of a register list that begins in word `first`.
fn listed(words: &[u64], first: usize, index: usize) -> u16 {
    words.unsigned(first + index / 4, Field::SLOTS[index % 4]) as u16
}
