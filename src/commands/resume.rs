//! `limen resume`

use std::path::PathBuf;
use std::process::ExitCode;

use limen_vm::{Budget, Config, Machine, Outcome, Snapshot};

use crate::bare::BareHost;
use crate::failure::Failure;
use crate::files;
use crate::running::Options;
use crate::services::Services;

/// Larger snapshots are refused: a home of the greatest size and all else fit in it.
const MAX_SNAPSHOT: u64 = 8 << 30;

/// Go on with a program whose state `limen run --checkpoint-every` kept
///
/// The program has the arguments and the time that it had. Its standard streams are those of this command: what it wrote
/// after the checkpoint it writes again, and input is read from where it is now. Files that it had open are opened again
/// by name, below --dir, and read and written from where they were; what is in them now counts.
///
/// A machine with a kernel goes on whole, with all its domains. What is in the file is believed: take it from nobody who may
/// not do whatever the program may.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,

    /// Let the program hold this many MiB, instead of as many as before
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,

    /// The program's state, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let of_file = |error: &dyn std::fmt::Display| Failure::of_file(&arguments.file, error);
    let bytes = files::read_at_most(&arguments.file, MAX_SNAPSHOT)?;
    let snapshot = Snapshot::read(&bytes).map_err(|error| of_file(&error))?;
    let config = config(arguments, snapshot.config())?;
    let running = arguments.options.start()?;
    let mut host = services(arguments, &snapshot)?;
    let machine = Machine::restore(running.config(config), running.engine(), &snapshot);
    let mut machine = machine.map_err(|error| of_file(&error))?;
    let first: Outcome = machine.resume(&mut host).map_err(|error| of_file(&error))?;
    running.finish(&mut machine, &mut host, first)
}

/// Who serves what goes on: a kernel does that itself.
fn services(arguments: &Arguments, snapshot: &Snapshot) -> Result<Services, Failure> {
    if snapshot.has_kernel() {
        return Ok(Services::Kernel);
    }
    Ok(Services::Bare(BareHost::restore(snapshot.host(), arguments.options.directory()?)?))
}

fn config(arguments: &Arguments, config: Config) -> Result<Config, Failure> {
    let Some(memory) = arguments.memory else { return Ok(config) };
    let bytes = memory.checked_mul(1 << 20).ok_or_else(|| Failure::new("--memory: too much"))?;
    Ok(Config { budget: Budget { bytes, ..config.budget }, ..config })
}
