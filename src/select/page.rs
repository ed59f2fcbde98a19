//! A page in any format, as a tree to select in.

use super::budget::{Budget, LimitError};
use super::charset;
use super::field::Scope;
use super::html::{HtmlPage, XmlError};
use super::rows::{self, RowsError};
use super::{Format, JsonPage};
use crate::fetch::Page;
use crate::model::decoding::Decoding;
use crate::model::document::JsonError;

/// Delimiter of CSV, unless the site file names another one.
pub const COMMA: u8 = b',';

/// A page that was read.
#[derive(Debug)]
pub enum Tree {
    /// Values.
    Json(JsonPage),
    /// Elements.
    Html(HtmlPage),
}

/// Reason why a page is not of its format.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is not CSV, or not JSON lines.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// It is not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

impl Tree {
    /// Reads a page, whatever its `Content-Type` says. `delimiter` is that of CSV.
    ///
    /// # Errors
    /// Returns an error if the page is not of this format, or exceeds a limit.
    pub fn read(format: Format, delimiter: u8, page: &Page) -> Result<Tree, ReadError> {
        let (body, kind, url) = (&page.body, page.content_type(), &page.url);
        match format {
            Format::Json => Ok(Tree::Json(JsonPage::read(page)?)),
            Format::Html => Ok(Tree::Html(HtmlPage::parse(body, kind, url)?)),
            Format::Xml => Ok(Tree::Html(HtmlPage::parse_xml(body, kind, url)?)),
            Format::Csv => {
                let budget = Budget::default();
                budget.check()?;
                let decoded = charset::decode_plain(body, kind);
                let json = rows::of_csv(&decoded.text, delimiter, &budget)?;
                let read = JsonPage::within(&json, Some(url), &budget)?;
                Ok(Tree::Json(read.decoded(decoded.decoding)))
            }
            Format::Jsonl => {
                let (text, replaced) = charset::of_json(body, kind);
                let read = JsonPage::parse(rows::of_lines(&text));
                let read = read.map_err(|_| rows::wrong_line(&text))?;
                // `1, 2` on one line is no value, though it is a part of a list.
                if read.length() != Some(rows::count_lines(&text)) {
                    return Err(rows::wrong_line(&text).into());
                }
                read.replaced(replaced);
                Ok(Tree::Json(read.at(url)))
            }
        }
    }

    /// Returns the whole page as a place to select in.
    pub fn scope(&self) -> Scope<'_> {
        match self {
            Tree::Json(page) => page.scope(),
            Tree::Html(page) => Scope::Html(page.scope()),
        }
    }

    /// Returns how the page was decoded.
    pub fn decoding(&self) -> Decoding {
        match self {
            Tree::Json(page) => page.decoding(),
            Tree::Html(page) => page.decoding(),
        }
    }
}
