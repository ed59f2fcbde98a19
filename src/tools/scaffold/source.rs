//! Reads a page in the format that it has, as values or as an outline of elements.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::expr::{literal, quoted};
use crate::fetch::Page;
use crate::model::document::{self, JsonError};
use crate::select::field::Pattern;
use crate::select::html::{HtmlPage, Outline};
use crate::select::{Format, JsonPage, Tree, decode};

/// Delimiters of CSV, the usual one first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Regular expression for JSON in a call of a function.
const CALL: &str = r"(?s)^[^\w]*[\w.$]+\s*\((.*)";

static CALLS: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::parse(CALL).ok());
static STATES: LazyLock<Option<Pattern>> = LazyLock::new(|| {
    Pattern::parse(r"(?:window\.|var |let |const |self\.)?([A-Za-z_$][\w$]*)\s*=\s*\{").ok()
});

/// The part of a page that holds its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The argument of a function: JSONP.
    Call,
    /// The text of a script that is JSON, by a CSS selector.
    Script(String),
    /// The object that a script assigns to a variable.
    State(String),
}

/// How a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Format of the page.
    pub format: Format,
    /// Delimiter of CSV.
    pub delimiter: u8,
    /// Part of the page that holds the values, or `None` for all of it.
    pub within: Option<Cut>,
}

/// Content of a page.
#[derive(Debug, Clone)]
pub enum Content {
    /// Values.
    Values(Value),
    /// Elements.
    Elements(Outline),
}

impl Default for Source {
    fn default() -> Source {
        Source { format: Format::Json, delimiter: crate::select::COMMA, within: None }
    }
}

impl Cut {
    /// Formats the part as the value of `within`.
    pub fn text(&self) -> String {
        match self {
            Cut::Call => format!("{{ regex = {} }}", literal(CALL)),
            Cut::Script(select) => quoted(&format!("{select}::text")),
            Cut::State(name) => {
                format!("[\"script::text\", {{ regex = {} }}]", literal(&state(name)))
            }
        }
    }
}

fn state(name: &str) -> String {
    format!(r"{}\s*=\s*(.*)", name.replace('$', r"\$"))
}

impl Source {
    /// Reads a page. Returns `None` if it is not of this format.
    pub fn read(&self, page: &Page) -> Option<Content> {
        let values = |value| Some(Content::Values(value));
        match (self.format, &self.within) {
            (Format::Json, None) => values(json(page).ok()?),
            (Format::Json, _) => values(called(page)?),
            (Format::Html, None) => {
                let read = HtmlPage::parse(&page.body, page.content_type(), &page.url).ok()?;
                Some(Content::Elements(read.outline()))
            }
            (Format::Html, Some(cut)) => {
                let read = HtmlPage::parse(&page.body, page.content_type(), &page.url).ok()?;
                values(scripted(cut, &read.outline())?)
            }
            (Format::Xml, _) => {
                let read = HtmlPage::parse_xml(&page.body, page.content_type(), &page.url).ok()?;
                Some(Content::Elements(read.outline()))
            }
            (format, _) => match Tree::read(format, self.delimiter, page).ok()? {
                Tree::Json(read) => values(value_of(read).ok()?),
                Tree::Html(_) => None,
            },
        }
    }
}

fn value_of(read: JsonPage) -> Result<Value, JsonError> {
    let text = document::value_to_text(read.value());
    Ok(serde_json::from_str(&text)?)
}

/// Reads a page of JSON.
///
/// # Errors
/// Returns an error if it is not JSON.
pub fn json(page: &Page) -> Result<Value, JsonError> {
    value_of(JsonPage::read(page)?)
}

fn called(page: &Page) -> Option<Value> {
    let text = decode(&page.body, page.content_type()).text;
    first_value(CALLS.as_ref()?.find(&text).ok()??)
}

/// Returns the value at the beginning of a text, whatever follows.
fn first_value(text: &str) -> Option<Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.next()?.ok().filter(|value| value.is_object() || value.is_array())
}

fn scripted(cut: &Cut, outline: &Outline) -> Option<Value> {
    let mut scripts = outline.0.iter().filter(|element| element.name == "script");
    match cut {
        Cut::Call => None,
        Cut::Script(select) => {
            let is_it = |kind: &str| select.contains(&format!("[type=\"{kind}\"]"));
            let found = scripts.find(|script| {
                script.attribute("id").is_some_and(|id| select.ends_with(&format!("#{id}")))
                    || script.attribute("type").is_some_and(is_it)
            });
            first_value(found?.text.as_str())
        }
        Cut::State(name) => {
            let regex = Pattern::parse(&state(name)).ok()?;
            scripts.find_map(|script| first_value(regex.find(&script.text).ok()??))
        }
    }
}

/// Returns the ways to read a page, best first.
pub fn sources(page: &Page) -> Vec<Source> {
    let kind = page.content_type().unwrap_or_default().to_ascii_lowercase();
    let body = page.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&page.body).trim_ascii_start();
    let of = |format| Source { format, ..Source::default() };
    if json(page).is_ok() {
        return vec![of(Format::Json)];
    }
    if body.starts_with(b"<") {
        return marked_up(page, body, &kind);
    }
    if called(page).is_some() {
        return vec![Source { within: Some(Cut::Call), ..Source::default() }];
    }
    if body.starts_with(b"{") || body.starts_with(b"[") {
        return vec![of(Format::Jsonl)];
    }
    delimiter(body).map(|delimiter| Source { delimiter, ..of(Format::Csv) }).into_iter().collect()
}

fn marked_up(page: &Page, body: &[u8], kind: &str) -> Vec<Source> {
    let head = body[..body.len().min(512)].to_ascii_lowercase();
    let is_html = head.windows(5).any(|tag| tag == b"<html") || head.starts_with(b"<!doctype html");
    let is_xml = head.starts_with(b"<?xml") || kind.contains("xml") && !kind.contains("html");
    if is_xml && !is_html {
        return vec![Source { format: Format::Xml, ..Source::default() }];
    }
    let html = Source { format: Format::Html, ..Source::default() };
    let outline = match html.read(page) {
        Some(Content::Elements(outline)) => outline,
        _ => return Vec::new(),
    };
    let mut sources = Vec::new();
    for script in outline.0.iter().filter(|element| element.name == "script") {
        let is_json = script.attribute("type").is_some_and(|kind| kind.contains("json"));
        let cut = match script.attribute("id") {
            Some(id) if is_json => Some(Cut::Script(format!("script#{id}"))),
            None if is_json => {
                let kind = script.attribute("type").unwrap_or_default();
                Some(Cut::Script(format!("script[type=\"{kind}\"]")))
            }
            _ => assigned(&script.text).map(Cut::State),
        };
        let source = cut.map(|cut| Source { within: Some(cut), ..html.clone() });
        sources.extend(source.filter(|source| !sources.contains(source)));
    }
    sources.push(html);
    sources
}

/// Returns the variable to which a script assigns an object, or `None`.
fn assigned(script: &str) -> Option<String> {
    let name = STATES.as_ref()?.find(script).ok()??;
    let regex = Pattern::parse(&state(name)).ok()?;
    first_value(regex.find(script).ok()??).map(|_| name.to_owned())
}

/// Returns the delimiter of CSV: the one that splits the first lines into equally many values.
fn delimiter(body: &[u8]) -> Option<u8> {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').take(5).collect();
    let lines = lines.split_last().map_or(&[][..], |(_, whole)| whole);
    let parts = |delimiter: u8| {
        let of = |line: &&[u8]| line.iter().filter(|byte| **byte == delimiter).count();
        let first = lines.first().map(of)?;
        let least = lines.iter().map(of).min()?;
        (first > 0 && least > 0).then_some(first)
    };
    let most = DELIMITERS.into_iter().filter_map(|it| Some((parts(it)?, it)));
    let best = most.max_by_key(|(parts, _)| *parts);
    best.filter(|_| lines.len() > 1).map(|(_, delimiter)| delimiter)
}

/// Returns the outline of a text of HTML, or `None` if it exceeds a limit.
pub fn outline_of(text: &str) -> Option<Outline> {
    let url = Url::parse("http://localhost/").ok()?;
    let body = Bytes::copy_from_slice(text.as_bytes());
    let read = HtmlPage::parse(&body, Some("text/html; charset=utf-8"), &url).ok()?;
    Some(read.outline())
}
