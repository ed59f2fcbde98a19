//! Fields: what the site file asks for, by name, taken from a page or an item as JSON text.
//!
//! A field that does not match is left out; one that is required and does not match, or that
//! cannot be made what it should be, is an error that names it. On HTML pages what is empty when
//! trimmed counts as not matched. On JSON pages values that need no conversion stay what they are,
//! white space and all; null counts as not matched where it would be converted or is required.
//!
//! Values are JSON text throughout, so that digits survive; but fractions of a JSON page were read
//! as doubles before, and `12.50` is `12.5`.

mod convert;
mod error;
mod pattern;

use std::borrow::Cow;
use std::ops::ControlFlow;

use bson::raw::RawBsonRef;
use encoding_rs::{Encoding, UTF_8};
use percent_encoding::percent_decode_str;

use super::html::{CssSelector, HtmlScope};
use super::json::Selector;
use super::{JsonPage, NoKey};
use crate::record::Key;

pub use error::FieldError;
pub(super) use error::shown;
pub use pattern::{Pattern, PatternError};

/// How to take a field from a page or an item.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRule {
    /// Where it is.
    pub select: Select,
    /// What of the text is kept: its first group, or all that it matches. Values that it does not
    /// match are passed over.
    pub regex: Option<Pattern>,
    /// What it is to become. Without it texts are texts, and values of a JSON page stay what they
    /// are.
    pub kind: Option<Kind>,
    /// Whether all values are taken, as a list, instead of the first one.
    pub many: bool,
    /// Whether a page without it is an error.
    pub required: bool,
    /// Whether white space around it is taken off, and folded within `::text`. Without, texts
    /// are as the page has them.
    pub trim: bool,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// On JSON pages.
    Json(Selector),
    /// On HTML pages.
    Css(CssSelector),
}

/// What a field's text is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text; a number of a JSON page becomes its digits.
    Text,
    /// An integer of any length.
    Integer,
    /// A number in JSON's syntax or nearly so (`+1`, `.5`).
    Number,
    /// true, false, 1, 0, yes or no, in small or capital letters.
    Bool,
    /// JSON within the text.
    Json,
}

/// Where fields are looked for.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// A value of a JSON page.
    Json {
        /// The page's value, or an item's.
        value: RawBsonRef<'a>,
        /// The page that it is on.
        page: &'a JsonPage,
    },
    /// An HTML page or an item on one.
    Html(HtmlScope<'a>),
}

/// A document made of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// A JSON object, its members in the order of the rules.
    pub text: String,
    /// Which of the rules matched, in their order.
    pub matched: Vec<bool>,
}

impl FieldRule {
    /// The rule that is a selector and nothing else.
    pub fn new(select: Select) -> FieldRule {
        FieldRule { select, regex: None, kind: None, many: false, required: false, trim: true }
    }

    /// Returns whether it takes what is a URL.
    fn takes_url(&self) -> bool {
        matches!(&self.select, Select::Css(selector) if selector.takes_url())
    }
}

impl Select {
    /// The selector as it was written.
    pub fn text(&self) -> &str {
        match self {
            Select::Json(selector) => selector.text(),
            Select::Css(selector) => selector.text(),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Text => "a text",
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::Bool => "true or false",
            Kind::Json => "JSON",
        })
    }
}

impl Scope<'_> {
    /// So many characters were replaced in JSON within a text of the page.
    fn replaced(self, characters: u64) {
        match self {
            Scope::Json { page, .. } => page.replaced(characters),
            Scope::Html(scope) => scope.page().replaced(characters),
        }
    }
}

/// The document that `fields` make of a page or an item.
///
/// # Errors
/// Where one of them is required and missing, or is not what it should be.
pub fn document<N: AsRef<str>>(
    fields: &[(N, FieldRule)],
    scope: Scope<'_>,
) -> Result<Fields, FieldError> {
    let mut text = String::from("{");
    let mut matched = Vec::with_capacity(fields.len());
    for (name, rule) in fields {
        let value = extract(name.as_ref(), rule, scope)?;
        matched.push(value.is_some());
        let Some(value) = value else { continue };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&convert::quoted(name.as_ref()));
        text.push(':');
        text.push_str(&value);
    }
    text.push('}');
    Ok(Fields { text, matched })
}

/// The field `name` as JSON text; nothing where it does not match.
///
/// # Errors
/// Where it is required and missing, or is not what it should be.
pub fn extract(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let mut values = Vec::new();
    each(name, rule, scope, |value| {
        values.extend(made(name, rule, value, scope)?);
        Ok(if rule.many || values.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    match (rule.many, values.is_empty()) {
        (_, true) if rule.required => Err(FieldError::Missing(name.to_owned())),
        (_, true) => Ok(None),
        (true, false) => Ok(Some(format!("[{}]", values.join(",")))),
        (false, false) => Ok(values.pop()),
    }
}

/// All that a rule finds, as JSON texts, for requests that are made of them: what is taken out of a
/// URL is decoded first, since it is encoded anew there. An entry is nothing where what was found
/// is not in UTF-8 then.
///
/// # Errors
/// As [`extract`].
pub fn for_requests(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Vec<Option<String>>, FieldError> {
    let mut found = Vec::new();
    each(name, rule, scope, |value| {
        match value {
            Value::Text(text) if rule.takes_url() => {
                if let Some(kept) = searched(name, rule, &text)? {
                    let kind = rule.kind.unwrap_or(Kind::Text);
                    let json = |text: Cow<'_, str>| converted(name, kind, &text, scope);
                    found.push(decoded(&text, kept, UTF_8).map(json).transpose()?);
                }
            }
            value => found.extend(made(name, rule, value, scope)?.map(Some)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if found.is_empty() && rule.required {
        return Err(FieldError::Missing(name.to_owned()));
    }
    Ok(found)
}

/// An item's key. What is taken out of a URL (`::attr(href)`) is decoded once, after `regex`, so
/// that an encoded slash is no slash to it; from `charset` where it is not in UTF-8. `many`,
/// `required` and the kind play no part.
///
/// # Errors
/// Where nothing matches or what does is no key.
pub fn key(rule: &FieldRule, scope: Scope<'_>, charset: &'static Encoding) -> Result<Key, NoKey> {
    if let (Select::Json(selector), None, Scope::Json { value, page }) =
        (&rule.select, &rule.regex, scope)
    {
        let found = selector.first(value, page.budget());
        return found.map_err(|error| NoKey::Page(error.to_string()))?.ok_or(NoKey::Missing)?.key();
    }
    let mut found = None;
    let mut wrong = None;
    let walked = each("key", rule, scope, |value| {
        let text = match &value {
            Value::Text(text) => Some(Cow::Borrowed(&**text)),
            Value::Json(RawBsonRef::Null | RawBsonRef::Boolean(_)) => None,
            Value::Json(value) => convert::plain(*value).map(Cow::Owned),
        };
        let Some(text) = text else {
            wrong = Some(NoKey::Kind(value.kind()));
            return Ok(ControlFlow::Break(()));
        };
        let kept = searched("key", rule, &text)?;
        found = kept.map(|kept| match rule.takes_url() {
            true => decoded(&text, kept, charset).map(Cow::into_owned),
            false => Some(kept.to_owned()),
        });
        Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    walked.map_err(|error| NoKey::Page(error.to_string()))?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let text = found.ok_or(NoKey::Missing)?;
    Ok(Key::new(&text.ok_or(NoKey::Encoding)?)?)
}

/// A part of a URL as what it stands for: percent-decoded, and where it lies in the query, with
/// blanks for `+`, as browsers' forms write them. Nothing where it is neither in UTF-8 then nor in
/// `charset`.
fn decoded<'t>(url: &str, part: &'t str, charset: &'static Encoding) -> Option<Cow<'t, str>> {
    let begin = (part.as_ptr() as usize).saturating_sub(url.as_ptr() as usize);
    let before = url.get(..begin).unwrap_or_default();
    let is_query = before.contains('?') && !before.contains('#');
    let part = match is_query && part.contains('+') {
        true => Cow::Owned(part.replace('+', " ")),
        false => Cow::Borrowed(part),
    };
    if !part.contains('%') {
        return Some(part);
    }
    let bytes: Vec<u8> = percent_decode_str(&part).collect();
    let text = String::from_utf8(bytes).or_else(|error| {
        let text = charset.decode_without_bom_handling_and_without_replacement(error.as_bytes());
        text.map(Cow::into_owned).ok_or(error)
    });
    text.ok().map(Cow::Owned)
}

/// The key in the location of a sitemap's entry, decoded once, as in a link; nothing where
/// the pattern does not match.
///
/// # Errors
/// Where what it matches is no key.
pub fn key_of_location(pattern: &Pattern, location: &str) -> Result<Option<Key>, NoKey> {
    let found =
        pattern.find(location).map_err(|_| NoKey::Page("its location is too long".into()))?;
    let Some(text) = found else { return Ok(None) };
    let text = decoded(location, text, UTF_8).ok_or(NoKey::Encoding)?;
    Ok(Some(Key::new(&text)?))
}

/// What a selector found.
enum Value<'a> {
    Text(Cow<'a, str>),
    Json(RawBsonRef<'a>),
}

impl Value<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Value::Json(RawBsonRef::Array(_)) => "a list",
            Value::Json(RawBsonRef::Document(_)) => "an object",
            Value::Json(RawBsonRef::Null) => "null",
            Value::Json(RawBsonRef::Boolean(_)) => "a truth value",
            _ => "text",
        }
    }
}

/// Hands on what the rule's selector finds, until `take` breaks off or fails.
fn each(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
    mut take: impl FnMut(Value<'_>) -> Result<ControlFlow<()>, FieldError>,
) -> Result<(), FieldError> {
    let mut failed = Ok(());
    let mut taken = |value| {
        take(value).unwrap_or_else(|error| {
            failed = Err(error);
            ControlFlow::Break(())
        })
    };
    let walked = match (&rule.select, scope) {
        (Select::Json(selector), Scope::Json { value, page }) => {
            selector.each(value, page.budget(), |found| taken(Value::Json(found.as_raw())))
        }
        (Select::Css(selector), Scope::Html(scope)) => {
            selector.each_text(scope, rule.trim, |text| taken(Value::Text(text)))
        }
        _ => return Err(FieldError::Format(name.to_owned())),
    };
    walked.map_err(|source| FieldError::Page { name: name.to_owned(), source })?;
    failed
}

/// The value as JSON text of the rule's kind; nothing where there is nothing to it.
fn made(
    name: &str,
    rule: &FieldRule,
    value: Value<'_>,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let kind = rule.kind.unwrap_or(Kind::Text);
    let text = match value {
        Value::Text(text) => text,
        Value::Json(value) => {
            let converted = rule.kind.is_some() || rule.regex.is_some();
            if !converted {
                let is_missing = rule.required && !rule.many && value == RawBsonRef::Null;
                return Ok((!is_missing).then(|| crate::document::value_to_text(value)));
            }
            let as_it_is = || convert::value_as_it_is(kind, value);
            if let Some(ready) = rule.regex.is_none().then(as_it_is).flatten() {
                return Ok(Some(ready));
            }
            if value == RawBsonRef::Null {
                return Ok(None);
            }
            let text = convert::plain(value);
            Cow::Owned(
                text.ok_or_else(|| wrong(name, kind, &crate::document::value_to_text(value)))?,
            )
        }
    };
    let Some(kept) = searched(name, rule, &text)? else { return Ok(None) };
    converted(name, kind, kept, scope).map(Some)
}

/// A text as JSON text of that kind; what stands in it as U+FFFD is counted.
fn converted(name: &str, kind: Kind, text: &str, scope: Scope<'_>) -> Result<String, FieldError> {
    let (json, replaced) = convert::text(kind, text).ok_or_else(|| wrong(name, kind, text))?;
    if replaced > 0 {
        scope.replaced(replaced);
    }
    Ok(json)
}

fn wrong(name: &str, kind: Kind, value: &str) -> FieldError {
    FieldError::Conversion { name: name.to_owned(), kind, value: shown(value) }
}

/// What the rule keeps of a text; nothing where its regex does not match or nothing is left.
fn searched<'t>(
    name: &str,
    rule: &FieldRule,
    text: &'t str,
) -> Result<Option<&'t str>, FieldError> {
    let kept = match &rule.regex {
        None => Some(text),
        Some(regex) => regex.find(text).map_err(|_| FieldError::TooLong(name.to_owned()))?,
    };
    let trimmed = kept.map(|kept| if rule.trim { kept.trim() } else { kept });
    Ok(trimmed.filter(|kept| !kept.is_empty()))
}

#[cfg(test)]
mod tests;
