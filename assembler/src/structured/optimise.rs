//! Better code for the same meaning.
//!
//! Each pass takes code over any number of registers and leaves such code. None of them may lose, move or repeat what can be
//! seen from outside: writes to memory, calls, and faults at their places.

mod addresses;
mod condition;
mod copies;
mod forward;
mod hoist;
mod inline;
mod known;
mod loops;
mod merge;
mod numbering;
mod outline;
mod ranges;
mod simplify;
mod sites;
mod threads;

use super::code::Code;
use super::flow::drop_unreached;
use super::live::drop_unused;

pub(crate) use inline::inline_calls;
pub(crate) use merge::same_functions;
pub(crate) use sites::{Site, used_sites};

/// Improves the code of one function, the first `params` of whose registers are its parameters.
fn improve(code: &mut Code, params: usize) {
    for _ in 0..2 {
        drop_unreached(code);
        copies::propagate(code, params);
        numbering::number(code, params);
        threads::thread(code);
        drop_unreached(code);
        drop_unused(code);
        forward::forward(code, params);
    }
    hoist::hoist_constants(code, params);
}
