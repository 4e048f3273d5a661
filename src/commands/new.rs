//! `limen new`

mod program;
mod service;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;

/// Make a folder with a skeleton that works, to begin from
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Program(program::Arguments),
    Service(service::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Program(arguments) => program::run(arguments),
        What::Service(arguments) => service::run(arguments),
    }
}

/// What a skeleton has in the place of the name.
const PLACEHOLDER: &str = "{name}";

/// The text of a skeleton for a name.
fn filled(skeleton: &str, name: &str) -> String {
    skeleton.replace(PLACEHOLDER, name)
}

/// The longest name: it is a file's, with an ending.
const MAX_NAME: usize = 64;

/// A name for a program and its files: `--` and `.` could be taken for something else, capitals are not told apart
/// everywhere.
fn checked_name(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_plain) {
        return Err("a name is made of small letters, digits, `_` and `-`, and begins with a letter".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!("a name has at most {MAX_NAME} letters"));
    }
    Ok(name.to_owned())
}

/// Makes a folder with these files, of which it says where they are; nothing that exists is touched.
fn make(folder: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    fs::create_dir(folder).map_err(|error| Failure::of_file(folder, error))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::of_file(&path, error))?;
        println!("made {}", path.display());
    }
    Ok(())
}
