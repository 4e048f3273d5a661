//! A system on this host: its machine, what its devices are here, and how it ends.

mod control;
mod pipe;
mod raw;
mod record;
mod signals;
mod terminal;
mod threads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use limen_isa::module::Module;
use limen_vm::device::{Console, Device, Entropy};
use limen_vm::{Boot, Budget, Config, EngineKind, Mode, Outcome, Time, Verified, verify};
use sha2::{Digest, Sha256};

use self::control::{Control, Socket};
use self::raw::RawMode;
use self::record::{RecordDevice, Recording};
use self::terminal::Terminal;
use crate::control::default_socket;
use crate::failure::Failure;
use crate::running::{FAULTED, STOPPED};
use crate::system::image::{DeviceSort, Image};

/// No entry of the kernel burns nearly as much.
const KERNEL_FUEL: u64 = 1 << 24;

/// How a system is run.
pub(crate) struct Options {
    /// The way code is run of which the image says nothing.
    pub(crate) engine: EngineKind,
    pub(crate) time: Time,
    /// Where `limen ctl` finds it; `None` for the usual place, if that is free.
    pub(crate) socket: Option<PathBuf>,
    /// Where all calls are recorded.
    pub(crate) record: Option<PathBuf>,
}

/// Boots a system and lets it run until it ends.
///
/// # Errors
///
/// If the image is not right, or the host cannot give what it needs.
pub(crate) fn boot(image: &Image, options: &Options) -> Result<ExitCode, Failure> {
    let kernel = module(&image.kernel, Mode::Kernel, "the kernel")?;
    let modules =
        (0..).zip(&image.modules).map(|(number, bytes)| module(bytes, Mode::User, &format!("module {number}")));
    let modules = modules.collect::<Result<_, _>>()?;
    let mut host = Host::new(image, options)?;
    let default = Config::default();
    let budget = Budget { bytes: image.memory, ..default.budget };
    let kernel_fuel = Some(KERNEL_FUEL);
    let config = Config { engine: options.engine, time: options.time, budget, kernel_fuel, ..default };
    let mut machine = limen_jit::machine(config).map_err(Failure::new)?;
    signals::attend(host.terminal.clone(), host.control.clone(), machine.stop_handle())?;
    let raw = RawMode::enter();
    let devices = image.devices.iter().map(|sort| host.device(*sort, options.time)).collect();
    let boot = Boot { modules, segments: vec![image.plan.clone()], devices };
    let outcome = machine.boot_system(&kernel, boot);
    let lost = host.terminal.flush();
    drop(machine);
    let recorded = host.recording.take().map_or(Ok(()), Recording::finish);
    drop(raw);
    if let Err(failure) = recorded {
        failure.report();
    }
    if lost > 0 {
        eprintln!("limen: {lost} bytes of output could not be written");
    }
    Ok(status(&outcome.map_err(Failure::new)?))
}

fn module(bytes: &[u8], mode: Mode, name: &str) -> Result<Verified<Module>, Failure> {
    let refused = |error: String| Failure::new(format_args!("{name} of the image: {error}"));
    let module = Module::read(bytes).map_err(|error| refused(error.to_string()))?;
    verify(module, mode).map_err(|error| refused(error.to_string()))
}

/// What devices are on this host.
struct Host {
    terminal: Terminal,
    /// If the image has a device for it.
    control: Option<Control>,
    recording: Option<Recording>,
    /// Goes when the system has ended.
    _socket: Option<Socket>,
}

impl Host {
    fn new(image: &Image, options: &Options) -> Result<Self, Failure> {
        let is_controlled = image.devices.contains(&DeviceSort::Control);
        if options.socket.is_some() && !is_controlled {
            return Err(Failure::new("--ctl: this system has no control device"));
        }
        let socket = if is_controlled { socket(options.socket.as_ref())? } else { None };
        let control = is_controlled.then(|| Control::new(socket.as_ref()));
        let recording = options.record.as_ref().map(|path| recording(path, image, options.time)).transpose()?;
        Ok(Self { terminal: Terminal::new(), control, recording, _socket: socket })
    }

    fn device(&self, sort: DeviceSort, time: Time) -> Box<dyn Device> {
        match sort {
            DeviceSort::Console => Box::new(Console::new(self.terminal.clone())),
            DeviceSort::Control => Box::new(Console::new(self.control.clone().unwrap_or_default())),
            DeviceSort::Entropy if time == Time::Virtual => Box::new(Entropy::new(repeatable_bytes())),
            DeviceSort::Entropy => Box::new(Entropy::new(random_bytes)),
            DeviceSort::Record => {
                Box::new(self.recording.as_ref().map_or_else(RecordDevice::default, |it| it.device(time)))
            }
        }
    }
}

fn recording(path: &Path, image: &Image, time: Time) -> Result<Recording, Failure> {
    if image.devices.contains(&DeviceSort::Record) {
        Recording::begin(path, &image.plan, time)
    } else {
        Err(Failure::new("--record: this image has no recorder; `limen build --record` makes one that has"))
    }
}

/// The socket that was asked for, or the usual one, without which a system can do.
fn socket(path: Option<&PathBuf>) -> Result<Option<Socket>, Failure> {
    if let Some(path) = path {
        return Ok(Some(Socket::bind(path)?));
    }
    match Socket::bind(&default_socket()) {
        Ok(socket) => Ok(Some(socket)),
        Err(refusal) => {
            eprintln!(
                "{}: no `limen ctl` for this system (`--ctl SOCKET` gives it another place)",
                Failure::from(refusal)
            );
            Ok(None)
        }
    }
}

/// Random bytes of the host's.
fn random_bytes(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        // The host's source does not run dry; it can only be interrupted.
        let filled = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
        bytes = &mut bytes[filled..];
    }
}

/// Bytes that look random and are the same in every run.
fn repeatable_bytes() -> impl FnMut(&mut [u8]) + Send {
    let mut number = 0_u64;
    let mut block = Vec::new();
    move |bytes| {
        for byte in bytes {
            if block.is_empty() {
                block = Sha256::digest(number.to_le_bytes()).to_vec();
                number += 1;
            }
            *byte = block.pop().unwrap_or_default();
        }
    }
}

/// Says how the system ended, if it did not end well, and gives the status to exit with.
fn status(outcome: &Outcome) -> ExitCode {
    let stopped = |why: &str| {
        eprintln!("limen: the system was stopped: {why}");
        ExitCode::from(STOPPED)
    };
    match outcome {
        Outcome::Halted(status) | Outcome::Exited(status) => ExitCode::from(*status as u8),
        Outcome::Returned(_) => ExitCode::SUCCESS,
        Outcome::Faulted(report) => {
            eprintln!("limen: the kernel faulted: {report}");
            ExitCode::from(FAULTED)
        }
        Outcome::Stopped => stopped("it did not end by itself"),
        Outcome::OutOfFuel => stopped("its fuel is used up"),
        Outcome::TimedOut => stopped("its time is up"),
        Outcome::Stuck(calls) => {
            eprintln!("limen: the kernel goes in circles");
            calls.iter().for_each(|call| eprintln!("    {call}"));
            ExitCode::from(FAULTED)
        }
        Outcome::Asleep => stopped("nothing can wake it any more"),
        Outcome::NoEntry(name) => stopped(&format!("its kernel has no entry `{name}`")),
    }
}
