//! Walks over the site's lists: what their pages have said so far, list by list and pass by pass.
//!
//! Workers report each page here as they read it, in whatever order. A page is *repeated* where
//! its keys are those of another page of the same walk over the same list: sites that do not know
//! an offset, or clamp it, answer so for ever. Where the end of a list is not known a repeated
//! page is the end; where it is, three in a row are.
//!
//! A pass ends with its last page. Whoever has that page in its hands is told so, and by then it
//! is known whether the lists add up: if not, they are walked once more.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::document::Digest;
use crate::site::PageSaid;
use crate::task::{IndexPage, List};

/// Repeated pages in a row that end a list whose end is known.
const REPEATS: u64 = 3;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Walk(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    /// What each list declares and lists, in all passes.
    counts: HashMap<List, Counts>,
    /// What the pages of each list said, pass by pass.
    passes: HashMap<(u32, List), Progress>,
    /// Pages of the pass that are planned and not yet answered for.
    open: u64,
    lost: u64,
    /// Distinct items that each pass added.
    found: Vec<u64>,
}

/// What is known of one list.
#[derive(Debug, Default)]
struct Counts {
    declared: Option<u64>,
    /// Distinct keys listed, and items without a key.
    listed: u64,
    /// Digests of the keys listed, where an item may be on several lists.
    keys: HashSet<u128>,
    is_cut: bool,
}

/// What is known of one walk over a list.
#[derive(Debug, Default)]
struct Progress {
    /// Digests of the keys of each page that was read, and its number.
    pages: HashMap<u128, u64>,
    repeated: BTreeSet<u64>,
    /// The first page with fewer items than were asked for.
    first_short: Option<u64>,
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
    /// The list.
    pub list: List,
    /// What it declares.
    pub declared: u64,
    /// What it lists.
    pub listed: u64,
    /// Whether it was ended before its time, so that another walk would end there, too.
    pub is_cut: bool,
}

impl Walk {
    /// So many pages are about to be submitted: said before, so that a pass does not end while
    /// they are on their way.
    pub fn planned(&self, pages: u64) {
        self.lists().open += pages;
    }

    /// So many of the pages that were planned were known already.
    pub fn known_already(&self, pages: u64) {
        let mut lists = self.lists();
        lists.open = lists.open.saturating_sub(pages);
    }

    /// A page was answered for: all that it leads to is submitted, or it is lost. Says whether it
    /// was the last of its pass.
    pub fn answered(&self, is_lost: bool) -> bool {
        let mut lists = self.lists();
        lists.lost += u64::from(is_lost);
        lists.open = lists.open.saturating_sub(1);
        lists.open == 0
    }

    /// Whether a page of any list was lost.
    pub fn has_lost(&self) -> bool {
        self.lists().lost > 0
    }

    /// Whether the list of a page was ended before its time: the page need not be asked for.
    pub fn is_over(&self, page: &IndexPage) -> bool {
        self.lists().pass(page).is_over
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
        let mut lists = self.lists();
        let counts = lists.counts.entry(page.list.clone()).or_default();
        counts.declared = said.declared.or(counts.declared);
        let before = counts.keys.len();
        counts.keys.extend(prints);
        counts.listed += (counts.keys.len() - before) as u64;
        let progress = lists.pass(page);
        let first = match all.as_str() {
            "" => page.number,
            all => *progress.pages.entry(Digest::of(all.as_bytes()).bits()).or_insert(page.number),
        };
        let repeats = (first != page.number).then_some(first);
        if repeats.is_some() {
            progress.repeated.insert(page.number);
            progress.is_over |= progress.in_a_row(page.number) >= REPEATS;
        }
        let is_over = progress.is_over;
        lists.counts.entry(page.list.clone()).or_default().is_cut |= is_over;
        Turn { repeats, is_over }
    }

    /// A page listed so many items that no page listed before, or that have no key.
    pub fn listed(&self, page: &IndexPage, distinct: u64, without_key: u64) {
        let by_seed = matches!(page.list, List::Items(Some(_)));
        let mut lists = self.lists();
        let counts = lists.counts.entry(page.list.clone()).or_default();
        counts.listed += without_key + if by_seed { 0 } else { distinct };
        let pass = page.pass as usize;
        if lists.found.len() < pass {
            lists.found.resize(pass, 0);
        }
        if let Some(found) = pass.checked_sub(1).and_then(|at| lists.found.get_mut(at)) {
            *found += distinct + without_key;
        }
    }

    /// Distinct items that each pass added.
    pub fn found(&self) -> Vec<u64> {
        self.lists().found.clone()
    }

    /// A page has `items` of the `limit` that were asked for. Says which page of the list was the
    /// first with fewer.
    pub fn first_short(&self, page: &IndexPage, items: u64, limit: u64) -> Option<u64> {
        let mut lists = self.lists();
        let progress = lists.pass(page);
        if items < limit {
            let first = progress.first_short.unwrap_or(page.number);
            progress.first_short = Some(first.min(page.number));
        }
        progress.first_short
    }

    /// How many items all lists declare together; nothing where one of them does not say.
    pub fn declared(&self) -> Option<u64> {
        let lists = self.lists();
        let items = lists.counts.iter().filter(|(list, _)| **list != List::Seeds);
        let mut declared = items.map(|(_, counts)| counts.declared).peekable();
        declared.peek()?;
        declared.sum()
    }

    /// The lists that do not add up.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let lists = self.lists();
        let mismatch = |(list, counts): (&List, &Counts)| {
            let declared = counts.declared.filter(|declared| *declared != counts.listed)?;
            let is_items = *list != List::Seeds;
            is_items.then(|| Mismatch {
                list: list.clone(),
                declared,
                listed: counts.listed,
                is_cut: counts.is_cut,
            })
        };
        let mut mismatches: Vec<Mismatch> = lists.counts.iter().filter_map(mismatch).collect();
        mismatches.sort_by_key(|mismatch| mismatch.list.to_string());
        mismatches
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn pass(&mut self, page: &IndexPage) -> &mut Progress {
        self.passes.entry((page.pass, page.list.clone())).or_default()
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
        let list = List::Items(Some("y".into()));
        let short = Mismatch { list, declared: 3, listed: 1, is_cut: false };
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

    #[test]
    fn a_pass_ends_once_with_its_last_page() {
        let walk = Walk::default();
        walk.planned(1);
        walk.planned(3);
        walk.known_already(1);
        assert!(!walk.answered(false), "two more are on their way");
        assert!(!walk.answered(true));
        assert!(walk.answered(false));
        assert!(walk.has_lost());
    }

    #[test]
    fn counts_add_up_over_the_passes() {
        let walk = Walk::default();
        walk.read(&page(1), ["a"].into_iter(), &declared(3));
        walk.listed(&page(1), 2, 0);
        assert_eq!(walk.mismatches()[0].listed, 2);
        let again = IndexPage { pass: 2, ..page(1) };
        assert_eq!(walk.read(&again, ["a"].into_iter(), &declared(3)).repeats, None);
        walk.listed(&again, 1, 0);
        assert_eq!((walk.mismatches(), walk.found()), (vec![], vec![2, 1]));
    }
}
