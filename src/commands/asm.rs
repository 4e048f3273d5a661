//! `limen asm`

use std::path::PathBuf;
use std::process::ExitCode;

use limen_assembler::{Options, explain};

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

    /// How much to improve the code of the structured notation: 0 translates construct by construct
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    optimise: u8,

    /// Print the source and its instructions side by side; the module is only written if `-o` is given
    #[arg(long, conflicts_with = "strip")]
    explain: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source = files::read_text(&arguments.file)?;
    let options = Options { strip: arguments.strip, unoptimised: arguments.optimise == 0, ..Options::default() };
    let assembled = files::assemble_with(&arguments.file, &source, options)?;
    if arguments.explain {
        files::write(&PathBuf::from("-"), explain(&assembled).as_bytes())?;
    }
    if !arguments.explain || arguments.output.is_some() {
        files::write(&files::module_path(&arguments.file, arguments.output.as_deref()), &assembled.bytes)?;
    }
    Ok(ExitCode::SUCCESS)
}
