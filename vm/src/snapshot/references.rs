//! Whether a reference is one that the machine has made.

use limen_isa::module::MAX_SLOTS;

use super::field::{Read, ensure};
use super::image::{EntryImage, ObjectImage, SlotsImage, TableImage};
use crate::object::{Kind, Ref};

/// By index, the greatest generation that a reference can have had. The first index is that of null.
pub(super) struct References(Vec<u32>);

impl References {
    /// Of a table whose entries are right: each index occurs once, and what an entry hangs on was made before it.
    pub(super) fn of(table: &TableImage) -> Read<Self> {
        let vacant = &table.vacant;
        let count = 1 + table.entries.len() + vacant.free.len() + vacant.used_up.len();
        let mut generations = vec![None; count];
        generations[0] = Some(0);
        let mut note = |index: u32, generation: Option<u32>| {
            let place = generations.get_mut(index as usize).filter(|place| place.is_none());
            match (place, generation) {
                (Some(place), Some(generation)) => *place = Some(generation),
                _ => return ensure(false, "an index of the object table is not there, or twice, or has no generation"),
            }
            Ok(())
        };
        for entry in &table.entries {
            note(entry.reference.index(), Some(entry.reference.generation()).filter(|generation| *generation > 0))?;
        }
        for (index, generation) in &vacant.free {
            note(*index, generation.checked_sub(1))?;
        }
        for index in &vacant.used_up {
            note(*index, Some(u32::MAX))?;
        }
        ensure(vacant.used_up.is_sorted(), "entries that are used up are out of order")?;
        let references = Self(generations.into_iter().flatten().collect());
        references.check_anchors(&table.entries)?;
        Ok(references)
    }

    fn check_anchors(&self, entries: &[EntryImage]) -> Read<()> {
        let mut made = vec![false; self.0.len()];
        for entry in entries {
            let anchor = entry.anchor;
            let is_live = |index: usize| made[index] && self.0[index] == anchor.generation();
            let hangs = anchor.is_null() || self.has_made(anchor.bits()) && is_live(anchor.index() as usize);
            ensure(hangs, "an entry hangs on one that is not live, or was made later")?;
            made[entry.reference.index() as usize] = true;
        }
        Ok(())
    }

    /// Whether these are the bits of null, or of a reference that is or was live.
    pub(super) fn has_made(&self, bits: u64) -> bool {
        let reference = Ref::from_bits(bits);
        let latest = self.0.get(reference.index() as usize);
        reference.is_null()
            || reference.index() > 0 && latest.is_some_and(|latest| (1..=*latest).contains(&reference.generation()))
    }

    pub(super) fn check_slots(&self, slots: &SlotsImage) -> Read<()> {
        ensure(slots.count <= MAX_SLOTS, "there cannot be so many slots")?;
        let mut next = 0;
        for (index, reference) in &slots.set {
            ensure((next..slots.count).contains(index), "slots are out of order, or not there")?;
            ensure(
                !reference.is_null() && self.has_made(reference.bits()),
                "a slot has a reference that was never made",
            )?;
            next = index + 1;
        }
        Ok(())
    }
}

/// Objects of one sort whose numbers are met in order.
pub(super) struct Met {
    next: u32,
    count: u32,
    /// By number: how many entries have made it.
    roots: Vec<u32>,
    /// By number: whether an entry is to it.
    is_named: Vec<bool>,
}

impl Met {
    pub(super) fn of(count: usize) -> Self {
        Self { next: 0, count: count as u32, roots: vec![0; count], is_named: vec![false; count] }
    }

    /// Comes to an object.
    pub(super) fn meet(&mut self, number: u32) -> Read<()> {
        ensure(number <= self.next && number < self.count, "objects are not numbered in their order, or not there")?;
        self.next = self.next.max(number + 1);
        Ok(())
    }

    /// Comes to an entry of an object.
    pub(super) fn meet_entry(&mut self, number: u32, is_root: bool) -> Read<()> {
        self.meet(number)?;
        self.roots[number as usize] += u32::from(is_root);
        self.is_named[number as usize] = true;
        Ok(())
    }

    /// Whether an entry has made the object with this number.
    pub(super) fn was_made(&self, number: usize) -> bool {
        self.roots[number] == 1
    }

    /// All objects were met, and none was made twice.
    pub(super) fn check_all(&self) -> Read<()> {
        ensure(self.next == self.count, "there are objects that nothing names")?;
        ensure(self.roots.iter().all(|roots| *roots <= 1), "an object was made twice")
    }

    /// Also, none has entries but the one that made it is gone.
    pub(super) fn check_made(&self) -> Read<()> {
        self.check_all()?;
        let is_made = self.roots.iter().zip(&self.is_named).all(|(roots, named)| *roots == u32::from(*named));
        ensure(is_made, "the entry that made an object is gone, others are not")
    }
}

/// Whether an entry can be to such an object.
pub(super) fn check_entry(entry: &EntryImage) -> Read<()> {
    let ObjectImage { kind, .. } = entry.object;
    let is_kind = (Kind::MEMORY.0..=Kind::ACCOUNT.0).contains(&kind.0) || kind.0 >= Kind::FIRST_OF_KERNEL;
    ensure(is_kind, "there is no such kind of object")?;
    let has_view = entry.view.is_some();
    ensure(!has_view || kind == Kind::MEMORY && !entry.is_root, "an entry shows a part of what has no parts")
}
