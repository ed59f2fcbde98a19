//! How the pages of a site are read.

use std::sync::Arc;

use super::paging::Paging;
use super::request::RequestTemplate;
use crate::extract::field::Pattern;
use crate::extract::{FieldRule, Format, Select, Selector};

/// What on a page says that it is none, although its status is that of a page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// A page that has one of these says that what was asked for is gone, as 404 does.
    pub missing: Vec<Select>,
    /// A page that has one of these says that the site failed: it is asked for again.
    pub error: Vec<Select>,
}

/// Categories by which the items are listed.
#[derive(Debug, Clone, PartialEq)]
pub enum Seeds {
    /// These.
    Listed(Vec<Arc<str>>),
    /// Those that a page names.
    Page(Box<SeedsPage>),
}

/// A page that names categories.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedsPage {
    pub(super) request: RequestTemplate,
    /// How it is divided.
    pub paging: Paging,
    /// Whether what it says of further pages counts, beside what the paging names.
    pub more: bool,
    /// What on it says that it is no page of categories.
    pub marks: Marks,
    /// The categories on it.
    pub select: FieldRule,
}

/// How the list is read.
#[derive(Debug, Clone)]
pub struct IndexRules {
    pub(super) request: RequestTemplate,
    /// How the list is divided into pages.
    pub paging: Paging,
    /// Whether what pages say of further pages counts, beside what the paging names.
    pub more: bool,
    /// Pages asked for at most.
    pub most_pages: u64,
    /// What a page must have to be one.
    pub require: Vec<Select>,
    /// What on a page says that it is none.
    pub marks: Marks,
    /// What is on a page.
    pub items: ItemRules,
}

/// What is on a page of the list.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a site")]
pub enum ItemRules {
    /// What selectors find.
    Selected {
        /// The items on a page.
        items: Select,
        /// The key within an item.
        key: FieldRule,
        /// The URL of its page within an item, where the list has it.
        link: Option<FieldRule>,
        /// What changes with an item, within it.
        revision: Option<FieldRule>,
        /// What is kept of an item.
        keep: Keep,
    },
    /// The entries of a sitemap.
    Sitemap {
        /// The key in an entry's location.
        key: Pattern,
        /// Whether an entry's `lastmod` is the item's revision.
        has_revision: bool,
    },
    /// Nothing: the keys are known.
    Known,
}

/// What is kept of an item on the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// Nothing but its key.
    Nothing,
    /// All of it: it is the document.
    Whole,
    /// These fields, by name.
    Fields(Vec<(Box<str>, FieldRule)>),
}

/// How the page of an item is read.
#[derive(Debug, Clone)]
pub struct DetailRules {
    pub(super) request: RequestTemplate,
    /// What the page is made of.
    pub format: Format,
    /// What a page must have to be one.
    pub require: Vec<Select>,
    /// What on a page says that it is none.
    pub marks: Marks,
    /// Where it says when its item changed.
    pub revision: Option<FieldRule>,
    /// The part of a JSON page that is the document, where that is not all of it.
    pub document: Option<Selector>,
    /// What is kept of the page, by name; where nothing is named, all of a JSON page.
    pub fields: Vec<(Box<str>, FieldRule)>,
}
