//! Counts the most frequent of many values in bounded memory, by the algorithm of Misra and Gries
//! ("Finding repeated elements", 1982).
//!
//! A field that has one value on nearly all pages is a placeholder or a login page. Which value that
//! is does not matter, so only hashes are kept.

/// Number of values that are counted at once. The count of the most frequent one is too low by at
/// most an eighth of all others.
const COUNTED: usize = 8;

/// A counter of values.
#[derive(Debug, Default)]
pub struct Frequent {
    seen: u64,
    hashes: [u64; COUNTED],
    /// Counts of the values with these hashes. A count of 0 is a free place.
    counts: [u64; COUNTED],
}

impl Frequent {
    /// Counts a value by its hash.
    pub fn add(&mut self, value: u64) {
        self.seen += 1;
        // Both loops without early end are a few vector instructions: this runs for each field of
        // each item.
        let (mut known, mut free) = (COUNTED, COUNTED);
        for at in 0..COUNTED {
            if self.hashes[at] == value && self.counts[at] > 0 {
                known = at;
            }
            if self.counts[at] == 0 {
                free = at;
            }
        }
        if known < COUNTED {
            self.counts[known] += 1;
        } else if free < COUNTED {
            (self.hashes[free], self.counts[free]) = (value, 1);
        } else {
            self.counts.iter_mut().for_each(|times| *times -= 1);
        }
    }

    /// Returns the number of values.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Returns how often the most frequent value occurs: a lower bound.
    pub fn top(&self) -> u64 {
        let counted = self.counts.iter().copied().max().unwrap_or_default();
        counted.max(self.seen.min(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The count of the most frequent of these values.
    fn top(values: impl IntoIterator<Item = u64>) -> u64 {
        let mut frequent = Frequent::default();
        values.into_iter().for_each(|value| frequent.add(value));
        frequent.top()
    }

    #[test]
    fn the_count_of_the_most_frequent_value_is_exact_or_a_little_too_low() {
        assert_eq!(top([]), 0);
        assert_eq!(top([7; 100]), 100);
        assert_eq!(top((0..80).map(|at| at % 8)), 10, "few values");
        // 0 is a value like any other, though free places hold it.
        assert_eq!(top([0, 0, 1]), 2);
        let mixed = |share: u64| (0..1_000).map(move |at| if at % 100 < share { 7 } else { at });
        for share in [95, 60, 40] {
            let (found, real) = (top(mixed(share)), share * 10);
            assert!(found <= real && real - found <= (1_000 - real) / 8, "{share}: {found}");
        }
        assert!(top(0..1_000) <= 1, "all differ");
        // A value that comes late still gets a place.
        assert_eq!(top((0..8).chain([99; 100])), 99);
    }
}
