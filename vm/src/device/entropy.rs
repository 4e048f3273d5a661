//! The entropy device (virtio 1.2, 5.4): it fills whatever buffer it is given with random bytes.

use std::io::Write;

use super::{Device, Queues};

/// Its virtio device ID.
const ID: u32 = 4;

const QUEUE_SIZES: [u16; 1] = [64];

/// So many bytes are given at once, which may be fewer than the buffer has: how long a request takes is not the driver's choice.
const MOST: usize = 4096;

/// See the module.
pub struct Entropy<F>(F);

impl<F: FnMut(&mut [u8]) + Send> Entropy<F> {
    /// A device whose bytes come from `fill`, which fills the whole of what it is given.
    pub fn new(fill: F) -> Self {
        Self(fill)
    }
}

impl<F: FnMut(&mut [u8]) + Send> Device for Entropy<F> {
    fn id(&self) -> u32 {
        ID
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn work(&mut self, queues: &mut Queues<'_>) {
        while let Some(mut chain) = queues.take(0) {
            let mut bytes = [0; MOST];
            let bytes = &mut bytes[..chain.writable().min(MOST)];
            (self.0)(bytes);
            // A chain takes as many bytes as it says.
            _ = chain.write_all(bytes);
            queues.put(&chain);
        }
    }
}
