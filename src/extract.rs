//! Turns pages into items and documents, by the selectors of the site file.
//!
//! Everything here is a pure function of the rules and the bytes. Nothing is fetched or stored.

mod columns;
mod content_type;
mod detail;
pub mod entry;
mod further;
mod hints;
mod link;
mod listing;
mod login;
mod marks;
mod opened;
mod said;
mod sitemap;

use crate::model::document::JsonError;
use crate::select::StepError;
use crate::select::budget::LimitError;
use crate::select::field::FieldError;
use sitemap::SitemapError;

pub use content_type::other_file;
pub use detail::{Detail, Making, detail, of_list};
pub use further::{FirstPage, FurtherPage, assembled, first, further};
pub use hints::names;
pub use listing::{Item, Listing, SeedsFound, index, known, seeds};
pub use login::sessions;
pub use said::link_header;

/// Reason why a page is not as the site file expects.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page is not JSON, or not an object where one is expected.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The page has another type than the site file says.
    #[error("the page is {kind} by its Content-Type, and not {format}{hint}")]
    OtherType {
        /// The type, from the `Content-Type` header.
        kind: String,
        /// Format in the site file.
        format: &'static str,
        /// Advice on what to write in the site file, or empty.
        hint: &'static str,
    },
    /// The names of the columns are no names.
    #[error("the columns of the page cannot be told apart: {0}")]
    Columns(String),
    /// The page cannot be read in the format that the site file says.
    #[error("{error}{hint}")]
    Unread {
        /// Reason.
        error: String,
        /// Advice on what to write in the site file, or empty.
        hint: &'static str,
    },
    /// The page exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A selector cannot be applied to the page.
    #[error(transparent)]
    Step(StepError),
    /// A required field is missing, or a field has the wrong type.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The page is not a valid sitemap.
    #[error(transparent)]
    Sitemap(#[from] SitemapError),
    /// A value that should be a URL is not one.
    #[error("{0} is not a URL")]
    NoUrl(String),
    /// A value that should be a cursor is not one.
    #[error("{0} is not a cursor: it is neither a text nor a number")]
    NoCursor(String),
    /// The `Link` header is malformed.
    #[error("the Link header is not what RFC 8288 says")]
    LinkHeader,
    /// The link to the next page leads nowhere, for instance to a script.
    #[error("{0}")]
    Nowhere(String),
    /// The part of the list entry to keep could not be read.
    #[error("on the list: {0}")]
    Listed(Box<str>),
    /// The page lacks something that the site file requires.
    #[error("the page has no {0}, which `require` in the site file asks for")]
    Require(String),
    /// The page lacks the part that is read.
    #[error("the page has no {0}, which is the part of it to read by `within` in the site file")]
    NoWithin(String),
    /// The page says that the item is gone, by a mark of the site file.
    #[error(
        "the page has {0}, which means that it is gone by `[answers] missing` in the site file"
    )]
    Gone(String),
    /// The page says that the site failed, by a mark of the site file.
    #[error(
        "the page has {0}, which means that the site failed by `[answers] error` in the site file"
    )]
    Failed(String),
    /// The page of an item says nothing but that the site failed.
    #[error(
        "the page has nothing but `{0}` and the like, as errors have; if it is an item's, name in `require` what each item's page has"
    )]
    OnlyError(Box<str>),
    /// The page is not a page of the list.
    #[error("this is not a page of the list: {0}")]
    OtherKind(String),
    /// The page has none of the fields.
    #[error("the page has none of the fields that the site file names")]
    Nothing,
    /// The page lacks the part that is the document.
    #[error("the page has no {0}, which is the document by `document` in the site file")]
    NoDocument(String),
}

impl PageError {
    /// Returns `true` if a site that blocks crawlers may answer like this, with another page than
    /// the
    /// one requested.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, PageError::Field(_) | PageError::Listed(_) | PageError::Gone(_))
    }

    /// Returns the reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            PageError::Json(_)
            | PageError::OtherType { .. }
            | PageError::Unread { .. }
            | PageError::Columns(_)
            | PageError::Limit(_)
            | PageError::Step(_)
            | PageError::Sitemap(_)
            | PageError::NoUrl(_)
            | PageError::NoCursor(_)
            | PageError::LinkHeader
            | PageError::Nowhere(_) => "page",
            PageError::Listed(_) => "list",
            PageError::Field(error) => error.reason(),
            PageError::Require(_)
            | PageError::NoWithin(_)
            | PageError::NoDocument(_)
            | PageError::Nothing => "require",
            PageError::Gone(_) | PageError::Failed(_) | PageError::OnlyError(_) => "answer",
            PageError::OtherKind(_) => "kind",
        }
    }
}

impl From<StepError> for PageError {
    fn from(error: StepError) -> PageError {
        match error {
            StepError::Limit(error) => PageError::Limit(error),
            error => PageError::Step(error),
        }
    }
}

#[cfg(test)]
mod tests;
