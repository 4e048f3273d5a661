//! WASI preview 1: what a program that came from WebAssembly has of the host while there is no kernel.
//!
//! Names, numbers and layouts are those of the published interface, `wasi_snapshot_preview1`. All that reaches the program's
//! memory goes through [`Memory`], and all functions are rows of one table ([`functions`]).

mod descriptors;
mod directory;
mod errno;
mod file;
mod functions;
mod memory;
mod path;
mod poll;
mod process;
mod rights;

use std::ffi::OsString;
use std::time::Instant;

use limen_isa::module::{ExportItem, Module};
use limen_vm::{Host, SvcCall, SvcOutcome, Time};
use limen_wasm::{Import, ImportKind, Imports, MEMORY, Provided};

use crate::failure::Failure;
use descriptors::Descriptors;
use errno::Errno;
use memory::Memory;

pub(crate) use descriptors::Preopen;

/// What a module imports functions from.
const MODULE: &str = "wasi_snapshot_preview1";

/// The custom section of a translated module that asks for these services; it is empty.
pub(crate) const SECTION: u32 = 0x8000_0002;

/// Whether a module asks for these services.
pub(crate) fn is_wanted(module: &Module) -> bool {
    module.custom.iter().any(|section| section.id == SECTION)
}

/// What WebAssembly modules can import.
pub(crate) struct WasiImports;

impl Imports for WasiImports {
    fn find(&mut self, import: &Import) -> Option<Provided> {
        let ImportKind::Function(ty) = &import.kind else { return None };
        let number = functions::number(&import.name).filter(|_| import.module == MODULE)?;
        (functions::ty(number) == *ty).then_some(Provided::Function(number))
    }
}

/// Arguments, environment and descriptors of one program.
pub(crate) struct Wasi {
    arguments: Vec<OsString>,
    environment: Vec<OsString>,
    descriptors: Descriptors,
    /// Where in home the memory of the program begins.
    base: u64,
    /// Of the random numbers that a program gets in virtual time.
    seed: u64,
    /// When the program is stopped, whatever it waits for.
    end: Option<Instant>,
}

/// Why a function does not come back with success.
enum Refusal {
    Error(Errno),
    /// The program ends with this status.
    Exit(i32),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Error(errno)
    }
}

/// A function that is called.
struct Call<'a> {
    arguments: [u64; functions::MOST_ARGUMENTS],
    memory: Memory<'a>,
    time: Time,
    now: i64,
}

impl Call<'_> {
    /// An argument of 32 bits.
    fn word(&self, index: usize) -> u32 {
        self.arguments[index] as u32
    }

    /// An argument of 64 bits.
    fn long(&self, index: usize) -> u64 {
        self.arguments[index]
    }
}

impl Wasi {
    /// For a translated module, with `environment` as `NAME=VALUE`. It waits for nothing beyond `end`: the machine stops it then.
    pub(crate) fn new(
        module: &Module,
        arguments: Vec<OsString>,
        environment: Vec<OsString>,
        preopens: &[Preopen],
        end: Option<Instant>,
    ) -> Result<Self, Failure> {
        let base = match module.export(MEMORY) {
            Some(ExportItem::Constant(base)) => base as u64,
            _ => return Err(Failure::new("the module does not say where its memory begins")),
        };
        Ok(Self { arguments, environment, descriptors: Descriptors::new(preopens)?, base, seed: 0, end })
    }
}

impl Host for Wasi {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        let number = call.number();
        let Some(function) = functions::FUNCTIONS.get(number as usize) else {
            return SvcOutcome::Fault(limen_isa::Fault::Trap, u64::from(number));
        };
        let (time, now) = (call.time(), call.now());
        let mut arguments = [0; functions::MOST_ARGUMENTS];
        let is_in_memory = function.parameters().len() > functions::MESSAGE_ARGUMENTS;
        for (index, argument) in arguments.iter_mut().enumerate() {
            *argument = if is_in_memory { in_area(call, index) } else { call.word(index) };
        }
        let memory = Memory::new(call.memory_mut().get_mut(self.base as usize..).unwrap_or_default());
        let result = (function.implementation)(self, &mut Call { arguments, memory, time, now });
        let errno = match result {
            Ok(()) => 0,
            Err(Refusal::Error(errno)) => errno as u64,
            Err(Refusal::Exit(status)) => return SvcOutcome::Exit(status),
        };
        if !is_in_memory {
            call.set_word(0, errno);
            return SvcOutcome::Continue;
        }
        match call.bytes_mut(0, 4) {
            Ok(bytes) => {
                bytes.copy_from_slice(&(errno as u32).to_le_bytes());
                SvcOutcome::Continue
            }
            Err(fault) => fault,
        }
    }
}

/// An argument of a function with more than a message holds: they lie at the beginning of home. Zero
/// where a module has less home than that.
fn in_area(call: &SvcCall<'_>, index: usize) -> u64 {
    let bytes = call.bytes(8 * index as u64, 8).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
