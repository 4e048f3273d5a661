//! A word there and back between two threads of the host, by what the host has for that.

use std::io::{Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How words go to another thread: the ends of two who talk to each other.
pub type Way = fn() -> [Box<dyn End>; 2];

pub const WAYS: [(&str, Way); 3] = [
    ("pipes between two threads", pipes),
    ("Unix sockets between two threads", sockets),
    ("futex between two threads", words),
];

/// One end.
pub trait End: Send {
    fn send(&mut self);
    fn receive(&mut self);
    /// Is told once which thread is at the other end.
    fn meet(&mut self, _other: thread::Thread) {}
}

/// The time of one of so many round trips, in nanoseconds. Both threads keep to one processor, or go where the host puts them.
pub fn round_trip(way: Way, rounds: usize, on_one: bool) -> f64 {
    let [mut near, mut far] = way();
    let caller = thread::Builder::new().spawn(move || {
        let here = thread::current();
        settle(on_one);
        let server = thread::spawn(move || {
            settle(on_one);
            far.meet(here);
            (0..rounds + 1).for_each(|_| {
                far.receive();
                far.send();
            });
        });
        near.meet(server.thread().clone());
        let mut exchange = || {
            near.send();
            near.receive();
        };
        exchange(); // now the other one is there
        let begun = Instant::now();
        (0..rounds).for_each(|_| exchange());
        let time = begun.elapsed().as_secs_f64() * 1e9 / rounds as f64;
        server.join().expect("the server ends");
        time
    });
    caller.expect("the host has threads").join().expect("the caller ends")
}

/// Keeps this thread to the first of the processors that it may use.
fn settle(on_one: bool) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    if let (true, Some(first)) = (on_one, first) {
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).expect("a thread may keep to a processor that it may use");
    }
}

/// What can be written to, and what can be read from.
struct Stream<R, W>(R, W);

impl<R: Read + Send, W: Write + Send> End for Stream<R, W> {
    fn send(&mut self) {
        self.1.write_all(&[0; 8]).expect("the other end is there");
    }

    fn receive(&mut self) {
        self.0.read_exact(&mut [0; 8]).expect("the other end is there");
    }
}

fn pipes() -> [Box<dyn End>; 2] {
    let (there_out, there_in) = pipe().expect("the host has pipes");
    let (back_out, back_in) = pipe().expect("the host has pipes");
    [Box::new(Stream(back_out, there_in)), Box::new(Stream(there_out, back_in))]
}

fn sockets() -> [Box<dyn End>; 2] {
    let (near, far) = UnixStream::pair().expect("the host has sockets");
    let end = |stream: UnixStream| Box::new(Stream(stream.try_clone().expect("there are descriptors"), stream));
    [end(near), end(far)]
}

/// A counter that both look at, and sleep while it is not their turn.
struct Parked {
    turns: &'static AtomicUsize,
    mine: usize,
    other: Option<thread::Thread>,
}

impl End for Parked {
    fn send(&mut self) {
        self.turns.fetch_add(1, Ordering::Release);
        self.other.as_ref().expect("the two have met").unpark();
    }

    fn receive(&mut self) {
        while self.turns.load(Ordering::Acquire) % 2 != self.mine {
            thread::park();
        }
    }

    fn meet(&mut self, other: thread::Thread) {
        self.other = Some(other);
    }
}

/// Parking is a futex where there are futexes.
fn words() -> [Box<dyn End>; 2] {
    // A few bytes for each measurement, until the process ends.
    let turns: &'static AtomicUsize = Box::leak(Box::default());
    [0, 1].map(|mine| Box::new(Parked { turns, mine, other: None }) as Box<dyn End>)
}
