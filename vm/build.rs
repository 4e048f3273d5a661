//! Decides how the interpreter dispatches.

use std::env;

/// Threaded dispatch is a chain of tail calls, which only an optimising build turns into jumps; elsewhere, and under Miri, a loop
/// steps from instruction to instruction.
fn main() {
    let optimised = env::var("OPT_LEVEL").is_ok_and(|level| matches!(level.as_str(), "2" | "3"));
    let known = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| matches!(arch.as_str(), "x86_64" | "aarch64"));
    let interpreted = env::var_os("CARGO_CFG_MIRI").is_some();
    println!("cargo::rustc-check-cfg=cfg(threaded_dispatch)");
    if optimised && known && !interpreted {
        println!("cargo::rustc-cfg=threaded_dispatch");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
