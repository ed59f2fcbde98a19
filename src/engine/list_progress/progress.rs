//! The progress over one list in one pass: what its pages have said so far.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ending::{Before, Rules, Turn};
use super::{MOST_STALE, REPEATS};
use crate::model::document::Digest;
use crate::model::task::{IndexPage, Place};
use crate::site::{Next, PageSaid};

/// The progress over one list in one pass.
#[derive(Debug, Default)]
pub struct PassProgress {
    /// Page numbers, by the digest of the keys on the page.
    pub pages: HashMap<u128, u64>,
    /// Pages that repeat others.
    pub repeated: BTreeSet<u64>,
    /// Pages that were empty or missing at the first request, and will be requested again.
    pub doubtful: BTreeSet<u64>,
    /// Pages that are empty or missing.
    pub empty: BTreeSet<u64>,
    /// Number of items on the first page, and its content type.
    pub first: Option<(u64, Option<Box<str>>)>,
    /// True if a page had the container of the items.
    pub had_container: bool,
    /// Digests of the places that pages named.
    pub places: HashSet<u128>,
    /// Highest number assigned to a page that another page named.
    pub numbered: u64,
    /// Count that the last page read declares.
    pub declared: Option<u64>,
    /// True if pages declare different counts.
    pub has_moved: bool,
    /// Numbers of entries that share their key with a different entry: one on the same page, and
    /// one on another page.
    pub differing: (u64, u64),
    /// Digests of the listed keys, in a pass after the first.
    pub keys: HashSet<u128>,
    /// True if so many pages are repeated that the list is not followed any further.
    pub is_cut: bool,
    /// True if the list ends before the planned pages.
    pub has_ended: bool,
    /// Number of pages in a row that listed nothing new.
    pub stale: u64,
    /// Status code that all pages with items have in common: `None` before the first such page,
    /// `Some(None)` if their codes differ or one has none.
    pub code: Option<Option<i64>>,
    /// The page after the last one, if only a count says that there is none.
    pub beyond: Option<Next>,
}

impl PassProgress {
    /// Returns the number of the page that has the same names, or `None` if no other page has. The
    /// page is remembered by its names, if it has any.
    pub fn repeats(&mut self, number: u64, names: &str) -> Option<u64> {
        if names.is_empty() {
            return None;
        }
        let print = Digest::of(names.as_bytes()).bits();
        let first = *self.pages.entry(print).or_insert(number);
        let repeats = (first != number).then_some(first);
        if repeats.is_some() {
            self.repeated.insert(number);
            self.is_cut |= self.in_a_row(number) >= REPEATS;
        }
        repeats
    }

    /// Returns what is known of the list before this page.
    pub fn before(
        &self,
        page: &IndexPage,
        said: &PageSaid,
        content_type: Option<&str>,
        repeats: Option<u64>,
    ) -> Before {
        let first_type = self.first.as_ref().and_then(|(_, kind)| kind.as_deref());
        let is_other = |(first, now): (&str, &str)| first != essence(now);
        let empty_before = (1..page.number).rev().take_while(|number| self.empty.contains(number));
        Before {
            was_empty: self.doubtful.contains(&page.number),
            empty_in_a_row: if said.items == 0 { empty_before.count() as u64 } else { 0 },
            repeats,
            is_over: self.is_cut,
            had_container: self.had_container,
            is_other_type: first_type.zip(content_type).is_some_and(is_other),
            has_moved: self.has_moved || self.moves(said.declared),
            names_nothing_new: !said.places.is_empty()
                && said.places.iter().all(|it| self.places.contains(&print(it))),
            first_items: self.first.as_ref().map(|(items, _)| *items),
            has_all: false,
            is_stale: self.stale >= MOST_STALE,
            code: self.code.flatten(),
        }
    }

    /// Returns true if the page declares another count than the pages before it.
    fn moves(&self, declared: Option<u64>) -> bool {
        self.declared.zip(declared).is_some_and(|(before, now)| before != now)
    }

    /// Adds a page that belongs to the list.
    pub fn take(
        &mut self,
        list: &Rules<'_>,
        page: &IndexPage,
        said: &PageSaid,
        content_type: Option<&str>,
        turn: &Turn,
    ) {
        self.has_moved |= self.moves(said.declared);
        self.declared = said.declared.or(self.declared);
        self.had_container |= said.hints.container == Some(true);
        let kind = || content_type.map(|kind| essence(kind).into());
        if page.number == 1 {
            self.first.get_or_insert_with(|| (said.items, kind()));
        }
        if said.items > 0 {
            let code = said.hints.code.as_ref().map(|(_, code)| *code);
            self.code = Some(self.code.unwrap_or(code).filter(|before| Some(*before) == code));
        }
        self.doubtful.remove(&page.number);
        if said.items > 0 {
            self.empty.remove(&page.number);
        } else {
            self.empty.insert(page.number);
        }
        if *turn == Turn::End && list.paging.is_counted() && !self.repeated.contains(&page.number) {
            self.beyond = list.paging.after(page, said, false);
        }
        if let Turn::Onward(next) = turn {
            self.places.extend(next.runs.iter().filter_map(|run| run.place.as_ref()).map(print));
        } else if list.paging.is_numbered() && said.items == 0 {
            // More pages were planned than exist, because a count was too high.
            self.has_ended |= page.number > 1 && self.empty.contains(&(page.number - 1));
        }
    }

    /// Returns the number of repeated pages in a row around this one.
    fn in_a_row(&self, number: u64) -> u64 {
        let before = (1..=number).rev().take_while(|number| self.repeated.contains(number));
        let after = (number + 1..).take_while(|number| self.repeated.contains(number));
        (before.count() + after.count()) as u64
    }
}

/// Returns the digest of a place.
fn print(place: &Place) -> u128 {
    Digest::of(format!("{place:?}").as_bytes()).bits()
}

/// Returns a content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
