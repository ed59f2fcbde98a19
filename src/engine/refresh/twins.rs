//! Detects one page served for several items with status 200: a captcha, a login, an error page.
//!
//! Used only if the site file requires nothing of an item's page, so that any page would be accepted.
//! Equal items are allowed. But if the documents of two items differed before and are the same now,
//! only the first is stored; the page of the second is refused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use crate::model::document::Digest;
use crate::model::record::{Key, Record, Verdict};
use crate::site::Site;
use crate::site::settings::Settings;

/// Maximum number of changed documents to remember. Further ones are not compared.
const MOST: usize = 100_000;

/// Documents that changed in a run.
#[derive(Debug, Default)]
pub struct Twins(Mutex<HashMap<Digest, First>>);

/// First item that changed to a document.
#[derive(Debug)]
struct First {
    key: Key,
    /// Digest of its previous document.
    before: Option<Digest>,
}

impl Twins {
    /// Creates the memory if equal pages of several items are refused: any page is an item's, as HTML
    /// whose parts are kept, and changes are not accepted unseen.
    pub fn watching(site: &Site, settings: &Settings) -> Option<Twins> {
        let detail = site.detail.as_ref();
        let is_html = detail.is_some_and(|it| it.reading.format.holds().are_elements());
        let is_accepted = settings.refresh.accept_changes;
        (is_html && site.takes_any_page() && !is_accepted).then(Twins::default)
    }

    /// Returns the item that changed to the same document as `record`, although the two differed
    /// before; `before` is the digest of the previous document.
    pub fn of(&self, record: &Record, before: Option<Digest>) -> Option<Key> {
        if record.verdict != Verdict::Changed || before.is_none() {
            return None;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = seen.len() >= MOST;
        match seen.entry(record.document.digest) {
            Entry::Occupied(first) => {
                let First { key, before: other } = first.get();
                (*key != record.key && *other != before).then(|| key.clone())
            }
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(place) => {
                place.insert(First { key: record.key.clone(), before });
                None
            }
        }
    }
}
