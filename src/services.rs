//! Who answers a program's `svc`: the bare host, or WASI if the program came from WebAssembly.

use limen_isa::module::Module;
use limen_vm::{Host, SvcCall, SvcOutcome};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::running::Options;
use crate::wasi::{self, Wasi};

/// The host of one program.
pub(crate) enum Services {
    Bare(BareHost),
    Wasi(Box<Wasi>),
}

impl Services {
    /// What a module asks for, with these arguments; the first is its name.
    pub(crate) fn of(
        module: &Module,
        arguments: Vec<std::ffi::OsString>,
        options: &Options,
        environment: Vec<std::ffi::OsString>,
    ) -> Result<Self, Failure> {
        if !wasi::is_wanted(module) {
            return Ok(Self::Bare(BareHost::new(arguments, options.directory()?)?));
        }
        if options.keeps_checkpoints() {
            return Err(Failure::new("--checkpoint-every: programs from WebAssembly cannot be kept yet"));
        }
        Ok(Self::Wasi(Box::new(Wasi::new(module, arguments, environment, &options.dir)?)))
    }

    /// All that the program has of the host, for [`BareHost::restore`].
    pub(crate) fn save(&mut self) -> Vec<u8> {
        match self {
            Self::Bare(host) => host.save(),
            Self::Wasi(_) => Vec::new(),
        }
    }
}

impl Host for Services {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        match self {
            Self::Bare(host) => host.svc(call),
            Self::Wasi(host) => host.svc(call),
        }
    }
}
