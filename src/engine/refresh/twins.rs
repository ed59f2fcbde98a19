//! Detects one page served for several items with status 200: a captcha, a login, an error page.
//!
//! Two items may have equal documents. But if the documents of two items differed before and are equal
//! now, only the first is stored, and the page of the second is refused. Documents are compared if the
//! site file requires nothing of an HTML page, so that any page would be accepted, or if hardly any
//! two documents in the store are equal. A resumed sweep compares with what its earlier runs stored.

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
    /// Digest of its previous document, or `None` if that is not known.
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

    /// Notes documents that the store holds. Those of `sweep` were read by its earlier runs.
    pub fn stored<'a>(&self, known: impl Iterator<Item = &'a Known>, sweep: &str) {
        let mut seen = self.seen();
        for known in known.filter(|known| known.gone_at.is_none()) {
            let Some(digest) = known.digest else { continue };
            if seen.stored.len() >= MOST {
                return;
            }
            if !seen.stored.insert(digest) {
                seen.equal += 1;
            }
            if known.sweep.as_deref() == Some(sweep) {
                let first = First { key: known.key.clone(), before: None };
                seen.now.entry(digest).or_insert(first);
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
        let all = self.stored.len() + self.equal;
        all >= FEWEST && self.equal * ONE_IN <= all
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::engine::refresh::{Origin, record};
    use crate::model::document::{Document, Encoding, Json};
    use crate::model::record::PageVersion;
    use crate::model::task::DetailPage;
    use crate::system::clock;

    fn key(key: u32) -> Key {
        Key::new(&key.to_string()).unwrap()
    }

    fn known(id: u32, text: &str, sweep: &str) -> Known {
        Known {
            key: key(id),
            url: None,
            digest: Some(document(text).digest),
            sweep: Some(sweep.into()),
            rules: None,
            version: PageVersion::default(),
            first_seen: None,
            fetched_at: None,
            changed_at: None,
            seen_at: None,
            unlisted_at: None,
            gone_at: None,
        }
    }

    fn document(text: &str) -> Document {
        let text = Bytes::from(format!(r#"{{"title":"{text}"}}"#));
        Document::new(Json::parse(&text).unwrap(), &text, Encoding::Text).unwrap()
    }

    /// Returns the twin of an item that was `known` and has this page now.
    fn twin(twins: &Twins, known: &Known, now: &str) -> Option<Key> {
        let item =
            DetailPage { known: Some(known.clone().into()), ..DetailPage::of(known.key.clone()) };
        let record = record(item, Origin::default(), document(now), clock::now());
        twins.of(&record, known.digest)
    }

    fn watching(takes_any_page: bool) -> Twins {
        Twins { takes_any_page, seen: Mutex::default() }
    }

    #[test]
    fn g8_a_resumed_sweep_compares_with_what_its_earlier_runs_stored() {
        let twins = watching(false);
        let mut items: Vec<Known> = (1..=20).map(|id| known(id, &id.to_string(), "old")).collect();
        items[0] = known(1, "captcha", "this");
        twins.stored(items.iter(), "this");
        assert_eq!(twin(&twins, &items[1], "captcha"), Some(key(1)));
        assert_eq!(twin(&twins, &items[2], "another title"), None);
        // What an earlier sweep stored may move from one item to another.
        assert_eq!(twin(&twins, &items[3], "20"), None);
    }

    #[test]
    fn g8_equal_documents_are_compared_where_documents_tell_items_apart() {
        let items = |equal: u32| -> Vec<Known> {
            (1..=100).map(|id| known(id, &id.max(equal).to_string(), "old")).collect()
        };
        for (equal, refuses) in [(1, true), (2, true), (4, false)] {
            let (twins, items) = (watching(false), items(equal));
            twins.stored(items.iter(), "this");
            assert_eq!(twin(&twins, &items[50], "captcha"), None, "the first cannot be told");
            assert_eq!(twin(&twins, &items[60], "captcha").is_some(), refuses, "{equal}");
        }
        // Too few to tell, but any page is an item's.
        for (takes_any_page, refuses) in [(true, true), (false, false)] {
            let (twins, items) = (watching(takes_any_page), items(1));
            twins.stored(items.iter().take(9), "this");
            assert_eq!(twin(&twins, &items[1], "captcha"), None);
            assert_eq!(twin(&twins, &items[2], "captcha").is_some(), refuses);
        }
    }
}
