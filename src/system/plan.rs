//! The plan: what init is told. Everything in it is a number; names are for people.
//!
//! Its bytes are little-endian words of 32 bits: a header, and at the offsets that the header names arrays of records of a fixed
//! size. Strings are an offset and a length. Offsets are in bytes from the plan's start.

mod encode;
mod tables;

use limen_isa::module::Interface;

use super::image::DeviceSort;
use super::manifest::{Account, Budget, Group, Restart};
pub(crate) use tables::Tables;

/// The rights of references.
pub(crate) const READ: u32 = 1;
pub(crate) const WRITE: u32 = 2;
pub(crate) const HALT: u32 = 4;
pub(crate) const TRACE: u32 = 8;

/// A system whose names stand for something.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order in which they are started.
    pub(crate) services: Vec<Service>,
    pub(crate) groups: Vec<(String, Group)>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) devices: Vec<(String, DeviceSort)>,
    pub(crate) interfaces: Vec<Interface>,
}

/// A service and how it is run.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// Index among the modules of services.
    pub(crate) module: u32,
    pub(crate) level: u32,
    pub(crate) budget: Option<Budget>,
    pub(crate) account: Account,
    /// The engine's number, or [`DEFAULT_ENGINE`].
    pub(crate) engine: u32,
    pub(crate) group: u32,
    pub(crate) restart: Restart,
    pub(crate) deadline_ms: u32,
    /// So many calls of each client wait at most; 0 for as many as the kernel says.
    pub(crate) queue: u32,
    pub(crate) heartbeat_ms: u32,
    pub(crate) references: Vec<Reference>,
    /// Index of the interface of its endpoint; `None` if it has no endpoint.
    pub(crate) interface: Option<u32>,
    /// Whether it has no thread of its own.
    pub(crate) is_passive: bool,
}

/// Stands for the engine that the machine was booted with.
pub(crate) const DEFAULT_ENGINE: u32 = 3;

/// What a service is given.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) slot: u32,
    pub(crate) target: Target,
}

/// What a reference is to; numbers are indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Account,
    Endpoint,
    Service(u32),
    Segment { index: u32, rights: u32 },
    Device(u32),
    Supervisor,
    Notification,
    Machine { rights: u32 },
    Vault { slots: u32 },
    Plan,
}

/// Memory that outlives those who use it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) pages: u32,
    pub(crate) most: u32,
}
