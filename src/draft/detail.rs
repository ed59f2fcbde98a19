//! Where the page of an item may be, and whether a page is that of the item.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::shape::{Path, scalar};

/// As keys are encoded in URLs.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Members of an item that hold the URL of its page.
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
/// Members of a page that hold its document.
const WRAPPERS: [&str; 5] = ["data", "result", "item", "results", "response"];

/// Where the page of an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path with `{key}`.
    Template(String),
    /// What the item itself has there.
    Link(Path),
}

/// How items' pages are had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Where they are.
    pub place: Place,
    /// The part of the page that is the document, where that is not all of it.
    pub document: Option<Path>,
    /// Whether it says more than the list.
    pub says_more: bool,
    /// The URL that was looked at.
    pub looked_at: String,
}

/// Where the page of `item` may be, best first, and the URL of each.
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
        let path = Path::of(name);
        let Some(text) = path.find(item).and_then(Value::as_str) else { continue };
        let Some(link) = list.join(text).ok().filter(|link| link.origin() == list.origin()) else {
            continue;
        };
        // A template that the list's own link bears out comes first; else the link comes last.
        match found.iter().position(|(_, url)| *url == link) {
            Some(at) => found.swap(0, at),
            None => found.push((Place::Link(path), link)),
        }
    }
    found
}

/// Where in a page the item of that key is: all of it, or a member that wraps it.
pub fn is_page_of(page: &Value, name: &str, key: &str) -> Option<Option<Path>> {
    let is_item = |value: &Value| value.get(name).and_then(scalar).is_some_and(|own| own == key);
    if is_item(page) {
        return Some(None);
    }
    WRAPPERS
        .iter()
        .map(|name| Path::of(name))
        .find_map(|path| path.find(page).is_some_and(is_item).then(|| Some(path.clone())))
}

/// Whether a document says more than the item on the list.
pub fn says_more(document: &Value, item: &Value) -> bool {
    let (Some(document), Some(item)) = (document.as_object(), item.as_object()) else {
        return true;
    };
    document.iter().any(|(name, value)| item.get(name) != Some(value))
}
