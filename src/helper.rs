//! A thread beside the program's own, for what can be done beside it.

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use limen_wasm::Work;

/// The thread does one thing after the other. Dropped, it does what is left, and nobody waits for that.
pub(crate) struct Helper {
    work: Sender<Work>,
    /// `None` where the host gives no thread: nothing is done then.
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    pub(crate) fn start() -> Self {
        let (work, all) = mpsc::channel::<Work>();
        let help = move || all.into_iter().for_each(|work| work());
        Self { work, thread: thread::Builder::new().name("limen-helper".to_owned()).spawn(help).ok() }
    }

    /// Has something done when all is done that it was given before.
    pub(crate) fn help(&self, work: Work) {
        // Without a thread nobody receives it.
        let _ = self.work.send(work);
    }

    /// Waits until all is done.
    pub(crate) fn finish(self) {
        let Self { work, thread } = self;
        drop(work);
        // It has said what it had to say.
        thread.into_iter().for_each(|thread| _ = thread.join());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn all_is_done_in_order() {
        let (helper, done) = (Helper::start(), Arc::new(Mutex::new(Vec::new())));
        for number in 0..100 {
            let done = Arc::clone(&done);
            helper.help(Box::new(move || done.lock().expect("nobody panics").push(number)));
        }
        helper.finish();
        assert_eq!(*done.lock().expect("nobody panics"), (0..100).collect::<Vec<_>>());
    }
}
