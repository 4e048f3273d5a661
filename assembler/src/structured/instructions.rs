//! Instructions as expressions.

use limen_isa::codec::Value;
use limen_isa::{Opcode, OperandKind, Role, ValueType};

use super::code::Reg;
use super::lower::{Lower, Part, Rv, value};
use super::types::Ty;
use crate::ast::{Argument, Term};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn instruction_term(
        &mut self,
        opcode: Opcode,
        arguments: &'a [Argument],
        span: Span,
        dest: Option<Reg>,
    ) -> Option<Rv> {
        let row = opcode.row();
        let results = crate::shape::results(row).len();
        let lists =
            row.operands.iter().any(|operand| matches!(operand.kind, OperandKind::List(_) | OperandKind::Label));
        if results > 1 || lists {
            return self.error(|| {
                Diagnostic::new(span, format!("`{}` is no expression", row.mnemonic))
                    .help(["write it as a line of its own"])
            });
        }
        let mut values = vec![Value::Integer(0); results];
        let mut given = arguments.iter();
        let mut like = None;
        for operand in &row.operands[results..] {
            let Some(argument) = given.next() else {
                let offset = matches!(operand.kind, OperandKind::Immediate { .. }) && !row.brackets.is_empty();
                if offset {
                    values.push(value(0));
                    continue;
                }
                return self.wrong_count(row.mnemonic, span);
            };
            let number = self.instruction_operand(operand.kind, &argument.value, &mut like)?;
            values.push(Value::Integer(number));
        }
        if given.next().is_some() {
            return self.wrong_count(row.mnemonic, span);
        }
        let Some(first) = row.operands.first().filter(|_| results == 1) else {
            self.emit_opcode(opcode, values);
            return Some(Rv { ty: Ty::BAD, parts: Vec::new() });
        };
        let OperandKind::Register { ty, .. } = first.kind else { return None };
        let reg = dest.filter(|dest| self.code.registers[*dest as usize] == ty).unwrap_or_else(|| self.fresh(ty));
        values[0] = value(reg);
        self.emit_opcode(opcode, values);
        let plain = match ty {
            ValueType::I32 => Ty::I32,
            ValueType::I64 => Ty::I64,
            ValueType::F32 => Ty::F32,
            ValueType::F64 => Ty::F64,
            ValueType::Ref => Ty::REF,
        };
        let like = like.filter(|(of, _)| *of == ty).map_or(plain, |(_, like)| like);
        Some(Rv::one(like, Part::Reg(reg)))
    }

    fn wrong_count<T>(&mut self, mnemonic: &str, span: Span) -> Option<T> {
        let usage = Opcode::from_mnemonic(mnemonic).map(|opcode| crate::shape::usage(opcode.row()));
        self.error(|| {
            Diagnostic::new(span, format!("wrong number of operands for `{mnemonic}`"))
                .help(usage.map(|usage| format!("as a line it is written `{usage}`")))
        })
    }

    fn instruction_operand(
        &mut self,
        kind: OperandKind,
        term: &'a Term,
        like: &mut Option<(ValueType, Ty)>,
    ) -> Option<i64> {
        let OperandKind::Register { ty, role } = kind else {
            let rv = self.term(term, None, None)?;
            return match (kind, rv.parts[0]) {
                (OperandKind::Float32, Part::Float(number)) => Some(i64::from(number.single.to_bits())),
                (OperandKind::Float64, Part::Float(number)) => Some(number.double.to_bits() as i64),
                (_, Part::Int(number)) => Some(number as i64),
                _ => self.error(|| Diagnostic::new(term.span, "a constant belongs here")),
            };
        };
        let want = match ty {
            ValueType::I64 => Ty::I64,
            ValueType::F32 => Ty::F32,
            ValueType::F64 => Ty::F64,
            ValueType::Ref => Ty::REF,
            ValueType::I32 => Ty::I32,
        };
        let mut rv = self.term(term, None, None)?;
        if matches!(rv.ty, Ty::ANY_INT | Ty::ANY_FLOAT | Ty::NULL) && !(ty == ValueType::I32 && rv.ty != Ty::ANY_FLOAT)
        {
            rv = self.coerce(rv, want, term.span)?;
        }
        let found = self.registers(rv.ty, term.span)?;
        if found != [ty] {
            return self.mismatch(term.span, want, rv.ty);
        }
        if like.is_none() && rv.ty != Ty::ANY_INT {
            *like = Some((ty, rv.ty));
        }
        let reg = self.reg(rv.parts[0], ty);
        if role == Role::Read {
            return Some(i64::from(reg));
        }
        let copy = self.fresh(ty);
        self.mov(copy, Part::Reg(reg));
        Some(i64::from(copy))
    }
}
