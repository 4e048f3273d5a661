//! What only a kernel does: all of it is the runtime's.

use limen_isa::Supervisor;

use super::slowly;
use crate::translate::Translator;

impl Supervisor for Translator<'_, '_> {
    slowly! {
        obj_make(d, account, kind, payload);
        obj_derive(d, a, anchor, account, rights, payload);
        obj_revoke(a);
        obj_move(d, a, account);
        obj_payload(d, a, k);
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
        slots_make(d, account, n);
        slots_get(d, s, i);
        slots_set(s, i, a);
        slots_size(d, s);
        ctx_make(d, account, domain, function, stack, payload);
        ctx_resume(c);
        ctx_capture(d, c);
        ctx_kill(c);
        ctx_state(d, c);
        ctx_word(d, c, k);
        ctx_ref(d, c, k);
        ctx_set_word(c, k, v);
        ctx_set_ref(c, k, a);
        ctx_transfer(to, from);
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
    }
}
