//! One walk over a list: what its pages have said so far, in one pass.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ending::{Before, Rules, Turn};
use super::{MOST_STALE, REPEATS};
use crate::document::Digest;
use crate::site::{Next, PageSaid};
use crate::task::{IndexPage, Place};

/// What is known of one walk over a list.
#[derive(Debug, Default)]
pub struct Progress {
    /// Digests of the keys of each page that was read, and its number.
    pub pages: HashMap<u128, u64>,
    pub repeated: BTreeSet<u64>,
    /// Pages that were empty or not there when they were first asked for, and are to be asked for again.
    pub doubtful: BTreeSet<u64>,
    /// Pages that are empty or not there.
    pub empty: BTreeSet<u64>,
    /// Items on the first page, and its content type.
    pub first: Option<(u64, Option<Box<str>>)>,
    /// Whether a page had what holds the items.
    pub had_container: bool,
    /// Digests of the places that pages named.
    pub places: HashSet<u128>,
    /// Pages that were found one by another, so that they are numbered as they are found.
    pub numbered: u64,
    /// What the last page that was read declares.
    pub declared: Option<u64>,
    /// Whether pages declare different counts.
    pub has_moved: bool,
    /// Entries with the key of another one on the same page that is not the same, and of one on
    /// another page.
    pub differing: (u64, u64),
    /// Digests of the keys listed, in a pass after the first.
    pub keys: HashSet<u128>,
    /// Whether so many pages repeat others that it is not followed any further.
    pub is_cut: bool,
    /// Whether it ends before what was planned.
    pub has_ended: bool,
    /// Pages in a row that listed nothing new.
    pub stale: u64,
    /// The number by which pages with items say how the site got on; nothing in it where they differ.
    pub code: Option<Option<i64>>,
    /// The page behind its last one, where a count alone says that there is none.
    pub beyond: Option<Next>,
}

impl Progress {
    /// The page whose names a page repeats. It is remembered by its own, where it has some.
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

    /// What is known of the list before a page that says this.
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

    /// Returns whether a page that declares this declares something else than those before it.
    fn moves(&self, declared: Option<u64>) -> bool {
        self.declared.zip(declared).is_some_and(|(before, now)| before != now)
    }

    /// Takes in a page that is one of the list.
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
            // More was planned than there is, by a count that was too high.
            self.has_ended |= page.number > 1 && self.empty.contains(&(page.number - 1));
        }
    }

    /// How many repeated pages stand in a row around this one.
    fn in_a_row(&self, number: u64) -> u64 {
        let before = (1..=number).rev().take_while(|number| self.repeated.contains(number));
        let after = (number + 1..).take_while(|number| self.repeated.contains(number));
        (before.count() + after.count()) as u64
    }
}

/// Digest of a place.
fn print(place: &Place) -> u128 {
    Digest::of(format!("{place:?}").as_bytes()).bits()
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
