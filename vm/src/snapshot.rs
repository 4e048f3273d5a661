//! Snapshots: a suspended machine as data, from which another machine goes on, in any process and under any engine.
//!
//! In a file, a snapshot is `LIMS`, a 16-bit version, seven sections, and the CRC-32 of all that. A section is its 32-bit
//! number, the 64-bit length of what follows, and that; all seven are there, in this order:
//!
//! | section | what it holds |
//! | --- | --- |
//! | 1 modules | for each: its mode (8 bits: 0 user, 1 kernel), the bytes of the module file and how many they are (64 bits) |
//! | 2 machine | clock, interrupts and budget (`MachineImage`), who runs (`RunsImage`) |
//! | 3 memories | contents and states of pages (`MemoryImage`), each |
//! | 4 domains | domains (`DomainImage`) and arrays of slots (`ArrayImage`), each |
//! | 5 contexts | states, messages and frames (`ContextImage`), each |
//! | 6 objects | what each account may still spend, and the object table (`TableImage`) |
//! | 7 host | whatever the host wants to have with it |
//!
//! The structures of `image` stand there field by field, see `field`: numbers little-endian, of several things first how
//! many there are (32 bits), of what may be missing first whether it is there (8 bits).
//!
//! The same state has the same bytes, and bytes that say the same in another way are refused. What the machine could not
//! have come to is refused as well: modules are verified again, frames checked against them, references against the object
//! table, and what is there against the budget. So whatever the bytes are, nothing unsafe comes of them. But references that
//! fit are taken for true, and the checksum only finds damage: a snapshot is as trusted as whoever could write it.

mod capture;
mod check;
mod consistent;
mod field;
mod image;
mod read;
mod references;
mod write;

use limen_isa::module::{Module, ReadError, WriteError};
use thiserror::Error;

use crate::machine::Config;
use crate::verify::{Verified, VerifyError};

use image::MachineImage;
pub(crate) use image::{
    ArrayImage, ContextImage, DomainImage, EntryImage, MemoryImage, ObjectImage, PageImage, RunsImage, SlotsImage,
    StateImage, StoreImage, TableImage, ViewImage,
};

const MAGIC: [u8; 4] = *b"LIMS";

/// The version of the format.
const VERSION: u16 = 2;

/// Numbers of the sections.
mod section {
    pub(super) const MODULES: u32 = 1;
    pub(super) const MACHINE: u32 = 2;
    pub(super) const MEMORIES: u32 = 3;
    pub(super) const DOMAINS: u32 = 4;
    pub(super) const CONTEXTS: u32 = 5;
    pub(super) const OBJECTS: u32 = 6;
    pub(super) const HOST: u32 = 7;
}

/// A suspended machine as data; see [`Machine::checkpoint`](crate::Machine::checkpoint) and
/// [`Machine::restore`](crate::Machine::restore).
#[derive(Clone, Debug)]
pub struct Snapshot {
    machine: MachineImage,
    store: StoreImage,
    host: Vec<u8>,
}

/// Why a machine cannot be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Nothing runs in it.
    #[error("nothing was suspended")]
    NothingSuspended,
    /// The context does not stand at a safepoint: it waits for a service.
    #[error("what was suspended waits for a service")]
    Waits,
    /// It has devices, whose other side is the host's.
    #[error("a machine with devices cannot be captured yet")]
    Devices,
    /// A module with supervisor instructions runs that is not the machine's one kernel.
    #[error("a module with supervisor instructions runs that is not the kernel")]
    Supervisor,
}

/// Why bytes are no snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The first bytes are others.
    #[error("this is no Limen snapshot: it does not begin with `LIMS`")]
    Magic,
    /// It was made for another version of the format.
    #[error("snapshot format version {0} is not this program's version {VERSION}")]
    Version(u16),
    /// It ends early.
    #[error("the snapshot is truncated")]
    Truncated,
    /// Bytes are where nothing belongs.
    #[error("the snapshot has {0} bytes that belong to nothing")]
    TooLong(usize),
    /// The checksum differs.
    #[error("the checksum does not match: the snapshot is damaged")]
    Checksum,
    /// Another section was expected.
    #[error("section {found} stands where section {wanted} belongs")]
    Section {
        /// The section that belongs there.
        wanted: u32,
        /// The section that is there.
        found: u32,
    },
    /// The module cannot be read.
    #[error("the snapshot's module: {0}")]
    Module(#[from] ReadError),
    /// The module breaks a rule.
    #[error("the snapshot's module: {0}")]
    Verify(#[from] VerifyError),
    /// A value is none that a machine could have.
    #[error("the snapshot contradicts itself: {0}")]
    Contradiction(&'static str),
    /// A frame is none that a context could have.
    #[error("frame {frame} of context {context} of the snapshot {problem}")]
    Frame {
        /// The number of the context.
        context: usize,
        /// Its number, the outermost being 0.
        frame: usize,
        /// What is wrong with it.
        problem: FrameProblem,
    },
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameProblem {
    /// There is no such function.
    #[error("is of function {0}, which does not exist")]
    Function(u32),
    /// The function has another number of registers.
    #[error("has another number of registers than its function")]
    Registers,
    /// A 32-bit register holds more than 32 bits.
    #[error("has more than 32 bits in the 32-bit register {0}")]
    Wide(u32),
    /// A register holds a reference that the machine has not made.
    #[error("has a reference in register {0} that was never made")]
    Reference(u32),
    /// There is no instruction at its pc.
    #[error("does not stand at an instruction")]
    NoInstruction,
    /// The context stands at an `svc`, the frame does not.
    #[error("does not stand at an svc")]
    NoSvc,
    /// The instruction at its pc is none where a context can be suspended.
    #[error("does not stand at a safepoint")]
    NoSafepoint,
    /// There is no call of the next frame's function at its pc.
    #[error("does not stand at a call of the function of the next frame")]
    NoCall,
    /// It is not what a call begins with.
    #[error("is not what a call begins with")]
    NotFresh,
}

impl Snapshot {
    /// The modules that its domains run, or can be made of.
    #[must_use]
    pub fn modules(&self) -> &[Verified<Module>] {
        &self.store.modules
    }

    /// Whether it is of a machine that runs a kernel.
    #[must_use]
    pub fn has_kernel(&self) -> bool {
        self.store.runs.has_kernel
    }

    /// What the machine was made with; without limits on fuel and time, which are no part of its state.
    #[must_use]
    pub fn config(&self) -> Config {
        let MachineImage { time, budget, stack_cells, .. } = self.machine;
        Config { time, budget, stack_cells, ..Config::default() }
    }

    /// Units of fuel burnt until then.
    #[must_use]
    pub fn fuel_burnt(&self) -> u64 {
        self.machine.burnt
    }

    /// What the host gave it with [`Snapshot::with_host`].
    #[must_use]
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// The same with bytes of the host's own, which mean nothing to the machine.
    #[must_use]
    pub fn with_host(self, host: Vec<u8>) -> Self {
        Self { host, ..self }
    }

    /// The bytes of the snapshot.
    ///
    /// # Errors
    ///
    /// If a module has no byte string; one that was read has.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        write::snapshot(self)
    }

    /// Reads a snapshot. What can be restored can run: modules are verified, and everything is checked against the rest.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly what [`Snapshot::write`] gives for some snapshot. Whatever they say, memory use is
    /// bounded as that of [`Module::read`].
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        read::snapshot(bytes)
    }
}
