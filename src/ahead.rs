//! Bodies of functions that are translated beside the program, so that they are there when it calls them.
//!
//! What a program calls next is mostly called by what it has just come to, or by something that this calls. So the functions
//! that engines come to are followed: what they call comes first, the latest before all, and then what that calls, and so on.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use limen_isa::module::Module;
use limen_vm::Verified;
use limen_wasm::{Bodies, called};

/// So long is it worth while: what a program has not called by then, it calls when it is at work.
const BEGINNING: Duration = Duration::from_millis(200);

/// So long does the program go on alone where nothing can be foreseen.
const PAUSE: Duration = Duration::from_micros(100);

/// By how much the program goes before, where there is one processor for both.
const NICENESS: i32 = 5;

/// Follows a program that is about to begin, on a thread of its own; nobody needs to wait for that.
pub(crate) fn begin(module: &Verified<Module>, bodies: &Bodies) {
    let mut ahead = Ahead::new(module, bodies);
    // Where the host gives no thread, functions are translated when they are called.
    let _ = thread::Builder::new().name("limen-ahead".to_owned()).spawn(move || {
        let _ = rustix::process::nice(NICENESS);
        let end = Instant::now() + BEGINNING;
        while Instant::now() < end {
            if !ahead.step() {
                thread::sleep(PAUSE);
            }
        }
    });
}

/// What may be called next.
struct Ahead {
    module: Verified<Module>,
    bodies: Bodies,
    /// So many of the functions that engines have come to are known.
    followed: usize,
    /// What to translate next.
    next: VecDeque<u32>,
    /// By function, whether it is translated.
    is_done: Vec<bool>,
}

impl Ahead {
    fn new(module: &Verified<Module>, bodies: &Bodies) -> Self {
        let is_done = vec![false; module.functions.len()];
        Self { module: module.clone(), bodies: bodies.clone(), followed: 0, next: VecDeque::new(), is_done }
    }

    /// Translates one more function; whether there was one.
    fn step(&mut self) -> bool {
        self.follow();
        while let Some(function) = self.next.pop_front() {
            if std::mem::replace(&mut self.is_done[function as usize], true) {
                continue;
            }
            let body = &self.module.functions[function as usize].body;
            if !body.has_come() {
                self.next.extend(self.bodies.go_ahead(function));
                return true;
            }
            self.next.extend(called(&body.code));
        }
        false
    }

    /// What is called by functions that engines have come to since.
    fn follow(&mut self) {
        for function in self.module.placed(self.followed) {
            self.followed += 1;
            self.is_done[function as usize] = true;
            called(&self.module.functions[function as usize].code)
                .rev()
                .for_each(|callee| self.next.push_front(callee));
        }
    }
}
