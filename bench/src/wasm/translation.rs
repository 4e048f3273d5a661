//! What is done before a program runs: Limen's translator and verifier, and what the peers do instead.

use std::sync::Arc;

use limen_vm::{Mode, verify, verify_later};
use limen_wasm::{translate, translate_later};
use wasmi::CompilationMode;

use super::engines::limen::WorldImports;
use super::engines::wasmtime::engine;
use super::program::Program;
use crate::lines::microseconds;
use crate::statistics::{geometric_mean, median};

const WORKS: [&str; 6] = ["translate", "verify", "later", "wasmtime", "wasmi", "wasmi lazy"];

/// Prints a line for each program: times in milliseconds, and how many MB of WebAssembly Limen takes in a second, without its
/// verifier and with it.
pub fn print<'a>(programs: impl Iterator<Item = &'a Program>, rounds: u32) {
    print!("{:<22} {:>8}", "ready to run, ms", "KB");
    WORKS.iter().for_each(|work| print!(" {work:>10}"));
    println!(" {:>12} {:>15}", "MB/s", "with verifier");
    let rates: Vec<[f64; 2]> = programs.map(|program| line(program, rounds)).collect();
    let [alone, verified] = [0, 1].map(|index| geometric_mean(&rates.iter().map(|it| it[index]).collect::<Vec<_>>()));
    println!("{:<97} {alone:>12.1} {verified:>15.1}", "geometric mean");
}

/// Gives the two rates.
fn line(program: &Program, rounds: u32) -> [f64; 2] {
    let mut times = vec![Vec::new(); WORKS.len()];
    for _ in 0..rounds {
        times.iter_mut().zip(round(&program.wasm)).for_each(|(times, time)| times.push(time));
    }
    let medians: Vec<f64> = times.iter().map(|times| median(times)).collect();
    print!("{:<22} {:>8.0}", program.name, program.wasm.len() as f64 / 1e3);
    medians.iter().for_each(|time| print!(" {time:>10.2}"));
    let rates = [medians[0], medians[0] + medians[1]].map(|time| program.wasm.len() as f64 / 1e3 / time);
    println!(" {:>12.1} {:>15.1}", rates[0], rates[1]);
    rates
}

/// The time of each work, once.
fn round(wasm: &[u8]) -> [f64; WORKS.len()] {
    let mut translation = None;
    let translating = milliseconds(|| translation = translate(wasm, &mut WorldImports).ok());
    let mut module = None;
    let verifying = milliseconds(|| module = translation.map(|it| verify(it.module, Mode::User)));
    assert!(module.is_some_and(|module| module.is_ok()), "it is translated and verified");
    let shared = Arc::new(wasm.to_vec());
    let later = milliseconds(|| {
        let translation = translate_later(shared, &mut WorldImports).expect("it was translated before").0;
        drop(verify_later(translation.module, Mode::User));
    });
    let engine = engine(false);
    let wasmtime = milliseconds(|| drop(wasmtime::Module::new(&engine, wasm)));
    let [eager, lazy] = [CompilationMode::Eager, CompilationMode::Lazy].map(|mode| {
        let mut config = wasmi::Config::default();
        config.compilation_mode(mode);
        let engine = wasmi::Engine::new(&config);
        milliseconds(|| drop(wasmi::Module::new(&engine, wasm)))
    });
    [translating, verifying, later, wasmtime, eager, lazy]
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    microseconds(work) / 1e3
}
