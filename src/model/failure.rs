//! A task that was given up, kept with the reason and a sample of the response.

use jiff::Timestamp;

use crate::model::record::Key;
use crate::model::task::Page;
use crate::model::text::secret::Scrubber;

/// A task that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Page that was requested.
    pub page: Page,
    /// URL of the page, without credentials.
    pub url: Box<str>,
    /// Reason, as one lower-case word: `status`, `timeout`, `connect`, ….
    pub reason: &'static str,
    /// Error message, for people.
    pub message: String,
    /// HTTP status, or `None` if there was no response.
    pub status: Option<u16>,
    /// Number of attempts.
    pub attempts: u32,
    /// The beginning of the response, at most 2 KiB.
    pub sample: Option<Box<str>>,
    /// Time at which the task was given up.
    pub at: Timestamp,
}

/// Identity of a page among the stored failures. Ordered by kind, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId {
    /// Kind of page: `detail` or `index`.
    pub kind: Box<str>,
    /// Name that is unique within the kind: the key of an item, or the number or place of a list
    /// page.
    pub name: Box<str>,
}

impl Failure {
    /// Returns the failure as it is stored, without credentials that the site repeated.
    pub fn hidden(self, scrubber: &Scrubber) -> Failure {
        Failure {
            page: self.page.hidden(scrubber).into_owned(),
            url: scrubber.scrub(&self.url).into(),
            message: scrubber.scrub_cut(&self.message),
            sample: self.sample.map(|sample| scrubber.scrub_cut(&sample).into()),
            ..self
        }
    }

    /// Returns the identity of the failure in a store: one entry per page of a site, however often
    /// the page fails.
    pub fn id(&self) -> PageId {
        PageId::from(&self.page)
    }
}

impl PageId {
    /// Returns the id of an item's page.
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
