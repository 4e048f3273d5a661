//! The queues of a device while it works.

use std::io::{self, Read, Write};

use virtio_queue::{Error, Queue, QueueOwnedT, QueueT, Reader, Writer};
use vm_memory::{Bytes, GuestAddress};

use super::Windows;

/// The queues of a device, and what it may say while it works.
pub struct Queues<'a> {
    queues: &'a mut [Queue],
    windows: &'a Windows<'a>,
    takes_input: bool,
    pub(super) news: News,
}

/// What came of a device's work.
#[derive(Clone, Copy, Default)]
pub(super) struct News {
    /// A buffer was used.
    pub(super) used: bool,
    /// The configuration has changed.
    pub(super) config: bool,
    /// The driver has broken the rules.
    pub(super) broken: bool,
    /// There is more to do than should be done at once.
    pub(super) more: bool,
}

/// A chain of buffers that the driver made available. What is read comes out of its readable part; what is written goes into
/// the writable one.
pub struct Chain<'a> {
    queue: usize,
    head: u16,
    reader: Reader<'a>,
    writer: Writer<'a>,
}

impl<'a> Queues<'a> {
    pub(super) fn new(queues: &'a mut [Queue], windows: &'a Windows<'a>, takes_input: bool) -> Self {
        Self { queues, windows, takes_input, news: News::default() }
    }

    /// Whether input from the host may be taken now: in virtual time only while the machine sleeps.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.takes_input
    }

    /// How many bytes a window shows; none if it shows nothing.
    #[must_use]
    pub fn window_size(&self, window: u32) -> u64 {
        self.windows.size(window)
    }

    /// Copies what a window shows at an offset; `false`, and nothing is copied, if it does not show so much.
    pub fn read_window(&self, window: u32, offset: u32, into: &mut [u8]) -> bool {
        let address = GuestAddress(u64::from(window) << 32 | u64::from(offset));
        self.windows.read_slice(into, address).is_ok()
    }

    /// Takes the next chain of a queue; `None` if there is none. It is to be used ([`Queues::put`]) or given back
    /// ([`Queues::give_back`]) before the next one is taken.
    pub fn take(&mut self, queue: usize) -> Option<Chain<'a>> {
        if self.news.broken {
            return None;
        }
        match self.next_chain(queue) {
            Ok(chain) => chain,
            Err(Error::QueueNotReady) => None,
            Err(_) => {
                self.news.broken = true;
                None
            }
        }
    }

    fn next_chain(&mut self, queue: usize) -> Result<Option<Chain<'a>>, Error> {
        let elements = self.queues.get_mut(queue).ok_or(Error::QueueNotReady)?;
        let Some(chain) = elements.iter(self.windows)?.next() else { return Ok(None) };
        // A table of indirect descriptors can be much longer than the queue.
        if chain.clone().nth(elements.size().into()).is_some() {
            return Err(Error::InvalidChain);
        }
        let head = chain.head_index();
        let (reader, writer) = (chain.clone().reader(self.windows)?, chain.writer(self.windows)?);
        Ok(Some(Chain { queue, head, reader, writer }))
    }

    /// Gives a chain back to the driver, with so many bytes as were written into it.
    pub fn put(&mut self, chain: &Chain<'_>) {
        // A chain has at most 2^32 - 1 bytes.
        let written = chain.writer.bytes_written() as u32;
        match self.queues[chain.queue].add_used(self.windows, chain.head, written) {
            Ok(()) => self.news.used = true,
            Err(_) => self.news.broken = true,
        }
    }

    /// Leaves the chain that was taken last as it was: it will be taken again.
    pub fn give_back(&mut self, chain: &Chain<'_>) {
        self.queues[chain.queue].go_to_previous_position();
    }

    /// Says that the device's configuration has changed.
    pub fn config_changed(&mut self) {
        self.news.config = true;
    }

    /// Has [`super::Device::work`] called again soon: enough was done at once.
    pub fn work_again(&mut self) {
        self.news.more = true;
    }
}

impl Chain<'_> {
    /// How many bytes can yet be read.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.reader.available_bytes()
    }

    /// How many bytes can yet be written.
    #[must_use]
    pub fn writable(&self) -> usize {
        self.writer.available_bytes()
    }

    /// Skips bytes that are to be read, or all there are.
    pub fn skip(&mut self, bytes: usize) {
        let bytes = bytes.min(self.readable());
        if let Ok(rest) = self.reader.split_at(bytes) {
            self.reader = rest;
        }
    }
}

impl Read for Chain<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

impl Write for Chain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
