//! Everything that an engine touches: objects and what is behind them, interrupts and time.

mod capture;
mod devices;
mod restore;

use limen_isa::module::{MAX_PAGES, MAX_SLOTS, Module, PAGE_SIZE};
use limen_isa::{Fault, ValueType};
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::account::{AccountKey, Accounts, Budget};
use crate::attention::{Attention, Timer};
use crate::clock::{Clock, Time};
use crate::context::{Context, State};
use crate::device::Transport;
use crate::engine::EngineKind;
use crate::kernel::Kernel;
use crate::memory::{Guard, Memory, MemoryKey};
use crate::object::{Details, Kind, NewEntry, Object, ObjectTable, Ref, Rights, Span, View};
use crate::verify::Verified;

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

/// Bytes that a page of a stack, of slots or of memory costs its owner.
const PAGE_BYTES: u64 = PAGE_SIZE as u64;

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

    fn delete_domain(&mut self, domain: DomainKey) {
        if let Some(domain) = self.domains.remove(domain) {
            self.epoch += 1;
            self.accounts.refund(domain.owner, Budget::bytes(domain.slots.len() as u64 * CELL_BYTES));
            self.release(domain.home);
            self.release_module(domain.module);
        }
    }

    fn delete_context(&mut self, context: ContextKey) {
        if let Some(context) = self.contexts.remove(context) {
            let cost = Budget { bytes: u64::from(context.cells) * CELL_BYTES, objects: 0, contexts: 1 };
            self.accounts.refund(context.owner, cost);
        }
    }

    fn delete_slots(&mut self, slots: SlotsKey) {
        if let Some(array) = self.slot_arrays.remove(slots) {
            self.accounts.refund(array.owner, Budget::bytes(array.slots.len() as u64 * CELL_BYTES));
        }
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

    /// Makes a new entry of what `from` is and ends `from`.
    pub(crate) fn relocate(&mut self, from: Ref, owner: AccountKey) -> Result<Option<Ref>, Fault> {
        let moved = self.objects.copy_entry(from, owner)?;
        if !self.charge(owner, Budget::OBJECT) {
            return Ok(None);
        }
        let mut buried = Vec::new();
        let Some(made) = self.objects.insert(moved, &mut buried) else {
            self.accounts.refund(owner, Budget::OBJECT);
            return Ok(None);
        };
        self.dispose_all(&buried);
        let ended = self.objects.end(from)?;
        self.accounts.refund(ended.owner, Budget::OBJECT);
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

    // Memory

    pub(crate) fn make_memory(&mut self, owner: AccountKey, pages: u32, max: u32) -> Result<Option<Ref>, Fault> {
        if pages > max || max > MAX_PAGES {
            return Err(Fault::Argument);
        }
        let Some(memory) = self.allocate(owner, pages, max, Guard::None) else { return Ok(None) };
        let made = self.enter_memory(memory, owner);
        if made.is_none() {
            self.release(memory);
        }
        Ok(made)
    }

    /// Memory of whole pages that begins with these bytes, and its first reference.
    pub(crate) fn make_memory_of(&mut self, owner: AccountKey, contents: &[u8]) -> Option<Ref> {
        let pages = u32::try_from(contents.len().div_ceil(PAGE_SIZE as usize)).ok()?;
        let made = self.make_memory(owner, pages, pages).ok()??;
        let memory = self.memory_of(made).ok()?;
        self.memory_mut(memory).bytes_mut()[..contents.len()].copy_from_slice(contents);
        Some(made)
    }

    /// Memory that nothing but the caller knows yet.
    fn allocate(&mut self, owner: AccountKey, pages: u32, max: u32, guard: Guard) -> Option<MemoryKey> {
        let cost = Budget::bytes(u64::from(pages) * PAGE_BYTES);
        if !self.charge(owner, cost) {
            return None;
        }
        let memory = guard.memory(pages, max);
        if memory.is_none() {
            self.accounts.refund(owner, cost);
        }
        let memory = memory?;
        self.accounts.depend(owner);
        Some(self.memories.insert((memory, owner)))
    }

    /// The first entry of a memory object.
    fn enter_memory(&mut self, key: MemoryKey, owner: AccountKey) -> Option<Ref> {
        let memory = self.memory_mut(key);
        let span = Span { base: memory.base(), length: memory.length(), open: memory.is_open() };
        self.enter(owner, Budget::default(), NewEntry { span, ..root(Kind::MEMORY, Object::Memory(key), owner, 0) })
    }

    pub(crate) fn memory_mut(&mut self, memory: MemoryKey) -> &mut Memory {
        &mut self.memories[memory].0
    }

    /// One user less; the last one takes the memory with it.
    fn release(&mut self, memory: MemoryKey) {
        let users = &mut self.memory_mut(memory).users;
        *users -= 1;
        if *users == 0
            && let Some((memory, owner)) = self.memories.remove(memory)
        {
            self.accounts.refund(owner, Budget::bytes(memory.length()));
            self.accounts.depend_no_more(owner);
        }
    }

    /// Grows a memory object; gives its pages before, or `None` where its maximum or its owner forbids it.
    pub(crate) fn grow(&mut self, key: MemoryKey, more: u32) -> Option<u32> {
        let pages = self.memory_mut(key).grown(more)?;
        let owner = self.memories[key].1;
        let cost = Budget::bytes(u64::from(more) * PAGE_BYTES);
        if !self.charge(owner, cost) {
            return None;
        }
        let memory = self.memory_mut(key);
        let before = memory.pages();
        if !memory.set_pages(pages) {
            self.accounts.refund(owner, cost);
            return None;
        }
        self.epoch += 1;
        let memory = self.memory_mut(key);
        let (length, open) = (memory.length(), memory.is_open());
        self.objects.refresh_memory(key, length, open);
        Some(before)
    }

    pub(crate) fn memory_of(&self, reference: Ref) -> Result<MemoryKey, Fault> {
        match self.objects.details(reference, Kind::MEMORY)?.object {
            Object::Memory(memory) => Ok(memory),
            _ => Err(Fault::Kind),
        }
    }

    /// Does what brings a memory's pages under control, if that succeeds. The first time, all that was said of the memory
    /// before becomes untrue.
    pub(crate) fn control_pages(
        &mut self,
        key: MemoryKey,
        control: impl FnOnce(&mut Memory) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let memory = self.memory_mut(key);
        let was_open = memory.is_open();
        control(memory)?;
        if was_open {
            let length = memory.length();
            self.epoch += 1;
            self.objects.refresh_memory(key, length, false);
        }
        Ok(())
    }

    /// Checks an access to a segment by the rules and finds its bytes, whatever the state of their pages.
    pub(crate) fn segment_bytes(
        &self,
        segment: Ref,
        offset: u64,
        size: u64,
        rights: Rights,
    ) -> Result<SegmentPlace, Fault> {
        let span = self.objects.span(segment, rights)?;
        let details = self.objects.details(segment, Kind::MEMORY)?;
        if offset.checked_add(size).is_none_or(|end| end > span.length) {
            return Err(Fault::Bounds);
        }
        let memory = self.memory_of(segment)?;
        // SAFETY: within the span, as just checked.
        Ok(SegmentPlace { memory, offset: details.offset + offset, address: unsafe { span.base.add(offset as usize) } })
    }

    /// Where an offset of a segment lies in the host; only to compare.
    pub(crate) fn host_address(&self, segment: Ref, offset: u64) -> u64 {
        self.objects.span(segment, Rights::NONE).map_or(0, |span| span.base as u64).wrapping_add(offset)
    }

    // Modules and domains

    /// A module that nothing names yet.
    fn add_module(&mut self, module: Verified<Module>) -> ModuleKey {
        self.modules.insert((module, 0))
    }

    pub(crate) fn make_module(&mut self, owner: AccountKey, module: Verified<Module>) -> Option<Ref> {
        let key = self.add_module(module);
        self.modules[key].1 += 1;
        let made = self.enter(owner, Budget::default(), root(Kind::MODULE, Object::Module(key), owner, 0));
        if made.is_none() {
            self.release_module(key);
        }
        made
    }

    /// One that names it less; the last one takes the module with it.
    fn release_module(&mut self, module: ModuleKey) {
        let users = &mut self.modules[module].1;
        *users -= 1;
        if *users == 0 {
            self.modules.remove(module);
        }
    }

    /// The first reference to a memory; null if it has none, as the homes of the host's domains.
    pub(crate) fn reference_to_memory(&self, memory: MemoryKey) -> Ref {
        self.objects.whole_of(memory)
    }

    pub(crate) fn has_module(&self, module: ModuleKey) -> bool {
        self.modules.contains_key(module)
    }

    pub(crate) fn module(&self, module: ModuleKey) -> &Verified<Module> {
        &self.modules[module].0
    }

    pub(crate) fn module_of(&self, domain: DomainKey) -> &Verified<Module> {
        self.module(self.domains[domain].module)
    }

    pub(crate) fn module_key(&self, reference: Ref) -> Result<ModuleKey, Fault> {
        match self.objects.details(reference, Kind::MODULE)?.object {
            Object::Module(module) if self.modules.contains_key(module) => Ok(module),
            _ => Err(Fault::Stale),
        }
    }

    /// A domain of the host's own module.
    pub(crate) fn add_domain_of(
        &mut self,
        owner: AccountKey,
        module: &Verified<Module>,
        guard: Guard,
    ) -> Option<DomainKey> {
        let key = self.add_module(module.clone());
        let domain = self.add_domain(owner, key, None, guard).ok().flatten();
        if domain.is_none() {
            self.modules.remove(key);
        }
        domain
    }

    /// A domain that nothing refers to yet. `home` is memory of the caller's, or `None` for memory of the module's size.
    pub(crate) fn add_domain(
        &mut self,
        owner: AccountKey,
        module: ModuleKey,
        home: Option<MemoryKey>,
        guard: Guard,
    ) -> Result<Option<DomainKey>, Fault> {
        let code = self.module(module).clone();
        let wanted = &code.home;
        let Some(home) = self.home_for(owner, wanted, home, guard)? else { return Ok(None) };
        let slots = vec![Ref::NULL; wanted.slots as usize];
        if !self.charge(owner, Budget::bytes(slots.len() as u64 * CELL_BYTES)) {
            self.release(home);
            return Ok(None);
        }
        for segment in &wanted.data {
            let start = segment.address as usize;
            self.memory_mut(home).bytes_mut()[start..start + segment.bytes.len()].copy_from_slice(&segment.bytes);
        }
        self.modules[module].1 += 1;
        Ok(Some(self.domains.insert(Domain { module, itself: Ref::NULL, home, slots, owner, engine: self.engine })))
    }

    fn home_for(
        &mut self,
        owner: AccountKey,
        wanted: &limen_isa::module::Home,
        given: Option<MemoryKey>,
        guard: Guard,
    ) -> Result<Option<MemoryKey>, Fault> {
        let Some(memory) = given else {
            return Ok(self.allocate(owner, wanted.min_pages, wanted.max_pages, guard));
        };
        if self.memory_mut(memory).pages() < wanted.min_pages {
            return Err(Fault::Argument);
        }
        self.memory_mut(memory).users += 1;
        Ok(Some(memory))
    }

    pub(crate) fn make_domain(
        &mut self,
        owner: AccountKey,
        module: Ref,
        home: Ref,
        payload: i64,
    ) -> Result<Option<Ref>, Fault> {
        let module = self.module_key(module)?;
        let home = if home.is_null() { None } else { Some(self.memory_of(home)?) };
        let Some(domain) = self.add_domain(owner, module, home, Guard::None)? else { return Ok(None) };
        let made = self.enter(owner, Budget::default(), root(Kind::DOMAIN, Object::Domain(domain), owner, payload));
        match made {
            Some(reference) => self.domains[domain].itself = reference,
            None => self.delete_domain(domain),
        }
        Ok(made)
    }

    pub(crate) fn domain_of(&self, reference: Ref) -> Result<DomainKey, Fault> {
        match self.objects.details(reference, Kind::DOMAIN)?.object {
            Object::Domain(domain) if self.domains.contains_key(domain) => Ok(domain),
            // Derived references can outlive the object.
            _ => Err(Fault::Stale),
        }
    }

    /// The first reference to the domain a context runs in; null if the domain is no more.
    pub(crate) fn reference_to_domain_of(&self, context: ContextKey) -> Ref {
        self.domains.get(self.contexts[context].domain).map_or(Ref::NULL, |domain| domain.itself)
    }

    pub(crate) fn has_domain(&self, domain: DomainKey) -> bool {
        self.domains.contains_key(domain)
    }

    pub(crate) fn engine_of(&self, domain: DomainKey) -> EngineKind {
        self.domains[domain].engine
    }

    /// Sets how a domain's code is to be run, or that of all domains there are and will be.
    pub(crate) fn set_engine(&mut self, domain: Option<DomainKey>, engine: EngineKind) {
        self.epoch += 1;
        match domain {
            Some(domain) => self.domains[domain].engine = engine,
            None => {
                self.engine = engine;
                self.domains.values_mut().for_each(|domain| domain.engine = engine);
            }
        }
    }

    pub(crate) fn module_key_of(&self, domain: DomainKey) -> ModuleKey {
        self.domains[domain].module
    }

    pub(crate) fn home_of(&self, domain: DomainKey) -> MemoryKey {
        self.domains[domain].home
    }

    pub(crate) fn home_pages(&mut self, domain: DomainKey) -> u32 {
        let home = self.home_of(domain);
        self.memory_mut(home).pages()
    }

    /// The first byte of a home, and how many may be accessed without a look at page states.
    pub(crate) fn open_home(&mut self, domain: DomainKey) -> (*mut u8, usize) {
        let home = self.home_of(domain);
        let memory = self.memory_mut(home);
        (memory.base(), if memory.is_open() { memory.length() as usize } else { 0 })
    }

    /// A reference to a domain's home, charged to `owner`, that lives as long as `domain`.
    pub(crate) fn refer_to_home(&mut self, domain: Ref, owner: AccountKey) -> Result<Option<Ref>, Fault> {
        let home = self.home_of(self.domain_of(domain)?);
        let memory = self.memory_mut(home);
        let span = Span { base: memory.base(), length: memory.length(), open: memory.is_open() };
        let details = Details {
            object: Object::Memory(home),
            owner,
            is_root: false,
            offset: 0,
            is_whole: true,
            is_open: true,
            view: View::NONE,
        };
        let new = NewEntry { kind: Kind::MEMORY, rights: Rights::ALL, payload: 0, details, span, anchor: domain };
        Ok(self.enter_derived(new))
    }

    pub(crate) fn owner_of(&self, domain: DomainKey) -> AccountKey {
        self.domains[domain].owner
    }

    pub(crate) fn slots_of(&self, domain: DomainKey) -> &[Ref] {
        &self.domains[domain].slots
    }

    pub(crate) fn slots_of_mut(&mut self, domain: DomainKey) -> &mut [Ref] {
        &mut self.domains[domain].slots
    }

    /// Adds null slots; gives their number before.
    pub(crate) fn grow_slots(&mut self, domain: DomainKey, more: u32) -> Option<u32> {
        let (before, owner) = (self.slots_of(domain).len() as u32, self.owner_of(domain));
        let after = before.checked_add(more).filter(|size| *size <= MAX_SLOTS)?;
        if !self.charge(owner, Budget::bytes(u64::from(more) * CELL_BYTES)) {
            return None;
        }
        self.domains[domain].slots.resize(after as usize, Ref::NULL);
        self.epoch += 1;
        Some(before)
    }

    // Slot arrays

    pub(crate) fn make_slots(&mut self, owner: AccountKey, count: u32) -> Result<Option<Ref>, Fault> {
        if count > MAX_SLOTS {
            return Err(Fault::Argument);
        }
        let cost = Budget::bytes(u64::from(count) * CELL_BYTES);
        if !self.charge(owner, cost) {
            return Ok(None);
        }
        let array = self.slot_arrays.insert(SlotArray { slots: vec![Ref::NULL; count as usize], owner });
        let made = self.enter(owner, Budget::default(), root(Kind::SLOTS, Object::Slots(array), owner, 0));
        if made.is_none() {
            self.delete_slots(array);
        }
        Ok(made)
    }

    pub(crate) fn slot_array_mut(&mut self, reference: Ref) -> Result<&mut Vec<Ref>, Fault> {
        match self.objects.details(reference, Kind::SLOTS)?.object {
            Object::Slots(array) => self.slot_arrays.get_mut(array).map(|array| &mut array.slots).ok_or(Fault::Stale),
            _ => Err(Fault::Stale),
        }
    }

    // Contexts

    /// A context that nothing refers to yet; `None` if the account has no room. Fault `stack` if its first frame does not
    /// fit, `argument` if there is no such function.
    pub(crate) fn add_context(
        &mut self,
        owner: AccountKey,
        domain: DomainKey,
        function: u32,
        cells: u32,
    ) -> Result<Option<ContextKey>, Fault> {
        if function as usize >= self.module_of(domain).functions.len() || cells > MAX_STACK_CELLS {
            return Err(Fault::Argument);
        }
        if !Context::fits(self.module_of(domain), function, cells) {
            return Err(Fault::Stack);
        }
        let cost = Budget { bytes: u64::from(cells) * CELL_BYTES, objects: 0, contexts: 1 };
        if !self.charge(owner, cost) {
            return Ok(None);
        }
        let context = Context::new(self.module_of(domain), function, domain, owner, cells);
        Ok(Some(self.contexts.insert(context)))
    }

    pub(crate) fn make_context(
        &mut self,
        owner: AccountKey,
        domain: Ref,
        function: u32,
        cells: u32,
        payload: i64,
    ) -> Result<Option<Ref>, Fault> {
        let domain = self.domain_of(domain)?;
        let Some(context) = self.add_context(owner, domain, function, cells)? else { return Ok(None) };
        let span = Span { base: self.contexts[context].port.address().cast(), ..Span::NOTHING };
        let new = NewEntry { span, ..root(Kind::CONTEXT, Object::Context(context), owner, payload) };
        match self.enter(owner, Budget::default(), new) {
            Some(reference) => {
                self.note_new_root(Object::Context(context), reference);
                self.note_stack_of(context);
                return Ok(Some(reference));
            }
            None => self.delete_context(context),
        }
        Ok(None)
    }

    pub(crate) fn remove_context(&mut self, context: ContextKey) {
        self.delete_context(context);
    }

    pub(crate) fn context_of(&self, reference: Ref) -> Result<ContextKey, Fault> {
        match self.objects.details(reference, Kind::CONTEXT)?.object {
            Object::Context(context) if self.contexts.contains_key(context) => Ok(context),
            _ => Err(Fault::Stale),
        }
    }

    pub(crate) fn context(&self, context: ContextKey) -> &Context {
        &self.contexts[context]
    }

    pub(crate) fn context_mut(&mut self, context: ContextKey) -> &mut Context {
        &mut self.contexts[context]
    }

    pub(crate) fn code_of(&self, context: ContextKey) -> &Verified<Module> {
        self.module_of(self.contexts[context].domain)
    }

    /// A context with its frames on the stack, and its module. Fault `state` if its domain is no more.
    pub(crate) fn present(&mut self, context: ContextKey) -> Result<(&mut Context, Verified<Module>), Fault> {
        let domain = self.contexts[context].domain;
        if !self.has_domain(domain) {
            return Err(Fault::State);
        }
        let module = self.module_of(domain).clone();
        if self.contexts[context].restore(&module) {
            self.note_stack_of(context);
        }
        Ok((&mut self.contexts[context], module))
    }

    /// A context has come to a stack. Where there are too many, who came to one longest ago gives its stack back. None of
    /// them runs: contexts come to stacks only while the kernel does, or nobody.
    fn note_stack_of(&mut self, context: ContextKey) {
        self.on_stacks.push_back(context);
        while self.on_stacks.len() > MAX_STACKS {
            let oldest = self.on_stacks.pop_front();
            if let Some(oldest) = oldest.filter(|oldest| *oldest != context) {
                self.take_stack_of(oldest);
            }
        }
    }

    /// Has a context that is parked keep its frames in no more memory than they need, until it is to run again.
    fn take_stack_of(&mut self, context: ContextKey) {
        let Some(parked) = self.contexts.get_mut(context).filter(|context| context.has_stack()) else { return };
        // Where the domain is no more, there is no code to settle frames with; they go when the context goes.
        if let Some(domain) = self.domains.get(parked.domain) {
            let module = &self.modules[domain.module].0;
            parked.settle(module);
            parked.capture(module);
        }
    }

    /// A context that is present, with all its frames in the portable form.
    pub(crate) fn settled(&mut self, context: ContextKey) -> Result<(&mut Context, Verified<Module>), Fault> {
        let (context, module) = self.present(context)?;
        context.settle(&module);
        Ok((context, module))
    }

    /// Element `index` among the references, or among the words, of the message a context gives; zero if there is none.
    pub(crate) fn message(&self, context: ContextKey, index: u32, references: bool) -> Result<u64, Fault> {
        let message = self.context(context).outgoing().ok_or(Fault::State)?;
        let index = index as usize;
        Ok(if references { message.reference(index) } else { message.word(index) })
    }

    /// Writes element `index` among the references, or among the words, that a context takes; nothing if there is none.
    pub(crate) fn set_message(
        &mut self,
        context: ContextKey,
        index: u32,
        references: bool,
        bits: u64,
    ) -> Result<(), Fault> {
        let (context, module) = self.present(context)?;
        match context.port.state {
            State::InSvc => {
                let mut taken = context.port.taken();
                let elements = if references { &mut taken.refs[..] } else { &mut taken.words[..] };
                if let Some(element) = elements.get_mut(index as usize) {
                    *element = bits;
                    context.port.take(taken);
                }
                Ok(())
            }
            State::Ready if context.fresh => {
                let alike = |(ty, _): &(ValueType, u16)| (*ty == ValueType::Ref) == references;
                let parameter = context.parameters(&module).into_iter().filter(alike).nth(index as usize);
                if let Some((ty, register)) = parameter {
                    context.set_register(ty, register, bits);
                }
                Ok(())
            }
            State::Ready | State::Faulted(..) | State::WaitsForPage(_) | State::Finished => Err(Fault::State),
        }
    }

    /// Gives one context's message to another.
    pub(crate) fn transfer(&mut self, to: ContextKey, from: ContextKey) -> Result<(), Fault> {
        let sent = self.context(from).outgoing().ok_or(Fault::State)?.message();
        let (receiver, _) = self.present(to)?;
        if receiver.port.state != State::InSvc {
            return Err(Fault::State);
        }
        receiver.port.take(sent);
        Ok(())
    }

    /// Lets a context run again that was parked: it goes on behind its `svc`, or tries again what could not be done.
    pub(crate) fn unpark(&mut self, context: ContextKey) -> Result<(), Fault> {
        let (context, module) = self.present(context)?;
        match context.port.state {
            State::Ready | State::Faulted(..) | State::WaitsForPage(_) => context.port.state = State::Ready,
            State::InSvc => context.leave_svc(&module),
            State::Finished => return Err(Fault::State),
        }
        Ok(())
    }
}

/// Contexts of the kernel's making that have a stack at once. Among so many that take turns, none is ever captured; beyond
/// that memory counts for more.
const MAX_STACKS: usize = 4096;

/// A stack of more cells than this is refused.
pub(crate) const MAX_STACK_CELLS: u32 = 1 << 28;

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
