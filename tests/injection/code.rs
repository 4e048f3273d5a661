//! Instructions that are skipped or done twice: a module with one instruction of it changed, which the machine runs for a
//! little while.

use limen_isa::codec::{Instruction, ModuleShapes, Value, decode, encode};
use limen_isa::module::Module;
use limen_isa::{Flow, Opcode, OperandKind};

/// What happens to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    Skipped,
    Repeated,
}

/// Places of a function's instructions to which that can happen, from a pc on.
pub(crate) fn places(module: &Module, function: u32, from: u32, slip: Slip) -> Vec<usize> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let (mut pc, mut places) = (0, Vec::new());
    while pc < code.len() {
        let (instruction, length) = decode(code, pc, &shapes).expect("a verified function decodes");
        if pc >= from as usize && can_slip(&instruction, length, slip) {
            places.push(pc);
        }
        pc += length;
    }
    places
}

/// One word can be changed into a jump. What is done twice must mean the same elsewhere in the function, and nobody may stand
/// at it while something else goes on.
fn can_slip(instruction: &Instruction, length: usize, slip: Slip) -> bool {
    let row = instruction.opcode.row();
    let has_label = row.operands.iter().any(|operand| operand.kind == OperandKind::Label);
    let is_plain = row.flow == Flow::Next && !has_label && !row.safepoint;
    length == 1 && row.flow != Flow::Terminator && (slip == Slip::Skipped || is_plain)
}

/// The same module, in which that happens to the instruction whenever it is come to.
pub(crate) fn slipped(module: &Module, function: u32, pc: usize, slip: Slip) -> Module {
    let mut changed = module.clone();
    let code = &mut changed.functions[function as usize].code;
    match slip {
        Slip::Skipped => code[pc] = jump(pc, pc + 1),
        Slip::Repeated => {
            let (word, aside) = (code[pc], code.len());
            code[pc] = jump(pc, aside);
            code.extend([word, word]);
            code.push(jump(aside + 2, pc + 1));
        }
    }
    changed
}

fn jump(from: usize, to: usize) -> u64 {
    let distance = Value::Integer(to as i64 - from as i64);
    let opcode = Opcode::from_mnemonic("jump").expect("there is such an instruction");
    let mut words = Vec::new();
    encode(&Instruction { opcode, values: vec![distance] }, &mut words).expect("functions are not so long");
    words[0]
}
