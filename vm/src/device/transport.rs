//! A device's registers: those of virtio over MMIO (virtio 1.2, 4.2.2), and what follows from writing them.

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_mmio as register;
use virtio_queue::{Queue, QueueT};

use super::{Device, Queues, WINDOWS, Windows};
use crate::object::Ref;

/// What [`register::VIRTIO_MMIO_MAGIC_VALUE`] holds: "virt".
const MAGIC: u32 = u32::from_le_bytes(*b"virt");

/// What [`register::VIRTIO_MMIO_VERSION`] holds: not the legacy one.
const VERSION: u32 = 2;

/// What [`register::VIRTIO_MMIO_VENDOR_ID`] holds.
const VENDOR: u32 = u32::from_le_bytes(*b"LIMN");

/// The bits of Status that are the driver's to set.
const OF_DRIVER: u32 = VIRTIO_CONFIG_S_ACKNOWLEDGE
    | VIRTIO_CONFIG_S_DRIVER
    | VIRTIO_CONFIG_S_DRIVER_OK
    | VIRTIO_CONFIG_S_FEATURES_OK
    | VIRTIO_CONFIG_S_FAILED;

/// A device with its registers, queues and windows.
pub(crate) struct Transport {
    model: Box<dyn Device>,
    /// The interrupt that it raises.
    pub(crate) line: u32,
    /// What its windows were bound to, as far as any was.
    pub(crate) windows: Vec<Ref>,
    status: u32,
    device_features_select: u32,
    driver_features_select: u32,
    driver_features: u64,
    queue_select: usize,
    setups: Vec<Setup>,
    queues: Vec<Queue>,
    /// InterruptStatus.
    interrupts: u32,
    generation: u32,
}

/// What the driver has said of a queue.
#[derive(Clone, Copy, Default)]
struct Setup {
    size: u32,
    descriptors: u64,
    available: u64,
    used: u64,
}

/// What a device wants of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Its interrupt raised.
    pub(crate) interrupt: bool,
    /// To work again soon.
    pub(crate) work: bool,
}

impl Transport {
    pub(crate) fn new(model: Box<dyn Device>, line: u32) -> Self {
        let queues: Vec<Queue> = model.queue_sizes().iter().filter_map(|size| Queue::new(*size).ok()).collect();
        debug_assert_eq!(queues.len(), model.queue_sizes().len(), "sizes are powers of two");
        Self {
            setups: vec![Setup::default(); queues.len()],
            model,
            line,
            windows: Vec::new(),
            status: 0,
            device_features_select: 0,
            driver_features_select: 0,
            driver_features: 0,
            queue_select: 0,
            queues,
            interrupts: 0,
            generation: 0,
        }
    }

    pub(crate) fn model(&self) -> &dyn Device {
        &*self.model
    }

    /// Has a window show what is behind a reference.
    pub(crate) fn bind(&mut self, window: u32, reference: Ref) {
        debug_assert!(window < WINDOWS, "the caller has looked");
        let window = window as usize;
        if self.windows.len() <= window {
            self.windows.resize(window + 1, Ref::NULL);
        }
        self.windows[window] = reference;
    }

    pub(crate) fn read(&self, register: u32) -> u32 {
        match register {
            register::VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            register::VIRTIO_MMIO_VERSION => VERSION,
            register::VIRTIO_MMIO_DEVICE_ID => self.model.id(),
            register::VIRTIO_MMIO_VENDOR_ID => VENDOR,
            register::VIRTIO_MMIO_DEVICE_FEATURES => half(self.offered(), self.device_features_select),
            register::VIRTIO_MMIO_QUEUE_NUM_MAX => {
                self.queues.get(self.queue_select).map_or(0, |queue| u32::from(queue.max_size()))
            }
            register::VIRTIO_MMIO_QUEUE_READY => {
                self.queues.get(self.queue_select).map_or(0, |queue| u32::from(queue.ready()))
            }
            register::VIRTIO_MMIO_INTERRUPT_STATUS => self.interrupts,
            register::VIRTIO_MMIO_STATUS => self.status,
            // There is no shared memory: its length reads as -1.
            register::VIRTIO_MMIO_SHM_LEN_LOW | register::VIRTIO_MMIO_SHM_LEN_HIGH => u32::MAX,
            register::VIRTIO_MMIO_CONFIG_GENERATION => self.generation,
            register::VIRTIO_MMIO_CONFIG.. => self.model.config(register - register::VIRTIO_MMIO_CONFIG),
            _ => 0,
        }
    }

    /// Writes a register. `takes_input` is [`Queues::takes_input`] for what follows from it.
    pub(crate) fn write(&mut self, register: u32, value: u32, windows: &Windows<'_>, takes_input: bool) -> Wants {
        match register {
            register::VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.device_features_select = value,
            register::VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.driver_features_select = value,
            register::VIRTIO_MMIO_DRIVER_FEATURES => self.accept(value),
            register::VIRTIO_MMIO_QUEUE_SEL => self.queue_select = value as usize,
            register::VIRTIO_MMIO_QUEUE_READY => self.set_ready(value, windows),
            register::VIRTIO_MMIO_QUEUE_NOTIFY => return self.work(windows, takes_input),
            register::VIRTIO_MMIO_INTERRUPT_ACK => return self.acknowledge(value),
            register::VIRTIO_MMIO_STATUS => return self.set_status(value, windows, takes_input),
            _ => self.set_up(register, value),
        }
        Wants::default()
    }

    /// Lets the device work, if its driver is ready for that.
    pub(crate) fn work(&mut self, windows: &Windows<'_>, takes_input: bool) -> Wants {
        if self.status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET) != VIRTIO_CONFIG_S_DRIVER_OK {
            return Wants::default();
        }
        let mut queues = Queues::new(&mut self.queues, windows, takes_input);
        self.model.work(&mut queues);
        let news = queues.news;
        if news.broken {
            self.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        }
        self.generation = self.generation.wrapping_add(u32::from(news.config));
        let mut raised = 0;
        if news.used {
            raised |= register::VIRTIO_MMIO_INT_VRING;
        }
        if news.config || news.broken {
            raised |= register::VIRTIO_MMIO_INT_CONFIG;
        }
        self.interrupts |= raised;
        Wants { interrupt: raised != 0, work: news.more && !news.broken }
    }

    /// What the driver can choose from.
    fn offered(&self) -> u64 {
        self.model.features() | 1 << VIRTIO_F_VERSION_1
    }

    fn accept(&mut self, features: u32) {
        if self.status & VIRTIO_CONFIG_S_FEATURES_OK == 0 {
            match self.driver_features_select {
                0 => self.driver_features = self.driver_features & !0xffff_ffff | u64::from(features),
                1 => self.driver_features = self.driver_features & 0xffff_ffff | u64::from(features) << 32,
                _ => {}
            }
        }
    }

    /// Whether the driver chose what was offered, and speaks this version.
    fn understands(&self) -> bool {
        self.driver_features & !self.offered() == 0 && self.driver_features & 1 << VIRTIO_F_VERSION_1 != 0
    }

    fn set_status(&mut self, value: u32, windows: &Windows<'_>, takes_input: bool) -> Wants {
        if value == 0 {
            self.reset();
            return Wants::default();
        }
        let mut set = value & OF_DRIVER & !self.status;
        if set & VIRTIO_CONFIG_S_FEATURES_OK != 0 && !self.understands() {
            set &= !VIRTIO_CONFIG_S_FEATURES_OK;
        }
        // Without an agreement on features a device does not start.
        if (self.status | set) & VIRTIO_CONFIG_S_FEATURES_OK == 0 {
            set &= !VIRTIO_CONFIG_S_DRIVER_OK;
        }
        self.status |= set;
        if set & VIRTIO_CONFIG_S_FAILED != 0 {
            self.model.give_up();
        }
        if set & VIRTIO_CONFIG_S_DRIVER_OK != 0 { self.work(windows, takes_input) } else { Wants::default() }
    }

    /// As it was at boot: no driver, no queues, no windows.
    fn reset(&mut self) {
        self.windows.clear();
        self.status = 0;
        (self.device_features_select, self.driver_features_select, self.queue_select) = (0, 0, 0);
        (self.driver_features, self.interrupts) = (0, 0);
        self.setups.fill(Setup::default());
        self.queues.iter_mut().for_each(QueueT::reset);
        self.model.reset();
    }

    /// The driver has seen these interrupts. Where others are left the line is raised again: one that was raised for both may
    /// have been taken for one.
    fn acknowledge(&mut self, seen: u32) -> Wants {
        self.interrupts &= !seen;
        Wants { interrupt: self.interrupts != 0, work: false }
    }

    /// Notes a part of what a queue will be like. While it is ready it stays as it is.
    fn set_up(&mut self, register: u32, value: u32) {
        if self.queues.get(self.queue_select).is_none_or(QueueT::ready) {
            return;
        }
        let setup = &mut self.setups[self.queue_select];
        match register {
            register::VIRTIO_MMIO_QUEUE_NUM => setup.size = value,
            register::VIRTIO_MMIO_QUEUE_DESC_LOW => set_low(&mut setup.descriptors, value),
            register::VIRTIO_MMIO_QUEUE_DESC_HIGH => set_high(&mut setup.descriptors, value),
            register::VIRTIO_MMIO_QUEUE_AVAIL_LOW => set_low(&mut setup.available, value),
            register::VIRTIO_MMIO_QUEUE_AVAIL_HIGH => set_high(&mut setup.available, value),
            register::VIRTIO_MMIO_QUEUE_USED_LOW => set_low(&mut setup.used, value),
            register::VIRTIO_MMIO_QUEUE_USED_HIGH => set_high(&mut setup.used, value),
            _ => {}
        }
    }

    /// Makes a queue ready, if it can be as it was set up; the driver reads back whether it is.
    fn set_ready(&mut self, value: u32, windows: &Windows<'_>) {
        let Some(queue) = self.queues.get_mut(self.queue_select) else { return };
        if value == 0 {
            queue.reset();
        } else if !queue.ready() && self.setups[self.queue_select].apply(queue).is_some() {
            queue.set_ready(true);
            if !queue.is_valid(windows) {
                queue.reset();
            }
        }
    }
}

impl Setup {
    /// `None` if a size or an alignment is not as it must be.
    fn apply(&self, queue: &mut Queue) -> Option<()> {
        queue.try_set_size(u16::try_from(self.size).ok()?).ok()?;
        queue.try_set_desc_table_address(vm_memory::GuestAddress(self.descriptors)).ok()?;
        queue.try_set_avail_ring_address(vm_memory::GuestAddress(self.available)).ok()?;
        queue.try_set_used_ring_address(vm_memory::GuestAddress(self.used)).ok()
    }
}

fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

fn set_low(address: &mut u64, value: u32) {
    *address = *address & !0xffff_ffff | u64::from(value);
}

fn set_high(address: &mut u64, value: u32) {
    *address = *address & 0xffff_ffff | u64::from(value) << 32;
}
