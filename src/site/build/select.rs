//! Selectors and fields.

use serde_json::Value;

use super::super::file::{FromName, KindName, RuleTable, Rules};
use super::super::rules::KeyRule;
use super::super::written::{At, Chain, Short};
use super::request::to_json;
use super::{Wrong, wrong};
use crate::fetch::HeaderName;
use crate::select::field::{From, Kind, Notation, Pattern};
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
    refuse_unfit(key, value, &table)?;
    if let Some(items) = table.items.take() {
        return block(key, value, &At { at: value.at, value: items }, &table, on);
    }
    // A regex at the end is what `regex` is.
    if let (None, Chain(steps)) = (&table.regex, &mut table.select)
        && let Some(Part::Regex(regex)) = steps.last()
        && steps.len() > 1
    {
        table.regex = Some(regex.clone());
        steps.pop();
    }
    let default = default(key, value, &table)?;
    let (from, path) = source(key, value, &table)?;
    if !matches!(from, From::Item | From::Page | From::Parent) || path.is_some() {
        // Such a value has no selector of its own.
        table.select = Chain(vec![Part::Selector("$".to_owned())]);
    }
    let is_whole = matches!(from, From::Item | From::Page | From::Parent) && path.is_none();
    let on = if is_whole { on } else { Finds::Values };
    let select = select(key, &At { at: value.at, value: table.select }, on)?;
    if select.finds().are_elements() {
        let message = "it selects elements, not values; append ::text or ::attr(name)";
        return Err(wrong(value, key, message));
    }
    let regex = table.regex.as_deref().map(Pattern::parse).transpose();
    Ok(FieldRule {
        regex: regex.map_err(|error| wrong(value, key, error.to_string()))?,
        kind: table.kind.map(kind),
        many: table.many,
        required: table.required,
        trim: table.trim.unwrap_or(true),
        all: table.all,
        notation: Notation {
            format: table.format.map(Into::into),
            decimal: decimal(key, value, table.decimal.as_deref())?,
        },
        from,
        path,
        default,
        ..FieldRule::new(select)
    })
}

/// Returns the default of a field as JSON text. It must be of the type that the field has.
fn default(
    key: &str,
    value: &At<Short<RuleTable>>,
    table: &RuleTable,
) -> Result<Option<Box<str>>, Wrong> {
    let Some(written) = &table.default else { return Ok(None) };
    let json = to_json(written);
    let is_list = table.many || table.all || table.items.is_some();
    let message = match (&json, table.kind) {
        _ if table.required => "not valid together with `required`",
        (None, _) => "a number that is infinite or not a number is no JSON",
        (Some(Value::Array(_)), _) if is_list => "",
        _ if is_list => "the field is a list, so its default is one, such as []",
        (Some(json), Some(KindName::Integer)) if !json.is_i64() => "it must be an integer",
        (Some(json), Some(KindName::Number)) if !json.is_number() => "it must be a number",
        (Some(json), Some(KindName::Bool)) if !json.is_boolean() => "it must be true or false",
        (Some(json), Some(KindName::Text | KindName::Url | KindName::Date))
            if !json.is_string() =>
        {
            "it must be a text"
        }
        _ => "",
    };
    match json.filter(|_| message.is_empty()) {
        Some(json) => Ok(Some(json.to_string().into())),
        None => Err(wrong(value, &format!("{key}.default"), message)),
    }
}

fn kind(name: KindName) -> Kind {
    match name {
        KindName::Text => Kind::Text,
        KindName::Integer => Kind::Integer,
        KindName::Number => Kind::Number,
        KindName::Bool => Kind::Bool,
        KindName::Json => Kind::Json,
        KindName::Url => Kind::Url,
        KindName::Date => Kind::Date,
    }
}

/// Builds the rule of a list of objects, one for each of `items`.
fn block(
    key: &str,
    value: &At<Short<RuleTable>>,
    items: &At<Chain>,
    table: &RuleTable,
    on: Finds,
) -> Result<FieldRule, Wrong> {
    let only = RuleTable {
        fields: table.fields.clone(),
        required: table.required,
        default: table.default.clone(),
        ..RuleTable::default()
    };
    if *table != only {
        let message = "with `items`, only `fields`, `required` and `default` are valid";
        return Err(wrong(value, key, message));
    }
    let select = select(&format!("{key}.items"), items, on)?;
    let within = match select.finds() {
        Finds::Texts => {
            let message = "items are values or elements, and the last step makes texts of them";
            return Err(wrong(value, &format!("{key}.items"), message));
        }
        finds => finds,
    };
    let fields = fields(&format!("{key}.fields"), &table.fields, within)?;
    if fields.is_empty() {
        return Err(wrong(value, key, "`items` needs `fields`, the fields of each object"));
    }
    if let Some((name, _)) = fields.iter().find(|(_, rule)| rule.from != From::Item) {
        let message = "within repeated parts, values are taken from the part only";
        return Err(wrong(value, &format!("{key}.fields.{name}"), message));
    }
    // The selector was taken from the table: it says that this is a list.
    let list = RuleTable { many: true, ..table.clone() };
    let default = default(key, value, &list)?;
    Ok(FieldRule { required: table.required, fields, default, ..FieldRule::new(select) })
}

/// Returns the source of a value, and its JSONPath if that has values in it.
fn source(
    key: &str,
    value: &At<Short<RuleTable>>,
    table: &RuleTable,
) -> Result<(From, Option<Box<str>>), Wrong> {
    let has_select = table.select != Chain::default();
    let from = match (table.from, &table.header) {
        (None, Some(name)) => match name.parse::<HeaderName>() {
            Ok(name) => From::Header(name.as_str().into()),
            Err(_) => return Err(wrong(value, key, format!("`{name}` is not a header name"))),
        },
        (Some(_), Some(_)) => {
            return Err(wrong(value, key, "either `from` or `header`, not both"));
        }
        (None | Some(FromName::Item), None) => From::Item,
        (Some(FromName::Page), None) => From::Page,
        (Some(FromName::Parent), None) => From::Parent,
        (Some(FromName::Seed), None) => match (&table.name, table.level) {
            (None, None) => From::Seed,
            (Some(name), None) => From::SeedValue(name.as_str().into()),
            (None, Some(level)) => From::Level(usize::try_from(level).unwrap_or(usize::MAX)),
            (Some(_), Some(_)) => {
                let message = "either `name` or `level`: a value's name tells its level";
                return Err(wrong(value, key, message));
            }
        },
        (Some(FromName::Name), None) => From::Name,
    };
    let needs_select = matches!(from, From::Item | From::Page | From::Parent);
    if has_select != needs_select {
        let message = match needs_select {
            true => "missing: `select`, the selector of the value",
            false => "`select` is not valid with this source",
        };
        return Err(wrong(value, key, message));
    }
    let path = match (&from, table.select.0.as_slice()) {
        (From::Page, [Part::Selector(text)])
            if text.trim_start().starts_with('$') && text.contains('{') =>
        {
            Some(text.trim().into())
        }
        _ => None,
    };
    Ok((from, path))
}

fn decimal(
    key: &str,
    value: &At<Short<RuleTable>>,
    mark: Option<&str>,
) -> Result<Option<char>, Wrong> {
    match mark {
        None => Ok(None),
        Some("," | ".") => Ok(mark.and_then(|mark| mark.chars().next())),
        Some(_) => Err(wrong(value, key, "`decimal` is `,` or `.`")),
    }
}

/// Rejects options that have no effect together. Otherwise the mistake would be ignored silently.
fn refuse_unfit(key: &str, value: &At<Short<RuleTable>>, table: &RuleTable) -> Result<(), Wrong> {
    let is_number = matches!(table.kind, Some(KindName::Number | KindName::Integer));
    let message = if table.join.is_some() || table.with.is_some() {
        "`join` and `with` are valid for a key only"
    } else if table.media_type.is_some() {
        "`type` is valid in [detail.files] only"
    } else if table.all && table.regex.is_none() {
        "`all` needs `regex`: it takes all matches"
    } else if table.format.is_some() && table.kind != Some(KindName::Date) {
        "`format` needs `as = \"date\"`"
    } else if table.decimal.is_some() && !is_number {
        "`decimal` needs `as = \"number\"` or `as = \"integer\"`"
    } else if (table.name.is_some() || table.level.is_some()) && table.from != Some(FromName::Seed)
    {
        "`name` and `level` need `from = \"seed\"`"
    } else if table.items.is_none() && !table.fields.is_empty() {
        "`fields` needs `items`, the selector of the repeated parts"
    } else {
        return Ok(());
    };
    Err(wrong(value, key, message))
}

/// Parses a selector of a single value, such as the URL of an item's page.
pub fn single(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<FieldRule, Wrong> {
    match rule(key, value, on)? {
        FieldRule { all: true, .. } => {
            Err(wrong(value, key, "`all` is not valid here: a single value is expected"))
        }
        FieldRule { fields, .. } if !fields.is_empty() => {
            Err(wrong(value, key, "`items` is not valid here: a single value is expected"))
        }
        FieldRule { default: Some(_), .. } => Err(wrong(value, key, "`default` is not valid here")),
        FieldRule { from, .. } if from != From::Item => {
            Err(wrong(value, key, "`from` and `header` are not valid here"))
        }
        FieldRule { many: true, .. } => {
            Err(wrong(value, key, "`many` is not valid here: a single value is expected"))
        }
        rule => Ok(rule),
    }
}

/// Parses the rule of a key. A key is always a text and always required.
pub fn key(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<KeyRule, Wrong> {
    if let Short::Table(RuleTable { join: Some(join), with, .. }) = &value.value {
        let only =
            RuleTable { join: Some(join.clone()), with: with.clone(), ..RuleTable::default() };
        if value.value != Short::Table(only) {
            return Err(wrong(value, key, "with `join`, only `with` is valid"));
        }
        if join.len() < 2 {
            return Err(wrong(value, key, "`join` needs two selectors or more"));
        }
        let parts = join.iter().map(|part| key_part(key, part, on));
        let with = with.as_deref().unwrap_or(":").into();
        return Ok(KeyRule { parts: parts.collect::<Result<_, _>>()?, with });
    }
    Ok(KeyRule { parts: vec![key_part(key, value, on)?], with: "".into() })
}

fn key_part(key: &str, value: &At<Short<RuleTable>>, on: Finds) -> Result<FieldRule, Wrong> {
    if let Short::Table(RuleTable { kind, many, required, all, items, default, .. }) = &value.value
    {
        let there = [
            ("as", kind.is_some()),
            ("many", *many),
            ("required", *required),
            ("all", *all),
            ("items", items.is_some()),
            ("default", default.is_some()),
        ];
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
