//! Snapshots: a suspended machine as data, from which another machine goes on, in any process and under any engine.
//!
//! In a file, a snapshot is `LIMS`, a 16-bit version, five sections, and the CRC-32 of all that. A section is its 32-bit
//! number, the 64-bit length of what follows, and that; all five are there, in this order. Numbers are little-endian.
//!
//! | section | what it holds |
//! | --- | --- |
//! | 1 module | the bytes of the module file |
//! | 2 machine | time (8 bits: 0 live, 1 virtual), fuel burnt (64), now (64), budget (bytes 64, objects 32, contexts 32), cells of the stacks of later calls (32) |
//! | 3 home | pages (32), slots (32), pages that are not all zero (32), and each of them: its number (32), its bytes; ascending |
//! | 4 context | cells (32), whether its first instruction is still to come (8), frames (32), and each of them, outermost first: function (32), pc (32), registers (32), the bits of each (64) |
//! | 5 host | whatever the host wants to have with it |
//!
//! The same state has the same bytes, and bytes that say the same in another way are refused. The checksum finds damage;
//! it does not prove who made the file. So nothing in it is trusted: the module is verified again, and frames are
//! checked against it. References cannot be told from forged ones, hence all must be null.

mod check;
mod read;
mod write;

use limen_isa::ValueType;
use limen_isa::module::{Module, PAGE_SIZE, ReadError, WriteError};
use thiserror::Error;

use crate::account::Budget;
use crate::clock::{Clock, Time};
use crate::context::{Context, Frame, State};
use crate::engine::Engine;
use crate::machine::{Config, Machine, MachineError};
use crate::object::Ref;
use crate::store::{ContextKey, DomainKey};
use crate::verify::{Mode, Verified, VerifyError};

const MAGIC: [u8; 4] = *b"LIMS";

/// The version of the format.
const VERSION: u16 = 1;

/// Numbers of the sections.
mod section {
    pub(super) const MODULE: u32 = 1;
    pub(super) const MACHINE: u32 = 2;
    pub(super) const HOME: u32 = 3;
    pub(super) const CONTEXT: u32 = 4;
    pub(super) const HOST: u32 = 5;
}

/// A suspended machine as data; see [`Machine::checkpoint`] and [`Machine::restore`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    module: Verified<Module>,
    time: Time,
    now: i64,
    burnt: u64,
    budget: Budget,
    stack_cells: u32,
    home: Home,
    context: Frames,
    host: Vec<u8>,
}

/// What a domain holds.
#[derive(Clone, Debug)]
struct Home {
    pages: u32,
    /// All null.
    slots: u32,
    /// The pages that are not all zero, ascending.
    contents: Vec<(u32, Vec<u8>)>,
}

/// What a context is.
#[derive(Clone, Debug)]
struct Frames {
    /// Of its stack.
    cells: u32,
    fresh: bool,
    /// Outermost first.
    frames: Vec<Frame>,
}

/// Why a machine cannot be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Nothing runs in it.
    #[error("nothing was suspended")]
    NothingSuspended,
    /// It has a kernel, or runs a module that was verified as one.
    #[error("a machine with a kernel cannot be captured yet")]
    Kernel,
    /// It has another domain beside the one that was suspended.
    #[error("a machine with several domains cannot be captured yet")]
    Domains,
    /// Its programs made objects.
    #[error("a machine with objects in its object table cannot be captured yet")]
    Objects,
    /// A register or slot holds a reference.
    #[error("a machine whose registers or slots hold references cannot be captured yet")]
    References,
    /// The context does not stand at a safepoint: it waits for a service or a page.
    #[error("what was suspended waits for a service or a page")]
    Waits,
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
    #[error("frame {frame} of the snapshot {problem}")]
    Frame {
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
    /// A register holds a reference.
    #[error("has a reference in register {0}, and references cannot be in a snapshot yet")]
    Reference(u32),
    /// There is no instruction at its pc, or not one where a context can be suspended.
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
    /// The module that runs.
    #[must_use]
    pub fn module(&self) -> &Verified<Module> {
        &self.module
    }

    /// What the machine was made with; without limits on fuel and time, which are no part of its state.
    #[must_use]
    pub fn config(&self) -> Config {
        Config { time: self.time, budget: self.budget, stack_cells: self.stack_cells, ..Config::default() }
    }

    /// Units of fuel burnt until then.
    #[must_use]
    pub fn fuel_burnt(&self) -> u64 {
        self.burnt
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
    /// If the module has no byte string; one that was read has.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        write::snapshot(self)
    }

    /// Reads a snapshot. What can be restored can run: the module is verified, and the frames are checked against it.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly what [`Snapshot::write`] gives for some snapshot. Whatever they say, memory use is
    /// bounded as that of [`Module::read`].
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        read::snapshot(bytes)
    }
}

impl Machine {
    /// The state of a machine whose run ended with [`Outcome::OutOfFuel`](crate::Outcome::OutOfFuel),
    /// [`Outcome::Stopped`](crate::Outcome::Stopped) or [`Outcome::TimedOut`](crate::Outcome::TimedOut). The machine itself
    /// can be resumed as before.
    ///
    /// # Errors
    ///
    /// If nothing was suspended, or there is something that cannot be captured yet: a kernel, objects, references,
    /// further domains.
    pub fn checkpoint(&mut self) -> Result<Snapshot, CheckpointError> {
        let context = self.current.ok_or(CheckpointError::NothingSuspended)?;
        let domain = self.store.context(context).domain;
        self.ensure_alone(domain)?;
        let (home, context) = (self.capture_home(domain)?, self.capture_context(context)?);
        let clock = &self.store.clock;
        Ok(Snapshot {
            module: self.store.module_of(domain).clone(),
            time: clock.time(),
            now: clock.now(),
            burnt: clock.burnt(),
            budget: self.budget,
            stack_cells: self.stack_cells,
            home,
            context,
            host: Vec::new(),
        })
    }

    /// A machine that [`Machine::resume`]s exactly where another was captured, under the engine given. Time is what the
    /// snapshot says; the rest of `config` is the caller's choice, for which [`Snapshot::config`] is where to begin.
    ///
    /// # Errors
    ///
    /// If the budget has no room for what the snapshot holds.
    pub fn restore(config: Config, engine: Box<dyn Engine>, snapshot: &Snapshot) -> Result<Self, MachineError> {
        let mut machine = Self::with_engine(config, engine)?;
        machine.store.clock = Clock::resumed(snapshot.time, snapshot.now, snapshot.burnt);
        let domain = machine.restore_home(&snapshot.module, &snapshot.home)?;
        machine.restore_context(domain, snapshot)?;
        Ok(machine)
    }

    /// There is nothing but one domain and what the host runs in it.
    fn ensure_alone(&mut self, domain: DomainKey) -> Result<(), CheckpointError> {
        if self.store.kernel.is_some() || self.store.module_of(domain).mode() == Mode::Kernel {
            return Err(CheckpointError::Kernel);
        }
        if self.store.domain_count() > 1 {
            return Err(CheckpointError::Domains);
        }
        // The root account is the one object that every machine has.
        let objects = self.budget.objects - self.store.free(self.account).objects;
        if objects > 1 { Err(CheckpointError::Objects) } else { Ok(()) }
    }

    fn capture_home(&mut self, domain: DomainKey) -> Result<Home, CheckpointError> {
        let slots = self.store.slots_of(domain);
        if slots.iter().any(|slot| *slot != Ref::NULL) {
            return Err(CheckpointError::References);
        }
        let slots = slots.len() as u32;
        let key = self.store.home_of(domain);
        let memory = self.store.memory_mut(key);
        let pages = memory.bytes().chunks(PAGE_SIZE as usize);
        let contents = (0..).zip(pages).filter(|(_, page)| !is_zero(page)).map(|(index, page)| (index, page.to_vec()));
        Ok(Home { pages: memory.pages(), slots, contents: contents.collect() })
    }

    fn capture_context(&mut self, context: ContextKey) -> Result<Frames, CheckpointError> {
        let module = self.store.code_of(context).clone();
        let context = self.store.context_mut(context);
        if context.port.state != State::Ready {
            return Err(CheckpointError::Waits);
        }
        context.settle(&module);
        let frames = context.frames(&module);
        if frames.iter().any(|frame| has_reference(&module, frame)) {
            return Err(CheckpointError::References);
        }
        Ok(Frames { cells: context.cells, fresh: context.fresh, frames })
    }

    /// A domain of the module with these contents.
    fn restore_home(&mut self, module: &Verified<Module>, home: &Home) -> Result<DomainKey, MachineError> {
        let store = &mut self.store;
        let domain = store.add_domain_of(self.account, module).ok_or(MachineError::Budget)?;
        let key = store.home_of(domain);
        store.grow(key, home.pages - module.home.min_pages).ok_or(MachineError::Budget)?;
        store.grow_slots(domain, home.slots - module.home.slots).ok_or(MachineError::Budget)?;
        let bytes = store.memory_mut(key).bytes_mut();
        for data in &module.home.data {
            bytes[data.address as usize..][..data.bytes.len()].fill(0);
        }
        for (page, contents) in &home.contents {
            bytes[*page as usize * PAGE_SIZE as usize..][..contents.len()].copy_from_slice(contents);
        }
        Ok(domain)
    }

    /// A context with the snapshot's frames, suspended.
    fn restore_context(&mut self, domain: DomainKey, snapshot: &Snapshot) -> Result<(), MachineError> {
        let Frames { cells, fresh, ref frames } = snapshot.context;
        let first = frames.first().map_or(0, |frame| frame.function);
        let made = self.store.add_context(self.account, domain, first, cells);
        let key = made.map_err(|_| MachineError::Stack)?.ok_or(MachineError::Budget)?;
        let context: &mut Context = self.store.context_mut(key);
        context.adopt(&snapshot.module, frames.clone(), fresh);
        self.current = Some(key);
        Ok(())
    }
}

fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}

fn has_reference(module: &Module, frame: &Frame) -> bool {
    let types = &module.functions[frame.function as usize].registers;
    types.iter().zip(&frame.registers).any(|(ty, bits)| *ty == ValueType::Ref && *bits != Ref::NULL.bits())
}
