//! The stack of operands.

use limen_isa::{Opcode, ValueType};

use super::{Last, Translator};
use crate::condition::Condition;
use crate::emit::{Code, Place, Register};

/// A value on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) ty: ValueType,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// It lies in the register of its depth and type.
    Home,
    /// It lies on the spill stack, at the place of its depth.
    Memory,
    /// It is what the local is.
    Local(u32),
    /// These bits; those of an `i32` and an `f32` are zero-extended.
    Constant(u64),
}

impl Entry {
    /// Whether it lies where it is expected behind labels.
    pub(super) fn is_home(self) -> bool {
        matches!(self.what, What::Home | What::Memory)
    }

    /// Whether it lies in the register of its depth.
    pub(super) fn is_in_register(self) -> bool {
        matches!(self.what, What::Home)
    }

    /// The constant, an `i32` sign-extended.
    pub(super) fn constant(self) -> Option<i64> {
        match self.what {
            What::Constant(bits) if self.ty == ValueType::I32 => Some(i64::from(bits as i32)),
            What::Constant(bits) => Some(bits as i64),
            What::Home | What::Memory | What::Local(_) => None,
        }
    }
}

impl Translator<'_> {
    pub(super) fn push_local(&mut self, local: u32, ty: ValueType) {
        self.named[local as usize] += 1;
        self.first_named = self.first_named.min(self.stack.len());
        self.stack.push(Entry { ty, what: What::Local(local) });
    }

    pub(super) fn push_constant(&mut self, ty: ValueType, bits: u64) {
        self.stack.push(Entry { ty, what: What::Constant(bits) });
    }

    /// Pushes what lies in the register of its depth, and gives that.
    pub(super) fn push_home(&mut self, ty: ValueType) -> Register {
        let register = self.home(self.stack.len(), ty);
        self.stack.push(Entry { ty, what: What::Home });
        register
    }

    /// Pushes what was brought to where it is expected behind a label.
    pub(super) fn push_brought(&mut self, ty: ValueType) {
        let what = if self.is_deep(self.stack.len()) { What::Memory } else { What::Home };
        self.stack.push(Entry { ty, what });
    }

    /// Takes the topmost entry.
    pub(super) fn pop(&mut self) -> Entry {
        // Validated code has what it pops.
        let entry = self.stack.pop().unwrap_or(Entry { ty: ValueType::I32, what: What::Constant(0) });
        if let What::Local(local) = entry.what {
            self.named[local as usize] -= 1;
        }
        entry
    }

    /// Takes entries off until there are so many.
    pub(super) fn pop_to(&mut self, height: usize) {
        while self.stack.len() > height {
            self.pop();
        }
    }

    /// The register for values of this type at this depth. Deep ones are there for one operator only.
    pub(super) fn home(&mut self, depth: usize, ty: ValueType) -> Register {
        if self.is_deep(depth) {
            return self.deep_register(depth, ty);
        }
        if self.homes.len() <= depth {
            self.homes.resize(depth + 1, [None; 4]);
        }
        match self.homes[depth][ty as usize] {
            Some(register) => register,
            None => {
                let register = self.register(ty);
                self.homes[depth][ty as usize] = Some(register);
                register
            }
        }
    }

    /// A register above the stack.
    pub(super) fn scratch(&mut self, above: usize, ty: ValueType) -> Register {
        self.home(self.stack.len() + above, ty)
    }

    /// The register of the entry that was popped last.
    pub(super) fn home_of_popped(&self, entry: Entry) -> Option<Register> {
        self.homes.get(self.stack.len()).and_then(|homes| homes[entry.ty as usize])
    }

    /// The register in which an entry is, that lay so far above what is the stack now.
    pub(super) fn read(&mut self, entry: Entry, above: usize) -> Register {
        self.read_at(entry, self.stack.len() + above)
    }

    /// The register in which an entry is that lies, or lay, at this depth.
    pub(super) fn read_at(&mut self, entry: Entry, depth: usize) -> Register {
        match entry.what {
            What::Home => self.home(depth, entry.ty),
            What::Memory => {
                let register = self.home(depth, entry.ty);
                self.load_deep(depth, entry.ty, register);
                register
            }
            What::Local(local) => self.register_of(local),
            What::Constant(0) => self.zero(entry.ty),
            What::Constant(bits) => {
                let register = self.home(depth, entry.ty);
                self.constant(register, entry.ty, bits);
                register
            }
        }
    }

    /// Pops as many entries and gives their registers, deepest first.
    pub(super) fn read_many(&mut self, count: usize) -> Vec<Register> {
        let height = self.stack.len() - count;
        let mut registers = std::mem::take(&mut self.listed);
        registers.clear();
        for depth in height..self.stack.len() {
            registers.push(self.read_at(self.stack[depth], depth));
        }
        self.pop_to(height);
        registers
    }

    /// Brings the entry that was popped last into a register.
    pub(super) fn write(&mut self, register: Register, entry: Entry) {
        match entry.what {
            What::Constant(bits) => self.constant(register, entry.ty, bits),
            What::Home | What::Memory | What::Local(_) => {
                let from = self.read(entry, 0);
                self.copy(register, from, entry.ty);
            }
        }
    }

    pub(super) fn copy(&mut self, to: Register, from: Register, ty: ValueType) {
        if to != from {
            self.code.registers(mov(ty), &[to, from]);
        }
    }

    pub(super) fn constant(&mut self, register: Register, ty: ValueType, bits: u64) {
        let fits = bits as i64 == i64::from(bits as i32);
        match ty {
            ValueType::I32 => self.code.wide32(Opcode::I32Const, register, bits as u32),
            ValueType::I64 if fits => self.code.wide32(Opcode::I64Const, register, bits as u32),
            ValueType::I64 => self.code.literal(Opcode::I64Const64, register, bits),
            ValueType::F32 => self.code.wide32(Opcode::F32Const, register, bits as u32),
            ValueType::F64 => self.code.literal(Opcode::F64Const, register, bits),
            ValueType::Ref => self.code.registers(Opcode::RefNull, &[register]),
        }
    }

    /// Gives the value of a local, which will change, to all that names it.
    pub(super) fn preserve(&mut self, local: u32) {
        let mut depth = self.stack.len();
        while self.named[local as usize] > 0 {
            depth -= 1;
            if matches!(self.stack[depth].what, What::Local(named) if named == local) {
                self.bring_home(depth, false);
            }
        }
    }

    /// Gives their values to all entries below this height that name locals.
    pub(super) fn preserve_all(&mut self, height: usize) {
        (self.first_named..height).for_each(|depth| self.bring_home(depth, false));
        self.first_named = self.first_named.max(height);
    }

    /// Makes the entry at this depth lie in its place. Constants may stay constants where they are no bother.
    pub(super) fn bring_home(&mut self, depth: usize, constants_too: bool) {
        let entry = self.stack[depth];
        match entry.what {
            What::Home if self.is_deep(depth) => {}
            What::Home | What::Memory => return,
            What::Constant(_) if !constants_too => return,
            What::Constant(_) => {}
            What::Local(local) => self.named[local as usize] -= 1,
        }
        self.copy_entry(depth, depth);
        self.stack[depth].what = if self.is_deep(depth) { What::Memory } else { What::Home };
    }

    /// Copies an entry, which stays what it is, to the place of another depth.
    pub(super) fn copy_entry(&mut self, depth: usize, to: usize) {
        let entry = self.stack[depth];
        if self.is_deep(to) {
            let register = self.read_at(entry, depth);
            return self.store_deep(to, entry.ty, register);
        }
        let to = self.home(to, entry.ty);
        match entry.what {
            What::Constant(bits) => self.constant(to, entry.ty, bits),
            What::Local(local) => self.copy(to, self.register_of(local), entry.ty),
            What::Memory => self.load_deep(depth, entry.ty, to),
            What::Home => {
                let from = self.home(depth, entry.ty);
                self.copy(to, from, entry.ty);
            }
        }
    }

    /// Whether an entry lies in the place of this depth.
    pub(super) fn lies_at(&self, depth: usize, at: usize) -> bool {
        depth == at && self.stack[depth].is_home()
    }

    /// Writes an instruction with one result, its first operand, and pushes that.
    pub(super) fn result(&mut self, ty: ValueType, write: impl FnOnce(&mut Code, Register)) {
        let result = self.push_home(ty);
        let start = self.code.position();
        write(&mut self.code, result);
        self.last =
            Some(Last { start, end: self.code.position(), place: Place::first_of(start), result, condition: None });
    }

    /// Pushes whether a condition holds.
    pub(super) fn push_condition(&mut self, condition: Condition) {
        self.result(ValueType::I32, |code, d| condition.value(code, d));
        if let Some(last) = &mut self.last {
            last.condition = Some(condition);
            // Where it takes two instructions, the result is named in both.
            let is_single = last.end == last.start + 1;
            if !is_single {
                last.place.word = usize::MAX;
            }
        }
    }

    /// Whether this is still the last instruction, its result this register, and can be changed.
    pub(super) fn is_last(&self, last: &Last, result: Option<Register>) -> bool {
        let is_untouched = last.end == self.code.position() && self.code.is_open(last.start);
        is_untouched && result == Some(last.result) && last.place.word != usize::MAX
    }

    /// Takes the topmost entry as a condition; the comparison that made it is not made then.
    pub(super) fn pop_condition(&mut self) -> Condition {
        let entry = self.pop();
        if let Some(condition) = self.take_comparison(entry) {
            return condition;
        }
        let register = self.read(entry, 0);
        Condition::is_not_zero(entry.ty, register)
    }

    /// The comparison that made the entry that was popped last, taken back.
    pub(super) fn take_comparison(&mut self, entry: Entry) -> Option<Condition> {
        let last = self.last.filter(|last| entry.is_home() && self.home_of_popped(entry) == Some(last.result))?;
        let condition = last.condition?;
        if last.end != self.code.position() || !self.code.is_open(last.start) {
            return None;
        }
        self.code.take_back(last.start);
        self.last = None;
        Some(condition)
    }
}

fn mov(ty: ValueType) -> Opcode {
    match ty {
        ValueType::I32 => Opcode::I32Mov,
        ValueType::I64 => Opcode::I64Mov,
        ValueType::F32 => Opcode::F32Mov,
        ValueType::F64 => Opcode::F64Mov,
        ValueType::Ref => Opcode::RefMov,
    }
}
