//! Documents made of fields, and values that stand around an item: on its page, in a header, in the
//! category, or as the name of a member.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{FieldError, FieldRule, Fields, Kind, Scope, Value};
use super::{all_made, convert, extract, made, wrong};
use crate::fetch::Page;
use crate::model::seed::SeedPath;
use crate::select::json::Selector;
use crate::select::selection::Select;
use crate::select::text::plain;

/// Source of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum From {
    /// The item, or the page that is read.
    #[default]
    Item,
    /// The whole page that has the item.
    Page,
    /// Value that the step before the last of `items` found: what holds the item.
    Parent,
    /// The innermost category of the list.
    Seed,
    /// The category of the list at a level, from 1, the outermost.
    Level(usize),
    /// A value of the categories of the list, by its name.
    SeedValue(Box<str>),
    /// The name of the member that is the item.
    Name,
    /// A header of the response, in lower case.
    Header(Box<str>),
}

/// Things around an item that its fields may take values from.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// Response that has the item.
    pub response: Option<&'a Page>,
    /// The whole page.
    pub page: Option<Scope<'a>>,
    /// Value that holds the item.
    pub parent: Option<Scope<'a>>,
    /// Categories of the list.
    pub seeds: Option<&'a SeedPath>,
    /// Name of the member that is the item.
    pub name: Option<&'a str>,
    /// Values that were taken before, by name, as JSON texts.
    pub values: &'a [(Arc<str>, Box<str>)],
}

/// Makes a document from the `fields` of a page or an item. A field that does not match has its default.
///
/// # Errors
/// Returns an error if a required field is missing, or a value cannot be converted.
pub fn document<N: AsRef<str>>(
    fields: &[(N, FieldRule)],
    scope: Scope<'_>,
    around: Around<'_>,
) -> Result<Fields, FieldError> {
    members(fields, scope, around, true)
}

/// Makes a document from what is found of the `fields` of a page or an item, without defaults.
///
/// # Errors
/// Returns the same errors as [`document`].
pub fn found<N: AsRef<str>>(
    fields: &[(N, FieldRule)],
    scope: Scope<'_>,
    around: Around<'_>,
) -> Result<Fields, FieldError> {
    members(fields, scope, around, false)
}

fn members<N: AsRef<str>>(
    fields: &[(N, FieldRule)],
    scope: Scope<'_>,
    around: Around<'_>,
    has_defaults: bool,
) -> Result<Fields, FieldError> {
    let mut text = String::from("{");
    let mut matched = Vec::with_capacity(fields.len());
    let mut before: Vec<(Arc<str>, Box<str>)> = Vec::new();
    let is_used = fields.iter().any(|(_, rule)| rule.path.is_some());
    for (name, rule) in fields {
        let name = name.as_ref();
        let value = taken(name, rule, scope, around, &before)?;
        // A default is nothing that was found.
        matched.push(value.is_some());
        let default = rule.default.as_deref().filter(|_| has_defaults);
        let Some(value) = value.or_else(|| default.map(str::to_owned)) else { continue };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&convert::quoted(name));
        text.push(':');
        text.push_str(&value);
        if is_used {
            before.push((name.into(), value.into()));
        }
    }
    text.push('}');
    Ok(Fields { text, matched })
}

/// Returns a value as [`taken`] does, or its default.
///
/// # Errors
/// Returns the same errors as [`taken`].
pub fn value(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
    around: Around<'_>,
    before: &[(Arc<str>, Box<str>)],
) -> Result<Option<String>, FieldError> {
    let value = taken(name, rule, scope, around, before)?;
    Ok(value.or_else(|| rule.default.as_deref().map(str::to_owned)))
}

/// Returns a value as JSON text from the item, or from what is around it, or `None` if it does not
/// match. `before` are the fields that were taken before.
///
/// # Errors
/// Returns an error if the field is required and missing, or its value cannot be converted.
pub fn taken(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
    around: Around<'_>,
    before: &[(Arc<str>, Box<str>)],
) -> Result<Option<String>, FieldError> {
    let text = match &rule.from {
        From::Item => return extract(name, rule, scope),
        From::Parent => {
            let parent = around.parent.ok_or_else(|| FieldError::Format(name.to_owned()))?;
            return extract(name, rule, parent);
        }
        From::Page => {
            let Some(page) = around.page else { return Err(FieldError::Format(name.to_owned())) };
            let Some(path) = &rule.path else { return extract(name, rule, page) };
            let Some(path) = filled(path, around.values, before) else {
                return missing(name, rule);
            };
            let select = Selector::parse(&path).map_err(|error| FieldError::Path {
                name: name.to_owned(),
                message: error.to_string(),
            })?;
            let rule = FieldRule { select: Select::Json(select), ..rule.clone() };
            return extract(name, &rule, page);
        }
        From::Seed => around.seeds.and_then(SeedPath::innermost),
        From::Level(level) => around.seeds.and_then(|seeds| seeds.at(*level)),
        From::SeedValue(of) => {
            let json = around.seeds.and_then(|seeds| seeds.value(of)).filter(|it| *it != "null");
            let is_kept = rule.kind.is_none() && rule.regex.is_none();
            let Some(json) = json.filter(|_| !is_kept) else {
                return json.map_or_else(|| missing(name, rule), |json| Ok(Some(json.to_owned())));
            };
            let Some(text) = plain(json) else {
                return Err(wrong(name, rule.kind.unwrap_or(Kind::Text), json));
            };
            return of_text(name, rule, &text, scope);
        }
        From::Name => around.name,
        From::Header(header) => around.response.and_then(|response| response.header(&**header)),
    };
    match text {
        None => missing(name, rule),
        Some(text) => of_text(name, rule, text, scope),
    }
}

/// Returns a value made from a text that stands around an item.
fn of_text(
    name: &str,
    rule: &FieldRule,
    text: &str,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let text = Value::Text(Cow::Borrowed(text));
    if rule.all {
        let all = all_made(name, rule, text, scope)?;
        return if all.is_empty() {
            missing(name, rule)
        } else {
            Ok(Some(format!("[{}]", all.join(","))))
        };
    }
    match made(name, rule, text, scope)? {
        Some(value) => Ok(Some(value)),
        None => missing(name, rule),
    }
}

pub(super) fn missing(name: &str, rule: &FieldRule) -> Result<Option<String>, FieldError> {
    if rule.required { Err(FieldError::Missing(name.to_owned())) } else { Ok(None) }
}

/// Returns true for the name of a value. Other braces, as in a regular expression, stay.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns a JSONPath with `{name}` replaced by values, escaped for a string in quotes, or `None`
/// if a value is missing.
fn filled(
    path: &str,
    values: &[(Arc<str>, Box<str>)],
    before: &[(Arc<str>, Box<str>)],
) -> Option<String> {
    let mut filled = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((text, after)) = rest.split_once('{') {
        filled.push_str(text);
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_word(name)) else {
            filled.push('{');
            rest = after;
            continue;
        };
        let (_, json) = values.iter().chain(before).find(|(it, _)| **it == *name)?;
        for c in plain(json)?.chars() {
            if matches!(c, '\'' | '"' | '\\') {
                filled.push('\\');
            }
            filled.push(c);
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Returns a list with an object for each place that the rule selects.
pub(super) fn objects(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let (mut list, mut wrong) = (Vec::new(), None);
    let walked = rule.select.each_place(scope, |place| {
        match document(&rule.fields, place, Around::default()) {
            // A place with none of the fields is something else, such as a heading.
            Ok(fields) if fields.matched.contains(&true) => list.push(fields.text),
            Ok(_) => {}
            Err(error) => wrong = Some(error),
        }
        if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    walked.map_err(|source| FieldError::Step { name: name.to_owned(), source })?;
    match (wrong, list.is_empty()) {
        (Some(error), _) => Err(error.within(name)),
        (None, true) => missing(name, rule),
        (None, false) => Ok(Some(format!("[{}]", list.join(",")))),
    }
}
