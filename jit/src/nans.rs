//! What a NaN in a float register is, where basic blocks begin.
//!
//! A register can hold the processor's own NaN instead of the canonical one (see [`crate::lower::float`]), or one that was
//! loaded and must keep its bits. Where both kinds flow together, one way in has to see to it that its value is of the kind
//! that the block takes; in a loop that only makes NaNs and loads none, that is the way into the loop.

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Field, Fields, Opcode, OperandKind, Role, ValueType};

use crate::shape::{RegisterSet, Shape};

/// What a NaN in a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nan {
    /// The canonical one, if there can be one.
    Canonical,
    /// Any, whose bits must be kept.
    Kept,
    /// Whatever the processor makes: it stands for the canonical one.
    Pending,
}

/// What can be in float registers, beside numbers and the canonical NaN.
#[derive(Clone)]
struct Contents {
    kept: RegisterSet,
    pending: RegisterSet,
}

/// What is in float registers where basic blocks begin.
pub(crate) struct Nans(Vec<Contents>);

impl Nans {
    /// Of a function that is entered at the word `entry`, where what is in the registers `passed` comes from elsewhere.
    pub(crate) fn of(
        module: &Module,
        function: u32,
        shape: &Shape,
        entry: u32,
        passed: impl Iterator<Item = u16>,
    ) -> Self {
        let registers = module.functions[function as usize].registers.len();
        let steps: Vec<Vec<Step>> =
            (0..shape.blocks.len()).map(|block| steps(module, function, shape, block)).collect();
        let nothing = Contents { kept: RegisterSet::new(registers), pending: RegisterSet::new(registers) };
        let mut contents = vec![nothing; steps.len()];
        passed.for_each(|register| contents[shape.index_of(entry)].kept.insert(register));
        flow(&mut contents, shape, &steps);
        decide(&mut contents, &kept_in_loops(shape, &steps, registers), shape);
        Self(contents)
    }

    /// What a NaN in the register is where the block begins.
    pub(crate) fn at_start(&self, block: usize, register: u16) -> Nan {
        let Contents { kept, pending } = &self.0[block];
        match (kept.contains(register), pending.contains(register)) {
            (true, _) => Nan::Kept,
            (false, true) => Nan::Pending,
            (false, false) => Nan::Canonical,
        }
    }
}

/// Propagates contents from block to block until nothing changes.
fn flow(contents: &mut [Contents], shape: &Shape, steps: &[Vec<Step>]) {
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in shape.blocks.iter().enumerate() {
            let mut here = contents[index].clone();
            steps[index].iter().for_each(|step| here.follow(*step));
            for successor in &block.successors {
                let there = &mut contents[shape.index_of(*successor)];
                changed |= there.kept.unite(&here.kept);
                changed |= there.pending.unite(&here.pending);
            }
        }
    }
}

/// By the block that a loop begins with: the registers to which the loop writes what must keep its bits, loops within it
/// left out.
fn kept_in_loops(shape: &Shape, steps: &[Vec<Step>], registers: usize) -> Vec<RegisterSet> {
    let mut kept = vec![RegisterSet::default(); steps.len()];
    for (block, steps) in shape.blocks.iter().zip(steps) {
        let Some(head) = block.loop_head else { continue };
        if kept[head] == RegisterSet::default() {
            kept[head] = RegisterSet::new(registers);
        }
        let written = steps.iter().filter(|step| matches!(step.effect, Effect::Makes(Nan::Kept)));
        written.for_each(|step| kept[head].insert(step.register));
    }
    kept
}

/// Decides for one kind where both flow together.
fn decide(contents: &mut [Contents], kept_in_loops: &[RegisterSet], shape: &Shape) {
    for (block, contents) in shape.blocks.iter().zip(contents) {
        let Some(head) = block.loop_head else { continue };
        let both = contents.kept.iter().filter(|register| contents.pending.contains(*register));
        let made: Vec<u16> = both.filter(|register| !kept_in_loops[head].contains(*register)).collect();
        made.into_iter().for_each(|register| contents.kept.remove(register));
    }
}

impl Contents {
    fn follow(&mut self, step: Step) {
        let (kept, pending) = match step.effect {
            Effect::Makes(nan) => (nan == Nan::Kept, nan == Nan::Pending),
            Effect::Copies(from) => (self.kept.contains(from), self.pending.contains(from)),
            Effect::Chooses(a, b) => {
                let kept = self.kept.contains(a) || self.kept.contains(b);
                (kept, !kept && (self.pending.contains(a) || self.pending.contains(b)))
            }
        };
        self.kept.put(step.register, kept);
        self.pending.put(step.register, pending);
    }
}

/// A float register that an instruction writes.
#[derive(Clone, Copy)]
struct Step {
    register: u16,
    effect: Effect,
}

#[derive(Clone, Copy)]
enum Effect {
    Makes(Nan),
    Copies(u16),
    /// One of two.
    Chooses(u16, u16),
}

fn steps(module: &Module, function: u32, shape: &Shape, block: usize) -> Vec<Step> {
    let code = &module.functions[function as usize];
    let shapes = ModuleShapes { module, function };
    let mut steps = Vec::new();
    for pc in shape.instructions(&code.code, shapes, block) {
        let words = &code.code[pc as usize..];
        let Some(opcode) = Opcode::of_word(words[0]) else { continue };
        for_each_register(words, &shapes, |role, register| {
            let is_float = matches!(code.registers[usize::from(register.0)], ValueType::F32 | ValueType::F64);
            if role != Role::Read && is_float {
                steps.push(Step { register: register.0, effect: effect(opcode, words) });
            }
        });
    }
    steps
}

/// What an instruction does that writes a float register.
fn effect(opcode: Opcode, words: &[u64]) -> Effect {
    use Opcode::*;
    let register = |field| words.unsigned(0, field) as u16;
    match opcode {
        F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max | F32Fma | F32Sqrt | F32Ceil | F32Floor | F32Trunc
        | F32Nearest | F64Add | F64Sub | F64Mul | F64Div | F64Min | F64Max | F64Fma | F64Sqrt | F64Ceil | F64Floor
        | F64Trunc | F64Nearest | F32FromF64 | F64FromF32 => Effect::Makes(Nan::Pending),
        F32FromI32S | F32FromI32U | F64FromI32S | F64FromI32U | F32FromI64S | F32FromI64U | F64FromI64S
        | F64FromI64U => Effect::Makes(Nan::Canonical),
        F32Const | F64Const if !constant_is_nan(opcode, words) => Effect::Makes(Nan::Canonical),
        F32Mov | F64Mov | F32Abs | F64Abs => Effect::Copies(register(Field::B)),
        F32Select | F64Select => Effect::Chooses(register(Field::C), register(Field::D)),
        _ => Effect::Makes(Nan::Kept),
    }
}

fn constant_is_nan(opcode: Opcode, words: &[u64]) -> bool {
    opcode.row().operands.iter().any(|operand| match operand.kind {
        OperandKind::Float32 => f32::from_bits(words.unsigned(0, Field::Wide32)).is_nan(),
        OperandKind::Float64 => f64::from_bits(words.literal(usize::from(operand.place.word))).is_nan(),
        _ => false,
    })
}
