//! Functions whose code is equal are kept once.

use std::collections::HashMap;

use limen_isa::codec::Value;
use limen_isa::{Opcode, OperandKind};

use crate::structured::code::{Code, Inst, Item, Label};
use crate::structured::compiler::Entry;

/// Functions that call each other's twins become equal round by round.
const ROUNDS: usize = 4;

/// For each of the functions that need not be kept, the one that is the same.
///
/// A backtrace names the one that was kept, and its lines. So with debug information functions that can be in one are only the
/// same if they are instances of one declaration.
pub(crate) fn same_functions(entries: &[Entry<'_>], kept: &[u32], has_debug: bool) -> HashMap<u32, u32> {
    let mut same: HashMap<u32, u32> = HashMap::new();
    for _ in 0..ROUNDS {
        let before = same.len();
        let mut known: HashMap<Vec<i64>, u32> = HashMap::new();
        for number in kept.iter().filter(|number| !same.contains_key(number)).copied().collect::<Vec<_>>() {
            let entry = &entries[number as usize];
            let Some(code) = &entry.code else { continue };
            let signature = &entry.shape.signature;
            let mut key = vec![signature.params.len() as i64, signature.results.len() as i64];
            key.extend(signature.params.iter().chain(&signature.results).chain(&code.registers).map(|ty| *ty as i64));
            if has_debug && can_be_traced(code) {
                let place = entry.function.name.span;
                key.extend([i64::from(place.file.0), i64::from(place.start)]);
            }
            add_code(code, &same, &mut key);
            match known.get(&key) {
                Some(first) => {
                    same.insert(number, *first);
                }
                None => {
                    known.insert(key, number);
                }
            }
        }
        if same.len() == before {
            break;
        }
    }
    same.iter().map(|(number, first)| (*number, last(&same, *first))).collect()
}

/// Whether code can stop the program, or calls what can.
fn can_be_traced(code: &Code) -> bool {
    code.items.iter().any(|item| match item {
        Item::Label(_) => false,
        Item::Inst(inst) => {
            let row = inst.opcode.row();
            let leaves = matches!(inst.opcode, Opcode::Call | Opcode::CallIndirect | Opcode::Svc | Opcode::Trap);
            leaves || !row.faults.is_empty()
        }
    })
}

fn last(same: &HashMap<u32, u32>, mut number: u32) -> u32 {
    while let Some(next) = same.get(&number) {
        number = *next;
    }
    number
}

/// All that an engine sees of the code, with labels counted as they come.
fn add_code(code: &Code, same: &HashMap<u32, u32>, key: &mut Vec<i64>) {
    let mut labels: HashMap<Label, i64> = HashMap::new();
    for item in &code.items {
        if let Item::Label(label) = item {
            let next = labels.len() as i64;
            labels.entry(*label).or_insert(next);
        }
    }
    for item in &code.items {
        match item {
            Item::Label(label) => key.extend([-1, labels[label]]),
            Item::Inst(inst) => add_instruction(inst, &labels, same, key),
        }
    }
}

fn add_instruction(inst: &Inst, labels: &HashMap<Label, i64>, same: &HashMap<u32, u32>, key: &mut Vec<i64>) {
    key.extend([inst.opcode as i64, i64::from(inst.heap_start)]);
    let mut inst = inst.clone();
    inst.each_label(|label| *label = labels.get(&(*label as Label)).copied().unwrap_or(-1));
    if inst.opcode == Opcode::Call {
        for (operand, value) in inst.opcode.row().operands.iter().zip(&mut inst.values) {
            if let (OperandKind::Function, Value::Integer(callee)) = (operand.kind, value) {
                *callee = i64::from(last(same, *callee as u32));
            }
        }
    }
    for value in &inst.values {
        match value {
            Value::Integer(number) => key.push(*number),
            Value::List(list) => {
                key.push(list.len() as i64);
                key.extend(list);
            }
        }
    }
}
