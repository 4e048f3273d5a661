//! Hosts on which nobody stops compiled code: it looks before it accesses home.

pub(crate) type Registers = ();

pub(crate) const NO_REGISTERS: Registers = ();

pub(crate) fn install() -> bool {
    false
}

pub(crate) fn effective_address(_: &Registers) -> Option<u64> {
    None
}
