//! Processors without a port: nothing is compiled, so nothing here is ever called.

use crate::context::NativeContext;

pub(crate) const IS_SUPPORTED: bool = false;
pub(crate) const INTEGER_ARGUMENTS: usize = 0;
pub(crate) const FLOAT_ARGUMENTS: usize = 0;
pub(crate) const RETURN_ADDRESS: usize = 0;
pub(crate) const FRAME_OVERHEAD: u32 = 0;

pub(crate) unsafe fn prepare(top: *mut u8, _: *mut NativeContext) -> *mut u8 {
    top
}

pub(crate) unsafe extern "C" fn switch(_: *mut *mut u8, _: *mut u8) {}

pub(crate) unsafe fn saved_frame(native: *mut u8) -> (*mut u8, *mut u8) {
    (native, native)
}

pub(crate) unsafe fn set_saved_fuel(_: *mut u8, _: u64) {}

pub(crate) unsafe extern "C" fn slow_stub() {}

pub(crate) unsafe extern "C" fn svc_stub() {}

pub(crate) unsafe extern "C" fn resume_stub() {}
