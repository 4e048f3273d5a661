//! All that belongs to one processor. A port is another file like `x86_64.rs`; without one, and under Miri, everything is
//! interpreted.

#[cfg(all(target_arch = "x86_64", unix, not(miri)))]
mod x86_64;

#[cfg(all(target_arch = "x86_64", unix, not(miri)))]
pub(crate) use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", unix, not(miri))))]
mod none;

#[cfg(not(all(target_arch = "x86_64", unix, not(miri))))]
pub(crate) use none::*;
