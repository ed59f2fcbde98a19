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

mod ending;
mod progress;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::document::Digest;
use crate::record::Key;
use crate::site::{Next, PageSaid};
use crate::task::{IndexPage, List, Place};
pub use ending::{Answer, Rules, Turn, between, too_few};
use ending::{Before, decide};
use progress::Progress;

/// More items than this are no count but a mistake of the site's.
const MOST_DECLARED: u64 = 1 << 62;
/// Repeated pages in a row that end a list whose end is known.
const REPEATS: u64 = 3;
/// Pages in a row that list nothing new, which end a list whose end is not known.
const MOST_STALE: u64 = 10;
/// Categories without a list that are remembered.
const MOST_ABSENT: usize = 10_000;

/// Progress of the walks over all lists of a run.
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
    /// Categories whose lists are not there.
    absent: BTreeSet<Box<str>>,
    /// An item whose key another one has.
    example: Option<Box<str>>,
}

/// Entries with the key of another entry that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// How many.
    pub entries: u64,
    /// The key of one of them.
    pub example: Box<str>,
}

/// What is known of one list.
#[derive(Debug, Default)]
struct Counts {
    declared: Option<u64>,
    /// How many items there are by what pages say beside that, and what says so.
    hinted: Option<(Box<str>, u64)>,
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
    /// What says how many items there are, where the site file does not name it.
    pub hinted_by: Option<Box<str>>,
    /// Items on its first page.
    pub first_items: Option<u64>,
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

    /// The list of a category is not there.
    pub fn note_absent(&self, list: &List) {
        let mut lists = self.lists();
        if let List::Items(Some(seed)) = list
            && lists.absent.len() < MOST_ABSENT
        {
            lists.absent.insert((**seed).into());
        }
    }

    /// Categories whose lists are not there.
    pub fn absent(&self) -> BTreeSet<Box<str>> {
        self.lists().absent.clone()
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
        let mut lists = self.lists();
        let progress = lists.pass(page);
        progress.is_cut || progress.has_ended
    }

    /// Takes in what came of asking for a page, with these names on it (keys or categories), and
    /// decides what follows. Without names it cannot be told whether it repeats another page.
    pub fn take<'k>(
        &self,
        list: &Rules<'_>,
        page: &IndexPage,
        answer: Answer<'_>,
        content_type: Option<&str>,
        names: impl Iterator<Item = &'k str>,
    ) -> Turn {
        // Some sites give the same page in another order each time.
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let all = names.join("\n");
        let nothing = PageSaid::default();
        let said = if let Answer::Page(said) = answer { said } else { &nothing };
        let mut lists = self.lists();
        let has_all = lists.has_all(page, said);
        let progress = lists.pass(page);
        let repeats = progress.repeats(page.number, &all);
        let before = progress.before(page, said, content_type, repeats);
        let before = Before { has_all, ..before };
        let turn = decide(list, page, answer, &before);
        match turn {
            Turn::AskAgain => drop(progress.doubtful.insert(page.number)),
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

    /// The pages behind the last ones of lists that are short of the counts by which they ended, in a
    /// pass: each is handed out once.
    pub fn beyond(&self, pass: u32) -> Vec<Next> {
        let short = self.mismatches().into_iter().filter(|it| it.is_short && !it.is_cut);
        let lists: Vec<List> = short.map(|it| it.list).collect();
        let mut all = self.lists();
        let progress = |list| all.passes.get_mut(&(pass, list))?.beyond.take();
        lists.into_iter().filter_map(progress).collect()
    }

    /// Items on the first page of the list of a page, in the same pass.
    pub fn first_items(&self, page: &IndexPage) -> Option<u64> {
        self.lists().pass(page).first.as_ref().map(|(items, _)| *items)
    }

    /// A page listed these items (or named these categories), of which so many were listed nowhere
    /// before, and so many more without a key. Answers with how many of them this walk over the list had
    /// not seen.
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
        let new = match page.list {
            List::Items(None) => distinct,
            // What was listed before may have been on another list.
            List::Items(Some(_)) | List::Seeds => grown(&mut counts.keys, prints.clone()),
        };
        counts.listed += new;
        let progress = lists.pass(page);
        let new = if page.pass > 1 { grown(&mut progress.keys, prints) } else { new };
        let new = new + without_key;
        if page.list == List::Seeds {
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

    /// A page that is not empty brought so many items that this walk had not seen.
    pub fn brought(&self, page: &IndexPage, new: u64) {
        let mut lists = self.lists();
        let stale = &mut lists.pass(page).stale;
        *stale = if new == 0 { *stale + 1 } else { 0 };
    }

    /// Entries of a page, on which these keys stand, have the keys of other ones of the same pass and
    /// are not the same.
    pub fn differ<'k>(&self, page: &IndexPage, keys: &[Key], names: impl Iterator<Item = &'k str>) {
        let Some(first) = keys.first() else { return };
        let mut times = HashMap::<&str, u32>::new();
        names.for_each(|name| *times.entry(name).or_default() += 1);
        let is_twice = |key: &&Key| times.get(key.as_str()).is_some_and(|times| *times > 1);
        let on_this_page = keys.iter().filter(is_twice).count() as u64;
        let mut lists = self.lists();
        lists.example.get_or_insert_with(|| first.as_str().into());
        let (on_one, on_several) = &mut lists.pass(page).differing;
        *on_one += on_this_page;
        *on_several += keys.len() as u64 - on_this_page;
    }

    /// Entries that took the place of others: in the pass that has most of them. On several pages of a
    /// list whose count moved, an item may have changed between two looks at it.
    pub fn differing(&self) -> Option<Differing> {
        let lists = self.lists();
        let mut passes = BTreeMap::<u32, u64>::new();
        for ((pass, _), progress) in &lists.passes {
            let (on_one, on_several) = progress.differing;
            let counted = if progress.has_moved { on_one } else { on_one + on_several };
            *passes.entry(*pass).or_default() += counted;
        }
        let entries = passes.into_values().max().filter(|entries| *entries > 0)?;
        Some(Differing { entries, example: lists.example.clone()? })
    }

    /// Distinct items that each pass added.
    pub fn found(&self) -> Vec<u64> {
        self.lists().found.clone()
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
            let (listed, is_cut) = (counts.listed, counts.is_cut);
            let last = lists.passes.get(&(counts.pass, list.clone()))?;
            let last_listed = match counts.pass {
                0 | 1 => listed,
                _ => last.keys.len() as u64 + counts.without_key,
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
                // What the site file does not name proves no more than that something is missing.
                Some(_) => listed.max(last_listed) >= declared,
            };
            let mismatch = Mismatch {
                list: list.clone(),
                declared,
                listed,
                has_moved: last.has_moved,
                is_short,
                is_cut,
                hinted_by,
                first_items: last.first.as_ref().map(|(items, _)| *items),
            };
            (last.has_moved || !adds_up).then_some(mismatch)
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
    /// Takes in what a page declares of its list. The sum is kept, since there may be many lists.
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
        if *list == List::Seeds {
            return;
        }
        self.silent += u64::from(is_new);
        self.silent -= u64::from(before.is_none() && now.is_some());
        let sum = self.declared.saturating_sub(before.unwrap_or(0));
        self.declared = sum.saturating_add(now.unwrap_or(0)).min(MOST_DECLARED);
    }

    /// Returns whether the list has all items that a page declares.
    fn has_all(&self, page: &IndexPage, said: &PageSaid) -> bool {
        let listed = self.counts.get(&page.list).map_or(0, |counts| counts.listed);
        said.declared.is_some_and(|declared| listed >= declared)
    }

    fn pass(&mut self, page: &IndexPage) -> &mut Progress {
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
