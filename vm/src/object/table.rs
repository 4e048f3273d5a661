//! The object table: what references are checked against.
//!
//! Each entry names its object and its **anchor**: it is live as long as its own generation *and* its anchor's are the
//! ones that were noted. Ending an entry is one increment, and everything anchored on it ends with it; the dead entries
//! are taken out later, a few at each allocation. Nothing looks at the whole table: entries that are asked for together are
//! in one ring, see [`super::rings`].

mod image;

use limen_isa::Fault;

use super::rings::{EMPTY, FirstOfObject, OfOwner, Rings, Sort};
use super::{Kind, Ref, Rights};
use crate::account::AccountKey;
use crate::memory::MemoryKey;
use crate::store::{ContextKey, DeviceKey, DomainKey, ModuleKey, SlotsKey};

pub(crate) use image::{Listed, Vacant};

/// The object behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    None,
    Memory(MemoryKey),
    Module(ModuleKey),
    Domain(DomainKey),
    Context(ContextKey),
    Slots(SlotsKey),
    Account(AccountKey),
    Device(DeviceKey),
    /// An object that exists only as kind and payload.
    OfKernel,
}

/// What every use of a reference looks at: 48 bytes, so that it seldom spans two cache lines.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// Generation (bits 32..64), kind (16..24) and rights (0..16), so that one comparison checks all three.
    pub(crate) head: u64,
    /// Index of the anchor's entry; an object's first entry is its own anchor.
    pub(crate) anchor: u32,
    pub(crate) anchor_generation: u32,
    /// First byte of a memory entry in the host; the port of a context's entry.
    pub(crate) base: *mut u8,
    /// Bytes that may be accessed without further looks; 0 for memory with absent or protected pages.
    pub(crate) open_length: u64,
    /// Bytes of the memory entry.
    pub(crate) length: u64,
    pub(crate) payload: i64,
}

/// The rest of an entry.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Details {
    pub(crate) object: Object,
    pub(crate) owner: AccountKey,
    /// The entry that made the object: ending it deletes the object.
    pub(crate) is_root: bool,
    /// Where a memory entry begins in its object.
    pub(crate) offset: u64,
    /// A memory entry that is to the whole object, and grows with it.
    pub(crate) is_whole: bool,
    /// Whether accesses to the memory of a memory entry need no look at page states.
    pub(crate) is_open: bool,
    /// What it was derived as, whatever part of that is lent now; [`View::NONE`] if it cannot be lent.
    pub(crate) view: View,
}

/// A part of a memory object, and what may be done with it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct View {
    /// Where it begins in its object.
    pub(crate) offset: u64,
    /// In bytes; more than any memory has if there is none.
    pub(crate) length: u64,
    pub(crate) rights: Rights,
}

impl View {
    pub(crate) const NONE: Self = Self { offset: 0, length: Self::NO_LENGTH, rights: Rights::NONE };

    /// See [`View::length`].
    pub(crate) const NO_LENGTH: u64 = u64::MAX;

    /// `None` if it is [`View::NONE`].
    pub(crate) fn some(self) -> Option<Self> {
        (self.length != Self::NO_LENGTH).then_some(self)
    }
}

/// What a new entry is made of.
pub(crate) struct NewEntry {
    pub(crate) kind: Kind,
    pub(crate) rights: Rights,
    pub(crate) payload: i64,
    pub(crate) details: Details,
    pub(crate) span: Span,
    /// Null: the entry is its own anchor.
    pub(crate) anchor: Ref,
}

/// The bytes a memory entry covers.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) base: *mut u8,
    pub(crate) length: u64,
    /// Whether accesses need no look at page states.
    pub(crate) open: bool,
}

impl Span {
    /// For entries to anything but memory.
    pub(crate) const NOTHING: Span = Span { base: std::ptr::null_mut(), length: 0, open: true };
}

const GENERATION: u64 = 0xffff_ffff_0000_0000;
const KIND: u64 = 0x00ff_0000;

impl Entry {
    const fn kind(&self) -> Kind {
        Kind((self.head >> 16) as u8)
    }

    const fn rights(&self) -> Rights {
        Rights(self.head as u16)
    }

    const fn generation(&self) -> u32 {
        (self.head >> 32) as u32
    }
}

/// See the module.
pub(crate) struct ObjectTable {
    entries: Vec<Entry>,
    details: Vec<Details>,
    free: Vec<u32>,
    rings: Rings,
    first_of: FirstOfObject,
    of_owner: OfOwner,
    /// By index: the first entry that hangs on this one.
    hanging: Vec<u32>,
    /// The first entry whose anchor is no more. What hangs on such entries comes here when they are taken out.
    dead: u32,
    /// By index: how many were made before. The entries of each ring that holds no dead ones are in this order.
    made: Vec<u64>,
    made_in_all: u64,
}

/// How many dead entries each allocation takes out.
const SWEEP_STEP: usize = 2;

/// More entries than this are refused: indices must leave room for bookkeeping in 32 bits.
const MAX_ENTRIES: usize = 1 << 28;

impl ObjectTable {
    /// A table with only the entry that null names, which is never live.
    pub(crate) fn new() -> Self {
        let mut table = Self {
            entries: Vec::new(),
            details: Vec::new(),
            free: Vec::new(),
            rings: Rings::default(),
            first_of: FirstOfObject::default(),
            of_owner: OfOwner::default(),
            hanging: Vec::new(),
            dead: EMPTY,
            made: Vec::new(),
            made_in_all: 0,
        };
        table.push_blank();
        table
    }

    fn push_blank(&mut self) {
        self.entries.push(Entry {
            head: 1 << 32,
            anchor: 0,
            anchor_generation: 0,
            base: std::ptr::null_mut(),
            open_length: 0,
            length: 0,
            payload: 0,
        });
        self.details.push(Details {
            object: Object::None,
            owner: AccountKey::default(),
            is_root: false,
            offset: 0,
            is_whole: false,
            is_open: true,
            view: View::NONE,
        });
        self.rings.extend();
        self.hanging.push(EMPTY);
        self.made.push(0);
    }

    /// Checks generation, anchor, kind and rights at once.
    ///
    /// # Errors
    ///
    /// The fault that the use ends with, in the order null, stale, kind, right.
    #[inline(always)]
    pub(crate) fn check(&self, reference: Ref, kind: Kind, rights: Rights) -> Result<&Entry, Fault> {
        let Some(entry) = self.entries.get(reference.index() as usize) else {
            return Err(self.refusal(reference, kind));
        };
        let wanted = u64::from(reference.generation()) << 32 | u64::from(kind.0) << 16 | u64::from(rights.0);
        let mask = GENERATION | KIND | u64::from(rights.0);
        if (entry.head ^ wanted) & mask == 0 && self.anchored(entry) {
            Ok(entry)
        } else {
            Err(self.refusal(reference, kind))
        }
    }

    #[inline(always)]
    fn anchored(&self, entry: &Entry) -> bool {
        let mut entry = entry;
        loop {
            let Some(anchor) = self.entries.get(entry.anchor as usize) else { return false };
            if anchor.generation() != entry.anchor_generation {
                return false;
            }
            // What hangs on itself hangs on nothing else; seldom is there more than one step to it.
            if std::ptr::eq(anchor, entry) || anchor.anchor == entry.anchor {
                return true;
            }
            entry = anchor;
        }
    }

    #[cold]
    #[inline(never)]
    fn refusal(&self, reference: Ref, kind: Kind) -> Fault {
        match self.live(reference) {
            Err(fault) => fault,
            Ok(entry) if entry.kind() != kind => Fault::Kind,
            Ok(_) => Fault::Right,
        }
    }

    /// The entry of a live reference of any kind.
    pub(crate) fn live(&self, reference: Ref) -> Result<&Entry, Fault> {
        if reference.is_null() {
            return Err(Fault::Null);
        }
        let entry = self.entries.get(reference.index() as usize).ok_or(Fault::Stale)?;
        let live = entry.generation() == reference.generation() && entry.kind() != Kind::NONE && self.anchored(entry);
        if live { Ok(entry) } else { Err(Fault::Stale) }
    }

    /// The kind of a live reference; [`Kind::NONE`] otherwise.
    pub(crate) fn kind(&self, reference: Ref) -> Kind {
        self.live(reference).map_or(Kind::NONE, Entry::kind)
    }

    /// The rights of a live reference; none otherwise.
    pub(crate) fn rights(&self, reference: Ref) -> Rights {
        self.live(reference).map_or(Rights::NONE, Entry::rights)
    }

    /// The payload of a live reference of `kind` ([`Kind::NONE`]: of any).
    pub(crate) fn payload(&self, reference: Ref, kind: Kind) -> Result<i64, Fault> {
        let entry = self.live(reference)?;
        if kind != Kind::NONE && entry.kind() != kind { Err(Fault::Kind) } else { Ok(entry.payload) }
    }

    /// The payload of an entry, whatever has become of what it hangs on.
    pub(crate) fn noted(&self, reference: Ref) -> i64 {
        self.entries[reference.index() as usize].payload
    }

    /// Replaces the payload of a live reference.
    pub(crate) fn set_payload(&mut self, reference: Ref, payload: i64) -> Result<(), Fault> {
        self.live(reference)?;
        self.entries[reference.index() as usize].payload = payload;
        Ok(())
    }

    /// The details of a live reference of `kind`.
    pub(crate) fn details(&self, reference: Ref, kind: Kind) -> Result<&Details, Fault> {
        self.check(reference, kind, Rights::NONE)?;
        Ok(&self.details[reference.index() as usize])
    }

    /// The details of a live reference of any kind.
    pub(crate) fn any_details(&self, reference: Ref) -> Result<&Details, Fault> {
        self.live(reference)?;
        Ok(&self.details[reference.index() as usize])
    }

    /// The first entry and how many there are: until the next one is made.
    pub(crate) fn entries(&self) -> (*const Entry, usize) {
        (self.entries.as_ptr(), self.entries.len())
    }

    /// What the rest of each entry is, and which is the first that hangs on it: as long as [`ObjectTable::entries`].
    pub(crate) fn lending(&self) -> (*const Details, *const u32) {
        (self.details.as_ptr(), self.hanging.as_ptr())
    }

    /// Makes an entry; `None` when the table is full. What of the dead was taken out is told to `buried`.
    pub(crate) fn insert(&mut self, new: NewEntry, buried: &mut Vec<Details>) -> Option<Ref> {
        self.sweep(SWEEP_STEP, buried);
        let index = self.free.pop().or_else(|| self.extend())?;
        Some(self.fill(index, new))
    }

    /// Makes an entry of one that is not in use, with the generation that stands there.
    fn fill(&mut self, index: u32, new: NewEntry) -> Ref {
        let generation = self.entries[index as usize].generation();
        let reference = Ref::new(index, generation);
        let anchor = if new.anchor.is_null() { reference } else { new.anchor };
        self.entries[index as usize] = Entry {
            head: u64::from(generation) << 32 | u64::from(new.kind.0) << 16 | u64::from(new.rights.0),
            anchor: anchor.index(),
            anchor_generation: anchor.generation(),
            base: new.span.base,
            open_length: if new.span.open { new.span.length } else { 0 },
            length: new.span.length,
            payload: new.payload,
        };
        self.details[index as usize] = Details { is_open: new.span.open, ..new.details };
        self.made[index as usize] = self.made_in_all;
        self.made_in_all += 1;
        self.enter_rings(index);
        reference
    }

    fn enter_rings(&mut self, index: u32) {
        self.change_rings(index, Rings::push, 1);
    }

    fn leave_rings(&mut self, index: u32) {
        self.change_rings(index, Rings::remove, -1);
        let hanging = std::mem::replace(&mut self.hanging[index as usize], EMPTY);
        self.dead = self.rings.join(Sort::Anchor, self.dead, hanging);
    }

    /// Changes all rings that an entry belongs to, of which its owner counts the entries.
    fn change_rings(&mut self, index: u32, change: fn(&mut Rings, Sort, u32, u32) -> u32, more: i32) {
        let (rings, details) = (&mut self.rings, self.details[index as usize]);
        if let Some(first) = self.first_of.place(details.object) {
            *first = change(rings, Sort::Object, *first, index);
        }
        if details.is_among_owned()
            && let Some((first, count)) = self.of_owner.place(details.owner)
        {
            *first = change(rings, Sort::Owner, *first, index);
            *count = count.wrapping_add_signed(more);
        }
        if self.entries[index as usize].anchor != index {
            let first = hung_with(&self.entries, &mut self.hanging, &mut self.dead, index);
            *first = change(rings, Sort::Anchor, *first, index);
        }
    }

    fn extend(&mut self) -> Option<u32> {
        let index = self.entries.len();
        if index >= MAX_ENTRIES {
            return None;
        }
        self.push_blank();
        Some(index as u32)
    }

    /// Ends a live entry: it and everything anchored on it is stale from now on.
    pub(crate) fn end(&mut self, reference: Ref) -> Result<Details, Fault> {
        self.live(reference)?;
        Ok(self.bury(reference.index() as usize))
    }

    /// Ends an entry whose anchor may be gone already.
    pub(crate) fn end_own(&mut self, reference: Ref) -> Result<Details, Fault> {
        let entry = self.entries.get(reference.index() as usize).ok_or(Fault::Stale)?;
        let current = entry.generation() == reference.generation() && entry.kind() != Kind::NONE;
        if current { Ok(self.bury(reference.index() as usize)) } else { Err(Fault::Stale) }
    }

    /// Ends every entry to an object.
    pub(crate) fn end_all_of(&mut self, object: Object) -> Vec<Details> {
        let indices: Vec<u32> = self.rings.entries(Sort::Object, self.first_of.get(object)).collect();
        indices.into_iter().map(|index| self.bury(index as usize)).collect()
    }

    /// What a live entry is, for a new entry of the same that `owner` pays for.
    pub(crate) fn copy_entry(&self, reference: Ref, owner: AccountKey) -> Result<NewEntry, Fault> {
        let entry = self.live(reference)?;
        let anchor =
            if entry.anchor == reference.index() { Ref::NULL } else { Ref::new(entry.anchor, entry.anchor_generation) };
        let details = Details { owner, ..self.details[reference.index() as usize] };
        let span = Span { base: entry.base, length: entry.length, open: details.is_open };
        Ok(NewEntry { kind: entry.kind(), rights: entry.rights(), payload: entry.payload, details, span, anchor })
    }

    /// Ends a view and all that hangs on it, and makes another one of its entry: of so many bytes from an offset on of what it
    /// was derived as. `None`, with nothing done, if the entry's generations are used up.
    #[inline]
    pub(crate) fn lend(
        &mut self,
        reference: Ref,
        (offset, length): (u64, u64),
        rights: Rights,
    ) -> Result<Option<Ref>, Fault> {
        self.check(reference, Kind::MEMORY, Rights::NONE)?;
        let index = reference.index() as usize;
        let details = &mut self.details[index];
        let view = details.view.some().ok_or(Fault::State)?;
        if offset.checked_add(length).is_none_or(|end| end > view.length) {
            return Err(Fault::Bounds);
        }
        let Some(generation) = reference.generation().checked_add(1) else { return Ok(None) };
        let entry = &mut self.entries[index];
        // SAFETY: the entry begins `details.offset` bytes behind its memory, and the view is within that.
        entry.base = unsafe { entry.base.sub(details.offset as usize).add((view.offset + offset) as usize) };
        details.offset = view.offset + offset;
        let rights = view.rights.0 & rights.0;
        entry.head = u64::from(generation) << 32 | u64::from(Kind::MEMORY.0) << 16 | u64::from(rights);
        entry.length = length;
        entry.open_length = if details.is_open { length } else { 0 };
        if self.hanging[index] != EMPTY {
            let hanging = std::mem::replace(&mut self.hanging[index], EMPTY);
            self.dead = self.rings.join(Sort::Anchor, self.dead, hanging);
        }
        Ok(Some(Ref::new(index as u32, generation)))
    }

    /// Frees an entry's index for another generation. An index whose generations are used up is never used again.
    fn bury(&mut self, index: usize) -> Details {
        self.leave_rings(index as u32);
        let details = self.details[index];
        let generation = self.entries[index].generation().wrapping_add(1);
        self.entries[index].head = u64::from(generation) << 32;
        self.entries[index].open_length = 0;
        self.entries[index].length = 0;
        self.details[index].object = Object::None;
        if generation != 0 {
            self.free.push(index as u32);
        }
        details
    }

    /// Takes out up to `count` entries that have lost their anchor.
    fn sweep(&mut self, count: usize, buried: &mut Vec<Details>) {
        for _ in 0..count {
            if self.dead == EMPTY {
                return;
            }
            buried.push(self.bury(self.dead as usize));
        }
    }

    /// Takes out all that is dead, as the allocations would in time.
    pub(crate) fn sweep_all(&mut self, buried: &mut Vec<Details>) {
        self.sweep(usize::MAX, buried);
    }

    /// Up to `limit` references that `owner` pays for.
    pub(crate) fn owned_by(&self, owner: AccountKey, limit: usize) -> Vec<Ref> {
        let owned = self.rings.entries(Sort::Owner, self.of_owner.get(owner).0).take(limit);
        owned.map(|index| Ref::new(index, self.entries[index as usize].generation())).collect()
    }

    /// How many entries `owner` pays for, its own apart.
    pub(crate) fn count_owned_by(&self, owner: AccountKey) -> u32 {
        self.of_owner.get(owner).1
    }

    /// Renews what the entries of a memory object say of it: after it grew, or when its pages came under control.
    pub(crate) fn refresh_memory(&mut self, key: MemoryKey, length: u64, open: bool) {
        for index in self.rings.entries(Sort::Object, self.first_of.get(Object::Memory(key))) {
            let (entry, details) = (&mut self.entries[index as usize], &mut self.details[index as usize]);
            details.is_open = open;
            entry.length = if details.is_whole { length } else { entry.length };
            entry.open_length = if open { entry.length } else { 0 };
        }
    }

    /// The first live reference to the whole of a memory object; null if there is none.
    pub(crate) fn whole_of(&self, key: MemoryKey) -> Ref {
        let is_whole = |index: &u32| {
            let entry = &self.entries[*index as usize];
            self.details[*index as usize].is_whole && entry.kind() == Kind::MEMORY && self.anchored(entry)
        };
        let found = self.rings.entries(Sort::Object, self.first_of.get(Object::Memory(key))).find(is_whole);
        found.map_or(Ref::NULL, |index| Ref::new(index, self.entries[index as usize].generation()))
    }

    /// The span of a memory entry with the wanted rights.
    pub(crate) fn span(&self, reference: Ref, rights: Rights) -> Result<Span, Fault> {
        let entry = self.check(reference, Kind::MEMORY, rights)?;
        let open = self.details[reference.index() as usize].is_open;
        Ok(Span { base: entry.base, length: entry.length, open })
    }
}

impl Details {
    /// Whether an account's owner may ask for the entry: not for its own.
    fn is_among_owned(&self) -> bool {
        self.object != Object::Account(self.owner)
    }
}

/// The first of the entries with which one hangs on its anchor, or with which it has lost it.
fn hung_with<'a>(entries: &[Entry], hanging: &'a mut [u32], dead: &'a mut u32, index: u32) -> &'a mut u32 {
    let entry = &entries[index as usize];
    let anchor = entry.anchor as usize;
    if entries[anchor].generation() == entry.anchor_generation { &mut hanging[anchor] } else { dead }
}

impl Entry {
    /// Where the bytes of a memory entry are that need no further look: the address of the first, and how many.
    #[inline(always)]
    pub(crate) fn open_bytes(&self) -> (*mut u8, u64) {
        (self.base, self.open_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(anchor: Ref) -> NewEntry {
        NewEntry {
            kind: Kind(Kind::FIRST_OF_KERNEL),
            rights: Rights(0b101),
            payload: 7,
            details: Details {
                object: Object::OfKernel,
                owner: AccountKey::default(),
                is_root: anchor.is_null(),
                offset: 0,
                is_whole: false,
                is_open: true,
                view: View::NONE,
            },
            span: Span::NOTHING,
            anchor,
        }
    }

    fn insert(table: &mut ObjectTable, anchor: Ref) -> Ref {
        table.insert(plain(anchor), &mut Vec::new()).expect("the table has room")
    }

    #[test]
    fn checks_in_order() {
        let mut table = ObjectTable::new();
        let kind = Kind(Kind::FIRST_OF_KERNEL);
        let reference = insert(&mut table, Ref::NULL);
        assert!(table.check(reference, kind, Rights(0b101)).is_ok());
        assert_eq!(table.check(reference, kind, Rights(0b111)).err(), Some(Fault::Right));
        assert_eq!(table.check(reference, Kind::MEMORY, Rights(0b111)).err(), Some(Fault::Kind));
        assert_eq!(table.check(Ref::NULL, Kind::MEMORY, Rights(0)).err(), Some(Fault::Null));
        table.end(reference).expect("it is live");
        assert_eq!(table.check(reference, Kind::MEMORY, Rights(0b111)).err(), Some(Fault::Stale));
        assert_eq!(table.end(reference).err(), Some(Fault::Stale));
    }

    #[test]
    fn a_reused_index_does_not_revive_a_reference() {
        let mut table = ObjectTable::new();
        let old = insert(&mut table, Ref::NULL);
        table.end(old).expect("it is live");
        let new = insert(&mut table, Ref::NULL);
        assert_eq!(old.index(), new.index());
        assert_eq!(table.live(old).err(), Some(Fault::Stale));
        assert!(table.live(new).is_ok());
    }

    #[test]
    fn what_is_anchored_ends_with_its_anchor() {
        let mut table = ObjectTable::new();
        let anchor = insert(&mut table, Ref::NULL);
        let hanging: Vec<Ref> = (0..100).map(|_| insert(&mut table, anchor)).collect();
        assert!(hanging.iter().all(|reference| table.live(*reference).is_ok()));
        table.end(anchor).expect("it is live");
        assert!(hanging.iter().all(|reference| table.live(*reference).err() == Some(Fault::Stale)));
        let mut buried = Vec::new();
        table.sweep_all(&mut buried);
        assert_eq!(buried.len(), 100);
    }

    #[test]
    fn what_hangs_on_the_dead_is_found_wherever_it_hangs() {
        let mut table = ObjectTable::new();
        let root = insert(&mut table, Ref::NULL);
        let middle = insert(&mut table, root);
        let leaves: Vec<Ref> = (0..10).map(|_| insert(&mut table, middle)).collect();
        let other = insert(&mut table, Ref::NULL);
        table.end(leaves[3]).expect("it is live");
        table.end(root).expect("it is live");
        // One that is dead already can still be ended by itself.
        table.end_own(leaves[5]).expect("it was not taken out yet");
        let mut buried = Vec::new();
        table.sweep_all(&mut buried);
        assert_eq!(buried.len(), 9);
        assert!(table.live(other).is_ok());
    }

    #[test]
    fn each_account_finds_its_own() {
        let mut accounts = crate::account::Accounts::default();
        let [first, second] = [(); 2].map(|()| accounts.open(crate::account::Budget::default()));
        let mut table = ObjectTable::new();
        let mut insert_for = |owner: AccountKey, object: Object| {
            let details = Details { object, owner, ..plain(Ref::NULL).details };
            table.insert(NewEntry { details, ..plain(Ref::NULL) }, &mut Vec::new()).expect("the table has room")
        };
        insert_for(first, Object::Account(first));
        let of_first = [(); 3].map(|()| insert_for(first, Object::Account(second)));
        let of_second = insert_for(second, Object::OfKernel);
        assert_eq!((table.owned_by(first, 9), table.count_owned_by(first)), (of_first.to_vec(), 3));
        assert_eq!(table.owned_by(first, 2), of_first[..2]);
        assert_eq!(table.end_all_of(Object::Account(second)).len(), 3);
        assert_eq!((table.count_owned_by(first), table.owned_by(second, 9)), (0, vec![of_second]));
    }

    #[test]
    fn an_index_without_generations_is_retired() {
        let mut table = ObjectTable::new();
        let first = insert(&mut table, Ref::NULL);
        table.entries[first.index() as usize].head |= GENERATION;
        let last = Ref::new(first.index(), u32::MAX);
        table.entries[first.index() as usize].anchor_generation = u32::MAX;
        table.end(last).expect("it is live");
        assert_ne!(insert(&mut table, Ref::NULL).index(), first.index());
        assert_eq!(table.live(Ref::new(first.index(), 0)).err(), Some(Fault::Stale));
    }
}
