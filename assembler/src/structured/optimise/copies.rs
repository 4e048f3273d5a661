//! Registers that are written once, with what another holds that is written once, give way to that one.
//!
//! Where each read of a register lies behind its one write, the two hold the same whenever the copy is read.

use limen_isa::codec::Value;

use crate::structured::code::{Code, Inst, Item, Reg};

pub(super) fn propagate(code: &mut Code, params: usize) {
    if code.reads_unwritten {
        return;
    }
    let writes = writes(code, params);
    let once = |reg: Reg| writes[reg as usize] == 1;
    let mut source: Vec<Reg> = (0..code.registers.len() as Reg).collect();
    for item in &code.items {
        if let Item::Inst(inst) = item
            && let Some((to, from)) = inst.moved()
            && once(to)
            && once(from)
        {
            source[to as usize] = from;
        }
    }
    for item in &mut code.items {
        if let Item::Inst(inst) = item {
            replace(inst, &source);
        }
    }
    let is_replaced = |reg: Reg| source[reg as usize] != reg;
    code.items.retain(|item| !matches!(item, Item::Inst(inst) if inst.moved().is_some_and(|(to, _)| is_replaced(to))));
}

/// How often each register is written.
pub(super) fn writes(code: &Code, params: usize) -> Vec<u32> {
    let mut writes = vec![0; code.registers.len()];
    writes[..params].fill(1);
    for item in &code.items {
        if let Item::Inst(inst) = item {
            inst.each_register(|reg, _, written| writes[reg as usize] += u32::from(written));
        }
    }
    writes
}

fn replace(inst: &mut Inst, source: &[Reg]) {
    inst.registers(|used| {
        if used.reads && !used.writes {
            *used.register = i64::from(origin(source, *used.register as Reg));
        }
    });
}

/// Where what a register holds was first. Copies of copies form no circles: one of them would be read before it is written.
fn origin(source: &[Reg], mut reg: Reg) -> Reg {
    for _ in 0..source.len() {
        let next = source[reg as usize];
        if next == reg {
            break;
        }
        reg = next;
    }
    reg
}

impl Inst {
    /// Where it moves a register, if that is all it does: to and from.
    pub(crate) fn moved(&self) -> Option<(Reg, Reg)> {
        match self.values.as_slice() {
            [Value::Integer(to), Value::Integer(from)] if self.opcode.mnemonic().ends_with(".mov") => {
                Some((*to as Reg, *from as Reg))
            }
            _ => None,
        }
    }

    /// Whether it moves a register to itself.
    pub(crate) fn is_own_move(&self) -> bool {
        self.moved().is_some_and(|(to, from)| to == from)
    }
}
