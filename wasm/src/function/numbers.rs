//! Operators that compute.

use limen_isa::ValueType;
use wasmparser::Operator;

use super::Translator;
use crate::condition::{Condition, Right};
use crate::operators::{Plain, Relation, comparison, is_commutative, plain, with_immediate};

impl Translator<'_> {
    /// Arithmetic, comparisons, conversions.
    #[inline(always)]
    pub(super) fn number(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::I32Eqz => self.is_zero(),
            Operator::RefIsNull => self.is_zero(),
            Operator::I64Eqz => {
                self.push_constant(ValueType::I64, 0);
                self.compare(ValueType::I64, Relation::Eq, true);
            }
            Operator::I32And => self.compare(ValueType::I32, Relation::Any, true),
            _ => {
                if let Some((ty, relation, signed)) = comparison(operator) {
                    self.compare(ty, relation, signed);
                } else if let Some(plain) = plain(operator) {
                    self.plain(plain);
                } else {
                    return false;
                }
            }
        }
        true
    }

    fn is_zero(&mut self) {
        let condition = self.pop_condition().negated();
        self.push_condition(condition);
    }

    fn plain(&mut self, plain: Plain) {
        if plain.operands == 1 {
            let operand = self.pop();
            let operand = self.read(operand, 0);
            return self.result(plain.result, |code, d| code.registers(plain.opcode, &[d, operand]));
        }
        let (mut right, mut left) = (self.pop(), self.pop());
        if left.constant().is_some() && is_commutative(plain.opcode) {
            (left, right) = (right, left);
            if left.is_home() {
                // It lies where the right operand lay.
                let register = self.read(left, 1);
                return self.plain_of(plain, register, right, 0);
            }
        }
        let register = self.read(left, 0);
        self.plain_of(plain, register, right, 1);
    }

    fn plain_of(&mut self, plain: Plain, left: u16, right: super::Entry, above: usize) {
        let immediate = right.constant().filter(|_| is_integer(right.ty));
        if let Some((opcode, immediate)) = immediate.and_then(|value| with_immediate(plain.opcode, value)) {
            return self.result(plain.result, |code, d| code.wide24(opcode, d, left, immediate));
        }
        let right = self.read(right, above);
        self.result(plain.result, |code, d| code.registers(plain.opcode, &[d, left, right]));
    }

    pub(super) fn compare(&mut self, ty: ValueType, relation: Relation, signed: bool) {
        let (right, left) = (self.pop(), self.pop());
        let mut condition = Condition { ty, relation, signed, left: 0, right: Right::Constant(0), inverted: false };
        let constants = (left.constant().filter(|_| is_integer(ty)), right.constant().filter(|_| is_integer(ty)));
        match constants {
            (Some(constant), None) => {
                condition = Condition { relation: relation.swapped(), right: Right::Constant(constant), ..condition };
                condition.left = self.read(right, 1);
                if !condition.fits_value() {
                    condition.right = Right::Register(self.read(left, 0));
                }
            }
            (_, Some(constant)) => {
                condition.right = Right::Constant(constant);
                condition.left = self.read(left, 0);
                if !condition.fits_value() {
                    condition.right = Right::Register(self.read(right, 1));
                }
            }
            (None, None) => {
                condition.left = self.read(left, 0);
                condition.right = Right::Register(self.read(right, 1));
            }
        }
        self.push_condition(condition);
    }
}

fn is_integer(ty: ValueType) -> bool {
    matches!(ty, ValueType::I32 | ValueType::I64)
}
