//! When a program that is started as a command has something to show.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::engines::{wasmi, wasmtime};
use super::program::Program;
use crate::lines::{heading, in_turn};
use crate::starts::{command, first_output};

/// What programs are given here: they print a little.
const LITTLE: [(&str, &str); 3] = [("Lua", "print(1)"), ("SQLite", "select 1;"), ("QuickJS", "print(1)")];

/// Prints lines for each program, in milliseconds: for Limen, when it has kept what a former run has translated and when it has
/// not; and for peers that are started in the same way and read the same file.
pub fn print<'a>(programs: impl Iterator<Item = &'a Program>, rounds: u32) {
    let Some(limen) = command() else { return };
    heading("start to first output, ms");
    for program in programs {
        let Some((_, input)) = LITTLE.iter().find(|(name, _)| *name == program.name) else { continue };
        let input = input.as_bytes();
        let run = |cache: &Path| {
            let mut command = start(&limen, &["run", "--engine", "tiered"], program);
            first_output(command.env("XDG_CACHE_HOME", cache), input)
        };
        let cache = program.file.with_extension("cache");
        // What a program leaves that is run for the first time is only a note of that.
        (0..2).for_each(|_| _ = run(&cache));
        let mut kept = || run(&cache);
        let mut anew = || {
            let cache = program.file.with_extension("empty");
            let _ = std::fs::remove_dir_all(&cache);
            run(&cache)
        };
        let [mut lazy, mut compiled] = [Peer::WasmiLazy, Peer::Wasmtime].map(|peer| {
            move || {
                let own = std::env::current_exe().expect("this program has a file");
                first_output(&mut start(&own, &["--start", peer.name()], program), input)
            }
        });
        in_turn(
            rounds,
            &mut [
                (program.name, "kept", &mut kept),
                (program.name, "anew", &mut anew),
                (program.name, Peer::WasmiLazy.name(), &mut lazy),
                (program.name, Peer::Wasmtime.name(), &mut compiled),
            ],
        );
    }
}

fn start(command: &Path, options: &[&str], program: &Program) -> Command {
    let mut command = Command::new(command);
    command.args(options).arg(&program.file).args(program.arguments).stdin(Stdio::piped());
    command
}

/// Who else can be started as a command.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Peer {
    WasmiLazy,
    Wasmtime,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::WasmiLazy => "wasmi-lazy",
            Self::Wasmtime => "wasmtime",
        }
    }

    /// Runs a binary once, as a command does.
    pub fn run(self, command: &[String]) {
        let (file, arguments) = command.split_first().expect("the command line names a file");
        let wasm = std::fs::read(PathBuf::from(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let arguments: Vec<&str> = std::iter::once(file).chain(arguments).map(String::as_str).collect();
        let mut input = Vec::new();
        std::io::stdin().read_to_end(&mut input).expect("its input can be read");
        let first_run = match self {
            Self::WasmiLazy => wasmi::first_run,
            Self::Wasmtime => wasmtime::first_run,
        };
        std::io::stdout().write_all(&first_run(&wasm, &arguments, &input)).expect("it can be written to");
    }
}
