//! Who answers a program's `svc`: the bare host, or WASI if the program came from WebAssembly.

use limen_vm::{Host, SvcCall, SvcOutcome};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::wasi::Wasi;

/// The host of one program.
pub(crate) enum Services {
    Bare(BareHost),
    Wasi(Box<Wasi>),
}

impl Services {
    /// All that the program has of the host, for [`BareHost::restore`].
    pub(crate) fn save(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bare(host) => Ok(host.save()),
            Self::Wasi(_) => Err(Failure::new("--checkpoint-every: programs from WebAssembly cannot be kept yet")),
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
