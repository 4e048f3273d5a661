//! References that are used: an entry of the object table is looked at where it lies.
//!
//! Whatever is not as it usually is, a fault among it, is left to the runtime, which executes the instruction exactly.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Type, Value, types};
use limen_isa::Reg;
use limen_vm::{Kind, Rights, layout};

use super::known::{Looked, Met};
use crate::context::{LIVE, NativeContext, PEERS, Peer, Processor};
use crate::mode::{Pinned, Safepoints};
use crate::slow;
use crate::translate::{Translator, constant, trusted};

/// An instruction that is executed here in the usual case, and else left to the runtime.
pub(crate) struct Usual {
    /// Where the runtime is asked.
    pub(crate) slow: ir::Block,
    /// Behind the instruction, if anything comes back there.
    next: Option<ir::Block>,
}

impl Translator<'_, '_> {
    /// Begins an instruction that is executed here in the usual case.
    pub(crate) fn usual(&mut self) -> Usual {
        // In the place of an `svc` nothing comes back from the runtime.
        let comes_back = self.inlined.is_none() && !self.is_last();
        let next = comes_back.then(|| self.continuation());
        Usual { slow: self.slow_block(slow::Kind::Step, next), next }
    }

    /// Ends it.
    pub(crate) fn end(&mut self, usual: Usual) {
        if let Some(next) = usual.next {
            self.builder.ins().jump(next, &[]);
            self.builder.switch_to_block(next);
        }
    }

    /// The port of the context that runs.
    pub(crate) fn port(&mut self) -> Value {
        self.field(trusted(), types::I64, offset_of!(NativeContext, port))
    }

    /// What all contexts of the machine share.
    pub(crate) fn processor(&mut self) -> Value {
        match self.processor {
            Some(variable) => self.builder.use_var(variable),
            None => self.field(constant(), types::I64, offset_of!(NativeContext, processor)),
        }
    }

    /// Where a function or an `svc` begins: finds what all contexts of the machine share. In live time from the pinned register, if
    /// that leads there, so that nobody waits for the stack that has just been switched to.
    pub(crate) fn renew_processor(&mut self) {
        let Some(variable) = self.processor else { return };
        let is_live = self.mode.safepoints == Safepoints::Live;
        let (from, at) = if is_live && self.mode.pinned() == Pinned::Safepoints {
            (self.builder.ins().get_pinned_reg(types::I64), layout::BY_ATTENTION)
        } else {
            (self.context, offset_of!(NativeContext, processor))
        };
        let processor = self.builder.ins().load(types::I64, constant(), from, at as i32);
        self.builder.def_var(variable, processor);
    }

    /// A field of what all contexts of the machine share. Between instructions that the runtime executes none of them changes.
    pub(crate) fn processor_field(&mut self, field: usize) -> Value {
        let processor = self.processor();
        self.builder.ins().load(types::I64, trusted(), processor, field as i32)
    }

    /// How to load what changes only when the runtime executes an instruction. In the place of an `svc` it executes none; and
    /// all is found by way of the kernel's context or of what was loaded from the processor, of which each `svc` has values of its
    /// own, so that Cranelift never takes what one has loaded for what the next one would load: for Cranelift anything may have been
    /// stored when stacks were switched.
    pub(crate) fn steady(&self) -> MemFlagsData {
        if self.inlined.is_some() { constant() } else { trusted() }
    }

    /// As [`Translator::steady`], of a field of an entry of the object table: lending changes what an entry is, but not what it
    /// hangs on.
    fn steady_entry(&self, field: usize) -> MemFlagsData {
        let stays = [layout::ENTRY_ANCHOR, layout::ENTRY_ANCHOR_GENERATION, layout::ENTRY_PAYLOAD].contains(&field);
        if self.lends && !stays { trusted() } else { self.steady() }
    }

    /// The entry that a live reference names, which is of this kind and has these rights.
    pub(crate) fn entry(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> Value {
        match self.inlined {
            Some(_) => self.looked_for(usual, reference, kind, rights).entry,
            // Where messages come in, most likely what comes with them is accessed, which the kernel has looked at.
            None if self.enters_kernel() => self.look_for(usual, reference, kind, rights).0,
            None => self.look_at(usual, reference, kind, rights),
        }
    }

    /// What the kernel has noted in that entry.
    pub(crate) fn payload(&mut self, usual: &Usual, reference: Value, kind: Kind) -> Value {
        if self.inlined.is_some() {
            return self.looked_for(usual, reference, kind, Rights::NONE).payload;
        }
        let entry = self.look_at(usual, reference, kind, Rights::NONE);
        self.entry_field(types::I64, entry, layout::ENTRY_PAYLOAD)
    }

    /// What was found, or is found now, for code in the place of an `svc`.
    fn looked_for(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> Looked {
        let is_same = |looked: &&Looked| {
            (looked.kind, looked.rights) == (kind, rights) && self.is_same(looked.reference, reference)
        };
        if let Some(looked) = self.known.looked_at.iter().find(is_same) {
            return *looked;
        }
        let (entry, payload) = self.look_for(usual, reference, kind, rights);
        let looked = Looked { reference, kind, rights, entry, payload };
        self.known.looked_at.push(looked);
        looked
    }

    /// As [`Translator::entry`], whatever has been found out before.
    pub(super) fn look_at(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> Value {
        let (index, entry) = self.indexed(usual, reference);
        let differs = self.differs(reference, entry, kind, rights);
        self.unless(differs, usual.slow);
        self.check_anchor(usual, index, entry);
        entry
    }

    /// As [`Translator::look_at`], in a function that enters the kernel: most likely the reference has been found to be live before.
    /// Gives the payload, too.
    fn look_for(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> (Value, Value) {
        let [unknown, next] = [(); 2].map(|()| self.continuation());
        let [entry, payload] = [(); 2].map(|()| self.builder.append_block_param(next, types::I64));
        let place = self.place_of_live(reference);
        let [live, entries, payloads] =
            [offset_of!(Processor, live), offset_of!(Processor, live_entries), offset_of!(Processor, live_payloads)]
                .map(|at| at as i32);
        let found = self.builder.ins().load(types::I64, trusted(), place, live);
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, reference);
        self.unless(differs, unknown);
        let its = [entries, payloads].map(|at| self.builder.ins().load(types::I64, trusted(), place, at).into());
        self.builder.ins().jump(next, &its);

        self.builder.seal_block(unknown);
        self.fill_cold(unknown, |cold| {
            // Null names an entry, too. Who asks about null is not in a hurry, and nobody has to look again.
            let is_null = cold.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
            cold.unless(is_null, usual.slow);
            let (index, its) = cold.indexed(usual, reference);
            let generation = cold.differs(reference, its, Kind::NONE, Rights::NONE);
            cold.unless(generation, usual.slow);
            cold.check_anchor(usual, index, its);
            let unknown = cold.zero(types::I64);
            let noted = cold.note_live(place, reference, its, unknown);
            cold.builder.ins().jump(next, &[its.into(), noted.into()]);
        });
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        if kind != Kind::NONE {
            let head = self.entry_field(types::I64, entry, layout::ENTRY_HEAD);
            let differs = self.sort_differs(head, kind, rights);
            self.unless(differs, usual.slow);
        }
        (entry, payload)
    }

    /// Notes at its place that a reference is live, with its entry and the rest of that, or null. Gives the payload.
    pub(super) fn note_live(&mut self, place: Value, reference: Value, entry: Value, details: Value) -> Value {
        let payload = self.entry_field(types::I64, entry, layout::ENTRY_PAYLOAD);
        for (value, at) in [
            (reference, offset_of!(Processor, live)),
            (entry, offset_of!(Processor, live_entries)),
            (payload, offset_of!(Processor, live_payloads)),
            (details, offset_of!(Processor, live_details)),
        ] {
            self.builder.ins().store(trusted(), value, place, at as i32);
        }
        payload
    }

    /// Where a reference may be known to be live: its place among those.
    pub(super) fn place_of_live(&mut self, reference: Value) -> Value {
        let number = self.builder.ins().band_imm_u(reference, LIVE as i64 - 1);
        let offset = self.builder.ins().ishl_imm_u(number, 3);
        let processor = self.processor();
        self.builder.ins().iadd(processor, offset)
    }

    /// The entry with the index of a reference, if there is one.
    fn indexed(&mut self, usual: &Usual, reference: Value) -> (Value, Value) {
        let index = self.builder.ins().ireduce(types::I32, reference);
        let place = self.builder.ins().uextend(types::I64, index);
        let count = self.processor_field(offset_of!(Processor, entry_count));
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, place, count);
        self.unless(outside, usual.slow);
        (index, self.entry_at(place))
    }

    /// Not zero if an entry is of another generation or kind than the reference and the kind, or has not these rights.
    /// [`Kind::NONE`] stands for any; that is also what null finds.
    fn differs(&mut self, reference: Value, entry: Value, kind: Kind, rights: Rights) -> Value {
        let head = self.entry_field(types::I64, entry, layout::ENTRY_HEAD);
        let generations = self.builder.ins().bxor(head, reference);
        let generation = self.builder.ins().ushr_imm_u(generations, 32);
        if kind == Kind::NONE {
            return generation;
        }
        let sorts = self.sort_differs(head, kind, rights);
        self.builder.ins().bor(generation, sorts)
    }

    /// As [`Translator::differs`], of the kind and the rights alone, which stand in an entry's head.
    fn sort_differs(&mut self, head: Value, kind: Kind, rights: Rights) -> Value {
        let sort = i64::from(u32::from(kind.0) << layout::KIND_SHIFT | u32::from(rights.0));
        let mask = i64::from(0xff << layout::KIND_SHIFT | u32::from(rights.0));
        let found = self.builder.ins().band_imm_u(head, mask);
        self.builder.ins().bxor_imm_u(found, sort)
    }

    /// Goes on if all that an entry hangs on is live.
    fn check_anchor(&mut self, usual: &Usual, index: Value, entry: Value) {
        let [further, next] = [(); 2].map(|()| self.continuation());
        let [below, its] = [types::I64, types::I32].map(|ty| self.builder.append_block_param(further, ty));
        let anchor = self.entry_field(types::I32, entry, layout::ENTRY_ANCHOR);
        let hangs = self.builder.ins().icmp(IntCC::NotEqual, anchor, index);
        self.builder.ins().brif(hangs, further, &[entry.into(), anchor.into()], next, &[]);
        self.builder.switch_to_block(further);
        let (above, found) = self.step_to_anchor(usual, below, its);
        let hangs = self.builder.ins().icmp(IntCC::NotEqual, above, its);
        self.builder.ins().brif(hangs, further, &[found.into(), above.into()], next, &[]);
        self.builder.seal_block(further);
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
    }

    /// From an entry to its anchor, which has this index, if that is live: the index of the anchor's own anchor, and its entry.
    fn step_to_anchor(&mut self, usual: &Usual, entry: Value, anchor: Value) -> (Value, Value) {
        let noted = self.entry_field(types::I32, entry, layout::ENTRY_ANCHOR_GENERATION);
        let place = self.builder.ins().uextend(types::I64, anchor);
        let found = self.entry_at(place);
        let head = self.entry_field(types::I64, found, layout::ENTRY_HEAD);
        let generation = self.builder.ins().ushr_imm_u(head, 32);
        let generation = self.builder.ins().ireduce(types::I32, generation);
        let is_gone = self.builder.ins().icmp(IntCC::NotEqual, generation, noted);
        self.unless(is_gone, usual.slow);
        (self.entry_field(types::I32, found, layout::ENTRY_ANCHOR), found)
    }

    /// A field of an entry of the object table.
    pub(crate) fn entry_field(&mut self, ty: Type, entry: Value, field: usize) -> Value {
        let flags = self.steady_entry(field);
        self.builder.ins().load(ty, flags, entry, field as i32)
    }

    /// The entry with an index that there is.
    fn entry_at(&mut self, index: Value) -> Value {
        let entries = self.processor_field(offset_of!(Processor, entries));
        let offset = self.builder.ins().imul_imm_s(index, layout::ENTRY_BYTES as i64);
        self.builder.ins().iadd(entries, offset)
    }

    /// The port of a context.
    pub(crate) fn port_of(&mut self, usual: &Usual, context: Reg) -> Value {
        if let Some(svc) = self.svc_of_caller(context) {
            return svc.port;
        }
        let reference = self.get(context);
        let entry = self.entry(usual, reference, Kind::CONTEXT, Rights::NONE);
        self.entry_field(types::I64, entry, layout::ENTRY_BASE)
    }

    /// Goes on if the native frames of a context wait at an `svc` and can go on as they are. Gives its port and its native context.
    pub(crate) fn waiting(&mut self, usual: &Usual, context: Reg) -> (Value, Value) {
        if let Some(svc) = self.svc_of_caller(context) {
            return (svc.port, svc.native);
        }
        let reference = self.get(context);
        let is_same = |met: &&Met| self.is_same(met.reference, reference);
        if let Some(met) = self.known.met.iter().find(is_same) {
            return (met.port, met.native);
        }
        if self.inlined.is_none() {
            return self.peer(usual, reference);
        }
        let (port, native) = self.met_again(usual, reference);
        self.known.met.push(Met { reference, port, native });
        (port, native)
    }

    /// Where a context may be known, see [`Peer`]: its place among those.
    fn place_of_peer(&mut self, reference: Value) -> Value {
        let is_same = |got: &&(Value, Value)| self.is_same(got.0, reference);
        // The number of a slot is there before what is in it. Kernels keep several references for each thread.
        let number = match self.known.got.iter().find(is_same).copied() {
            Some((_, index)) => self.builder.ins().ushr_imm_u(index, 2),
            None => reference,
        };
        let number = self.builder.ins().band_imm_u(number, PEERS as i64 - 1);
        let offset = self.builder.ins().imul_imm_s(number, size_of::<Peer>() as i64);
        let processor = self.processor();
        self.builder.ins().iadd(processor, offset)
    }

    /// As [`Translator::peer`], in the place of an `svc`: most likely it is whom this very `svc` met last. Then nothing waits for what
    /// leads to it, which is only compared.
    fn met_again(&mut self, usual: &Usual, reference: Value) -> (Value, Value) {
        let Some(place) = self.inlined.as_ref().map(|inlined| inlined.svc.meeting) else {
            return self.peer(usual, reference);
        };
        let [another, next] = [(); 2].map(|()| self.continuation());
        let [port, native] = [(); 2].map(|()| self.builder.append_block_param(next, types::I64));
        let at = |field: usize| (offset_of!(Processor, met) + place * size_of::<Peer>() + field) as i32;
        let [met, its, waits] = [offset_of!(Peer, reference), offset_of!(Peer, port), offset_of!(Peer, native)].map(at);
        let processor = self.processor();
        let [found, port_there, native_there] =
            [met, its, waits].map(|at| self.builder.ins().load(types::I64, trusted(), processor, at));
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, reference);
        self.unless(differs, another);
        let elsewhere = self.is_elsewhere(port_there);
        self.unless(elsewhere, another);
        self.builder.ins().jump(next, &[port_there.into(), native_there.into()]);

        self.builder.seal_block(another);
        self.fill_cold(another, |cold| {
            let (port, native) = cold.peer(usual, reference);
            for (value, at) in [(reference, met), (port, its), (native, waits)] {
                cold.builder.ins().store(trusted(), value, processor, at);
            }
            cold.builder.ins().jump(next, &[port.into(), native.into()]);
        });
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        (port, native)
    }

    /// The port and the native context of a context whose native frames wait at an `svc`: most likely that is known, see [`Peer`].
    fn peer(&mut self, usual: &Usual, reference: Value) -> (Value, Value) {
        let [unknown, next] = [(); 2].map(|()| self.continuation());
        let [port, native] = [(); 2].map(|()| self.builder.append_block_param(next, types::I64));
        let peer = self.place_of_peer(reference);
        let at = |field: usize| (offset_of!(Processor, peers) + field) as i32;
        let [found, its, waits] =
            [offset_of!(Peer, reference), offset_of!(Peer, port), offset_of!(Peer, native)].map(at);
        let [found_there, port_there, native_there] =
            [found, its, waits].map(|at| self.builder.ins().load(types::I64, trusted(), peer, at));
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found_there, reference);
        self.unless(differs, unknown);
        let elsewhere = self.is_elsewhere(port_there);
        self.unless(elsewhere, unknown);
        self.builder.ins().jump(next, &[port_there.into(), native_there.into()]);

        self.builder.seal_block(unknown);
        self.fill_cold(unknown, |cold| {
            let new = cold.look_at_peer(usual, reference);
            for (value, at) in [(reference, found), (new.0, its), (new.1, waits)] {
                cold.builder.ins().store(trusted(), value, peer, at);
            }
            cold.builder.ins().jump(next, &[new.0.into(), new.1.into()]);
        });
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        (port, native)
    }

    /// The port and the native context of a context that ends only when the runtime ends it, and whose native frames wait at an
    /// `svc`.
    fn look_at_peer(&mut self, usual: &Usual, reference: Value) -> (Value, Value) {
        let (index, entry) = self.indexed(usual, reference);
        let differs = self.differs(reference, entry, Kind::CONTEXT, Rights::NONE);
        self.unless(differs, usual.slow);
        let anchor = self.entry_field(types::I32, entry, layout::ENTRY_ANCHOR);
        let hangs = self.builder.ins().icmp(IntCC::NotEqual, anchor, index);
        self.unless(hangs, usual.slow);
        let port = self.entry_field(types::I64, entry, layout::ENTRY_BASE);
        self.check_in_svc(usual, port);
        let native = self.builder.ins().load(types::I64, trusted(), port, layout::PORT_NATIVE as i32);
        let missing = self.builder.ins().icmp_imm_s(IntCC::Equal, native, 0);
        self.unless(missing, usual.slow);
        let epoch = self.processor_field(offset_of!(Processor, epoch));
        let noted = self.builder.ins().load(types::I64, trusted(), native, offset_of!(NativeContext, epoch) as i32);
        let outdated = self.builder.ins().icmp(IntCC::NotEqual, epoch, noted);
        self.unless(outdated, usual.slow);
        (port, native)
    }

    /// Goes on if the context that has this port stands at an `svc`.
    pub(crate) fn check_in_svc(&mut self, usual: &Usual, port: Value) {
        let elsewhere = self.is_elsewhere(port);
        self.unless(elsewhere, usual.slow);
    }

    /// Whether the context that has this port does not stand at an `svc`.
    fn is_elsewhere(&mut self, port: Value) -> Value {
        let state = self.builder.ins().load(types::I32, trusted(), port, layout::PORT_STATE as i32);
        self.builder.ins().icmp_imm_s(IntCC::NotEqual, state, i64::from(layout::STATE_IN_SVC as i32))
    }
}
