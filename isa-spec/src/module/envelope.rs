//! Header, directory and checksums: from bytes to sections.

use super::cursor::{Cursor, Read};
use super::{
    ALIGNMENT, CustomSection, ENTRY_BYTES, FIRST_CUSTOM_SECTION, MAGIC, ReadError, ReadProblem, VERSION, section,
};

/// The sections in order, each already checked against its checksum.
pub(super) struct Sections<'a> {
    payloads: std::iter::Peekable<std::vec::IntoIter<Cursor<'a>>>,
    end: usize,
}

impl<'a> Sections<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Read<Self> {
        let mut cursor = Cursor::new(bytes);
        let directory = directory(&mut cursor)?;
        let payloads = directory.into_iter().map(|entry| payload(&mut cursor, &entry)).collect::<Read<Vec<_>>>()?;
        cursor.end()?;
        Ok(Self { payloads: payloads.into_iter().peekable(), end: bytes.len() })
    }

    /// The next section, if it is the one with this number.
    pub(super) fn optional(&mut self, id: u32) -> Option<Cursor<'a>> {
        self.payloads.next_if(|payload| payload.section() == Some(id))
    }

    pub(super) fn required(&mut self, id: u32) -> Read<Cursor<'a>> {
        let missing = ReadError { problem: ReadProblem::Missing(id), section: None, offset: self.end };
        self.optional(id).ok_or(missing)
    }

    /// What is left once all sections that this version knows have been taken.
    pub(super) fn custom(self) -> Vec<CustomSection> {
        self.payloads
            .filter_map(|payload| Some(CustomSection { id: payload.section()?, bytes: payload.bytes().to_vec() }))
            .collect()
    }
}

/// One line of the directory.
struct Entry {
    id: u32,
    length: usize,
    checksum: u32,
}

fn directory(cursor: &mut Cursor) -> Read<Vec<Entry>> {
    version(cursor)?;
    let count = cursor.count(ENTRY_BYTES)?;
    let checksum = cursor.u32()?;
    let mut entries = cursor.checked(None, count * ENTRY_BYTES, checksum)?;
    padding(cursor)?;
    let mut last = 0;
    entries.times(count, |entries| entry(entries, &mut last))
}

/// Comes before everything that another version could say in another way.
fn version(cursor: &mut Cursor) -> Read<()> {
    let magic = cursor.take(cursor.left().min(MAGIC.len()))?;
    cursor.ensure(magic == MAGIC, ReadProblem::Magic)?;
    match cursor.u16()? {
        VERSION => {}
        newer if newer > VERSION => return Err(cursor.error(ReadProblem::Newer(newer))),
        older => return Err(cursor.error(ReadProblem::Version(older))),
    }
    let flags = cursor.u16()?;
    cursor.ensure(flags == 0, ReadProblem::Unknown { what: "known set of flags", value: u64::from(flags) })
}

fn entry(entries: &mut Cursor, last: &mut u32) -> Read<Entry> {
    let id = entries.u32()?;
    let known = section::name(id).is_some() || id >= FIRST_CUSTOM_SECTION;
    entries.ensure(known, ReadProblem::UnknownSection(id))?;
    entries.ensure(id > *last, ReadProblem::SectionOrder(id))?;
    *last = id;
    Ok(Entry { id, length: entries.u32()? as usize, checksum: entries.u32()? })
}

fn payload<'a>(cursor: &mut Cursor<'a>, entry: &Entry) -> Read<Cursor<'a>> {
    let payload = cursor.checked(Some(entry.id), entry.length, entry.checksum)?;
    padding(cursor).map_err(|error| ReadError { section: Some(entry.id), ..error })?;
    Ok(payload)
}

fn padding(cursor: &mut Cursor) -> Read<()> {
    let bytes = cursor.take(cursor.position().next_multiple_of(ALIGNMENT) - cursor.position())?;
    cursor.ensure(bytes.iter().all(|byte| *byte == 0), ReadProblem::NotCanonical("padding is not zero"))
}
