//! The kernels on Limen and on its peers.

use std::time::Instant;

use crate::kernels::Kernel;
use crate::sides::{self, Maker, Side};
use crate::statistics::{geometric_mean, median, quantile};

/// Limen and those it is compared with, by name.
pub struct Comparison {
    title: &'static str,
    limen: Maker,
    peers: &'static [(&'static str, Maker)],
}

pub const INTERPRETED: Comparison =
    Comparison { title: "interpreted", limen: sides::limen_interpreted, peers: &[("wasmi", sides::wasmi)] };

pub const COMPILED: Comparison = Comparison {
    title: "compiled",
    limen: sides::limen_compiled,
    peers: &[("wasmtime", sides::wasmtime), ("epochs", sides::wasmtime_with_epochs), ("C -O2", sides::native)],
};

/// Compiled code with itself: what it costs that it can be stopped and its frames be taken out.
pub const STOPPABLE: Comparison = Comparison {
    title: "stoppable",
    limen: sides::limen_compiled,
    peers: &[("unstoppable", sides::limen_unstoppable)],
};

impl Comparison {
    /// The names of the peers.
    pub fn peers(&self) -> Vec<&'static str> {
        self.peers.iter().map(|(name, _)| *name).collect()
    }

    /// Prints a line for each kernel, and the geometric means. Gives for each kernel Limen's time over each peer's.
    pub fn print(&self, kernels: &[&Kernel], rounds: u32, quick: bool) -> Vec<Vec<f64>> {
        print!("{:12} {:>10}", self.title, "limen ms");
        for (name, _) in self.peers {
            print!("   {:>14} {:>6} {:>6} {:>6}", format!("{name} ms"), "ratio", "q1", "q3");
        }
        println!();
        let ratios: Vec<Vec<f64>> = kernels.iter().map(|kernel| self.kernel(kernel, rounds, quick)).collect();
        print!("{:23}", "geometric mean");
        for peer in 0..self.peers.len() {
            let of_peer: Vec<f64> = ratios.iter().map(|ratios| ratios[peer]).collect();
            print!("   {:14} {:>6.3} {:13}", "", geometric_mean(&of_peer), "");
        }
        println!();
        ratios
    }

    /// Measures a kernel and prints its line; gives the medians of the rounds' ratios.
    fn kernel(&self, kernel: &Kernel, rounds: u32, quick: bool) -> Vec<f64> {
        let times = self.measure(kernel, rounds, if quick { kernel.quick } else { kernel.n });
        let (limen, peers) = times.split_first().expect("Limen is among those measured");
        print!("{:12} {:>10.2}", kernel.name, median(limen));
        let mut medians = Vec::new();
        for peer in peers {
            let ratios: Vec<f64> = limen.iter().zip(peer).map(|(limen, peer)| limen / peer).collect();
            let [q1, ratio, q3] = [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share));
            print!("   {:>14.2} {ratio:>6.3} {q1:>6.3} {q3:>6.3}", median(peer));
            medians.push(ratio);
        }
        println!();
        medians
    }

    /// The times in milliseconds of Limen and of each peer, round by round. They run in turn, and each goes first in turn.
    fn measure(&self, kernel: &Kernel, rounds: u32, n: i32) -> Vec<Vec<f64>> {
        let makers = std::iter::once(self.limen).chain(self.peers.iter().map(|(_, make)| *make));
        let mut sides: Vec<Box<dyn Side>> = makers.map(|make| make(kernel)).collect();
        let checksum = sides.iter_mut().map(|side| side.run(n)).last().unwrap_or_default(); // warms up
        let mut times = vec![Vec::new(); sides.len()];
        for round in 0..rounds as usize {
            for turn in 0..sides.len() {
                let side = (round + turn) % sides.len();
                times[side].push(time(kernel, &mut *sides[side], n, checksum));
            }
        }
        times
    }
}

fn time(kernel: &Kernel, side: &mut dyn Side, n: i32, checksum: i64) -> f64 {
    let begun = Instant::now();
    let result = side.run(n);
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(result, checksum, "{}: the sides do not agree", kernel.name);
    milliseconds
}
