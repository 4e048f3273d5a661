//! The record device: it reads the ring into which the kernel writes all calls, and a thread writes the file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use limen_vm::Time;
use limen_vm::device::{Device, Queues, Waker};

use super::threads;
use crate::failure::Failure;
use crate::record::event::{BYTES, Event, HEADER_BYTES};
use crate::record::names::Names;
use crate::record::writer::Writer;

/// Its device ID: none of those that virtio has.
const ID: u32 = 0x4c52;

/// What the device has of the ring in its sight.
const RING: u32 = 0;

/// So many events are handed to the thread at once, and so many such batches may wait for it.
const BATCH: usize = 1024;
const BATCHES: usize = 64;

/// How long the file is waited for once the system has stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a batch is offered again.
const LOOK: Duration = Duration::from_micros(200);

/// What the thread is told.
struct News {
    /// Others were overwritten before they were read, before these; how many, if anybody knows.
    lost: Option<Option<u64>>,
    /// As they lay in the ring.
    events: Vec<[u8; BYTES]>,
}

/// A record that is being made.
pub(crate) struct Recording {
    path: PathBuf,
    news: SyncSender<News>,
    end: Receiver<io::Result<()>>,
    waker: Arc<OnceLock<Waker>>,
    is_full: Arc<AtomicBool>,
}

impl Recording {
    /// Begins to write a record of a system with this plan.
    ///
    /// # Errors
    ///
    /// If there can be no such file.
    pub(crate) fn begin(path: &Path, plan: &[u8], time: Time) -> Result<Self, Failure> {
        let time = match time {
            Time::Live => "live",
            Time::Virtual => "virtual",
        };
        let file = File::create(path).and_then(|file| Writer::begin(BufWriter::new(file), Names::of(plan), time));
        let mut writer = file.map_err(|error| Failure::of_file(path, error))?;
        let (news, received) = sync_channel(BATCHES);
        let (tell, end) = channel();
        let (waker, is_full) = (Arc::<OnceLock<Waker>>::default(), Arc::<AtomicBool>::default());
        let (its_waker, was_full) = (Arc::clone(&waker), Arc::clone(&is_full));
        threads::start("limen-record", move || {
            let written = write_all(&mut writer, &received, || {
                if was_full.swap(false, Ordering::AcqRel)
                    && let Some(waker) = its_waker.get()
                {
                    waker.wake();
                }
            });
            // Whoever has stopped waiting does not want to know.
            _ = tell.send(written.and_then(|()| writer.finish()));
        });
        Ok(Self { path: path.to_owned(), news, end, waker, is_full })
    }

    /// The device that it is made with. In virtual time the machine waits for the file, since that takes no time.
    pub(crate) fn device(&self, time: Time) -> RecordDevice {
        RecordDevice {
            news: Some(self.news.clone()),
            waker: Arc::clone(&self.waker),
            is_full: Arc::clone(&self.is_full),
            waits: time == Time::Virtual,
            taken: 0,
            has_gap: false,
        }
    }

    /// Waits until all is written, now that the device is gone.
    ///
    /// # Errors
    ///
    /// If something could not be written.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        drop(self.news);
        match self.end.recv_timeout(PATIENCE) {
            Ok(written) => written.map_err(|error| Failure::of_file(&self.path, error)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(Failure::of_file(&self.path, "the end of the record could not be written"))
            }
        }
    }
}

/// Writes what comes until there will be no more, and has it in the file whenever nothing is there to be written. Calls
/// `taken` whenever something was taken. What cannot be written ends that; the rest is dropped.
fn write_all(writer: &mut Writer<BufWriter<File>>, news: &Receiver<News>, taken: impl Fn()) -> io::Result<()> {
    let mut written = Ok(());
    loop {
        let next = match news.try_recv() {
            Err(TryRecvError::Empty) => {
                written = written.and_then(|()| writer.flush());
                news.recv().ok()
            }
            next => next.ok(),
        };
        let Some(next) = next else { return written };
        taken();
        written = written.and_then(|()| write(writer, &next));
    }
}

fn write(writer: &mut Writer<BufWriter<File>>, news: &News) -> io::Result<()> {
    if let Some(events) = news.lost {
        writer.lose(events)?;
    }
    news.events.iter().filter_map(Event::read).try_for_each(|event| writer.event(&event))
}

/// See the module. Its driver is `os-services/services/recorder.lim`.
#[derive(Default)]
pub(crate) struct RecordDevice {
    /// `None` where nothing is recorded.
    news: Option<SyncSender<News>>,
    waker: Arc<OnceLock<Waker>>,
    /// Something is left in the ring until the thread has taken what it has.
    is_full: Arc<AtomicBool>,
    waits: bool,
    /// How many events of this ring it has read.
    taken: u64,
    /// There was another ring before.
    has_gap: bool,
}

impl RecordDevice {
    /// Takes all events that are there, as far as they are handed on.
    fn take(&mut self, queues: &Queues<'_>, waits: bool) {
        let mut head = [0; 8];
        if !queues.read_window(RING, 0, &mut head) {
            return;
        }
        let written = u64::from_le_bytes(head);
        let capacity = queues.window_size(RING).saturating_sub(HEADER_BYTES.into()) / BYTES as u64;
        self.taken = self.taken.min(written);
        while self.taken < written {
            let missing = (written - self.taken).saturating_sub(capacity);
            let first = self.taken + missing;
            let events = self.batch(queues, first..written, capacity);
            let next = first + events.len() as u64;
            let lost = if self.has_gap { Some(None) } else { (missing > 0).then_some(Some(missing)) };
            if events.is_empty() || !self.tell(News { lost, events }, waits) {
                return;
            }
            (self.taken, self.has_gap) = (next, false);
        }
    }

    /// The first of these events, as many as are handed on at once.
    fn batch(&self, queues: &Queues<'_>, numbers: Range<u64>, capacity: u64) -> Vec<[u8; BYTES]> {
        let numbers = numbers.take(BATCH);
        let events = numbers.map_while(|number| {
            let mut event = [0; BYTES];
            let offset = u64::from(HEADER_BYTES) + number % capacity * BYTES as u64;
            queues.read_window(RING, u32::try_from(offset).ok()?, &mut event).then_some(event)
        });
        events.collect()
    }

    /// Hands something on to the thread; whether that was possible.
    fn tell(&self, mut news: News, waits: bool) -> bool {
        let Some(thread) = &self.news else { return false };
        let begun = Instant::now();
        loop {
            // Said first, so that the thread, if it takes something just now, finds it.
            self.is_full.store(true, Ordering::Release);
            match thread.try_send(news) {
                Ok(()) => {
                    self.is_full.store(false, Ordering::Release);
                    return true;
                }
                Err(TrySendError::Full(back)) if waits && begun.elapsed() < PATIENCE => news = back,
                Err(_) => return false,
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Device for RecordDevice {
    fn id(&self) -> u32 {
        ID
    }

    fn queue_sizes(&self) -> &[u16] {
        &[]
    }

    /// Whether there is anything to record for.
    fn config(&self, offset: u32) -> u32 {
        u32::from(offset == 0 && self.news.is_some())
    }

    fn attach(&mut self, waker: Waker) {
        // It is attached once.
        _ = self.waker.set(waker);
    }

    fn reset(&mut self) {
        self.has_gap |= self.taken > 0;
        self.taken = 0;
    }

    /// A machine that runs does not wait; one that has stopped takes no input, and has nothing else to do.
    fn work(&mut self, queues: &mut Queues<'_>) {
        self.take(queues, self.waits || !queues.takes_input());
    }
}
