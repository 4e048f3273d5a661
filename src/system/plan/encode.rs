//! The plan's bytes.

use std::collections::HashMap;

use limen_isa::module::{Interface, Method};

use super::{Plan, Reference, Segment, Service, Target};
use crate::system::image::DeviceSort;
use crate::system::manifest::Group;

/// `LPLN`.
const MAGIC: u32 = u32::from_le_bytes(*b"LPLN");

const VERSION: u32 = 1;

/// Words of the header and of the records.
const HEADER: usize = 16;
pub(super) const SERVICE: usize = 24;
const REFERENCE: usize = 8;
const GROUP: usize = 8;
const SEGMENT: usize = 4;
const DEVICE: usize = 4;
pub(super) const INTERFACE: usize = 4;
pub(super) const METHOD: usize = 4;

/// Bytes of a word.
pub(super) const WORD: usize = 4;

impl Plan {
    /// The plan as init reads it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let methods = || self.interfaces.iter().flat_map(|interface| &interface.methods);
        let references = || self.services.iter().flat_map(|service| &service.references);
        let sizes = [
            (self.services.len(), SERVICE),
            (references().count(), REFERENCE),
            (self.groups.len(), GROUP),
            (self.segments.len(), SEGMENT),
            (self.devices.len(), DEVICE),
            (self.interfaces.len(), INTERFACE),
            (methods().count(), METHOD),
        ];
        let mut strings = Strings { from: tables_end(&sizes), ..Strings::default() };
        let mut words = Vec::new();
        self.services.iter().fold(0, |first, it| service(&mut words, it, first, &mut strings));
        self.services.iter().zip(1..).for_each(|(it, badge)| references_of(&mut words, it, badge));
        self.groups.iter().for_each(|(name, it)| group(&mut words, name, it, &mut strings));
        self.segments.iter().for_each(|it| segment(&mut words, it, &mut strings));
        self.devices.iter().for_each(|(name, sort)| device(&mut words, name, *sort, &mut strings));
        self.interfaces.iter().fold(0, |first, it| interface(&mut words, it, first, &mut strings));
        methods().for_each(|it| method(&mut words, it, &mut strings));
        let total = (strings.from + strings.bytes.len()).next_multiple_of(WORD);
        let mut out: Vec<u8> = header(&sizes, total).into_iter().chain(words).flat_map(u32::to_le_bytes).collect();
        out.extend(strings.bytes);
        out.resize(total, 0);
        out
    }
}

/// Where the records end.
fn tables_end(sizes: &[(usize, usize)]) -> usize {
    HEADER * WORD + sizes.iter().map(|(count, words)| count * words * WORD).sum::<usize>()
}

fn header(sizes: &[(usize, usize)], total: usize) -> Vec<u32> {
    let mut header = vec![MAGIC, VERSION, total as u32];
    for (place, (count, _)) in sizes.iter().enumerate() {
        header.extend([*count as u32, tables_end(&sizes[..place]) as u32]);
    }
    // The number of methods follows from the interfaces: only where they are is said.
    header.remove(HEADER - 1);
    header
}

fn service(words: &mut Vec<u32>, it: &Service, first: u32, strings: &mut Strings) -> u32 {
    let count = it.references.len() as u32;
    words.extend(strings.place(&it.name));
    words.extend([it.module, it.level]);
    words.extend(it.budget.map_or([0; 2], |budget| [budget.time_us, budget.period_us]));
    words.extend([it.account.bytes as u32, (it.account.bytes >> 32) as u32, it.account.objects, it.account.contexts]);
    words.extend([it.engine, it.group, it.restart as u32, it.deadline_ms, it.heartbeat_ms, first, count]);
    words.push(it.interface.map_or(0, |index| index + 1));
    words.extend([u32::from(it.is_passive), it.queue]);
    words.extend([0; 4]);
    first + count
}

/// The references of a service, which others know by its badge.
fn references_of(words: &mut Vec<u32>, service: &Service, badge: u32) {
    service.references.iter().for_each(|it| reference(words, it, badge));
}

fn reference(words: &mut Vec<u32>, it: &Reference, badge: u32) {
    let [kind, target, rights, badge] = match it.target {
        Target::Account => [0, 0, 0, 0],
        Target::Endpoint => [1, 0, 0, 0],
        Target::Service(index) => [2, index, 0, badge],
        Target::Segment { index, rights } => [3, index, rights, 0],
        Target::Device(index) => [4, index, 0, 0],
        Target::Supervisor => [5, 0, 0, badge],
        Target::Notification => [6, 0, 0, 0],
        Target::Machine { rights } => [7, 0, rights, 0],
        Target::Vault { slots } => [8, 0, slots, 0],
        Target::Plan => [9, 0, 0, 0],
    };
    words.extend([it.slot, kind, target, rights, badge, 0, 0, 0]);
}

fn group(words: &mut Vec<u32>, name: &str, it: &Group, strings: &mut Strings) {
    words.extend(strings.place(name));
    words.extend([it.strategy as u32, it.restarts, it.within_ms]);
    words.extend([it.first_backoff_ms, it.most_backoff_ms, it.escalate as u32]);
}

fn segment(words: &mut Vec<u32>, it: &Segment, strings: &mut Strings) {
    words.extend(strings.place(&it.name));
    words.extend([it.pages, it.most]);
}

fn device(words: &mut Vec<u32>, name: &str, sort: DeviceSort, strings: &mut Strings) {
    words.extend(strings.place(name));
    words.extend([sort as u32, 0]);
}

fn interface(words: &mut Vec<u32>, it: &Interface, first: u32, strings: &mut Strings) -> u32 {
    let count = it.methods.len() as u32;
    words.extend(strings.place(&it.name));
    words.extend([first, count]);
    first + count
}

fn method(words: &mut Vec<u32>, it: &Method, strings: &mut Strings) {
    words.push(u32::from(it.number));
    words.extend(strings.place(&it.name));
    words.push(u32::from(it.idempotent));
}

/// The strings, each once, and where they begin.
#[derive(Default)]
struct Strings {
    from: usize,
    bytes: Vec<u8>,
    placed: HashMap<String, usize>,
}

impl Strings {
    /// Offset and length of a string.
    fn place(&mut self, text: &str) -> [u32; 2] {
        let next = self.bytes.len();
        let place = *self.placed.entry(text.to_owned()).or_insert(next);
        if place == next {
            self.bytes.extend(text.as_bytes());
        }
        [(self.from + place) as u32, text.len() as u32]
    }
}

#[cfg(test)]
mod tests;
