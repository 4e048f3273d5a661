//! Bodies that were translated before somebody looked at them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use limen_isa::module::Body;

/// One thread puts bodies in, any thread takes them out.
pub(crate) struct Stock {
    bodies: Box<[Mutex<Option<Body>>]>,
    /// The body that is made.
    in_work: AtomicU32,
    /// What somebody wanted to take since that was looked at.
    wanted: Mutex<Vec<u32>>,
}

const NOTHING: u32 = u32::MAX;

impl Stock {
    pub(crate) fn new(bodies: usize) -> Self {
        Self {
            bodies: (0..bodies).map(|_| Mutex::default()).collect(),
            in_work: NOTHING.into(),
            wanted: Mutex::default(),
        }
    }

    fn place(&self, index: u32) -> MutexGuard<'_, Option<Body>> {
        self.bodies[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was wanted since this was asked before.
    pub(crate) fn wanted(&self) -> MutexGuard<'_, Vec<u32>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, index: u32, make: impl FnOnce() -> Body) {
        self.in_work.store(index, Ordering::Release);
        let body = make();
        *self.place(index) = Some(body);
        self.in_work.store(NOTHING, Ordering::Release);
    }

    /// A body if it is there, or is in work and comes soon: whoever makes it may have lost its processor.
    pub(crate) fn take(&self, index: u32, patience: Duration) -> Option<Body> {
        self.wanted().push(index);
        let mut since = None;
        loop {
            let is_in_work = self.in_work.load(Ordering::Acquire) == index;
            let body = self.place(index).take();
            if body.is_some() || !is_in_work || since.get_or_insert_with(Instant::now).elapsed() > patience {
                return body;
            }
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn body(word: u64) -> Body {
        Body { registers: Vec::new(), code: vec![word] }
    }

    #[test]
    fn what_is_there_is_taken_once() {
        let stock = Stock::new(3);
        stock.put(1, || body(7));
        assert_eq!(*stock.wanted(), []);
        assert_eq!([0, 1, 1, 2].map(|index| stock.take(index, Duration::MAX)), [None, Some(body(7)), None, None]);
        assert_eq!(*stock.wanted(), [0, 1, 1, 2]);
    }

    #[test]
    fn what_is_in_work_is_waited_for() {
        let (stock, barrier) = (Stock::new(1), Barrier::new(2));
        let (early, late) = (Duration::from_millis(1), Duration::from_secs(600));
        thread::scope(|scope| {
            scope.spawn(|| {
                stock.put(0, || {
                    barrier.wait();
                    barrier.wait();
                    thread::sleep(Duration::from_millis(10));
                    body(9)
                });
            });
            barrier.wait();
            assert_eq!(stock.take(0, early), None);
            barrier.wait();
            assert_eq!(stock.take(0, late), Some(body(9)));
        });
    }
}
