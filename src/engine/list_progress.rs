//! The progress over the site's lists: what their pages have said so far, by list and pass.
//!
//! Workers report each page here when they have read it, in any order. A page is *repeated* if its
//! keys are those of another page of the same list in the same pass: sites that ignore or clamp an
//! offset repeat a page forever. If the end of a list is not known, a repeated page is the end; if
//! it is known, three in a row are.
//!
//! A pass ends with its last page, and the worker that holds this page is notified. By then it is
//! known whether the lists add up; if not, they are read again.
//!
//! If an item leaves a list while it is read, the items after it move up, and one may move from a
//! page that is still to be read to one that was read. The sum does not show that: the item that
//! left was counted, and the one that moved was not. But the counts that the pages declare show it:
//! if they differ within a pass, the list has *moved*. Only a pass in which the list did not move
//! can add up, on its own. Such a pass costs little: the items are done by then, so it is only a
//! few pages.

mod ending;
mod gaps;
mod merging;
mod own;
mod progress;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::extract::Item;
use crate::model::document::Digest;
use crate::model::record::Key;
use crate::model::task::{IndexPage, List, Place};
use crate::site::{Next, PageSaid};
pub use ending::{Answer, Rules, Turn, between, is_probe, left_out, too_few};
use ending::{Before, decide};
pub use gaps::{after_first_page, differing, does_not_add_up, ends_by_status, same_key};
use progress::PassProgress;

/// Maximum number of declared items; a larger count is a mistake of the site.
const MOST_DECLARED: u64 = 1 << 62;
/// Number of repeated pages in a row that end a list whose end is known.
const REPEATS: u64 = 3;
/// Number of pages in a row without new items that end a list whose end is not known.
const MOST_STALE: u64 = 10;
/// Maximum number of categories without a list that are remembered.
const MOST_ABSENT: usize = 10_000;

/// The progress over all lists of a run.
#[derive(Debug, Default)]
pub struct ListProgress(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    /// Counts of each list, over all passes.
    counts: HashMap<List, Counts>,
    /// Progress of each list, by pass.
    passes: HashMap<(u32, List), PassProgress>,
    /// Number of pages of the pass that are planned and not yet done.
    open: u64,
    /// Pages that could not be read.
    lost: HashSet<Whereabouts>,
    /// URL of the first lost page, and the reason.
    first_lost: Option<String>,
    /// Sum of the counts that the lists declare; `silent` is the number of lists that declare none.
    declared: u64,
    silent: u64,
    /// Number of distinct items that each pass added.
    found: Vec<u64>,
    /// Categories whose lists are not there.
    absent: BTreeSet<Box<str>>,
    /// Key of an item that shares its key with a different entry.
    example: Option<Box<str>>,
    /// True once the limit on items is reached.
    has_reached_limit: bool,
}

/// List entries that share their key with a different entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Number of such entries.
    pub entries: u64,
    /// Key of one of them.
    pub example: Box<str>,
}

/// The counts of one list.
#[derive(Debug, Default)]
struct Counts {
    declared: Option<u64>,
    /// Highest number of items that a hint on a page gives, with the name of the hint.
    hinted: Option<(Box<str>, u64)>,
    /// Number of distinct keys listed, plus items without a key.
    listed: u64,
    without_key: u64,
    /// Number of the last pass.
    pass: u32,
    /// Digests of the listed keys, if an item may be on several lists.
    keys: HashSet<u128>,
    is_cut: bool,
}

/// The identity of a list page, independent of the pass. A page with a place is identified by it,
/// since the number of pages before it may change.
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

/// A list that lists more or fewer items than it declares, or that has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// List that does not add up.
    pub list: List,
    /// Number of items that the list declares.
    pub declared: u64,
    /// Number of items that it lists.
    pub listed: u64,
    /// True if its count changed during the last pass, so that items may have been missed.
    pub has_moved: bool,
    /// True if the last pass, by itself, found fewer items than the list declares.
    pub is_short: bool,
    /// Name of the hint that gives the number of items, if the site file does not configure it.
    pub hinted_by: Option<Box<str>>,
    /// Number of items on the first page.
    pub first_items: Option<u64>,
    /// True if the list was cut short, so that another pass would end there too.
    pub is_cut: bool,
}

impl ListProgress {
    /// Notes that this many pages are about to be submitted. Called before the submission, so that
    /// the pass does not end meanwhile.
    pub fn planned(&self, pages: u64) {
        self.lists().open += pages;
    }

    /// Notes that this many of the planned pages were duplicates.
    pub fn known_already(&self, pages: u64) {
        let mut lists = self.lists();
        lists.open = lists.open.saturating_sub(pages);
    }

    /// Notes that a page is done: everything that it leads to is submitted, or it is lost. Returns
    /// true if it was the last of its pass.
    pub fn answered(&self, page: &IndexPage, is_lost: bool) -> bool {
        let mut lists = self.lists();
        if is_lost {
            lists.lost.insert(whereabouts(page));
        } else {
            // A later pass may read a page that an earlier one lost.
            lists.lost.remove(&whereabouts(page));
        }
        lists.open = lists.open.saturating_sub(1);
        lists.open == 0
    }

    /// The list of a category is not there.
    pub fn note_absent(&self, list: &List) {
        let mut lists = self.lists();
        if let List::Items(path) | List::Seeds(path) = list
            && !path.is_empty()
            && lists.absent.len() < MOST_ABSENT
        {
            lists.absent.insert(path.name().into());
        }
    }

    /// Categories whose lists are not there.
    pub fn absent(&self) -> BTreeSet<Box<str>> {
        self.lists().absent.clone()
    }

    /// Returns true if the lists were read to their ends: no page is lost, and, if counts are
    /// exact, the lists add up.
    pub fn is_whole(&self, counts_are_exact: bool) -> bool {
        self.lost() == 0 && (!counts_are_exact || self.mismatches().is_empty())
    }

    /// Returns true if a page could not be read in an earlier pass.
    pub fn is_lost(&self, page: &IndexPage) -> bool {
        self.lists().lost.contains(&whereabouts(page))
    }

    /// Notes the URL of a lost page and the reason, if it is the first.
    pub fn note_lost(&self, why: impl FnOnce() -> String) {
        self.lists().first_lost.get_or_insert_with(why);
    }

    /// Returns the URL of the first lost page and the reason, or `None` if later passes read all
    /// pages.
    pub fn first_lost(&self) -> Option<String> {
        let lists = self.lists();
        lists.first_lost.clone().filter(|_| !lists.lost.is_empty())
    }

    /// Returns the number of pages that could not be read in any pass.
    pub fn lost(&self) -> u64 {
        self.lists().lost.len() as u64
    }

    /// Assigns numbers to this many pages that a page of the same list named, in the order in which
    /// they are found. Returns the first number.
    pub fn numbers(&self, page: &IndexPage, pages: u64) -> u64 {
        self.lists().pass(page).named.number(pages)
    }

    /// Notes that the limit on items is reached: no more pages are requested.
    pub fn reach_limit(&self) {
        self.lists().has_reached_limit = true;
    }

    /// Returns true if the limit on items is reached.
    pub fn has_reached_limit(&self) -> bool {
        self.lists().has_reached_limit
    }

    /// Returns true if the page's list was ended early, or the limit on items is reached: the page
    /// need not be requested.
    pub fn is_over(&self, page: &IndexPage) -> bool {
        let mut lists = self.lists();
        let progress = lists.pass(page);
        let is_over = progress.is_cut || progress.has_ended;
        is_over || lists.has_reached_limit
    }

    /// Adds the response for a page, with the names on it (keys or categories), and decides what
    /// follows. Without names a repeated page cannot be recognized.
    pub fn take<'k>(
        &self,
        list: &Rules<'_>,
        page: &IndexPage,
        answer: Answer<'_>,
        content_type: Option<&str>,
        names: impl Iterator<Item = &'k str>,
    ) -> Turn {
        // Some sites repeat the same page in another order each time.
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let all = names.join("\n");
        let nothing = PageSaid::default();
        let said = if let Answer::Page(said) = answer { said } else { &nothing };
        let mut lists = self.lists();
        let has_all = lists.has_all(page, said);
        let progress = lists.pass(page);
        if progress.short.has_probed(list.paging, page) {
            return Turn::Inside;
        }
        let repeats = progress.repeats(page.number, &all);
        let before = progress.before(page, said, content_type, repeats);
        let before = Before { has_all, ..before };
        let mut turn = decide(list, page, answer, &before);
        if let Some(probe) = progress.short.probe(list, page, said) {
            turn = turn.and(probe);
        }
        match turn {
            Turn::AskAgain => drop(progress.pages.doubtful.insert(page.number)),
            Turn::OtherKind(_) | Turn::Lost => {}
            _ => {
                progress.take(list, page, said, content_type, &turn);
                if let Answer::Page(said) = answer {
                    lists.declare(page, said);
                }
            }
        }
        turn
    }

    /// Returns the pages after the last ones of lists that ended by their counts but are short of
    /// them, in a pass. Each page is returned once.
    pub fn beyond(&self, pass: u32) -> Vec<Next> {
        let short = self.mismatches().into_iter().filter(|it| it.is_short && !it.is_cut);
        let lists: Vec<List> = short.map(|it| it.list).collect();
        let mut all = self.lists();
        let progress = |list| all.passes.get_mut(&(pass, list))?.beyond.take();
        lists.into_iter().filter_map(progress).collect()
    }

    /// Returns the number of items on the first page of the page's list in the same pass, or `None`
    /// if that page was not read.
    pub fn first_items(&self, page: &IndexPage) -> Option<u64> {
        self.lists().pass(page).marks.first_items()
    }

    /// Notes that a page listed these items (or named these categories): `distinct` of them for the
    /// first time, and `without_key` more without a key. Returns how many of them are new in this
    /// pass over the list.
    pub fn listed<'k>(
        &self,
        page: &IndexPage,
        names: impl Iterator<Item = &'k str> + Clone,
        distinct: u64,
        without_key: u64,
    ) -> u64 {
        let prints = names.map(|name| Digest::of(name.as_bytes()).bits());
        let mut lists = self.lists();
        let counts = lists.counts.entry(page.list.clone()).or_default();
        counts.listed += without_key;
        counts.without_key += without_key;
        let new = match &page.list {
            List::Items(path) if path.is_empty() => distinct,
            // An item listed before may have been on another list.
            _ => grown(&mut counts.keys, prints.clone()),
        };
        counts.listed += new;
        let progress = lists.pass(page);
        let new = if page.pass > 1 { grown(&mut progress.items.keys, prints) } else { new };
        let new = new + without_key;
        if matches!(page.list, List::Seeds(_)) {
            return new;
        }
        let pass = page.pass as usize;
        if lists.found.len() < pass {
            lists.found.resize(pass, 0);
        }
        if let Some(found) = pass.checked_sub(1).and_then(|at| lists.found.get_mut(at)) {
            *found += distinct + without_key;
        }
        new
    }

    /// Merges the items of a page with those of the pages before it. Returns the items that are whole:
    /// those that this page has no part of, and all of them if it is the last one.
    pub fn merge(&self, page: &IndexPage, items: Vec<Item>, is_last: bool) -> Vec<Item> {
        self.lists().pass(page).held.take(items, is_last)
    }

    /// Returns the number of items of which further pages may hold parts.
    pub fn held(&self, page: &IndexPage) -> usize {
        self.lists().pass(page).held.count()
    }

    /// Notes how many items of a non-empty page are new in this pass.
    pub fn brought(&self, page: &IndexPage, new: u64) {
        let mut lists = self.lists();
        let stale = &mut lists.pass(page).items.stale;
        *stale = if new == 0 { *stale + 1 } else { 0 };
    }

    /// Notes that entries with these keys on a page share their key with a different entry of the
    /// same pass.
    pub fn differ<'k>(&self, page: &IndexPage, keys: &[Key], names: impl Iterator<Item = &'k str>) {
        let Some(first) = keys.first() else { return };
        let mut times = HashMap::<&str, u32>::new();
        names.for_each(|name| *times.entry(name).or_default() += 1);
        let is_twice = |key: &&Key| times.get(key.as_str()).is_some_and(|times| *times > 1);
        let on_this_page = keys.iter().filter(is_twice).count() as u64;
        let mut lists = self.lists();
        lists.example.get_or_insert_with(|| first.as_str().into());
        let (on_one, on_several) = &mut lists.pass(page).items.differing;
        *on_one += on_this_page;
        *on_several += keys.len() as u64 - on_this_page;
    }

    /// Returns the entries that share their key with a different one, from the pass with the most
    /// of them, or `None`. If a list moved, entries on different pages do not count: the item may
    /// have changed between the two requests.
    pub fn differing(&self) -> Option<Differing> {
        let lists = self.lists();
        let mut passes = BTreeMap::<u32, u64>::new();
        for ((pass, _), progress) in &lists.passes {
            let (on_one, on_several) = progress.items.differing;
            let counted = if progress.count.has_moved { on_one } else { on_one + on_several };
            *passes.entry(*pass).or_default() += counted;
        }
        let entries = passes.into_values().max().filter(|entries| *entries > 0)?;
        Some(Differing { entries, example: lists.example.clone()? })
    }

    /// Returns the number of distinct items that each pass added.
    pub fn found(&self) -> Vec<u64> {
        self.lists().found.clone()
    }

    /// Returns the number of items that all lists declare together, or `None` if one of them
    /// declares none.
    pub fn declared(&self) -> Option<u64> {
        let lists = self.lists();
        let any = lists.counts.keys().any(|list| !matches!(list, List::Seeds(_)));
        (any && lists.silent == 0).then_some(lists.declared)
    }

    /// Returns the lists that do not add up.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let lists = self.lists();
        let mismatch = |(list, counts): (&List, &Counts)| {
            let (listed, is_cut) = (counts.listed, counts.is_cut);
            let last = lists.passes.get(&(counts.pass, list.clone()))?;
            let last_listed = match counts.pass {
                0 | 1 => listed,
                _ => last.items.keys.len() as u64 + counts.without_key,
            };
            let hint = counts.hinted.clone().filter(|_| counts.declared.is_none());
            let (declared, hinted_by) = match (counts.declared, hint) {
                (Some(declared), _) => (declared, None),
                (None, Some((name, count))) => (count, Some(name)),
                (None, None) => return None,
            };
            let is_short = last_listed < declared;
            let adds_up = match hinted_by {
                None => listed == declared || last_listed == declared,
                // A count that the site file does not configure can only prove that items are
                // missing.
                Some(_) => listed.max(last_listed) >= declared,
            };
            let mismatch = Mismatch {
                list: list.clone(),
                declared,
                listed,
                has_moved: last.count.has_moved,
                is_short,
                is_cut,
                hinted_by,
                first_items: last.marks.first_items(),
            };
            (last.count.has_moved || !adds_up).then_some(mismatch)
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
    /// Notes what a page declares of its list. The sum is kept up to date, since there may be many
    /// lists.
    fn declare(&mut self, page: &IndexPage, said: &PageSaid) {
        let is_cut = self.pass(page).is_cut;
        let list = &page.list;
        let is_new = !self.counts.contains_key(list);
        let counts = self.counts.entry(list.clone()).or_default();
        counts.is_cut |= is_cut;
        counts.pass = counts.pass.max(page.pass);
        let count = |hint: &Option<(Box<str>, u64)>| hint.as_ref().map(|(_, count)| *count);
        if count(&said.hints.count) > count(&counts.hinted) {
            counts.hinted.clone_from(&said.hints.count);
        }
        let before = counts.declared;
        counts.declared = said.declared.or(before);
        let now = counts.declared;
        if matches!(list, List::Seeds(_)) {
            return;
        }
        self.silent += u64::from(is_new);
        self.silent -= u64::from(before.is_none() && now.is_some());
        let sum = self.declared.saturating_sub(before.unwrap_or(0));
        self.declared = sum.saturating_add(now.unwrap_or(0)).min(MOST_DECLARED);
    }

    /// Returns true if as many items of the list were listed as the page declares.
    fn has_all(&self, page: &IndexPage, said: &PageSaid) -> bool {
        let listed = self.counts.get(&page.list).map_or(0, |counts| counts.listed);
        said.declared.is_some_and(|declared| listed >= declared)
    }

    fn pass(&mut self, page: &IndexPage) -> &mut PassProgress {
        self.passes.entry((page.pass, page.list.clone())).or_default()
    }
}

/// Adds digests to a set, and returns how many of them it did not have.
fn grown(keys: &mut HashSet<u128>, prints: impl Iterator<Item = u128>) -> u64 {
    let before = keys.len();
    keys.extend(prints);
    (keys.len() - before) as u64
}

#[cfg(test)]
mod tests;
