//! Fields: named values that the site file selects, taken from a page or an item as JSON text.
//!
//! A field that does not match is left out. It is an error if a required field does not match, or
//! if a value cannot be converted; the error names the field.
//!
//! On HTML pages, a value that is empty after trimming counts as not matched. On JSON pages, values
//! without a conversion are kept unchanged, including white space; null counts as not matched if it
//! would be converted or is required.
//!
//! Values are JSON text throughout, so that digits are preserved. Fractions of a JSON page are the
//! exception: they have been read as doubles before, so `12.50` becomes `12.5`.

mod around;
mod convert;
mod date;
mod error;
mod pattern;

use std::borrow::Cow;
use std::ops::ControlFlow;

use bson::raw::RawBsonRef;
use encoding_rs::{Encoding, UTF_8};
use percent_encoding::percent_decode_str;

use super::html::HtmlScope;
use super::selection::{Match, Select, StepError};
use super::{JsonPage, NoKey};
use crate::model::record::Key;

pub use around::{Around, From, document, found, taken, value};
pub use convert::plain as plain_text;
pub use error::FieldError;
pub use error::shown;
pub use pattern::{Pattern, PatternError};

/// Rule for taking a field from a page or an item.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRule {
    /// Selector of the value.
    pub select: Select,
    /// Pattern whose first group, or else whole match, is kept of the text. Values that do not
    /// match are skipped.
    pub regex: Option<Pattern>,
    /// Type to convert the value to. `None` keeps texts as texts, and values of a JSON page
    /// unchanged.
    pub kind: Option<Kind>,
    /// True to take all values, as a list, instead of the first one.
    pub many: bool,
    /// True if a page without the field is an error.
    pub required: bool,
    /// True to trim white space, and to fold it within `::text`. False to keep texts as they are on
    /// the page.
    pub trim: bool,
    /// True to take all matches of the regex in a text, instead of the first one.
    pub all: bool,
    /// How dates and numbers are written.
    pub notation: Notation,
    /// Fields of an object for each selected place. If empty, the rule takes values.
    pub fields: Vec<(Box<str>, FieldRule)>,
    /// Source of the value.
    pub from: From,
    /// JSON text of the value if nothing matches, or `None` to leave the field out.
    pub default: Option<Box<str>>,
    /// JSONPath with `{name}` of values that were taken before, instead of `select`.
    pub path: Option<Box<str>>,
}

/// How a site writes dates and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notation {
    /// Format of a date, in the notation of `strftime`, or `None` for the usual ones.
    pub format: Option<Box<str>>,
    /// Decimal mark of numbers, if it is not the point, or if groups of digits are separated.
    pub decimal: Option<char>,
}

/// Type to convert a field's text to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text. A number of a JSON page becomes its digits.
    Text,
    /// An integer of any length.
    Integer,
    /// A number in JSON's syntax, or nearly (`+1`, `.5`).
    Number,
    /// `true`, `false`, `1`, `0`, `yes` or `no`, in any case.
    Bool,
    /// JSON within a text.
    Json,
    /// An absolute URL; a relative one is resolved against the page's.
    Url,
    /// A date or time, as RFC 3339 writes it.
    Date,
}

/// Place in which to select fields.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// A value of a JSON page.
    Json {
        /// Value of the page or of an item.
        value: RawBsonRef<'a>,
        /// Page that holds the value.
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
    /// For each rule, in order, true if it matched.
    pub matched: Vec<bool>,
}

impl FieldRule {
    /// Creates a rule that only has a selector.
    pub fn new(select: Select) -> FieldRule {
        FieldRule {
            select,
            regex: None,
            kind: None,
            many: false,
            required: false,
            trim: true,
            all: false,
            notation: Notation::default(),
            fields: Vec::new(),
            from: From::Item,
            default: None,
            path: None,
        }
    }

    /// Returns `true` if the value is from the page of an item, and not from its list.
    pub fn is_of_page(&self) -> bool {
        matches!(self.from, From::Item | From::Header(_))
    }

    /// Returns `true` if the value is a list.
    pub fn is_list(&self) -> bool {
        self.many || self.all || !self.fields.is_empty()
    }

    /// Returns the selectors of the rule and of the fields within it.
    pub fn selects(&self) -> Vec<&Select> {
        let within = self.fields.iter().flat_map(|(_, rule)| rule.selects());
        std::iter::once(&self.select).chain(within).collect()
    }

    /// Returns `true` if the rule takes a URL.
    fn takes_url(&self) -> bool {
        self.select.takes_url()
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
            Kind::Url => "a URL",
            Kind::Date => "a date",
        })
    }
}

impl Scope<'_> {
    /// Returns a URL on the page as an absolute one, or `None` if it is not a URL.
    fn resolved(self, text: &str) -> Option<String> {
        let url = match self {
            Scope::Html(scope) => scope.page().resolve(text),
            Scope::Json { page, .. } => page.base()?.join(text.trim()).ok(),
        };
        url.map(String::from)
    }

    /// Adds to the number of characters that were replaced in JSON within a text of the page.
    pub(super) fn replaced(self, characters: u64) {
        match self {
            Scope::Json { page, .. } => page.replaced(characters),
            Scope::Html(scope) => scope.page().replaced(characters),
        }
    }
}

/// Returns the field `name` as JSON text, or `None` if it does not match.
///
/// # Errors
/// Returns an error if the field is required and missing, or its value cannot be converted.
pub fn extract(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let mut values = Vec::new();
    if !rule.fields.is_empty() {
        return around::objects(name, rule, scope);
    }
    each(name, rule, scope, |value| {
        match rule.all {
            true => values.extend(all_made(name, rule, value, scope)?),
            false => values.extend(made(name, rule, value, scope)?),
        }
        Ok(if rule.many || values.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    match (rule.many || rule.all, values.is_empty()) {
        (_, true) if rule.required => Err(FieldError::Missing(name.to_owned())),
        (_, true) => Ok(None),
        (true, false) => Ok(Some(format!("[{}]", values.join(",")))),
        (false, false) => Ok(values.pop()),
    }
}

/// Returns all matches of the rule's regex in a value, as JSON texts of the rule's type.
fn all_made(
    name: &str,
    rule: &FieldRule,
    value: Value<'_>,
    scope: Scope<'_>,
) -> Result<Vec<String>, FieldError> {
    let text = match value {
        Value::Text(text) => text,
        Value::Json(RawBsonRef::Null) => return Ok(Vec::new()),
        Value::Json(value) => Cow::Owned(convert::plain(value).ok_or_else(|| {
            wrong(name, Kind::Text, &crate::model::document::value_to_text(value))
        })?),
    };
    let Some(regex) = &rule.regex else { return Ok(Vec::new()) };
    let found = regex.find_all(&text).map_err(|_| FieldError::TooLong(name.to_owned()))?;
    let trimmed = found.into_iter().map(|kept| if rule.trim { kept.trim() } else { kept });
    let kept = trimmed.filter(|kept| !kept.is_empty());
    kept.map(|kept| converted(name, rule, kept, scope)).collect()
}

/// Returns all values that a rule selects, as JSON texts to put into requests.
///
/// Values taken from a URL are decoded first, since the request encodes them again. An entry is
/// `None` if the decoded value is not UTF-8.
///
/// # Errors
/// Returns the same errors as [`extract`].
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
                    let json = |text: Cow<'_, str>| converted(name, rule, &text, scope);
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

/// Returns the key of an item.
///
/// A key taken from a URL (`::attr(href)`) is decoded once, after `regex` is applied, so that an
/// encoded slash does not count as a slash for the pattern. It is decoded from `charset` if it is
/// not UTF-8. The rule's `many`, `required` and `kind` are ignored.
///
/// # Errors
/// Returns an error if nothing matches, or the match is not a valid key.
pub fn key(rule: &FieldRule, scope: Scope<'_>, charset: &'static Encoding) -> Result<Key, NoKey> {
    if let (Select::Json(selector), None, Scope::Json { value, page }) =
        (&rule.select, &rule.regex, scope)
    {
        let found = selector.first(value, page.budget());
        return found.map_err(|error| NoKey::Page(error.to_string()))?.ok_or(NoKey::Missing)?.key();
    }
    let mut found = None;
    let mut wrong = None;
    let mut nothing = NoKey::Missing;
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
        if found.is_some() {
            return Ok(ControlFlow::Break(()));
        }
        nothing = NoKey::Regex;
        Ok(ControlFlow::Continue(()))
    });
    walked.map_err(|error| NoKey::Page(error.to_string()))?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let text = found.ok_or(nothing)?;
    Ok(Key::new(&text.ok_or(NoKey::Encoding)?)?)
}

/// Percent-decodes a part of a URL. In the query, `+` becomes a space, as in HTML forms. Returns
/// `None` if the result is neither UTF-8 nor in `charset`.
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

/// Returns the key in the location of a sitemap entry, decoded once, or `None` if the pattern does
/// not match.
///
/// # Errors
/// Returns an error if the match is not a valid key.
pub fn key_of_location(pattern: &Pattern, location: &str) -> Result<Option<Key>, NoKey> {
    let found =
        pattern.find(location).map_err(|_| NoKey::Page("its location is too long".into()))?;
    let Some(text) = found else { return Ok(None) };
    let text = decoded(location, text, UTF_8).ok_or(NoKey::Encoding)?;
    Ok(Some(Key::new(&text)?))
}

/// A value that a selector found.
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

/// Passes each value that the rule's selector finds to `take`, until `take` breaks or fails.
fn each(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
    mut take: impl FnMut(Value<'_>) -> Result<ControlFlow<()>, FieldError>,
) -> Result<(), FieldError> {
    let mut failed = Ok(());
    let mut taken = |value: Value<'_>| {
        take(value).unwrap_or_else(|error| {
            failed = Err(error);
            ControlFlow::Break(())
        })
    };
    let page = |source| FieldError::Page { name: name.to_owned(), source };
    let walked = match (&rule.select, scope) {
        (Select::Json(selector), Scope::Json { value, page }) => {
            selector.each(value, page.budget(), |found| taken(Value::Json(found.as_raw())))
        }
        (Select::Css(selector), Scope::Html(scope)) => {
            selector.each_text(scope, rule.trim, |text| taken(Value::Text(text)))
        }
        (Select::Steps(steps), scope) => {
            let walked = steps.each(scope, rule.trim, &mut |found| match found {
                Match::Text(text) => taken(Value::Text(text)),
                Match::Place(Scope::Json { value, .. }) => taken(Value::Json(value)),
                Match::Place(Scope::Html(_)) => ControlFlow::Continue(()),
            });
            match walked {
                Err(StepError::Limit(source)) => Err(source),
                Err(source) => return Err(FieldError::Step { name: name.to_owned(), source }),
                Ok(()) => Ok(()),
            }
        }
        _ => return Err(FieldError::Format(name.to_owned())),
    };
    walked.map_err(page)?;
    failed
}

/// Returns the value as JSON text of the rule's type, or `None` if it is empty or does not match.
fn made(
    name: &str,
    rule: &FieldRule,
    value: Value<'_>,
    scope: Scope<'_>,
) -> Result<Option<String>, FieldError> {
    let kind = rule.kind.unwrap_or(Kind::Text);
    let text =
        match value {
            Value::Text(text) => text,
            Value::Json(value) => {
                let converted = rule.kind.is_some() || rule.regex.is_some();
                if !converted {
                    let is_missing = rule.required && !rule.many && value == RawBsonRef::Null;
                    return Ok((!is_missing).then(|| crate::model::document::value_to_text(value)));
                }
                let as_it_is = || convert::value_as_it_is(kind, value);
                if let Some(ready) = rule.regex.is_none().then(as_it_is).flatten() {
                    return Ok(Some(ready));
                }
                if value == RawBsonRef::Null {
                    return Ok(None);
                }
                let text = convert::plain(value);
                Cow::Owned(text.ok_or_else(|| {
                    wrong(name, kind, &crate::model::document::value_to_text(value))
                })?)
            }
        };
    let Some(kept) = searched(name, rule, &text)? else { return Ok(None) };
    converted(name, rule, kept, scope).map(Some)
}

/// Converts a text to JSON text of the rule's type, and counts the characters replaced by U+FFFD.
fn converted(
    name: &str,
    rule: &FieldRule,
    text: &str,
    scope: Scope<'_>,
) -> Result<String, FieldError> {
    let kind = rule.kind.unwrap_or(Kind::Text);
    let made = match (kind, rule.notation.decimal) {
        (Kind::Url, _) => scope.resolved(text).map(|url| (convert::quoted(&url), 0)),
        (Kind::Date, _) => {
            date::text(text, rule.notation.format.as_deref()).map(|it| (convert::quoted(&it), 0))
        }
        (Kind::Number | Kind::Integer, Some(mark)) => {
            convert::without_groups(text, mark).and_then(|text| convert::text(kind, &text))
        }
        (kind, _) => convert::text(kind, text),
    };
    let (json, replaced) = made.ok_or_else(|| wrong(name, kind, text))?;
    if replaced > 0 {
        scope.replaced(replaced);
    }
    Ok(json)
}

fn wrong(name: &str, kind: Kind, value: &str) -> FieldError {
    FieldError::Conversion { name: name.to_owned(), kind, value: shown(value) }
}

/// Returns the part of a text that the rule keeps, or `None` if its regex does not match or the
/// rest is empty.
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
