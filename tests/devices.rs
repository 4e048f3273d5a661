//! Devices and their drivers: real virtqueues in bytecode, on every engine, with input that comes from other threads, output
//! that nobody takes, and drivers that mean no good.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use limen_assembler::{Options, assemble_file};
use limen_isa::module::Module;
use limen_vm::device::{Console, ConsoleSize, Device, Entropy, SharedConsole};
use limen_vm::{Boot, Config, EngineKind, Machine, Mode, Outcome, StopHandle, Time, Verified, verify};

fn module(name: &str, mode: Mode) -> Verified<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices").join(name);
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    verify(assembled.module, mode).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A machine with a console that echoes, on a thread of its own.
struct Echo {
    console: SharedConsole,
    stop: StopHandle,
    ended: Receiver<(Outcome, Duration)>,
}

impl Echo {
    /// `user` is what runs beside the driver.
    fn start(console: SharedConsole, config: Config, user: Option<&str>) -> Self {
        let boot = Boot {
            modules: user.map(|name| module(name, Mode::User)).into_iter().collect(),
            devices: vec![Box::new(Console::new(console.clone()))],
            ..Boot::default()
        };
        let kernel = module("echo.lim", Mode::Kernel);
        let mut machine: Machine = limen_jit::machine(config).expect("the budget allows a machine");
        let stop = machine.stop_handle();
        let (end, ended) = channel();
        std::thread::spawn(move || {
            let before = time_of_thread();
            let outcome = machine.boot_system(&kernel, boot).expect("the kernel boots");
            // Whoever does not wait for the end does not want to know.
            _ = end.send((outcome, time_of_thread() - before));
        });
        Self { console, stop, ended }
    }

    /// Waits for so many bytes of output.
    fn output(&self, bytes: usize) -> Vec<u8> {
        let (mut output, start) = (self.console.take_output(), Instant::now());
        while output.len() < bytes {
            assert!(start.elapsed() < PATIENCE, "only {} of {bytes} bytes came", output.len());
            std::thread::sleep(Duration::from_micros(200));
            output.extend(self.console.take_output());
        }
        output
    }

    /// How it ended, and how much processor time its thread took.
    fn end(&self) -> (Outcome, Duration) {
        self.ended.recv_timeout(PATIENCE).expect("it ends")
    }
}

/// Longer than anything takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

fn time_of_thread() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn live(engine: EngineKind) -> Config {
    Config { engine, ..Config::default() }
}

#[test]
fn input_comes_back_as_output() {
    for engine in EngineKind::ALL {
        let echo = Echo::start(SharedConsole::default(), live(engine), None);
        for text in ["hello", "a", "and so on"] {
            echo.console.input(text.as_bytes());
            assert_eq!(echo.output(text.len()), text.as_bytes(), "{}", engine.name());
        }
        echo.console.input(b"q");
        assert_eq!(echo.end().0, Outcome::Halted(0), "{}", engine.name());
    }
}

#[test]
fn the_same_in_virtual_time() {
    let burnt = EngineKind::ALL.map(|engine| {
        let console = SharedConsole::default();
        for text in ["hello", "a", "and so on", "q"] {
            console.input(text.as_bytes());
        }
        let boot = Boot { devices: vec![Box::new(Console::new(console.clone()))], ..Boot::default() };
        let config = Config { engine, time: Time::Virtual, ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let outcome = machine.boot_system(&module("echo.lim", Mode::Kernel), boot).expect("the kernel boots");
        assert_eq!((outcome, console.take_output()), (Outcome::Halted(0), b"helloaand so on".to_vec()));
        machine.fuel_burnt()
    });
    assert!(burnt.iter().all(|fuel| *fuel == burnt[0]), "{burnt:?}");
}

/// What runs is interrupted at its next safepoint, whether its code counts fuel or not.
#[test]
fn input_interrupts_what_runs() {
    for engine in EngineKind::ALL {
        for fuel in [None, Some(u64::MAX)] {
            let echo = Echo::start(SharedConsole::default(), Config { fuel, ..live(engine) }, Some("spin.lim"));
            for round in 0..20_u8 {
                echo.console.input(&[round]);
                assert_eq!(echo.output(1), [round], "{}", engine.name());
            }
            echo.console.input(b"q");
            assert_eq!(echo.end().0, Outcome::Halted(0), "{}", engine.name());
        }
    }
}

#[test]
fn megabytes_come_through_in_order() {
    let sent: Vec<u8> = (0..4_000_000_u32).map(|number| (number >> 4) as u8 & 63).collect();
    for engine in [EngineKind::Interp, EngineKind::Jit] {
        let echo = Echo::start(SharedConsole::default(), live(engine), None);
        sent.chunks(3000).for_each(|piece| echo.console.input(piece));
        assert!(echo.output(sent.len()) == sent, "{}", engine.name());
        echo.console.input(b"q");
        assert_eq!(echo.end().0, Outcome::Halted(0));
    }
}

/// A host that takes little output at once: nothing is lost, nothing overtakes anything, and the machine does not wait busily.
#[test]
fn output_that_is_not_taken_waits() {
    for engine in EngineKind::ALL {
        let echo = Echo::start(SharedConsole::with_capacity(7), live(engine), None);
        let sent: Vec<u8> = (0..5000_u32).map(|number| number as u8 & 63).collect();
        sent.chunks(300).for_each(|piece| echo.console.input(piece));
        let mut came = Vec::new();
        while came.len() < sent.len() {
            came.extend(echo.output(1));
        }
        assert!(came == sent, "{}", engine.name());
        echo.console.input(b"q");
        assert_eq!(echo.end().0, Outcome::Halted(0));
    }
}

#[test]
fn a_driver_hears_of_another_size() {
    let echo = Echo::start(SharedConsole::default(), live(EngineKind::Jit), None);
    echo.console.input(b"x");
    assert_eq!(echo.output(1), b"x", "the driver is ready");
    echo.console.resize(ConsoleSize { columns: 80, rows: 24 });
    assert_eq!(echo.output(3), [b'#', 80, 24]);
    echo.stop.stop();
    assert_eq!(echo.end().0, Outcome::Stopped);
}

/// A machine that waits for its console takes no processor time, and is stopped at once.
#[test]
fn an_idle_machine_takes_no_time() {
    let echo = Echo::start(SharedConsole::default(), live(EngineKind::Interp), None);
    echo.console.input(b"x");
    assert_eq!(echo.output(1), b"x");
    std::thread::sleep(Duration::from_millis(500));
    echo.stop.stop();
    let (outcome, took) = echo.end();
    assert_eq!(outcome, Outcome::Stopped);
    assert!(took < Duration::from_millis(100), "{took:?} in half a second");
}

#[test]
fn a_console_that_ends_leaves_nothing_to_wait_for() {
    let echo = Echo::start(SharedConsole::default(), live(EngineKind::Interp), None);
    echo.console.input(b"bye");
    echo.console.hang_up();
    assert_eq!((echo.end().0, echo.console.take_output()), (Outcome::Asleep, b"bye".to_vec()));
}

#[test]
fn more_devices_than_interrupts_are_refused() {
    let device = || -> Box<dyn Device> { Box::new(Entropy::new(|bytes: &mut [u8]| bytes.fill(0))) };
    for (count, is_right) in [(63, true), (64, false)] {
        let mut machine = Machine::new(Config::default()).expect("the budget allows a machine");
        let devices = (0..count).map(|_| device()).collect();
        let segments = vec![vec![0; 24], vec![0; 4096]];
        let booted =
            machine.boot_system(&module("script.lim", Mode::Kernel), Boot { segments, devices, ..Boot::default() });
        assert_eq!(booted.is_ok(), is_right, "{count}: {booted:?}");
    }
}

/// One thing that a hostile driver does.
struct Act {
    what: u32,
    device: u32,
    place: u32,
    value: u64,
}

impl Act {
    fn bytes(&self) -> Vec<u8> {
        let words = [self.what, self.device, self.place, 0].map(u32::to_le_bytes).concat();
        [words, self.value.to_le_bytes().to_vec()].concat()
    }
}

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len() as u64) as usize]
    }

    /// A value that is likely to hurt.
    fn value(&mut self) -> u64 {
        let any = self.next();
        match self.below(4) {
            0 => self.below(20),
            1 => self.of(&[0x400, 0x800, 0xff8, 0x1000, 0xffff, 0xffff_ffff, 1 << 32, u64::MAX, 1 << 63]),
            2 => any & 0x3f_ffff,
            _ => any,
        }
    }

    /// A descriptor's first or second half, more often right than not.
    fn half_of_descriptor(&mut self) -> u64 {
        let length = self.of(&[0, 1, 64, 4096, 0x10000, 0xffff_ffff]);
        let (flags, next) = (self.below(8), self.below(10));
        if self.below(2) == 0 { self.below(0x3000) } else { length | flags << 32 | next << 48 }
    }

    fn act(&mut self) -> Act {
        const REGISTERS: [u32; 20] = [
            0x00, 0x10, 0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x60, 0x64, 0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4,
            0xfc, 0x100,
        ];
        let device = self.below(2) as u32;
        let act = |what, place: u64, value| Act { what, device, place: place as u32, value };
        match self.below(16) {
            0 => act(1, self.below(4), self.below(2)),
            1 => act(3, 0, 0),
            2 => act(4, self.of(&REGISTERS).into(), 0),
            3..=7 => act(2, self.below(16) * 8, self.half_of_descriptor()),
            8 => act(
                2,
                0x400 + self.below(4) * 8,
                self.of(&[0, 1 << 16, 2 << 16, 8 << 16, 0xffff_ffff, 0x0001_0000_0005_0000]),
            ),
            9 => act(2, self.below(0x1ff8) / 8 * 8, self.value()),
            10 | 11 => act(0, self.of(&REGISTERS).into(), self.value()),
            _ => act(0, 0x50, self.below(3)),
        }
    }
}

/// What brings a device as far as that its queues are looked at.
fn introduction(device: u32) -> Vec<Act> {
    let set = |place, value| Act { what: 0, device, place, value };
    let mut acts = vec![Act { what: 1, device, place: 0, value: 0 }];
    acts.extend([(0x70, 3), (0x24, 1), (0x20, 1), (0x70, 8)].map(|(place, value)| set(place, value)));
    for queue in 0..2 {
        let parts = [(0x30, queue), (0x38, 8), (0x80, 0), (0x90, 0x400), (0xa0, 0x800), (0x44, 1)];
        acts.extend(parts.map(|(place, value)| set(place, value)));
    }
    acts.push(set(0x70, 4));
    acts
}

/// Whatever a driver does, the machine goes on to the end of the script.
#[test]
fn drivers_can_do_what_they_want() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, cases) = (number("LIMEN_DEVICES_SEED", 1), number("LIMEN_DEVICES_CASES", 300));
    let kernel = module("script.lim", Mode::Kernel);
    for seed in first..first + cases {
        let mut random = Random(seed);
        let mut acts: Vec<Act> = (0..2).flat_map(introduction).collect();
        acts.extend((0..400).map(|_| random.act()));
        let script: Vec<u8> = acts.iter().flat_map(Act::bytes).collect();
        let console = SharedConsole::with_capacity(random.below(10_000) as usize);
        (0..random.below(5)).for_each(|_| console.input(&[7; 3000]));
        let devices: Vec<Box<dyn Device>> =
            vec![Box::new(Console::new(console)), Box::new(Entropy::new(|bytes: &mut [u8]| bytes.fill(9)))];
        let config = Config { engine: EngineKind::ALL[seed as usize % 3], ..Config::default() };
        let mut machine = limen_jit::machine(config).expect("the budget allows a machine");
        let boot = Boot { segments: vec![script, vec![0; 0x2000]], devices, ..Boot::default() };
        let outcome = machine.boot_system(&kernel, boot).expect("the kernel boots");
        assert_eq!(outcome, Outcome::Halted(0), "LIMEN_DEVICES_SEED={seed} LIMEN_DEVICES_CASES=1");
    }
}
