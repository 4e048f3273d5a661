//! `limen trace`

use std::fs::File;
use std::io::{BufReader, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::record::calls::Calls;
use crate::record::show::{self, Filter};

/// Show a record of a system's calls
///
/// `limen boot --record FILE` makes one. Each call stands below the one on whose behalf it was made, with the time at which
/// it began, how long it took, how long it waited until a server had it, and what came of it if that was not an answer. What is
/// missing in the record is said on standard error.
///
/// The file itself can be opened in ui.perfetto.dev: it has Chrome's trace event format.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The record
    file: PathBuf,

    /// Show the calls that this service makes or answers, and what is done for them; can be given several times
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,

    /// Show calls that failed, and what was done for them
    #[arg(long)]
    failed: bool,

    /// Show who called which method how often, and how long that took, in microseconds (thousands of units in virtual time)
    #[arg(long, conflicts_with = "json")]
    summary: bool,

    /// Print each call as an object of JSON; times are in nanoseconds (units in virtual time)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let of_file = |error: &dyn std::fmt::Display| Failure::of_file(&arguments.file, error);
    let input = File::open(&arguments.file).map_err(|error| of_file(&error))?;
    let calls = Calls::read(BufReader::new(input)).map_err(|error| of_file(&error))?;
    check_names(&calls, arguments)?;
    match stdout().write_all(shown(&calls, arguments).as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.map_err(Failure::new)?,
    }
    for complaint in show::complaints(&calls) {
        eprintln!("limen: {}: {complaint}", arguments.file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(calls: &Calls, arguments: &Arguments) -> String {
    let filter = Filter { services: arguments.service.clone(), failed: arguments.failed };
    if arguments.json {
        let chosen = show::chosen(calls, &filter, true).into_iter();
        chosen.map(|place| show::object(&calls.all[place]).to_string() + "\n").collect()
    } else if arguments.summary {
        show::summary(calls, &filter)
    } else {
        show::tree(calls, &filter)
    }
}

/// That somebody of each name is in the record.
fn check_names(calls: &Calls, arguments: &Arguments) -> Result<(), Failure> {
    for name in &arguments.service {
        if !calls.all.iter().any(|call| *name == *call.caller || name == call.service()) {
            return Err(Failure::of_file(&arguments.file, format_args!("no call of a service `{name}` is recorded")));
        }
    }
    Ok(())
}
