//! The other end of a console.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Waker;

/// What shows a console's output and gives it input. Its calls do not wait.
pub trait ConsoleBackend: Send {
    /// Takes the handle to be woken with when there is input, room for output, or another size.
    fn attach(&mut self, waker: Waker) {
        _ = waker;
    }

    /// Moves input into `into`, from its first byte on; gives how many bytes. 0: there is none now.
    fn read(&mut self, into: &mut [u8]) -> usize;

    /// Takes output; gives how many bytes of it, from the first one on. What is not taken is offered again once the console was
    /// woken; or nothing at all is, when nobody waits for room any more. One whose output is closed takes everything, and drops it.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// The size of the window that shows it.
    fn size(&self) -> ConsoleSize {
        ConsoleSize::default()
    }

    /// Nobody reads input or writes output any more, until somebody begins anew.
    fn give_up(&mut self) {}

    /// Whether there may yet be input, or room for output.
    fn listens(&self) -> bool;
}

/// How many characters a window shows; both 0 if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsoleSize {
    /// In each line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// A backend that gives back as input whatever was output.
#[derive(Debug, Default)]
pub struct Loopback(VecDeque<u8>);

impl ConsoleBackend for Loopback {
    fn read(&mut self, into: &mut [u8]) -> usize {
        move_into(&mut self.0, into)
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.extend(bytes);
        bytes.len()
    }

    fn listens(&self) -> bool {
        !self.0.is_empty()
    }
}

/// A backend in memory: what other threads put in is input, and they take the output. All clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct SharedConsole(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    input: VecDeque<VecDeque<u8>>,
    output: Vec<u8>,
    /// How many bytes of output it holds before it takes no more; `None` for any.
    capacity: Option<usize>,
    size: ConsoleSize,
    hung_up: bool,
    waker: Option<Waker>,
}

impl SharedConsole {
    /// One that takes no more output while it holds so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let shared = Shared { capacity: Some(bytes), ..Shared::default() };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// Has bytes come in as one piece: what follows is given later.
    pub fn input(&self, bytes: &[u8]) {
        self.change(|shared| shared.input.push_back(bytes.iter().copied().collect()));
    }

    /// The output so far, which is then no longer held.
    #[must_use]
    pub fn take_output(&self) -> Vec<u8> {
        self.change(|shared| std::mem::take(&mut shared.output))
    }

    /// Shows it in a window of another size.
    pub fn resize(&self, size: ConsoleSize) {
        self.change(|shared| shared.size = size);
    }

    /// There will be no more input.
    pub fn hang_up(&self) {
        self.change(|shared| shared.hung_up = true);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        let mut shared = self.shared();
        let result = change(&mut shared);
        if let Some(waker) = &shared.waker {
            waker.wake();
        }
        result
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsoleBackend for SharedConsole {
    fn attach(&mut self, waker: Waker) {
        self.shared().waker = Some(waker);
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        let mut shared = self.shared();
        while shared.input.front().is_some_and(VecDeque::is_empty) {
            shared.input.pop_front();
        }
        shared.input.front_mut().map_or(0, |piece| move_into(piece, into))
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut shared = self.shared();
        let room = shared.capacity.map_or(bytes.len(), |capacity| capacity.saturating_sub(shared.output.len()));
        let taken = room.min(bytes.len());
        shared.output.extend(&bytes[..taken]);
        taken
    }

    fn size(&self) -> ConsoleSize {
        self.shared().size
    }

    fn listens(&self) -> bool {
        let shared = self.shared();
        !shared.hung_up || shared.input.iter().any(|piece| !piece.is_empty())
    }
}

/// Moves as many bytes as there are and fit; gives how many.
fn move_into(from: &mut VecDeque<u8>, into: &mut [u8]) -> usize {
    let count = from.len().min(into.len());
    for (place, byte) in into.iter_mut().zip(from.drain(..count)) {
        *place = byte;
    }
    count
}
