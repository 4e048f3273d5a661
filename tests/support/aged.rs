//! Snapshots of machines that have lent so often that the generations of what they lend are almost used up: nobody would wait for
//! a machine that does.

use std::collections::HashMap;

use crate::sections::Sections;

/// The sections of a snapshot that have references, and of them the one that has the object table.
const WITH_REFERENCES: [u32; 3] = [4, 5, OBJECTS];
const OBJECTS: u32 = 6;

/// Of an account: what it can spend.
const ACCOUNT: usize = 16;

/// Of an entry of the object table: rights, payload and owner, between its reference and its object.
const BESIDE: usize = 14;

/// Kinds from here on have no number of an object.
const FIRST_OF_KERNEL: u8 = 64;

/// Of what an entry shows of a memory object.
const VIEW: usize = 34;

/// A snapshot that was changed.
pub(crate) struct Aged {
    pub(crate) bytes: Vec<u8>,
    /// How many entries of the object table are used up.
    pub(crate) used_up: u32,
}

/// A snapshot in which so many generations are left at most to each view that there is.
pub(crate) fn aged(snapshot: &[u8], left: u32) -> Aged {
    let mut sections = Sections::of(snapshot);
    let (views, used_up) = table(Fields(sections.section(OBJECTS)));
    let older: HashMap<u64, u64> = views.into_iter().map(|view| (view, with_left(view, left))).collect();
    WITH_REFERENCES.into_iter().for_each(|number| replace(sections.section_mut(number), &older));
    Aged { bytes: sections.bytes(), used_up }
}

/// A reference to the same entry whose generation is followed by no more than so many.
fn with_left(reference: u64, left: u32) -> u64 {
    let generation = ((reference >> 32) as u32).max(u32::MAX - left);
    u64::from(generation) << 32 | u64::from(reference as u32)
}

/// Nothing but a reference has such bits, or the snapshot is refused.
fn replace(bytes: &mut [u8], older: &HashMap<u64, u64>) {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|bytes| bytes.first_chunk()) {
        match older.get(&u64::from_le_bytes(*found)) {
            Some(bits) => {
                bytes[at..][..8].copy_from_slice(&bits.to_le_bytes());
                at += 8;
            }
            None => at += 1,
        }
    }
}

/// The references to all views, and how many entries are used up.
fn table(mut fields: Fields<'_>) -> (Vec<u64>, u32) {
    let accounts = fields.u32();
    fields.skip(accounts as usize * ACCOUNT);
    let mut views = Vec::new();
    for _ in 0..fields.u32() {
        let reference = fields.u64();
        fields.skip(BESIDE);
        if fields.u8() < FIRST_OF_KERNEL {
            fields.u32();
        }
        let (_is_root, _anchor) = (fields.u8(), fields.u64());
        if fields.u8() != 0 {
            fields.skip(VIEW);
            views.push(reference);
        }
    }
    let free = fields.u32();
    fields.skip(free as usize * 8);
    (views, fields.u32())
}

/// Bytes that are taken one field after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("a snapshot is whole");
        self.0 = rest;
        *field
    }

    fn skip(&mut self, count: usize) {
        self.0 = &self.0[count..];
    }

    fn u8(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
