//! `limen run`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use limen_isa::module::Module;
use limen_jit::Log;
use limen_vm::{Budget, Config, EngineKind, Mode, Outcome, Time, Value, verify};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::files;

/// Status for a program that ended with a fault (EX_SOFTWARE of sysexits.h).
const FAULTED: u8 = 70;

/// Status for a program that was stopped because its fuel or time was used up (EX_TEMPFAIL).
const STOPPED: u8 = 75;

/// Verify a program and run it
///
/// The program's exit status becomes that of the command. A fault is explained on standard error and exits with 70;
/// a program whose fuel or time is used up exits with 75.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// The engine to run it with
    #[arg(long, value_enum, default_value = "tiered")]
    engine: Engine,

    /// Say at the end what was compiled, when, and how long it took
    #[arg(long)]
    stats: bool,

    /// Stop after this many units of fuel: calls, loop turns and services
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,

    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,

    /// Let the program hold this many MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u64,

    /// Live in virtual time: every run with the same input is the same
    #[arg(long)]
    virtual_time: bool,

    /// Let the program use the files below this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Run on the bare host, without a kernel (at present the only way)
    #[arg(long)]
    bare: bool,

    /// List the built-in programs
    #[arg(long)]
    list: bool,

    /// A source file, a module, `-` for standard input, or the name of a built-in program; and what it is called with
    // One list, since everything behind the program is the program's, whatever it looks like.
    #[arg(required_unless_present = "list", trailing_var_arg = true, value_names = ["FILE", "ARGUMENTS"])]
    program: Vec<OsString>,
}

/// The engines by name.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Engine {
    /// The interpreter
    Interp,
    /// Compiled code, made when a function is first called
    Jit,
    /// The interpreter at first, and compiled code for what turns out to be hot
    Tiered,
}

impl Engine {
    fn kind(self) -> EngineKind {
        match self {
            Engine::Interp => EngineKind::Interp,
            Engine::Jit => EngineKind::Jit,
            Engine::Tiered => EngineKind::Tiered,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Some(file) = arguments.program.first().filter(|_| !arguments.list).map(Path::new) else {
        return Ok(list());
    };
    let module = verify(find(file)?, Mode::User).map_err(|error| Failure::of_file(file, error))?;
    let config = config(arguments)?;
    let mut host = BareHost::new(arguments.program.clone(), arguments.dir.as_deref())?;
    let outcome = limen_jit::machine_with_log(config).and_then(|(mut machine, log)| {
        let domain = machine.instantiate(&module)?;
        let outcome = machine.call_with(&mut host, domain, "main", &[]);
        if arguments.stats {
            print_stats(&log, machine.fuel_burnt());
        }
        outcome
    });
    Ok(status(&outcome.map_err(|error| Failure::of_file(file, error))?))
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
        eprintln!("{ready:9.3} {took:9.3} {words:7} {bytes:>7}  {function}{place}{refusal}");
    }
}

fn list() -> ExitCode {
    for program in limen_programs::PROGRAMS {
        println!("{:12} {}", program.name, program.summary);
    }
    ExitCode::SUCCESS
}

/// A file, or else a built-in program of that name.
fn find(file: &Path) -> Result<Module, Failure> {
    let built_in = file.to_str().filter(|_| !file.exists()).and_then(limen_programs::find);
    match built_in {
        Some(program) => Module::read(program.module).map_err(|error| Failure::of_file(file, error)),
        None => files::load_module(file),
    }
}

fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let default = Config::default();
    let seconds = |seconds| {
        Duration::try_from_secs_f64(seconds).map_err(|error| Failure::new(format_args!("--timeout: {error}")))
    };
    let bytes = arguments.memory.checked_mul(1 << 20).ok_or_else(|| Failure::new("--memory: too much"))?;
    Ok(Config {
        engine: arguments.engine.kind(),
        time: if arguments.virtual_time { Time::Virtual } else { Time::Live },
        budget: Budget { bytes, ..default.budget },
        fuel: arguments.fuel,
        deadline: arguments.timeout.map(seconds).transpose()?,
        ..default
    })
}

/// Says how the run ended, if it did not end well, and gives the status to exit with.
fn status(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Returned(values) => match values.as_slice() {
            [Value::I32(status)] => ExitCode::from(*status as u8),
            _ => ExitCode::SUCCESS,
        },
        Outcome::Exited(status) | Outcome::Halted(status) => ExitCode::from(*status as u8),
        Outcome::Faulted(report) => {
            eprintln!("limen: {report}");
            ExitCode::from(FAULTED)
        }
        Outcome::OutOfFuel => stopped("its fuel is used up"),
        Outcome::TimedOut => stopped("its time is up"),
        Outcome::Stopped => stopped("it was told to"),
        Outcome::Asleep => stopped("nothing can wake it any more"),
        Outcome::NoEntry(name) => stopped(&format!("its kernel has no entry `{name}`")),
    }
}

fn stopped(why: &str) -> ExitCode {
    eprintln!("limen: the program was stopped: {why}");
    ExitCode::from(STOPPED)
}
