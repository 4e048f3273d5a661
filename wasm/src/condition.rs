//! Comparisons, which become values or branches.

use limen_isa::{Opcode, ValueType};

use crate::emit::{Code, Label, Register};
use crate::operators::Relation;

/// What a comparison compares with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    Register(Register),
    /// A constant of an integer type, sign-extended.
    Constant(i64),
}

/// Whether something holds of two values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// Of the values.
    pub(crate) ty: ValueType,
    pub(crate) relation: Relation,
    pub(crate) signed: bool,
    pub(crate) left: Register,
    pub(crate) right: Right,
    /// Of floats, whether it holds if the relation does not: NaNs have no opposite relation.
    pub(crate) inverted: bool,
}

impl Condition {
    /// That a register of this type is not zero.
    pub(crate) fn is_not_zero(ty: ValueType, register: Register) -> Self {
        let right = Right::Constant(0);
        Self { ty, relation: Relation::Ne, signed: true, left: register, right, inverted: false }
    }

    /// What holds if this does not.
    pub(crate) fn negated(self) -> Self {
        match self.ty {
            ValueType::F32 | ValueType::F64 => Self { inverted: !self.inverted, ..self },
            ValueType::I32 | ValueType::I64 | ValueType::Ref => Self { relation: self.relation.negated(), ..self },
        }
    }

    /// Writes what makes `d` 1 or 0, of an `Any` the bits in common. Constants must fit ([`Condition::fits_value`]).
    pub(crate) fn value(self, code: &mut Code, d: Register) {
        if self.inverted || self.relation == Relation::None {
            Self { inverted: false, relation: self.relation_to_invert(), ..self }.value(code, d);
            code.wide24(Opcode::I32Eqi, d, d, 0);
            return;
        }
        match self.right {
            Right::Constant(constant) => {
                let (relation, constant) = self.strict(constant);
                code.wide24(value_with_constant(self.ty, relation, self.signed), d, self.left, constant as u32);
            }
            Right::Register(right) => {
                let (relation, left, right) = forward(self.relation, self.left, right);
                code.registers(value_of_registers(self.ty, relation, self.signed), &[d, left, right]);
            }
        }
    }

    fn relation_to_invert(self) -> Relation {
        if self.relation == Relation::None { Relation::Any } else { self.relation }
    }

    /// Whether the constant fits an instruction that makes a value.
    pub(crate) fn fits_value(self) -> bool {
        let Right::Constant(constant) = self.right else { return true };
        let (relation, constant) = self.strict(constant);
        let unsigned = !self.signed && matches!(relation, Relation::Lt | Relation::Gt);
        let is_strict = !matches!(relation, Relation::Le | Relation::Ge);
        let range = if unsigned { 0..1 << 24 } else { -(1 << 23)..1 << 23 };
        is_strict && range.contains(&constant)
    }

    /// Values have no `le` and `ge` with constants: the next constant does, if there is one.
    fn strict(self, constant: i64) -> (Relation, i64) {
        let constant = self.constant_as_read(constant);
        let (relation, next) = match self.relation {
            Relation::Le => (Relation::Lt, constant.checked_add(1)),
            Relation::Ge => (Relation::Gt, constant.checked_sub(1)),
            relation => (relation, Some(constant)),
        };
        let in_type = |value: &i64| match (self.ty, self.signed) {
            (ValueType::I32, true) => i32::try_from(*value).is_ok(),
            (_, true) => true,
            (_, false) => (0..=i64::from(u32::MAX)).contains(value),
        };
        match next.filter(|next| relation == self.relation || in_type(next)) {
            Some(next) => (relation, next),
            None => (self.relation, constant),
        }
    }

    /// A 32-bit constant that is compared without a sign is a positive number.
    fn constant_as_read(self, constant: i64) -> i64 {
        let unsigned = !self.signed && !matches!(self.relation, Relation::Any | Relation::None);
        if self.ty == ValueType::I32 && unsigned { i64::from(constant as u32) } else { constant }
    }

    /// Whether the constant fits a branch.
    pub(crate) fn fits_branch(self) -> bool {
        let Right::Constant(constant) = self.right else { return true };
        let ordered = !matches!(self.relation, Relation::Eq | Relation::Ne);
        let bits = matches!(self.relation, Relation::Any | Relation::None);
        let range = if bits || ordered && !self.signed { 0..1 << 12 } else { -(1 << 11)..1 << 11 };
        range.contains(&self.constant_as_read(constant))
    }

    /// Writes a branch that is taken if the condition holds. Constants must fit ([`Condition::fits_branch`]).
    pub(crate) fn branch(self, code: &mut Code, to: Label) {
        match self.right {
            Right::Constant(constant) => {
                code.branch(branch_with_constant(self.ty, self.relation, self.signed), self.left, constant as u16, to);
            }
            Right::Register(right) => {
                let (relation, left, right) = forward(self.relation, self.left, right);
                code.branch(branch_of_registers(self.ty, relation, self.signed, self.inverted), left, right, to);
            }
        }
    }
}

/// Of two registers, `gt` and `ge` are `lt` and `le` of the exchanged ones.
fn forward(relation: Relation, left: Register, right: Register) -> (Relation, Register, Register) {
    match relation {
        Relation::Gt | Relation::Ge => (relation.swapped(), right, left),
        relation => (relation, left, right),
    }
}

fn value_with_constant(ty: ValueType, relation: Relation, signed: bool) -> Opcode {
    use Opcode::{I32Andi, I32Eqi, I32GtSi, I32GtUi, I32LtSi, I32LtUi, I32Nei};
    use Opcode::{I64Andi, I64Eqi, I64GtSi, I64GtUi, I64LtSi, I64LtUi, I64Nei};
    let pair = match (relation, signed) {
        (Relation::Eq, _) => [I32Eqi, I64Eqi],
        (Relation::Ne, _) => [I32Nei, I64Nei],
        (Relation::Lt | Relation::Le, true) => [I32LtSi, I64LtSi],
        (Relation::Lt | Relation::Le, false) => [I32LtUi, I64LtUi],
        (Relation::Gt | Relation::Ge, true) => [I32GtSi, I64GtSi],
        (Relation::Gt | Relation::Ge, false) => [I32GtUi, I64GtUi],
        (Relation::Any | Relation::None, _) => [I32Andi, I64Andi],
    };
    pair[usize::from(ty == ValueType::I64)]
}

/// For each type in the order of their numbers.
fn of_type(ty: ValueType, opcodes: [Opcode; 4]) -> Opcode {
    match ty {
        ValueType::I32 | ValueType::Ref => opcodes[0],
        ValueType::I64 => opcodes[1],
        ValueType::F32 => opcodes[2],
        ValueType::F64 => opcodes[3],
    }
}

fn value_of_registers(ty: ValueType, relation: Relation, signed: bool) -> Opcode {
    use Opcode::{F32Eq, F32Le, F32Lt, F32Ne, F64Eq, F64Le, F64Lt, F64Ne};
    use Opcode::{I32And, I32Eq, I32LeS, I32LeU, I32LtS, I32LtU, I32Ne};
    use Opcode::{I64And, I64Eq, I64LeS, I64LeU, I64LtS, I64LtU, I64Ne};
    let opcodes = match (relation, signed) {
        (Relation::Eq, _) => [I32Eq, I64Eq, F32Eq, F64Eq],
        (Relation::Ne, _) => [I32Ne, I64Ne, F32Ne, F64Ne],
        (Relation::Lt | Relation::Gt, true) => [I32LtS, I64LtS, F32Lt, F64Lt],
        (Relation::Lt | Relation::Gt, false) => [I32LtU, I64LtU, F32Lt, F64Lt],
        (Relation::Le | Relation::Ge, true) => [I32LeS, I64LeS, F32Le, F64Le],
        (Relation::Le | Relation::Ge, false) => [I32LeU, I64LeU, F32Le, F64Le],
        (Relation::Any | Relation::None, _) => [I32And, I64And, F32Ne, F64Ne],
    };
    of_type(ty, opcodes)
}

fn branch_with_constant(ty: ValueType, relation: Relation, signed: bool) -> Opcode {
    use Opcode::{I32BrAnyi, I32BrEqi, I32BrGeSi, I32BrGeUi, I32BrGtSi, I32BrGtUi};
    use Opcode::{I32BrLeSi, I32BrLeUi, I32BrLtSi, I32BrLtUi, I32BrNei, I32BrNonei};
    use Opcode::{I64BrAnyi, I64BrEqi, I64BrGeSi, I64BrGeUi, I64BrGtSi, I64BrGtUi};
    use Opcode::{I64BrLeSi, I64BrLeUi, I64BrLtSi, I64BrLtUi, I64BrNei, I64BrNonei};
    let pair = match (relation, signed) {
        (Relation::Eq, _) => [I32BrEqi, I64BrEqi],
        (Relation::Ne, _) => [I32BrNei, I64BrNei],
        (Relation::Lt, true) => [I32BrLtSi, I64BrLtSi],
        (Relation::Lt, false) => [I32BrLtUi, I64BrLtUi],
        (Relation::Le, true) => [I32BrLeSi, I64BrLeSi],
        (Relation::Le, false) => [I32BrLeUi, I64BrLeUi],
        (Relation::Gt, true) => [I32BrGtSi, I64BrGtSi],
        (Relation::Gt, false) => [I32BrGtUi, I64BrGtUi],
        (Relation::Ge, true) => [I32BrGeSi, I64BrGeSi],
        (Relation::Ge, false) => [I32BrGeUi, I64BrGeUi],
        (Relation::Any, _) => [I32BrAnyi, I64BrAnyi],
        (Relation::None, _) => [I32BrNonei, I64BrNonei],
    };
    pair[usize::from(ty == ValueType::I64)]
}

fn branch_of_registers(ty: ValueType, relation: Relation, signed: bool, inverted: bool) -> Opcode {
    use Opcode::{F32BrEq, F32BrLe, F32BrLt, F32BrNe, F32BrNle, F32BrNlt};
    use Opcode::{F64BrEq, F64BrLe, F64BrLt, F64BrNe, F64BrNle, F64BrNlt};
    use Opcode::{I32BrAny, I32BrEq, I32BrLeS, I32BrLeU, I32BrLtS, I32BrLtU, I32BrNe, I32BrNone};
    use Opcode::{I64BrAny, I64BrEq, I64BrLeS, I64BrLeU, I64BrLtS, I64BrLtU, I64BrNe, I64BrNone};
    let opcodes = match (relation, signed, inverted) {
        (Relation::Eq, _, false) => [I32BrEq, I64BrEq, F32BrEq, F64BrEq],
        (Relation::Eq, _, true) => [I32BrNe, I64BrNe, F32BrNe, F64BrNe],
        (Relation::Ne, _, false) => [I32BrNe, I64BrNe, F32BrNe, F64BrNe],
        (Relation::Ne, _, true) => [I32BrEq, I64BrEq, F32BrEq, F64BrEq],
        (Relation::Lt | Relation::Gt, true, false) => [I32BrLtS, I64BrLtS, F32BrLt, F64BrLt],
        (Relation::Lt | Relation::Gt, _, _) => [I32BrLtU, I64BrLtU, F32BrNlt, F64BrNlt],
        (Relation::Le | Relation::Ge, true, false) => [I32BrLeS, I64BrLeS, F32BrLe, F64BrLe],
        (Relation::Le | Relation::Ge, _, _) => [I32BrLeU, I64BrLeU, F32BrNle, F64BrNle],
        (Relation::Any, _, _) => [I32BrAny, I64BrAny, F32BrNe, F64BrNe],
        (Relation::None, _, _) => [I32BrNone, I64BrNone, F32BrEq, F64BrEq],
    };
    of_type(ty, opcodes)
}
