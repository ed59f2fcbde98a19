//! Ids of items: 5 to 8 digits, all distinct, without visible order.
//!
//! Ids are computed from item numbers, and item numbers from ids, so a site of a million items
//! needs no table of ids. Supports up to [`MOST_ITEMS`] items.

use super::chance::Chance;

/// Maximum number of items at the start. Ids of eight digits would repeat from item 90,000,000 on;
/// the difference is room for insertions.
pub(super) const MOST_ITEMS: usize = 50_000_000;

/// The ids with one number of digits: `first + (item * step + shift) mod size`. This is a
/// permutation of all ids with that many digits, because `step` and `size` are coprime.
struct Ring {
    first: u64,
    size: u64,
    step: u64,
    shift: u64,
    /// The inverse of `step` modulo `size`.
    back: u64,
}

pub(super) struct Ids {
    seed: u64,
    rings: [Ring; 4],
}

impl Ids {
    pub(super) fn new(seed: u64) -> Ids {
        Ids { seed, rings: [5, 6, 7, 8].map(|digits| Ring::new(seed, digits)) }
    }

    /// Returns the id of an item.
    pub(super) fn id(&self, item: u32) -> String {
        self.rings[self.ring(item)].forth(u64::from(item)).to_string()
    }

    /// Returns the item with this id, or `None` if the text is not an id.
    pub(super) fn item(&self, id: &str) -> Option<u32> {
        if id.starts_with('0') || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let ring = id.len().checked_sub(5)?;
        let item = u32::try_from(self.rings.get(ring)?.back(id.parse().ok()?)).ok()?;
        (self.ring(item) == ring).then_some(item)
    }

    /// Returns the ring of an item, which sets its number of digits. A ring is used only for item
    /// numbers below its size, so no id repeats.
    fn ring(&self, item: u32) -> usize {
        match Chance::new(&[self.seed, u64::from(item), b'r'.into()]).below(16) {
            0 if item < 90_000 => 0,
            1..4 if item < 900_000 => 1,
            4..10 if item < 9_000_000 => 2,
            _ => 3,
        }
    }
}

impl Ring {
    fn new(seed: u64, digits: u32) -> Ring {
        let first = 10_u64.pow(digits - 1);
        let size = 9 * first;
        let mut chance = Chance::new(&[seed, u64::from(digits), b'i'.into()]);
        let third = (size / 3) as usize;
        let mut step = chance.between(third, 2 * third) as u64;
        // The only prime factors of every size are 2, 3 and 5.
        while [2, 3, 5].iter().any(|prime| step.is_multiple_of(*prime)) {
            step += 1;
        }
        let shift = chance.below(size as usize) as u64;
        Ring { first, size, step, shift, back: inverse(step, size) }
    }

    fn forth(&self, item: u64) -> u64 {
        self.first + (item % self.size * self.step + self.shift) % self.size
    }

    fn back(&self, id: u64) -> u64 {
        (id - self.first + self.size - self.shift) % self.size * self.back % self.size
    }
}

/// Returns the inverse of `step` modulo `size` (extended Euclid). The two must be coprime.
fn inverse(step: u64, size: u64) -> u64 {
    let modulus = size as i64;
    let (mut old, mut new) = ((modulus, 0), (step as i64, 1));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    old.1.rem_euclid(modulus) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_distinct_and_lead_back() {
        let ids = Ids::new(7);
        let mut seen = HashSet::new();
        for item in (0..200_000).chain(899_000..901_000).chain(8_999_000..9_001_000) {
            let id = ids.id(item);
            assert!((5..=8).contains(&id.len()), "{id}");
            assert_eq!(ids.item(&id), Some(item), "{id}");
            assert!(seen.insert(id));
        }
    }

    #[test]
    fn text_that_is_no_id_leads_nowhere() {
        let ids = Ids::new(7);
        for text in ["", "1", "0123456", "+123456", "12345a", "123456789", "99999999999999999999"] {
            assert_eq!(ids.item(text), None, "{text}");
        }
    }
}
