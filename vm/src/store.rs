//! Everything that an engine touches: objects and what is behind them, interrupts and time.

mod capture;
mod contexts;
mod devices;
mod domains;
mod memories;
mod restore;

use limen_isa::Fault;
use limen_isa::module::Module;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::account::{AccountKey, Accounts, Budget};
use crate::attention::{Attention, Timer};
use crate::clock::{Clock, Time};
use crate::context::Context;
use crate::device::Transport;
use crate::engine::EngineKind;
use crate::kernel::Kernel;
use crate::memory::{Memory, MemoryKey};
use crate::object::{Details, Kind, NewEntry, Object, ObjectTable, Ref, Rights, Span, View};
use crate::verify::Verified;

pub(crate) use contexts::MAX_STACK_CELLS;
pub(crate) use restore::Restored;

slotmap::new_key_type! {
    /// Names a module.
    pub(crate) struct ModuleKey;
    /// Names a domain.
    pub(crate) struct DomainKey;
    /// Names a context.
    pub(crate) struct ContextKey;
    /// Names an array of slots.
    pub(crate) struct SlotsKey;
    /// Names a device.
    pub(crate) struct DeviceKey;
}

/// An isolated instance of a module.
pub(crate) struct Domain {
    module: ModuleKey,
    /// Its first entry in the object table; null for domains of the host.
    itself: Ref,
    home: MemoryKey,
    slots: Vec<Ref>,
    owner: AccountKey,
    /// How its code is to be run.
    engine: EngineKind,
}

/// An array of slots, and who pays for it.
struct SlotArray {
    slots: Vec<Ref>,
    owner: AccountKey,
}

/// The objects of one machine.
pub(crate) struct Store {
    pub(crate) objects: ObjectTable,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Clock,
    /// With the number of entries and domains that name each.
    modules: SlotMap<ModuleKey, (Verified<Module>, u32)>,
    domains: SlotMap<DomainKey, Domain>,
    contexts: SlotMap<ContextKey, Context>,
    /// The contexts of the kernel's making that came to a stack, in that order. Some may have none any more.
    on_stacks: VecDeque<ContextKey>,
    memories: SlotMap<MemoryKey, (Memory, AccountKey)>,
    slot_arrays: SlotMap<SlotsKey, SlotArray>,
    devices: SlotMap<DeviceKey, Transport>,
    /// See [`crate::Run::epoch`].
    pub(crate) epoch: u64,
    /// The module in supervisor mode, once one was booted.
    pub(crate) kernel: Option<Kernel>,
    /// What other threads want.
    attention: Arc<Attention>,
    /// When the run is to end.
    deadline: Option<Instant>,
    /// It tells compiled code that does not count when the run is to end.
    deadline_timer: Timer,
    /// It tells it when the clock's timer is due.
    alarm_timer: Timer,
    /// Whether it is to be seen whether the kernel lets others run.
    pub(crate) watches_kernel: bool,
    /// Whether fuel is limited.
    has_limit: bool,
    /// How the code of new domains is to be run.
    engine: EngineKind,
}

/// Where bytes of a segment lie.
pub(crate) struct SegmentPlace {
    pub(crate) memory: MemoryKey,
    /// In the memory object.
    pub(crate) offset: u64,
    /// In the host.
    pub(crate) address: *mut u8,
}

/// Bytes that a cell of a stack, or a slot, costs its owner.
const CELL_BYTES: u64 = 8;

impl Store {
    pub(crate) fn new(clock: Clock, attention: &Arc<Attention>, engine: EngineKind, has_limit: bool) -> Self {
        Self {
            attention: Arc::clone(attention),
            deadline_timer: Timer::new(attention),
            alarm_timer: Timer::new(attention),
            has_limit,
            objects: ObjectTable::new(),
            accounts: Accounts::default(),
            clock,
            modules: SlotMap::with_key(),
            domains: SlotMap::with_key(),
            contexts: SlotMap::with_key(),
            on_stacks: VecDeque::new(),
            memories: SlotMap::with_key(),
            slot_arrays: SlotMap::with_key(),
            devices: SlotMap::with_key(),
            epoch: 0,
            kernel: None,
            deadline: None,
            watches_kernel: false,
            engine,
        }
    }

    /// Whether the machine should look at something before the code of a domain runs further: the host asked it to stop, the
    /// run has taken long enough, or there is an interrupt or a device wants to work, of which only the kernel is not disturbed. Looking changes nothing:
    /// engines look at different times.
    pub(crate) fn is_disturbed(&self, domain: DomainKey) -> bool {
        let is_user = self.kernel.is_some_and(|kernel| kernel.domain != domain);
        self.attention.wants_stop()
            || self.is_past_deadline()
            || is_user && (self.clock.interrupts() || self.is_called_by_devices())
    }

    /// The word that compiled code is to look at instead of counting fuel, which nobody wants to know; not zero if the machine
    /// may want to look at something. `None` if fuel counts: it is limited, or it is the time.
    pub(crate) fn attention(&self) -> Option<*const u64> {
        let counts = self.has_limit || self.clock.time() == Time::Virtual || !Timer::are_there();
        (!counts).then(|| self.attention.word())
    }

    /// See [`crate::Run::zero_when_raised`].
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn zero_when_raised(&self, number: Option<NonNull<AtomicU64>>) -> Option<NonNull<AtomicU64>> {
        // SAFETY: the caller's promise.
        unsafe { self.attention.zero_when_raised(number) }
    }

    /// See [`crate::Run::put_by_attention`].
    pub(crate) fn put_by_attention(&self, number: usize) {
        self.attention.put_by_word(number);
    }

    /// Whether the machine should look at something, as [`Store::is_disturbed`], now that compiled code has found its word
    /// raised, which it no longer is. The kernel goes on if it is an interrupt; but from now on contexts may not be switched
    /// without asking the machine, since the interrupt is pending.
    pub(crate) fn attend(&mut self, domain: DomainKey) -> bool {
        self.attention.lower();
        self.clock.poll();
        self.is_disturbed(domain)
    }

    /// Sets when the run is to end.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        if self.attention().is_some() {
            self.deadline_timer.set(deadline);
        }
    }

    /// Sets the clock's timer, as [`Clock::set_alarm`].
    pub(crate) fn set_alarm(&mut self, at: i64) {
        self.clock.set_alarm(at);
        if self.attention().is_some() {
            self.alarm_timer.set(self.clock.alarm_by_host());
        }
    }

    /// Whether contexts may be switched without asking the machine, which has nothing to look at meanwhile.
    pub(crate) fn lets_run(&self) -> bool {
        self.clock.lets_run() && !self.is_called_by_devices() && !self.watches_kernel
    }

    /// Waits until another thread wants something of the machine or `until`; for ever if that is `None`. `false` if it was the
    /// time.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        self.attention.wait(until.into_iter().chain(self.deadline).min())
    }

    /// Whether the run has taken long enough.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    // Entries

    /// Charges `cost` and one object to `owner` and makes an entry; `None`, and nothing charged, where that cannot be.
    fn enter(&mut self, owner: AccountKey, cost: Budget, new: NewEntry) -> Option<Ref> {
        let cost = cost.and(Budget::OBJECT)?;
        if !self.charge(owner, cost) {
            return None;
        }
        let mut buried = Vec::new();
        let reference = self.objects.insert(new, &mut buried);
        self.dispose_all(&buried);
        if reference.is_none() {
            self.accounts.refund(owner, cost);
        }
        reference
    }

    /// Charges an account. Where it has too little, what it owns and has lost its anchor is looked for first.
    fn charge(&mut self, owner: AccountKey, cost: Budget) -> bool {
        if self.accounts.charge(owner, cost) {
            return true;
        }
        let mut buried = Vec::new();
        self.objects.sweep_all(&mut buried);
        self.dispose_all(&buried);
        self.accounts.charge(owner, cost)
    }

    fn dispose_all(&mut self, buried: &[Details]) {
        for details in buried {
            self.dispose(details);
        }
    }

    /// Gives back what an ended entry held; the object too, if the entry made it.
    fn dispose(&mut self, details: &Details) {
        self.accounts.refund(details.owner, Budget::OBJECT);
        if details.is_root && !matches!(details.object, Object::Memory(_) | Object::OfKernel) {
            self.end_others(details.object);
        }
        match details.object {
            Object::Memory(memory) => self.release(memory),
            Object::Module(module) if details.is_root => self.release_module(module),
            Object::Domain(domain) if details.is_root => self.delete_domain(domain),
            Object::Context(context) if details.is_root => self.delete_context(context),
            Object::Slots(slots) if details.is_root => self.delete_slots(slots),
            Object::Account(account) if details.is_root => self.delete_account(account, details.owner),
            Object::Device(device) if details.is_root => drop(self.devices.remove(device)),
            Object::None
            | Object::OfKernel
            | Object::Module(_)
            | Object::Domain(_)
            | Object::Context(_)
            | Object::Slots(_)
            | Object::Account(_)
            | Object::Device(_) => {}
        }
    }

    /// References to a deleted object end with it, wherever they hang. Objects of the kernel's own have no identity but
    /// their entries, and memory lasts as long as something shows it.
    fn end_others(&mut self, object: Object) {
        for other in self.objects.end_all_of(object) {
            self.accounts.refund(other.owner, Budget::OBJECT);
        }
    }

    /// What an account can still spend, once all that has lost its anchor is found.
    pub(crate) fn free(&mut self, account: AccountKey) -> Budget {
        let mut buried = Vec::new();
        self.objects.sweep_all(&mut buried);
        self.dispose_all(&buried);
        self.accounts.free(account)
    }

    /// An account's objects end with it, and what it could spend goes back to the account it was taken from.
    fn delete_account(&mut self, account: AccountKey, parent: AccountKey) {
        self.sweep_account(account, usize::MAX);
        self.accounts.close(account, parent);
    }

    /// Ends a reference, and with it the object if the reference made it.
    pub(crate) fn revoke(&mut self, reference: Ref) -> Result<(), Fault> {
        let details = self.objects.end(reference)?;
        self.dispose(&details);
        Ok(())
    }

    /// Ends up to `limit` objects of an account; gives how many it still owns.
    pub(crate) fn sweep_account(&mut self, account: AccountKey, limit: usize) -> u32 {
        for reference in self.objects.owned_by(account, limit) {
            // Ending an account ends its objects too, which may be among these: then there is nothing left to do.
            if let Ok(details) = self.objects.end_own(reference) {
                self.dispose(&details);
            }
        }
        self.objects.count_owned_by(account)
    }

    // Accounts

    pub(crate) fn account_of(&self, reference: Ref) -> Result<AccountKey, Fault> {
        match self.objects.details(reference, Kind::ACCOUNT)?.object {
            Object::Account(account) if self.accounts.is_open(account) => Ok(account),
            _ => Err(Fault::Stale),
        }
    }

    /// An account whose budget is taken out of `parent`'s.
    pub(crate) fn make_account(&mut self, parent: AccountKey, budget: Budget) -> Option<Ref> {
        if !self.charge(parent, budget) {
            return None;
        }
        let account = self.accounts.open(budget);
        let made = self.enter(parent, Budget::default(), root(Kind::ACCOUNT, Object::Account(account), parent, 0));
        if made.is_none() {
            self.accounts.close(account, parent);
        }
        made
    }

    /// The account that everything is taken out of, and its reference.
    pub(crate) fn open_root_account(&mut self, budget: Budget) -> Option<(AccountKey, Ref)> {
        let account = self.accounts.open(budget);
        let reference =
            self.enter(account, Budget::default(), root(Kind::ACCOUNT, Object::Account(account), account, 0))?;
        Some((account, reference))
    }

    // Objects of the kernel, derivation

    /// Checks that all these references are live, in their order.
    pub(crate) fn live_all(&self, references: &[Ref]) -> Result<(), Fault> {
        references.iter().try_for_each(|reference| self.objects.live(*reference).map(|_| ()))
    }

    pub(crate) fn make_object(&mut self, owner: AccountKey, kind: Kind, payload: i64) -> Option<Ref> {
        self.enter(owner, Budget::default(), root(kind, Object::OfKernel, owner, payload))
    }

    /// A further reference to the object of `from`.
    pub(crate) fn derive(
        &mut self,
        from: Ref,
        anchor: Ref,
        owner: AccountKey,
        rights: Rights,
        payload: i64,
    ) -> Result<Option<Ref>, Fault> {
        self.objects.live(anchor)?;
        let details = *self.objects.any_details(from)?;
        let original = self.objects.copy_entry(from, owner)?;
        let rights = Rights(original.rights.0 & rights.0);
        let part = |_| View { offset: details.offset, length: original.span.length, rights };
        let view = details.view.some().map_or(View::NONE, part);
        let details = Details { is_whole: details.is_whole, view, ..derived(details, owner, 0) };
        Ok(self.enter_derived(NewEntry { rights, payload, details, anchor, ..original }))
    }

    /// A view of `length` bytes of a memory reference.
    pub(crate) fn derive_memory(
        &mut self,
        from: Ref,
        anchor: Ref,
        owner: AccountKey,
        (offset, length): (u64, u64),
        rights: Rights,
    ) -> Result<Option<Ref>, Fault> {
        self.objects.live(anchor)?;
        let details = *self.objects.details(from, Kind::MEMORY)?;
        let span = self.objects.span(from, Rights::NONE)?;
        if offset.checked_add(length).is_none_or(|end| end > span.length) {
            return Err(Fault::Bounds);
        }
        // SAFETY: within the span, as just checked.
        let base = unsafe { span.base.add(offset as usize) };
        let rights = Rights(self.objects.rights(from).0 & rights.0);
        let details = derived(details, owner, offset);
        let details = Details { view: View { offset: details.offset, length, rights }, ..details };
        let span = Span { base, length, open: span.open };
        Ok(self.enter_derived(NewEntry { kind: Kind::MEMORY, rights, payload: 0, details, span, anchor }))
    }

    /// Ends a view and all that hangs on it, and makes another one of what it was derived as. `None` if there is no room for that.
    pub(crate) fn lend(&mut self, view: Ref, span: (u64, u64), rights: Rights) -> Result<Option<Ref>, Fault> {
        if let Some(lent) = self.objects.lend(view, span, rights)? {
            return Ok(Some(lent));
        }
        // The entry is used up: another one takes its place.
        let owner = self.objects.any_details(view)?.owner;
        match self.relocate(view, owner)? {
            Some(moved) => self.objects.lend(moved, span, rights),
            None => Ok(None),
        }
    }

    fn enter_derived(&mut self, new: NewEntry) -> Option<Ref> {
        let (owner, object) = (new.details.owner, new.details.object);
        let made = self.enter(owner, Budget::default(), new)?;
        if let Object::Memory(memory) = object {
            self.memory_mut(memory).users += 1;
        }
        Some(made)
    }

    /// Makes a new entry of what `from` is and ends `from`. Who has paid for that pays for no more.
    pub(crate) fn relocate(&mut self, from: Ref, owner: AccountKey) -> Result<Option<Ref>, Fault> {
        let moved = self.objects.copy_entry(from, owner)?;
        let former = self.objects.any_details(from)?.owner;
        if owner != former && !self.charge(owner, Budget::OBJECT) {
            return Ok(None);
        }
        let mut buried = Vec::new();
        let made = self.objects.insert(moved, &mut buried);
        self.dispose_all(&buried);
        if owner != former {
            self.accounts.refund(if made.is_some() { former } else { owner }, Budget::OBJECT);
        }
        let Some(made) = made else { return Ok(None) };
        let ended = self.objects.end(from)?;
        if ended.is_root {
            self.note_new_root(ended.object, made);
        }
        Ok(Some(made))
    }

    /// Replaces the payload of a reference.
    pub(crate) fn set_payload(&mut self, reference: Ref, payload: i64) -> Result<(), Fault> {
        self.objects.set_payload(reference, payload)?;
        let details = *self.objects.any_details(reference)?;
        if details.is_root {
            self.note_new_root(details.object, reference);
        }
        Ok(())
    }

    /// Domains and contexts know their own entry, contexts also what is noted there.
    fn note_new_root(&mut self, object: Object, root: Ref) {
        if let Object::Context(context) = object
            && let Some(context) = self.contexts.get_mut(context)
        {
            (context.port.itself, context.port.payload) = (root, self.objects.noted(root));
        }
        if let Object::Domain(domain) = object
            && let Some(domain) = self.domains.get_mut(domain)
        {
            domain.itself = root;
        }
    }
}

/// The first entry of an object.
fn root(kind: Kind, object: Object, owner: AccountKey, payload: i64) -> NewEntry {
    let details = Details { object, owner, is_root: true, offset: 0, is_whole: true, is_open: true, view: View::NONE };
    NewEntry { kind, rights: Rights::ALL, payload, details, span: Span::NOTHING, anchor: Ref::NULL }
}

/// The details of an entry derived from another one.
fn derived(from: Details, owner: AccountKey, offset: u64) -> Details {
    Details {
        object: from.object,
        owner,
        is_root: false,
        offset: from.offset + offset,
        is_whole: false,
        view: View::NONE,
        is_open: from.is_open,
    }
}
