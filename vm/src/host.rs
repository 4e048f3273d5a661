//! Services of the host, for machines without a kernel.

use limen_isa::Fault;

use crate::clock::Time;
use crate::port::MESSAGE_WORDS;

/// Answers the `svc` instructions of programs.
pub trait Host {
    /// Does what the program asks, and says how it goes on.
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome;
}

/// How a program goes on after an `svc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvcOutcome {
    /// With the results that were set; those that were not are zero.
    Continue,
    /// Not at all: it ends with this status.
    Exit(i32),
    /// With a fault at the `svc`, and its detail.
    Fault(Fault, u64),
}

/// A host that offers nothing: every `svc` is a trap.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl Host for NoServices {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        SvcOutcome::Fault(Fault::Trap, u64::from(call.number()))
    }
}

/// One `svc`.
pub struct SvcCall<'a> {
    pub(crate) number: u32,
    pub(crate) arguments: [u64; MESSAGE_WORDS],
    pub(crate) results: [u64; MESSAGE_WORDS],
    pub(crate) memory: &'a mut [u8],
    pub(crate) time: Time,
    pub(crate) now: i64,
}

impl SvcCall<'_> {
    /// The number in the instruction.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Word `index` of the message, 0 if it has fewer. An `i32` comes zero-extended.
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        self.arguments.get(index).copied().unwrap_or(0)
    }

    /// Sets result word `index`, which an `i32` register takes truncated.
    pub fn set_word(&mut self, index: usize, word: u64) {
        if let Some(result) = self.results.get_mut(index) {
            *result = word;
        }
    }

    /// Bytes of the program's home.
    ///
    /// # Errors
    ///
    /// The fault to end the `svc` with, if they are not all inside.
    pub fn bytes(&self, address: u64, length: u64) -> Result<&[u8], SvcOutcome> {
        self.memory.get(range(address, length)?).ok_or(SvcOutcome::Fault(Fault::Bounds, address))
    }

    /// Bytes of the program's home, writable.
    ///
    /// # Errors
    ///
    /// The fault to end the `svc` with, if they are not all inside.
    pub fn bytes_mut(&mut self, address: u64, length: u64) -> Result<&mut [u8], SvcOutcome> {
        self.memory.get_mut(range(address, length)?).ok_or(SvcOutcome::Fault(Fault::Bounds, address))
    }

    /// All of the program's home.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory
    }

    /// The machine's time: nanoseconds since it was made in live time, fuel burnt in virtual time.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Which of the two times the machine lives in.
    #[must_use]
    pub fn time(&self) -> Time {
        self.time
    }
}

fn range(address: u64, length: u64) -> Result<std::ops::Range<usize>, SvcOutcome> {
    let end = address.checked_add(length).and_then(|end| usize::try_from(end).ok());
    match (usize::try_from(address), end) {
        (Ok(start), Some(end)) => Ok(start..end),
        _ => Err(SvcOutcome::Fault(Fault::Bounds, address)),
    }
}
