//! Lending: a view ends, and another part of what it was derived as takes its place, in the same entry of the object table.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use limen_vm::{Kind, Rights, layout};

use super::object::Usual;
use crate::context::{NOBODY, Processor};
use crate::translate::{Translator, trusted};

/// What is known of a view before it is lent.
struct Lendable {
    entry: Value,
    details: Value,
    /// The host's address of what it was derived as.
    base: Value,
    /// Where that begins in its object.
    offset: Value,
}

impl Translator<'_, '_> {
    /// Has a view show `n` bytes from `o` on of what it was derived as, with no more than these rights; gives the reference to
    /// that. The one before is stale from then on.
    pub(super) fn lend(&mut self, usual: &Usual, view: Value, (o, n): (Value, Value), rights: Value) -> Value {
        let place = self.place_of_live(view);
        let (entry, details) = match self.inlined {
            None => self.look_at_view(usual, view),
            Some(_) => self.look_for_view(usual, view, place),
        };
        self.check_part(usual, details, o, n);
        self.check_is_not_last(usual, view);
        let lendable = self.lendable(entry, details);
        self.show_part(&lendable, o, n);
        // The same entry, and its next generation.
        let lent = self.builder.ins().iadd_imm_u(view, 1 << 32);
        let head = self.head_of(lent, details, rights);
        self.builder.ins().store(trusted(), head, entry, layout::ENTRY_HEAD as i32);
        // The one before was found to be live, and so is what both hang on; elsewhere nothing is known of that.
        let live = match self.inlined {
            None => self.builder.ins().iconst(types::I64, NOBODY as i64),
            Some(_) => lent,
        };
        self.builder.ins().store(trusted(), live, place, offset_of!(Processor, live) as i32);
        lent
    }

    /// The entry of a view on which nothing hangs, and the rest of it.
    fn look_at_view(&mut self, usual: &Usual, view: Value) -> (Value, Value) {
        let entry = self.look_at(usual, view, Kind::MEMORY, Rights::NONE);
        let index = self.builder.ins().band_imm_u(view, i64::from(u32::MAX));
        let details = self.details_at(index);
        let length = self.detail(types::I64, details, layout::DETAILS_VIEW_LENGTH);
        let is_none = self.builder.ins().icmp_imm_s(IntCC::Equal, length, layout::NO_VIEW as i64);
        self.unless(is_none, usual.slow);
        self.check_ends_alone(usual, index);
        (entry, details)
    }

    /// As [`Translator::look_at_view`], for code in the place of an `svc`: most likely it has been lent before.
    fn look_for_view(&mut self, usual: &Usual, view: Value, place: Value) -> (Value, Value) {
        let [unknown, next] = [(); 2].map(|()| self.continuation());
        let [entry, details] = [(); 2].map(|()| self.builder.append_block_param(next, types::I64));
        let [live, entries, rest] =
            [offset_of!(Processor, live), offset_of!(Processor, live_entries), offset_of!(Processor, live_details)]
                .map(|at| at as i32);
        let found = self.builder.ins().load(types::I64, trusted(), place, live);
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, view);
        self.unless(differs, unknown);
        let noted = self.builder.ins().load(types::I64, trusted(), place, rest);
        let is_unknown = self.builder.ins().icmp_imm_s(IntCC::Equal, noted, 0);
        self.unless(is_unknown, unknown);
        let its = self.builder.ins().load(types::I64, trusted(), place, entries);
        self.builder.ins().jump(next, &[its.into(), noted.into()]);

        self.builder.seal_block(unknown);
        self.fill_cold(unknown, |cold| {
            let (its, noted) = cold.look_at_view(usual, view);
            cold.note_live(place, view, its, noted);
            cold.builder.ins().jump(next, &[its.into(), noted.into()]);
        });
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        (entry, details)
    }

    fn details_at(&mut self, index: Value) -> Value {
        let details = self.processor_field(offset_of!(Processor, details));
        let place = self.builder.ins().imul_imm_s(index, layout::DETAILS_BYTES as i64);
        self.builder.ins().iadd(details, place)
    }

    fn detail(&mut self, ty: Type, details: Value, field: usize) -> Value {
        self.builder.ins().load(ty, trusted(), details, field as i32)
    }

    /// Goes on if a view has these bytes.
    fn check_part(&mut self, usual: &Usual, details: Value, o: Value, n: Value) {
        if self.is_zero(o) && self.is_zero(n) {
            return;
        }
        let length = self.detail(types::I64, details, layout::DETAILS_VIEW_LENGTH);
        let begins_outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, o, length);
        self.unless(begins_outside, usual.slow);
        let rest = self.builder.ins().isub(length, o);
        let ends_outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, n, rest);
        self.unless(ends_outside, usual.slow);
    }

    /// Goes on if nothing hangs on the entry with this index.
    fn check_ends_alone(&mut self, usual: &Usual, index: Value) {
        let hanging = self.processor_field(offset_of!(Processor, hanging));
        let place = self.builder.ins().imul_imm_s(index, layout::HANGING_BYTES as i64);
        let place = self.builder.ins().iadd(hanging, place);
        let first = self.builder.ins().load(types::I32, trusted(), place, 0);
        let hangs = self.builder.ins().icmp_imm_s(IntCC::NotEqual, first, i64::from(layout::NOTHING_HANGS));
        self.unless(hangs, usual.slow);
    }

    /// Goes on if a reference is not to its entry's last generation.
    fn check_is_not_last(&mut self, usual: &Usual, view: Value) {
        let last = self.builder.ins().iconst(types::I64, (u64::MAX << 32) as i64);
        let is_last = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, view, last);
        self.unless(is_last, usual.slow);
    }

    fn lendable(&mut self, entry: Value, details: Value) -> Lendable {
        let shown = self.builder.ins().load(types::I64, trusted(), entry, layout::ENTRY_BASE as i32);
        let at = self.detail(types::I64, details, layout::DETAILS_OFFSET);
        let offset = self.detail(types::I64, details, layout::DETAILS_VIEW_OFFSET);
        let back = self.builder.ins().isub(offset, at);
        let base = self.builder.ins().iadd(shown, back);
        Lendable { entry, details, base, offset }
    }

    /// Has the entry show other bytes.
    fn show_part(&mut self, &Lendable { entry, details, base, offset }: &Lendable, o: Value, n: Value) {
        let open = if self.is_zero(n) { n } else { self.open_of(details, n) };
        let first = self.builder.ins().iadd(base, o);
        let at = self.builder.ins().iadd(offset, o);
        for (value, field) in
            [(first, layout::ENTRY_BASE), (n, layout::ENTRY_LENGTH), (open, layout::ENTRY_OPEN_LENGTH)]
        {
            self.builder.ins().store(trusted(), value, entry, field as i32);
        }
        self.builder.ins().store(trusted(), at, details, layout::DETAILS_OFFSET as i32);
    }

    /// How many of `n` bytes are open.
    fn open_of(&mut self, details: Value, n: Value) -> Value {
        let is_open = self.detail(types::I8, details, layout::DETAILS_OPEN);
        let nothing = self.zero(types::I64);
        self.builder.ins().select(is_open, n, nothing)
    }

    /// The head of the entry with the generation of this reference and with the rights that are left.
    fn head_of(&mut self, lent: Value, details: Value, rights: Value) -> Value {
        let generation = self.builder.ins().band_imm_u(lent, (u64::MAX << 32) as i64);
        let kind = i64::from(u32::from(Kind::MEMORY.0) << layout::KIND_SHIFT);
        if self.is_zero(rights) {
            return self.builder.ins().bor_imm_u(generation, kind);
        }
        let derived = self.detail(types::I16, details, layout::DETAILS_VIEW_RIGHTS);
        let rights = self.builder.ins().ireduce(types::I16, rights);
        let rights = self.builder.ins().band(derived, rights);
        let rights = self.builder.ins().uextend(types::I64, rights);
        let sort = self.builder.ins().bor_imm_u(rights, kind);
        self.builder.ins().bor(generation, sort)
    }
}
