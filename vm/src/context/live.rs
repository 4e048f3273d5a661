//! Whether a register still matters: engines may forget those that do not, and nobody may be able to tell.

use limen_isa::codec::{ModuleShapes, for_each_register, for_each_target};
use limen_isa::module::Module;
use limen_isa::{Flow, Opcode, Role};

use super::{Context, State};
use crate::verify::Verified;

impl Context {
    /// Whether something may read a register of the frame `depth` calls out, which is there and has it, before it is written.
    pub(crate) fn is_live(&self, module: &Verified<Module>, depth: u32, register: u32) -> bool {
        let Some(header) = self.chain().get(depth as usize).map(|fp| self.header(*fp)) else { return false };
        let pc = (header.position - module.start_of(header.function)) as usize;
        let code = Code { module, function: header.function, register: register as u16 };
        // A call and an `svc` have read their arguments, and will write their results before anything else happens.
        let is_done = depth > 0 || self.port.state == State::InSvc;
        if is_done { code.is_read_behind(pc) } else { code.is_read_from(pc) }
    }
}

/// The code of a function, and a register in it.
struct Code<'a> {
    module: &'a Module,
    function: u32,
    register: u16,
}

/// What an instruction does with the register.
struct Look {
    reads: bool,
    writes: bool,
    /// Words that it takes.
    words: usize,
}

impl Code<'_> {
    fn words(&self) -> &[u64] {
        &self.module.functions[self.function as usize].code
    }

    fn look(&self, pc: usize) -> Look {
        let shapes = ModuleShapes { module: self.module, function: self.function };
        let (mut reads, mut writes) = (false, false);
        let words = for_each_register(&self.words()[pc..], &shapes, |role, register| {
            if register.0 == self.register {
                reads |= role != Role::Write;
                writes |= role == Role::Write;
            }
        });
        Look { reads, writes, words }
    }

    /// The same for what comes behind an instruction, which writes before that what it writes.
    fn is_read_behind(&self, pc: usize) -> bool {
        let Look { writes, words, .. } = self.look(pc);
        !writes && self.is_read_from(pc + words)
    }

    /// Whether one can come from this word to an instruction that reads the register, and to none on the way that writes it.
    fn is_read_from(&self, pc: usize) -> bool {
        let (mut ahead, mut seen) = (vec![pc], vec![false; self.words().len()]);
        while let Some(pc) = ahead.pop() {
            if std::mem::replace(&mut seen[pc], true) {
                continue;
            }
            let Look { reads, writes, words } = self.look(pc);
            if reads {
                return true;
            }
            if !writes {
                self.go_on(pc, words, &mut ahead);
            }
        }
        false
    }

    /// Adds where one can come to from an instruction of so many words.
    fn go_on(&self, pc: usize, words: usize, ahead: &mut Vec<usize>) {
        let instruction = &self.words()[pc..];
        for_each_target(instruction, |distance| ahead.push(pc.wrapping_add_signed(distance as isize)));
        let flow = Opcode::of_word(instruction[0]).map(|opcode| opcode.row().flow);
        if flow != Some(Flow::Terminator) {
            ahead.push(pc + words);
        }
    }
}
