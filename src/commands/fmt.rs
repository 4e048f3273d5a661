//! `limen fmt`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use limen_assembler::format;

use crate::failure::Failure;
use crate::files;

/// Lay out source files in the one canonical way
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Source files, and directories whose `.lim` files are taken, which are rewritten; `-` for standard input, which is
    /// written to standard output
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Change nothing: name the files that are not in the canonical layout, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut untidy = false;
    for file in &files::sources(&arguments.files)? {
        untidy |= one(file, arguments.check)?;
    }
    Ok(if arguments.check && untidy { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Formats one file; gives whether its layout was another.
fn one(file: &Path, check: bool) -> Result<bool, Failure> {
    let source = files::read_text(file)?;
    let formatted = format(&source).map_err(|diagnostics| Failure::of_file(file, diagnostics))?;
    let untidy = formatted != source;
    if check {
        if untidy {
            println!("{}", file.display());
        }
    } else if untidy || files::is_dash(file) {
        files::write(file, formatted.as_bytes())?;
    }
    Ok(untidy)
}
