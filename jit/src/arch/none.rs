//! Processors without a port: nothing is compiled, so nothing here is ever called.

#[path = "unguarded.rs"]
mod guard;

use crate::context::Control;

pub(crate) use guard::{NO_REGISTERS, Registers, effective_address, install as install_guard};

pub(crate) const IS_SUPPORTED: bool = false;
pub(crate) const INTEGER_ARGUMENTS: usize = 0;
pub(crate) const FLOAT_ARGUMENTS: usize = 0;
pub(crate) const RETURN_ADDRESS: usize = 0;
pub(crate) const FRAME_OVERHEAD: u32 = 0;

pub(crate) fn fresh(_: *mut u8) -> Control {
    Control::NOWHERE
}

pub(crate) fn is_fresh(_: &Control) -> bool {
    true
}

pub(crate) unsafe extern "C" fn switch(_: *mut Control, _: *const Control, _: *mut (), _: u64) {}

pub(crate) unsafe extern "C" fn uncompiled_stub() {}

pub(crate) unsafe extern "C" fn slow_stub() {}
