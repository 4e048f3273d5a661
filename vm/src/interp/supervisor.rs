//! What only a kernel can do. The work is the store's; here operands become its arguments.

use limen_isa::module::Module;
use limen_isa::{Fault, Reg, Supervisor, ValueType};

use super::cpu::{Cell, Cpu, Policy, Step};
use crate::account::{AccountKey, Budget};
use crate::context::State;
use crate::engine::{EngineKind, Exit};
use crate::memory::Access;
use crate::object::{Kind, Ref, Rights};
use crate::store::{ContextKey, Store};
use crate::verify::{Mode, verify};

type Outcome<T> = Result<T, Fault>;

impl<P: Policy> Supervisor for Cpu<P> {
    fn obj_make(&mut self, d: Reg, account: Reg, kind: Reg, payload: Reg) -> Step {
        let (kind, payload) = (self.get::<u32>(kind), self.get(payload));
        self.make(d, account, |store, owner| {
            let kind = u8::try_from(kind).ok().filter(|kind| *kind >= Kind::FIRST_OF_KERNEL).ok_or(Fault::Argument)?;
            Ok(store.make_object(owner, Kind(kind), payload))
        })
    }

    fn obj_derive(&mut self, d: Reg, a: Reg, anchor: Reg, account: Reg, rights: Reg, payload: Reg) -> Step {
        let (from, anchor, payload) = (self.get(a), self.get(anchor), self.get(payload));
        let rights = Rights(self.get::<u32>(rights) as u16);
        let operands = self.store().live_all(&[from, anchor]);
        self.make_after(operands, d, account, 0, |store, owner| store.derive(from, anchor, owner, rights, payload))
    }

    fn obj_revoke(&mut self, a: Reg) -> Step {
        let reference = self.get(a);
        let revoked = if self.is_own(reference) { Err(Fault::State) } else { self.store().revoke(reference) };
        self.done(revoked)
    }

    fn obj_move(&mut self, d: Reg, a: Reg, account: Reg) -> Step {
        let from = self.get(a);
        let operands = self.store().live_all(&[from]);
        self.make_after(operands, d, account, 0, |store, owner| store.relocate(from, owner))
    }

    fn obj_payload(&mut self, d: Reg, a: Reg, kind: u32) -> Step {
        let reference = self.get(a);
        // A kind beyond 255 is nothing's.
        let payload = match u8::try_from(kind) {
            Ok(kind) => self.store().objects.payload(reference, Kind(kind)),
            Err(_) => self.store().objects.live(reference).and(Err(Fault::Kind)),
        };
        self.put_or_fault(d, payload)
    }

    fn obj_set_payload(&mut self, a: Reg, v: Reg) -> Step {
        let (reference, payload) = (self.get(a), self.get(v));
        let set = self.store().set_payload(reference, payload);
        self.done(set)
    }

    fn account_make(&mut self, d: Reg, parent: Reg, bytes: Reg, objects: Reg, contexts: Reg) -> Step {
        let (bytes, objects, contexts) = (self.get(bytes), self.get(objects), self.get(contexts));
        self.make(d, parent, |store, parent| Ok(store.make_account(parent, Budget { bytes, objects, contexts })))
    }

    fn account_free(&mut self, bytes: Reg, objects: Reg, contexts: Reg, account: Reg) -> Step {
        let free = self.account(account).map(|account| self.store().free(account));
        match free {
            Ok(free) => {
                self.set(bytes, free.bytes);
                self.set(objects, free.objects);
                self.put(contexts, free.contexts)
            }
            Err(fault) => self.fault(fault, 0),
        }
    }

    fn account_sweep(&mut self, d: Reg, account: Reg, n: Reg) -> Step {
        let limit = self.get::<u32>(n) as usize;
        let left = self.account(account).map(|account| self.store().sweep_account(account, limit));
        self.put_or_fault(d, left)
    }

    fn mem_make(&mut self, d: Reg, account: Reg, pages: Reg, max: Reg) -> Step {
        let (pages, max) = (self.get(pages), self.get(max));
        self.make(d, account, |store, owner| store.make_memory(owner, pages, max))
    }

    fn mem_derive(&mut self, d: Reg, a: Reg, anchor: Reg, account: Reg, o: Reg, n: Reg, rights: Reg) -> Step {
        let (from, anchor, span) = (self.get(a), self.get(anchor), (self.get(o), self.get(n)));
        let rights = Rights(self.get::<u32>(rights) as u16);
        let store = self.store();
        let operands = store.memory_of(from).and_then(|_| store.live_all(&[anchor]));
        self.make_after(operands, d, account, span.0, |store, owner| {
            store.derive_memory(from, anchor, owner, span, rights)
        })
    }

    fn mem_lend(&mut self, d: Reg, view: Reg, o: Reg, n: Reg, rights: Reg) -> Step {
        let (view, span) = (self.get(view), (self.get(o), self.get(n)));
        let rights = Rights(self.get::<u32>(rights) as u16);
        let lent = self.store().lend(view, span, rights);
        self.put_at(d, lent.map(|lent| lent.unwrap_or(Ref::NULL)), span.0)
    }

    fn mem_grow(&mut self, d: Reg, a: Reg, n: Reg) -> Step {
        let (reference, more) = (self.get(a), self.get(n));
        let before = self.store().memory_of(reference).map(|memory| self.store().grow(memory, more));
        self.reload_home();
        self.put_or_fault(d, before.map(|pages| pages.map_or(-1, |pages| pages as i32)))
    }

    fn page_protect(&mut self, a: Reg, first: Reg, n: Reg, access: Reg) -> Step {
        let (reference, first, count) = (self.get(a), self.get(first), self.get(n));
        let access = self.get(access);
        let store = self.store();
        let protected = store.memory_of(reference).and_then(|memory| {
            let access = Access::from_code(access).ok_or(Fault::Argument)?;
            store.control_pages(memory, |memory| memory.protect(first, count, access))
        });
        self.reload_home();
        self.done_at(protected, u64::from(first))
    }

    fn page_supply(&mut self, a: Reg, page: Reg, from: Reg, from_page: Reg) -> Step {
        let (to, from) = (self.get(a), self.get(from));
        let (page, from_page) = (self.get(page), self.get(from_page));
        let outside = supply_outside(self.store(), to, page).unwrap_or(from_page);
        let supplied = supply(self.store(), to, page, from, from_page);
        self.reload_home();
        self.done_at(supplied, u64::from(outside))
    }

    fn page_take(&mut self, d: Reg, a: Reg, page: Reg) -> Step {
        let (reference, page) = (self.get(a), self.get(page));
        let store = self.store();
        let state = store.memory_of(reference).and_then(|memory| store.memory_mut(memory).take_state(page));
        let bits = |present: bool, used: bool, written: bool| {
            u32::from(present) | u32::from(used) << 1 | u32::from(written) << 2
        };
        let state = state.map(|state| bits(state.access() != Access::Absent, state.is_used(), state.is_written()));
        self.put_at(d, state, u64::from(page))
    }

    fn module_load(&mut self, d: Reg, st: Reg, account: Reg, a: Reg, o: Reg, n: Reg) -> Step {
        let (segment, offset, length) = (self.get(a), self.get(o), self.get(n));
        let loaded = self.account(account).and_then(|owner| load(self.store(), owner, segment, offset, length));
        match loaded {
            Ok(module) => {
                let status = if module.is_some() { 0 } else { u32::from(Fault::Argument.code()) };
                self.set(d, module.flatten().unwrap_or(Ref::NULL));
                self.put(st, status)
            }
            Err(fault) => self.fault(fault, if fault == Fault::Bounds { offset } else { 0 }),
        }
    }

    fn domain_make(&mut self, d: Reg, account: Reg, module: Reg, home: Reg, payload: Reg) -> Step {
        let (module, home, payload) = (self.get(module), self.get(home), self.get(payload));
        self.make(d, account, |store, owner| store.make_domain(owner, module, home, payload))
    }

    fn domain_home(&mut self, d: Reg, domain: Reg) -> Step {
        let domain = self.get(domain);
        let store = self.store();
        let home = store.domain_of(domain).and_then(|key| store.refer_to_home(domain, store.owner_of(key)));
        self.put_or_fault(d, home.map(|home| home.unwrap_or(Ref::NULL)))
    }

    fn domain_export(&mut self, d: Reg, domain: Reg, name: Reg, n: Reg) -> Step {
        let (address, length) = (self.get::<u32>(name), self.get::<u32>(n));
        let reference = self.get(domain);
        let domain = match self.store().domain_of(reference) {
            Ok(domain) => domain,
            Err(fault) => return self.fault(fault, 0),
        };
        let place = match self.home(u64::from(address), u64::from(length), false) {
            Ok(place) => place,
            Err(step) => return step,
        };
        // SAFETY: `home` gives the address of so many bytes, and nothing writes them meanwhile.
        let name = unsafe { std::slice::from_raw_parts(place, length as usize) };
        let function =
            std::str::from_utf8(name).ok().and_then(|name| self.store().module_of(domain).exported_function(name));
        self.put(d, function.map_or(-1, |function| function as i32))
    }

    fn domain_slot_get(&mut self, d: Reg, domain: Reg, i: Reg) -> Step {
        let (domain, index) = (self.get(domain), self.get::<u32>(i));
        let store = self.store();
        let slot = store.domain_of(domain).and_then(|domain| slot(store.slots_of(domain), index));
        self.put_at(d, slot, u64::from(index))
    }

    fn domain_slot_set(&mut self, domain: Reg, i: Reg, a: Reg) -> Step {
        let (domain, index, reference) = (self.get(domain), self.get::<u32>(i), self.get(a));
        let store = self.store();
        let set = store.domain_of(domain).and_then(|domain| set_slot(store.slots_of_mut(domain), index, reference));
        self.done_at(set, u64::from(index))
    }

    fn domain_slots(&mut self, d: Reg, domain: Reg) -> Step {
        let domain = self.get(domain);
        let store = self.store();
        let count = store.domain_of(domain).map(|domain| store.slots_of(domain).len() as u32);
        self.put_or_fault(d, count)
    }

    fn domain_set_engine(&mut self, domain: Reg, engine: Reg) -> Step {
        let (domain, engine) = (self.get(domain), self.get::<u32>(engine));
        let store = self.store();
        let set = store.domain_of(domain).and_then(|domain| {
            let engine = EngineKind::ALL.get(engine as usize).ok_or(Fault::Argument)?;
            store.set_engine(Some(domain), *engine);
            Ok(())
        });
        self.done(set)
    }

    fn slots_make(&mut self, d: Reg, account: Reg, n: Reg) -> Step {
        let count = self.get(n);
        self.make(d, account, |store, owner| store.make_slots(owner, count))
    }

    fn slots_get(&mut self, d: Reg, s: Reg, i: Reg) -> Step {
        let (array, index) = (self.get(s), self.get::<u32>(i));
        let slot = self.store().slot_array_mut(array).and_then(|slots| slot(slots, index));
        self.put_at(d, slot, u64::from(index))
    }

    fn slots_set(&mut self, s: Reg, i: Reg, a: Reg) -> Step {
        let (array, index, reference) = (self.get(s), self.get::<u32>(i), self.get(a));
        let set = self.store().slot_array_mut(array).and_then(|slots| set_slot(slots, index, reference));
        self.done_at(set, u64::from(index))
    }

    fn slots_size(&mut self, d: Reg, s: Reg) -> Step {
        let array = self.get(s);
        let size = self.store().slot_array_mut(array).map(|slots| slots.len() as u32);
        self.put_or_fault(d, size)
    }

    fn ctx_make(&mut self, d: Reg, account: Reg, domain: Reg, function: Reg, stack: Reg, payload: Reg) -> Step {
        let (domain, function, cells) = (self.get(domain), self.get(function), self.get(stack));
        let payload = self.get(payload);
        self.make(d, account, |store, owner| store.make_context(owner, domain, function, cells, payload))
    }

    fn ctx_resume(&mut self, c: Reg) -> Step {
        let reference = self.get(c);
        let context = self.store().context_of(reference);
        let alive = context.and_then(|context| self.store().present(context).map(|_| ()).and(self.may_run(context)));
        match alive {
            Ok(()) => self.exit(Exit::Resume(reference)),
            Err(fault) => self.fault(fault, 0),
        }
    }

    fn ctx_capture(&mut self, d: Reg, c: Reg) -> Step {
        let bytes = self.context(c).and_then(|context| capture(self.store(), context));
        self.put_or_fault(d, bytes)
    }

    fn ctx_kill(&mut self, c: Reg) -> Step {
        let killed = self.context(c).map(|context| self.store().context_mut(context).finish(None));
        self.done(killed)
    }

    fn ctx_state(&mut self, d: Reg, c: Reg) -> Step {
        let state = self.context(c).map(|context| self.store().context(context).port.state.code());
        self.put_or_fault(d, state)
    }

    fn ctx_word(&mut self, d: Reg, c: Reg, i: u32) -> Step {
        let word = self.context(c).and_then(|context| self.store().message(context, i, false));
        self.put_or_fault(d, word)
    }

    fn ctx_ref(&mut self, d: Reg, c: Reg, i: u32) -> Step {
        let reference = self.context(c).and_then(|context| self.store().message(context, i, true));
        self.put_or_fault(d, reference)
    }

    fn ctx_set_word(&mut self, c: Reg, i: u32, v: Reg) -> Step {
        let bits = self.get::<u64>(v);
        let set = self.context(c).and_then(|context| self.store().set_message(context, i, false, bits));
        self.done(set)
    }

    fn ctx_set_ref(&mut self, c: Reg, i: u32, a: Reg) -> Step {
        let bits = self.get::<u64>(a);
        let set = self.context(c).and_then(|context| self.store().set_message(context, i, true, bits));
        self.done(set)
    }

    fn ctx_transfer(&mut self, to: Reg, from: Reg) -> Step {
        let contexts = self.context(to).and_then(|to| Ok((to, self.context(from)?)));
        let sent = contexts.and_then(|(to, from)| self.store().transfer(to, from));
        self.done(sent)
    }

    fn ctx_depth(&mut self, d: Reg, c: Reg) -> Step {
        let depth = self.context(c).map(|context| match self.store().settled(context) {
            Ok((context, _)) => context.depth(),
            // Its domain is gone, and its frames with it.
            Err(_) => 0,
        });
        self.put_or_fault(d, depth)
    }

    #[inline(always)]
    fn ctx_frame(&mut self, function: Reg, pc: Reg, c: Reg, depth: Reg) -> Step {
        self.apart(depth, move |cpu, depth| cpu.frame_of(function, pc, c, depth))
    }

    fn ctx_reg(&mut self, d: Reg, c: Reg, depth: Reg, i: Reg) -> Step {
        let bits = self.register(c, depth, i, false);
        self.put_or_fault(d, bits)
    }

    fn ctx_reg_ref(&mut self, d: Reg, c: Reg, depth: Reg, i: Reg) -> Step {
        let bits = self.register(c, depth, i, true);
        self.put_or_fault(d, bits)
    }

    fn ctx_set_reg(&mut self, c: Reg, depth: Reg, i: Reg, v: Reg) -> Step {
        self.set_cell(c, depth, i, v, false)
    }

    fn ctx_set_reg_ref(&mut self, c: Reg, depth: Reg, i: Reg, a: Reg) -> Step {
        self.set_cell(c, depth, i, a, true)
    }

    fn ctx_fault(&mut self, code: Reg, detail: Reg, c: Reg) -> Step {
        match self.context(c).map(|context| self.store().context(context).port.state) {
            Ok(State::Faulted(fault, value)) => {
                self.set(code, u32::from(fault.code()));
                self.put(detail, value)
            }
            Ok(State::Ready | State::InSvc | State::WaitsForPage(_) | State::Finished) => {
                self.set(code, 0_u32);
                self.put(detail, 0_u64)
            }
            Err(fault) => self.fault(fault, 0),
        }
    }

    fn ctx_domain(&mut self, d: Reg, c: Reg) -> Step {
        let domain = self.context(c).map(|context| self.store().reference_to_domain_of(context));
        self.put_or_fault(d, domain)
    }

    fn timer_now(&mut self, d: Reg) -> Step {
        self.tick();
        let now = self.store().clock.now();
        self.put(d, now)
    }

    fn timer_set(&mut self, at: Reg) -> Step {
        let at = self.get(at);
        self.store().set_alarm(at);
        Step::Next
    }

    fn irq_take(&mut self, d: Reg) -> Step {
        self.tick();
        let pending = self.store().clock.take_interrupts();
        self.put(d, pending)
    }

    fn idle(&mut self) -> Step {
        self.exit(Exit::Idle)
    }

    fn halt(&mut self, status: Reg) -> Step {
        self.exit(Exit::Halt(self.get(status)))
    }

    fn dev_get(&mut self, d: Reg, dev: Reg, register: Reg) -> Step {
        let (device, register) = (self.get(dev), self.get(register));
        let value = self.store().read_register(device, register).map(u64::from);
        self.put_or_fault(d, value)
    }

    fn dev_set(&mut self, dev: Reg, register: Reg, v: Reg) -> Step {
        let (device, register, value) = (self.get(dev), self.get(register), self.get::<u64>(v));
        let set = self.store().write_register(device, register, value as u32);
        self.done(set)
    }

    fn dev_bind(&mut self, dev: Reg, window: Reg, a: Reg) -> Step {
        let (device, window, memory) = (self.get(dev), self.get(window), self.get(a));
        let bound = self.store().bind_window(device, window, memory);
        self.done(bound)
    }

    fn dev_line(&mut self, d: Reg, dev: Reg) -> Step {
        let device = self.get(dev);
        let line = self.store().line_of(device);
        self.put_or_fault(d, line)
    }
}

impl<P: Policy> Cpu<P> {
    fn account(&mut self, account: Reg) -> Outcome<AccountKey> {
        let reference = self.get(account);
        self.store().account_of(reference)
    }

    fn context(&mut self, c: Reg) -> Outcome<ContextKey> {
        let reference = self.get(c);
        self.store().context_of(reference)
    }

    /// Ends an instruction that has no result.
    fn done(&mut self, outcome: Outcome<()>) -> Step {
        self.done_at(outcome, 0)
    }

    /// Writes what was made at the expense of `account`, or null where there was no room.
    fn make(
        &mut self,
        d: Reg,
        account: Reg,
        make: impl FnOnce(&mut Store, AccountKey) -> Outcome<Option<Ref>>,
    ) -> Step {
        self.make_after(Ok(()), d, account, 0, make)
    }

    /// As [`Cpu::make`], for instructions with reference operands before the account: a fault of theirs comes first.
    /// `detail` is that of a bounds fault.
    fn make_after(
        &mut self,
        operands: Outcome<()>,
        d: Reg,
        account: Reg,
        detail: u64,
        make: impl FnOnce(&mut Store, AccountKey) -> Outcome<Option<Ref>>,
    ) -> Step {
        let owner = operands.and_then(|()| self.account(account));
        let made = owner.and_then(|owner| make(self.store(), owner));
        self.put_at(d, made.map(|made| made.unwrap_or(Ref::NULL)), detail)
    }

    /// Writes the value, or faults; `detail` is that of a bounds fault.
    fn put_at<T: Cell>(&mut self, d: Reg, value: Outcome<T>, detail: u64) -> Step {
        match value {
            Ok(value) => self.put(d, value),
            Err(fault) => self.fault(fault, if fault == Fault::Bounds { detail } else { 0 }),
        }
    }

    /// Ends an instruction that has no result; `detail` is that of a bounds fault.
    fn done_at(&mut self, outcome: Outcome<()>, detail: u64) -> Step {
        match outcome {
            Ok(()) => Step::Next,
            Err(fault) => self.fault(fault, if fault == Fault::Bounds { detail } else { 0 }),
        }
    }

    /// Whether ending a reference would pull the ground from under the kernel.
    fn is_own(&mut self, reference: Ref) -> bool {
        let domain = self.domain();
        let account = self.store().owner_of(domain);
        self.store().account_of(reference).is_ok_and(|own| own == account)
    }

    /// A context can run that is not finished.
    fn may_run(&mut self, context: ContextKey) -> Outcome<()> {
        if self.store().context(context).port.state == State::Finished { Err(Fault::State) } else { Ok(()) }
    }

    /// The cell of a register of a parked context, of the wanted sort.
    fn cell(&mut self, c: Reg, depth: Reg, i: Reg, reference: bool) -> Outcome<&mut u64> {
        let (depth, index) = (self.get(depth), self.get(i));
        let context = self.context(c)?;
        let (context, module) = self.store().settled(context)?;
        let (cell, ty) = context.cell_of(&module, depth, index).ok_or(Fault::Argument)?;
        if (ty == ValueType::Ref) != reference {
            return Err(Fault::Argument);
        }
        Ok(&mut context.stack[cell])
    }

    /// What a register of a parked context holds, if that still matters, and otherwise zero or null.
    fn register(&mut self, c: Reg, depth: Reg, i: Reg, reference: bool) -> Outcome<u64> {
        let bits = *self.cell(c, depth, i, reference)?;
        let (depth, index) = (self.get(depth), self.get(i));
        let context = self.context(c)?;
        let (context, module) = self.store().settled(context)?;
        Ok(if context.is_live(&module, depth, index) { bits } else { 0 })
    }

    fn frame_of(&mut self, function: Reg, pc: Reg, c: Reg, depth: Reg) -> Step {
        let depth = self.get::<u32>(depth) as usize;
        let frame = self.context(c).and_then(|context| {
            let (context, module) = self.store().settled(context)?;
            context.frames(&module).into_iter().rev().nth(depth).ok_or(Fault::Argument)
        });
        match frame {
            Ok(frame) => {
                self.set(function, frame.function);
                self.put(pc, frame.pc)
            }
            Err(fault) => self.fault(fault, 0),
        }
    }

    fn set_cell(&mut self, c: Reg, depth: Reg, i: Reg, v: Reg, reference: bool) -> Step {
        let bits = self.get::<u64>(v);
        let narrow = self.is_narrow(c, depth, i);
        let set = self.cell(c, depth, i, reference).map(|cell| *cell = if narrow { bits & 0xffff_ffff } else { bits });
        self.done(set)
    }

    /// Whether a register of a parked context has 32 bits.
    fn is_narrow(&mut self, c: Reg, depth: Reg, i: Reg) -> bool {
        let (depth, index) = (self.get(depth), self.get(i));
        let ty = self.context(c).and_then(|context| {
            let (context, module) = self.store().settled(context)?;
            context.cell_of(&module, depth, index).ok_or(Fault::Argument)
        });
        matches!(ty, Ok((_, ValueType::I32 | ValueType::F32)))
    }

    /// Tells the clock what was burnt since the run began, so that time is exact in virtual time.
    fn tick(&mut self) {
        let fuel = self.state.fuel;
        let runtime = self.runtime();
        let burnt = runtime.fuel_told - fuel;
        runtime.fuel_told = fuel;
        self.store().clock.burn(burnt);
    }
}

fn slot(slots: &[Ref], index: u32) -> Outcome<Ref> {
    slots.get(index as usize).copied().ok_or(Fault::Bounds)
}

fn set_slot(slots: &mut [Ref], index: u32, reference: Ref) -> Outcome<()> {
    slots.get_mut(index as usize).map(|slot| *slot = reference).ok_or(Fault::Bounds)
}

fn capture(store: &mut Store, context: ContextKey) -> Outcome<u64> {
    let (context, module) = store.settled(context)?;
    if matches!(context.port.state, State::WaitsForPage(_) | State::Finished) {
        Err(Fault::State)
    } else {
        Ok(context.capture(&module))
    }
}

/// The page to be supplied, if there is none such.
fn supply_outside(store: &mut Store, to: Ref, page: u32) -> Option<u32> {
    let memory = store.memory_of(to).ok()?;
    (page >= store.memory_mut(memory).pages()).then_some(page)
}

fn supply(store: &mut Store, to: Ref, page: u32, from: Ref, from_page: u32) -> Outcome<()> {
    let (to, from) = (store.memory_of(to)?, store.memory_of(from)?);
    let contents = store.memory_mut(from).page(from_page)?.to_vec();
    store.control_pages(to, |memory| memory.supply(page, &contents))
}

/// Reads and verifies a module: `None` if it is refused, `Some(None)` if the account has no room for it.
fn load(store: &mut Store, owner: AccountKey, segment: Ref, offset: u64, length: u64) -> Outcome<Option<Option<Ref>>> {
    let place = store.segment_bytes(segment, offset, length, Rights::READ)?;
    let bytes = store.memory_mut(place.memory).bytes();
    let bytes = bytes[place.offset as usize..][..length as usize].to_vec();
    let verified = Module::read(&bytes).ok().and_then(|module| verify(module, Mode::User).ok());
    Ok(verified.map(|module| store.make_module(owner, module)))
}
