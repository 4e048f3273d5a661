//! Who answers a program's `svc`: the bare host, WASI if the program came from WebAssembly, or a kernel, which needs nobody.

use limen_vm::{Host, NoServices, SvcCall, SvcOutcome};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::wasi::Wasi;

/// The host of one program.
pub(crate) enum Services {
    Bare(BareHost),
    Wasi(Box<Wasi>),
    Kernel,
}

impl Services {
    /// All that the program has of the host, for [`BareHost::restore`].
    pub(crate) fn save(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bare(host) => Ok(host.save()),
            Self::Kernel => Ok(Vec::new()),
            Self::Wasi(_) => Err(Failure::new("--checkpoint-every: programs from WebAssembly cannot be kept yet")),
        }
    }
}

impl Host for Services {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        match self {
            Self::Bare(host) => host.svc(call),
            Self::Wasi(host) => host.svc(call),
            Self::Kernel => NoServices.svc(call),
        }
    }
}
