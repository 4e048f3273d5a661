//! Whether what the services may hold is there at all.

use std::fmt;

use limen_assembler::Diagnostic;
use limen_isa::module::PAGE_SIZE;
use limen_vm::{Budget, Config};

use crate::system::manifest::{Manifest, Service};
use crate::system::modules::Part;
use crate::system::plan::Plan;
use crate::system::problems::Problems;

/// What is left to init besides what it makes for the services.
const INIT_BYTES: u64 = 4 << 20;

/// The numbers that a kernel exports of what it keeps for itself.
const KEPT_BYTES: &str = "kept_bytes";
const KEPT_OBJECTS: &str = "kept_objects";

/// The number that init exports of how many services it can start.
const MOST_SERVICES: &str = "most_services";

/// That an account has room for the memory that the module begins with.
pub(super) fn check_account(service: &Service, part: &Part) -> Result<(), Diagnostic> {
    let needed = u64::from(part.module.home.min_pages) * u64::from(PAGE_SIZE);
    let bytes = service.account.value.bytes;
    if needed <= bytes {
        return Ok(());
    }
    let text = format!("the account holds {}, and the module's memory begins with {}", size(bytes), size(needed));
    Err(Diagnostic::new(service.account.span, text))
}

/// That the machine has what the accounts promise, and init room for the services.
pub(crate) fn check_room(manifest: &Manifest, plan: &Plan, [kernel, init]: [&Part; 2], problems: &Problems) {
    let machine = Budget { bytes: manifest.system.memory.value, ..Config::default().budget };
    let promises = Promises::of(plan, kernel);
    for text in promises.broken_by(machine) {
        problems.add(Diagnostic::new(manifest.system.memory.span, text).note(promises.to_string()));
    }
    let most = init.number(MOST_SERVICES).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    if let Some(service) = manifest.services.get(most) {
        problems.add(Diagnostic::new(service.name.span, format!("init can start no more than {most} services")));
    }
}

/// What is promised to all in a system.
struct Promises {
    services: u64,
    segments: u64,
    /// What kernel and init keep.
    own: u64,
    objects: u64,
    contexts: u64,
}

impl Promises {
    fn of(plan: &Plan, kernel: &Part) -> Self {
        let kept = |name| kernel.number(name).unwrap_or(0);
        let accounts = || plan.services.iter().map(|service| service.account);
        let pages: u64 = plan.segments.iter().map(|segment| u64::from(segment.most)).sum();
        Self {
            services: accounts().fold(0, |sum: u64, account| sum.saturating_add(account.bytes)),
            segments: pages * u64::from(PAGE_SIZE) + plan.encode().len() as u64,
            own: kept(KEPT_BYTES).saturating_add(INIT_BYTES),
            objects: accounts().fold(kept(KEPT_OBJECTS), |sum, account| sum.saturating_add(account.objects.into())),
            contexts: accounts().map(|account| u64::from(account.contexts)).sum(),
        }
    }

    /// What a machine has too little of, in words.
    fn broken_by(&self, machine: Budget) -> Vec<String> {
        let bytes = self.services.saturating_add(self.segments).saturating_add(self.own);
        let counted = |needed: u64, there: u32, what: &str| {
            (needed > there.into()).then(|| format!("the system needs {needed} {what}, and the machine has {there}"))
        };
        let memory = (bytes > machine.bytes)
            .then(|| format!("the system needs {}, and the machine has {}", size(bytes), size(machine.bytes)));
        let objects = counted(self.objects, machine.objects, "objects");
        let contexts = counted(self.contexts, machine.contexts, "contexts");
        [memory, objects, contexts].into_iter().flatten().collect()
    }
}

impl fmt::Display for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [services, segments, own] = [self.services, self.segments, self.own].map(size);
        write!(f, "in all: services {services}, segments {segments}, kernel and init {own}; ")?;
        write!(f, "{} objects, {} contexts", self.objects, self.contexts)
    }
}

/// A size as people say it, rounded up.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}
