//! A task that was given up, kept with its reason and a sample of what came.

use jiff::Timestamp;

use crate::record::Key;
use crate::secret::Scrubber;
use crate::task::Page;

/// A task that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What was asked for.
    pub page: Page,
    /// Where, without credentials.
    pub url: Box<str>,
    /// What went wrong, as one lower-case word: `status`, `timeout`, `connect`, ….
    pub reason: &'static str,
    /// What went wrong, for people.
    pub message: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
    /// The beginning of what came instead, at most 2 KiB.
    pub sample: Option<Box<str>>,
    /// When it was given up.
    pub at: Timestamp,
}

/// A page's name in what is kept of failures. Ordered by kind, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId {
    /// `detail` or `index`.
    pub kind: Box<str>,
    /// Tells it from others of its kind: an item's key, or a list page's number or place.
    pub name: Box<str>,
}

impl Failure {
    /// The failure as it is kept: without credentials that the site repeated.
    pub fn hidden(self, scrubber: &Scrubber) -> Failure {
        Failure {
            page: self.page.hidden(scrubber).into_owned(),
            url: scrubber.scrub(&self.url).into(),
            message: scrubber.scrub_cut(&self.message),
            sample: self.sample.map(|sample| scrubber.scrub_cut(&sample).into()),
            ..self
        }
    }

    /// The failure's identity in a store, one entry a page of a site, however often it fails.
    pub fn id(&self) -> PageId {
        PageId::from(&self.page)
    }
}

impl PageId {
    /// The page of an item.
    pub fn of_item(key: &Key) -> PageId {
        PageId { kind: "detail".into(), name: key.as_str().into() }
    }
}

impl From<&Page> for PageId {
    fn from(page: &Page) -> PageId {
        match page {
            Page::Index(index) => PageId { kind: "index".into(), name: index.name().into() },
            Page::Detail(detail) => PageId::of_item(&detail.key),
        }
    }
}

impl std::fmt::Display for PageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
