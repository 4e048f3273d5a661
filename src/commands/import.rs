//! `limen import`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::files;
use crate::translated::translated;

/// Translate a WebAssembly module into a module
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The WebAssembly module, or `-` for standard input
    file: PathBuf,

    /// The module to write, or `-` for standard output; by default FILE with the ending .limo
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let of_file = |error: &dyn std::fmt::Display| Failure::of_file(&arguments.file, error);
    let wasm = files::read(&arguments.file)?;
    let module = translated(&arguments.file, &wasm)?;
    let bytes = module.write().map_err(|error| of_file(&error))?;
    files::write(&files::module_path(&arguments.file, arguments.output.as_deref()), &bytes)?;
    Ok(ExitCode::SUCCESS)
}
