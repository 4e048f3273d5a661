//! Code in the making: instructions over any number of registers, and labels.

use limen_isa::codec::Value;
use limen_isa::{List, Opcode, OperandKind, Role, ValueType};

use crate::source::Span;

/// A register before it has its place in the frame.
pub(crate) type Reg = u32;

/// A place that branches go to.
pub(crate) type Label = u32;

/// An instruction. Registers are numbers of [`Code::registers`], branch targets are labels, functions are numbers of the
/// compiler.
#[derive(Clone, Debug)]
pub(crate) struct Inst {
    pub(crate) opcode: Opcode,
    pub(crate) values: Vec<Value>,
    pub(crate) span: Span,
    /// Whether its constant is the first address behind all data.
    pub(crate) heap_start: bool,
    /// The call that it was inlined at: an index into the compiler's sites.
    pub(crate) site: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Label(Label),
    Inst(Inst),
}

/// The code of a function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    pub(crate) items: Vec<Item>,
    /// Their types; the parameters come first.
    pub(crate) registers: Vec<ValueType>,
    pub(crate) labels: u32,
    /// Whether a register may be read that was not written on the way there: branches of the instruction notation can pass
    /// by a declaration. It is zero then.
    pub(crate) reads_unwritten: bool,
}

/// A register as an instruction uses it.
pub(crate) struct Use<'i> {
    pub(crate) register: &'i mut i64,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl Inst {
    /// Calls `visit` with each register.
    pub(crate) fn registers(&mut self, mut visit: impl FnMut(Use<'_>)) {
        for (operand, value) in self.opcode.row().operands.iter().zip(&mut self.values) {
            match (operand.kind, value) {
                (OperandKind::Register { role, .. }, Value::Integer(register)) => {
                    visit(Use { register, reads: role != Role::Write, writes: role != Role::Read });
                }
                (OperandKind::List(List::Targets), _) => {}
                (OperandKind::List(list), Value::List(registers)) => {
                    let writes = matches!(list, List::CallResults | List::SvcResults);
                    registers.iter_mut().for_each(|register| visit(Use { register, reads: !writes, writes }));
                }
                _ => {}
            }
        }
    }

    /// Calls `visit` with each register, and whether it is read and written.
    pub(crate) fn each_register(&self, mut visit: impl FnMut(Reg, bool, bool)) {
        for (operand, value) in self.opcode.row().operands.iter().zip(&self.values) {
            match (operand.kind, value) {
                (OperandKind::Register { role, .. }, Value::Integer(register)) => {
                    visit(*register as Reg, role != Role::Write, role != Role::Read);
                }
                (OperandKind::List(List::Targets), _) => {}
                (OperandKind::List(list), Value::List(registers)) => {
                    let writes = matches!(list, List::CallResults | List::SvcResults);
                    registers.iter().for_each(|register| visit(*register as Reg, !writes, writes));
                }
                _ => {}
            }
        }
    }

    /// Calls `visit` with each label, which it may change.
    pub(crate) fn each_label(&mut self, mut visit: impl FnMut(&mut i64)) {
        for (operand, value) in self.opcode.row().operands.iter().zip(&mut self.values) {
            match (operand.kind, value) {
                (OperandKind::Label, Value::Integer(label)) => visit(label),
                (OperandKind::List(List::Targets), Value::List(labels)) => labels.iter_mut().for_each(&mut visit),
                _ => {}
            }
        }
    }

    /// Calls `visit` with each label.
    pub(crate) fn labels(&self, mut visit: impl FnMut(Label)) {
        for (operand, value) in self.opcode.row().operands.iter().zip(&self.values) {
            match (operand.kind, value) {
                (OperandKind::Label, Value::Integer(label)) => visit(*label as Label),
                (OperandKind::List(List::Targets), Value::List(labels)) => {
                    labels.iter().for_each(|label| visit(*label as Label));
                }
                _ => {}
            }
        }
    }

    /// Whether it only computes its results: without them nothing is lost.
    pub(crate) fn is_pure(&self) -> bool {
        let row = self.opcode.row();
        let computes = ["i32.", "i64.", "f32.", "f64.", "ref."].iter().any(|family| row.mnemonic.starts_with(family));
        let writes = |kind| matches!(kind, OperandKind::Register { role: Role::Write, .. });
        computes
            && row.faults.is_empty()
            && !row.mnemonic.contains("seg_")
            && row.operands.first().is_some_and(|first| writes(first.kind))
            && !row.operands.iter().any(|operand| matches!(operand.kind, OperandKind::Label))
    }

    /// Register, type and bits of the constant that it makes, if that is all it does.
    pub(crate) fn constant(&self) -> Option<(Reg, ValueType, i64)> {
        let ty = match self.opcode {
            Opcode::I32Const => ValueType::I32,
            Opcode::I64Const | Opcode::I64Const64 => ValueType::I64,
            Opcode::F32Const => ValueType::F32,
            Opcode::F64Const => ValueType::F64,
            _ => return None,
        };
        match self.values.as_slice() {
            [Value::Integer(to), Value::Integer(bits)] if !self.heap_start => {
                let bits = if ty == ValueType::I32 { i64::from(*bits as i32) } else { *bits };
                Some((*to as Reg, ty, bits))
            }
            _ => None,
        }
    }

    /// Becomes a constant.
    pub(crate) fn make_constant(&mut self, to: Reg, ty: ValueType, bits: i64) {
        self.opcode = match ty {
            ValueType::I32 => Opcode::I32Const,
            ValueType::I64 if i32::try_from(bits).is_ok() => Opcode::I64Const,
            ValueType::I64 => Opcode::I64Const64,
            ValueType::F32 => Opcode::F32Const,
            ValueType::F64 | ValueType::Ref => Opcode::F64Const,
        };
        self.values = vec![Value::Integer(i64::from(to)), Value::Integer(bits)];
    }

    /// Becomes a move.
    pub(crate) fn make_move(&mut self, to: Reg, from: Reg, ty: ValueType) {
        self.opcode = match ty {
            ValueType::I32 => Opcode::I32Mov,
            ValueType::I64 => Opcode::I64Mov,
            ValueType::F32 => Opcode::F32Mov,
            ValueType::F64 => Opcode::F64Mov,
            ValueType::Ref => Opcode::RefMov,
        };
        self.values = [to, from].map(|reg| Value::Integer(i64::from(reg))).to_vec();
    }
}
