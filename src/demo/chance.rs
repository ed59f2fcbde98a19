//! Reproducible random numbers: the same seed parts give the same draws, on every machine and in
//! every release.
//!
//! This is not a crate, because a crate may change its algorithm and with it every document of the
//! site. Not for anything that must be unpredictable.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A random number generator (splitmix64, Steele, Lea and Flood 2014).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// Creates a generator seeded with all `parts` in their order.
    pub(super) fn new(parts: &[u64]) -> Chance {
        Chance(parts.iter().fold(GOLDEN, |state, part| mix(state ^ part).wrapping_add(GOLDEN)))
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Returns a number in `0..n`, or 0 if `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.draw()) * n as u128) >> 64) as usize
    }

    /// Returns a number in `low..=high`.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Returns true with probability 1 in `n`.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Returns a number in `0.0..1.0`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a roughly normal number: mean 0, standard deviation 1, never beyond ±6 (sum of
    /// twelve draws).
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Returns one entry of a table, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.below(table.len())]
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
