//! Decides what to do with an item that its list does not name, or whose page does not exist.
//!
//! A count does not prove that an item left the site: an item inserted at the end of a list can
//! hide one that shifted across a page boundary, and a list that ends early names fewer items than
//! the site has. So the page of each missing item is requested. While it answers with the item, the
//! item is *unlisted*, never gone. 404 and 410 prove that it is gone. A response that neither shows
//! nor denies the item (401, 403, a redirect to another address) is treated like an item without a
//! page: it is gone if a second complete sweep does not list it either.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::record::Key;

/// The result of requesting an item's own page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It answers with the item, or with "not modified".
    There,
    /// It answers 404 or 410.
    Absent,
    /// It answers 401 or 403, or redirects to another address.
    Closed,
    /// The item has no page of its own, only its list entry.
    NoPage,
    /// The item has a page, but its URL contained credentials and was not stored in full.
    Hidden,
    /// The response says nothing about the item.
    Unclear,
}

/// The reason why a sweep requested an item's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// A list names the item.
    Named {
        /// True if this sweep already found the page absent once.
        asked_before: bool,
    },
    /// No list names the item.
    Unnamed {
        /// True if an earlier complete sweep did not list the item either.
        noted_before: bool,
    },
}

/// The action for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Store its page.
    Kept,
    /// Request its page once more at the end of the sweep: pages may be absent for a while during
    /// an update of the site.
    AskAgain,
    /// Count it as missing: it is listed and its page does not exist. Mark it gone if the store
    /// holds it.
    Missing,
    /// Mark it gone.
    Gone,
    /// Note that it is not listed, and keep its document.
    Unlisted,
    /// Retry it, and finally store a failure.
    Failed,
    /// Change nothing: nothing is known of the item.
    Unknown,
}

/// Decides what to do with an item.
pub fn fate(listing: Listing, sight: Sight) -> Fate {
    match (listing, sight) {
        (Listing::Named { asked_before: false }, Sight::Absent) => Fate::AskAgain,
        (Listing::Named { asked_before: true }, Sight::Absent) => Fate::Missing,
        (Listing::Named { .. }, Sight::There | Sight::NoPage) => Fate::Kept,
        (Listing::Named { .. }, Sight::Closed | Sight::Hidden | Sight::Unclear) => Fate::Failed,
        (Listing::Unnamed { .. }, Sight::Absent) => Fate::Gone,
        (Listing::Unnamed { noted_before: true }, Sight::Closed | Sight::NoPage) => Fate::Gone,
        (Listing::Unnamed { .. }, Sight::There | Sight::Hidden) => Fate::Unlisted,
        (Listing::Unnamed { .. }, Sight::Closed | Sight::NoPage) => Fate::Unlisted,
        (Listing::Unnamed { .. }, Sight::Unclear) => Fate::Unknown,
    }
}

/// The items that may have left the site, collected during a sweep.
#[derive(Debug, Default)]
pub struct GoneCandidates(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    /// Keys of items whose page was absent once.
    once: HashSet<Key>,
    gone: Vec<Key>,
    unlisted: Vec<Key>,
    unproven: u64,
}

/// The items to mark, if the sweep is one that may mark items.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ItemsToMark {
    /// Keys of items that are gone.
    pub gone: Vec<Key>,
    /// Keys of items that are not listed, whether or not that was noted before.
    pub unlisted: Vec<Key>,
    /// Number of items that are unlisted for the first time and not proven gone.
    pub unproven: u64,
}

impl GoneCandidates {
    /// Notes that the page of a listed item is absent. Returns true if it was absent before.
    pub fn was_absent(&self, key: &Key) -> bool {
        !self.found().once.insert(key.clone())
    }

    /// Notes the decision on an item that the store holds.
    pub fn note(&self, key: Key, listing: Listing, fate: Fate) {
        let mut found = self.found();
        let is_new = listing == Listing::Unnamed { noted_before: false };
        found.unproven += u64::from(is_new && fate != Fate::Gone);
        match fate {
            Fate::Gone | Fate::Missing => found.gone.push(key),
            Fate::Unlisted => found.unlisted.push(key),
            Fate::Kept | Fate::AskAgain | Fate::Failed | Fate::Unknown => {}
        }
    }

    /// Returns everything that was noted.
    pub fn all(&self) -> ItemsToMark {
        let found = self.found();
        let (gone, unlisted) = (found.gone.clone(), found.unlisted.clone());
        ItemsToMark { gone, unlisted, unproven: found.unproven }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many of `live` documents may be marked gone at once, at a limit of `percent`.
pub fn granted(live: u64, percent: f64) -> u64 {
    (live as f64 * percent / 100.0).floor() as u64
}

/// Explains why nothing is marked.
pub fn refusal(gone: u64, live: u64, limit: f64) -> String {
    format!(
        "{gone} or more of {live} items in the store are not on the list any more, or their pages are not there, which is more than {limit} %: nothing was marked gone. If they left the site, go ahead with a higher --gone-limit"
    )
}

/// Returns why the list may have ended early, or `None`. Called if nothing proves the end of the
/// list. It may have ended early if it names fewer items than in the last complete sweep
/// (`before`), and some of the items that are missing for the first time are not proven gone by
/// their own pages.
pub fn ended_early(before: Option<u64>, listed: u64, unproven: u64) -> Option<String> {
    let before = before.filter(|before| listed < *before && unproven > 0)?;
    Some(format!(
        "the list names {listed} items, and in the last complete sweep it named {before}; {unproven} of those that it lacks are not shown to be gone by pages of their own, so it may have ended early: nothing was marked. Say in the site file what each page of the list has (`require`), or how many items there are (`total`, `last`); or go ahead with --accept-changes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn g6_g7_what_becomes_of_an_item_by_its_listing_and_its_page() {
        use {Fate::*, Sight::*};
        let named = |asked_before| Listing::Named { asked_before };
        let unnamed = |noted_before| Listing::Unnamed { noted_before };
        let cases = [
            // Page, listed, listed and asked before, not listed, not listed the second time.
            (There, [Kept, Kept, Unlisted, Unlisted]),
            (Absent, [AskAgain, Missing, Gone, Gone]),
            (Closed, [Failed, Failed, Unlisted, Gone]),
            (NoPage, [Kept, Kept, Unlisted, Gone]),
            (Hidden, [Failed, Failed, Unlisted, Unlisted]),
            (Unclear, [Failed, Failed, Unknown, Unknown]),
        ];
        for (sight, fates) in cases {
            let listings = [named(false), named(true), unnamed(false), unnamed(true)];
            assert_eq!(listings.map(|listing| fate(listing, sight)), fates, "{sight:?}");
        }
    }

    #[test]
    fn g2_an_absence_is_believed_the_second_time() {
        let gone_candidates = GoneCandidates::default();
        assert!(!gone_candidates.was_absent(&key("a")));
        assert!(gone_candidates.was_absent(&key("a")));
        assert!(!gone_candidates.was_absent(&key("b")));
        assert_eq!(gone_candidates.all(), ItemsToMark::default());
    }

    #[test]
    fn g6_what_is_noted_is_what_will_be_marked() {
        let gone_candidates = GoneCandidates::default();
        let unnamed = |noted_before| Listing::Unnamed { noted_before };
        gone_candidates.note(key("a"), unnamed(false), Fate::Unlisted);
        gone_candidates.note(key("b"), unnamed(false), Fate::Gone);
        gone_candidates.note(key("c"), Listing::Named { asked_before: true }, Fate::Missing);
        gone_candidates.note(key("d"), unnamed(false), Fate::Unknown);
        gone_candidates.note(key("e"), unnamed(true), Fate::Unlisted);
        let (gone, unlisted) = (vec![key("b"), key("c")], vec![key("a"), key("e")]);
        let to_mark = ItemsToMark { gone, unlisted, unproven: 2 };
        assert_eq!(gone_candidates.all(), to_mark);
    }

    #[test]
    fn l10_a_list_ended_early_where_it_is_shorter_and_what_it_lacks_is_not_shown_to_be_gone() {
        let cases = [
            (Some(50), 45, 5, true),
            (Some(50), 45, 1, true),
            (Some(50), 45, 0, false),
            (Some(50), 50, 1, false),
            (Some(50), 51, 1, false),
            (None, 45, 5, false),
        ];
        for (before, listed, unproven, ended) in cases {
            assert_eq!(ended_early(before, listed, unproven).is_some(), ended, "{listed}");
        }
    }

    #[test]
    fn g3_a_share_is_rounded_down() {
        assert_eq!(granted(10, 20.0), 2);
        assert_eq!(granted(4, 20.0), 0);
        assert_eq!(granted(1_000_000, 0.5), 5_000);
        assert_eq!(granted(7, 100.0), 7);
    }
}
