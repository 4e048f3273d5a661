//! What the measurements that are no comparisons print: a line for each, with quartiles.

use std::time::Instant;

use crate::statistics::quantile;

/// What stands above lines of quartiles.
pub fn heading(title: &str) {
    println!("{title:<44} {:<9} {:>9} {:>9} {:>9}", "", "q1", "median", "q3");
}

/// The quartiles of samples.
pub fn line(name: &str, side: &str, samples: &[f64]) {
    let [q1, median, q3] = [0.25, 0.5, 0.75].map(|share| quantile(samples, share));
    println!("{name:<44} {side:<9} {q1:>9.2} {median:>9.2} {q3:>9.2}");
}

/// How long some work takes, in microseconds.
pub fn microseconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e6
}

/// Samples of several works, which take turns, so that noise of the host hits all. Says on standard error how far it is.
pub fn in_turn(rounds: u32, works: &mut [(&str, &str, &mut dyn FnMut() -> f64)]) {
    let mut samples = vec![Vec::new(); works.len()];
    for round in 1..=rounds {
        eprint!("\r{round}/{rounds}");
        for (samples, (_, _, work)) in samples.iter_mut().zip(works.iter_mut()) {
            samples.push(work());
        }
    }
    eprint!("\r");
    for (samples, (name, side, _)) in samples.iter().zip(works) {
        line(name, side, samples);
    }
}
