//! Churn: adds, changes, removes, unlists and restores items of the demo site, one change at a
//! time. The same seed on the same site makes the same changes, however long it takes.
//!
//! About as many items are added as removed, so the site keeps its size. Every change is returned
//! to the caller: a test that records the times of its calls knows the state of the site at any
//! time.

use super::catalog::Catalog;
use super::chance::Chance;

/// A stream of changes, made by [`super::Demo::churn`].
#[derive(Debug)]
pub struct Churn {
    chance: Chance,
    /// Items that were taken off the list and may be restored.
    off: Vec<String>,
}

/// One change of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Id of the item.
    pub key: String,
    /// Kind of the change.
    pub event: ChurnEvent,
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChurnEvent {
    /// The item is new, at a random position in the list.
    Added,
    /// The item has a new document.
    Changed,
    /// The item is no longer listed, and its page answers 404.
    Removed,
    /// The item is no longer listed, but still has its page.
    Unlisted,
    /// The item is listed again, at a random position.
    Restored,
}

impl Churn {
    /// Creates the stream of changes for `seed`.
    pub fn new(seed: u64) -> Churn {
        Churn { chance: Chance::new(&[seed, 0xC4]), off: Vec::new() }
    }

    /// Makes the next change, and returns it.
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
