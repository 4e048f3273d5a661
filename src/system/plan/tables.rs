//! The names in a plan's bytes, for those who have an image alone. The bytes may be anybody's: what does not lie in them is empty.

use super::encode::{INTERFACE, METHOD, SERVICE, WORD};

/// Where the header has the number of services, and of interfaces; the place of each table follows. Then the methods' place.
const SERVICES: usize = 3;
const INTERFACES: usize = 13;
const METHODS_AT: usize = 15;

/// Where a service's record says what its interface is: its index plus 1.
const SPEAKS: usize = 17;

/// A name with methods, by their numbers.
pub(crate) type Described = (String, Vec<(u32, String)>);

/// See the module.
pub(crate) struct Tables<'a> {
    words: &'a [[u8; WORD]],
    bytes: &'a [u8],
}

impl<'a> Tables<'a> {
    pub(crate) fn of(plan: &'a [u8]) -> Self {
        Self { words: plan.as_chunks().0, bytes: plan }
    }

    /// The services in the order of their numbers, with the methods of their interfaces.
    pub(crate) fn services(&self) -> Vec<Described> {
        let records = self.records(self.word(SERVICES), self.word(SERVICES + 1), SERVICE);
        records.map(|at| (self.text(at), self.methods(self.word(at + SPEAKS).wrapping_sub(1)))).collect()
    }

    /// The methods of the interface of that name.
    pub(crate) fn interface(&self, name: &str) -> Vec<(u32, String)> {
        let records = self.records(self.word(INTERFACES), self.word(INTERFACES + 1), INTERFACE);
        let found = records.zip(0..).find(|(at, _)| self.text(*at) == name);
        found.map_or_else(Vec::new, |(_, index)| self.methods(index))
    }

    fn methods(&self, interface: u32) -> Vec<(u32, String)> {
        if interface >= self.word(INTERFACES) {
            return Vec::new();
        }
        let at = self.word(INTERFACES + 1) as usize / WORD + interface as usize * INTERFACE;
        let (first, count) = (self.word(at + 2) as usize, self.word(at + 3));
        let all = self.word(METHODS_AT) as usize + first * METHOD * WORD;
        let records = self.records(count, u32::try_from(all).unwrap_or(u32::MAX), METHOD);
        records.map(|at| (self.word(at), self.text(at + 1))).collect()
    }

    /// Where the records of a table begin, in words, as far as there are any.
    fn records(&self, count: u32, offset: u32, words: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, end) = (offset as usize / WORD, self.words.len());
        (first..end).step_by(words).take(count as usize)
    }

    fn word(&self, at: usize) -> u32 {
        self.words.get(at).map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// The text whose offset and length stand there.
    fn text(&self, at: usize) -> String {
        let (from, length) = (self.word(at) as usize, self.word(at + 1) as usize);
        let bytes = self.bytes.get(from..).and_then(|rest| rest.get(..length));
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    }
}
