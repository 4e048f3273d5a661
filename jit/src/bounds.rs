//! Which bytes of home are known to be open where.
//!
//! Home never shrinks, so what one access has found open stays open for the next one at the same registers, as long as
//! nothing is written to these. The first access looks for all that may follow at its place: should one of them lie outside,
//! the runtime executes the first, and so on, and finds the fault where it is.
//!
//! What the module declares of home is there from the beginning: an address that cannot be greater needs no look but one
//! where the function is entered, since a domain can be given another home.

use std::collections::HashMap;

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Opcode, Role};

use crate::lower::home::declared_home;
use crate::mode::Paging;
use crate::ranges::{Greatest, operand};
use crate::shape::Shape;
use crate::translate::Entry;

/// More places than this are not followed in one function.
const MAX_PLACES: usize = 64;

/// No access looks for more bytes behind its own: who works at the very end of home should not always have to ask the runtime for
/// the sake of what is seldom accessed.
const MAX_AHEAD: u32 = 256;

/// What an address in home is the sum of, but for a constant: registers, the second one times a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) base: u16,
    pub(crate) index: Option<(u16, u32)>,
}

impl Place {
    /// The registers that it is the sum of.
    pub(crate) fn registers(&self) -> impl Iterator<Item = u16> {
        [self.base].into_iter().chain(self.index.map(|(index, _)| index))
    }

    fn contains(&self, register: u16) -> bool {
        self.registers().any(|its| its == register)
    }

    /// The greatest address that it can be.
    fn greatest(self, greatest: &Greatest) -> u64 {
        let index = self.index.map_or(0, |(index, size)| u64::from(greatest.get(index)) * u64::from(size));
        u64::from(greatest.get(self.base)) + index
    }
}

/// What is known of the places of a function.
pub(crate) struct Bounds {
    places: HashMap<Place, usize>,
    /// By basic block and place: so many bytes are known to be open where the block begins.
    at_start: Vec<Vec<u32>>,
    /// For each access at a place that is followed, by its word: the place, and how many bytes from there it and those that
    /// follow it in its basic block need.
    needs: HashMap<u32, (usize, u32)>,
    /// For each access, by its word, that cannot be outside of what the module declares: how many bytes from its place.
    declared: HashMap<u32, u32>,
}

impl Bounds {
    /// Of a function that is entered in this way, with nothing known. Where accesses look before they are done, they look for those
    /// that follow, too.
    pub(crate) fn of(module: &Module, function: u32, shape: &Shape, entry: Entry, paging: Paging) -> Self {
        let greatest = Greatest::of(module, function, shape, entry).into_iter().enumerate();
        let steps: Vec<Vec<Step>> =
            greatest.map(|(block, greatest)| steps(module, function, shape, block, greatest)).collect();
        let mut places = HashMap::new();
        for (place, _) in steps.iter().flatten().filter_map(|step| step.access) {
            let number = places.len();
            if number < MAX_PLACES {
                places.entry(place).or_insert(number);
            }
        }
        let declared = steps.iter().flatten().filter_map(|step| Some((step.pc, step.declared?))).collect();
        let at_start = vec![vec![u32::MAX; places.len()]; steps.len()];
        let mut bounds = Self { places, at_start, needs: HashMap::new(), declared };
        bounds.at_start[shape.index_of(entry.word())].fill(0);
        bounds.look_ahead(shape, &steps, if paging == Paging::Guarded { 0 } else { MAX_AHEAD });
        bounds.flow(shape, &steps);
        bounds
    }

    /// Whether any access relies on home being as large as the module declares.
    pub(crate) fn rely_on_declared(&self) -> bool {
        !self.declared.is_empty()
    }

    /// What is known where a basic block begins.
    pub(crate) fn at_start(&self, block: usize) -> Vec<u32> {
        self.at_start[block].clone()
    }

    /// Forgets places at which this register is.
    pub(crate) fn forget(&self, known: &mut [u32], register: u16) {
        for (place, number) in &self.places {
            if place.contains(register) {
                known[*number] = 0;
            }
        }
    }

    /// How many bytes the access at this word must look for, or `None` if all that it needs are known to be open; from then
    /// on they are.
    pub(crate) fn looks_for(&self, known: &mut [u32], pc: u32, end: u32) -> Option<u32> {
        if self.declared.get(&pc).is_some_and(|declared| *declared >= end) {
            return None;
        }
        let Some((place, need)) = self.needs.get(&pc) else { return Some(end) };
        if known[*place] >= end {
            return None;
        }
        known[*place] = end.max(*need);
        Some(known[*place])
    }

    /// Propagates what is known from block to block until nothing changes.
    fn flow(&mut self, shape: &Shape, steps: &[Vec<Step>]) {
        let mut changed = true;
        while changed {
            changed = false;
            for (index, block) in shape.blocks.iter().enumerate() {
                let mut known = self.at_start[index].clone();
                steps[index].iter().for_each(|step| self.follow(&mut known, step));
                for successor in &block.successors {
                    for (there, here) in self.at_start[shape.index_of(*successor)].iter_mut().zip(&known) {
                        changed |= here < there;
                        *there = (*there).min(*here);
                    }
                }
            }
        }
    }

    /// What is known behind an instruction, where `known` was before it.
    fn follow(&self, known: &mut [u32], step: &Step) {
        if let Some((_, end)) = step.access {
            self.looks_for(known, step.pc, end);
        }
        step.written.iter().for_each(|register| self.forget(known, *register));
    }

    /// Notes what each access needs together with those that follow, on whatever way, at most so many bytes behind its own.
    fn look_ahead(&mut self, shape: &Shape, steps: &[Vec<Step>], most: u32) {
        let mut at_start = vec![vec![0; self.places.len()]; steps.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for (index, block) in shape.blocks.iter().enumerate().rev() {
                let mut needed = vec![0; self.places.len()];
                for successor in &block.successors {
                    let further = &at_start[shape.index_of(*successor)];
                    needed.iter_mut().zip(further).for_each(|(needed, further)| *needed = (*further).max(*needed));
                }
                self.look_back(&steps[index], &mut needed, most);
                changed |= needed != at_start[index];
                at_start[index] = needed;
            }
        }
    }

    /// Notes what each access of a basic block needs, where so much is needed behind it; `needed` becomes what is needed before.
    fn look_back(&mut self, steps: &[Step], needed: &mut [u32], most: u32) {
        for step in steps.iter().rev() {
            step.written.iter().for_each(|register| self.forget(needed, *register));
            let Some((place, end)) = step.access else { continue };
            if let Some(number) = self.places.get(&place) {
                let near = needed[*number].min(end.saturating_add(most));
                needed[*number] = end.max(near);
                self.needs.insert(step.pc, (*number, needed[*number]));
            }
        }
    }
}

/// What an instruction has to do with home.
struct Step {
    pc: u32,
    /// The place, and how many bytes from there must be open.
    access: Option<(Place, u32)>,
    /// How many bytes from its place it accesses, if all of them are in what the module declares; then it is not followed.
    declared: Option<u32>,
    written: Vec<u16>,
}

fn steps(module: &Module, function: u32, shape: &Shape, block: usize, mut greatest: Greatest) -> Vec<Step> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let declared = declared_home(module);
    let step = |pc: u32| {
        let words = &code[pc as usize..];
        let mut written = Vec::new();
        for_each_register(words, &shapes, |role, register| {
            if role != Role::Read {
                written.push(register.0);
            }
        });
        let access = access(words);
        let inside = access.filter(|(place, end)| place.greatest(&greatest) + u64::from(*end) <= declared);
        greatest.follow(words, shapes);
        let declared = inside.map(|(_, end)| end);
        Step { pc, access: access.filter(|_| declared.is_none()), declared, written }
    };
    shape.instructions(code, shapes, block).into_iter().map(step).collect()
}

/// Where an instruction accesses home, and how many bytes from there must be open.
pub(crate) fn access(words: &[u64]) -> Option<(Place, u32)> {
    let opcode = Opcode::of_word(words[0])?;
    let size = size(opcode)?;
    let index = operand(opcode, words, "i").map(|index| (index as u16, size));
    let base = operand(opcode, words, "p")? as u16;
    Some((Place { base, index }, operand(opcode, words, "k")? + size))
}

/// How many bytes a load or store accesses. What is missing here is not followed.
fn size(opcode: Opcode) -> Option<u32> {
    use Opcode::*;
    match opcode {
        I32Load8S | I32Load8U | I64Load8S | I64Load8U | I32Store8 | I64Store8 => Some(1),
        I32Load8SAt | I32Load8UAt | I64Load8SAt | I64Load8UAt | I32Store8At | I64Store8At => Some(1),
        I32Load16S | I32Load16U | I64Load16S | I64Load16U | I32Store16 | I64Store16 => Some(2),
        I32Load16SAt | I32Load16UAt | I64Load16SAt | I64Load16UAt | I32Store16At | I64Store16At => Some(2),
        I32Load | I64Load32S | I64Load32U | F32Load | I32Store | I64Store32 | F32Store => Some(4),
        I32LoadAt | I64Load32SAt | I64Load32UAt | F32LoadAt | I32StoreAt | I64Store32At | F32StoreAt => Some(4),
        I64Load | F64Load | I64Store | F64Store => Some(8),
        I64LoadAt | F64LoadAt | I64StoreAt | F64StoreAt => Some(8),
        _ => None,
    }
}
