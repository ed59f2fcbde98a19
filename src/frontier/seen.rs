//! What was seen: a map of 128-bit fingerprints, 16 bytes and a little an item.
//!
//! The fingerprint is blake3, cut to 128 bits, since keys come from outside and collisions of
//! faster hashes can be made on purpose. Its bits are uniform, so the map takes them as they are.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dashmap::DashMap;

use super::steps;
use crate::document::Digest;
use crate::record::Key;

/// The seen set.
#[derive(Debug)]
pub struct Seen {
    prints: DashMap<u128, (), BuildHasherDefault<Uniform>>,
    most_items: u64,
    items: AtomicU64,
}

/// What became of an item that was shown to the seen set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Not seen before; it is now.
    New,
    /// Seen before.
    Again,
    /// Not seen before, and not taken: the limit on distinct items was reached.
    OverLimit,
}

impl Seen {
    /// Nothing was seen. At most `most_items` distinct items will be taken.
    pub fn new(most_items: u64) -> Seen {
        Seen { prints: DashMap::default(), most_items, items: AtomicU64::new(0) }
    }

    /// Takes an item.
    pub fn item(&self, key: &Key) -> Sight {
        let print = Digest::of(&[b"item/", key.as_str().as_bytes()].concat()).bits();
        if self.items.load(Relaxed) >= self.most_items {
            return if self.prints.contains_key(&print) { Sight::Again } else { Sight::OverLimit };
        }
        if !self.insert(print) {
            return Sight::Again;
        }
        let place = self.items.fetch_add(1, Relaxed);
        if place < self.most_items {
            return Sight::New;
        }
        // Another worker took the last place in between.
        self.prints.remove(&print);
        Sight::OverLimit
    }

    /// Takes an index page; says whether it was not seen before. Index pages carry the pass.
    pub fn index_page(&self, pass: u32, number: u64) -> bool {
        let page = [&b"page/"[..], &pass.to_le_bytes(), &number.to_le_bytes()].concat();
        self.insert(Digest::of(&page).bits())
    }

    fn insert(&self, print: u128) -> bool {
        steps::point();
        self.prints.insert(print, ()).is_none()
    }
}

/// Takes the upper half of a uniform 128-bit value as its hash.
#[derive(Debug, Default)]
pub struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, print: u128) {
        self.0 = (print >> 64) as u64;
    }
}
