//! CoreMark, so many iterations as standard input says. Its report would have times in it, and its errors say
//! that it ran for too short a time: this says what was computed, by which its reader sees whether that is right.

use std::io::{self, Read};

use coremark::{Config, run};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let iterations = text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    // The run that counts, and the one that validates.
    for seed1 in [0, 1] {
        let results = run(&Config { seed1, iterations, ..Config::default() });
        println!("seeds {:04x}", results.seedcrc);
        println!("list {:04x} matrix {:04x} state {:04x}", results.crclist, results.crcmatrix, results.crcstate);
        println!("all of {} {:04x}", results.iterations, results.crcfinal);
    }
    Ok(())
}
