//! References that are used: an entry of the object table is looked at where it lies.
//!
//! Whatever is not as it usually is, a fault among it, is left to the runtime, which executes the instruction exactly.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Value, types};
use limen_isa::Reg;
use limen_vm::{Kind, Rights, layout};

use crate::context::{NativeContext, Processor};
use crate::slow;
use crate::translate::{Translator, constant, trusted};

/// An instruction that is executed here in the usual case, and else left to the runtime.
pub(crate) struct Usual {
    /// Where the runtime is asked.
    pub(crate) slow: ir::Block,
    /// Behind the instruction, if anything is.
    next: Option<ir::Block>,
}

/// What was found when a reference was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Looked {
    reference: Value,
    kind: Kind,
    rights: Rights,
    entry: Value,
    /// Of a context that stands at its `svc` and can go on there: its native context.
    native: Option<Value>,
}

impl Translator<'_, '_> {
    /// Begins an instruction that is executed here in the usual case.
    pub(crate) fn usual(&mut self) -> Usual {
        let next = (!self.is_last()).then(|| self.builder.create_block());
        Usual { slow: self.slow_block(slow::Kind::Step, next), next }
    }

    /// Ends it.
    pub(crate) fn end(&mut self, usual: Usual) {
        if let Some(next) = usual.next {
            self.builder.ins().jump(next, &[]);
            self.builder.switch_to_block(next);
            if self.inlined.is_some() {
                // Nothing comes back from the other way.
                self.builder.seal_block(next);
            }
        }
    }

    /// What all contexts of the machine share.
    pub(crate) fn processor(&mut self) -> Value {
        match self.processor {
            Some(variable) => self.builder.use_var(variable),
            None => self.field(constant(), types::I64, offset_of!(NativeContext, processor)),
        }
    }

    /// A field of what all contexts of the machine share. Between instructions that the runtime executes none of them changes.
    pub(crate) fn processor_field(&mut self, field: usize) -> Value {
        let processor = self.processor();
        let flags = if self.inlined.is_some() { constant() } else { trusted() };
        self.builder.ins().load(types::I64, flags, processor, field as i32)
    }

    /// The entry that a live reference names, which is of this kind and has these rights.
    pub(crate) fn entry(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> Value {
        let is_same = |looked: &&Looked| (looked.reference, looked.kind, looked.rights) == (reference, kind, rights);
        if let Some(looked) = self.looked_at.iter().find(is_same) {
            return looked.entry;
        }
        let entry = self.look_at(usual, reference, kind, rights);
        if self.inlined.is_some() {
            self.looked_at.push(Looked { reference, kind, rights, entry, native: None });
        }
        entry
    }

    fn look_at(&mut self, usual: &Usual, reference: Value, kind: Kind, rights: Rights) -> Value {
        let index = self.builder.ins().ireduce(types::I32, reference);
        let index = self.builder.ins().uextend(types::I64, index);
        let count = self.processor_field(offset_of!(Processor, entry_count));
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, count);
        self.unless(outside, usual.slow);
        let entry = self.entry_at(index);

        let head = self.builder.ins().load(types::I64, trusted(), entry, layout::ENTRY_HEAD as i32);
        let generations = self.builder.ins().bxor(head, reference);
        let generation = self.builder.ins().ushr_imm_u(generations, 32);
        let sort = i64::from(u32::from(kind.0) << layout::KIND_SHIFT | u32::from(rights.0));
        let mask = i64::from(0xff << layout::KIND_SHIFT | u32::from(rights.0));
        let found = self.builder.ins().band_imm_u(head, mask);
        let sorts = self.builder.ins().bxor_imm_u(found, sort);
        let differs = self.builder.ins().bor(generation, sorts);
        self.unless(differs, usual.slow);
        self.check_anchor(usual, entry);
        entry
    }

    /// Goes on if an entry's anchor is live and hangs on nothing further.
    fn check_anchor(&mut self, usual: &Usual, entry: Value) {
        let index = self.builder.ins().load(types::I32, trusted(), entry, layout::ENTRY_ANCHOR as i32);
        let noted = self.builder.ins().load(types::I32, trusted(), entry, layout::ENTRY_ANCHOR_GENERATION as i32);
        let place = self.builder.ins().uextend(types::I64, index);
        let anchor = self.entry_at(place);
        let head = self.builder.ins().load(types::I64, trusted(), anchor, layout::ENTRY_HEAD as i32);
        let generation = self.builder.ins().ushr_imm_u(head, 32);
        let generation = self.builder.ins().ireduce(types::I32, generation);
        let further = self.builder.ins().load(types::I32, trusted(), anchor, layout::ENTRY_ANCHOR as i32);
        let generations = self.builder.ins().bxor(generation, noted);
        let anchors = self.builder.ins().bxor(further, index);
        let differs = self.builder.ins().bor(generations, anchors);
        self.unless(differs, usual.slow);
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
        self.builder.ins().load(types::I64, trusted(), entry, layout::ENTRY_BASE as i32)
    }

    /// Goes on if the context, which has this port, stands at an `svc`.
    pub(crate) fn check_in_svc(&mut self, usual: &Usual, context: Reg, port: Value) {
        if self.svc_of_caller(context).is_some() {
            return;
        }
        let state = self.builder.ins().load(types::I32, trusted(), port, layout::PORT_STATE as i32);
        let other = self.builder.ins().icmp_imm_u(IntCC::NotEqual, state, i64::from(layout::STATE_IN_SVC));
        self.unless(other, usual.slow);
    }

    /// Goes on if the frames of the context, which has this port, wait at an `svc` and can go on as they are. Gives its native
    /// context.
    pub(crate) fn waiting(&mut self, usual: &Usual, context: Reg, port: Value) -> Value {
        if let Some(svc) = self.svc_of_caller(context) {
            return svc.native;
        }
        let reference = self.get(context);
        let looked = self.looked_at.iter().position(|looked| looked.reference == reference);
        if let Some(native) = looked.and_then(|index| self.looked_at[index].native) {
            return native;
        }
        self.check_in_svc(usual, context, port);
        let native = self.builder.ins().load(types::I64, trusted(), port, layout::PORT_NATIVE as i32);
        let missing = self.builder.ins().icmp_imm_s(IntCC::Equal, native, 0);
        self.unless(missing, usual.slow);
        let epoch = self.processor_field(offset_of!(Processor, epoch));
        let noted = self.builder.ins().load(types::I64, trusted(), native, offset_of!(NativeContext, epoch) as i32);
        let outdated = self.builder.ins().icmp(IntCC::NotEqual, epoch, noted);
        self.unless(outdated, usual.slow);
        if let Some(index) = looked {
            self.looked_at[index].native = Some(native);
        }
        native
    }
}
