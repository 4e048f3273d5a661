//! The objects of a machine as data.

use limen_isa::module::PAGE_SIZE;
use slotmap::{Key, SecondaryMap};

use super::{ContextKey, DomainKey, ModuleKey, SlotsKey, Store};
use crate::account::AccountKey;
use crate::context::Frame;
use crate::memory::{Memory, MemoryKey};
use crate::object::{Kind, Listed, Object, Ref};
use crate::snapshot::{
    ArrayImage, ContextImage, DomainImage, EntryImage, MemoryImage, ObjectImage, PageImage, RunsImage, SlotsImage,
    StateImage, StoreImage, TableImage, ViewImage,
};

/// Objects of one sort in the order of their numbers.
struct Numbers<K: Key> {
    keys: Vec<K>,
    numbers: SecondaryMap<K, u32>,
}

impl<K: Key> Default for Numbers<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), numbers: SecondaryMap::new() }
    }
}

impl<K: Key> Numbers<K> {
    /// Its number: the next one, if it has none.
    fn of(&mut self, key: K) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key);
        self.numbers.insert(key, number);
        number
    }
}

/// All objects, numbered as one comes to them: what has no entry first, then what the entries name, in their order, then
/// what these objects name.
#[derive(Default)]
struct Numbered {
    accounts: Numbers<AccountKey>,
    modules: Numbers<ModuleKey>,
    memories: Numbers<MemoryKey>,
    domains: Numbers<DomainKey>,
    arrays: Numbers<SlotsKey>,
    contexts: Numbers<ContextKey>,
}

impl Numbered {
    fn object(&mut self, kind: Kind, object: Object) -> ObjectImage {
        let number = match object {
            // Machines with devices are not captured.
            Object::None | Object::OfKernel | Object::Device(_) => 0,
            Object::Memory(key) => self.memories.of(key),
            Object::Module(key) => self.modules.of(key),
            Object::Domain(key) => self.domains.of(key),
            Object::Context(key) => self.contexts.of(key),
            Object::Slots(key) => self.arrays.of(key),
            Object::Account(key) => self.accounts.of(key),
        };
        ObjectImage { kind, number }
    }
}

impl Store {
    /// All objects; `account` is the machine's own, `current` the context that was suspended.
    pub(crate) fn capture(&mut self, account: AccountKey, current: ContextKey) -> StoreImage {
        // Whoever is asked for what is there finds the dead first: so nobody can tell.
        self.free(account);
        let mut numbered = Numbered::default();
        numbered.accounts.of(account);
        let kernel = self.kernel;
        kernel.iter().for_each(|kernel| _ = numbered.domains.of(kernel.domain));
        self.host_domains().into_iter().for_each(|domain| _ = numbered.domains.of(domain));
        kernel.iter().for_each(|kernel| _ = numbered.contexts.of(kernel.context));
        let runs = RunsImage { has_kernel: kernel.is_some(), current: numbered.contexts.of(current) };
        let table = self.table_image(&mut numbered);
        let domains = numbered.domains.keys.clone();
        let domains = domains.into_iter().map(|domain| self.domain_image(&mut numbered, domain)).collect();
        let contexts = numbered.contexts.keys.clone();
        let contexts =
            contexts.into_iter().map(|context| self.context_image(&mut numbered, context, current)).collect();
        StoreImage {
            modules: numbered.modules.keys.iter().map(|module| self.module(*module).clone()).collect(),
            memories: numbered.memories.keys.iter().map(|key| self.memory_image(&numbered, *key)).collect(),
            arrays: numbered.arrays.keys.iter().map(|key| self.array_image(&numbered, *key)).collect(),
            accounts: numbered.accounts.keys.iter().map(|account| self.accounts.free(*account)).collect(),
            runs,
            domains,
            contexts,
            table,
        }
    }

    pub(crate) fn has_devices(&self) -> bool {
        !self.devices.is_empty()
    }

    /// The domains that have no entry, which are the host's and the kernel's.
    pub(crate) fn host_domains(&self) -> Vec<DomainKey> {
        self.domains.iter().filter(|(_, domain)| domain.itself.is_null()).map(|(key, _)| key).collect()
    }

    fn table_image(&self, numbered: &mut Numbered) -> TableImage {
        let entries = self.objects.listed().into_iter().map(|entry| entry_image(numbered, &entry)).collect();
        TableImage { entries, vacant: self.objects.vacant() }
    }

    /// The number of an account that pays for something, or of the heir of a closed one.
    fn owner(&self, numbered: &Numbered, owner: AccountKey) -> Option<u32> {
        numbered.accounts.numbers.get(self.accounts.heir_of(owner)?).copied()
    }

    fn domain_image(&self, numbered: &mut Numbered, key: DomainKey) -> DomainImage {
        let domain = &self.domains[key];
        DomainImage {
            owner: self.owner(numbered, domain.owner),
            module: numbered.modules.of(domain.module),
            home: numbered.memories.of(domain.home),
            slots: slots_image(&domain.slots),
        }
    }

    fn array_image(&self, numbered: &Numbered, key: SlotsKey) -> ArrayImage {
        let array = &self.slot_arrays[key];
        ArrayImage { owner: self.owner(numbered, array.owner), slots: slots_image(&array.slots) }
    }

    fn memory_image(&self, numbered: &Numbered, key: MemoryKey) -> MemoryImage {
        let (memory, owner) = &self.memories[key];
        MemoryImage {
            owner: self.owner(numbered, *owner),
            pages: memory.pages(),
            max_pages: memory.max_pages(),
            states: memory.state_bytes(),
            contents: contents(memory),
        }
    }

    fn context_image(&mut self, numbered: &mut Numbered, key: ContextKey, current: ContextKey) -> ContextImage {
        let (owner, domain) = (self.contexts[key].owner, self.contexts[key].domain);
        let (frames, state) = self.frames_image(key, current);
        let context = &self.contexts[key];
        let (cells, fresh) = (context.cells, context.fresh && !frames.is_empty());
        let domain = self.has_domain(domain).then(|| numbered.domains.of(domain));
        ContextImage { owner: self.owner(numbered, owner), domain, cells, fresh, state, frames }
    }

    fn frames_image(&mut self, key: ContextKey, current: ContextKey) -> (Vec<Frame>, StateImage) {
        // Each entry of the kernel begins with an empty stack: what the last one has left there is nothing.
        if key != current && self.kernel.is_some_and(|kernel| kernel.context == key) {
            return (Vec::new(), StateImage::Ready);
        }
        let context = &mut self.contexts[key];
        let domain = self.domains.get(context.domain);
        let frames = domain.map(|domain| context.frames_image(&self.modules[domain.module].0));
        (frames.unwrap_or_default(), context.state_image())
    }
}

fn entry_image(numbered: &mut Numbered, entry: &Listed<'_>) -> EntryImage {
    let details = entry.details;
    EntryImage {
        reference: entry.reference,
        rights: entry.rights.0,
        payload: entry.payload,
        owner: numbered.accounts.of(details.owner),
        object: numbered.object(entry.kind, details.object),
        is_root: details.is_root,
        anchor: entry.anchor,
        view: details.view.some().map(|view| ViewImage {
            offset: details.offset,
            length: entry.length,
            all_offset: view.offset,
            all_length: view.length,
            all_rights: view.rights.0,
        }),
    }
}

fn slots_image(slots: &[Ref]) -> SlotsImage {
    let set = (0..).zip(slots).filter(|(_, reference)| !reference.is_null());
    SlotsImage { count: slots.len() as u32, set: set.map(|(index, reference)| (index, *reference)).collect() }
}

fn contents(memory: &Memory) -> Vec<PageImage> {
    let pages = (0..).zip(memory.bytes().chunks(PAGE_SIZE as usize));
    let filled = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    filled.map(|(number, page)| PageImage { number, bytes: page.into() }).collect()
}
