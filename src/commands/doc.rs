//! `limen doc`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::files;

/// Print the interfaces that a source file declares as a page of documentation (Markdown)
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The source file; `-` for standard input
    file: PathBuf,

    /// Where to write the page
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source = files::read_text(&arguments.file)?;
    let page = files::document_text(&arguments.file, &source)?;
    if page.is_empty() {
        return Err(Failure::of_file(&arguments.file, "no interface is declared here"));
    }
    files::write(&arguments.output, page.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
