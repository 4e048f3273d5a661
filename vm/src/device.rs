//! Virtual devices: what a machine has in place of hardware.
//!
//! A device speaks virtio 1.2. Its registers are those of virtio over MMIO (4.2.2), which the kernel reads and writes with
//! instructions; its queues are split virtqueues (2.7) in memory that its *windows* show it. An address in a queue is the
//! number of a window and an offset in it; a window names memory by a reference, so what a device can reach ends with that.
//!
//! rust-vmm's `virtio-queue` walks the queues, over a `GuestMemory` of ours that is the windows (`windows`). What the
//! registers do is `transport`'s, what a device does with its queues is a [`Device`]'s. Whatever a driver writes is hostile:
//! it may cost the driver its device, which then wants to be reset, and nothing else.

mod backend;
mod console;
mod entropy;
mod queues;
mod transport;
mod windows;

use std::sync::Arc;

pub use backend::{ConsoleBackend, ConsoleSize, Loopback, SharedConsole};
pub use console::Console;
pub use entropy::Entropy;
pub use queues::{Chain, Queues};
pub(crate) use transport::{Transport, Wants};
pub(crate) use windows::{WINDOWS, Windows};

use crate::attention::Attention;

/// What a device does, behind its registers and queues. Its calls must not wait: the machine stands still meanwhile.
pub trait Device: Send {
    /// Which sort of device it is: its virtio device ID (virtio 1.2, 5).
    fn id(&self) -> u32;

    /// The feature bits below 24 that it offers; those of the transport are added.
    fn features(&self) -> u64 {
        0
    }

    /// How many elements each of its queues has at most: powers of two.
    fn queue_sizes(&self) -> &[u16];

    /// The 32 bits at an offset of its configuration; 0 where there is nothing.
    fn config(&self, offset: u32) -> u32 {
        _ = offset;
        0
    }

    /// Takes the handle with which it has the machine call [`Device::work`], from any thread. Called once, at boot.
    fn attach(&mut self, waker: Waker) {
        _ = waker;
    }

    /// Forgets what it began for its driver.
    fn reset(&mut self) {}

    /// Its driver, or whoever answers for that, has given it up: nobody works with it until it is reset.
    fn give_up(&mut self) {}

    /// Does what can be done now: called after the driver has notified it, after [`Waker::wake`], before the machine sleeps,
    /// and when it has stopped, while the driver is ready for it.
    fn work(&mut self, queues: &mut Queues<'_>);

    /// Whether it may yet wake the machine. A machine that sleeps and that nothing can wake stops.
    fn listens(&self) -> bool {
        false
    }
}

/// With this a device has its machine call [`Device::work`] soon, from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Attention>);

impl Waker {
    pub(crate) fn new(attention: &Arc<Attention>) -> Self {
        Self(Arc::clone(attention))
    }

    /// Has all devices of the machine work: at once if it sleeps, else at its next safepoint. In virtual time, where what comes
    /// from outside must not disturb what is counted, only once it sleeps.
    pub fn wake(&self) {
        self.0.call_devices();
    }
}
