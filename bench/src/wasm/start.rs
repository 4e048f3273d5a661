//! When a program that is started as a command has something to show.

use std::path::Path;
use std::process::{Command, Stdio};

use super::program::Program;
use crate::lines::{heading, in_turn};
use crate::starts::{command, first_output};

/// What programs are given here: they print a little.
const LITTLE: [(&str, &str); 3] = [("Lua", "print(1)"), ("SQLite", "select 1;"), ("QuickJS", "print(1)")];

/// Prints a line for each program, in milliseconds: when its translation is kept already, and when nothing is.
pub fn print<'a>(programs: impl Iterator<Item = &'a Program>, rounds: u32) {
    let Some(limen) = command() else { return };
    heading("start to first output, ms");
    for program in programs {
        let Some((_, input)) = LITTLE.iter().find(|(name, _)| *name == program.name) else { continue };
        let cache = program.file.with_extension("cache");
        let mut kept = || first_output(&mut start(&limen, program, &cache), input.as_bytes());
        let mut anew = || {
            let cache = program.file.with_extension("empty");
            let _ = std::fs::remove_dir_all(&cache);
            first_output(&mut start(&limen, program, &cache), input.as_bytes())
        };
        in_turn(rounds, &mut [(program.name, "kept", &mut kept), (program.name, "anew", &mut anew)]);
    }
}

fn start(limen: &Path, program: &Program, cache: &Path) -> Command {
    let mut command = Command::new(limen);
    command.args(["run", "--engine", "tiered"]).arg(&program.file).args(program.arguments);
    command.env("XDG_CACHE_HOME", cache).stdin(Stdio::piped());
    command
}
