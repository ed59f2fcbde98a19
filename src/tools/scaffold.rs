//! Drafts a first site file for a list that answers JSON, from what its pages show.
//!
//! All decisions are functions of pages: the position of the items and their key
//! (`draft/shape.rs`), the kind of paging (`draft/paging.rs`), the URL of an item's page
//! (`draft/detail.rs`), the text of the file (`draft/text.rs`). `gleaner sites new` makes the
//! requests that these functions ask for.

mod detail;
mod paging;
mod shape;
mod text;

use std::str::FromStr;

use serde_json::Value;
use url::Url;

use crate::fetch::Page;
use crate::model::document::JsonError;
use crate::select::JsonPage;

pub use detail::{Detail, Place, candidates, is_page_of, says_more};
pub use paging::{
    At, Count, End, Moved, NextAt, Onward, Paging, Probe, Scheme, counts, cursor, is_of_all,
    last_pages, next_link, schemes, size_of_next, with_query,
};
pub use shape::{Path, items, key};
pub use text::Draft;

/// A list page that was read.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Page as received.
    pub page: Page,
    /// Parsed body.
    pub body: Value,
    /// Keys of its items.
    pub keys: Vec<String>,
}

/// Position of the items in a list page, and their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Path of the items.
    pub items: Path,
    /// Name of the key field within an item.
    pub key: String,
}

/// Reason why a page is not a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoList {
    /// The page is HTML.
    #[error("it answers HTML, and a list in HTML cannot be recognized automatically")]
    Html,
    /// The page is neither JSON nor HTML.
    #[error("it answers neither JSON nor HTML: {0}")]
    Other(String),
    /// The page is JSON without a list of objects.
    #[error("it answers JSON without a list of objects{}", urls(.0))]
    NoItems(Vec<String>),
    /// No field distinguishes its items.
    #[error("its items, at {0}, have no field with a unique value")]
    NoKey(Path),
}

fn urls(urls: &[String]) -> String {
    match urls {
        [] => String::new(),
        urls => format!("; it names these addresses: {}", urls.join(", ")),
    }
}

/// Reads the first page of a list.
///
/// # Errors
/// Returns the reason if the page is not a list.
pub fn list(page: Page) -> Result<(Shape, Seen), NoList> {
    let is_html = page.content_type().is_some_and(|kind| kind.contains("html"))
        || page.body.trim_ascii_start().starts_with(b"<");
    let body = match read(&page) {
        Ok(body) => body,
        Err(_) if is_html => return Err(NoList::Html),
        Err(error) => return Err(NoList::Other(error.to_string())),
    };
    let Some(path) = items(&body) else {
        return Err(NoList::NoItems(shape::addresses(&body)));
    };
    let rows: Vec<&Value> =
        path.find(&body).and_then(Value::as_array).into_iter().flatten().collect();
    let Some(key) = key(&rows) else { return Err(NoList::NoKey(path)) };
    let shape = Shape { items: path, key };
    let seen = Seen { keys: shape.keys(&body), page, body };
    Ok((shape, seen))
}

fn read(page: &Page) -> Result<Value, JsonError> {
    let (_, text) = JsonPage::read(page)?.into_parts();
    Ok(serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text))?)
}

impl Shape {
    /// Reads a further page of the list. Returns `None` if it is not one.
    pub fn read(&self, page: Page) -> Option<Seen> {
        let body = read(&page).ok()?;
        self.items.find(&body)?.as_array()?;
        Some(Seen { keys: self.keys(&body), page, body })
    }

    /// Returns the first item of a page.
    pub fn first<'a>(&self, seen: &'a Seen) -> Option<&'a Value> {
        self.items.find(&seen.body)?.as_array()?.first()
    }

    fn keys(&self, body: &Value) -> Vec<String> {
        let rows = self.items.find(body).and_then(Value::as_array);
        rows.into_iter().flatten().filter_map(|row| shape::scalar(row.get(&self.key)?)).collect()
    }
}

/// Returns the body of an item's page, or `None` if it is not a JSON object.
pub fn object(page: &Page) -> Option<Value> {
    read(page).ok().filter(Value::is_object)
}

/// Returns a name for the site at `url`, and one for its collection.
pub fn names(url: &Url) -> (String, String) {
    let host = url.host_str().unwrap_or("site").trim_start_matches("www.");
    let port = url.port().map_or_else(String::new, |port| format!("-{port}"));
    let name = plain_name(&format!("{host}{port}"), '-', "site");
    let segments = url.path().split('/');
    let last = segments.rev().find(|segment| !segment.is_empty()).unwrap_or_default();
    let stem = last.split_once('.').map_or(last, |(stem, _)| stem);
    (name, plain_name(stem, '_', "items"))
}

fn plain_name(text: &str, joint: char, otherwise: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { joint };
    let name: String = text.chars().map(plain).take(60).collect();
    let name = name.trim_matches(joint);
    let is_valid = !name.is_empty() && crate::store::is_valid_name(name);
    if is_valid { name.to_owned() } else { otherwise.to_owned() }
}

/// Returns a number that a site may write as a number or as text.
fn number<T: FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
