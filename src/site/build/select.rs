//! Selectors and fields.

use super::super::file::{KindName, RuleTable, Rules};
use super::super::written::{At, Short};
use super::{Wrong, wrong};
use crate::select::field::{Kind, Pattern};
use crate::select::html::CssSelector;
use crate::select::{FieldRule, Format, Select, Selector};

/// Parses a JSONPath.
pub fn selector(key: &str, text: &At<String>) -> Result<Selector, Wrong> {
    Selector::parse(&text.value).map_err(|error| wrong(text, key, error.to_string()))
}

/// Parses a selector for pages of this format.
pub fn select(key: &str, text: &At<String>, format: Format) -> Result<Select, Wrong> {
    let hint = |error: String, other: &str| {
        wrong(
            text,
            key,
            format!("{error} (the pages are read as {other}; set `format` to change it)"),
        )
    };
    match format {
        Format::Json => Selector::parse(&text.value)
            .map(Select::Json)
            .map_err(|error| hint(error.to_string(), "JSON")),
        Format::Html => CssSelector::parse(&text.value)
            .map(Select::Css)
            .map_err(|error| hint(error.to_string(), "HTML")),
    }
}

/// Parses a selector of a value, with its options.
pub fn rule(key: &str, value: &At<Short<RuleTable>>, format: Format) -> Result<FieldRule, Wrong> {
    let table = table(key, value)?;
    let text = At { at: value.at, value: table.select.clone() };
    let select = select(key, &text, format)?;
    if let Select::Css(selector) = &select
        && !selector.takes_text()
    {
        let message = "it selects elements, not values; append ::text or ::attr(name)";
        return Err(wrong(value, key, message));
    }
    let regex = table.regex.as_deref().map(Pattern::parse).transpose();
    Ok(FieldRule {
        select,
        regex: regex.map_err(|error| wrong(value, key, error.to_string()))?,
        kind: table.kind.map(|kind| match kind {
            KindName::Text => Kind::Text,
            KindName::Integer => Kind::Integer,
            KindName::Number => Kind::Number,
            KindName::Bool => Kind::Bool,
            KindName::Json => Kind::Json,
        }),
        many: table.many,
        required: table.required,
        trim: table.trim.unwrap_or(true),
    })
}

/// Parses a selector of a single value, such as the URL of an item's page.
pub fn single(key: &str, value: &At<Short<RuleTable>>, format: Format) -> Result<FieldRule, Wrong> {
    match rule(key, value, format)? {
        FieldRule { many: true, .. } => {
            Err(wrong(value, key, "`many` is not valid here: a single value is expected"))
        }
        rule => Ok(rule),
    }
}

/// Parses a selector of a key. A key is always a text and always required.
pub fn key(key: &str, value: &At<Short<RuleTable>>, format: Format) -> Result<FieldRule, Wrong> {
    if let Short::Table(RuleTable { kind, many, required, .. }) = &value.value {
        let there = [("as", kind.is_some()), ("many", *many), ("required", *required)];
        if let Some((name, _)) = there.iter().find(|(_, is_there)| *is_there) {
            let message = format!("`{name}` is not valid here: a key is always a required text");
            return Err(wrong(value, key, message));
        }
    }
    rule(key, value, format)
}

/// Parses a selector of items. They are taken whole, so it has no options.
pub fn items(key: &str, value: &At<Short<RuleTable>>, format: Format) -> Result<Select, Wrong> {
    let table = table(key, value)?;
    if table != (RuleTable { select: table.select.clone(), ..RuleTable::default() }) {
        return Err(wrong(value, key, "only a selector is valid here: items are taken whole"));
    }
    select(key, &At { at: value.at, value: table.select }, format)
}

/// Parses fields by name.
pub fn fields(
    key: &str,
    rules: &Rules,
    format: Format,
) -> Result<Vec<(Box<str>, FieldRule)>, Wrong> {
    let field = |(name, value): (&String, _)| {
        Ok((name.as_str().into(), rule(&format!("{key}.{name}"), value, format)?))
    };
    rules.iter().map(field).collect()
}

/// Parses a regular expression on the location of a sitemap entry.
pub fn location(key: &str, value: &At<Short<RuleTable>>) -> Result<Pattern, Wrong> {
    match &value.value {
        Short::Text(text) => {
            Pattern::parse(text).map_err(|error| wrong(value, key, error.to_string()))
        }
        _ => Err(wrong(value, key, "must be a regular expression: an entry has only a location")),
    }
}

fn table(key: &str, value: &At<Short<RuleTable>>) -> Result<RuleTable, Wrong> {
    match &value.value {
        Short::Text(select) => Ok(RuleTable { select: select.clone(), ..RuleTable::default() }),
        Short::Table(table) => Ok(table.clone()),
        Short::Number(number) => Err(wrong(value, key, format!("{number} is not a selector"))),
    }
}
