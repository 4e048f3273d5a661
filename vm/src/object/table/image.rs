//! The table as data, for snapshots.

use super::{Details, NewEntry, Object, ObjectTable, Sort};
use crate::object::{Kind, Ref, Rights};

/// A live entry as data.
pub(crate) struct Listed<'a> {
    pub(crate) reference: Ref,
    pub(crate) kind: Kind,
    pub(crate) rights: Rights,
    pub(crate) payload: i64,
    /// Bytes of a memory entry.
    pub(crate) length: u64,
    /// Null if it hangs on nothing.
    pub(crate) anchor: Ref,
    pub(crate) details: &'a Details,
}

/// The entries that are not in use.
#[derive(Clone, Debug)]
pub(crate) struct Vacant {
    /// Index and next generation of those that can be used again, the next one last.
    pub(crate) free: Vec<(u32, u32)>,
    /// Those whose generations are used up, ascending.
    pub(crate) used_up: Vec<u32>,
}

impl ObjectTable {
    /// All entries in the order in which they were made. None may be dead, see [`ObjectTable::sweep_all`].
    pub(crate) fn listed(&self) -> Vec<Listed<'_>> {
        let used = |index: &usize| self.entries[*index].kind() != Kind::NONE;
        let mut indices: Vec<usize> = (1..self.entries.len()).filter(used).collect();
        indices.sort_unstable_by_key(|index| self.made[*index]);
        indices.into_iter().map(|index| self.list(index)).collect()
    }

    fn list(&self, index: usize) -> Listed<'_> {
        let entry = &self.entries[index];
        let hangs = entry.anchor as usize != index;
        Listed {
            reference: Ref::new(index as u32, entry.generation()),
            kind: entry.kind(),
            rights: entry.rights(),
            payload: entry.payload,
            length: entry.length,
            anchor: if hangs { Ref::new(entry.anchor, entry.anchor_generation) } else { Ref::NULL },
            details: &self.details[index],
        }
    }

    pub(crate) fn vacant(&self) -> Vacant {
        let generation = |index: u32| self.entries[index as usize].generation();
        let used_up = (1..self.entries.len() as u32).filter(|index| generation(*index) == 0);
        let free = self.free.iter().map(|index| (*index, generation(*index)));
        Vacant { free: free.collect(), used_up: used_up.collect() }
    }

    /// A table in which so many entries will be put, beside those that are not in use.
    pub(crate) fn of_vacant(live: usize, vacant: &Vacant) -> Self {
        let mut table = Self::new();
        let count = live + vacant.free.len() + vacant.used_up.len();
        (0..count).for_each(|_| table.push_blank());
        for index in &vacant.used_up {
            table.entries[*index as usize].head = 0;
        }
        for (index, generation) in &vacant.free {
            table.entries[*index as usize].head = u64::from(*generation) << 32;
            table.free.push(*index);
        }
        table
    }

    /// The entry that made an object; null if there is none.
    pub(crate) fn root_of(&self, object: Object) -> Ref {
        let mut entries = self.rings.entries(Sort::Object, self.first_of.get(object));
        let root = entries.find(|index| self.details[*index as usize].is_root);
        root.map_or(Ref::NULL, |index| Ref::new(index, self.entries[index as usize].generation()))
    }

    /// Makes an entry that has just this reference. What it hangs on must be there.
    pub(crate) fn put(&mut self, reference: Ref, new: NewEntry) {
        self.entries[reference.index() as usize].head = u64::from(reference.generation()) << 32;
        self.fill(reference.index(), new);
    }
}
