//! Cases made at random, and campaigns of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A small deterministic generator (SplitMix64): the same seed gives the same case everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn knob(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Tries a case for each seed, and says which one failed; gives how many there were and what each came to. How many cases
/// there are and with which seed they begin is said by `{knobs}_CASES` and `{knobs}_SEED`.
pub(crate) fn campaign<T>(
    name: &str,
    knobs: &str,
    cases: u64,
    mut case: impl FnMut(&mut Random) -> T,
) -> (u64, Vec<T>) {
    let (cases, seed) = (knob(&format!("{knobs}_CASES"), cases), knob(&format!("{knobs}_SEED"), 1));
    println!("{name}: {cases} cases from seed {seed}");
    let attempt = |seed| match catch_unwind(AssertUnwindSafe(|| case(&mut Random(seed)))) {
        Ok(result) => result,
        Err(_) => panic!("{name}: {knobs}_CASES=1 {knobs}_SEED={seed} fails"),
    };
    (cases, (seed..seed.saturating_add(cases)).map(attempt).collect())
}
