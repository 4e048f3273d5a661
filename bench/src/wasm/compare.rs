//! Some work done by each side in turn, and the table of it.

use std::time::Instant;

use crate::statistics::{geometric_mean, median, quantile};

/// The sides, in the order of their runs.
pub const SIDES: [&str; 7] = ["jit", "tiered", "interp", "wasmtime", "epochs", "wasmi", "C -O2"];

/// Which sides' times are divided by which others'.
const RATIOS: [(usize, usize); 5] = [(0, 3), (0, 4), (0, 6), (1, 3), (2, 5)];

/// Runs the work once and gives what it comes to.
pub type Run = Box<dyn FnMut() -> u64>;

/// Some work, and how each side does it.
pub struct Case {
    pub name: String,
    pub sides: [Run; SIDES.len()],
}

/// Prints a line for each case, with the median, and below it the quartiles, of the ratios; and the geometric means.
pub fn print(title: &str, cases: impl ExactSizeIterator<Item = Case>, rounds: u32) {
    if cases.len() == 0 {
        return;
    }
    print!("{title:<22}");
    SIDES.iter().for_each(|side| print!(" {side:>8}"));
    RATIOS.iter().for_each(|(of, to)| print!(" {:>19}", format!("{}/{}", SIDES[*of], SIDES[*to])));
    println!();
    let all: Vec<_> = cases.map(|case| line(case, rounds)).collect();
    print!("{:<22}{:63}", "geometric mean", "");
    for ratio in 0..RATIOS.len() {
        let of_all: Vec<f64> = all.iter().map(|ratios| ratios[ratio]).collect();
        print!(" {:>7.3}{:12}", geometric_mean(&of_all), "");
    }
    println!("\n");
}

/// Measures a case and prints its line; gives the medians of the rounds' ratios.
fn line(case: Case, rounds: u32) -> [f64; RATIOS.len()] {
    print!("{:<22}", case.name);
    let times = measure(case, rounds);
    times.iter().for_each(|times| print!(" {:>8.2}", median(times)));
    let medians = RATIOS.map(|(of, to)| {
        let ratios: Vec<f64> = times[of].iter().zip(&times[to]).map(|(of, to)| of / to).collect();
        let [q1, ratio, q3] = [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share));
        print!(" {ratio:>7.3} {:>11}", format!("{q1:.2}-{q3:.2}"));
        ratio
    });
    println!();
    medians
}

/// The times in milliseconds of each side, round by round. Each goes first in turn.
fn measure(mut case: Case, rounds: u32) -> Vec<Vec<f64>> {
    // Twice: what is compiled in the background is there at the second run.
    let mut results = case.sides.iter_mut().map(|run| [run(), run()][1]);
    let wanted = results.next().unwrap_or_default();
    assert!(results.all(|result| result == wanted), "{}: the sides do not agree", case.name);
    drop(results);
    let mut times = vec![Vec::new(); SIDES.len()];
    for round in 0..rounds as usize {
        for turn in 0..SIDES.len() {
            let side = (round + turn) % SIDES.len();
            let begun = Instant::now();
            let result = case.sides[side]();
            times[side].push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(result, wanted, "{}: {} does not agree", case.name, SIDES[side]);
        }
    }
    times
}
