//! Detects one page served for several items with status 200: a captcha, a login, an error page.
//!
//! A document that two items share says nothing by itself: items may be equal. But if the documents of
//! two items differed before and are the same now, only the first is stored; the page of the second is
//! refused. This is done where equal documents are no accident: where the site file requires nothing of
//! an HTML page, so that any page would be accepted, and where the store shows that the site's
//! documents tell its items apart.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::document::Digest;
use crate::model::record::{Key, Known, Record, Verdict};
use crate::site::Site;
use crate::site::settings::Settings;

/// Maximum number of documents to remember. Further ones are not compared.
const MOST: usize = 100_000;
/// Minimum number of stored documents by which it is judged whether documents tell items apart.
const FEWEST: usize = 10;
/// Documents tell items apart if at most one in so many equals another one.
const ONE_IN: usize = 100;

/// Documents that were read in a run.
#[derive(Debug)]
pub struct Twins {
    /// True if any page counts as an item's, so that equal documents are always compared.
    takes_any_page: bool,
    seen: Mutex<Documents>,
}

#[derive(Debug, Default)]
struct Documents {
    /// First item with each document, as read in this run.
    now: HashMap<Digest, First>,
    /// A sample of the documents that the store held, and how many of these were equal to others.
    stored: HashSet<Digest>,
    equal: usize,
}

/// First item with a document.
#[derive(Debug)]
struct First {
    key: Key,
    /// Digest of its previous document.
    before: Option<Digest>,
}

impl Twins {
    /// Creates the memory. Returns `None` if items have no pages, or changes are accepted unseen.
    pub fn watching(site: &Site, settings: &Settings) -> Option<Twins> {
        let detail = site.detail.as_ref()?;
        let is_html = detail.reading.format.holds().are_elements();
        let takes_any_page = is_html && site.takes_any_page();
        let twins = Twins { takes_any_page, seen: Mutex::default() };
        (!settings.refresh.accept_changes).then_some(twins)
    }

    /// Notes documents that the store holds.
    pub fn stored<'a>(&self, known: impl Iterator<Item = &'a Known>) {
        let mut seen = self.seen();
        for digest in known.filter(|known| known.gone_at.is_none()).filter_map(|it| it.digest) {
            if seen.stored.len() >= MOST {
                return;
            }
            if !seen.stored.insert(digest) {
                seen.equal += 1;
            }
        }
    }

    /// Returns the item that has the same document as `record` now, although the two differed before
    /// and equal documents are no accident; `before` is the digest of the previous document.
    pub fn of(&self, record: &Record, before: Option<Digest>) -> Option<Key> {
        if record.verdict == Verdict::New || before.is_none() {
            return None;
        }
        let mut seen = self.seen();
        let is_watched = self.takes_any_page || seen.tell_items_apart();
        let is_full = seen.now.len() >= MOST;
        match seen.now.entry(record.document.digest) {
            Entry::Occupied(first) => {
                let First { key, before: other } = first.get();
                let is_twin = *key != record.key && *other != before;
                (is_twin && is_watched && record.verdict == Verdict::Changed).then(|| key.clone())
            }
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(place) => {
                place.insert(First { key: record.key.clone(), before });
                None
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Documents> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Documents {
    /// Returns true if hardly any of the stored documents equals another one.
    fn tell_items_apart(&self) -> bool {
        self.stored.len() >= FEWEST && self.equal * ONE_IN <= self.stored.len()
    }
}
