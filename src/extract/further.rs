//! Documents of several requests: the first page of an item, its further pages, and the pages of its
//! parts.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::detail::{
    Making, Members, checked, in_part, made, refuse_error, require, with_defaults,
};
use super::hints;
use super::marks::refuse_marked;
use super::opened::open;
use super::said::{self, Heard};
use super::{Detail, PageError};
use crate::fetch::Page;
use crate::model::assembly::{Assembly, Files};
use crate::model::decoding::Decoding;
use crate::model::document::{self, Document, Json, JsonError};
use crate::select::field::{self, Around, FieldError, Fields, Scope};
use crate::select::{Format, JsonPage};
use crate::site::{DetailRules, FileRule, NamedValue, PageSaid, Paging, PartRules};

/// The first page of an item that needs further requests.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstPage {
    /// JSON object of what the page has for the document.
    pub document: Box<str>,
    /// For each field of the site file, in order, true if the page had it.
    pub matched: Vec<bool>,
    /// Revision of the item, or `None` if the page has none or the site file does not select it.
    pub revision: Option<Box<str>>,
    /// Values for the requests of the parts, by name.
    pub values: Vec<NamedValue>,
    /// Files that the page names.
    pub files: Vec<Files>,
    /// Statements about further pages.
    pub page: FurtherPage,
}

/// A page of an item, or of one of its parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FurtherPage {
    /// The document with this page, or `None` if it is a page of a part.
    pub document: Option<Box<str>>,
    /// The entries on a page of a part, as JSON texts.
    pub entries: Vec<String>,
    /// Statements about the pages that follow.
    pub said: PageSaid,
    /// Reason why it is not known which pages follow, as a sentence.
    pub gap: Option<String>,
    /// Odd statements of the page, as sentences.
    pub odd: Vec<String>,
    /// How the page was decoded.
    pub decoding: Decoding,
}

/// Reads the first page of an item.
///
/// # Errors
/// Returns an error if the page cannot be read, or lacks what is required.
pub fn first(rules: &DetailRules, page: &Page) -> Result<FirstPage, PageError> {
    let is_whole = rules.fields.is_empty() && rules.document.is_none();
    if is_whole && rules.reading.within.is_none() && rules.reading.format == Format::Json {
        let json = JsonPage::read(page)?;
        refuse_error(rules, json.scope())?;
        let (decoding, read) = (json.decoding(), first_in(rules, page, json.scope())?);
        let (_, text) = json.into_parts();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let document = object(&String::from_utf8_lossy(text))?;
        let page = FurtherPage { decoding, ..read.page };
        return Ok(FirstPage { document, page, ..read });
    }
    let (read, decoding) = open(&rules.reading, page, |scope| first_in(rules, page, scope))?;
    let page = FurtherPage { decoding, ..read.page };
    Ok(FirstPage { page, ..read })
}

fn first_in(rules: &DetailRules, page: &Page, scope: Scope<'_>) -> Result<FirstPage, PageError> {
    let revision = checked(rules, scope)?;
    let around = Around { response: Some(page), ..Around::default() };
    let Fields { text, matched } = in_part(rules, scope, |part| match (&*rules.fields, part) {
        ([], Scope::Json { value, .. }) => {
            let text = document::value_to_text(value);
            Ok(Fields { text: object(&text)?.into(), matched: Vec::new() })
        }
        ([], Scope::Html(_)) => Err(PageError::Nothing),
        (fields, part) => {
            let fields = field::found(fields, part, around)?;
            if fields.matched.contains(&true) { Ok(fields) } else { Err(PageError::Nothing) }
        }
    })?;
    let mut values: Vec<NamedValue> = Vec::new();
    for (name, rule) in &rules.further.values {
        let value = field::value(name, rule, scope, around, &values)?;
        values.extend(value.map(|value| (name.clone(), value.into())));
    }
    if !rules.fields.is_empty() {
        let members: IndexMap<Box<str>, &RawValue> =
            serde_json::from_str(&text).map_err(JsonError::from)?;
        let defaults = rules.fields.iter().filter(|(name, _)| !members.contains_key(name));
        let defaults: Vec<NamedValue> = defaults
            .filter_map(|(name, rule)| Some((Arc::from(&**name), rule.default.clone()?)))
            .collect();
        let is_used = |name: &str| {
            let mut used = rules.further.parts.iter().flat_map(|part| &part.values);
            used.any(|it| **it == *name)
        };
        let used = members.into_iter().filter(|(name, _)| is_used(name));
        values.extend(used.map(|(name, json)| (Arc::from(name), json.get().into())));
        values.extend(defaults.into_iter().filter(|(name, _)| is_used(name)));
    }
    let files = files(rules, scope, around)?;
    let page = next(rules, page, scope)?;
    Ok(FirstPage { document: text.into(), matched, revision, values, files, page })
}

/// Returns the files that the page of an item names.
fn files(
    rules: &DetailRules,
    scope: Scope<'_>,
    around: Around<'_>,
) -> Result<Vec<Files>, PageError> {
    let mut files = Vec::new();
    for (name, FileRule { url: rule, .. }) in &rules.further.files {
        let Some(found) = field::taken(name, rule, scope, around, &[])? else { continue };
        let urls: Vec<Box<str>> = match rule.is_list() {
            true => serde_json::from_str(&found).map_err(JsonError::from)?,
            false => vec![serde_json::from_str(&found).map_err(JsonError::from)?],
        };
        let (name, is_list) = (name.clone(), rule.is_list());
        files.push(Files { name, is_list, urls, stored: Vec::new() });
    }
    Ok(files)
}

/// Returns what a page of an item says about the item's next page.
fn next(rules: &DetailRules, page: &Page, scope: Scope<'_>) -> Result<FurtherPage, PageError> {
    let paging = rules.further.next.as_ref().unwrap_or(&Paging::Single);
    let Heard { said, odd, gap } = said::of_page(paging, None, page, scope, 1)?;
    Ok(FurtherPage { said, gap, odd, ..FurtherPage::default() })
}

/// Returns a JSON text if it is that of an object.
fn object(text: &str) -> Result<Box<str>, PageError> {
    match text.trim_start().starts_with('{') {
        true => Ok(text.into()),
        false => Err(JsonError::NoObject.into()),
    }
}

/// Reads the page that `assembly` requests.
///
/// # Errors
/// Returns an error if the page cannot be read, or lacks what is required.
pub fn further(
    rules: &DetailRules,
    assembly: &Assembly,
    page: &Page,
) -> Result<FurtherPage, PageError> {
    let (reading, part) = match rules.part_of(&assembly.page.list) {
        Some(part) => (&part.reading, Some(part)),
        None => (&rules.reading, None),
    };
    let (read, decoding) = open(reading, page, |scope| match part {
        Some(part) => of_part(part, page, scope),
        None => of_item(rules, assembly, page, scope),
    })?;
    Ok(FurtherPage { decoding, ..read })
}

/// Reads a further page of the item: appends lists, and adds fields that no page before it had.
fn of_item(
    rules: &DetailRules,
    assembly: &Assembly,
    page: &Page,
    scope: Scope<'_>,
) -> Result<FurtherPage, PageError> {
    refuse_marked(&rules.marks, scope)?;
    require(&rules.require, scope)?;
    let around = Around { response: Some(page), ..Around::default() };
    let mut members: Members = serde_json::from_str(&assembly.document).map_err(JsonError::from)?;
    let has_any = in_part(rules, scope, |part| {
        let mut has_any = false;
        for (name, rule) in &rules.fields {
            let before = members.get(&**name).map(|it| it.get());
            if before.is_some() && !rule.is_list() {
                continue;
            }
            let Some(found) = field::taken(name, rule, part, around, &[])? else { continue };
            has_any |= rule.is_list();
            let json = before.map_or(found.clone(), |before| appended(before, &found));
            members.insert((**name).into(), RawValue::from_string(json).map_err(JsonError::from)?);
        }
        Ok(has_any)
    })?;
    if !has_any {
        // An empty page, or a wrong one, must not pass as the end of an article.
        return Err(PageError::Nothing);
    }
    let document = serde_json::to_string(&members).map_err(JsonError::from)?;
    Ok(FurtherPage { document: Some(document.into()), ..next(rules, page, scope)? })
}

/// Returns a JSON list with the elements of both.
fn appended(list: &str, more: &str) -> String {
    let within = |list: &str| {
        let list = list.trim();
        let list = list.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
        list.unwrap_or_default().trim().to_owned()
    };
    let both = [within(list), within(more)];
    let both: Vec<&str> = both.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    format!("[{}]", both.join(","))
}

/// Reads a page of a part.
fn of_part(rules: &PartRules, page: &Page, scope: Scope<'_>) -> Result<FurtherPage, PageError> {
    refuse_marked(&rules.marks, scope)?;
    require(&rules.require, scope)?;
    let (mut entries, mut wrong) = (Vec::new(), None);
    rules.items.each_place(scope, |place| {
        match entry(rules, place) {
            Ok(entry) => entries.extend(entry),
            Err(error) => wrong = Some(error),
        }
        if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = wrong {
        return Err(error.within(&rules.name).into());
    }
    let (paging, goes_on) = (&rules.paging, rules.goes_on.as_ref());
    let Heard { mut said, odd, gap } = said::of_page(paging, goes_on, page, scope, entries.len())?;
    let list = hints::List {
        paging,
        items: &rules.items,
        has_require: !rules.require.is_empty(),
        more: rules.more,
    };
    said.hints = hints::of_page(list, page, scope, &said)?;
    Ok(FurtherPage { entries, said, gap, odd, ..FurtherPage::default() })
}

/// Returns an entry as JSON text, or `None` if it has none of the fields: then it is something else,
/// such as a heading.
fn entry(rules: &PartRules, scope: Scope<'_>) -> Result<Option<String>, FieldError> {
    match (&*rules.fields, scope) {
        ([], Scope::Json { value, .. }) => Ok(Some(document::value_to_text(value))),
        ([], Scope::Html(_)) => Err(FieldError::Format("items".to_owned())),
        (fields, scope) => {
            let Fields { text, matched } = field::document(fields, scope, Around::default())?;
            Ok(matched.contains(&true).then_some(text))
        }
    }
}

/// Makes the document of an item whose pages were all read.
///
/// # Errors
/// Returns an error if they do not make a document.
pub fn assembled(
    rules: &DetailRules,
    assembly: &Assembly,
    making: Making<'_>,
) -> Result<Detail, PageError> {
    let mut members: Members = serde_json::from_str(&assembly.document).map_err(JsonError::from)?;
    for part in &assembly.parts {
        let list = RawValue::from_string(format!("[{}]", part.entries)).map_err(JsonError::from)?;
        members.insert((*part.name).into(), list);
    }
    for Files { name, is_list, stored, .. } in &assembly.files {
        let stored = stored.join(",");
        let json = if *is_list { format!("[{stored}]") } else { stored };
        members.insert((**name).into(), RawValue::from_string(json).map_err(JsonError::from)?);
    }
    let text = serde_json::to_string(&members).map_err(JsonError::from)?;
    let text = Bytes::from(with_defaults(rules, text, making.listed)?);
    let document: Document = made(Json::parse(&text)?, &text, making)?;
    let (matched, revision) = (Vec::new(), None);
    Ok(Detail { document, matched, revision, decoding: Decoding::default() })
}
