//! The console (virtio 1.2, 5.3): bytes in and out, and the size of the window that shows them. One port, no more.

use std::io::{Read, Write};

use super::{Chain, ConsoleBackend, ConsoleSize, Device, Queues, Waker};

/// Its virtio device ID.
const ID: u32 = 3;

/// Feature bit 0: the configuration holds the size.
const F_SIZE: u64 = 1;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const QUEUE_SIZES: [u16; 2] = [256, 256];

/// Bytes that are moved at once.
const PIECE: usize = 4096;

/// After so many bytes the machine has its turn again.
const MOST: usize = 1 << 20;

/// See the module.
pub struct Console<B> {
    backend: B,
    /// What the configuration says.
    size: ConsoleSize,
    /// Bytes of the next chain to transmit that the host has taken already.
    sent: usize,
}

impl<B: ConsoleBackend> Console<B> {
    /// A console whose other end is `backend`.
    pub fn new(backend: B) -> Self {
        Self { size: backend.size(), backend, sent: 0 }
    }

    /// Has the host write what the driver transmits. What the host does not take now waits, so that nothing is lost.
    fn transmit(&mut self, queues: &mut Queues<'_>) {
        let mut left = MOST;
        while let Some(mut chain) = queues.take(TRANSMIT) {
            chain.skip(self.sent);
            let (taken, is_all) = self.write(&mut chain, left);
            left -= taken;
            self.sent += taken;
            if !is_all {
                queues.give_back(&chain);
                if left == 0 {
                    queues.work_again();
                }
                return;
            }
            self.sent = 0;
            queues.put(&chain);
        }
    }

    /// Has the host write up to `limit` bytes of a chain; gives how many it took, and whether these were all.
    fn write(&mut self, chain: &mut Chain<'_>, limit: usize) -> (usize, bool) {
        let (mut piece, mut taken) = ([0; PIECE], 0);
        loop {
            let length = PIECE.min(limit - taken);
            let read = chain.read(&mut piece[..length]).unwrap_or(0);
            let written = self.backend.write(&piece[..read]).min(read);
            taken += written;
            if read == 0 || written < read {
                return (taken, written == read && chain.readable() == 0);
            }
        }
    }

    /// Gives the driver what the host has for it.
    fn receive(&mut self, queues: &mut Queues<'_>) {
        let mut left = MOST;
        while let Some(mut chain) = queues.take(RECEIVE) {
            let mut piece = [0; PIECE];
            let piece = &mut piece[..chain.writable().min(PIECE)];
            let read = self.backend.read(piece);
            if read == 0 && !piece.is_empty() {
                return queues.give_back(&chain);
            }
            // A chain takes as many bytes as it says.
            _ = chain.write_all(&piece[..read]);
            queues.put(&chain);
            left = left.saturating_sub(read);
            if left == 0 {
                return queues.work_again();
            }
        }
    }

    fn look_at_size(&mut self, queues: &mut Queues<'_>) {
        let size = self.backend.size();
        if size != self.size {
            self.size = size;
            queues.config_changed();
        }
    }
}

impl<B: ConsoleBackend> Device for Console<B> {
    fn id(&self) -> u32 {
        ID
    }

    fn features(&self) -> u64 {
        F_SIZE
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn config(&self, offset: u32) -> u32 {
        match offset {
            0 => u32::from(self.size.columns) | u32::from(self.size.rows) << 16,
            _ => 0,
        }
    }

    fn attach(&mut self, waker: Waker) {
        self.backend.attach(waker);
    }

    fn reset(&mut self) {
        self.size = self.backend.size();
        self.sent = 0;
        // Nobody waits for room any more.
        self.backend.write(&[]);
    }

    fn give_up(&mut self) {
        self.backend.give_up();
    }

    fn work(&mut self, queues: &mut Queues<'_>) {
        self.transmit(queues);
        if queues.takes_input() {
            self.look_at_size(queues);
            self.receive(queues);
        }
    }

    fn listens(&self) -> bool {
        self.backend.listens()
    }
}
