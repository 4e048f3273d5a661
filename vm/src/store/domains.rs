//! Modules, domains, and arrays of slots.

use limen_isa::Fault;
use limen_isa::module::{Home, MAX_SLOTS, Module};

use super::{CELL_BYTES, ContextKey, Domain, DomainKey, ModuleKey, SlotArray, SlotsKey, Store, root};
use crate::account::{AccountKey, Budget};
use crate::engine::EngineKind;
use crate::memory::{Guard, MemoryKey};
use crate::object::{Details, Kind, NewEntry, Object, Ref, Rights, Span, View};
use crate::verify::Verified;

impl Store {
    /// A module that nothing names yet.
    pub(super) fn add_module(&mut self, module: Verified<Module>) -> ModuleKey {
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
    pub(super) fn release_module(&mut self, module: ModuleKey) {
        let users = &mut self.modules[module].1;
        *users -= 1;
        if *users == 0 {
            self.modules.remove(module);
        }
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
        wanted: &Home,
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

    pub(super) fn delete_domain(&mut self, domain: DomainKey) {
        if let Some(domain) = self.domains.remove(domain) {
            self.epoch += 1;
            self.accounts.refund(domain.owner, Budget::bytes(domain.slots.len() as u64 * CELL_BYTES));
            self.release(domain.home);
            self.release_module(domain.module);
        }
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

    pub(super) fn delete_slots(&mut self, slots: SlotsKey) {
        if let Some(array) = self.slot_arrays.remove(slots) {
            self.accounts.refund(array.owner, Budget::bytes(array.slots.len() as u64 * CELL_BYTES));
        }
    }
}
