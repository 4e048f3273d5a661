//! A machine's snapshot, open to be damaged: registers and code.

use std::ops::Range;

use limen_isa::module::Module;
use limen_vm::{Machine, Snapshot};

use crate::sections::Sections;

const MODULES: u32 = 1;
const MACHINE: u32 = 2;
const DOMAINS: u32 = 4;
const CONTEXTS: u32 = 5;

/// The sections of a snapshot.
pub(crate) struct Frozen(Sections);

/// A frame, with the place of its registers in the section of contexts.
pub(crate) struct Place {
    pub(crate) function: u32,
    pub(crate) pc: u32,
    pub(crate) registers: Range<usize>,
}

impl Frozen {
    pub(crate) fn of(machine: &mut Machine) -> Option<Self> {
        let bytes = machine.checkpoint().ok()?.write().ok()?;
        Some(Self(Sections::of(&bytes)))
    }

    /// The snapshot again; `None` if no machine could have come to that.
    pub(crate) fn thawed(&self) -> Option<Snapshot> {
        Snapshot::read(&self.0.bytes()).ok()
    }

    /// Where the registers lie.
    pub(crate) fn contexts_mut(&mut self) -> &mut Vec<u8> {
        self.0.section_mut(CONTEXTS)
    }

    /// The number of the context that was suspended.
    fn current(&self) -> usize {
        let machine = self.0.section(MACHINE);
        u32::from_le_bytes(*machine.last_chunk().expect("that is the section's last field")) as usize
    }

    /// The frames of the context that was suspended, outermost first.
    pub(crate) fn frames(&self) -> Vec<Place> {
        self.suspended().1
    }

    /// The number of the module that was suspended.
    pub(crate) fn module_number(&self) -> usize {
        let domain = self.suspended().0;
        let mut reader = Reader { bytes: self.0.section(DOMAINS), at: 0 };
        assert!(domain < reader.u32(), "a context's domain is there");
        (0..domain).for_each(|_| _ = reader.domain());
        reader.domain()
    }

    /// The number of the domain of the context that was suspended, and its frames.
    fn suspended(&self) -> (u32, Vec<Place>) {
        let mut reader = Reader { bytes: self.0.section(CONTEXTS), at: 0 };
        let (count, current) = (reader.u32() as usize, self.current());
        assert!(current < count, "there are {count} contexts");
        (0..current).for_each(|_| _ = reader.context());
        reader.context()
    }

    pub(crate) fn module(&self, number: usize) -> Module {
        let place = self.module_place(number);
        Module::read(&self.0.section(MODULES)[place]).expect("a snapshot's modules can be read")
    }

    /// Puts another module in the place of one.
    pub(crate) fn set_module(&mut self, number: usize, module: &Module) {
        let (place, bytes) = (self.module_place(number), module.write().expect("it is like the one that was read"));
        let modules = self.0.section_mut(MODULES);
        let length = place.start - 8..place.start;
        modules[length].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        modules.splice(place, bytes);
    }

    fn module_place(&self, number: usize) -> Range<usize> {
        let mut reader = Reader { bytes: self.0.section(MODULES), at: 0 };
        (0..number).for_each(|_| _ = reader.module());
        reader.module()
    }
}

/// Fields taken one after the other.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        *self.take(N).first_chunk().expect("so many were taken")
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn option(&mut self) -> Option<u32> {
        (self.array() == [1]).then(|| self.u32())
    }

    /// Reads a module, and gives the place of its bytes.
    fn module(&mut self) -> Range<usize> {
        self.take(1);
        let length = self.u64() as usize;
        let begin = self.at;
        self.take(length);
        begin..self.at
    }

    /// Reads a domain, and gives the number of its module.
    fn domain(&mut self) -> usize {
        self.option();
        let module = self.u32() as usize;
        self.take(4 + 4);
        let slots = self.u32() as usize;
        self.take(slots * (4 + 8));
        module
    }

    /// Reads a context, and gives the number of its domain and its frames.
    fn context(&mut self) -> (u32, Vec<Place>) {
        const MESSAGE: usize = 8 * (limen_vm::MESSAGE_WORDS + limen_vm::MESSAGE_REFS);
        self.option();
        let domain = self.option().unwrap_or(u32::MAX);
        self.take(4 + 1);
        match self.array() {
            [1] => _ = self.take(2 * MESSAGE),
            [2] => _ = self.take(1 + 8),
            [4] if self.array() == [1] => {
                let results = self.u32() as usize;
                self.take(results * (1 + 8));
            }
            _ => {}
        }
        (domain, (0..self.u32()).map(|_| self.frame()).collect())
    }

    fn frame(&mut self) -> Place {
        let (function, pc, count) = (self.u32(), self.u32(), self.u32() as usize);
        let registers = self.at..self.at + 8 * count;
        self.take(8 * count);
        Place { function, pc, registers }
    }
}
