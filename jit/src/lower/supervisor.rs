//! What only a kernel does: messages and switches are compiled, making and ending things is the runtime's.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, TrapCode, Value, types};
use limen_isa::{Reg, Supervisor};
use limen_vm::{Kind, MESSAGE_REFS, MESSAGE_WORDS, layout};

use super::object::Usual;
use super::slowly;
use crate::context::{NativeContext, Processor};
use crate::translate::{CELL, Translator, trusted};

impl Supervisor for Translator<'_, '_> {
    fn obj_payload(&mut self, d: Reg, a: Reg, kind: u32) {
        let Ok(kind) = u8::try_from(kind).map(Kind) else { return self.slowly() };
        let (usual, reference) = (self.usual(), self.get(a));
        let caller = self.svc_of_caller(a).filter(|_| [Kind::NONE, Kind::CONTEXT].contains(&kind));
        let payload = match caller.map(|svc| svc.port) {
            Some(port) => self.builder.ins().load(types::I64, trusted(), port, layout::PORT_PAYLOAD as i32),
            None => self.payload_of(&usual, reference, kind),
        };
        self.set(d, payload);
        self.end(usual);
    }

    fn ctx_resume(&mut self, c: Reg) {
        let usual = self.usual();
        let (port, native) = self.waiting(&usual, c);
        self.leave_svc(port);
        if let Some(svc) = self.inlined.as_ref().map(|inlined| inlined.svc.clone()) {
            return self.go_on_with(&svc, native, port);
        }
        let control = self.builder.ins().iadd_imm_s(native, offset_of!(NativeContext, native) as i64);
        let processor = self.processor();
        let own = self.builder.ins().iadd_imm_s(processor, offset_of!(Processor, nowhere) as i64);
        self.switch_stacks(own, control, port);
        // The frame is no more.
        self.builder.ins().trap(TrapCode::unwrap_user(1));
    }

    fn ctx_state(&mut self, d: Reg, c: Reg) {
        let usual = self.usual();
        let port = self.port_of(&usual, c);
        let state = self.builder.ins().load(types::I32, trusted(), port, layout::PORT_STATE as i32);
        let is_in_svc = self.builder.ins().icmp_imm_s(IntCC::Equal, state, i64::from(layout::STATE_IN_SVC as i32));
        let in_svc = self.builder.ins().iconst(types::I32, i64::from(layout::CODE_OF_IN_SVC));
        let code = self.builder.ins().select(is_in_svc, in_svc, state);
        self.set(d, code);
        self.end(usual);
    }

    fn ctx_word(&mut self, d: Reg, c: Reg, k: u32) {
        self.given(d, c, k, MESSAGE_WORDS, layout::MESSAGE_WORDS_AT);
    }

    fn ctx_ref(&mut self, d: Reg, c: Reg, k: u32) {
        self.given(d, c, k, MESSAGE_REFS, layout::MESSAGE_REFS_AT);
    }

    fn ctx_set_word(&mut self, c: Reg, k: u32, v: Reg) {
        self.set_taken(c, k, v, MESSAGE_WORDS, layout::MESSAGE_WORDS_AT);
    }

    fn ctx_set_ref(&mut self, c: Reg, k: u32, a: Reg) {
        self.set_taken(c, k, a, MESSAGE_REFS, layout::MESSAGE_REFS_AT);
    }

    fn ctx_transfer(&mut self, to: Reg, from: Reg) {
        let usual = self.usual();
        let (to_port, _) = self.waiting(&usual, to);
        let (from_port, _) = self.waiting(&usual, from);
        match self.svc_of_caller(from).cloned() {
            Some(svc) => {
                self.check_message(&usual, &svc);
                self.hand(to_port, &svc, self.cells_replaced(to));
            }
            None => {
                self.check_stranger(&usual, from_port);
                self.copy_message(to_port, from_port);
            }
        }
        self.end(usual);
    }

    fn mem_lend(&mut self, d: Reg, view: Reg, o: Reg, n: Reg, rights: Reg) {
        let usual = self.usual();
        let [view, o, n, rights] = [view, o, n, rights].map(|register| self.get(register));
        let lent = self.lend(&usual, view, (o, n), rights);
        self.set(d, lent);
        self.known.looked_at.clear();
        self.forget_kept();
        self.end(usual);
    }

    slowly! {
        obj_make(d, account, kind, payload);
        obj_derive(d, a, anchor, account, rights, payload);
        obj_revoke(a);
        obj_move(d, a, account);
        obj_set_payload(a, v);
        account_make(d, parent, bytes, objects, contexts);
        account_free(bytes, objects, contexts, account);
        account_sweep(d, account, n);
        mem_make(d, account, pages, max);
        mem_derive(d, a, anchor, account, o, n, rights);
        mem_grow(d, a, n);
        page_protect(a, first, n, access);
        page_supply(a, page, from, from_page);
        page_take(d, a, page);
        module_load(d, st, account, a, o, n);
        domain_make(d, account, module, home, payload);
        domain_home(d, domain);
        domain_export(d, domain, name, n);
        domain_slot_get(d, domain, i);
        domain_slot_set(domain, i, a);
        domain_slots(d, domain);
        domain_set_engine(domain, engine);
        slots_make(d, account, n);
        slots_get(d, s, i);
        slots_set(s, i, a);
        slots_size(d, s);
        ctx_make(d, account, domain, function, stack, payload);
        ctx_capture(d, c);
        ctx_kill(c);
        ctx_depth(d, c);
        ctx_frame(function, pc, c, depth);
        ctx_reg(d, c, depth, i);
        ctx_reg_ref(d, c, depth, i);
        ctx_set_reg(c, depth, i, v);
        ctx_set_reg_ref(c, depth, i, a);
        ctx_fault(code, detail, c);
        ctx_domain(d, c);
        timer_now(d);
        timer_set(at);
        irq_take(d);
        idle();
        halt(status);
        dev_get(d, dev, register);
        dev_set(dev, register, v);
        dev_bind(dev, window, a);
        dev_line(d, dev);
    }
}

impl Translator<'_, '_> {
    /// What the kernel has noted in the entry of a live reference, which is not null.
    fn payload_of(&mut self, usual: &Usual, reference: Value, kind: Kind) -> Value {
        let payload = self.payload(usual, reference, kind);
        // In the place of an `svc` null is nobody's whose payload is at hand.
        if kind == Kind::NONE && self.inlined.is_none() {
            let is_null = self.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
            self.unless(is_null, usual.slow);
        }
        payload
    }

    /// Element `k` of one sort of the message that a context gives.
    fn given(&mut self, d: Reg, c: Reg, k: u32, count: usize, first: usize) {
        if k as usize >= count {
            return self.slowly();
        }
        let usual = self.usual();
        let (port, _) = self.waiting(&usual, c);
        let cell = first / CELL as usize + k as usize;
        let element = match self.svc_of_caller(c).cloned() {
            Some(svc) => {
                self.check_message(&usual, &svc);
                svc.message.cells[cell]
            }
            None => {
                self.check_stranger(&usual, port);
                self.given_cell(port, cell)
            }
        };
        self.set(d, element);
        self.end(usual);
    }

    /// Sets element `k` of one sort of the message that a context takes.
    fn set_taken(&mut self, c: Reg, k: u32, v: Reg, count: usize, first: usize) {
        if k as usize >= count {
            return self.slowly();
        }
        let usual = self.usual();
        let (port, _) = self.waiting(&usual, c);
        let value = self.get(v);
        self.set_taken_cell(port, first / CELL as usize + k as usize, value);
        self.end(usual);
    }
}
