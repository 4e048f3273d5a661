//! The objects of a machine from what was captured of them.

use limen_isa::module::PAGE_SIZE;

use super::{Context, ContextKey, Domain, DomainKey, ModuleKey, SlotArray, SlotsKey, Store};
use crate::account::AccountKey;
use crate::kernel::Kernel;
use crate::machine::MachineError;
use crate::memory::{Guard, MemoryKey};
use crate::object::{Details, Kind, NewEntry, Object, ObjectTable, Ref, Rights, Span, View};
use crate::snapshot::{ContextImage, DomainImage, EntryImage, MemoryImage, SlotsImage, StoreImage};

/// Objects by their numbers.
#[derive(Default)]
struct Keys {
    accounts: Vec<AccountKey>,
    modules: Vec<ModuleKey>,
    memories: Vec<MemoryKey>,
    domains: Vec<DomainKey>,
    arrays: Vec<SlotsKey>,
    contexts: Vec<ContextKey>,
}

/// What a machine has to know of its objects.
pub(crate) struct Restored {
    pub(crate) account: AccountKey,
    /// The first reference to it.
    pub(crate) account_reference: Ref,
    /// The context that goes on, if one does.
    pub(crate) current: Option<ContextKey>,
}

impl Keys {
    /// An account that pays for something: of a closed one nothing is known.
    fn owner(&self, owner: Option<u32>) -> AccountKey {
        owner.map_or(AccountKey::default(), |owner| self.accounts[owner as usize])
    }

    fn object(&self, entry: &EntryImage) -> Object {
        let number = entry.object.number as usize;
        match entry.object.kind {
            Kind::MEMORY => Object::Memory(self.memories[number]),
            Kind::MODULE => Object::Module(self.modules[number]),
            Kind::DOMAIN => Object::Domain(self.domains[number]),
            Kind::CONTEXT => Object::Context(self.contexts[number]),
            Kind::SLOTS => Object::Slots(self.arrays[number]),
            Kind::ACCOUNT => Object::Account(self.accounts[number]),
            _ => Object::OfKernel,
        }
    }
}

impl Store {
    /// Takes in what was captured, which is consistent. This store has nothing yet.
    ///
    /// # Errors
    ///
    /// If the host has no room for it.
    pub(crate) fn restore(&mut self, image: &StoreImage) -> Result<Restored, MachineError> {
        let mut keys = Keys {
            accounts: image.accounts.iter().map(|free| self.accounts.open(*free)).collect(),
            modules: image.modules.iter().map(|module| self.add_module(module.clone())).collect(),
            ..Keys::default()
        };
        let guard = if image.runs.has_kernel { Guard::None } else { Guard::Host };
        for memory in &image.memories {
            let key = self.restore_memory(keys.owner(memory.owner), memory, guard).ok_or(MachineError::Budget)?;
            keys.memories.push(key);
        }
        keys.domains = image.domains.iter().map(|domain| self.restore_domain(&keys, domain)).collect();
        for array in &image.arrays {
            let (slots, owner) = (restore_slots(&array.slots), keys.owner(array.owner));
            keys.arrays.push(self.slot_arrays.insert(SlotArray { slots, owner }));
        }
        keys.contexts = image.contexts.iter().map(|context| self.restore_context(&keys, context)).collect();
        self.objects = ObjectTable::of_vacant(image.table.entries.len(), &image.table.vacant);
        image.table.entries.iter().for_each(|entry| self.restore_entry(&keys, entry));
        let current = keys.contexts[image.runs.current as usize];
        if image.runs.has_kernel {
            self.restore_kernel(&keys, current)?;
        }
        // Whoever goes on has a stack.
        self.present(current).map_err(|_| MachineError::NoDomain)?;
        let account = keys.accounts[0];
        Ok(Restored {
            account,
            account_reference: self.objects.root_of(Object::Account(account)),
            current: Some(current),
        })
    }

    fn restore_memory(&mut self, owner: AccountKey, image: &MemoryImage, guard: Guard) -> Option<MemoryKey> {
        let mut memory = guard.memory(image.pages, image.max_pages)?;
        for page in &image.contents {
            let start = page.number as usize * PAGE_SIZE as usize;
            memory.bytes_mut()[start..start + page.bytes.len()].copy_from_slice(&page.bytes);
        }
        if let Some(states) = &image.states {
            memory.set_state_bytes(states);
        }
        // They are counted as they come.
        memory.users = 0;
        self.accounts.depend(owner);
        Some(self.memories.insert((memory, owner)))
    }

    fn restore_domain(&mut self, keys: &Keys, image: &DomainImage) -> DomainKey {
        let (module, home) = (keys.modules[image.module as usize], keys.memories[image.home as usize]);
        self.modules[module].1 += 1;
        self.memory_mut(home).users += 1;
        let (slots, owner) = (restore_slots(&image.slots), keys.owner(image.owner));
        self.domains.insert(Domain { module, itself: Ref::NULL, home, slots, owner, engine: self.engine })
    }

    fn restore_context(&mut self, keys: &Keys, image: &ContextImage) -> ContextKey {
        let domain = image.domain.map_or(DomainKey::default(), |domain| keys.domains[domain as usize]);
        self.contexts.insert(Context::of_image(domain, keys.owner(image.owner), image))
    }

    fn restore_entry(&mut self, keys: &Keys, image: &EntryImage) {
        let object = keys.object(image);
        let span = self.span_of(object, image);
        let details = Details {
            object,
            owner: keys.accounts[image.owner as usize],
            is_root: image.is_root,
            offset: image.view.as_ref().map_or(0, |view| view.offset),
            is_whole: image.view.is_none(),
            is_open: span.open,
            view: image.view.as_ref().map_or(View::NONE, |view| View {
                offset: view.all_offset,
                length: view.all_length,
                rights: Rights(view.all_rights),
            }),
        };
        let (kind, rights) = (image.object.kind, Rights(image.rights));
        let new = NewEntry { kind, rights, payload: image.payload, details, span, anchor: image.anchor };
        self.objects.put(image.reference, new);
        match object {
            Object::Memory(memory) => self.memory_mut(memory).users += 1,
            Object::Module(module) if image.is_root => self.modules[module].1 += 1,
            Object::Domain(_) | Object::Context(_) if image.is_root => self.note_new_root(object, image.reference),
            Object::Module(_)
            | Object::Domain(_)
            | Object::Context(_)
            | Object::Slots(_)
            | Object::Account(_)
            | Object::Device(_)
            | Object::OfKernel
            | Object::None => {}
        }
    }

    /// Where an entry leads in the host.
    fn span_of(&mut self, object: Object, image: &EntryImage) -> Span {
        match object {
            Object::Memory(key) => {
                let memory = self.memory_mut(key);
                let (open, whole) = (memory.is_open(), memory.length());
                let (offset, length) = image.view.as_ref().map_or((0, whole), |view| (view.offset, view.length));
                // SAFETY: a consistent view is within its memory.
                Span { base: unsafe { memory.base().add(offset as usize) }, length, open }
            }
            Object::Context(key) => Span { base: self.contexts[key].port.address().cast(), ..Span::NOTHING },
            Object::Module(_)
            | Object::Domain(_)
            | Object::Slots(_)
            | Object::Account(_)
            | Object::Device(_)
            | Object::OfKernel
            | Object::None => Span::NOTHING,
        }
    }

    /// The kernel, whose stack is there whether it runs or not.
    fn restore_kernel(&mut self, keys: &Keys, current: ContextKey) -> Result<(), MachineError> {
        let (domain, context) = (keys.domains[0], keys.contexts[0]);
        let module = self.module_of(domain).clone();
        let kernel = Kernel::resumed(&module, domain, context)?;
        if context != current {
            self.contexts[context].begin(&module, 0);
        }
        self.kernel = Some(kernel);
        Ok(())
    }
}

fn restore_slots(image: &SlotsImage) -> Vec<Ref> {
    let mut slots = vec![Ref::NULL; image.count as usize];
    for (index, reference) in &image.set {
        slots[*index as usize] = *reference;
    }
    slots
}
