//! Results of `gleaner check`: facts about two pages of the list and one item, and warnings about
//! them.
//!
//! Everything here is a function of the site and of the content of its pages. `gleaner check` makes
//! the requests and fills in the facts. `check/text.rs` formats them for people, serde for
//! programs.

mod access;
mod list;
mod redirects;
pub mod second;
mod text;

use std::time::Duration;

use bson::raw::RawBsonRef;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::extract::{Detail, PageError};
use crate::fetch::{FetchError, Header, Page, Redirect, Sample};
use crate::model::decoding::Decoding;
use crate::model::text::counted;
use crate::select::field;
use crate::select::{Format, JsonPage, Select, Selector};
use crate::site::{DetailRules, ItemRules, Site};

pub use access::Access;
pub use list::{ListFacts, going_on, of_list, shares};
pub use redirects::advice;

/// Maximum number of names, keys or examples to show.
pub const SHOWN: usize = 5;
/// Maximum number of bytes to show of a refused page.
const SAMPLE: usize = 160;

/// The facts and warnings that `gleaner check` prints.
#[derive(Debug, Default, Serialize)]
pub struct Check {
    /// Name of the site.
    pub site: Box<str>,
    /// Collection or table for its documents.
    pub collection: Box<str>,
    /// Hosts, files and headers that the site file uses.
    pub access: Access,
    /// Schedule by which `gleaner serve` starts sweeps, with the next start, or `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Requested pages, in order.
    pub requests: Vec<Asked>,
    /// Categories and sitemaps that pages named.
    pub named: Vec<Named>,
    /// Facts of the first list page.
    pub list: Option<ListFacts>,
    /// Key of the item that was read.
    pub key: Option<String>,
    /// Document that a crawl would store for it.
    pub document: Option<Box<RawValue>>,
    /// Warnings: the site fits the file, but these points should be checked.
    pub warnings: Vec<String>,
    /// Reason why the site does not fit the file, or `None` if it fits.
    pub misfit: Option<String>,
    /// Reason why the site could not be checked, or `None`: it cannot be reached, or fails.
    pub failed: Option<String>,
}

/// A requested page and its response.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Asked {
    /// Kind and name of the page.
    pub page: String,
    /// Method of the request.
    pub method: String,
    /// URL, without credentials.
    pub url: String,
    /// Status of the response, or `None` if there was none.
    pub status: Option<u16>,
    /// Time from the request to the end of the response, in milliseconds.
    pub ms: Option<u64>,
    /// Size of the decoded body, in bytes.
    pub bytes: Option<usize>,
    /// URL after the last redirect, or `None` without a redirect.
    pub redirected_to: Option<String>,
}

/// Categories or sitemaps that a page names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Kind of names, in one word.
    pub what: &'static str,
    /// Number of names.
    pub count: usize,
    /// The first [`SHOWN`] names.
    pub first: Vec<String>,
}

impl Check {
    /// Creates an empty result for `site`. `headers` are those that the user adds to requests.
    /// `now` is the time of the check.
    pub fn of(site: &Site, headers: &[Header], now: Timestamp) -> Check {
        let (name, collection) = (site.name.clone(), site.collection.clone());
        let access = Access::of(site, headers);
        let schedule = site.own.schedule.as_ref().map(|it| it.with_next(now));
        Check { site: name, collection, access, schedule, ..Check::default() }
    }

    /// Returns true if the site fits the file.
    pub fn fits(&self) -> bool {
        self.misfit.is_none() && self.failed.is_none()
    }

    /// Sets the document from its JSON text.
    pub fn store(&mut self, text: &str) {
        self.document = RawValue::from_string(text.to_owned()).ok();
    }
}

impl Asked {
    /// Adds the response to a request.
    pub fn answered(
        mut self,
        status: u16,
        took: Duration,
        bytes: usize,
        redirects: &[Redirect],
    ) -> Asked {
        self.status = Some(status);
        self.ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.bytes = Some(bytes);
        self.redirected_to = redirects.last().map(|last| last.to.clone());
        self
    }
}

impl Named {
    /// Creates a summary of `names`. `what` is their kind.
    pub fn of(what: &'static str, names: &[String]) -> Named {
        Named { what, count: names.len(), first: names.iter().take(SHOWN).cloned().collect() }
    }
}

/// Returns true if the site could not be reached at all.
pub fn is_unreachable(error: &FetchError) -> bool {
    matches!(error, FetchError::Connect(_) | FetchError::Timeout(_) | FetchError::Closed(_))
}

/// Explains a response with an error status, with a hint about the site file.
pub fn refused(status: u16, body: &[u8]) -> String {
    let hint = match status {
        401 | 403 | 418 => {
            "the site refuses the request: it may need `headers`, `user_agent` or `[session]` in the site file"
        }
        404 | 410 => "check `url` in the site file",
        405 => "check `method` in the site file",
        400 | 422 => "the site rejects the request: check `query`, `form` and `json`",
        429 => "too many requests: wait, then set `workers` low",
        500.. => "the site failed; it may be the request",
        _ => "not a page, unless `[answers] ok` in the site file lists this status",
    };
    format!("the site answered {status}; {hint}{}", quoted(body))
}

/// Explains why a page cannot be read, with a hint and a sample of the page.
pub fn unreadable(error: &PageError, page: &Page) -> String {
    let is_html = page.content_type().is_some_and(|kind| kind.contains("html"))
        || page.body.trim_ascii_start().starts_with(b"<");
    let hint = match error {
        PageError::Json(_) if is_html => "; it looks like HTML: set `format = \"html\"`?",
        PageError::Json(_) if is_call(&page.body) => {
            "; it looks like JSONP, a call of a function: write `within = { regex = '^[^(]*\\((.*)' }`"
        }
        PageError::Sitemap(_) => "; check that `url` is a sitemap",
        _ => "",
    };
    // A page that was parsed but has a wrong field is the right page, so its sample would not help.
    let sample = match error {
        PageError::Json(_)
        | PageError::OtherType { .. }
        | PageError::Unread { .. }
        | PageError::Columns(_)
        | PageError::Sitemap(_)
        | PageError::Require(_) => quoted(&page.body),
        _ => String::new(),
    };
    format!("{error}{hint}{sample}")
}

/// Returns true if a page looks like the call of a function with JSON in it.
fn is_call(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(SAMPLE)]);
    let text = text.trim_start();
    let text = text.strip_prefix("/**/").unwrap_or(text).trim_start();
    let name = text.split_once('(').filter(|(_, rest)| rest.trim_start().starts_with(['{', '[']));
    name.is_some_and(|(name, _)| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_$. ".contains(c);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || "_$".contains(c))
            && name.chars().all(is_part)
    })
}

/// Returns advice on a key of which no item has one: a list of paths is a list of steps.
pub fn key_hint(site: &Site) -> &'static str {
    let ItemRules::Selected { key, .. } = &site.index.items else { return "" };
    let Some(Select::Steps(steps)) = key.only().map(|rule| &rule.select) else { return "" };
    match steps.text().matches("$.").count() > 1 {
        true => {
            "; a list of paths is a list of steps, each applied to what the one before it found: a key of several parts is `key = { join = [\"…\", \"…\"] }`"
        }
        false => "",
    }
}

/// Returns a hint to the list that a page without items has elsewhere, or `None`.
pub fn list_on(site: &Site, page: &Page) -> Option<String> {
    let ItemRules::Selected { items, .. } = &site.index.items else { return None };
    let (shape, seen) = super::scaffold::list(page).ok()?;
    let found = shape.items.join("`, then `");
    let is_other = found != items.text() && site.index.reading.within.is_none();
    is_other.then(|| {
        let items = counted(seen.keys.len() as u64, "item", "items");
        format!("; the page has {items} at `{found}`")
    })
}

fn quoted(body: &[u8]) -> String {
    let sample = Sample::of(&body[..body.len().min(SAMPLE)]).map(Sample::into_text);
    let line = |text: Box<str>| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = if body.len() > SAMPLE { "…" } else { "" };
    sample.map(line).map_or_else(String::new, |text| format!(". It begins: {text}{cut}"))
}

/// Returns all errors of the fields of an item's page. Reading a page stops at the first error, so
/// the page is read again without each wrong field.
pub fn wrong_fields(
    rules: &DetailRules,
    first: &PageError,
    mut read: impl FnMut(&DetailRules) -> Option<PageError>,
) -> Vec<String> {
    let mut rules = rules.clone();
    let mut wrong = vec![first.to_string()];
    let mut name = name_of(first);
    while let Some(field) = name.take() {
        rules.fields.retain(|(name, _)| **name != *field);
        let next = if rules.fields.is_empty() { None } else { read(&rules) };
        name = next.as_ref().and_then(name_of);
        wrong.extend(next.filter(|_| name.is_some()).map(|error| error.to_string()));
    }
    wrong
}

fn name_of(error: &PageError) -> Option<String> {
    match error {
        PageError::Field(error) => Some(error.name().to_owned()),
        _ => None,
    }
}

/// Warns of a page whose bytes were not valid text.
fn odd_text(page: &str, decoding: Decoding) -> Vec<String> {
    let Decoding { replaced, is_guess } = decoding;
    let replaced = (replaced > 0).then(|| {
        format!(
            "{page}: {} could not be decoded and became U+FFFD",
            counted(replaced, "character", "characters")
        )
    });
    let guessed = is_guess.then(|| {
        format!("{page} declares no encoding and is not UTF-8; it was read as windows-1252")
    });
    replaced.into_iter().chain(guessed).collect()
}

/// Returns warnings about the document of an item; `text` is its JSON.
pub fn of_item(site: &Site, key: &str, detail: &Detail, text: &str) -> Vec<String> {
    let fields = site.detail.iter().flat_map(|rules| &rules.fields);
    let missing = fields.zip(&detail.matched).filter(|(_, matched)| !**matched);
    let mut odd: Vec<String> = missing
        .map(|((name, rule), _)| {
            let select = rule.select.text();
            format!("detail.fields.{name}: `{select}` matched nothing on the page of {key}")
        })
        .collect();
    odd.extend(nothing_required(site));
    odd.extend(unproven_parts(site));
    odd.extend(odd_text(&format!("the page of {key}"), detail.decoding));
    if let Ok(json) = JsonPage::parse(Bytes::copy_from_slice(text.as_bytes())) {
        odd.extend(other_key(site, key, &json));
        odd.extend(unmatched(site, &json).map(|path| {
            format!("ignore: `{}` matched nothing in the document of {key}", path.text())
        }));
        if matches!(json.value(), RawBsonRef::Document(it) if it.iter_elements().next().is_none()) {
            odd.push(format!("the document of {key} is empty"));
        }
    }
    odd
}

/// Warns if a page that is read as HTML is XML: in HTML, CDATA is a comment and a `<link>` is empty.
pub fn misread(table: &str, format: Format, page: &Page) -> Option<String> {
    let body = page.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&page.body).trim_ascii_start();
    let head = body[..body.len().min(SAMPLE)].to_ascii_lowercase();
    let is_xml = head.starts_with(b"<?xml") && !head.windows(5).any(|tag| tag == b"<html");
    (format == Format::Html && is_xml).then(|| {
        format!(
            "{table}: the page is XML and read as HTML, where CDATA is not text, names are in small letters and `<link>` is empty; `format = \"xml\"` reads it as it is"
        )
    })
}

/// Returns the selectors of `ignore` that match nothing.
fn unmatched<'s>(site: &'s Site, json: &JsonPage) -> impl Iterator<Item = &'s Selector> {
    let first = |path: &Selector| path.first(json.value(), json.budget());
    site.ignore.iter().filter(move |path| first(path).is_ok_and(|found| found.is_none()))
}

/// Warns if nothing distinguishes the page of an item from any other page.
fn nothing_required(site: &Site) -> Option<String> {
    site.takes_any_page().then(|| {
        "detail: any page counts as an item's, even an error or login page: set `require` to selectors that every item's page matches".to_owned()
    })
}

/// Warns of parts of which any page of HTML counts as one without entries.
fn unproven_parts(site: &Site) -> Vec<String> {
    let parts = site.detail.iter().flat_map(|rules| &rules.further.parts);
    let open = parts.filter(|part| part.require.is_empty() && part.items.reads().are_elements());
    open.map(|part| {
        format!("detail.parts.{}: any page counts as one without entries, even an error or login page: set `require` to selectors that every page of the list matches", part.name)
    })
    .collect()
}

/// Warns if the document has another key than the list.
fn other_key(site: &Site, key: &str, json: &JsonPage) -> Option<String> {
    let name = site.key_field()?;
    let ItemRules::Selected { key: rule, .. } = &site.index.items else { return None };
    let rule = rule.only()?;
    let RawBsonRef::Document(object) = json.value() else { return None };
    object.get(&*name).ok()??;
    let own = field::key(rule, json.scope(), encoding_rs::UTF_8);
    let says = match &own {
        Ok(own) if own.as_str() == key => return None,
        Ok(own) => own.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!(
        "the list has this item as {key}, but `{name}` in its document is {says}; check `key` and `url`"
    ))
}

#[cfg(test)]
mod tests;
