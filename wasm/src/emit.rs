//! Code of one function while it is written: words, labels, and what the last instruction was.

use limen_isa::{OPERAND_WORD, Opcode};

/// A register of the function.
pub(crate) type Register = u16;

/// A place that branches go to, perhaps not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(u32);

/// Where a distance is to be written.
struct Fixup {
    label: Label,
    /// The instruction that the distance is counted from.
    from: usize,
    /// The word it stands in, and how far up.
    word: usize,
    shift: u32,
}

/// The words of a function.
#[derive(Default)]
pub(crate) struct Code {
    words: Vec<u64>,
    labels: Vec<Option<u32>>,
    fixups: Vec<Fixup>,
    /// Code before this word can be branched behind: it is not to be changed any more.
    settled: usize,
}

impl Code {
    /// Forgets the function and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.labels.clear();
        self.fixups.clear();
        self.settled = 0;
    }

    /// For how many words there is room.
    pub(crate) fn room(&self) -> usize {
        self.words.capacity()
    }

    /// Makes room for so many words.
    pub(crate) fn make_room(&mut self, words: usize) {
        self.words.reserve(words);
    }

    pub(crate) fn position(&self) -> usize {
        self.words.len()
    }

    /// Whether the words from `start` on are those of one stretch of code that nothing branches into.
    pub(crate) fn is_open(&self, start: usize) -> bool {
        start >= self.settled
    }

    /// Takes back what was written from `start` on.
    pub(crate) fn take_back(&mut self, start: usize) {
        self.words.truncate(start);
    }

    pub(crate) fn registers(&mut self, opcode: Opcode, registers: &[Register]) {
        let mut word = u64::from(opcode.row().code);
        for (slot, register) in registers.iter().enumerate() {
            word |= u64::from(*register) << SLOT_SHIFTS[slot];
        }
        self.words.push(word);
    }

    /// Two registers and 24 bits.
    pub(crate) fn wide24(&mut self, opcode: Opcode, a: Register, b: Register, immediate: u32) {
        let immediate = u64::from(immediate & 0xff_ffff) << 40;
        self.words.push(u64::from(opcode.row().code) | u64::from(a) << 16 | u64::from(b) << 28 | immediate);
    }

    /// A register and 32 bits.
    pub(crate) fn wide32(&mut self, opcode: Opcode, a: Register, immediate: u32) {
        self.words.push(u64::from(opcode.row().code) | u64::from(a) << 16 | u64::from(immediate) << 32);
    }

    /// A register and 64 bits.
    pub(crate) fn literal(&mut self, opcode: Opcode, a: Register, bits: u64) {
        self.wide32(opcode, a, bits as u32);
        self.words.push(u64::from(OPERAND_WORD) | (bits >> 32) << 32);
    }

    /// An instruction whose first word is ready, and its list of registers in operand words.
    pub(crate) fn listed(&mut self, first: u64, registers: impl Iterator<Item = Register>) {
        self.words.push(first);
        self.list(4, registers);
    }

    /// `ret`, whose list begins in its own word.
    pub(crate) fn ret(&mut self, values: &[Register]) {
        self.words.push(u64::from(Opcode::Ret.row().code));
        self.list(0, values.iter().copied());
    }

    /// Registers in slots, of which `slot` is the first, counted from those of the last word.
    fn list(&mut self, mut slot: usize, registers: impl Iterator<Item = Register>) {
        for register in registers {
            if slot == 4 {
                self.words.push(u64::from(OPERAND_WORD));
                slot = 0;
            }
            if let Some(word) = self.words.last_mut() {
                *word |= u64::from(register) << SLOT_SHIFTS[slot];
            }
            slot += 1;
        }
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    /// The label is here.
    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0 as usize] = Some(self.words.len() as u32);
        self.settled = self.words.len();
    }

    /// A branch on what `a` and `b` (a register or 12 bits) are.
    pub(crate) fn branch(&mut self, opcode: Opcode, a: Register, b: u16, to: Label) {
        let from = self.words.len();
        self.wide24(opcode, a, b & 0xfff, 0);
        self.fixups.push(Fixup { label: to, from, word: from, shift: 40 });
    }

    /// Takes back the branch that was written last, if nothing follows it and nothing branches behind it.
    pub(crate) fn take_back_branch(&mut self, start: usize) -> bool {
        let is_last = start + 1 == self.words.len() && self.is_open(start);
        if is_last {
            self.words.truncate(start);
            self.fixups.pop();
        }
        is_last
    }

    pub(crate) fn jump(&mut self, to: Label) {
        let from = self.words.len();
        self.wide32(Opcode::Jump, 0, 0);
        self.fixups.push(Fixup { label: to, from, word: from, shift: 32 });
    }

    pub(crate) fn branch_table(&mut self, index: Register, targets: &[Label]) {
        let from = self.words.len();
        self.wide32(Opcode::BrTable, index, targets.len() as u32);
        for label in targets {
            let word = self.words.len();
            self.words.push(u64::from(OPERAND_WORD));
            self.fixups.push(Fixup { label: *label, from, word, shift: 32 });
        }
    }

    /// Puts another register into a slot that was written.
    pub(crate) fn replace(&mut self, place: Place, register: Register) {
        let word = &mut self.words[place.word];
        *word = *word & !(0xfff << place.shift) | u64::from(register) << place.shift;
    }

    /// The words, with the distances to all labels in them.
    pub(crate) fn finish(&mut self) -> Vec<u64> {
        for fixup in &self.fixups {
            // Every label that is used is bound when its block ends.
            let target = self.labels[fixup.label.0 as usize].unwrap_or_default();
            let distance = (i64::from(target) - fixup.from as i64) as u64;
            self.words[fixup.word] |= if fixup.shift == 40 { distance << 40 } else { distance << 32 };
        }
        self.words.clone()
    }
}

/// A slot of a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) word: usize,
    pub(crate) shift: u32,
}

impl Place {
    /// The first slot of a word.
    pub(crate) fn first_of(word: usize) -> Self {
        Self { word, shift: SLOT_SHIFTS[0] }
    }
}

const SLOT_SHIFTS: [u32; 4] = [16, 28, 40, 52];
