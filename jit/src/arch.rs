//! All that belongs to one processor. A port is another file like `x86_64.rs`; without one everything is interpreted.

#[cfg(all(target_arch = "x86_64", unix))]
mod x86_64;

#[cfg(all(target_arch = "x86_64", unix))]
pub(crate) use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", unix)))]
mod none;

#[cfg(not(all(target_arch = "x86_64", unix)))]
pub(crate) use none::*;
