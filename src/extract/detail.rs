//! The page of an item to its document.

use std::ops::ControlFlow;

use bson::raw::RawBsonRef;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::field::{self, Fields, Scope};
use super::marks::refuse_marked;
use super::{Format, JsonPage, PageError, Select, Selector, html_page, json, said};
use crate::decoding::Decoding;
use crate::document::{self, Digest, Document, Encoding, Json, JsonError};
use crate::fetch::Page;
use crate::site::DetailRules;
use crate::task::Content;

/// A document, and which of the site file's fields its page had.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The document.
    pub document: Document,
    /// For each of the fields, in their order.
    pub matched: Vec<bool>,
    /// What the page says of when its item changed, where the site file selects it.
    pub revision: Option<Box<str>>,
    /// What was done to make text of the page.
    pub decoding: Decoding,
}

/// What a document is beside what its page says.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// What is kept of the list.
    pub listed: &'a Content,
    /// What plays no part in its digest.
    pub ignore: &'a [Selector],
    /// In which form it is to be.
    pub encoding: Encoding,
}

/// Reads the page of an item.
///
/// # Errors
/// Where it cannot be read, or lacks what is required.
pub fn detail(rules: &DetailRules, page: &Page, making: Making<'_>) -> Result<Detail, PageError> {
    match rules.format {
        Format::Html => {
            let html = html_page(page)?;
            let scope = Scope::Html(html.scope());
            refuse_marked(&rules.marks, scope)?;
            require(&rules.require, scope)?;
            let revision = revision(rules, scope)?;
            let detail = of_fields(rules, scope, making)?;
            Ok(Detail { revision, decoding: html.decoding(), ..detail })
        }
        Format::Json => {
            let json = JsonPage::read(page)?;
            refuse_marked(&rules.marks, json.scope())?;
            require(&rules.require, json.scope())?;
            let revision = revision(rules, json.scope())?;
            let detail = match &rules.document {
                _ if !rules.fields.is_empty() => of_fields(rules, part_of(rules, &json)?, making)?,
                Some(_) => of_text(part_of(rules, &json)?, making)?,
                None => {
                    let decoding = json.decoding();
                    let (json, text) = json.into_parts();
                    let document = made(json, &text, making)?;
                    return Ok(Detail { document, matched: Vec::new(), revision, decoding });
                }
            };
            Ok(Detail { revision, decoding: json.decoding(), ..detail })
        }
    }
}

/// What of a page is the document.
fn part_of<'a>(rules: &DetailRules, json: &'a JsonPage) -> Result<Scope<'a>, PageError> {
    let Some(part) = &rules.document else { return Ok(json.scope()) };
    let missing = || PageError::NoDocument(part.text().to_owned());
    let found = part.first(json.value(), json.budget())?;
    Ok(json.scope_of(found.ok_or_else(missing)?.as_raw()))
}

/// What a page says of when its item changed.
fn revision(rules: &DetailRules, scope: Scope<'_>) -> Result<Option<Box<str>>, PageError> {
    let Some(rule) = &rules.revision else { return Ok(None) };
    Ok(said::text("detail.revision", rule, scope)?)
}

/// The document of an item that has no page of its own.
///
/// # Errors
/// Where the list has nothing that can be one.
pub fn of_list(making: Making<'_>) -> Result<Detail, PageError> {
    let (text, listed) = match making.listed {
        Content::Object(text) => (Bytes::copy_from_slice(text.as_bytes()), &Content::Nothing),
        nothing => (Bytes::from_static(b"{}"), nothing),
    };
    let document = made(Json::parse(&text)?, &text, Making { listed, ..making })?;
    Ok(Detail { document, matched: Vec::new(), revision: None, decoding: Decoding::default() })
}

/// Whether a page has all that makes it one. A member that is null is not there: so error pages of
/// APIs that answer 200 look.
///
/// # Errors
/// The first that it has not.
pub fn require(selects: &[Select], scope: Scope<'_>) -> Result<(), PageError> {
    for select in selects {
        let matches = match (select, scope) {
            (Select::Json(selector), Scope::Json { value, page }) => {
                let mut is_there = false;
                selector.each(value, page.budget(), |found| {
                    is_there = found.as_raw() != RawBsonRef::Null;
                    if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                is_there
            }
            (Select::Css(selector), Scope::Html(scope)) => selector.matches(scope)?,
            _ => false,
        };
        if !matches {
            return Err(PageError::Require(select.text().to_owned()));
        }
    }
    Ok(())
}

/// The document that the site file's fields make.
fn of_fields(
    rules: &DetailRules,
    scope: Scope<'_>,
    making: Making<'_>,
) -> Result<Detail, PageError> {
    let Fields { text, matched } = field::document(&rules.fields, scope)?;
    if !matched.contains(&true) {
        // Else a page that is empty, or another than was asked for, would take a document's place.
        return Err(PageError::Nothing);
    }
    let text = Bytes::from(text);
    let document = made(Json::parse(&text)?, &text, making)?;
    Ok(Detail { document, matched, revision: None, decoding: Decoding::default() })
}

/// The document that a value of a page is.
fn of_text(scope: Scope<'_>, making: Making<'_>) -> Result<Detail, PageError> {
    let Scope::Json { value, .. } = scope else { return Err(PageError::Nothing) };
    let text = Bytes::from(document::value_to_text(value));
    let document = made(Json::parse(&text)?, &text, making)?;
    Ok(Detail { document, matched: Vec::new(), revision: None, decoding: Decoding::default() })
}

/// The document that a page's text is, with what is kept of the list.
fn made(json: Json, text: &Bytes, making: Making<'_>) -> Result<Document, PageError> {
    let Making { listed, ignore, encoding } = making;
    let (json, text) = match listed {
        Content::Nothing => (json, text.clone()),
        Content::Object(listed) => {
            let merged = Bytes::from(merged(listed, text)?);
            (Json::parse(&merged)?, merged)
        }
        Content::Unreadable(message) => return Err(PageError::Listed(message.clone())),
    };
    let digest = match ignore {
        [] => None,
        ignore => Some(digest_without(ignore, &json)?),
    };
    let document = Document::new(json, &text, encoding)?;
    Ok(Document { digest: digest.unwrap_or(document.digest), ..document })
}

/// The members of both objects; where both have one, that of the page.
fn merged(listed: &str, page: &[u8]) -> Result<String, JsonError> {
    type Members = IndexMap<String, Box<RawValue>>;
    let page = page.strip_prefix(b"\xef\xbb\xbf").unwrap_or(page);
    let mut members: Members = serde_json::from_str(listed)?;
    members.extend(serde_json::from_slice::<Members>(page)?);
    Ok(serde_json::to_string(&members)?)
}

/// The digest of a document without the parts that play no part in it.
fn digest_without(ignore: &[Selector], json: &Json) -> Result<Digest, PageError> {
    let kept = Bytes::from(json::without(ignore, json.value(), &Budget::default())?);
    Ok(Document::new(Json::parse(&kept)?, &kept, Encoding::Text)?.digest)
}
