//! Rings of entries, woven through the table: what is asked of some of the entries is answered by looking at those alone.

use slotmap::{Key, SecondaryMap};

use super::table::Object;
use crate::account::AccountKey;
use crate::memory::MemoryKey;
use crate::store::{ContextKey, DeviceKey, DomainKey, ModuleKey, SlotsKey};

/// What the entries of a ring have in common. Each entry is in at most one ring of each sort.
#[derive(Clone, Copy)]
pub(super) enum Sort {
    /// Who pays for them.
    Owner,
    /// The object behind them.
    Object,
    /// What they hang on, or that this is no more.
    Anchor,
}

/// The neighbours of an entry in a ring.
#[derive(Clone, Copy, Default)]
struct Links {
    previous: u32,
    next: u32,
}

/// In place of a ring's first entry: the ring is empty. No ring has the entry that null names.
pub(crate) const EMPTY: u32 = 0;

/// The neighbours of all entries, by index and sort. A ring is named by its first entry, in which most of these methods take
/// it and give it back.
#[derive(Default)]
pub(super) struct Rings(Vec<[Links; 3]>);

impl Rings {
    /// Has room for one entry more.
    pub(super) fn extend(&mut self) {
        self.0.push(Default::default());
    }

    fn links(&mut self, sort: Sort, index: u32) -> &mut Links {
        &mut self.0[index as usize][sort as usize]
    }

    fn connect(&mut self, sort: Sort, previous: u32, next: u32) {
        self.links(sort, previous).next = next;
        self.links(sort, next).previous = previous;
    }

    /// Adds an entry as the last one.
    pub(super) fn push(&mut self, sort: Sort, first: u32, index: u32) -> u32 {
        self.connect(sort, index, index);
        self.join(sort, first, index)
    }

    /// Adds another ring behind the last entry.
    pub(super) fn join(&mut self, sort: Sort, first: u32, other: u32) -> u32 {
        if first == EMPTY || other == EMPTY {
            return first.max(other);
        }
        let (last, last_of_other) = (self.links(sort, first).previous, self.links(sort, other).previous);
        self.connect(sort, last, other);
        self.connect(sort, last_of_other, first);
        first
    }

    /// Takes out an entry, which is in it.
    pub(super) fn remove(&mut self, sort: Sort, first: u32, index: u32) -> u32 {
        let Links { previous, next } = *self.links(sort, index);
        if next == index {
            return EMPTY;
        }
        self.connect(sort, previous, next);
        if first == index { next } else { first }
    }

    /// The entries of a ring, in their order.
    pub(super) fn entries(&self, sort: Sort, first: u32) -> impl Iterator<Item = u32> + '_ {
        let next = move |index: &u32| Some(self.0[*index as usize][sort as usize].next).filter(|next| *next != first);
        std::iter::successors(Some(first).filter(|first| *first != EMPTY), next)
    }
}

/// The first entry to each object. Objects of the kernel's own have no identity but their one entry.
#[derive(Default)]
pub(super) struct FirstOfObject {
    memories: SecondaryMap<MemoryKey, u32>,
    modules: SecondaryMap<ModuleKey, u32>,
    domains: SecondaryMap<DomainKey, u32>,
    contexts: SecondaryMap<ContextKey, u32>,
    slots: SecondaryMap<SlotsKey, u32>,
    accounts: SecondaryMap<AccountKey, u32>,
    devices: SecondaryMap<DeviceKey, u32>,
}

impl FirstOfObject {
    pub(super) fn place(&mut self, object: Object) -> Option<&mut u32> {
        match object {
            Object::None | Object::OfKernel => None,
            Object::Memory(key) => place(&mut self.memories, key),
            Object::Module(key) => place(&mut self.modules, key),
            Object::Domain(key) => place(&mut self.domains, key),
            Object::Context(key) => place(&mut self.contexts, key),
            Object::Slots(key) => place(&mut self.slots, key),
            Object::Account(key) => place(&mut self.accounts, key),
            Object::Device(key) => place(&mut self.devices, key),
        }
    }

    pub(super) fn get(&self, object: Object) -> u32 {
        let first = match object {
            Object::None | Object::OfKernel => None,
            Object::Memory(key) => self.memories.get(key),
            Object::Module(key) => self.modules.get(key),
            Object::Domain(key) => self.domains.get(key),
            Object::Context(key) => self.contexts.get(key),
            Object::Slots(key) => self.slots.get(key),
            Object::Account(key) => self.accounts.get(key),
            Object::Device(key) => self.devices.get(key),
        };
        first.copied().unwrap_or(EMPTY)
    }
}

/// The first entry that each account pays for, its own apart, and how many there are.
#[derive(Default)]
pub(super) struct OfOwner(SecondaryMap<AccountKey, (u32, u32)>);

impl OfOwner {
    pub(super) fn place(&mut self, owner: AccountKey) -> Option<&mut (u32, u32)> {
        place(&mut self.0, owner)
    }

    pub(super) fn get(&self, owner: AccountKey) -> (u32, u32) {
        self.0.get(owner).copied().unwrap_or_default()
    }
}

fn place<K: Key, V: Default>(map: &mut SecondaryMap<K, V>, key: K) -> Option<&mut V> {
    Some(map.entry(key)?.or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(entries: usize) -> Rings {
        let mut rings = Rings::default();
        (0..=entries).for_each(|_| rings.extend());
        rings
    }

    fn listed(rings: &Rings, first: u32) -> Vec<u32> {
        rings.entries(Sort::Object, first).collect()
    }

    #[test]
    fn entries_come_and_go_in_order() {
        let mut rings = rings(4);
        let first = [3, 1, 4].into_iter().fold(EMPTY, |first, index| rings.push(Sort::Object, first, index));
        assert_eq!(listed(&rings, first), [3, 1, 4]);
        let first = rings.remove(Sort::Object, first, 3);
        assert_eq!(listed(&rings, first), [1, 4]);
        let first = rings.remove(Sort::Object, first, 4);
        assert_eq!(listed(&rings, first), [1]);
        assert_eq!(rings.remove(Sort::Object, first, 1), EMPTY);
        assert!(listed(&rings, EMPTY).is_empty());
    }

    #[test]
    fn rings_are_joined_whole() {
        let mut rings = rings(5);
        let left = [1, 2].into_iter().fold(EMPTY, |first, index| rings.push(Sort::Object, first, index));
        let right = [5, 4, 3].into_iter().fold(EMPTY, |first, index| rings.push(Sort::Object, first, index));
        let both = rings.join(Sort::Object, left, right);
        assert_eq!(listed(&rings, both), [1, 2, 5, 4, 3]);
        assert_eq!((rings.join(Sort::Object, both, EMPTY), rings.join(Sort::Object, EMPTY, both)), (both, both));
    }
}
