//! The set of seen items and pages, for deduplication.
//!
//! Items are a map of 128-bit fingerprints of keys, with 32 bits for what the list said of the
//! item: a little over 20 bytes per item. Numbered list pages are kept as ranges, so that a plan of
//! a million pages costs no more than one. Pages without numbers are kept as fingerprints.
//!
//! The fingerprint is blake3, cut to 128 bits: keys come from outside, and collisions of faster
//! hashes can be made on purpose. Its bits are uniform, so no other hash is needed.
//!
//! A hash table doubles when it is full, and right after that half of it is empty. So the map's
//! shards get uneven shares of the items: the largest gets twice that of the smallest, and the
//! others are evenly spaced between them on a logarithmic scale. The shards then double one after
//! another. The map takes 33 to 36 bytes per item at any size, and never doubles as a whole.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use dashmap::{DashMap, Entry as Place};

use super::steps;
use crate::model::document::Digest;
use crate::model::record::Key;
use crate::model::task::{Entry, IndexRun, List};

/// The set of seen items and pages.
#[derive(Debug)]
pub struct Seen {
    prints: DashMap<Print, Entry, BuildHasherDefault<Uneven>>,
    most_items: u64,
    items: AtomicU64,
    pages: Mutex<HashMap<(u32, List), Spans>>,
}

/// A fingerprint, in parts: a `u128` would be padded to a multiple of 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print([u32; 4]);

/// Number of shards of the map; a power of two.
const SHARDS: usize = 64;

/// First and last page of each range, in no order. No two ranges touch.
type Spans = Vec<(u64, u64)>;

/// The result of adding an item to the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Not seen before; now added.
    New,
    /// Seen before.
    Again,
    /// Seen before in the same pass, with a different list entry.
    Differing,
    /// Not seen before, and not added: the limit on distinct items was reached.
    OverLimit,
}

impl Seen {
    /// Creates an empty set that takes at most `most_items` distinct items.
    pub fn new(most_items: u64) -> Seen {
        Seen {
            prints: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            most_items,
            items: AtomicU64::new(0),
            pages: Mutex::default(),
        }
    }

    /// Adds an item that has this entry on its list.
    pub fn item(&self, key: &Key, entry: Entry) -> Sight {
        let print = item_print(key);
        let is_full = self.items.load(Relaxed) >= self.most_items;
        steps::point();
        match self.prints.entry(print) {
            Place::Occupied(mut place) => {
                let before = *place.get();
                if before.differs(entry) {
                    return Sight::Differing;
                }
                if !entry.is_unknown() {
                    place.insert(entry);
                }
                return Sight::Again;
            }
            Place::Vacant(_) if is_full => return Sight::OverLimit,
            Place::Vacant(place) => drop(place.insert(entry)),
        }
        let place = self.items.fetch_add(1, Relaxed);
        if place < self.most_items {
            return Sight::New;
        }
        // Another worker took the last place in between.
        self.prints.remove(&print);
        Sight::OverLimit
    }

    /// Returns true if the item is in the set.
    pub fn has(&self, key: &Key) -> bool {
        self.prints.contains_key(&item_print(key))
    }

    /// Adds a run of index pages, and returns those of them that were not seen before. Each pass
    /// over the list has its own pages.
    pub fn index_run(&self, run: IndexRun) -> Vec<IndexRun> {
        steps::point();
        if let Some(place) = &run.place {
            let print =
                Digest::of(format!("page/{}/{:?}/{place:?}", run.pass, run.list).as_bytes());
            return if self.insert(Print::of(print)) { vec![run] } else { Vec::new() };
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        take_span(pages.entry((run.pass, run.list.clone())).or_default(), run.from, run.to)
            .into_iter()
            .map(|(from, to)| IndexRun { from, to, ..run.clone() })
            .collect()
    }

    fn insert(&self, print: Print) -> bool {
        steps::point();
        self.prints.insert(print, Entry::default()).is_none()
    }
}

fn item_print(key: &Key) -> Print {
    Print::of(Digest::of(&[b"item/", key.as_str().as_bytes()].concat()))
}

impl Print {
    fn of(digest: Digest) -> Print {
        let bits = digest.bits();
        Print([96, 64, 32, 0].map(|shift| (bits >> shift) as u32))
    }
}

impl Hash for Print {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let bits = self.0.iter().fold(0, |bits, part| bits << 32 | u128::from(*part));
        hasher.write_u128(bits);
    }
}

/// Adds `from..=to` to `spans`, and returns the parts that were not in them, in order.
fn take_span(spans: &mut Spans, from: u64, to: u64) -> Spans {
    let (mut first, mut last) = (from, to);
    let mut touched = Vec::new();
    spans.retain(|&(start, end)| {
        let touches = end.saturating_add(1) >= from && start <= to.saturating_add(1);
        if touches {
            touched.push((start, end));
            (first, last) = (first.min(start), last.max(end));
        }
        !touches
    });
    spans.push((first, last));
    touched.sort_unstable();
    let mut unseen = Vec::new();
    let mut next = from;
    for (start, end) in touched {
        if start > next {
            unseen.push((next, to.min(start - 1)));
        }
        next = next.max(end.saturating_add(1));
    }
    if next <= to {
        unseen.push((next, to));
    }
    unseen
}

/// A hash that distributes items unevenly over the map's shards. The map takes the shard from the
/// bits below the seven highest. A table in it takes its tag from those seven bits, and the slot
/// from the lowest bits.
#[derive(Debug, Default)]
pub struct Uneven(u64);

impl Hasher for Uneven {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, print: u128) {
        let (high, low) = ((print >> 64) as u64, print as u64);
        // `share` is uniform between 0 and 1. Its logarithm is too large in the upper range, so
        // shards further up take more items.
        let share = (high >> 11) as f64 / (1_u64 << 53) as f64;
        let shard = ((1.0 + share).log2() * SHARDS as f64) as u64;
        let below = u64::BITS - 7 - SHARDS.ilog2();
        let others = !((SHARDS as u64 - 1) << below);
        self.0 = low & others | shard << below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the tables, of which seven in eight buckets can be filled, with a tag for each.
    fn bytes(seen: &Seen) -> f64 {
        (seen.prints.capacity() * 8 / 7 * (size_of::<(Print, Entry)>() + 1)) as f64
    }

    #[test]
    fn z1_an_item_takes_33_to_36_bytes_however_many_there_are() {
        let seen = Seen::new(u64::MAX);
        let mut an_item = Vec::new();
        for number in 0..400_000_u32 {
            let print = item_print(&Key::new(&number.to_string()).unwrap());
            assert_eq!(seen.prints.insert(print, Entry::default()), None);
            if number > 50_000 && number % 10_000 == 0 {
                an_item.push(bytes(&seen) / f64::from(number));
            }
        }
        assert!(an_item.iter().all(|bytes| (32.5..36.5).contains(bytes)), "{an_item:?}");
        assert!(seen.has(&Key::new("7").unwrap()) && !seen.has(&Key::new("-7").unwrap()));
    }
}
