//! When a program that is started as a command has something to show.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::lines::{heading, in_turn};

/// Programs and their arguments: one that prints a line, and one that computes before it prints.
const PROGRAMS: [(&str, &[&str]); 3] = [("hello", &[]), ("mandelbrot", &["320", "200"]), ("sieve", &["1000000"])];

/// Prints a line for each program on each engine, in milliseconds.
pub fn print(rounds: u32) {
    let Some(limen) = command() else { return };
    heading("start to first output, ms");
    for (program, arguments) in PROGRAMS {
        let name = format!("{program} {}", arguments.join(" "));
        let output = |engine: &str| {
            first_output(Command::new(&limen).args(["run", "--engine", engine, program]).args(arguments), b"")
        };
        let mut interp = || output("interp");
        let mut tiered = || output("tiered");
        let mut jit = || output("jit");
        in_turn(
            rounds.max(MIN_ROUNDS),
            &mut [(&name, "interp", &mut interp), (&name, "tiered", &mut tiered), (&name, "jit", &mut jit)],
        );
    }
}

/// The command: where the variable `LIMEN` says, or where it is built. Says so if there is none.
pub fn command() -> Option<PathBuf> {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/limen");
    let limen = std::env::var_os("LIMEN").map_or_else(built, PathBuf::from);
    if !limen.exists() {
        println!("start-up: skipped; build the command first (cargo build --release in the root folder)");
        return None;
    }
    Some(limen)
}

/// Starting a process is noisy.
const MIN_ROUNDS: u32 = 31;

/// From the start of a command, which is given some bytes to read, to its first byte; it runs on to its end.
pub fn first_output(command: &mut Command, input: &[u8]) -> f64 {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("its input is piped");
    stdin.write_all(input).expect("it can be written to");
    drop(stdin);
    let mut output = child.stdout.take().expect("its output is piped");
    output.read_exact(&mut [0]).expect("it prints something");
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    output.read_to_end(&mut Vec::new()).expect("it prints the rest");
    assert!(child.wait().is_ok_and(|status| status.success()), "{} fails", command.get_program().display());
    milliseconds
}
