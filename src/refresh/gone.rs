//! Decides what becomes of an item that its list does not name, or whose page is not there.
//!
//! A count is no proof that an item left the site: one that is inserted at the end of a list hides
//! one that shifted over a page's boundary, and a list that ends early names less than the site has.
//! So each item is asked for by its own page. While that answers as an item, the item is *unlisted*,
//! never gone. 404 and 410 prove that it is gone. An answer that neither shows the item nor denies it
//! (401, 403, a redirect to another address) counts like no page at all: the item is gone when a
//! second complete sweep does not list it either.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::Key;

/// The state of an item's own page, as far as a sweep could see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It answers as an item, or says that it has not changed.
    There,
    /// It answers 404 or 410.
    Absent,
    /// It answers 401 or 403, or leads away from its own address.
    Closed,
    /// The item has no page of its own: the list is all there is.
    NoPage,
    /// There is a page, but its URL was not kept whole, since it held credentials.
    Hidden,
    /// No answer that says anything of the item.
    Unclear,
}

/// How a sweep came to ask for an item's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// A list names it. `asked_before` says whether this sweep found its page absent once.
    Named {
        /// See above.
        asked_before: bool,
    },
    /// No list names it. `noted_before` says whether an earlier complete sweep did not list it
    /// either.
    Unnamed {
        /// See above.
        noted_before: bool,
    },
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its page is stored.
    Kept,
    /// Its page is asked for once more at the end of the sweep: a site that is brought up to date
    /// may lack pages for a while.
    AskAgain,
    /// It is listed and its page is not there: it counts as missing, and is marked gone where the
    /// store holds it.
    Missing,
    /// It is marked gone.
    Gone,
    /// It is noted as not listed, and its document stays as it is.
    Unlisted,
    /// It failed: tried again, then kept as a failure.
    Failed,
    /// Nothing is known of it, so nothing is changed.
    Unknown,
}

/// Decides what becomes of an item.
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

/// What a sweep found out about items that may have left the site.
#[derive(Debug, Default)]
pub struct Departures(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    /// Asked for once, and not there.
    once: HashSet<Key>,
    gone: Vec<Key>,
    unlisted: Vec<Key>,
    unproven: u64,
}

/// What is to be marked, if the sweep is one that may mark.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Departed {
    /// Items that are gone.
    pub gone: Vec<Key>,
    /// Items that are not listed, whether or not that was noted before.
    pub unlisted: Vec<Key>,
    /// How many items no list names for the first time, though they are not shown to be gone.
    pub unproven: u64,
}

impl Departures {
    /// Notes that the page of a listed item is absent. Says whether it was before.
    pub fn was_absent(&self, key: &Key) -> bool {
        !self.found().once.insert(key.clone())
    }

    /// Notes what becomes of an item that the store holds.
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

    /// All that was found out.
    pub fn all(&self) -> Departed {
        let found = self.found();
        let (gone, unlisted) = (found.gone.clone(), found.unlisted.clone());
        Departed { gone, unlisted, unproven: found.unproven }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of `live` documents may be marked gone at once, where that share in percent is
/// granted.
pub fn granted(live: u64, percent: f64) -> u64 {
    (live as f64 * percent / 100.0).floor() as u64
}

/// Why nothing is marked.
pub fn refusal(gone: u64, live: u64, limit: f64) -> String {
    format!(
        "{gone} or more of {live} items in the store are not on the list any more, or their pages are not there, which is more than {limit} %: nothing was marked gone. If they left the site, go ahead with a higher --gone-limit"
    )
}

/// Why a list whose end nothing proves is not believed to end there: it names fewer items than in the
/// last complete sweep (`before`), and some of those that it lacks for the first time are not shown to be
/// gone by their own pages.
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
        let departures = Departures::default();
        assert!(!departures.was_absent(&key("a")));
        assert!(departures.was_absent(&key("a")));
        assert!(!departures.was_absent(&key("b")));
        assert_eq!(departures.all(), Departed::default());
    }

    #[test]
    fn g6_what_is_noted_is_what_will_be_marked() {
        let departures = Departures::default();
        let unnamed = |noted_before| Listing::Unnamed { noted_before };
        departures.note(key("a"), unnamed(false), Fate::Unlisted);
        departures.note(key("b"), unnamed(false), Fate::Gone);
        departures.note(key("c"), Listing::Named { asked_before: true }, Fate::Missing);
        departures.note(key("d"), unnamed(false), Fate::Unknown);
        departures.note(key("e"), unnamed(true), Fate::Unlisted);
        let (gone, unlisted) = (vec![key("b"), key("c")], vec![key("a"), key("e")]);
        let departed = Departed { gone, unlisted, unproven: 2 };
        assert_eq!(departures.all(), departed);
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
