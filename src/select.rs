//! Selectors: where a value is on a page, and what it becomes. Below the site file, which is made of
//! them, and below what reads pages by it.

pub mod budget;
mod charset;
pub mod field;
pub mod html;
pub mod json;
mod json_page;
mod page;
mod rows;
mod selection;
pub mod text;

use serde::Deserialize;

use crate::model::record::KeyError;

pub use charset::decode;
pub use field::FieldRule;
pub use json::{Selector, SelectorError};
pub use json_page::JsonPage;
pub use page::{COMMA, ReadError, Tree};
pub use rows::RowsError;
pub use selection::{Finds, Match, Part, Select, SelectError, Step, StepError, Steps};

/// Reason why an item has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The selector matched nothing in the item.
    #[error("an item has no key: the selector matched nothing in it")]
    Missing,
    /// The item is a list.
    #[error("the item is a list, and not one of its parts: `{0}`?")]
    IsList(Box<str>),
    /// The selector matched, but its regex did not.
    #[error("an item has no key: the selector matched, but its `regex` did not")]
    Regex,
    /// The selector matched null, a boolean, a list, an object or a fraction.
    #[error("an item's key is {0}, which cannot identify an item")]
    Kind(&'static str),
    /// The text is not a valid key.
    #[error("an item has no key: {0}")]
    Text(#[from] KeyError),
    /// The key is percent-encoded, but not in UTF-8.
    #[error("an item's key is percent-encoded, but not in UTF-8")]
    Encoding,
    /// The selector is for pages of the other format, or the page or the text exceeds a limit.
    #[error("an item has no key: {0}")]
    Page(String),
}

/// Format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON.
    Json,
    /// HTML.
    Html,
    /// XML.
    Xml,
    /// Comma-separated values, with a header line.
    Csv,
    /// JSON lines: a JSON value on each line.
    Jsonl,
}

impl Format {
    /// Returns the kind of what is selected on a page.
    pub fn holds(self) -> Finds {
        match self {
            Format::Json | Format::Csv | Format::Jsonl => Finds::Values,
            Format::Html => Finds::Elements,
            Format::Xml => Finds::Nodes,
        }
    }

    /// Returns the name of the format, for people.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Html => "HTML",
            Format::Xml => "XML",
            Format::Csv => "CSV",
            Format::Jsonl => "JSON lines",
        }
    }
}
