//! `limen new service`

use std::path::Path;
use std::process::ExitCode;

use super::{checked_name, filled, make};
use crate::failure::Failure;

const SERVICE: &str = include_str!("service/service.lim");

/// The other files of the skeleton, which are always called so.
const FILES: [(&str, &str); 3] = [
    ("interface.lim", include_str!("service/interface.lim")),
    ("client.lim", include_str!("service/client.lim")),
    ("system.toml", include_str!("service/system.toml")),
];

/// What else the skeleton has: its files, and the services of its system.
const TAKEN: [&str; 5] = ["interface", "client", "clock", "terminal", "control"];

/// Make a service with an interface, a client, and a system of both
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What it is called; its folder, which must not exist, gets the same name
    #[arg(value_parser = free_name)]
    name: String,
}

fn free_name(name: &str) -> Result<String, String> {
    if TAKEN.contains(&name) {
        return Err(format!("a name other than {} is needed: the skeleton has them already", TAKEN.join(", ")));
    }
    checked_name(name)
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let mut files = vec![(format!("{name}.lim"), filled(SERVICE, name))];
    files.extend(FILES.iter().map(|(file, text)| ((*file).to_owned(), filled(text, name))));
    make(Path::new(name), &files)?;
    println!("\nRun the system with\n\n    limen boot {name}/system.toml");
    Ok(ExitCode::SUCCESS)
}
