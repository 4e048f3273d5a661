//! Calls of small functions become their bodies.
//!
//! Functions are taken so that each comes after those that it calls; one that comes back to itself is called as before. An
//! instruction that came from another function keeps its line, and a site says which calls brought it here.

use std::collections::HashMap;

use limen_isa::codec::Value;
use limen_isa::{Flow, Opcode};

use super::sites::Site;
use super::{improve, outline};
use crate::structured::code::{Code, Inst, Item, Label, Reg};
use crate::structured::compiler::Entry;

/// A function of up to so many instructions is always taken in.
const SMALL: usize = 12;

/// A larger one is if that adds at most so many instructions to the program.
const MAX_ADDED: usize = 256;

/// One that is called in a single place leaves its own body behind, but should not make its caller hard to compile.
const ONCE: usize = 40;

/// So many calls may lie in each other where an instruction came through them all.
const MAX_NESTED: usize = 8;

/// Functions do not grow beyond so many instructions by what they take in.
const MAX_LENGTH: usize = 2000;

/// Improves all functions, and takes small ones into those that call them. The sites are new ones.
pub(crate) fn inline_calls(entries: &mut [Entry<'_>], sites: &mut Vec<Site>) {
    let calls = count_calls(entries);
    let mut done = vec![false; entries.len()];
    let mut nested = vec![0; entries.len()];
    for number in callees_first(entries) {
        let index = number as usize;
        let Some(mut code) = entries[index].code.take() else { continue };
        let params = entries[index].shape.signature.params.len();
        improve(&mut code, params);
        let taken: Vec<u32> = callees(&code).collect();
        let fits = |callee: u32| {
            let callee = callee as usize;
            done[callee] && nested[callee] < MAX_NESTED && is_worth(&entries[callee], calls[callee])
        };
        let mut inliner = Inliner { entries, fits: &fits, sites };
        if inliner.run(&mut code) {
            nested[index] = 1 + taken.iter().map(|callee| nested[*callee as usize]).max().unwrap_or(0);
            improve(&mut code, params);
        }
        entries[index].code = Some(code);
        done[index] = true;
    }
    entries.iter_mut().filter_map(|entry| entry.code.as_mut()).for_each(outline::move_out);
}

fn is_worth(entry: &Entry<'_>, calls: u32) -> bool {
    let Some(code) = &entry.code else { return false };
    let length = length(&code.items[..cold(code)]);
    let is_small = length <= SMALL || (length <= ONCE && (calls == 1 || length * calls as usize <= MAX_ADDED));
    !code.reads_unwritten && is_small
}

fn length(items: &[Item]) -> usize {
    items.iter().filter(|item| matches!(item, Item::Inst(_))).count()
}

/// Where the traps at the end of the code begin, which nothing runs into.
pub(super) fn cold(code: &Code) -> usize {
    let is_cold = |item: &&Item| match item {
        Item::Label(_) => true,
        Item::Inst(inst) => inst.opcode == Opcode::Trap,
    };
    let cold = code.items.iter().rev().take_while(is_cold).count();
    let start = code.items.len() - cold;
    let ends = |item: &Item| matches!(item, Item::Inst(inst) if inst.opcode.row().flow == Flow::Terminator);
    if start > 0 && ends(&code.items[start - 1]) { start } else { code.items.len() }
}

fn count_calls(entries: &[Entry<'_>]) -> Vec<u32> {
    let mut calls = vec![0; entries.len()];
    for code in entries.iter().filter_map(|entry| entry.code.as_ref()) {
        callees(code).for_each(|callee| calls[callee as usize] += 1);
    }
    calls
}

fn callees(code: &Code) -> impl Iterator<Item = u32> {
    code.items.iter().filter_map(|item| if let Item::Inst(inst) = item { callee(inst) } else { None })
}

fn callee(inst: &Inst) -> Option<u32> {
    match (inst.opcode, inst.values.as_slice()) {
        (Opcode::Call, [_, Value::Integer(callee), _]) => Some(*callee as u32),
        _ => None,
    }
}

/// The functions in an order in which each comes after those that it calls, as far as they do not call each other.
fn callees_first(entries: &[Entry<'_>]) -> Vec<u32> {
    let mut order = Vec::with_capacity(entries.len());
    let mut seen = vec![false; entries.len()];
    let called = |number: u32| -> Vec<u32> { entries[number as usize].code.iter().flat_map(callees).collect() };
    for root in 0..entries.len() as u32 {
        let mut open = Vec::new();
        if !std::mem::replace(&mut seen[root as usize], true) {
            open.push((root, called(root)));
        }
        while let Some((number, rest)) = open.last_mut() {
            match rest.pop() {
                Some(next) if !std::mem::replace(&mut seen[next as usize], true) => open.push((next, called(next))),
                Some(_) => {}
                None => {
                    order.push(*number);
                    open.pop();
                }
            }
        }
    }
    order
}

struct Inliner<'i, 'a> {
    entries: &'i [Entry<'a>],
    /// Whether a function is to be taken in.
    fits: &'i dyn Fn(u32) -> bool,
    sites: &'i mut Vec<Site>,
}

impl<'i> Inliner<'i, '_> {
    /// Whether there was anything to take in.
    fn run(&mut self, code: &mut Code) -> bool {
        let mut room = MAX_LENGTH.saturating_sub(length(&code.items));
        let (mut tail, mut took) = (Vec::new(), false);
        for item in std::mem::take(&mut code.items) {
            match self.taken_in(&item, &mut room) {
                Some(call) => {
                    splice(code, call, self.sites, &mut tail);
                    took = true;
                }
                None => code.items.push(item),
            }
        }
        code.items.append(&mut tail);
        took
    }

    /// The call that an item is, if its function is to be taken in and there is room for it.
    fn taken_in<'c>(&self, item: &'c Item, room: &mut usize) -> Option<Call<'c>>
    where
        'i: 'c,
    {
        let Item::Inst(inst) = item else { return None };
        let number = callee(inst).filter(|callee| (self.fits)(*callee))?;
        let entry: &'i Entry<'_> = &self.entries[number as usize];
        let body = entry.code.as_ref()?;
        let [Value::List(results), _, Value::List(arguments)] = inst.values.as_slice() else { return None };
        *room = room.checked_sub(length(&body.items))?;
        Some(Call { inst, results, arguments, name: &entry.name, body })
    }
}

/// A call that becomes the body of its function.
struct Call<'c> {
    inst: &'c Inst,
    results: &'c [i64],
    arguments: &'c [i64],
    name: &'c str,
    body: &'c Code,
}

/// Appends the body of a called function; what stops the program there goes to `tail`.
fn splice(code: &mut Code, call: Call<'_>, sites: &mut Vec<Site>, tail: &mut Vec<Item>) {
    let first_register = code.registers.len() as Reg;
    code.registers.extend(&call.body.registers);
    let (first_label, end) = (code.labels, code.labels + call.body.labels);
    code.labels = end + 1;
    let mut places = Places::new(&call, sites);
    for (param, argument) in call.arguments.iter().enumerate() {
        let to = first_register + param as Reg;
        code.items.push(Item::Inst(moved(call.inst, to, *argument as Reg, code)));
    }
    let cold = cold(call.body);
    for (index, item) in call.body.items.iter().enumerate() {
        let list = if index < cold { &mut code.items } else { &mut *tail };
        match item {
            Item::Label(label) => list.push(Item::Label(first_label + label)),
            Item::Inst(inst) => {
                let inst = renumbered(inst, first_register, first_label, places.of(inst.site, sites));
                match inst.values.as_slice() {
                    [Value::List(values)] if inst.opcode == Opcode::Ret => {
                        for (to, from) in call.results.iter().zip(values) {
                            let moved = moved(&inst, *to as Reg, *from as Reg, code);
                            code.items.push(Item::Inst(moved));
                        }
                        code.items.push(Item::Inst(jump(&inst, end)));
                    }
                    _ => list.push(Item::Inst(inst)),
                }
            }
        }
    }
    code.items.push(Item::Label(end));
}

fn renumbered(inst: &Inst, first_register: Reg, first_label: Label, site: u32) -> Inst {
    let mut inst = inst.clone();
    inst.registers(|used| *used.register += i64::from(first_register));
    inst.each_label(|label| *label += i64::from(first_label));
    inst.site = Some(site);
    inst
}

/// A move that stands for another instruction.
fn moved(like: &Inst, to: Reg, from: Reg, code: &Code) -> Inst {
    let mut inst = like.clone();
    inst.make_move(to, from, code.registers[to as usize]);
    inst
}

fn jump(like: &Inst, to: Label) -> Inst {
    Inst { opcode: Opcode::Jump, values: vec![Value::Integer(i64::from(to))], ..like.clone() }
}

/// The sites of one body that is taken in: its own, and copies of those within it.
struct Places {
    own: u32,
    inner: HashMap<u32, u32>,
}

impl Places {
    fn new(call: &Call<'_>, sites: &mut Vec<Site>) -> Self {
        let (function, span) = (call.name.to_owned(), call.inst.span);
        sites.push(Site { function, span, parent: call.inst.site });
        Self { own: sites.len() as u32 - 1, inner: HashMap::new() }
    }

    /// The site of an instruction of the body, which may have come there from elsewhere.
    fn of(&mut self, site: Option<u32>, sites: &mut Vec<Site>) -> u32 {
        let Some(site) = site else { return self.own };
        if let Some(known) = self.inner.get(&site) {
            return *known;
        }
        let inner = sites[site as usize].clone();
        let parent = Some(self.of(inner.parent, sites));
        sites.push(Site { parent, ..inner });
        let copy = sites.len() as u32 - 1;
        self.inner.insert(site, copy);
        copy
    }
}
