//! Walks over the site's lists: what their pages have said so far, list by list and pass by pass.
//!
//! Workers report each page here as they read it, in whatever order. A page is *repeated* where
//! its keys are those of another page of the same walk over the same list: sites that do not know
//! an offset, or clamp it, answer so for ever. Where the end of a list is not known a repeated
//! page is the end; where it is, three in a row are.
//!
//! A pass ends with its last page. Whoever has that page in its hands is told so, and by then it
//! is known whether the lists add up: if not, they are walked once more.
//!
//! Where an item leaves a list while it is walked, those after it move up, and one may move from a
//! page that is still to be read to one that was read. The sum is no proof against that: the item
//! that left was counted, the one that moved was not. But the pages' counts tell: where they differ
//! within a pass, the list has *moved*, and only a pass in which it did not adds up, by itself.
//! That costs little: the items are done by then, and such a pass is a few pages.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::document::Digest;
use crate::site::PageSaid;
use crate::task::{IndexPage, List, Place};

/// More items than this are no count but a mistake of the site's.
const MOST_DECLARED: u64 = 1 << 62;
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
    /// Pages that could not be had.
    lost: HashSet<Whereabouts>,
    /// Where the first of them is, and why it could not be had.
    first_lost: Option<String>,
    /// What the lists declare together, and how many of them do not say.
    declared: u64,
    silent: u64,
    /// Distinct items that each pass added.
    found: Vec<u64>,
}

/// What is known of one list.
#[derive(Debug, Default)]
struct Counts {
    declared: Option<u64>,
    /// Distinct keys listed, and items without a key.
    listed: u64,
    without_key: u64,
    /// The last pass over it.
    pass: u32,
    /// Digests of the keys listed, where an item may be on several lists.
    keys: HashSet<u128>,
    is_cut: bool,
}

/// Which page of which list it is, in whatever pass: by its place, where it has one, since the pages
/// before it may be more or fewer the next time.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Whereabouts {
    Number(List, u64),
    Place(List, Place),
}

fn whereabouts(page: &IndexPage) -> Whereabouts {
    let list = page.list.clone();
    match page.place.clone() {
        None => Whereabouts::Number(list, page.number),
        Some(place) => Whereabouts::Place(list, place),
    }
}

/// What is known of one walk over a list.
#[derive(Debug, Default)]
struct Progress {
    /// Digests of the keys of each page that was read, and its number.
    pages: HashMap<u128, u64>,
    repeated: BTreeSet<u64>,
    /// Pages that were empty when they were first read.
    empty: BTreeSet<u64>,
    /// The first page with fewer items than were asked for.
    first_short: Option<u64>,
    /// Pages that were found one by another, so that they are numbered as they are found.
    numbered: u64,
    /// What the last page that was read declares.
    declared: Option<u64>,
    /// Whether pages declare different counts.
    has_moved: bool,
    /// Digests of the keys listed, in a pass after the first.
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

/// A list that declares more or fewer items than it lists, or that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The list.
    pub list: List,
    /// What it declares.
    pub declared: u64,
    /// What it lists.
    pub listed: u64,
    /// Whether its count changed while it was last walked, so that items may have been missed.
    pub has_moved: bool,
    /// Whether its last walk, by itself, found fewer items than it declares.
    pub is_short: bool,
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
    pub fn answered(&self, page: &IndexPage, is_lost: bool) -> bool {
        let mut lists = self.lists();
        if is_lost {
            lists.lost.insert(whereabouts(page));
        } else {
            // Another pass may have what an earlier one lost.
            lists.lost.remove(&whereabouts(page));
        }
        lists.open = lists.open.saturating_sub(1);
        lists.open == 0
    }

    /// Whether the lists were read to their ends: no page was lost, and, where counts are exact,
    /// they add up.
    pub fn is_whole(&self, counts_are_exact: bool) -> bool {
        self.lost() == 0 && (!counts_are_exact || self.mismatches().is_empty())
    }

    /// Whether a page could not be had in an earlier pass.
    pub fn is_lost(&self, page: &IndexPage) -> bool {
        self.lists().lost.contains(&whereabouts(page))
    }

    /// A page could not be had: where, and why.
    pub fn note_lost(&self, why: impl FnOnce() -> String) {
        self.lists().first_lost.get_or_insert_with(why);
    }

    /// Where the first page that could not be had is, and why; nothing where another pass had all.
    pub fn first_lost(&self) -> Option<String> {
        let lists = self.lists();
        lists.first_lost.clone().filter(|_| !lists.lost.is_empty())
    }

    /// How many pages could not be had, in any pass.
    pub fn lost(&self) -> u64 {
        self.lists().lost.len() as u64
    }

    /// A page is empty, or not there where it was only a guess. Says whether that is seen for the
    /// first time, when it is not believed yet.
    pub fn is_first_empty(&self, page: &IndexPage) -> bool {
        self.lists().pass(page).empty.insert(page.number)
    }

    /// Whether a page and the one before it are empty.
    pub fn is_second_empty(&self, page: &IndexPage) -> bool {
        let mut lists = self.lists();
        let empty = &lists.pass(page).empty;
        empty.contains(&page.number) && page.number > 1 && empty.contains(&(page.number - 1))
    }

    /// The list of a page ends there, in this pass: what was planned behind it is not asked for.
    pub fn ends_at(&self, page: &IndexPage) {
        self.lists().pass(page).is_over = true;
    }

    /// Numbers for so many pages that a page of the same list named, in the order in which they
    /// are found. Answers with the first.
    pub fn numbers(&self, page: &IndexPage, pages: u64) -> u64 {
        let mut lists = self.lists();
        let progress = lists.pass(page);
        let first = progress.numbered.max(1) + 1;
        progress.numbered = first + pages - 1;
        first
    }

    /// Whether the list of a page was ended before its time: the page need not be asked for.
    pub fn is_over(&self, page: &IndexPage) -> bool {
        self.lists().pass(page).is_over
    }

    /// A page was read, with these names on it (keys or categories); without any, it cannot be
    /// told whether it repeats another one.
    pub fn read<'k>(
        &self,
        page: &IndexPage,
        names: impl Iterator<Item = &'k str>,
        said: &PageSaid,
    ) -> Turn {
        let mut all = String::new();
        for name in names {
            all.push_str(name);
            all.push('\n');
        }
        let mut lists = self.lists();
        lists.declare(&page.list, said.declared);
        let progress = lists.pass(page);
        if let Some(declared) = said.declared {
            let before = progress.declared.replace(declared);
            progress.has_moved |= before.is_some_and(|before| before != declared);
        }
        let first = match all.as_str() {
            "" => page.number,
            all => *progress.pages.entry(Digest::of(all.as_bytes()).bits()).or_insert(page.number),
        };
        if !all.is_empty() {
            progress.empty.remove(&page.number);
        }
        let repeats = (first != page.number).then_some(first);
        if repeats.is_some() {
            progress.repeated.insert(page.number);
            progress.is_over |= progress.in_a_row(page.number) >= REPEATS;
        }
        let is_over = progress.is_over;
        let counts = lists.counts.entry(page.list.clone()).or_default();
        counts.is_cut |= is_over;
        counts.pass = counts.pass.max(page.pass);
        Turn { repeats, is_over }
    }

    /// A page listed these items (or named these categories), of which so many were listed nowhere
    /// before, and so many more without a key.
    pub fn listed<'k>(
        &self,
        page: &IndexPage,
        names: impl Iterator<Item = &'k str> + Clone,
        distinct: u64,
        without_key: u64,
    ) {
        let prints = names.map(|name| Digest::of(name.as_bytes()).bits());
        let mut lists = self.lists();
        let counts = lists.counts.entry(page.list.clone()).or_default();
        counts.listed += without_key;
        counts.without_key += without_key;
        match page.list {
            List::Items(None) => counts.listed += distinct,
            // What was listed before may have been on another list.
            List::Items(Some(_)) | List::Seeds => {
                let before = counts.keys.len();
                counts.keys.extend(prints.clone());
                counts.listed += (counts.keys.len() - before) as u64;
            }
        }
        if page.pass > 1 {
            lists.pass(page).keys.extend(prints);
        }
        if page.list == List::Seeds {
            return;
        }
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
        let any = lists.counts.keys().any(|list| *list != List::Seeds);
        (any && lists.silent == 0).then_some(lists.declared)
    }

    /// The lists that do not add up.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let lists = self.lists();
        let mismatch = |(list, counts): (&List, &Counts)| {
            let (declared, listed, is_cut) = (counts.declared?, counts.listed, counts.is_cut);
            let last = lists.passes.get(&(counts.pass, list.clone()))?;
            let has_moved = last.has_moved;
            let last_listed = match counts.pass {
                0 | 1 => listed,
                _ => last.keys.len() as u64 + counts.without_key,
            };
            let adds_up = listed == declared || last_listed == declared;
            let is_short = last_listed < declared;
            let list = list.clone();
            let mismatch = Mismatch { list, declared, listed, has_moved, is_short, is_cut };
            (has_moved || !adds_up).then_some(mismatch)
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
    /// Takes in what a list declares. The sum is kept, since there may be many lists.
    fn declare(&mut self, list: &List, declared: Option<u64>) {
        let is_new = !self.counts.contains_key(list);
        let counts = self.counts.entry(list.clone()).or_default();
        let before = counts.declared;
        counts.declared = declared.or(before);
        let now = counts.declared;
        if *list == List::Seeds {
            return;
        }
        self.silent += u64::from(is_new);
        self.silent -= u64::from(before.is_none() && now.is_some());
        let sum = self.declared.saturating_sub(before.unwrap_or(0));
        self.declared = sum.saturating_add(now.unwrap_or(0)).min(MOST_DECLARED);
    }

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
mod tests;
