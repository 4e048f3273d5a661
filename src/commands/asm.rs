//! `limen asm`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::files;

/// Assemble a source file into a module
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The source file; `-` for standard input
    file: PathBuf,

    /// Where to write the module; `-` for standard output [default: FILE with the ending .limo]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Leave out names and source lines
    #[arg(long)]
    strip: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source = files::read_text(&arguments.file)?;
    let (_, bytes) = files::assemble_text(&arguments.file, &source, arguments.strip)?;
    files::write(&files::module_path(&arguments.file, arguments.output.as_deref()), &bytes)?;
    Ok(ExitCode::SUCCESS)
}
