//! `limen verify`

use std::path::PathBuf;
use std::process::ExitCode;

use limen_vm::Mode;

use crate::failure::Failure;
use crate::files;

/// Check modules by the rules that everything must pass before it runs
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Modules (or source files, which are assembled first); `-` for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Allow the supervisor instructions, as for a kernel
    #[arg(long)]
    kernel: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mode = if arguments.kernel { Mode::Kernel } else { Mode::User };
    let mut status = ExitCode::SUCCESS;
    for file in &arguments.files {
        let checked = files::load_module(file)
            .and_then(|module| limen_vm::verify(module, mode).map_err(|error| Failure::of_file(file, error)));
        if let Err(failure) = checked {
            status = failure.report();
        }
    }
    Ok(status)
}
