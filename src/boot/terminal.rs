//! The console's other end: standard input and output, whatever they are.

use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use limen_vm::device::{ConsoleBackend, ConsoleSize, Waker};

use super::pipe::Pipe;
use super::threads;

/// How long what was output may take to be written once the system has stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// The byte that says that input has ended, as a terminal's user does with Ctrl-D: a console has no other way to say it.
const END: u8 = 4;

/// Standard input and output. All clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Terminal {
    input: Arc<Pipe>,
    output: Arc<Pipe>,
    /// Columns, and rows times 65,536.
    size: Arc<AtomicU32>,
    /// Once the machine has it.
    waker: Arc<OnceLock<Waker>>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let terminal = Self::default();
        terminal.look_at_size();
        terminal
    }

    /// Finds out the size of the window, if there is one.
    pub(crate) fn look_at_size(&self) {
        let size = rustix::termios::tcgetwinsize(stdout()).or_else(|_| rustix::termios::tcgetwinsize(stdin()));
        if let Ok(size) = size {
            self.size.store(u32::from(size.ws_col) | u32::from(size.ws_row) << 16, Ordering::Relaxed);
        }
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Waits until all that was output is written, but not for ever; gives how many bytes were not.
    pub(crate) fn flush(&self) -> u64 {
        // A system without a console has written nothing.
        if self.waker.get().is_none() { 0 } else { self.output.flush(PATIENCE) }
    }

    /// Moves what comes in, until it ends or cannot be read.
    fn read_all(&self, waker: &Waker) {
        let mut piece = [0; 4096];
        loop {
            let count = match stdin().read(&mut piece) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                // A terminal that was closed is at its end.
                Err(_) => 0,
            };
            if count == 0 {
                self.input.fill(&[END]);
                self.input.close();
                return waker.wake();
            }
            if !self.input.fill(&piece[..count]) {
                return;
            }
            waker.wake();
        }
    }

    /// Writes what goes out, until there is nothing more or it cannot be written.
    fn write_all(&self, waker: &Waker) {
        let mut piece = [0; 4096];
        while let (count @ 1.., is_waited_for) = self.output.drain(&mut piece) {
            let mut output = stdout().lock();
            if output.write_all(&piece[..count]).and_then(|()| output.flush()).is_err() {
                self.output.break_off(count);
                waker.wake();
            } else if is_waited_for {
                waker.wake();
            }
        }
        self.output.finish();
    }
}

impl ConsoleBackend for Terminal {
    fn attach(&mut self, waker: Waker) {
        let (reader, writer, its_waker) = (self.clone(), self.clone(), waker.clone());
        _ = self.waker.set(waker.clone());
        threads::start("limen-input", move || reader.read_all(&its_waker));
        threads::start("limen-output", move || writer.write_all(&waker));
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        self.input.take(into)
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.output.offer(bytes)
    }

    fn size(&self) -> ConsoleSize {
        let size = self.size.load(Ordering::Relaxed);
        ConsoleSize { columns: size as u16, rows: (size >> 16) as u16 }
    }

    fn listens(&self) -> bool {
        self.input.has_future() || self.output.is_waited_for()
    }
}

/// Whether somebody sits there.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal()
}
