//! `limen new program`

use std::path::Path;
use std::process::ExitCode;

use super::{checked_name, filled, make};
use crate::failure::Failure;

const PROGRAM: &str = include_str!("program/program.lim");

/// Make a program with options, input, output and a test
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What it is called; its folder, which must not exist, gets the same name
    #[arg(value_parser = checked_name)]
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let files = [(format!("{name}.lim"), filled(PROGRAM, name)), (".gitignore".to_owned(), "*.limo\n".to_owned())];
    make(Path::new(name), &files)?;
    println!("\nRun it and its tests with\n\n    limen run {name}/{name}.lim --help\n    limen test {name}");
    Ok(ExitCode::SUCCESS)
}
