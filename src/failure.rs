//! Errors that end the command.

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use limen_assembler::Diagnostics;

/// Why the command could not do what was asked, as text for its user.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
}

impl Failure {
    pub(crate) fn new(text: impl Display) -> Self {
        Self { text: format!("limen: {text}") }
    }

    /// A failure that is about a file.
    pub(crate) fn of_file(path: &Path, text: impl Display) -> Self {
        Self::new(format_args!("{}: {text}", path.display()))
    }

    /// Says it on standard error and gives the status to exit with.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::FAILURE
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { text: diagnostics.render(wants_colour()) }
    }
}

/// Colour is for terminals whose user has not asked to be spared it.
fn wants_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
