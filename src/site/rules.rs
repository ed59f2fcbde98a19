//! Rules for reading the pages of a site.

use std::sync::Arc;

use super::paging::Paging;
use super::request::RequestTemplate;
use crate::select::field::Pattern;
use crate::select::{FieldRule, Format, Select, Selector};

/// Marks on a page which show that it is not the requested one, although its status is normal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// A page with one of these is missing, like one with status 404.
    pub missing: Vec<Select>,
    /// A page with one of these is a failure of the site, and is retried.
    pub error: Vec<Select>,
}

/// Categories, each with its own list of items.
#[derive(Debug, Clone, PartialEq)]
pub enum Seeds {
    /// Categories from the site file.
    Listed(Vec<Arc<str>>),
    /// Categories that a page of the site names.
    Page(Box<SeedsPage>),
}

/// A page that names categories.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedsPage {
    pub(super) request: RequestTemplate,
    /// Paging of the page.
    pub paging: Paging,
    /// Rule for a value that must mean yes for the list to continue.
    pub goes_on: Option<FieldRule>,
    /// True if hints to further pages count, in addition to the paging.
    pub more: bool,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rule for the categories on it.
    pub select: FieldRule,
}

/// Rules for the list.
#[derive(Debug, Clone)]
pub struct IndexRules {
    pub(super) request: RequestTemplate,
    /// Request of the first page, if it differs.
    pub(super) first: Option<Box<RequestTemplate>>,
    /// Request of later pages, if it differs.
    pub(super) later: Option<Box<RequestTemplate>>,
    /// Paging of the list.
    pub paging: Paging,
    /// Rule for a value that must mean yes for the list to continue.
    pub goes_on: Option<FieldRule>,
    /// True if hints to further pages count, in addition to the paging.
    pub more: bool,
    /// True if a total that a list declares must match the number of its items exactly.
    pub total_exact: bool,
    /// Maximum number of pages of a list.
    pub most_pages: u64,
    /// Selectors that must match; otherwise the page is rejected.
    pub require: Vec<Select>,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rules for the items on a page.
    pub items: ItemRules,
}

/// Rules for the items on a list page.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a site")]
pub enum ItemRules {
    /// Items found by selectors.
    Selected {
        /// Selector of the items on a page.
        items: Select,
        /// Rule for the key within an item.
        key: FieldRule,
        /// Rule for the URL of the item's page within an item, or `None` if the list does not have
        /// it.
        link: Option<FieldRule>,
        /// Rule for the revision within an item: a value that changes with the item.
        revision: Option<FieldRule>,
        /// Parts of an item to keep.
        keep: Keep,
    },
    /// Entries of a sitemap.
    Sitemap {
        /// Pattern of the key in an entry's location.
        key: Pattern,
        /// True if an entry's `lastmod` is the item's revision.
        has_revision: bool,
    },
    /// No items on pages: the keys are known.
    Known,
}

/// Parts of an item on the list to keep for its document.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// Nothing except the key.
    Nothing,
    /// The whole item: it is the document.
    Whole,
    /// Fields with these names and rules.
    Fields(Vec<(Box<str>, FieldRule)>),
}

/// Rules for the page of an item.
#[derive(Debug, Clone)]
pub struct DetailRules {
    pub(super) request: RequestTemplate,
    /// Format of the page.
    pub format: Format,
    /// Selectors that must match; otherwise the page is rejected.
    pub require: Vec<Select>,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rule for the revision on the page.
    pub revision: Option<FieldRule>,
    /// Path of the document within a JSON page, or `None` if it is the whole page.
    pub document: Option<Selector>,
    /// Fields to keep, by name. If empty, the whole JSON page is kept.
    pub fields: Vec<(Box<str>, FieldRule)>,
}
