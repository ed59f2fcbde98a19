//! What left the site: items that the store holds and the list does not name, or whose pages are
//! not there. A count is no proof: an item that is inserted at the end of a list hides one that
//! shifted over a page's boundary. So each is asked for by its own page before it is called gone,
//! and one whose page is still there (or that has none) only when the next complete sweep does not
//! list it either.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::Key;

/// What a sweep found out about items that may have left the site.
#[derive(Debug, Default)]
pub struct Departures(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    /// Asked for once, and not there.
    once: HashSet<Key>,
    gone: Vec<Key>,
    unlisted: Vec<Key>,
}

/// What is to be marked, if the sweep is one that may mark.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Departed {
    /// Items that are gone.
    pub gone: Vec<Key>,
    /// Items that are not listed for the first time.
    pub unlisted: Vec<Key>,
}

impl Departures {
    /// The page of a listed item is not there. Says whether that is seen for the first time, when
    /// it is not believed yet.
    pub fn is_first_absence(&self, key: &Key) -> bool {
        self.found().once.insert(key.clone())
    }

    /// The page of an item that the store holds is not there, asked for twice or not listed.
    pub fn absent(&self, key: Key) {
        self.found().gone.push(key);
    }

    /// An item is not listed, but its page is there, or it has none. `before` says that the
    /// complete sweep before did not list it either.
    pub fn unlisted(&self, key: Key, before: bool) {
        let mut found = self.found();
        if before { found.gone.push(key) } else { found.unlisted.push(key) }
    }

    /// All that was found out.
    pub fn all(&self) -> Departed {
        let found = self.found();
        Departed { gone: found.gone.clone(), unlisted: found.unlisted.clone() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn g2_an_absence_is_believed_the_second_time() {
        let departures = Departures::default();
        assert!(departures.is_first_absence(&key("a")));
        assert!(!departures.is_first_absence(&key("a")));
        assert!(departures.is_first_absence(&key("b")));
        assert_eq!(departures.all(), Departed::default());
    }

    #[test]
    fn what_is_not_listed_is_gone_the_second_time() {
        let departures = Departures::default();
        departures.unlisted(key("a"), false);
        departures.unlisted(key("b"), true);
        departures.absent(key("c"));
        let departed = Departed { gone: vec![key("b"), key("c")], unlisted: vec![key("a")] };
        assert_eq!(departures.all(), departed);
    }

    #[test]
    fn g3_a_share_is_rounded_down() {
        assert_eq!(granted(10, 20.0), 2);
        assert_eq!(granted(4, 20.0), 0);
        assert_eq!(granted(1_000_000, 0.5), 5_000);
        assert_eq!(granted(7, 100.0), 7);
    }
}
