//! Pages to items and documents: what the site file selects, taken from what came.
//!
//! Everything here is a function of the rules and the bytes. Nothing is fetched or stored.

pub mod budget;
mod charset;
mod content_type;
mod detail;
pub mod entry;
pub mod field;
mod hints;
pub mod html;
mod json;
mod json_page;
mod link;
mod listing;
mod marks;
mod said;
mod sitemap;

use serde::Deserialize;

use crate::document::JsonError;
use crate::fetch::Page;
use crate::record::KeyError;
use crate::wording;
use budget::LimitError;
use field::FieldError;
use html::HtmlPage;
use sitemap::SitemapError;

pub use charset::decode;
pub use detail::{Detail, Making, detail, of_list};
pub use field::{FieldRule, Select};
pub use json::{Selector, SelectorError};
pub use json_page::JsonPage;
pub use listing::{Item, Listing, SeedsFound, index, known, seeds};
pub use said::link_header;
pub use said::plain;

/// Why an item has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The selector matched nothing in it.
    #[error("an item has no key: the selector matched nothing in it")]
    Missing,
    /// The selector matched null, a truth value, a list, an object or a fraction.
    #[error("an item's key is {0}, which is no identity")]
    Kind(&'static str),
    /// The text is no key.
    #[error("an item has no key: {0}")]
    Text(#[from] KeyError),
    /// It is percent-encoded, but not in UTF-8.
    #[error("an item's key is percent-encoded, but not in UTF-8")]
    Encoding,
    /// The selector is for pages of the other format, or the page or the text is beyond a limit.
    #[error("an item has no key: {0}")]
    Page(String),
}

/// Why a page is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or not an object where one is due.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The page is of another type than the site file says.
    #[error("the page is {kind} by its Content-Type, and not HTML{hint}")]
    NotHtml {
        /// The type.
        kind: String,
        /// What to write instead, where there is something.
        hint: &'static str,
    },
    /// The page is beyond a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A field is missing or not what it should be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No sitemap.
    #[error(transparent)]
    Sitemap(#[from] SitemapError),
    /// Where a URL is due, there is none.
    #[error("{0} is no URL")]
    NoUrl(String),
    /// Where a cursor is due, there is none.
    #[error("{0} is no cursor: it is neither a text nor a number")]
    NoCursor(String),
    /// The `Link` header is not one.
    #[error("the Link header is not what RFC 8288 says")]
    LinkHeader,
    /// The link to the next page is one for a script.
    #[error("{0}")]
    Nowhere(String),
    /// What was to be kept of the list.
    #[error("on the list: {0}")]
    Listed(Box<str>),
    /// What the site file requires is not there.
    #[error("the page has no {0}, which `require` in the site file asks for")]
    Require(String),
    /// It says that it is gone, by a mark of the site file.
    #[error(
        "the page has {0}, which means that it is gone by `[answers] missing` in the site file"
    )]
    Gone(String),
    /// It says that the site failed, by a mark of the site file.
    #[error(
        "the page has {0}, which means that the site failed by `[answers] error` in the site file"
    )]
    Failed(String),
    /// Another page than one of the list.
    #[error("this is no page of the list: {0}")]
    OtherKind(String),
    /// None of the fields.
    #[error("the page has none of the fields that the site file names")]
    Nothing,
    /// The part that is the document is not there.
    #[error("the page has no {0}, which is the document by `document` in the site file")]
    NoDocument(String),
}

impl PageError {
    /// Whether a site that blocks crawlers may answer so: with another page than was asked for.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, PageError::Field(_) | PageError::Listed(_) | PageError::Gone(_))
    }

    /// The reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            PageError::Json(_)
            | PageError::NotHtml { .. }
            | PageError::Limit(_)
            | PageError::Sitemap(_)
            | PageError::NoUrl(_)
            | PageError::NoCursor(_)
            | PageError::LinkHeader
            | PageError::Nowhere(_) => "page",
            PageError::Listed(_) => "list",
            PageError::Field(error) => error.reason(),
            PageError::Require(_) | PageError::NoDocument(_) | PageError::Nothing => "require",
            PageError::Gone(_) | PageError::Failed(_) => "answer",
            PageError::OtherKind(_) => "kind",
        }
    }
}

/// What a page is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON.
    Json,
    /// HTML.
    Html,
}

fn html_page(page: &Page) -> Result<HtmlPage, PageError> {
    if let Some(kind) = page.content_type().and_then(content_type::other_than_html) {
        let is_json = JsonPage::read(page).is_ok();
        let hint = if is_json { "; it is JSON: write `format = \"json\"`" } else { "" };
        return Err(PageError::NotHtml { kind: wording::plain(kind), hint });
    }
    Ok(HtmlPage::parse(&page.body, page.content_type(), &page.url)?)
}

#[cfg(test)]
mod tests;
