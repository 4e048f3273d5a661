//! Lines of the instruction notation among statements.

use indexmap::IndexMap;
use limen_isa::codec::Value;
use limen_isa::{Flow, List, OperandKind};

use super::code::{Label, Reg};
use super::lower::Lower;
use crate::ast::{Instruction, Name};
use crate::body::{Encoder, Register};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    pub(crate) fn plain_label(&mut self, name: &'a Name) {
        self.loop_name = Some(&name.text);
        let new = self.label();
        let (label, wanted) = *self.labels.entry(&name.text).or_insert((new, None));
        if wanted.is_none() && label != new {
            self.c.errors.add(|| Diagnostic::new(name.span, format!("label `{}` is declared twice", name.text)));
            return;
        }
        self.labels.insert(&name.text, (label, None));
        let reached = self.reached;
        self.place(label);
        self.reached = reached || self.plain_labels;
    }

    pub(crate) fn instruction(&mut self, instruction: &'a Instruction) -> Option<()> {
        let mut registers: IndexMap<&'a str, Register> = IndexMap::new();
        for (name, local) in &mut self.locals {
            let [number] = local.regs.as_slice() else { continue };
            let ty = self.code.registers[*number as usize];
            registers.insert(name, Register { number: *number as usize, ty, declared: local.span });
        }
        let (program, errors) = (self.c.program, &mut *self.c.errors);
        let mut encoder = Encoder::of_line(program, self.function, &self.shape.signature, registers, errors);
        let (resolved, branches) = encoder.resolve(instruction)?;
        self.note_uses(instruction);
        let row = resolved.opcode.row();
        let mut values = resolved.values;
        let mut targets = branches.into_iter();
        for (operand, given) in row.operands.iter().zip(&mut values) {
            match (operand.kind, given) {
                (OperandKind::Label, Value::Integer(label)) => {
                    *label = targets.next().map_or(0, |(name, span)| i64::from(self.target(name, span)));
                }
                (OperandKind::List(List::Targets), Value::List(labels)) => {
                    for label in labels {
                        *label = targets.next().map_or(0, |(name, span)| i64::from(self.target(name, span)));
                    }
                }
                _ => {}
            }
        }
        self.emit_opcode(resolved.opcode, values);
        self.check_written(instruction);
        self.reached = row.flow != Flow::Terminator;
        Some(())
    }

    fn target(&mut self, name: &'a str, span: Span) -> Label {
        let new = self.label();
        self.labels.entry(name).or_insert((new, Some(span))).0
    }

    /// Registers that the line names are used.
    fn note_uses(&mut self, instruction: &'a Instruction) {
        let names = crate::body::names(instruction);
        for name in names {
            if let Some(local) = self.locals.get_mut(name) {
                local.used = true;
            }
        }
    }

    /// Results of an instruction go to a `var`.
    fn check_written(&mut self, instruction: &'a Instruction) {
        let mut written = Vec::new();
        if let Some(super::code::Item::Inst(inst)) = self.code.items.last_mut() {
            inst.registers(|used| {
                if used.writes {
                    written.push(*used.register as Reg);
                }
            });
        }
        for reg in written {
            self.changes(reg);
            let fixed = self.locals.values().any(|local| !local.mutable && local.regs.contains(&reg));
            if fixed {
                self.c.errors.add(|| {
                    Diagnostic::new(instruction.span, "this changes what was declared with `let`")
                        .help(["declare it with `var`"])
                });
            }
        }
    }
}
