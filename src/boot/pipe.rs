//! A bounded queue of bytes between the machine, which never waits, and a thread that does.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// It holds no more bytes than this.
const CAPACITY: usize = 64 << 10;

/// See the module.
#[derive(Default)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The byte that was taken out last.
    latest: Option<u8>,
    /// Nothing more comes in; what is there still goes out.
    closed: bool,
    /// Nothing goes out any more.
    broken: bool,
    /// There was no room for all that was offered last: whoever offered it waits.
    was_full: bool,
    /// Whoever took the bytes has done with all of them.
    finished: bool,
    /// Bytes that came in or were offered once nothing went out any more.
    lost: u64,
}

impl Pipe {
    /// Puts in what fits now; gives how many bytes. A broken one takes everything, and drops it.
    pub(crate) fn offer(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        if state.broken || state.closed {
            state.was_full = false;
            state.lost += bytes.len() as u64;
            return bytes.len();
        }
        let taken = bytes.len().min(CAPACITY - state.bytes.len());
        state.bytes.extend(&bytes[..taken]);
        state.was_full = taken < bytes.len();
        self.changed.notify_all();
        taken
    }

    /// Puts in all of this now, or nothing; whether that was possible. A broken one takes everything, and drops it.
    pub(crate) fn offer_whole(&self, bytes: &[u8]) -> bool {
        let mut state = self.state();
        let has_room = state.broken || state.closed || bytes.len() <= CAPACITY - state.bytes.len();
        state.was_full |= !has_room;
        drop(state);
        has_room && self.offer(bytes) == bytes.len()
    }

    /// Puts in all of this at once, when there is room for it.
    pub(crate) fn put_whole(&self, bytes: &[u8]) {
        while !self.offer_whole(bytes) {
            self.wait_for_room(bytes.len());
        }
    }

    /// Waits until so many bytes fit, or until it does not matter.
    pub(crate) fn wait_for_room(&self, len: usize) {
        drop(self.wait_while(|state| CAPACITY - state.bytes.len() < len && !state.broken && !state.closed));
    }

    /// Whoever takes the bytes is another one from now on: drops the rest of a line whose beginning is gone, and gives a copy of
    /// what is left. What was broken off goes on.
    pub(crate) fn begin_anew(&self) -> Vec<u8> {
        let mut state = self.state();
        state.broken = false;
        if state.latest.is_some_and(|byte| byte != b'\n') {
            let rest = state.bytes.iter().position(|byte| *byte == b'\n').map_or(state.bytes.len(), |end| end + 1);
            state.bytes.drain(..rest);
        }
        state.latest = None;
        self.changed.notify_all();
        state.bytes.iter().copied().collect()
    }

    /// Puts in all bytes, as there is room for them. `false` if nothing goes out any more.
    pub(crate) fn fill(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let state = self.wait_while(|state| state.bytes.len() == CAPACITY && !state.broken && !state.closed);
            if state.broken || state.closed {
                return false;
            }
            drop(state);
            bytes = &bytes[self.offer(bytes)..];
        }
        true
    }

    /// Takes out what is there now; gives how many bytes.
    pub(crate) fn take(&self, into: &mut [u8]) -> usize {
        let mut state = self.state();
        let count = state.take(into);
        self.changed.notify_all();
        count
    }

    /// Takes out bytes as soon as there are any; gives how many, and whether somebody waits for the room that they leave. 0: it
    /// is closed, and there will be no more.
    pub(crate) fn drain(&self, into: &mut [u8]) -> (usize, bool) {
        let mut state = self.wait_while(|state| state.bytes.is_empty() && !state.closed && !state.broken);
        let count = state.take(into);
        self.changed.notify_all();
        (count, state.was_full)
    }

    /// Nothing more comes in.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Nothing goes out any more: bytes that were taken out and could not be used, and what is there, are lost.
    pub(crate) fn break_off(&self, unused: usize) {
        self.change(|state| {
            state.broken = true;
            state.lost += unused as u64 + state.bytes.len() as u64;
            state.bytes.clear();
        });
    }

    /// Says that all that was taken out is done with.
    pub(crate) fn finish(&self) {
        self.change(|state| state.finished = true);
    }

    /// Closes it and waits until all is done with, but no longer than this; gives how many bytes were lost.
    pub(crate) fn flush(&self, patience: Duration) -> u64 {
        self.close();
        let end = Instant::now() + patience;
        let mut state = self.state();
        while !state.finished {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lost + state.bytes.len() as u64
    }

    /// Whether bytes may yet be taken out.
    pub(crate) fn has_future(&self) -> bool {
        let state = self.state();
        !state.closed || !state.bytes.is_empty()
    }

    /// Whether somebody waits for room, and is told when there is some.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.state().was_full
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.state(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = std::io::Read::read(&mut self.bytes, into).unwrap_or(0);
        self.latest = into[..count].last().copied().or(self.latest);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_does_not_fit_is_offered_again() {
        let pipe = Pipe::default();
        assert_eq!(pipe.offer(&vec![7; CAPACITY + 5]), CAPACITY);
        assert_eq!(pipe.offer(&[7; 5]), 0);
        let mut bytes = vec![0; 10];
        assert_eq!(pipe.drain(&mut bytes), (10, true));
        assert!(pipe.is_waited_for(), "until it is offered again");
        assert_eq!((pipe.offer(&[8; 5]), pipe.drain(&mut bytes)), (5, (10, false)));
        assert!(!pipe.is_waited_for());
        pipe.close();
        assert!(pipe.has_future(), "what is there still goes out");
    }

    #[test]
    fn megabytes_go_through_in_order() {
        let pipe = Arc::new(Pipe::default());
        let sent: Vec<u8> = (0..4_000_000_u32).map(|number| (number >> 3) as u8).collect();
        let (from, bytes) = (Arc::clone(&pipe), sent.clone());
        let sender = std::thread::spawn(move || {
            assert!(from.fill(&bytes));
            from.close();
        });
        let (mut received, mut piece) = (Vec::<u8>::new(), [0; 1000]);
        while let (count @ 1.., _) = pipe.drain(&mut piece) {
            received.extend(&piece[..count]);
        }
        sender.join().expect("all was taken");
        assert!(received == sent && !pipe.has_future());
    }

    #[test]
    fn what_is_lost_is_counted() {
        let pipe = Pipe::default();
        pipe.offer(&[1; 10]);
        pipe.break_off(3);
        assert_eq!((pipe.offer(&[1; 4]), pipe.fill(&[1])), (4, false));
        assert!(!pipe.is_waited_for());
        pipe.finish();
        assert_eq!(pipe.flush(Duration::from_secs(60)), 17);
    }
}
