//! From a machine to a snapshot, and back.

use super::image::{MachineImage, StateImage};
use super::{CheckpointError, Snapshot, consistent};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::machine::{Config, Machine, MachineError};

impl Machine {
    /// The state of a machine whose run ended with [`Outcome::OutOfFuel`](crate::Outcome::OutOfFuel),
    /// [`Outcome::Stopped`](crate::Outcome::Stopped) or [`Outcome::TimedOut`](crate::Outcome::TimedOut): all of it, with its
    /// kernel, objects and references. How the code of single domains was to be run is not in it. The machine itself can be
    /// resumed as before.
    ///
    /// # Errors
    ///
    /// If nothing was suspended, it waits for a service, there are devices, or supervisor instructions are not the kernel's alone.
    pub fn checkpoint(&mut self) -> Result<Snapshot, CheckpointError> {
        let current = self.current.ok_or(CheckpointError::NothingSuspended)?;
        let clock = &self.store.clock;
        let (alarm, pending) = clock.timer();
        let machine = MachineImage {
            time: clock.time(),
            now: clock.now(),
            burnt: clock.burnt(),
            alarm,
            pending,
            budget: self.budget,
            stack_cells: self.stack_cells,
        };
        if self.store.has_devices() {
            return Err(CheckpointError::Devices);
        }
        let store = self.store.capture(self.account, current);
        if !matches!(store.contexts[store.runs.current as usize].state, StateImage::Ready) {
            return Err(CheckpointError::Waits);
        }
        if !consistent::keeps_supervisor_apart(&store) {
            return Err(CheckpointError::Supervisor);
        }
        debug_assert!(consistent::check(&machine, &store).is_ok(), "{:?}", consistent::check(&machine, &store));
        Ok(Snapshot { machine, store, host: Vec::new() })
    }

    /// A machine that [`Machine::resume`]s exactly where another was captured, under the engine given. Time is what the
    /// snapshot says; the rest of `config` is the caller's choice, for which [`Snapshot::config`] is where to begin.
    ///
    /// # Errors
    ///
    /// If the budget, or the host, has no room for what the snapshot holds.
    pub fn restore(config: Config, engine: Box<dyn Engine>, snapshot: &Snapshot) -> Result<Self, MachineError> {
        let image = &snapshot.machine;
        let clock = Clock::resumed(image.time, image.now, image.burnt).with_interrupts(image.pending);
        let accounts = &snapshot.store.accounts;
        let free = accounts[0].exchange(image.budget, config.budget).ok_or(MachineError::Budget)?;
        Self::resumed(&config, engine, clock, |store| {
            if let Some(alarm) = image.alarm {
                store.set_alarm(alarm);
            }
            let restored = store.restore(&snapshot.store)?;
            store.accounts.set_free(restored.account, free);
            Ok(restored)
        })
    }
}
