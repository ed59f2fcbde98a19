//! The tasks of a crawl: requests of index pages and detail pages, with the number of attempts.
//!
//! Tasks are plain values that can be sent to another machine. They name a page; the site makes its
//! URL, and the fetcher the request.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::assembly::Assembly;
use crate::model::document::Digest;
use crate::model::record::{Key, Known, Verdict};
use crate::model::seed::SeedPath;
use crate::model::text::plain;
use crate::model::text::secret::{HIDDEN, Scrubber, shown};

/// A request to make, and its number of attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Page to request.
    pub page: Page,
    /// Number of this attempt, from 1. A retry that costs no attempt leaves it unchanged.
    pub attempt: u32,
    /// Number of times that the task was set aside without costing an attempt.
    pub waits: u32,
}

/// The way in which a task is done, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// A page of a list was read, or what became of an item that no list names is noted.
    Read,
    /// The item's record is stored, with this verdict.
    Stored(Verdict),
    /// The item's document is kept as it is: an earlier run of the sweep wrote it, or it is
    /// unchanged.
    Kept(Verdict),
    /// The item was not requested, because it was fetched recently.
    Recent,
    /// The item is listed, but its page does not exist.
    Missing,
    /// The task was given up.
    GivenUp,
}

/// A page of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// A page that lists items.
    Index(IndexPage),
    /// The page of one item.
    Detail(DetailPage),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPage {
    /// Number of the pass over the list, from 1.
    pub pass: u32,
    /// List that the page belongs to.
    pub list: List,
    /// Number of the page, from 1.
    pub number: u64,
    /// Last page that was planned together with this one. The page with this number decides whether
    /// the list continues.
    pub planned_to: u64,
    /// Place of the page, or `None` if it is found by its number.
    pub place: Option<Place>,
    /// True if nothing says that the page exists: it is requested to see whether the list continues.
    pub is_guess: bool,
}

/// A list to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum List {
    /// The list of the categories within these, by which the items are listed.
    Seeds(SeedPath),
    /// The list of the items, or of those of one category.
    Items(SeedPath),
    /// The pages of one item.
    Pages(Key),
    /// A list of one item's own, by the item and the name of the part of its document.
    Part(Key, Arc<str>),
    /// The files of one item that become a member of its document, by the item and the member.
    Files(Key, Arc<str>),
}

/// The place of a list page, as another page gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A URL.
    Url(Box<str>),
    /// A cursor, as JSON text, since it may be a number.
    Cursor(Box<str>),
    /// The number of items before the page.
    Offset(u64),
}

/// The page of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailPage {
    /// Key of the item.
    pub key: Key,
    /// Stored data of the item at the time it was listed, if any.
    pub known: Option<Arc<Known>>,
    /// Data of the item's list entry besides its key, if any.
    pub listed: Option<Box<Listed>>,
    /// True if the item is requested because no list names it any more.
    pub is_unlisted: bool,
    /// Time at which the item was last listed, if it is requested without its list.
    pub seen_at: Option<Timestamp>,
    /// Entry of the item on its list, to detect a different entry with the same key.
    pub entry: Entry,
    /// Content of the item that was read so far, if it needs further requests.
    pub assembly: Option<Arc<Assembly>>,
}

/// An item's entry on a list in 32 bits: the pass in which it was seen, and a fingerprint of its
/// content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry(u32);

impl Entry {
    /// Bits of the fingerprint; the bits above it are the pass.
    const PRINT: u32 = (1 << 30) - 1;

    /// Creates the entry with this fingerprint in this pass.
    pub fn new(pass: u32, print: u32) -> Entry {
        Entry(pass << 30 | (print & Entry::PRINT).max(1))
    }

    /// Returns true if nothing is known of the entry.
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }

    /// Returns true if both entries are of the same pass and differ.
    pub fn differs(self, other: Entry) -> bool {
        let is_known = !self.is_unknown() && !other.is_unknown();
        is_known && self.0 >> 30 == other.0 >> 30 && self != other
    }
}

/// The data of an item's list entry besides its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// URL of the item's page. If the item has no page of its own, the URL of the list page.
    pub url: Option<Box<str>>,
    /// Revision of the item, as the list gives it: usually the date of its last change.
    pub revision: Option<Box<str>>,
    /// Content of the list entry that is kept.
    pub content: Content,
    /// Values for the item's request, by name, as JSON texts.
    #[serde(default)]
    pub values: Box<[(Arc<str>, Box<str>)]>,
}

/// The content of an item's list entry that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// No content.
    #[default]
    Nothing,
    /// A JSON object.
    Object(Box<str>),
    /// The content is missing or not as expected, for this reason.
    Unreadable(Box<str>),
}

/// A range of index pages `from..=to` of one list, from which the frontier hands out one page at a
/// time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRun {
    /// Number of the pass over the list, see [`IndexPage::pass`].
    pub pass: u32,
    /// List that the pages belong to.
    pub list: List,
    /// First page, from 1.
    pub from: u64,
    /// Last page, inclusive, not before `from`.
    pub to: u64,
    /// Place of the page, see [`IndexPage::place`]. A run with a place has one page.
    pub place: Option<Place>,
    /// True if nothing says that the pages exist, see [`IndexPage::is_guess`].
    pub is_guess: bool,
}

/// The range of index pages that may be requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// First page, from 1.
    pub from: u64,
    /// Last page, inclusive.
    pub to: u64,
}

/// The pages that an index page leads to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FollowUps {
    /// Further list pages.
    pub index: Vec<IndexRun>,
    /// Items on the page.
    pub details: Vec<DetailPage>,
}

impl Default for List {
    /// Returns the list of a site without categories.
    fn default() -> List {
        List::Items(SeedPath::default())
    }
}

impl Task {
    /// Creates the task of the first attempt at `page`.
    pub fn first(page: Page) -> Task {
        Task { page, attempt: 1, waits: 0 }
    }

    /// Returns true if the page was requested before.
    pub fn is_again(&self) -> bool {
        self.attempt > 1 || self.waits > 0
    }

    /// Returns true if the task is a further request of an item.
    pub fn is_begun(&self) -> bool {
        matches!(&self.page, Page::Detail(item) if item.assembly.is_some())
    }

    /// Returns true if the task is for an item that no list names. Its responses never count towards
    /// a block.
    pub fn is_unlisted(&self) -> bool {
        matches!(&self.page, Page::Detail(item) if item.is_unlisted)
    }

    /// Returns the key of the item, or `None` for an index page.
    pub fn key(&self) -> Option<&Key> {
        match &self.page {
            Page::Index(_) => None,
            Page::Detail(detail) => Some(&detail.key),
        }
    }
}

impl Page {
    /// Returns the page in a form that may be stored and shown: a credential in its place is
    /// hidden, and a digest tells the page from others. Such a page can no longer be requested.
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
    /// Returns the name of the page, unique among all list pages of a site. A page with a place is
    /// named by it, since the number of pages before it may change.
    pub fn name(&self) -> String {
        let list = match &self.list {
            List::Seeds(path) if path.is_empty() => "[seeds]/",
            List::Seeds(path) => &format!("[seeds]/{}/", path.name()),
            List::Items(path) if path.is_empty() => "",
            List::Items(path) => &format!("{}/", path.name()),
            List::Pages(key) | List::Part(key, _) | List::Files(key, _) => &format!("{key}/"),
        };
        match &self.place {
            None => format!("{list}{}", self.number),
            Some(Place::Url(url)) => {
                let name = Url::parse(url).map_or_else(|_| String::new(), |url| shown(&url));
                match name.contains(HIDDEN) {
                    false => format!("{list}{name}"),
                    // The URLs of several pages may differ only in the hidden part.
                    true => format!("{list}{name} {:08x}", Digest::of(url.as_bytes()).bits() >> 96),
                }
            }
            Some(Place::Cursor(cursor)) => format!("{list}{cursor}"),
            Some(Place::Offset(offset)) => format!("{list}offset {offset}"),
        }
    }

    /// Returns the number of items before the page, or 0 if its place does not say.
    pub fn offset(&self) -> u64 {
        match self.place {
            Some(Place::Offset(offset)) => offset,
            _ => 0,
        }
    }

    /// Returns true if nothing says that the page exists: it is a guess, or the first page of a
    /// category or of a part, which may be empty.
    pub fn may_be_missing(&self) -> bool {
        let may_be_empty = match &self.list {
            List::Seeds(path) | List::Items(path) => !path.is_empty(),
            list => matches!(list, List::Part(..)),
        };
        self.is_guess || self.number == 1 && may_be_empty
    }

    /// Creates a page of a site without seeds, found by its number.
    pub fn numbered(pass: u32, number: u64, planned_to: u64) -> IndexPage {
        IndexPage { pass, list: List::default(), number, planned_to, place: None, is_guess: false }
    }
}

impl Listed {
    /// Creates the entry of an item whose list is not at hand, from the URL of its page. Returns
    /// `None` if the URL was not stored in full, because it contained credentials.
    pub fn at(url: &str) -> Option<Listed> {
        let is_whole = !url.is_empty() && !url.contains(HIDDEN);
        let listed = Listed { url: Some(url.into()), ..Listed::default() };
        is_whole.then_some(listed)
    }
}

impl DetailPage {
    /// Creates the page of an item of which nothing else is known.
    pub fn of(key: Key) -> DetailPage {
        DetailPage {
            key,
            known: None,
            listed: None,
            is_unlisted: false,
            seen_at: None,
            entry: Entry::default(),
            assembly: None,
        }
    }
}

impl IndexRun {
    /// Creates a run of pages of a site without seeds, found by their numbers.
    pub fn numbered(pass: u32, from: u64, to: u64) -> IndexRun {
        IndexRun { pass, list: List::default(), from, to, place: None, is_guess: false }
    }

    /// Splits off the first page of the run, and returns it with the rest of the run.
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

    /// Returns the number of pages.
    pub fn pages(&self) -> u64 {
        self.to - self.from + 1
    }
}

impl PageRange {
    /// Returns the part of `run` inside the range, or `None` if there is none.
    pub fn clip(self, run: IndexRun) -> Option<IndexRun> {
        // Pages that lead to one another must be read from the first.
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

/// The error for a text that is not a range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range of pages is A..B, from 1, inclusive, such as 1..20")]
pub struct PageRangeError;

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Page::Index(index) => index.fmt(f),
            Page::Detail(DetailPage { assembly: Some(assembly), .. }) => assembly.page.fmt(f),
            Page::Detail(detail) => write!(f, "item {}", plain(detail.key.as_str())),
        }
    }
}

impl std::fmt::Display for IndexPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.number;
        match &self.list {
            List::Seeds(path) if path.is_empty() => write!(f, "page {number} of the seeds"),
            List::Seeds(path) => write!(f, "page {number} of the seeds in {path}"),
            List::Items(path) if path.is_empty() => write!(f, "index page {number}"),
            List::Items(path) => write!(f, "index page {number} of {path}"),
            List::Files(..) => write!(f, "file {number} of {}", self.list),
            list => write!(f, "page {number} of {list}"),
        }
    }
}

impl std::fmt::Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            List::Seeds(path) if path.is_empty() => f.write_str("the list of categories"),
            List::Seeds(path) => write!(f, "the list of categories in {path}"),
            List::Items(path) if path.is_empty() => f.write_str("the list"),
            List::Items(path) => write!(f, "the list of {path}"),
            List::Pages(key) => write!(f, "item {}", plain(key.as_str())),
            List::Part(key, name) | List::Files(key, name) => {
                write!(f, "`{name}` of item {}", plain(key.as_str()))
            }
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
