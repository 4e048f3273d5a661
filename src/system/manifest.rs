//! The manifest: what a system consists of, as its author wrote it. Numbers are in the plan's units and in range; whether names
//! stand for something is [`super::link`]'s business.

mod fields;
mod read;
#[cfg(test)]
mod tests;
mod units;

use limen_assembler::Span;
use limen_vm::EngineKind;

use super::image::DeviceSort;
pub(crate) use fields::listed;
pub(crate) use read::read;

/// Something and where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A name.
pub(crate) type Name = At<String>;

/// Something that the manifest gives a name to.
#[derive(Debug)]
pub(crate) struct Named<T> {
    pub(crate) name: Name,
    pub(crate) it: T,
}

/// A manifest, each sort of thing in the order in which it was written.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) system: System,
    pub(crate) devices: Vec<Named<DeviceSort>>,
    pub(crate) segments: Vec<Named<Segment>>,
    pub(crate) groups: Vec<Named<Group>>,
    pub(crate) services: Vec<Named<Service>>,
}

/// What is about the system as a whole.
#[derive(Debug)]
pub(crate) struct System {
    /// The engine of services that name none; `None` leaves it to whoever boots.
    pub(crate) engine: Option<EngineKind>,
    /// Bytes of memory of the machine.
    pub(crate) memory: At<u64>,
    /// Another kernel than the built-in one.
    pub(crate) kernel: Option<Name>,
    /// Another first domain than the built-in one.
    pub(crate) init: Option<Name>,
}

/// Memory that outlives those who use it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) pages: u32,
    pub(crate) most: u32,
}

/// Services that are restarted by the same rules.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) strategy: Strategy,
    pub(crate) restarts: u32,
    pub(crate) within_ms: u32,
    pub(crate) first_backoff_ms: u32,
    pub(crate) most_backoff_ms: u32,
    pub(crate) escalate: Escalation,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            restarts: 5,
            within_ms: 10_000,
            first_backoff_ms: 1,
            most_backoff_ms: 1000,
            escalate: Escalation::StopGroup,
        }
    }
}

/// Who is restarted when one of a group stops. The numbers are the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Strategy {
    OneForOne = 0,
    RestForOne = 1,
    OneForAll = 2,
}

/// What is done when restarting does not help. The numbers are the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Escalation {
    StopGroup = 0,
    StopSystem = 1,
}

/// When a service is started again. The numbers are the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Restart {
    Always = 0,
    OnFailure = 1,
    Never = 2,
}

/// A program and what it is given.
#[derive(Debug)]
pub(crate) struct Service {
    /// A built-in service, or the path of a module or source.
    pub(crate) module: Name,
    pub(crate) group: Option<Name>,
    pub(crate) level: u32,
    pub(crate) budget: Option<Budget>,
    pub(crate) account: At<Account>,
    pub(crate) engine: Option<EngineKind>,
    pub(crate) restart: Restart,
    pub(crate) deadline_ms: u32,
    /// So many calls of each client wait at most; 0 for as many as the kernel says.
    pub(crate) queue: u32,
    pub(crate) heartbeat_ms: u32,
    pub(crate) after: Vec<Name>,
    /// Which of the interfaces that its module answers is that of its endpoint.
    pub(crate) interface: Option<Name>,
    pub(crate) references: Vec<Named<At<Reference>>>,
    /// Whether it has no thread of its own.
    pub(crate) is_passive: bool,
}

/// How much time a service may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) time_us: u32,
    pub(crate) period_us: u32,
}

/// What a service may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) bytes: u64,
    pub(crate) objects: u32,
    pub(crate) contexts: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self { bytes: 4 << 20, objects: 256, contexts: 4 }
    }
}

/// What a service is given.
#[derive(Clone, Debug)]
pub(crate) enum Reference {
    Account,
    Endpoint,
    Notification,
    Supervisor,
    Plan,
    Machine { rights: u32 },
    Service(Name),
    Segment { name: Name, rights: u32 },
    Device(Name),
    Vault { slots: u32 },
}
