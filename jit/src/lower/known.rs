//! What code in the place of an `svc` has found out so far, so that nobody looks for the same again: on each way only what holds on
//! all ways that lead there.

use cranelift_codegen::ir::{DataFlowGraph, Value};
use limen_isa::Reg;
use limen_vm::{Kind, Rights};

use crate::translate::Translator;

/// What was found out on all ways to an instruction: about references, and about what was done last.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// References whose entries were looked at.
    pub(crate) looked_at: Vec<Looked>,
    /// Contexts that were met.
    pub(super) met: Vec<Met>,
    /// References, and the slots from which they were got.
    pub(super) got: Vec<(Value, Value)>,
    /// Numbers of slots that there are, as instructions name them.
    slots: Vec<(Value, u32)>,
    /// The port at which a message was last put that is to be taken, and its cells.
    taken: Option<(Value, Taken)>,
}

impl Known {
    /// What is known on both of two ways.
    fn and(mut self, other: &Self, dfg: &DataFlowGraph) -> Self {
        let is_same = |a: Value, b: Value| dfg.resolve_aliases(a) == dfg.resolve_aliases(b);
        self.looked_at.retain(|it| {
            let same = |them: &Looked| is_same(it.reference, them.reference) && is_same(it.entry, them.entry);
            other.looked_at.iter().any(|them| (it.kind, it.rights) == (them.kind, them.rights) && same(them))
        });
        self.met.retain(|it| {
            let same = |them: &Met| is_same(it.reference, them.reference) && is_same(it.native, them.native);
            other.met.iter().any(same)
        });
        self.got.retain(|it| other.got.iter().any(|them| is_same(it.0, them.0) && is_same(it.1, them.1)));
        self.slots.retain(|it| other.slots.iter().any(|them| it.1 == them.1 && is_same(it.0, them.0)));
        self.taken = None;
        self
    }

    /// In the place of an `svc`: a message with these cells is to be taken at a port.
    pub(super) fn takes(&mut self, port: Value, cells: Taken) {
        self.taken = Some((port, cells));
    }

    /// Other messages may have been put anywhere.
    pub(super) fn forget_taken(&mut self) {
        self.taken = None;
    }

    /// What is known of the message that is to be taken at a port.
    pub(super) fn taken_at(&self, dfg: &DataFlowGraph, port: Value) -> Taken {
        let is_same = |other: Value| dfg.resolve_aliases(other) == dfg.resolve_aliases(port);
        self.taken.filter(|(other, _)| is_same(*other)).map(|(_, cells)| cells).unwrap_or_default()
    }

    /// A cell is put into the message that is to be taken at a port. If that is not the one of which something is known, it may be
    /// all the same.
    pub(super) fn takes_cell(&mut self, dfg: &DataFlowGraph, port: Value, cell: usize) {
        let is_same = |other: Value| dfg.resolve_aliases(other) == dfg.resolve_aliases(port);
        if let Some((other, cells)) = &mut self.taken {
            cells.has |= if is_same(*other) { 1 << cell } else { 0 };
            cells.lacks &= !(1 << cell);
        }
    }
}

/// What is known of a message that is to be taken: cells that it has, and some that it lacks, a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) has: u16,
    pub(super) lacks: u16,
}

/// What was found when a reference was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Looked {
    pub(super) reference: Value,
    pub(super) kind: Kind,
    pub(super) rights: Rights,
    pub(super) entry: Value,
    pub(super) payload: Value,
}

/// A context that stands at its `svc` and can go on there.
#[derive(Clone, Copy)]
pub(super) struct Met {
    pub(super) reference: Value,
    pub(super) port: Value,
    pub(super) native: Value,
}

impl Translator<'_, '_> {
    /// Where a basic block begins, what all its predecessors knew is known.
    pub(crate) fn take_known(&mut self, block: usize) {
        let Some(inlined) = &mut self.inlined else { return };
        inlined.begin_block(block);
        if block == 0 {
            // What whoever called knew is known where the function is entered.
            if self.shape.has_loops() {
                self.known = Known::default();
            }
            return;
        }
        let before = inlined.plan.predecessors(block);
        let known: Option<Vec<Known>> = before.iter().map(|before| self.known_behind.get(before).cloned()).collect();
        if known.is_some() {
            // No other way will lead here. To know that is to know that values are still the same.
            self.seal(block);
        }
        let dfg = &self.builder.func.dfg;
        self.known = known.into_iter().flatten().reduce(|all, other| all.and(&other, dfg)).unwrap_or_default();
    }

    /// Keeps what is known at the end of a basic block.
    pub(crate) fn leave_known(&mut self, block: usize) {
        if self.inlined.is_some() {
            self.known_behind.insert(block, self.known.clone());
        }
    }

    /// Whether two values are one: what came to a block on all ways is another name for what was there before.
    pub(super) fn is_same(&self, a: Value, b: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        dfg.resolve_aliases(a) == dfg.resolve_aliases(b)
    }

    /// In the place of an `svc`: the port of a context that was met.
    pub(super) fn port_of_met(&mut self, context: Reg) -> Option<Value> {
        let reference = self.get(context);
        let is_same = |met: &&Met| self.is_same(met.reference, reference);
        self.known.met.iter().find(is_same).map(|met| met.port)
    }

    /// In the place of an `svc`: notes from which slot a reference was got.
    pub(super) fn note_slot(&mut self, reference: Value, index: Value) {
        if self.inlined.is_some() {
            self.known.got.push((reference, index));
        }
    }

    /// In the place of an `svc`: whether slot `i + k` has been found to be there, or one behind it; it is from now on.
    pub(super) fn is_slot_known(&mut self, i: Value, k: u32) -> bool {
        let is_known = self.known.slots.iter().any(|(number, offset)| *offset >= k && self.is_same(*number, i));
        if self.inlined.is_some() && !is_known {
            self.known.slots.push((i, k));
        }
        is_known
    }
}
