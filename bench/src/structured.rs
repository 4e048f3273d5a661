//! What the structured notation costs: the same algorithm in it and by hand in the instruction notation, as a ratio.

use limen_vm::EngineKind;

use crate::lines::{heading, line, microseconds};
use crate::sides::{Side, limen};

/// An algorithm in both notations.
struct Pair {
    name: &'static str,
    structured: &'static str,
    by_hand: &'static str,
    /// How much work is measured.
    n: i32,
}

/// The hand-written sieve fills its memory by one instruction, where the structured one has a loop.
const PAIRS: [Pair; 3] = [
    Pair {
        name: "sieve",
        structured: include_str!("../kernels/structured/sieve.lim"),
        by_hand: include_str!("../kernels/sieve.lim"),
        n: 1_000_000,
    },
    Pair {
        name: "sha256",
        structured: include_str!("../kernels/structured/sha256.lim"),
        by_hand: include_str!("../kernels/sha256.lim"),
        n: 2_000,
    },
    Pair {
        name: "parser",
        structured: include_str!("../kernels/structured/parse.lim"),
        by_hand: include_str!("../kernels/structured/parse_by_hand.lim"),
        n: 500,
    },
];

/// Prints a line for each algorithm on each engine: the time of the structured form over that of the other one.
pub fn print(rounds: u32) {
    heading("structured notation / by hand");
    for pair in &PAIRS {
        for engine in [EngineKind::Interp, EngineKind::Jit] {
            let mut sides = [pair.structured, pair.by_hand].map(|source| limen(pair.name, source, engine));
            let checksums = sides.each_mut().map(|side| side.run(pair.n));
            assert_eq!(checksums[0], checksums[1], "{}: both come to the same", pair.name);
            let ratios: Vec<f64> = (0..rounds).map(|_| ratio(&mut sides, pair.n)).collect();
            line(pair.name, engine.name(), &ratios);
        }
    }
}

/// One round: both take their turn.
fn ratio(sides: &mut [Box<dyn Side>; 2], n: i32) -> f64 {
    let [structured, by_hand] = sides.each_mut().map(|side| {
        microseconds(|| {
            side.run(n);
        })
    });
    structured / by_hand
}
