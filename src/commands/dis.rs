//! `limen dis`

use std::path::PathBuf;
use std::process::ExitCode;

use limen_assembler::disassemble;

use crate::failure::Failure;
use crate::files;

/// Print a module as text that assembles to the same module
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The module (or a source file, which is assembled first); `-` for standard input
    file: PathBuf,

    /// Where to write the text
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let module = files::load_module(&arguments.file)?;
    files::write(&arguments.output, disassemble(&module).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
