//! The progress over one list in one pass: what its pages have said so far.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ending::{Before, Rules, ShortPages, Turn};
use super::merging::HeldItems;
use super::{MOST_STALE, REPEATS};
use crate::model::document::Digest;
use crate::model::task::{IndexPage, Place};
use crate::site::{Next, PageSaid};

/// The progress over one list in one pass.
#[derive(Debug, Default)]
pub struct PassProgress {
    /// Pages that were read, by what was on them.
    pub pages: PagesRead,
    /// Marks of the list's pages, by which pages of another kind are told.
    pub marks: PageMarks,
    /// Further pages that pages named.
    pub named: NamedPages,
    /// Count that the pages declare.
    pub count: DeclaredCount,
    /// Items that were listed.
    pub items: ListedItems,
    /// Items of the last page of which further pages may hold parts.
    pub held: HeldItems,
    /// Pages that are shorter than asked for.
    pub short: ShortPages,
    /// True if so many pages are repeated that the list is not followed any further.
    pub is_cut: bool,
    /// True if the list ends before the planned pages.
    pub has_ended: bool,
    /// The page after the last one, if only a count says that there is none.
    pub beyond: Option<Next>,
}

/// The pages of a list that were read.
#[derive(Debug, Default)]
pub struct PagesRead {
    /// Page numbers, by the digest of the keys on the page.
    by_names: HashMap<u128, u64>,
    /// Pages that repeat others.
    repeated: BTreeSet<u64>,
    /// Pages that were empty or missing at the first request, and will be requested again.
    pub doubtful: BTreeSet<u64>,
    /// Pages that are empty or missing.
    empty: BTreeSet<u64>,
}

/// Marks that the pages of a list have in common.
#[derive(Debug, Default)]
pub struct PageMarks {
    /// Number of items on the first page, and its content type.
    first: Option<(u64, Option<Box<str>>)>,
    /// True if a page had the container of the items.
    had_container: bool,
    /// Status code that all pages with items have in common: `None` before the first such page,
    /// `Some(None)` if their codes differ or one has none.
    code: Option<Option<i64>>,
}

/// The pages that pages of a list named.
#[derive(Debug, Default)]
pub struct NamedPages {
    /// Digests of their places.
    places: HashSet<u128>,
    /// Highest number assigned to one of them.
    numbered: u64,
}

/// The count that the pages of a list declare.
#[derive(Debug, Default)]
pub struct DeclaredCount {
    /// Count that the last page read declares.
    last: Option<u64>,
    /// True if pages declare different counts.
    pub has_moved: bool,
}

/// The items that the pages of a list named.
#[derive(Debug, Default)]
pub struct ListedItems {
    /// Digests of the listed keys, in a pass after the first.
    pub keys: HashSet<u128>,
    /// Numbers of entries that share their key with a different entry: one on the same page, and
    /// one on another page.
    pub differing: (u64, u64),
    /// Number of pages in a row that listed nothing new.
    pub stale: u64,
}

impl PassProgress {
    /// Returns the number of the page that has the same names, or `None` if no other page has. The
    /// page is remembered by its names, if it has any.
    pub fn repeats(&mut self, number: u64, names: &str) -> Option<u64> {
        let repeats = self.pages.repeats(number, names);
        self.is_cut |= repeats.is_some() && self.pages.repeated_in_a_row(number) >= REPEATS;
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
        let empty_before = || self.pages.empty_in_a_row_before(page.number);
        Before {
            was_empty: self.pages.doubtful.contains(&page.number),
            empty_in_a_row: if said.items == 0 { empty_before() } else { 0 },
            repeats,
            is_over: self.is_cut,
            had_container: self.marks.had_container,
            is_other_type: self.marks.is_other_type(content_type),
            has_moved: self.count.has_moved || self.count.moves(said.declared),
            names_nothing_new: self.named.has_all(&said.places),
            first_items: self.marks.first_items(),
            has_all: false,
            is_stale: self.items.stale >= MOST_STALE,
            code: self.marks.code.flatten(),
        }
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
        self.count.take(said.declared);
        self.marks.take(page.number, said, content_type);
        self.pages.take(page.number, said.items == 0);
        let is_repeated = self.pages.repeated.contains(&page.number);
        if *turn == Turn::End && list.paging.is_counted() && !is_repeated {
            self.beyond = list.paging.after(page, said, false);
        }
        if let Turn::Onward(next) = turn {
            self.named
                .places
                .extend(next.runs.iter().filter_map(|run| run.place.as_ref()).map(print));
        } else if list.paging.is_numbered() && said.items == 0 {
            // More pages were planned than exist, because a count was too high.
            self.has_ended |= page.number > 1 && self.pages.empty.contains(&(page.number - 1));
        }
    }
}

impl PagesRead {
    /// Returns the number of the page that has the same names, and remembers this one.
    fn repeats(&mut self, number: u64, names: &str) -> Option<u64> {
        if names.is_empty() {
            return None;
        }
        let print = Digest::of(names.as_bytes()).bits();
        let first = *self.by_names.entry(print).or_insert(number);
        let repeats = (first != number).then_some(first);
        if repeats.is_some() {
            self.repeated.insert(number);
        }
        repeats
    }

    /// Returns true if a page repeats another one.
    pub fn is_repeat(&self, number: u64) -> bool {
        self.repeated.contains(&number)
    }

    /// Returns the number of repeated pages in a row around this one.
    fn repeated_in_a_row(&self, number: u64) -> u64 {
        let before = (1..=number).rev().take_while(|number| self.repeated.contains(number));
        let after = (number + 1..).take_while(|number| self.repeated.contains(number));
        (before.count() + after.count()) as u64
    }

    /// Returns the number of empty pages in a row just before this one.
    fn empty_in_a_row_before(&self, number: u64) -> u64 {
        (1..number).rev().take_while(|number| self.empty.contains(number)).count() as u64
    }

    fn take(&mut self, number: u64, is_empty: bool) {
        self.doubtful.remove(&number);
        if is_empty {
            self.empty.insert(number);
        } else {
            self.empty.remove(&number);
        }
    }
}

impl PageMarks {
    /// Returns the number of items on the first page, or `None` if it was not read.
    pub fn first_items(&self) -> Option<u64> {
        self.first.as_ref().map(|(items, _)| *items)
    }

    /// Returns true if a content type is another one than the first page's.
    fn is_other_type(&self, content_type: Option<&str>) -> bool {
        let first = self.first.as_ref().and_then(|(_, kind)| kind.as_deref());
        first.zip(content_type).is_some_and(|(first, now)| first != essence(now))
    }

    fn take(&mut self, number: u64, said: &PageSaid, content_type: Option<&str>) {
        self.had_container |= said.hints.container == Some(true);
        let kind = || content_type.map(|kind| essence(kind).into());
        if number == 1 {
            self.first.get_or_insert_with(|| (said.items, kind()));
        }
        if said.items > 0 {
            let code = said.hints.code.as_ref().map(|(_, code)| *code);
            self.code = Some(self.code.unwrap_or(code).filter(|before| Some(*before) == code));
        }
    }
}

impl NamedPages {
    /// Assigns numbers to this many pages, and returns the first number.
    pub fn number(&mut self, pages: u64) -> u64 {
        let first = self.numbered.max(1) + 1;
        self.numbered = first + pages - 1;
        first
    }

    /// Returns true if each of these places was named before, and there are any.
    fn has_all(&self, places: &[Place]) -> bool {
        !places.is_empty() && places.iter().all(|it| self.places.contains(&print(it)))
    }
}

impl DeclaredCount {
    /// Returns true if a page declares another count than the pages before it.
    fn moves(&self, declared: Option<u64>) -> bool {
        self.last.zip(declared).is_some_and(|(before, now)| before != now)
    }

    fn take(&mut self, declared: Option<u64>) {
        self.has_moved |= self.moves(declared);
        self.last = declared.or(self.last);
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
