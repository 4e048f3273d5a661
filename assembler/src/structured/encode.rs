//! Instructions to words.

use std::collections::HashMap;

use limen_isa::codec::{self, Value};
use limen_isa::module::LineRow;
use limen_isa::{Field, List, OperandKind, ValueType};

use super::code::{Code, Item, Label};
use crate::body::Body;
use crate::debug::LineContext;
use crate::diagnostic::{Diagnostic, Errors};

/// The words of a function whose registers have their places. `order` says where each function comes to stand.
pub(crate) fn encode(
    code: &Code,
    order: &[u32],
    heap_start: u32,
    context: &mut LineContext<'_, '_>,
    errors: &mut Errors,
) -> Body {
    let mut words: Vec<u64> = Vec::new();
    let mut rows: Vec<LineRow> = Vec::new();
    let mut places: HashMap<Label, usize> = HashMap::new();
    let mut branches: Vec<(usize, usize, Field, Label)> = Vec::new();
    for item in &code.items {
        let inst = match item {
            Item::Label(label) => {
                places.insert(*label, words.len());
                continue;
            }
            Item::Inst(inst) => inst,
        };
        let pc = words.len();
        let row = inst.opcode.row();
        let mut values = inst.values.clone();
        if inst.heap_start {
            values[1] = Value::Integer(i64::from(heap_start));
        }
        for (operand, value) in row.operands.iter().zip(&mut values) {
            match (operand.kind, value) {
                (OperandKind::Label, Value::Integer(label)) => {
                    branches.push((pc, pc + usize::from(operand.place.word), operand.place.field, *label as Label));
                    *label = 0;
                }
                (OperandKind::List(List::Targets), Value::List(labels)) => {
                    for (index, label) in labels.iter_mut().enumerate() {
                        branches.push((pc, pc + row.fixed_words() + index, Field::Wide32, *label as Label));
                        *label = 0;
                    }
                }
                (OperandKind::Function, Value::Integer(function)) => {
                    *function = i64::from(order[*function as usize]);
                }
                _ => {}
            }
        }
        context.row(pc as u32, inst.span, inst.site, &mut rows);
        let encoded = codec::encode(&codec::Instruction { opcode: inst.opcode, values }, &mut words);
        if let Err(error) = encoded {
            errors.add(|| Diagnostic::new(inst.span, error.to_string()));
        }
    }
    for (from, word, field, label) in branches {
        let target = places.get(&label).copied().unwrap_or(from);
        let distance = target as i64 - from as i64;
        words[word] |= ((distance as u64) << field.shift()) & field.mask();
    }
    let registers: Vec<ValueType> = code.registers.clone();
    Body { registers, code: words, lines: rows }
}
