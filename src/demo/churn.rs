//! Churn: items of the demo site that come, change, go, leave the list and come back, one change
//! after another. The same seed on the same site makes the same changes, however long it takes.
//!
//! About as many items come as go, so that the site keeps its size. Every change is told to
//! whoever asked for it: a test that writes down when it asked knows what the site held at any
//! time.

use super::catalog::Catalog;
use super::chance::Chance;

/// A stream of changes; see [`super::Demo::churn`].
#[derive(Debug)]
pub struct Churn {
    chance: Chance,
    /// Items that were taken off the list and may come back.
    off: Vec<String>,
}

/// One change of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The item.
    pub key: String,
    /// What became of it.
    pub event: ChurnEvent,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChurnEvent {
    /// It is new, somewhere in the list.
    Added,
    /// Its document is another one.
    Changed,
    /// It is off the list, and its page answers 404.
    Removed,
    /// It is off the list, and its page is still there.
    Unlisted,
    /// It was off the list, and is listed again, somewhere else.
    Restored,
}

impl Churn {
    /// The changes that belong to `seed`.
    pub fn new(seed: u64) -> Churn {
        Churn { chance: Chance::new(&[seed, 0xC4]), off: Vec::new() }
    }

    /// Makes the next change.
    pub(super) fn step(&mut self, catalog: &mut Catalog) -> Change {
        let count = catalog.count();
        let event = match self.chance.below(20) {
            _ if count == 0 => ChurnEvent::Added,
            0..8 => ChurnEvent::Changed,
            8..12 => ChurnEvent::Removed,
            12..14 => ChurnEvent::Unlisted,
            14..17 if !self.off.is_empty() => ChurnEvent::Restored,
            _ => ChurnEvent::Added,
        };
        let at = self.chance.below(count);
        let key = match event {
            ChurnEvent::Added => catalog.insert(at),
            ChurnEvent::Restored => {
                let key = self.off.swap_remove(self.chance.below(self.off.len()));
                catalog.restore(&key, at);
                key
            }
            ChurnEvent::Changed => {
                let key = catalog.key_at(at);
                catalog.change(&key);
                key
            }
            ChurnEvent::Removed | ChurnEvent::Unlisted => {
                let key = catalog.key_at(at);
                catalog.remove(&key, event == ChurnEvent::Removed);
                self.off.push(key.clone());
                key
            }
        };
        Change { key, event }
    }
}
