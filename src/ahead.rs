//! Bodies of functions that are translated beside the program, so that they are there when it calls them.
//!
//! What a program calls next is mostly called by what it has just come to, or by something that this calls. So the functions
//! whose bodies are wanted are followed: what they call comes first, the latest before all, and then what that calls, and so on.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use limen_wasm::Bodies;

/// So long is it worth while: what a program has not called by then, it calls when it is at work.
const BEGINNING: Duration = Duration::from_millis(200);

/// So long does the program go on alone where nothing can be foreseen.
const PAUSE: Duration = Duration::from_micros(100);

/// By how much the program goes before, where there is one processor for both.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Follows a program that is about to begin, until it has begun or has ended.
pub(crate) fn follow(bodies: Bodies, has_ended: impl Fn() -> bool) {
    // Elsewhere it would be that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
    let (next, is_done) = (bodies.first().into(), vec![false; bodies.count()]);
    let mut ahead = Ahead { bodies, next, is_done };
    let end = Instant::now() + BEGINNING;
    while Instant::now() < end && !has_ended() {
        if !ahead.step() {
            thread::sleep(PAUSE);
        }
    }
}

/// What may be called next.
struct Ahead {
    bodies: Bodies,
    /// What to translate next.
    next: VecDeque<u32>,
    /// By function, whether nothing is left to do.
    is_done: Vec<bool>,
}

impl Ahead {
    /// Translates one more function; whether there was one.
    fn step(&mut self) -> bool {
        for function in self.bodies.wanted() {
            self.is_done[function as usize] = true;
            self.bodies.callees(function).iter().rev().for_each(|callee| self.next.push_front(*callee));
        }
        let is_done = &mut self.is_done;
        // Code that is not valid may name functions that are not there.
        let mut is_left =
            |function: &u32| is_done.get_mut(*function as usize).is_some_and(|is| !std::mem::replace(is, true));
        while let Some(function) = self.next.pop_front() {
            if is_left(&function) {
                self.bodies.go_ahead(function);
                self.next.extend(self.bodies.callees(function));
                return true;
            }
        }
        false
    }
}
