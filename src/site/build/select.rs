//! Selectors and fields.

use super::super::file::{KindName, RuleTable, Rules};
use super::super::written::{At, Chain, Short};
use super::{Wrong, wrong};
use crate::select::field::{Kind, Pattern};
use crate::select::{FieldRule, Finds, Part, Select, SelectError, Selector};

/// Parses a JSONPath.
pub fn selector(key: &str, text: &At<String>) -> Result<Selector, Wrong> {
    Selector::parse(&text.value).map_err(|error| wrong(text, key, error.to_string()))
}

/// Parses a selector that is applied to `on`.
pub fn select(key: &str, steps: &At<Chain>, on: Finds) -> Result<Select, Wrong> {
    Select::parse(&steps.value.0, on).map_err(|error| {
        let taken_for = match (&error, on) {
            (SelectError::Json(_), _) => "JSON",
            (SelectError::Css(_), Finds::Nodes) => "XML",
            (SelectError::Css(_), _) => "HTML",
            _ => return wrong(steps, key, error.to_string()),
        };
        let hint = format!("the pages are read as {taken_for}; set `format` to change it");
        wrong(steps, key, format!("{error} ({hint})"))
    })
}

/// Parses a selector of a value, with its options.
pub fn rule(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<FieldRule, Wrong> {
    let mut table = table(key, value)?;
    // A regex at the end is what `regex` is.
    if let (None, Chain(steps)) = (&table.regex, &mut table.select)
        && let Some(Part::Regex(regex)) = steps.last()
        && steps.len() > 1
    {
        table.regex = Some(regex.clone());
        steps.pop();
    }
    let select = select(key, &At { at: value.at, value: table.select }, on)?;
    if select.finds().are_elements() {
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
pub fn single(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<FieldRule, Wrong> {
    match rule(key, value, on)? {
        FieldRule { many: true, .. } => {
            Err(wrong(value, key, "`many` is not valid here: a single value is expected"))
        }
        rule => Ok(rule),
    }
}

/// Parses a selector of a key. A key is always a text and always required.
pub fn key(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<FieldRule, Wrong> {
    if let Short::Table(RuleTable { kind, many, required, .. }) = &value.value {
        let there = [("as", kind.is_some()), ("many", *many), ("required", *required)];
        if let Some((name, _)) = there.iter().find(|(_, is_there)| *is_there) {
            let message = format!("`{name}` is not valid here: a key is always a required text");
            return Err(wrong(value, key, message));
        }
    }
    rule(key, value, on)
}

/// Parses a selector of items. They are taken whole, so it has no options.
pub fn items(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<Select, Wrong> {
    let table = table(key, value)?;
    if table != (RuleTable { select: table.select.clone(), ..RuleTable::default() }) {
        return Err(wrong(value, key, "only a selector is valid here: items are taken whole"));
    }
    let items = select(key, &At { at: value.at, value: table.select }, on)?;
    if matches!(items, Select::Steps(_)) && items.finds() == Finds::Texts {
        let message = "items are values or elements, and the last step makes texts of them";
        return Err(wrong(value, key, message));
    }
    Ok(items)
}

/// Parses fields by name.
pub fn fields(key: &str, rules: &Rules, on: Finds) -> Result<Vec<(Box<str>, FieldRule)>, Wrong> {
    let field = |(name, value): (&String, _)| {
        Ok((name.as_str().into(), rule(&format!("{key}.{name}"), value, on)?))
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
        Short::Text(select) => {
            let select = Chain(vec![Part::Selector(select.clone())]);
            Ok(RuleTable { select, ..RuleTable::default() })
        }
        Short::Steps(steps) => Ok(RuleTable { select: steps.clone(), ..RuleTable::default() }),
        Short::Table(table) => Ok(table.clone()),
        Short::Number(number) => Err(wrong(value, key, format!("{number} is not a selector"))),
    }
}

/// Returns the steps of a selector as it was written, or `None` if it is none.
pub fn written(value: &Short<RuleTable>) -> Option<Chain> {
    match value {
        Short::Text(text) => Some(Chain(vec![Part::Selector(text.clone())])),
        Short::Steps(steps) => Some(steps.clone()),
        Short::Table(table) => Some(table.select.clone()),
        Short::Number(_) => None,
    }
}
