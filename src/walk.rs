//! A walk over the site's lists: what their pages have said so far, list by list.
//!
//! Workers report each page here as they read it, in whatever order. A page is *repeated* where
//! its keys are those of another page of the same walk over the same list: sites that do not know
//! an offset, or clamp it, answer so for ever. Where the end of a list is not known a repeated
//! page is the end; where it is, three in a row are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::document::Digest;
use crate::site::PageSaid;
use crate::task::{IndexPage, List};

/// Repeated pages in a row that end a list whose end is known.
const REPEATS: u64 = 3;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Walk {
    lists: Mutex<HashMap<(u32, List), Progress>>,
}

/// What is known of one list.
#[derive(Debug, Default)]
struct Progress {
    /// Digests of the keys of each page that was read, and its number.
    pages: HashMap<u128, u64>,
    repeated: BTreeSet<u64>,
    /// The first page with fewer items than were asked for.
    first_short: Option<u64>,
    declared: Option<u64>,
    /// Distinct keys listed, and items without a key.
    listed: u64,
    /// Digests of the keys listed, where an item may be on several lists.
    keys: HashSet<u128>,
    is_over: bool,
}

/// What a page is for its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The page whose keys it repeats.
    pub repeats: Option<u64>,
    /// Whether the list is not to be followed any further.
    pub is_over: bool,
}

/// A list that declares more or fewer items than it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The category whose list it is, where there are several.
    pub seed: Option<Box<str>>,
    /// What it declares.
    pub declared: u64,
    /// What it lists.
    pub listed: u64,
}

impl Walk {
    /// Whether the list of a page was ended before its time: the page need not be asked for.
    pub fn is_over(&self, page: &IndexPage) -> bool {
        self.with(page, |progress| progress.is_over)
    }

    /// A page was read, with these names on it (keys or categories).
    pub fn read<'k>(
        &self,
        page: &IndexPage,
        names: impl Iterator<Item = &'k str>,
        said: &PageSaid,
    ) -> Turn {
        let mut all = String::new();
        let by_seed = matches!(page.list, List::Items(Some(_)));
        let mut prints = Vec::new();
        for name in names {
            all.push_str(name);
            all.push('\n');
            prints.extend(by_seed.then(|| Digest::of(name.as_bytes()).bits()));
        }
        self.with(page, |progress| {
            if said.declared.is_some() {
                progress.declared = said.declared;
            }
            let before = progress.keys.len();
            progress.keys.extend(prints);
            progress.listed += (progress.keys.len() - before) as u64;
            let first = match all.as_str() {
                "" => page.number,
                all => {
                    *progress.pages.entry(Digest::of(all.as_bytes()).bits()).or_insert(page.number)
                }
            };
            let repeats = (first != page.number).then_some(first);
            if repeats.is_some() {
                progress.repeated.insert(page.number);
                progress.is_over |= progress.in_a_row(page.number) >= REPEATS;
            }
            Turn { repeats, is_over: progress.is_over }
        })
    }

    /// A page listed so many items that no page listed before, or that have no key.
    pub fn listed(&self, page: &IndexPage, distinct: u64, without_key: u64) {
        let by_seed = matches!(page.list, List::Items(Some(_)));
        self.with(page, |progress| {
            progress.listed += without_key + if by_seed { 0 } else { distinct };
        });
    }

    /// A page has `items` of the `limit` that were asked for. Says which page of the list was the
    /// first with fewer.
    pub fn first_short(&self, page: &IndexPage, items: u64, limit: u64) -> Option<u64> {
        self.with(page, |progress| {
            if items < limit {
                let first = progress.first_short.unwrap_or(page.number);
                progress.first_short = Some(first.min(page.number));
            }
            progress.first_short
        })
    }

    /// How many items all lists declare together; nothing where one of them does not say.
    pub fn declared(&self) -> Option<u64> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let items = lists.iter().filter(|((_, list), _)| *list != List::Seeds);
        let mut declared = items.map(|(_, progress)| progress.declared).peekable();
        declared.peek()?;
        declared.sum()
    }

    /// The lists that do not add up.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mismatch = |((_, list), progress): (&(u32, List), &Progress)| {
            let List::Items(seed) = list else { return None };
            let declared = progress.declared.filter(|declared| *declared != progress.listed)?;
            Some(Mismatch {
                seed: seed.as_deref().map(Into::into),
                declared,
                listed: progress.listed,
            })
        };
        let mut mismatches: Vec<Mismatch> = lists.iter().filter_map(mismatch).collect();
        mismatches.sort_by(|a, b| a.seed.cmp(&b.seed));
        mismatches
    }

    fn with<T>(&self, page: &IndexPage, look: impl FnOnce(&mut Progress) -> T) -> T {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        look(lists.entry((page.pass, page.list.clone())).or_default())
    }
}

impl Progress {
    /// How many repeated pages stand in a row around this one.
    fn in_a_row(&self, number: u64) -> u64 {
        let before = (1..=number).rev().take_while(|number| self.repeated.contains(number));
        let after = (number + 1..).take_while(|number| self.repeated.contains(number));
        (before.count() + after.count()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u64) -> IndexPage {
        IndexPage::numbered(1, number, 9)
    }

    fn of(seed: &str, number: u64) -> IndexPage {
        IndexPage { list: List::Items(Some(seed.into())), ..page(number) }
    }

    fn declared(declared: u64) -> PageSaid {
        PageSaid { declared: Some(declared), ..PageSaid::default() }
    }

    fn read(walk: &Walk, page: &IndexPage, names: &[&str]) -> Turn {
        walk.read(page, names.iter().copied(), &PageSaid::default())
    }

    #[test]
    fn l2_a_page_is_repeated_where_it_has_the_keys_of_another() {
        let walk = Walk::default();
        let fresh = Turn { repeats: None, is_over: false };
        assert_eq!(read(&walk, &page(1), &["a", "b"]), fresh);
        assert_eq!(read(&walk, &page(1), &["a", "b"]), fresh, "the page itself, once more");
        assert_eq!(read(&walk, &page(2), &["b", "a"]), fresh);
        assert_eq!(read(&walk, &page(3), &[]), fresh);
        assert_eq!(read(&walk, &page(4), &[]), fresh, "empty pages have no keys to repeat");
        assert_eq!(read(&walk, &page(6), &["a", "b"]).repeats, Some(1));
        assert_eq!(read(&walk, &of("x", 2), &["a", "b"]), fresh, "another list");
    }

    #[test]
    fn l2_three_in_a_row_end_a_list_in_whatever_order_they_come() {
        let walk = Walk::default();
        read(&walk, &page(1), &["a"]);
        for (number, is_over) in [(3, false), (5, false), (6, false), (4, true)] {
            assert_eq!(read(&walk, &page(number), &["a"]).is_over, is_over, "{number}");
        }
        assert!(walk.is_over(&page(9)));
        assert!(!walk.is_over(&of("x", 9)));
    }

    #[test]
    fn counts_are_compared_list_by_list() {
        let walk = Walk::default();
        assert_eq!(walk.declared(), None);
        for (seed, names, says) in [("x", ["a", "b"], 2), ("y", ["b", "b"], 3)] {
            walk.read(&of(seed, 1), names.into_iter(), &declared(says));
            walk.listed(&of(seed, 1), 2, 0);
        }
        assert_eq!(walk.declared(), Some(5));
        let short = Mismatch { seed: Some("y".into()), declared: 3, listed: 1 };
        assert_eq!(walk.mismatches(), [short]);
        walk.listed(&of("y", 1), 0, 2);
        assert_eq!(walk.mismatches(), []);
        read(&walk, &of("z", 1), &["a"]);
        assert_eq!(walk.declared(), None, "one of them does not say");
    }

    #[test]
    fn the_first_short_page_is_known_whatever_the_order() {
        let walk = Walk::default();
        assert_eq!(walk.first_short(&page(2), 5, 5), None);
        assert_eq!(walk.first_short(&page(4), 3, 5), Some(4));
        assert_eq!(walk.first_short(&page(3), 4, 5), Some(3));
        assert_eq!(walk.first_short(&page(1), 5, 5), Some(3));
    }
}
