//! Drafts a first site file for a list, from what its pages show.
//!
//! All decisions are functions of pages: how a page is read (`scaffold/source.rs`), where its items
//! are (`scaffold/lists.rs`, `scaffold/markup.rs`), their key (`scaffold/key.rs`,
//! `scaffold/link_keys.rs`), what the page says
//! of further pages (`scaffold/members.rs`), the ways on to try (`scaffold/paging.rs`), the page of
//! an item (`scaffold/detail.rs`), and the text of the file (`scaffold/text.rs`). Each finding is
//! written as a site file has it, and pages are then read by that file, as a crawl would read them.
//! `gleaner sites new` makes the requests that these functions ask for.

mod detail;
mod doubts;
mod expr;
mod key;
mod link_keys;
mod links;
mod lists;
mod markup;
mod members;
mod paging;
mod proof;
mod source;
mod text;
mod tokens;

use serde_json::Value;
use url::Url;

use crate::extract;
use crate::fetch::Page;
use crate::model::task::List;
use crate::select::Format;
use crate::select::html::Outline;
use crate::site::Site;
use members::Member;
use source::Content;

pub use detail::{Detail, Place, candidates, is_page_of, says_more};
pub use doubts::{doubts, is_usual_size, remedy};
pub use key::Key;
pub use links::{from_links, numbered_urls};
pub use lists::at;
pub use members::{Onward, Said, again, counts, flags, last_pages, onward};
pub use paging::{
    At, End, Moved, Paging, Probe, Scheme, by_last_key, end, from_page, schemes, size_of_next,
    urls, with_query,
};
pub use proof::{are_pages, of_all, settle_key, settle_stable};
pub use source::{Source, json};
pub use text::{Draft, Given};

/// A list page that was read.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Page as received.
    pub page: Page,
    /// Its values, or null if it has elements.
    pub body: Value,
    /// Its elements, or none if it has values.
    pub outline: Outline,
    /// Statements of its elements beside the items.
    said: Vec<links::Said>,
    /// Keys of its items.
    pub keys: Vec<String>,
    /// Values of its items that are no links, as text.
    contents: Vec<String>,
    /// Path of what holds the items.
    pub container: String,
}

impl Seen {
    /// Returns the members of the page that are not within its items.
    pub fn members(&self) -> Vec<Member<'_>> {
        let of_elements = self.said.iter().map(|said| Member {
            path: said.select.clone(),
            names: vec![said.name.clone()],
            value: &said.value,
        });
        of_elements.chain(members::members(&self.body, &self.container)).collect()
    }
}

/// A list on a page, as the site file writes it.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// How the page is read.
    pub source: Source,
    /// Steps of the selector of the items.
    pub items: Vec<String>,
    /// Path of the names of the columns, if the items are lists of values.
    pub columns: Option<String>,
    /// Keys that distinguish the items, best first.
    pub keys: Vec<Key>,
    /// Fields to keep, and their TOML. Empty if items are kept whole.
    pub fields: Vec<(String, String)>,
    /// Selector that all pages of the list match.
    pub require: Option<String>,
    /// Number of items on the page.
    pub count: usize,
    /// Sentences on what was recognized.
    pub notes: Vec<String>,
    /// Sentences on what could not be told.
    pub doubts: Vec<String>,
}

/// Reason why a page is not a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoList {
    /// Nothing repeats on the HTML page.
    #[error("it answers HTML in which no list of items with links or ids was found")]
    Html,
    /// The page is in no known format.
    #[error("it answers neither JSON nor HTML, XML, CSV or JSON lines: {0}")]
    Other(String),
    /// The page has values without a list.
    #[error("it answers JSON without a list of objects{}", urls_of(.0))]
    NoItems(Vec<String>),
    /// The page reports an error.
    #[error("it answers with an error: {0}")]
    Error(String),
    /// The page is a sitemap.
    #[error(
        "it is a sitemap: write `paging = {{ by = \"sitemap\" }}`, a regular expression on the locations as `key`, and `[detail.fields]`"
    )]
    Sitemap,
    /// No field distinguishes its items.
    #[error("its items, at {0}, have no field with a unique value")]
    NoKey(String),
}

fn urls_of(urls: &[String]) -> String {
    match urls {
        [] => String::new(),
        urls => format!("; it names these addresses: {}", urls.join(", ")),
    }
}

/// Reads the first page of a list.
///
/// # Errors
/// Returns the reason if the page is not a list.
pub fn list(page: &Page) -> Result<(Shape, Seen), NoList> {
    let mut why = None;
    for source in source::sources(page) {
        let Some(content) = source.read(page) else { continue };
        if matches!(&content, Content::Elements(outline) if markup::is_sitemap(outline)) {
            return Err(NoList::Sitemap);
        }
        let is_html = markup::is_markup(source.format) && matches!(content, Content::Elements(_));
        let shapes = shapes(&source, &content);
        for shape in &shapes {
            if shape.keys.is_empty() {
                why = why.or_else(|| Some(NoList::NoKey(shape.items.join(" "))));
                continue;
            }
            if let Some(seen) =
                shape.read(page.clone()).filter(|seen| seen.keys.len() == shape.count)
            {
                return Ok((shape.clone(), seen));
            }
        }
        why = why.or_else(|| {
            Some(match &content {
                _ if is_html => NoList::Html,
                Content::Values(value) => doubts::error_in(value)
                    .map_or_else(|| NoList::NoItems(addresses(value)), NoList::Error),
                Content::Elements(_) => NoList::Html,
            })
        });
    }
    let other = || match json(page) {
        Err(error) => NoList::Other(error.to_string()),
        Ok(_) => NoList::NoItems(Vec::new()),
    };
    Err(why.unwrap_or_else(other))
}

fn shapes(source: &Source, content: &Content) -> Vec<Shape> {
    match content {
        Content::Values(value) => {
            let of_source = |shape| Shape { source: source.clone(), ..shape };
            lists::lists(value).into_iter().map(of_source).collect()
        }
        Content::Elements(outline) if source.format == Format::Xml => {
            markup::in_xml(outline, source).into_iter().collect()
        }
        Content::Elements(outline) => markup::in_html(outline, source).into_iter().collect(),
    }
}

impl Shape {
    /// Creates a shape of JSON, or returns `None` if it has no items.
    fn of(items: Vec<String>, keys: Vec<Key>, count: usize, notes: Vec<String>) -> Option<Shape> {
        (count > 0).then(|| Shape { items, keys, count, notes, ..Shape::default() })
    }

    /// Reads a page by the site file that this shape makes. Returns `None` if it is not a page of the
    /// list.
    pub fn read(&self, page: Page) -> Option<Seen> {
        let site = Site::parse(&text::of_shape(self), "draft.toml").ok()?;
        let listing = extract::index(&site, &List::default(), &page).ok()?;
        let items = || listing.items.iter().flatten();
        let keys: Vec<String> = items().map(|it| it.key.to_string()).collect();
        let contents = items().map(proof::content).collect();
        let (body, outline) = match self.source.read(&page)? {
            Content::Values(value) => (value, Outline::default()),
            Content::Elements(outline) => (Value::Null, outline),
        };
        let said = match self.source.format {
            Format::Xml => {
                let item = self.items.first().and_then(|items| items.rsplit(" > ").next());
                links::beside(&outline, &item.unwrap_or_default().replace('|', ":"))
            }
            _ => Vec::new(),
        };
        Some(Seen { page, body, outline, said, keys, contents, container: self.container() })
    }

    /// Returns the path of what holds the items.
    fn container(&self) -> String {
        let path = self.items.first().map_or("", String::as_str);
        let ends = [path.find("[*]"), path.find(".*")];
        let end = ends.into_iter().flatten().min().unwrap_or(path.len());
        path.get(..end).unwrap_or(path).to_owned()
    }

    /// Returns the first item of a page that has values, or `None`.
    pub fn first<'a>(&self, seen: &'a Seen) -> Option<&'a Value> {
        let is_whole = self.columns.is_none() && self.fields.is_empty();
        let container = at(&seen.body, &self.container()).filter(|_| is_whole)?;
        let first = match container {
            Value::Array(rows) => rows.first()?,
            Value::Object(members) => members.values().find_map(|it| match it {
                Value::Array(group) => group.first(),
                item => Some(item),
            })?,
            _ => return None,
        };
        let rest = self.items.first()?.split_once("[*]").map_or("", |(_, rest)| rest);
        if rest.contains('[') { None } else { at(first, rest) }
    }

    /// Returns the path of the last item's key, if the items are the elements of one list.
    pub fn last_key(&self) -> Option<String> {
        let items = self.items.first().filter(|_| self.items.len() == 1)?;
        let (container, rest) = items.split_once("[*]")?;
        if container.contains(".*") || rest.contains('[') {
            return None;
        }
        match self.keys.first()? {
            Key::Select(key) => Some(expr::below(&format!("{container}[-1]{rest}"), key)),
            _ => None,
        }
    }
}

/// Returns URLs from the top level of a page.
fn addresses(page: &Value) -> Vec<String> {
    let members = page.as_object().into_iter().flat_map(|members| members.values());
    let urls = members.filter_map(Value::as_str).filter(|text| text.starts_with("http"));
    urls.take(5).map(crate::model::text::plain).collect()
}

/// Returns the body of an item's page, or `None` if it is not a JSON object.
pub fn object(page: &Page) -> Option<Value> {
    json(page).ok().filter(Value::is_object)
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

#[cfg(test)]
mod tests;
