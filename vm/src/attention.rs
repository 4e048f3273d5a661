//! How other threads get the attention of a machine whose compiled code does not count fuel: they raise a word that it looks at
//! at its safepoints. A host does so that wants the machine to stop, a device that has something for it, and a timer when it is time. A
//! machine that sleeps is woken by the same.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What other threads tell a machine.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Attention {
    /// Not zero if there may be something to look at.
    word: AtomicU64,
    /// Belongs to the engine: what its code finds from the word.
    by_word: AtomicUsize,
    /// Raised by the host.
    stop: AtomicBool,
    /// Raised by devices that want to work.
    devices: AtomicBool,
    news: Mutex<News>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct News {
    /// Whether anything was raised since the machine last looked; it sleeps on it.
    is_there: bool,
    /// Belongs to the engine: set to zero when the word is raised.
    zeroed: Option<NonNull<AtomicU64>>,
}

// SAFETY: the number is there as long as it is named here, as `Attention::zero_when_raised` demands.
unsafe impl Send for News {}

impl News {
    fn zero(&self) {
        if let Some(number) = self.zeroed {
            // SAFETY: as above.
            unsafe { number.as_ref() }.store(0, Ordering::SeqCst);
        }
    }
}

/// How many bytes behind the word that is.
pub(crate) const BY_WORD: usize = offset_of!(Attention, by_word) - offset_of!(Attention, word);

impl Attention {
    /// What compiled code looks at. It stays where it is.
    pub(crate) fn word(&self) -> *const u64 {
        self.word.as_ptr()
    }

    /// Puts a number beside it.
    pub(crate) fn put_by_word(&self, number: usize) {
        self.by_word.store(number, Ordering::Relaxed);
    }

    /// Has the machine look at whatever there may be.
    pub(crate) fn raise(&self) {
        self.word.store(1, Ordering::SeqCst);
        let mut news = self.news();
        news.is_there = true;
        news.zero();
        self.came.notify_one();
    }

    /// Has this number set to zero whenever the word is raised, and now if it is; in place of another, which is given.
    ///
    /// # Safety
    ///
    /// The number must be there until another has taken its place, or none.
    pub(crate) unsafe fn zero_when_raised(&self, number: Option<NonNull<AtomicU64>>) -> Option<NonNull<AtomicU64>> {
        let mut news = self.news();
        let before = std::mem::replace(&mut news.zeroed, number);
        if self.word.load(Ordering::Acquire) != 0 {
            news.zero();
        }
        before
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something is raised or `until`; for ever if that is `None`. `false` if it was the time.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let mut news = self.news();
        while !std::mem::take(&mut news.is_there) {
            news = match until {
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.came.wait_timeout(news, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.came.wait(news).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// Takes the word back. To be called before a look at what it may have been raised for, and behind the engine's setting its number
    /// to something again: who raises the word sets it and then the number to zero, and one of both must be seen. So this is an
    /// exchange, and in one order with that.
    pub(crate) fn lower(&self) {
        self.word.swap(0, Ordering::SeqCst);
    }

    /// Wants the machine to stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.raise();
    }

    pub(crate) fn wants_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Wants devices to work.
    pub(crate) fn call_devices(&self) {
        self.devices.store(true, Ordering::Release);
        self.raise();
    }

    pub(crate) fn is_called_by_devices(&self) -> bool {
        self.devices.load(Ordering::Relaxed)
    }

    /// Devices need not be let work any more. To be called before they are.
    pub(crate) fn take_call_of_devices(&self) {
        self.devices.swap(false, Ordering::AcqRel);
    }

    /// Whether a stop was wanted; it no longer is.
    pub(crate) fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::Relaxed)
    }
}

/// Raises a machine's word at a time that can be changed; never, at first and once it is dropped.
pub(crate) struct Timer {
    attention: Arc<Attention>,
    /// Tells it from other timers that are due at the same time.
    number: u64,
    at: Option<Instant>,
}

impl Timer {
    pub(crate) fn new(attention: &Arc<Attention>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self { attention: Arc::clone(attention), number: NUMBERS.fetch_add(1, Ordering::Relaxed), at: None }
    }

    /// Sets it for a time, or for none. A time that is over raises the word soon, even if it did so before.
    pub(crate) fn set(&mut self, at: Option<Instant>) {
        let before = std::mem::replace(&mut self.at, at);
        if before.is_none() && at.is_none() {
            return;
        }
        let Some(timers) = &*TIMERS else { return };
        let mut due = timers.due();
        if let Some(before) = before {
            due.timers.remove(&(before, self.number));
        }
        if let Some(at) = at {
            due.timers.insert((at, self.number), Arc::clone(&self.attention));
            if due.wakes.is_none_or(|wakes| at < wakes) {
                timers.changed.notify_one();
            }
        }
    }

    /// Whether timers raise words at all: the host has given a thread that waits.
    pub(crate) fn are_there() -> bool {
        TIMERS.is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
    }
}

/// The timers of all machines of the process, and one thread that waits for the next.
struct Timers {
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    timers: BTreeMap<(Instant, u64), Arc<Attention>>,
    /// When the thread will look next, if ever.
    wakes: Option<Instant>,
}

/// `None` if the host gives no thread.
static TIMERS: LazyLock<Option<Arc<Timers>>> = LazyLock::new(|| {
    let timers = Arc::new(Timers { due: Mutex::default(), changed: Condvar::new() });
    let waiting = Arc::clone(&timers);
    std::thread::Builder::new().name("limen-timers".to_owned()).spawn(move || waiting.wait()).ok()?;
    Some(timers)
});

impl Timers {
    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut due = self.due();
        loop {
            let now = Instant::now();
            while let Some(first) = due.timers.first_entry().filter(|first| first.key().0 <= now) {
                first.remove().raise();
            }
            due.wakes = due.timers.first_key_value().map(|((at, _), _)| *at);
            due = match due.wakes {
                Some(at) => {
                    let waited = self.changed.wait_timeout(due, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_raised(attention: &Attention) -> bool {
        attention.word.load(Ordering::Acquire) != 0
    }

    #[test]
    fn a_timer_raises_the_word_when_it_is_time_and_not_before() {
        let attention = Arc::new(Attention::default());
        let mut timer = Timer::new(&attention);
        let at = Instant::now() + Duration::from_millis(20);
        timer.set(Some(at));
        while !is_raised(&attention) {
            std::thread::sleep(Duration::from_micros(100));
        }
        assert!(Instant::now() >= at);
        attention.lower();
        assert!(!is_raised(&attention));
    }

    #[test]
    fn a_time_that_is_over_raises_the_word_each_time_it_is_set() {
        let attention = Arc::new(Attention::default());
        let mut timer = Timer::new(&attention);
        let at = Instant::now();
        for _ in 0..3 {
            timer.set(Some(at));
            let set = Instant::now();
            while !is_raised(&attention) {
                assert!(set.elapsed() < Duration::from_secs(10), "nobody raised the word");
                std::thread::sleep(Duration::from_micros(100));
            }
            attention.lower();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri takes longer than these times")]
    fn the_last_time_that_was_set_counts_and_none_after_it_was_dropped() {
        let attention = Arc::new(Attention::default());
        let soon = || Instant::now() + Duration::from_millis(5);
        let mut timer = Timer::new(&attention);
        timer.set(Some(soon()));
        timer.set(Some(Instant::now() + Duration::from_secs(3600)));
        let mut other = Timer::new(&attention);
        other.set(Some(soon()));
        drop(other);
        std::thread::sleep(Duration::from_millis(30));
        assert!(!is_raised(&attention));
        // A nearer time than the one that is waited for.
        timer.set(Some(soon()));
        std::thread::sleep(Duration::from_millis(200));
        assert!(is_raised(&attention));
    }
}
