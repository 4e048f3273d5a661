//! How what is in a snapshot becomes bytes, and how it comes back: one place for both.

use super::SnapshotError;
use crate::account::Budget;
use crate::object::Ref;
use crate::port::Message;

pub(super) type Read<T> = Result<T, SnapshotError>;

/// What has one form in bytes.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);

    /// Nothing in the bytes is trusted, least of all a number of things.
    fn take(cursor: &mut Cursor<'_>) -> Read<Self>;
}

/// Makes structures fields: they are their fields, in this order.
macro_rules! record {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
                $(let $field = Field::take(cursor)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

pub(super) use record;

macro_rules! number {
    ($($number:ident)*) => {$(
        impl Field for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
                Ok(Self::from_le_bytes(cursor.array()?))
            }
        }
    )*};
}

number! { u8 u16 u32 u64 i64 }

record! {
    Budget { bytes, objects, contexts }
    Message { words, refs }
}

impl Field for Ref {
    fn put(&self, out: &mut Vec<u8>) {
        self.bits().put(out);
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Ok(Self::from_bits(Field::take(cursor)?))
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        match u8::take(cursor)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SnapshotError::Contradiction("a yes or no is neither")),
        }
    }
}

/// Whether it is there, and it.
impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(field) = self {
            field.put(out);
        }
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        bool::take(cursor)?.then(|| T::take(cursor)).transpose()
    }
}

/// How many there are, in 32 bits, and each.
impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        self.iter().for_each(|field| field.put(out));
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        let count = u32::take(cursor)?;
        // Room is made as they come: the number may promise too much.
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(T::take(cursor)?);
        }
        Ok(all)
    }
}

impl<const N: usize> Field for [u64; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(out));
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        let mut all = [0; N];
        for number in &mut all {
            *number = Field::take(cursor)?;
        }
        Ok(all)
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Ok((A::take(cursor)?, B::take(cursor)?))
    }
}

pub(super) fn ensure(condition: bool, otherwise: &'static str) -> Read<()> {
    if condition { Ok(()) } else { Err(SnapshotError::Contradiction(otherwise)) }
}

/// Bytes that are taken one field after the other.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| SnapshotError::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The payload of the next section, which must be this one.
    pub(super) fn section(&mut self, wanted: u32) -> Read<Cursor<'a>> {
        let found = u32::take(self)?;
        if found != wanted {
            return Err(SnapshotError::Section { wanted, found });
        }
        let length = u64::take(self)?;
        self.take(length).map(Cursor)
    }

    /// All that is left, as one field.
    pub(super) fn whole<T: Field>(mut self) -> Read<T> {
        let field = T::take(&mut self)?;
        self.end()?;
        Ok(field)
    }

    pub(super) fn end(&self) -> Read<()> {
        if self.0.is_empty() { Ok(()) } else { Err(SnapshotError::TooLong(self.0.len())) }
    }
}
