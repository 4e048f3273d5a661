//! Counts the words of a file or of standard input, as a program with Rust's standard library does it.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::time::Instant;
use std::{env, fs};

fn count(text: &str) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    counts
}

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let text = match env::args().nth(1) {
        Some(path) => fs::read_to_string(path)?,
        None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    let counts = count(&text);
    let mut report = String::new();
    for (word, count) in counts.iter().take(10) {
        writeln!(report, "{count:>6} {word}")?;
    }
    let mean = counts.iter().map(|(_, count)| *count as f64).sum::<f64>() / counts.len() as f64;
    writeln!(report, "{} words, {mean:.4} times each", counts.len())?;
    fs::write("report.txt", &report)?;
    io::stdout().write_all(fs::read_to_string("report.txt")?.as_bytes())?;
    fs::remove_file("report.txt")?;
    assert!(start.elapsed().as_secs() < 3600);
    Ok(())
}
