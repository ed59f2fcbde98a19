//! Tells where pages of different items became one and the same: a captcha, a login, a page of errors
//! with status 200. Only where the site file requires nothing of an item's page, so that any page is one.
//!
//! Items may be alike, and stay so. But where items whose documents differed are to have the same
//! document now, the first of them may have it; what follows is no page of theirs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use crate::model::document::Digest;
use crate::model::record::{Key, Record, Verdict};

/// Changed documents that are remembered; a sweep that changes more of them is not watched any further.
const MOST: usize = 100_000;

/// The documents that changed in a run.
#[derive(Debug, Default)]
pub struct Twins(Mutex<HashMap<Digest, First>>);

/// The first item that came to have a document.
#[derive(Debug)]
struct First {
    key: Key,
    /// Its document before.
    before: Option<Digest>,
}

impl Twins {
    /// The item whose new document that of a record is, too, though they had different ones before.
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
