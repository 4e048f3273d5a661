//! The machine's devices.

use limen_isa::Fault;

use super::{DeviceKey, Store, root};
use crate::account::{AccountKey, Budget};
use crate::clock::Time;
use crate::device::{Device, Transport, WINDOWS, Waker, Wants, Windows};
use crate::object::{Kind, Object, Ref, Rights};

/// Interrupts of devices: those of a word behind the timer's.
const LINES: std::ops::Range<u32> = 1..64;

impl Store {
    /// A device and the first reference to it. `None` if there is no interrupt left for it, or the account has no room.
    pub(crate) fn add_device(&mut self, owner: AccountKey, mut model: Box<dyn Device>) -> Option<Ref> {
        let line = LINES.start + self.devices.len() as u32;
        if !LINES.contains(&line) {
            return None;
        }
        model.attach(Waker::new(&self.attention));
        let device = self.devices.insert(Transport::new(model, line));
        let made = self.enter(owner, Budget::default(), root(Kind::DEVICE, Object::Device(device), owner, 0));
        if made.is_none() {
            self.devices.remove(device);
        }
        made
    }

    fn device_of(&self, reference: Ref) -> Result<DeviceKey, Fault> {
        match self.objects.details(reference, Kind::DEVICE)?.object {
            Object::Device(device) if self.devices.contains_key(device) => Ok(device),
            // Derived references can outlive the object.
            _ => Err(Fault::Stale),
        }
    }

    pub(crate) fn line_of(&self, device: Ref) -> Result<u32, Fault> {
        Ok(self.devices[self.device_of(device)?].line)
    }

    pub(crate) fn read_register(&self, device: Ref, register: u32) -> Result<u32, Fault> {
        Ok(self.devices[self.device_of(device)?].read(register))
    }

    pub(crate) fn write_register(&mut self, device: Ref, register: u32, value: u32) -> Result<(), Fault> {
        let (device, takes_input) = (self.device_of(device)?, self.clock.time() == Time::Live);
        self.with_windows(device, |device, windows| device.write(register, value, windows, takes_input));
        Ok(())
    }

    /// Has a window of a device show memory that may be read; nothing if `memory` is null.
    pub(crate) fn bind_window(&mut self, device: Ref, window: u32, memory: Ref) -> Result<(), Fault> {
        let device = self.device_of(device)?;
        if !memory.is_null() {
            self.objects.check(memory, Kind::MEMORY, Rights::READ)?;
        }
        if window >= WINDOWS {
            return Err(Fault::Argument);
        }
        self.devices[device].bind(window, memory);
        Ok(())
    }

    /// Lets all devices work. `takes_input` is [`crate::device::Queues::takes_input`].
    pub(crate) fn serve_devices(&mut self, takes_input: bool) {
        self.attention.take_call_of_devices();
        for device in self.devices.keys().collect::<Vec<_>>() {
            self.with_windows(device, |device, windows| device.work(windows, takes_input));
        }
    }

    /// Whether devices want to work while contexts run. In virtual time they wait until nothing does.
    pub(crate) fn is_called_by_devices(&self) -> bool {
        self.clock.time() == Time::Live && self.attention.is_called_by_devices()
    }

    /// Whether a device may yet wake the machine.
    pub(crate) fn has_listening_devices(&self) -> bool {
        self.devices.values().any(|device| device.model().listens())
    }

    fn with_windows(&mut self, device: DeviceKey, act: impl FnOnce(&mut Transport, &Windows<'_>) -> Wants) {
        let device = &mut self.devices[device];
        let windows = Windows::of(&self.objects, &device.windows);
        let wants = act(device, &windows);
        if wants.interrupt {
            self.clock.raise(device.line);
        }
        if wants.work {
            self.attention.call_devices();
        }
    }
}
