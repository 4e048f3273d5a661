//! WebAssembly measured: the same binaries, translated for Limen, and by engines that were made for them.

mod compare;
mod engines;
mod input;
mod program;
mod start;
mod translation;
mod world;

use std::rc::Rc;

use crate::kernels::Kernel;
pub use start::Peer;

/// Compares kernels and whole programs, and what has to be done before they run.
pub fn print(kernels: &[&Kernel], filter: &str, rounds: u32, quick: bool) {
    compare::print("WebAssembly, ms", kernels.iter().map(|kernel| engines::kernel(kernel, quick)), rounds);
    let Some(mut programs) = program::all() else { return };
    programs.retain(|program| program.name.contains(filter));
    if programs.is_empty() {
        return;
    }
    compare::print("programs, ms", programs.iter().map(|program| engines::program(program, quick)), rounds);
    compare::print("binary to exit, ms", programs.iter().map(engines::first_run), rounds.min(FEW));
    translation::print(programs.iter().map(Rc::as_ref), rounds);
    println!();
    start::print(programs.iter().map(Rc::as_ref), rounds);
}

/// Compiling everything anew takes long.
const FEW: u32 = 3;
