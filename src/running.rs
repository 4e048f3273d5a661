//! What `limen run` and `limen resume` have in common: how a program is let run, checkpoints on the way, and what comes
//! of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use limen_jit::{Jit, Log};
use limen_vm::{Config, EngineKind, Machine, Outcome, Value};

use crate::failure::Failure;
use crate::files;
use crate::messages::Messages;
use crate::services::Services;
use crate::wasi::Preopen;

/// Status for a program that ended with a fault (EX_SOFTWARE of sysexits.h).
pub(crate) const FAULTED: u8 = 70;

/// Status for a program that was stopped because its fuel or time was used up (EX_TEMPFAIL).
pub(crate) const STOPPED: u8 = 75;

/// How a program is let run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The engine to run it with
    #[arg(long, value_enum, default_value = "tiered")]
    engine: Engine,

    /// Say at the end what was compiled, when, and how long it took
    #[arg(long)]
    stats: bool,

    /// Tell Linux's `perf` what compiled code is of which function, in /tmp/perf-PID.map
    #[arg(long)]
    perf_map: bool,

    /// Stop after this many units of fuel: calls, loop turns and services
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,

    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,

    /// Let the program use the files below this directory. One that came from WebAssembly can have several, and know them
    /// by other names: `--dir HOST::GUEST`
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Vec<Preopen>,

    /// Every N units of fuel, and when the program is stopped, keep its state in the file for `limen resume`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: Option<u64>,

    /// The file for the program's state
    #[arg(long, value_name = "FILE", default_value = "limen.snapshot", requires = "checkpoint_every")]
    checkpoint: PathBuf,
}

/// The engines by name.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Engine {
    /// The interpreter
    Interp,
    /// Compiled code, made when a function is first called
    Jit,
    /// The interpreter at first, and compiled code for what turns out to be hot
    Tiered,
}

impl Engine {
    pub(crate) fn kind(self) -> EngineKind {
        match self {
            Engine::Interp => EngineKind::Interp,
            Engine::Jit => EngineKind::Jit,
            Engine::Tiered => EngineKind::Tiered,
        }
    }
}

impl Options {
    /// The directory of a program on the bare host.
    pub(crate) fn directory(&self) -> Result<Option<&Path>, Failure> {
        match self.dir.as_slice() {
            [] => Ok(None),
            [directory] if directory.unnamed().is_some() => Ok(directory.unnamed().map(PathBuf::as_path)),
            _ => Err(Failure::new("--dir: only programs from WebAssembly can have several, or call them otherwise")),
        }
    }

    /// Whether the program's state is to be kept on the way.
    pub(crate) fn keeps_checkpoints(&self) -> bool {
        self.checkpoint_every.is_some()
    }

    /// The options put to use.
    pub(crate) fn start(&self) -> Result<Running<'_>, Failure> {
        let seconds = |seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|error| Failure::new(format_args!("--timeout: {error}")))
        };
        if files::is_dash(&self.checkpoint) {
            return Err(Failure::new("--checkpoint: a file is needed, standard output is the program's"));
        }
        let timeout = self.timeout.map(seconds).transpose()?;
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Running { options: self, end, fuel: self.fuel, log: Log::default(), messages: Messages::default() })
    }
}

/// What is left of a program's limits.
pub(crate) struct Running<'a> {
    options: &'a Options,
    end: Option<Instant>,
    /// With what the machine has been given and not burnt yet.
    fuel: Option<u64>,
    log: Log,
    /// What the traps of the program mean.
    pub(crate) messages: Messages,
}

impl Running<'_> {
    /// A machine's config with what belongs to the first run in it.
    pub(crate) fn config(&self, config: Config) -> Config {
        Config { engine: self.options.engine.kind(), fuel: self.piece(), deadline: self.time_left(), ..config }
    }

    /// The engine for the machine.
    pub(crate) fn engine(&self) -> Box<Jit> {
        Box::new(Jit::with_log(&self.log))
    }

    /// When the program is stopped.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.end
    }

    fn time_left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Fuel until something is to be done.
    fn piece(&self) -> Option<u64> {
        match (self.options.checkpoint_every, self.fuel) {
            (Some(every), Some(left)) => Some(every.min(left)),
            (every, left) => every.or(left),
        }
    }

    /// Goes on after a first run that ended like this, until the program ends or may not go on.
    pub(crate) fn finish(
        mut self,
        machine: &mut Machine,
        host: &mut Services,
        first: Outcome,
    ) -> Result<ExitCode, Failure> {
        let mut outcome = first;
        while self.may_go_on(&outcome, machine, host)? {
            machine.add_fuel(self.piece().unwrap_or_default());
            machine.set_deadline(self.time_left());
            outcome = machine.resume(host).map_err(Failure::new)?;
        }
        if self.options.stats {
            print_stats(&self.log, machine.fuel_burnt());
        }
        if self.options.perf_map {
            write_perf_map(&self.log)?;
        }
        Ok(status(&outcome, &self.messages))
    }

    /// Keeps the state of a program that was suspended; whether that was all that it was suspended for.
    fn may_go_on(&mut self, outcome: &Outcome, machine: &mut Machine, host: &mut Services) -> Result<bool, Failure> {
        let is_piece_burnt = *outcome == Outcome::OutOfFuel;
        let is_suspended = is_piece_burnt || matches!(outcome, Outcome::TimedOut | Outcome::Stopped);
        if !is_suspended || self.options.checkpoint_every.is_none() {
            return Ok(false);
        }
        self.keep(machine, host)?;
        let burnt = self.piece().unwrap_or_default();
        self.fuel = self.fuel.map(|fuel| fuel - burnt);
        Ok(is_piece_burnt && self.fuel != Some(0))
    }

    fn keep(&self, machine: &mut Machine, host: &mut Services) -> Result<(), Failure> {
        let file = &self.options.checkpoint;
        let snapshot = machine.checkpoint().map_err(|error| Failure::of_file(file, error))?;
        let bytes = snapshot.with_host(host.save()?).write().map_err(|error| Failure::of_file(file, error))?;
        files::write(file, &bytes)
    }
}

/// What was compiled, on standard error, a line for each function or loop.
fn print_stats(log: &Log, fuel: u64) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    eprintln!("{fuel} units of fuel burnt");
    eprintln!("{:>9} {:>9} {:>7} {:>7}  compiled", "ready ms", "took ms", "words", "bytes");
    for compilation in log.compilations() {
        let (ready, took) = (milliseconds(compilation.ready), milliseconds(compilation.took));
        let (bytes, refusal) = match &compilation.outcome {
            Ok(bytes) => (bytes.to_string(), String::new()),
            Err(refusal) => ("-".to_owned(), format!(": refused, {refusal}")),
        };
        let place = compilation.loop_at.map_or_else(String::new, |word| format!(", loop at word {word}"));
        let (words, function) = (compilation.words, compilation.function);
        let paging = if compilation.looks_at_pages { ", under page control" } else { "" };
        eprintln!("{ready:9.3} {took:9.3} {words:7} {bytes:>7}  {function}{place}{paging}{refusal}");
    }
}

/// Where `perf` looks for the names of code that is in no file.
fn write_perf_map(log: &Log) -> Result<(), Failure> {
    let mut map = String::new();
    for compilation in log.compilations() {
        let Ok(bytes) = compilation.outcome else { continue };
        let place = compilation.loop_at.map_or_else(String::new, |word| format!(":{word}"));
        let _ = writeln!(map, "{:x} {bytes:x} {}{place}", compilation.address, compilation.function);
    }
    files::write(Path::new(&format!("/tmp/perf-{}.map", std::process::id())), map.as_bytes())
}

/// Says how the run ended, if it did not end well, and gives the status to exit with.
fn status(outcome: &Outcome, messages: &Messages) -> ExitCode {
    match outcome {
        Outcome::Returned(values) => match values.as_slice() {
            [Value::I32(status)] => ExitCode::from(*status as u8),
            _ => ExitCode::SUCCESS,
        },
        Outcome::Exited(status) | Outcome::Halted(status) => ExitCode::from(*status as u8),
        Outcome::Faulted(report) if messages.is_of_start(report) => {
            eprintln!("limen: the module cannot begin: {}", messages.explain(report));
            ExitCode::FAILURE
        }
        Outcome::Faulted(report) => {
            eprintln!("limen: {}", messages.explain(report));
            ExitCode::from(FAULTED)
        }
        Outcome::OutOfFuel => stopped("its fuel is used up"),
        Outcome::TimedOut => stopped("its time is up"),
        Outcome::Stopped => stopped("it was told to"),
        Outcome::Asleep => stopped("nothing can wake it any more"),
        Outcome::NoEntry(name) => stopped(&format!("its kernel has no entry `{name}`")),
        Outcome::Stuck(_) => stopped("its kernel goes in circles"),
    }
}

fn stopped(why: &str) -> ExitCode {
    eprintln!("limen: the program was stopped: {why}");
    ExitCode::from(STOPPED)
}
