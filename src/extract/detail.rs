//! Turns the page of an item into its document.

use std::ops::ControlFlow;

use bson::raw::RawBsonRef;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::marks::refuse_marked;
use super::opened::open;
use super::{PageError, hints, said};
use crate::fetch::Page;
use crate::model::decoding::Decoding;
use crate::model::document::{self, Digest, Document, Encoding, Json, JsonError};
use crate::model::task::Content;
use crate::select::budget::Budget;
use crate::select::field::{self, Around, Fields, Scope};
use crate::select::{FieldRule, Format, JsonPage, Select, Selector, json};
use crate::site::{DetailRules, Reading};

/// A document, and the fields that its page had.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The document.
    pub document: Document,
    /// For each field of the site file, in order, true if the page had it.
    pub matched: Vec<bool>,
    /// Revision of the item, or `None` if the page has none or the site file does not select it.
    pub revision: Option<Box<str>>,
    /// How the page was decoded.
    pub decoding: Decoding,
}

/// Inputs of a document beside its page.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// Part of the list entry to keep.
    pub listed: &'a Content,
    /// Selectors of the parts that the digest leaves out.
    pub ignore: &'a [Selector],
    /// Form in which to store the document.
    pub encoding: Encoding,
}

/// Reads the page of an item.
///
/// # Errors
/// Returns an error if the page cannot be read, or lacks what is required.
pub fn detail(rules: &DetailRules, page: &Page, making: Making<'_>) -> Result<Detail, PageError> {
    let Reading { format, within, .. } = &rules.reading;
    let is_whole = rules.fields.is_empty() && rules.document.is_none() && within.is_none();
    if is_whole && *format == Format::Json {
        let json = JsonPage::read(page)?;
        let revision = checked(rules, json.scope())?;
        refuse_error(rules, json.scope())?;
        let decoding = json.decoding();
        let (json, text) = json.into_parts();
        let document = made(json, &text, making)?;
        return Ok(Detail { document, matched: Vec::new(), revision, decoding });
    }
    let around = Around { response: Some(page), ..Around::default() };
    let (detail, decoding) = open(&rules.reading, page, |scope| {
        let revision = checked(rules, scope)?;
        let detail = in_part(rules, scope, |part| match rules.fields.as_slice() {
            [] => of_text(part, making),
            _ => of_fields(rules, part, around, making),
        })?;
        Ok(Detail { revision, ..detail })
    })?;
    Ok(Detail { decoding, ..detail })
}

/// Refuses a page that is not an item's. Returns the revision that it says.
pub(super) fn checked(
    rules: &DetailRules,
    scope: Scope<'_>,
) -> Result<Option<Box<str>>, PageError> {
    refuse_marked(&rules.marks, scope)?;
    require(&rules.require, scope)?;
    revision(rules, scope)
}

/// Passes the part of a page that is the document to `take`.
pub(super) fn in_part<T>(
    rules: &DetailRules,
    scope: Scope<'_>,
    take: impl FnOnce(Scope<'_>) -> Result<T, PageError>,
) -> Result<T, PageError> {
    let Some(part) = &rules.document else { return take(scope) };
    let (mut take, mut made) = (Some(take), None);
    part.each_place(scope, |place| {
        made = take.take().map(|take| take(place));
        ControlFlow::Break(())
    })?;
    made.ok_or_else(|| PageError::NoDocument(part.text().to_owned()))?
}

/// Refuses a page that says nothing but that the site failed. Where `require` is given, that alone
/// decides.
pub(super) fn refuse_error(rules: &DetailRules, scope: Scope<'_>) -> Result<(), PageError> {
    match scope {
        Scope::Json { value, .. } if rules.require.is_empty() => {
            hints::failed(value).map_or(Ok(()), |name| Err(PageError::OnlyError(name)))
        }
        Scope::Json { .. } | Scope::Html(_) => Ok(()),
    }
}

/// Returns the revision of the item, or `None` if the page has none or the site file does not
/// select it.
fn revision(rules: &DetailRules, scope: Scope<'_>) -> Result<Option<Box<str>>, PageError> {
    let Some(rule) = &rules.revision else { return Ok(None) };
    Ok(said::text("detail.revision", rule, scope)?)
}

/// Makes the document of an item that has no page of its own.
///
/// # Errors
/// Returns an error if the list entry cannot be a document.
pub fn of_list(making: Making<'_>) -> Result<Detail, PageError> {
    let (text, listed) = match making.listed {
        Content::Object(text) => (Bytes::copy_from_slice(text.as_bytes()), &Content::Nothing),
        nothing => (Bytes::from_static(b"{}"), nothing),
    };
    let document = made(Json::parse(&text)?, &text, Making { listed, ..making })?;
    Ok(Detail { document, matched: Vec::new(), revision: None, decoding: Decoding::default() })
}

/// Checks that the page has everything that `selects` require. A null member counts as missing:
/// error pages of APIs that answer with status 200 look like this.
///
/// # Errors
/// Returns [`PageError::Require`] for the first that is missing.
pub fn require(selects: &[Select], scope: Scope<'_>) -> Result<(), PageError> {
    for select in selects {
        if !select.is_there(scope, |value| value != RawBsonRef::Null)? {
            return Err(PageError::Require(select.text().to_owned()));
        }
    }
    Ok(())
}

/// Makes the document from the site file's fields.
fn of_fields(
    rules: &DetailRules,
    scope: Scope<'_>,
    around: Around<'_>,
    making: Making<'_>,
) -> Result<Detail, PageError> {
    let Fields { text, matched } = field::found(&rules.fields, scope, around)?;
    if !matched.contains(&true) {
        // An empty page, or a wrong one, must not replace a document.
        return Err(PageError::Nothing);
    }
    let text = Bytes::from(with_defaults(rules, text, making.listed)?);
    let document = made(Json::parse(&text)?, &text, making)?;
    Ok(Detail { document, matched, revision: None, decoding: Decoding::default() })
}

/// Adds the defaults of fields that neither the page nor the list has.
pub(super) fn with_defaults(
    rules: &DetailRules,
    text: String,
    listed: &Content,
) -> Result<String, JsonError> {
    let has_default = |rule: &FieldRule| rule.default.is_some();
    if !rules.fields.iter().any(|(_, rule)| has_default(rule)) {
        return Ok(text);
    }
    let mut members: Members = serde_json::from_str(&text)?;
    let listed: Members = match listed {
        Content::Object(listed) => serde_json::from_str(listed)?,
        _ => Members::new(),
    };
    for (name, rule) in &rules.fields {
        let is_there = members.contains_key(&**name) || listed.contains_key(&**name);
        if let Some(default) = rule.default.as_deref().filter(|_| !is_there) {
            members.insert((**name).into(), RawValue::from_string(default.to_owned())?);
        }
    }
    Ok(serde_json::to_string(&members)?)
}

/// Makes the document from a value of a page.
fn of_text(scope: Scope<'_>, making: Making<'_>) -> Result<Detail, PageError> {
    let Scope::Json { value, .. } = scope else { return Err(PageError::Nothing) };
    let text = Bytes::from(document::value_to_text(value));
    let document = made(Json::parse(&text)?, &text, making)?;
    Ok(Detail { document, matched: Vec::new(), revision: None, decoding: Decoding::default() })
}

/// Makes the document from a page's text and the kept part of the list entry.
pub(super) fn made(json: Json, text: &Bytes, making: Making<'_>) -> Result<Document, PageError> {
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

/// The members of a JSON object.
pub(super) type Members = IndexMap<String, Box<RawValue>>;

/// Merges the members of both objects. The page's member wins where both have one.
fn merged(listed: &str, page: &[u8]) -> Result<String, JsonError> {
    let page = page.strip_prefix(b"\xef\xbb\xbf").unwrap_or(page);
    let mut members: Members = serde_json::from_str(listed)?;
    members.extend(serde_json::from_slice::<Members>(page)?);
    Ok(serde_json::to_string(&members)?)
}

/// Returns the digest of a document without the ignored parts.
fn digest_without(ignore: &[Selector], json: &Json) -> Result<Digest, PageError> {
    let kept = Bytes::from(json::without(ignore, json.value(), &Budget::default())?);
    Ok(Document::new(Json::parse(&kept)?, &kept, Encoding::Text)?.digest)
}
