//! What is to be requested: index pages and detail pages, and how often each was tried.
//!
//! Tasks are plain values that can be sent to another machine. They say *what* to ask for;
//! URLs are made from them by the site, requests by the fetcher.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::document::Digest;
use crate::record::{Key, Known};
use crate::secret::{HIDDEN, Scrubber, shown};
use crate::wording::plain;

/// One request to make, with the number of the attempt it is (from 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The page to ask for.
    pub page: Page,
    /// Which attempt this is, from 1. An attempt that costs nothing leaves it as it is.
    pub attempt: u32,
    /// How often it was set aside without costing an attempt.
    pub waits: u32,
}

/// A page of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// Lists items.
    Index(IndexPage),
    /// Holds one item.
    Detail(DetailPage),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPage {
    /// Which walk over the list this belongs to, from 1.
    pub pass: u32,
    /// Which list it is a page of.
    pub list: List,
    /// Number of the page, from 1.
    pub number: u64,
    /// The last page that was planned when this one was; the page that reaches it decides
    /// whether the list goes on.
    pub planned_to: u64,
    /// Where it is, unless its number says so.
    pub place: Option<Place>,
    /// Whether nobody said that it is there: it is asked for to see whether the list goes on.
    pub is_guess: bool,
}

/// A list that is walked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum List {
    /// Names the categories by which the items are listed.
    Seeds,
    /// The items, or those of one category.
    Items(Option<Arc<str>>),
}

/// Where a page of a list is, as another page said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// At this URL.
    Url(Box<str>),
    /// Behind this cursor: JSON text, since a cursor may be a number.
    Cursor(Box<str>),
    /// Behind so many items.
    Offset(u64),
}

/// The page of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailPage {
    /// The item.
    pub key: Key,
    /// What the store knew of the item when it was listed.
    pub known: Option<Arc<Known>>,
    /// What the list said of the item beside its key.
    pub listed: Option<Box<Listed>>,
    /// Whether it is asked for because no list names it any more.
    pub is_unlisted: bool,
    /// When it was last listed, where it is asked for without its list.
    pub seen_at: Option<Timestamp>,
    /// Its entry on the list, by which another one with the same key is told from it.
    pub entry: Entry,
}

/// An item's entry on a list, in a few bits: the pass it was seen in, and a fingerprint of what it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry(u32);

impl Entry {
    /// Bits of the fingerprint; those above it are the pass.
    const PRINT: u32 = (1 << 30) - 1;

    /// The entry of this fingerprint in this pass.
    pub fn new(pass: u32, print: u32) -> Entry {
        Entry(pass << 30 | (print & Entry::PRINT).max(1))
    }

    /// Returns whether nothing is known of it.
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }

    /// Returns whether it is of the same pass, and not the same.
    pub fn differs(self, other: Entry) -> bool {
        let is_known = !self.is_unknown() && !other.is_unknown();
        is_known && self.0 >> 30 == other.0 >> 30 && self != other
    }
}

/// What a list says of an item beside its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where its page is, or was read: without a page of its own, the list's.
    pub url: Option<Box<str>>,
    /// When or how it last changed, in the list's words.
    pub revision: Option<Box<str>>,
    /// What is kept of the list.
    pub content: Content,
}

/// What is kept of an item's entry on the list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing.
    #[default]
    Nothing,
    /// A JSON object.
    Object(Box<str>),
    /// Something was to be kept, but is not there or not what it should be, as this says.
    Unreadable(Box<str>),
}

/// Index pages `from..=to` of one list: a plan, of which the frontier hands out a page at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRun {
    /// See [`IndexPage::pass`].
    pub pass: u32,
    /// See [`IndexPage::list`].
    pub list: List,
    /// First page, from 1.
    pub from: u64,
    /// Last page, inclusive, not before `from`.
    pub to: u64,
    /// See [`IndexPage::place`]; a run of pages that are somewhere has one page.
    pub place: Option<Place>,
    /// See [`IndexPage::is_guess`].
    pub is_guess: bool,
}

/// Which index pages may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// First, from 1.
    pub from: u64,
    /// Last, inclusive.
    pub to: u64,
}

/// What an index page leads to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FollowUps {
    /// Further pages of lists.
    pub index: Vec<IndexRun>,
    /// Items found.
    pub details: Vec<DetailPage>,
}

impl Task {
    /// The first attempt at `page`.
    pub fn first(page: Page) -> Task {
        Task { page, attempt: 1, waits: 0 }
    }

    /// Whether it was asked for before.
    pub fn is_again(&self) -> bool {
        self.attempt > 1 || self.waits > 0
    }

    /// Returns whether it is for an item that no list names: no answer to it counts towards a block.
    pub fn is_unlisted(&self) -> bool {
        matches!(&self.page, Page::Detail(item) if item.is_unlisted)
    }

    /// The key of the item, for a detail page.
    pub fn key(&self) -> Option<&Key> {
        match &self.page {
            Page::Index(_) => None,
            Page::Detail(detail) => Some(&detail.key),
        }
    }
}

impl Page {
    /// The page as it may be kept and shown: a place that repeats a credential has it hidden, and
    /// is told from others by a digest. It can no longer be asked for.
    pub fn hidden(&self, scrubber: &Scrubber) -> Cow<'_, Page> {
        let Page::Index(index) = self else { return Cow::Borrowed(self) };
        let Some(place) = &index.place else { return Cow::Borrowed(self) };
        let text = match place {
            Place::Url(text) | Place::Cursor(text) => text,
            Place::Offset(_) => return Cow::Borrowed(self),
        };
        match scrubber.scrub(text) {
            Cow::Borrowed(_) => Cow::Borrowed(self),
            Cow::Owned(scrubbed) => {
                let digest = Digest::of(text.as_bytes()).bits() >> 96;
                let place = Place::Cursor(format!("{scrubbed} {digest:08x}").into());
                Cow::Owned(Page::Index(IndexPage { place: Some(place), ..index.clone() }))
            }
        }
    }
}

impl IndexPage {
    /// The page's name among all pages of lists of a site. A page is known by its place, where it
    /// has one, since the pages before it may be more or fewer the next time.
    pub fn name(&self) -> String {
        let list = match &self.list {
            List::Seeds => "[seeds]/",
            List::Items(None) => "",
            List::Items(Some(seed)) => &format!("{seed}/"),
        };
        match &self.place {
            None => format!("{list}{}", self.number),
            Some(Place::Url(url)) => {
                let name = Url::parse(url).map_or_else(|_| String::new(), |url| shown(&url));
                match name.contains(HIDDEN) {
                    false => format!("{list}{name}"),
                    // Others may differ in what is hidden alone.
                    true => format!("{list}{name} {:08x}", Digest::of(url.as_bytes()).bits() >> 96),
                }
            }
            Some(Place::Cursor(cursor)) => format!("{list}{cursor}"),
            Some(Place::Offset(offset)) => format!("{list}offset {offset}"),
        }
    }

    /// How many items stand before it, where its place says so.
    pub fn offset(&self) -> u64 {
        match self.place {
            Some(Place::Offset(offset)) => offset,
            _ => 0,
        }
    }

    /// Returns whether nobody said that it is there: it is a guess, or the first page of a category, which
    /// may have none.
    pub fn may_be_missing(&self) -> bool {
        let is_first_of_category = self.number == 1 && matches!(self.list, List::Items(Some(_)));
        self.is_guess || is_first_of_category
    }

    /// A page of the list of a site without seeds, found by its number.
    pub fn numbered(pass: u32, number: u64, planned_to: u64) -> IndexPage {
        IndexPage {
            pass,
            list: List::Items(None),
            number,
            planned_to,
            place: None,
            is_guess: false,
        }
    }
}

impl Listed {
    /// What is known of an item whose list is not at hand: where its page was. Nothing where that
    /// was not kept whole, since it held credentials.
    pub fn at(url: &str) -> Option<Listed> {
        let is_whole = !url.is_empty() && !url.contains(HIDDEN);
        let listed = Listed { url: Some(url.into()), revision: None, content: Content::Nothing };
        is_whole.then_some(listed)
    }
}

impl DetailPage {
    /// The page of an item of which nothing else is known.
    pub fn of(key: Key) -> DetailPage {
        DetailPage {
            key,
            known: None,
            listed: None,
            is_unlisted: false,
            seen_at: None,
            entry: Entry::default(),
        }
    }
}

impl IndexRun {
    /// Pages of the list of a site without seeds, found by their numbers.
    pub fn numbered(pass: u32, from: u64, to: u64) -> IndexRun {
        IndexRun { pass, list: List::Items(None), from, to, place: None, is_guess: false }
    }

    /// The first page of the run, and the run of those that stay.
    pub fn split(self) -> (IndexPage, Option<IndexRun>) {
        let page = IndexPage {
            pass: self.pass,
            list: self.list.clone(),
            number: self.from,
            planned_to: self.to,
            place: self.place.clone(),
            is_guess: self.is_guess,
        };
        let rest = (self.from < self.to).then(|| IndexRun { from: self.from + 1, ..self });
        (page, rest)
    }

    /// How many pages the run has.
    pub fn pages(&self) -> u64 {
        self.to - self.from + 1
    }
}

impl PageRange {
    /// The part of `run` inside the range.
    pub fn clip(self, run: IndexRun) -> Option<IndexRun> {
        // Pages that lead to one another cannot be begun in the middle.
        let from = if run.place.is_some() { run.from } else { run.from.max(self.from) };
        let clipped = IndexRun { from, to: run.to.min(self.to), ..run };
        (clipped.from <= clipped.to).then_some(clipped)
    }
}

impl std::str::FromStr for PageRange {
    type Err = PageRangeError;

    fn from_str(text: &str) -> Result<PageRange, PageRangeError> {
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (from, to),
            None => (text, text),
        };
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(PageRange { from, to }),
            _ => Err(PageRangeError),
        }
    }
}

/// A text is no range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range of pages is A..B, from 1, inclusive, such as 1..20")]
pub struct PageRangeError;

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Page::Index(index) => index.fmt(f),
            Page::Detail(detail) => write!(f, "item {}", plain(detail.key.as_str())),
        }
    }
}

impl std::fmt::Display for IndexPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.number;
        match &self.list {
            List::Seeds => write!(f, "page {number} of the seeds"),
            List::Items(None) => write!(f, "index page {number}"),
            List::Items(Some(seed)) => write!(f, "index page {number} of {}", plain(seed)),
        }
    }
}

impl std::fmt::Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            List::Seeds => f.write_str("the list of categories"),
            List::Items(None) => f.write_str("the list"),
            List::Items(Some(seed)) => write!(f, "the list of {}", plain(seed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_clip() {
        assert_eq!("2..5".parse(), Ok(PageRange { from: 2, to: 5 }));
        assert_eq!("3".parse(), Ok(PageRange { from: 3, to: 3 }));
        for bad in ["0..2", "5..2", "a..b", "", "1.."] {
            assert_eq!(bad.parse::<PageRange>(), Err(PageRangeError), "{bad}");
        }
        let run = IndexRun::numbered(1, 2, 503);
        let clipped = |range: PageRange| range.clip(run.clone()).map(|run| (run.from, run.to));
        assert_eq!(clipped(PageRange { from: 1, to: 3 }), Some((2, 3)));
        assert_eq!(clipped(PageRange { from: 1, to: 1 }), None);
    }
}
