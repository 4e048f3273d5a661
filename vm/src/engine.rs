//! What an engine is.

use limen_isa::Fault;

use crate::object::Ref;
use crate::store::{ContextKey, Store};

/// Runs contexts. The machine knows engines only through this trait.
pub(crate) trait Engine: Send {
    /// Runs a context until something happens that is not the engine's business, burning at most `fuel` units.
    ///
    /// The context's frames are in the portable form before and after. Returns why it stopped and the fuel that is
    /// left.
    fn run(&mut self, store: &mut Store, context: ContextKey, fuel: u64) -> (Exit, u64);

    /// Forgets what it keeps for modules that no domain runs any more.
    fn collect(&mut self, store: &Store);
}

/// Why an engine stopped. The context's pc is at the instruction that caused it, which has not been done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The fuel is used up: the next safepoint would burn a unit that is not there.
    Fuel,
    /// The first function returned; its results are the context's message.
    Finished,
    /// An instruction faulted, with its detail.
    Fault(Fault, u64),
    /// The instruction is `svc`; its fuel is burnt.
    Svc,
    /// The page of this memory is absent.
    Page(PageWait),
    /// The kernel gives the processor to a context.
    Resume(Ref),
    /// The kernel waits for an interrupt.
    Idle,
    /// The kernel stops the machine.
    Halt(i32),
}

/// What a context waits for that touched an absent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageWait {
    pub(crate) memory: crate::memory::MemoryKey,
    pub(crate) page: u32,
    pub(crate) write: bool,
}
