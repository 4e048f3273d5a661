//! Bytes taken one field after the other: nothing in them is trusted, least of all a length.

use std::ops::Range;

use super::{NONE, ReadError, ReadProblem};
use crate::ValueType;

pub(super) type Read<T> = Result<T, ReadError>;

/// Bytes with a place in them, which knows where it is in the whole.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where the field that was taken last begins: if it is refused, errors point there.
    field: usize,
    /// Where `bytes` begin in the whole.
    base: usize,
    section: Option<u32>,
}

impl<'a> Cursor<'a> {
    /// Of a whole module.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, field: 0, base: 0, section: None }
    }

    /// Of the next `length` bytes, once they match their checksum.
    pub(super) fn checked(&mut self, section: Option<u32>, length: usize, checksum: u32) -> Read<Self> {
        let bytes = self.take(length).map_err(|error| ReadError { section, ..error })?;
        let part = Self { bytes, position: 0, field: 0, base: self.base + self.field, section };
        part.ensure(crc32fast::hash(bytes) == checksum, ReadProblem::Checksum)?;
        Ok(part)
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn section(&self) -> Option<u32> {
        self.section
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The bytes of the field that was taken last.
    pub(super) fn field(&self) -> &'a [u8] {
        self.since(self.field)
    }

    /// Where in the whole the field is that was taken last.
    pub(super) fn place(&self) -> Range<usize> {
        self.base + self.field..self.base + self.position
    }

    /// What was taken since the cursor stood at `start`.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.position]
    }

    /// An error in the field that was taken last.
    pub(super) fn error(&self, problem: ReadProblem) -> ReadError {
        self.error_at(self.field, problem)
    }

    pub(super) fn error_at(&self, position: usize, problem: ReadProblem) -> ReadError {
        ReadError { problem, section: self.section, offset: self.base + position }
    }

    pub(super) fn ensure(&self, condition: bool, problem: ReadProblem) -> Read<()> {
        if condition { Ok(()) } else { Err(self.error(problem)) }
    }

    pub(super) fn limit(&self, what: &'static str, value: usize, limit: usize) -> Read<()> {
        self.ensure(value <= limit, ReadProblem::Limit { what, value: value as u64, limit: limit as u64 })
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(super) fn end(&self) -> Read<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error_at(self.position, ReadProblem::TooLong(left))),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        self.field = self.position;
        self.room(length as u64)?;
        self.position += length;
        Ok(self.field())
    }

    fn room(&self, wanted: u64) -> Read<()> {
        let left = self.left();
        self.ensure(wanted <= left as u64, ReadProblem::Truncated { wanted, left })
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A 16-bit number of things.
    pub(super) fn few(&mut self, what: &'static str, limit: usize) -> Read<usize> {
        let value = usize::from(self.u16()?);
        self.limit(what, value, limit)?;
        Ok(value)
    }

    /// A 32-bit number that is no more than `limit`.
    pub(super) fn at_most(&mut self, what: &'static str, limit: u32) -> Read<u32> {
        let value = self.u32()?;
        self.limit(what, value as usize, limit as usize)?;
        Ok(value)
    }

    /// An index below `count`.
    pub(super) fn index(&mut self, what: &'static str, count: usize) -> Read<u32> {
        let index = self.u32()?;
        self.below(what, index, count)
    }

    /// An index below `count`, or none.
    pub(super) fn optional_index(&mut self, what: &'static str, count: usize) -> Read<Option<u32>> {
        match self.u32()? {
            NONE => Ok(None),
            index => self.below(what, index, count).map(Some),
        }
    }

    fn below(&self, what: &'static str, index: u32, count: usize) -> Read<u32> {
        self.ensure((index as usize) < count, ReadProblem::Unknown { what, value: u64::from(index) })?;
        Ok(index)
    }

    /// A count of things of which each takes at least `size` bytes: more than fit are refused before room is made.
    pub(super) fn count(&mut self, size: usize) -> Read<usize> {
        let count = self.u32()?;
        self.room(u64::from(count) * size as u64)?;
        Ok(count as usize)
    }

    /// A count, and then as many things of at least `size` bytes.
    pub(super) fn many<T>(&mut self, size: usize, one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.count(size)?;
        self.times(count, one)
    }

    pub(super) fn times<T>(&mut self, count: usize, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        (0..count).map(|_| one(self)).collect()
    }

    pub(super) fn types(&mut self, count: usize) -> Read<Vec<ValueType>> {
        self.skip_types(count)?;
        Ok(types(self.field()).collect())
    }

    /// Takes types and leaves them as they are.
    pub(super) fn skip_types(&mut self, count: usize) -> Read<()> {
        let codes = self.take(count)?;
        let Some(place) = codes.iter().position(|code| ValueType::from_code(*code).is_none()) else { return Ok(()) };
        let unknown = ReadProblem::Unknown { what: "type", value: u64::from(codes[place]) };
        Err(self.error_at(self.field + place, unknown))
    }

    pub(super) fn name(&mut self) -> Read<String> {
        let length = self.u16()?;
        let bytes = self.take(usize::from(length))?;
        let name = std::str::from_utf8(bytes);
        name.map(str::to_owned).map_err(|error| self.error_at(self.field + error.valid_up_to(), ReadProblem::Utf8))
    }
}

/// The types that bytes are, if they were skipped as such.
pub(super) fn types(codes: &[u8]) -> impl Iterator<Item = ValueType> {
    codes.iter().filter_map(|code| ValueType::from_code(*code))
}
