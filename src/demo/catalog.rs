//! State of the demo site: its items, the version of each, and their order in the list.
//!
//! Small sites keep every body in memory. Above [`KEEP_AT_MOST`] items, bodies are generated on
//! request, and memory use is a few bytes per item. Items are never forgotten: a removed one keeps
//! its versions. Knows nothing of HTTP.

use bytes::Bytes;
use serde_json::Value;

use super::books::{Edition, encode};
use super::ids::Ids;

/// Maximum number of items for which bodies are kept, at about 3.3 KiB per item.
const KEEP_AT_MOST: usize = 50_000;

pub(super) struct Catalog {
    seed: u64,
    ids: Ids,
    /// Item numbers in list order.
    order: Vec<u32>,
    /// All items, also gone ones, by item number.
    items: Vec<Item>,
    /// Bodies by item number, or `None` on a large site.
    ready: Option<Vec<Ready>>,
}

struct Item {
    version: u32,
    presence: Presence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Listed,
    /// The item has a page, but is not in the list.
    Unlisted,
    Gone,
}

/// Bodies of an item's current version.
struct Ready {
    row: Bytes,
    detail: Bytes,
}

/// Body of a detail page, and the value for its `ETag`. Equal tags mean equal bodies.
pub(super) struct Detail {
    pub(super) body: Bytes,
    pub(super) tag: String,
}

impl Catalog {
    /// Creates a site with `count` items, all listed, all in their first version.
    pub(super) fn new(seed: u64, count: usize) -> Catalog {
        let mut catalog = Catalog {
            seed,
            ids: Ids::new(seed),
            order: Vec::with_capacity(count),
            items: Vec::with_capacity(count),
            ready: (count <= KEEP_AT_MOST).then(|| Vec::with_capacity(count)),
        };
        for _ in 0..count {
            let item = catalog.add();
            catalog.order.push(item);
        }
        catalog
    }

    /// Returns the number of listed items.
    pub(super) fn count(&self) -> usize {
        self.order.len()
    }

    /// Returns at most `limit` rows from `offset` on. Empty if `offset` is past the end.
    pub(super) fn rows(&self, offset: usize, limit: usize) -> impl Iterator<Item = Bytes> {
        self.order.iter().skip(offset).take(limit).map(|item| self.row(*item))
    }

    /// Returns the current detail page, or `None` for an unknown or removed item.
    pub(super) fn detail(&self, key: &str) -> Option<Detail> {
        let item = self.present(key)?;
        let version = self.items[item as usize].version;
        let body = match &self.ready {
            Some(ready) => ready[item as usize].detail.clone(),
            None => encode(&self.edition(item, version, key).book()),
        };
        Some(Detail { body, tag: format!("{:x}-{item}-{version}", self.seed) })
    }

    /// Returns the ids in list order.
    pub(super) fn keys(&self) -> Vec<String> {
        self.order.iter().map(|item| self.ids.id(*item)).collect()
    }

    /// Returns the id at a position of the list. Panics if the position is past the end.
    pub(super) fn key_at(&self, position: usize) -> String {
        self.ids.id(self.order[position])
    }

    pub(super) fn is_listed(&self, key: &str) -> bool {
        self.known(key).is_some_and(|item| self.presence(item) == Presence::Listed)
    }

    /// Returns every version of the item, oldest first. Empty for an unknown item.
    pub(super) fn versions(&self, key: &str) -> Vec<Value> {
        let Some(item) = self.known(key) else {
            return Vec::new();
        };
        (0..=self.items[item as usize].version)
            .filter_map(|version| {
                serde_json::to_value(self.edition(item, version, key).book()).ok()
            })
            .collect()
    }

    /// Inserts a new item at position `at`, or at the end if `at` is past it. Returns its id.
    pub(super) fn insert(&mut self, at: usize) -> String {
        let item = self.add();
        self.order.insert(at.min(self.order.len()), item);
        self.ids.id(item)
    }

    /// Removes the item from the list; with `page`, its page answers 404 from now on. Returns false
    /// if nothing changed.
    pub(super) fn remove(&mut self, key: &str, page: bool) -> bool {
        let presence = if page { Presence::Gone } else { Presence::Unlisted };
        let Some(item) = self.present(key).filter(|item| self.presence(*item) != presence) else {
            return false;
        };
        self.order.retain(|other| *other != item);
        self.items[item as usize].presence = presence;
        true
    }

    /// Lists a removed or unlisted item again, in the version it had. Returns false if the item is
    /// listed or unknown.
    pub(super) fn restore(&mut self, key: &str, at: usize) -> bool {
        let Some(item) = self.known(key).filter(|it| self.presence(*it) != Presence::Listed) else {
            return false;
        };
        self.order.insert(at.min(self.order.len()), item);
        self.items[item as usize].presence = Presence::Listed;
        true
    }

    /// Moves the item to its next version. Returns false for an unknown or removed item.
    pub(super) fn change(&mut self, key: &str) -> bool {
        let Some(item) = self.present(key) else {
            return false;
        };
        self.items[item as usize].version += 1;
        let fresh = self.ready.is_some().then(|| self.make(item));
        if let Some((ready, fresh)) = self.ready.as_mut().zip(fresh) {
            ready[item as usize] = fresh;
        }
        true
    }

    /// Creates a new item without listing it.
    fn add(&mut self) -> u32 {
        let item = self.items.len() as u32;
        self.items.push(Item { version: 0, presence: Presence::Listed });
        let fresh = self.ready.is_some().then(|| self.make(item));
        if let Some(ready) = self.ready.as_mut() {
            ready.extend(fresh);
        }
        item
    }

    fn make(&self, item: u32) -> Ready {
        let id = self.ids.id(item);
        let edition = self.edition(item, self.items[item as usize].version, &id);
        Ready { row: encode(&edition.row()), detail: encode(&edition.book()) }
    }

    fn row(&self, item: u32) -> Bytes {
        match &self.ready {
            Some(ready) => ready[item as usize].row.clone(),
            None => {
                let version = self.items[item as usize].version;
                encode(&self.edition(item, version, &self.ids.id(item)).row())
            }
        }
    }

    fn edition<'a>(&self, item: u32, version: u32, id: &'a str) -> Edition<'a> {
        Edition { seed: self.seed, item, version, id }
    }

    fn presence(&self, item: u32) -> Presence {
        self.items[item as usize].presence
    }

    fn known(&self, key: &str) -> Option<u32> {
        self.ids.item(key).filter(|item| (*item as usize) < self.items.len())
    }

    fn present(&self, key: &str) -> Option<u32> {
        self.known(key).filter(|item| self.presence(*item) != Presence::Gone)
    }
}
