//! Branches that lead to a branch whose way is known go there at once.

use std::collections::HashMap;

use limen_isa::codec::Value;
use limen_isa::{Flow, Opcode, ValueType};

use crate::structured::code::{Code, Inst, Item, Label, Reg};

pub(super) fn thread(code: &mut Code) {
    through_tests(code);
    through_jumps(code);
    over_jumps(code);
}

/// A branch past a jump becomes a branch to where that goes, if the opposite holds.
fn over_jumps(code: &mut Code) {
    let items = std::mem::take(&mut code.items);
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        code.items.push(item);
        let [.., Item::Inst(branch), Item::Inst(over)] = code.items.as_slice() else { continue };
        let (Some(Item::Label(label)), Opcode::Jump, Flow::Branch) =
            (items.peek(), over.opcode, branch.opcode.row().flow)
        else {
            continue;
        };
        if target(branch) == Some(*label)
            && let (Some(mut opposite), Some(to)) = (opposite(branch), target(over))
        {
            opposite.each_label(|label| *label = i64::from(to));
            code.items.truncate(code.items.len() - 2);
            code.items.push(Item::Inst(opposite));
        }
    }
}

/// The branch that is taken where another is not.
pub(super) fn opposite(branch: &Inst) -> Option<Inst> {
    const PAIRS: [(&str, &str); 10] = [
        ("br_eq", "br_ne"),
        ("br_eqi", "br_nei"),
        ("br_any", "br_none"),
        ("br_anyi", "br_nonei"),
        ("br_lt_si", "br_ge_si"),
        ("br_lt_ui", "br_ge_ui"),
        ("br_gt_si", "br_le_si"),
        ("br_gt_ui", "br_le_ui"),
        ("br_null", "br_nonnull"),
        ("br_lt", "br_nlt"),
    ];
    const SWAPPED: [(&str, &str); 2] = [("br_lt_s", "br_le_s"), ("br_lt_u", "br_le_u")];
    let (family, name) = branch.opcode.mnemonic().split_once('.')?;
    let other = |pairs: &[(&'static str, &'static str)]| {
        pairs.iter().find_map(|(a, b)| {
            if *a == name {
                Some(*b)
            } else if *b == name {
                Some(*a)
            } else {
                None
            }
        })
    };
    let mut inst = branch.clone();
    let name = match (other(&PAIRS), other(&SWAPPED), name) {
        (Some(name), ..) => name,
        (_, Some(name), _) => {
            inst.values.swap(0, 1);
            name
        }
        (.., "br_le") => "br_nle",
        (.., "br_nle") => "br_le",
        _ => return None,
    };
    inst.opcode = Opcode::from_mnemonic(&format!("{family}.{name}"))?;
    Some(inst)
}

/// A branch to a jump goes where the jump goes.
fn through_jumps(code: &mut Code) {
    let mut leads: HashMap<Label, Label> = HashMap::new();
    for (index, item) in code.items.iter().enumerate() {
        if let (Item::Label(label), Some(next)) = (item, first_instruction(&code.items[index..]))
            && next.opcode == Opcode::Jump
        {
            next.labels(|to| {
                leads.insert(*label, to);
            });
        }
    }
    for item in &mut code.items {
        if let Item::Inst(inst) = item {
            inst.each_label(|label| *label = i64::from(last_of(&leads, *label as Label)));
        }
    }
}

fn first_instruction(items: &[Item]) -> Option<&Inst> {
    items.iter().find_map(|item| if let Item::Inst(inst) = item { Some(inst) } else { None })
}

fn last_of(leads: &HashMap<Label, Label>, mut label: Label) -> Label {
    // A circle of jumps leads nowhere.
    for _ in 0..8 {
        match leads.get(&label) {
            Some(next) => label = *next,
            None => break,
        }
    }
    label
}

/// A label right before a test of a register against 0, and where that leads.
#[derive(Clone, Copy)]
struct Test {
    register: Reg,
    /// Where it goes for 0, and for everything else; `None` is on.
    zero: Option<Label>,
    other: Option<Label>,
    /// The place of the test.
    index: usize,
}

/// Where a constant is tested right after it was made, the test is left out: so `and` and `or` in a function that was
/// inlined become branches alone.
fn through_tests(code: &mut Code) {
    let tests = tests(code);
    if tests.is_empty() {
        return;
    }
    let mut behind: HashMap<usize, Label> = HashMap::new();
    let items = std::mem::take(&mut code.items);
    let mut out: Vec<Item> = Vec::with_capacity(items.len());
    let mut made: Option<(Reg, i64)> = None;
    let mut reached = true;
    for item in items.iter().cloned() {
        let entered = match &item {
            Item::Label(label) => Some(*label),
            Item::Inst(inst) if inst.opcode == Opcode::Jump => target(inst),
            Item::Inst(_) => None,
        };
        if let (Some(test), Some((register, bits)), true) = (entered.and_then(|label| tests.get(&label)), made, reached)
            && test.register == register
        {
            let to = if bits == 0 { test.zero } else { test.other };
            let to = to.unwrap_or_else(|| *behind.entry(test.index).or_insert_with(|| new_label(code)));
            out.push(Item::Inst(jump(to, &out)));
            reached = false;
        }
        match item {
            Item::Label(_) => {
                reached = true;
                made = None;
                out.push(item);
            }
            Item::Inst(inst) => {
                if reached {
                    made = inst.constant().filter(|(_, ty, _)| *ty == ValueType::I32).map(|(reg, _, bits)| (reg, bits));
                    reached = inst.opcode.row().flow != Flow::Terminator;
                    out.push(Item::Inst(inst));
                } else {
                    out.push(Item::Inst(inst));
                }
            }
        }
    }
    code.items = out;
    place_behind(code, &tests, behind);
}

fn tests(code: &Code) -> HashMap<Label, Test> {
    let mut tests = HashMap::new();
    for (index, item) in code.items.iter().enumerate() {
        let Item::Label(label) = item else { continue };
        let labels = code.items[index..].iter().take_while(|item| matches!(item, Item::Label(_))).count();
        let Some(Item::Inst(inst)) = code.items.get(index + labels) else { continue };
        let [Value::Integer(register), Value::Integer(0), Value::Integer(to)] = inst.values.as_slice() else {
            continue;
        };
        let (register, to, index) = (*register as Reg, *to as Label, index + labels);
        match inst.opcode.mnemonic() {
            "i32.br_eqi" => tests.insert(*label, Test { register, zero: Some(to), other: None, index }),
            "i32.br_nei" => tests.insert(*label, Test { register, zero: None, other: Some(to), index }),
            _ => None,
        };
    }
    tests
}

pub(super) fn target(inst: &Inst) -> Option<Label> {
    let mut found = None;
    inst.labels(|label| found = Some(label));
    found
}

pub(super) fn new_label(code: &mut Code) -> Label {
    code.labels += 1;
    code.labels - 1
}

/// A jump that stands for what came before it.
fn jump(to: Label, before: &[Item]) -> Inst {
    let last = before.iter().rev().find_map(|item| if let Item::Inst(inst) = item { Some(inst) } else { None });
    let (span, site) = last.map_or((crate::source::Span::default(), None), |inst| (inst.span, inst.site));
    Inst { opcode: Opcode::Jump, values: vec![Value::Integer(i64::from(to))], span, heap_start: false, site }
}

/// Puts a label behind each test that is passed by.
fn place_behind(code: &mut Code, tests: &HashMap<Label, Test>, behind: HashMap<usize, Label>) {
    if behind.is_empty() {
        return;
    }
    // A test stands behind its labels, which did not change.
    let mut of_label: HashMap<Label, Label> = HashMap::new();
    for (label, test) in tests {
        if let Some(new) = behind.get(&test.index) {
            of_label.insert(*label, *new);
        }
    }
    let mut out = Vec::with_capacity(code.items.len() + behind.len());
    let mut pending = None;
    for item in code.items.drain(..) {
        let is_instruction = matches!(item, Item::Inst(_));
        if let Item::Label(label) = &item {
            pending = pending.or(of_label.get(label).copied());
        }
        out.push(item);
        if is_instruction && let Some(label) = pending.take() {
            out.push(Item::Label(label));
        }
    }
    code.items = out;
}
