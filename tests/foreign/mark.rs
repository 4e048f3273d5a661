//! CoreMark, so many iterations as standard input says. Its report would have times in it: this says what was computed.

use std::io::{self, Read};
use std::process::ExitCode;

use coremark::{Config, run};

fn main() -> io::Result<ExitCode> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let iterations = text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    // The run that counts, and the one that validates.
    let mut errors = 0;
    for seed1 in [0, 1] {
        let results = run(&Config { seed1, iterations, ..Config::default() });
        println!("seeds {:04x}", results.seedcrc);
        println!("list {:04x} matrix {:04x} state {:04x}", results.crclist, results.crcmatrix, results.crcstate);
        println!("all of {} {:04x}", results.iterations, results.crcfinal);
        errors += results.errors;
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
