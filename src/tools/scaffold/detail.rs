//! Finds the page of an item, and checks that a page belongs to an item.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::expr::member;
use super::key::scalar;
use super::lists::at;

/// Characters that are percent-encoded in keys.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Members of an item that may hold the URL of its page.
const LINKS: [&str; 9] = [
    "url",
    "href",
    "self",
    "links.self",
    "_links.self.href",
    "links.self.href",
    "@id",
    "resource_uri",
    "detail_url",
];
/// Members of a page that may hold its document.
const WRAPPERS: [&str; 6] = ["data", "result", "item", "results", "response", "message"];

/// Source of the URL of an item's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Path template with `{key}`.
    Template(String),
    /// JSONPath of the URL within the item.
    Link(String),
}

/// How to get the pages of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Source of the URL.
    pub place: Place,
    /// JSONPath of the document within the page, or `None` if it is the whole page.
    pub document: Option<String>,
    /// True if the page has data that the list does not have.
    pub says_more: bool,
    /// URL of the page that was tried.
    pub looked_at: String,
}

/// Returns possible URLs for the page of `item`, best first, with their sources.
pub fn candidates(list: &Url, item: &Value, key: &str) -> Vec<(Place, Url)> {
    let path = list.path();
    let stem = path.trim_end_matches('/');
    let mut templates = match stem.rsplit_once('.').filter(|(_, end)| !end.contains('/')) {
        Some((stem, ending)) => vec![format!("{stem}/{{key}}.{ending}")],
        None => Vec::new(),
    };
    let usual = [format!("{stem}/{{key}}/"), format!("{stem}/{{key}}")];
    match path.ends_with('/') {
        true => templates.extend(usual),
        false => templates.extend(usual.into_iter().rev()),
    }
    let encoded = utf8_percent_encode(key, SEGMENT).to_string();
    let url = |template: &str| {
        let mut url = list.clone();
        url.set_query(None);
        url.set_path(&template.replace("{key}", &encoded));
        url
    };
    let mut found: Vec<(Place, Url)> =
        templates.into_iter().map(|it| (Place::Template(it.clone()), url(&it))).collect();
    for name in LINKS {
        let Some(text) = at(item, name).and_then(Value::as_str) else { continue };
        let Some(link) = list.join(text).ok().filter(|link| link.origin() == list.origin()) else {
            continue;
        };
        // A template that matches the item's own link comes first. A link that matches no template
        // comes last.
        match found.iter().position(|(_, url)| *url == link) {
            Some(at) => found.swap(0, at),
            None => found.push((Place::Link(json_path(name)), link)),
        }
    }
    found
}

/// Returns a dotted path as JSONPath.
fn json_path(dotted: &str) -> String {
    dotted.split('.').fold("$".to_owned(), |path, name| member(&path, name))
}

/// Returns the path of the item within a page, or `None` if the page does not have the item with
/// that key. The path is `None` if the item is the whole page.
pub fn is_page_of(page: &Value, name: &str, key: &str) -> Option<Option<String>> {
    let is_item = |value: &Value| value.get(name).and_then(scalar).is_some_and(|own| own == key);
    if is_item(page) {
        return Some(None);
    }
    WRAPPERS
        .iter()
        .find_map(|name| at(page, name).is_some_and(is_item).then(|| Some(json_path(name))))
}

/// Returns true if the document has data that the item on the list does not have.
pub fn says_more(document: &Value, item: &Value) -> bool {
    let (Some(document), Some(item)) = (document.as_object(), item.as_object()) else {
        return true;
    };
    document.iter().any(|(name, value)| item.get(name) != Some(value))
}
