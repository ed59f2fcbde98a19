//! What is to be requested: index pages and detail pages, and how often each was tried.
//!
//! Tasks are plain values that can be sent to another machine. They say *what* to ask for;
//! URLs are made from them by the site, requests by the fetcher.

use serde::{Deserialize, Serialize};

use crate::record::{Key, Known};

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

/// One page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPage {
    /// Which walk over the list this belongs to, from 1.
    pub pass: u32,
    /// Number of the page, from 1.
    pub number: u64,
    /// The last page that was planned when this one was; the page that reaches it decides
    /// whether the list goes on.
    pub planned_to: u64,
}

/// The page of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailPage {
    /// The item.
    pub key: Key,
    /// What the store knew of the item when it was listed.
    pub known: Option<Box<Known>>,
}

/// Index pages `from..=to` of one pass: a plan, of which the frontier hands out a page at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRun {
    /// See [`IndexPage::pass`].
    pub pass: u32,
    /// First page, from 1.
    pub from: u64,
    /// Last page, inclusive, not before `from`.
    pub to: u64,
}

/// What an index page leads to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FollowUps {
    /// Further pages of the list.
    pub index: Option<IndexRun>,
    /// Items found.
    pub details: Vec<DetailPage>,
}

impl Task {
    /// The first attempt at `page`.
    pub fn first(page: Page) -> Task {
        Task { page, attempt: 1, waits: 0 }
    }

    /// The key of the item, for a detail page.
    pub fn key(&self) -> Option<&Key> {
        match &self.page {
            Page::Index(_) => None,
            Page::Detail(detail) => Some(&detail.key),
        }
    }
}

impl IndexRun {
    /// The first page of the run, and the run of those that stay.
    pub fn split(self) -> (IndexPage, Option<IndexRun>) {
        let page = IndexPage { pass: self.pass, number: self.from, planned_to: self.to };
        let rest = (self.from < self.to).then(|| IndexRun { from: self.from + 1, ..self });
        (page, rest)
    }

    /// How many pages the run has.
    pub fn pages(self) -> u64 {
        self.to - self.from + 1
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Page::Index(index) => write!(f, "index page {}", index.number),
            Page::Detail(detail) => write!(f, "item {}", detail.key),
        }
    }
}
