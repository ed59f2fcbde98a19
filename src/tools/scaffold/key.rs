//! Finds what distinguishes the items of a list: fields whose values are distinct.

use std::collections::HashSet;

use serde_json::Value;

use super::expr::{literal, member, quoted, table};
use crate::extract::names::plain;

/// Names of key fields, best first, without case and punctuation.
const KEYS: [&str; 12] =
    ["id", "uuid", "guid", "slug", "key", "pk", "isbn", "doi", "sku", "code", "objectid", "oid"];
/// Names of fields that serve as keys if there is nothing better.
const WEAK_KEYS: [&str; 10] =
    ["name", "title", "url", "link", "href", "self", "email", "permalink", "path", "date"];
/// Names of fields that are a part of a key, beside a number that starts anew for each of them.
const KINDS: [&str; 8] =
    ["type", "kind", "media_type", "category", "lang", "language", "source", "model"];
/// Regular expression for the last segment of a path.
pub const LAST_SEGMENT: &str = "([^/]+)/?$";

/// A key of an item, as the site file writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The value that a selector finds.
    Select(String),
    /// A part of it.
    Part(String, String),
    /// Several values.
    Join(Vec<String>),
    /// The name of the member that is the item.
    Name,
}

impl Key {
    /// Formats the key as TOML.
    pub fn text(&self) -> String {
        match self {
            Key::Select(select) => quoted(select),
            Key::Part(select, regex) => {
                table(&[("select", quoted(select)), ("regex", literal(regex))])
            }
            Key::Join(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| quoted(part)).collect();
                format!("{{ join = [{}] }}", parts.join(", "))
            }
            Key::Name => "{ from = \"name\" }".to_owned(),
        }
    }

    /// Returns the name of the member that is the key, or `None` if it is not one member of the item.
    pub fn field(&self) -> Option<&str> {
        match self {
            Key::Select(select) => select.strip_prefix("$.").filter(|it| !it.contains(['.', '['])),
            _ => None,
        }
    }
}

/// Returns a value that can be a key as text, or `None` if it cannot.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the keys that distinguish the items, best first: identifiers of the item, of an object in
/// it, with a kind beside them, and at last names and links.
pub fn keys(items: &[&Value]) -> Vec<Key> {
    let mut keys = strong(items);
    keys.extend(nested(items));
    keys.extend(joined(items));
    keys.extend(weak(items));
    keys
}

/// Returns the identifiers that are members of the items.
pub fn strong(items: &[&Value]) -> Vec<Key> {
    let mut ranked: Vec<(usize, &str)> = members(items)
        .filter_map(|name| Some((rank(name)?, name)))
        .filter(|(_, name)| is_distinct(items, |item| scalar(item.get(*name)?)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, name)| Key::Select(member("$", name))).collect()
}

fn members<'a>(items: &[&'a Value]) -> impl Iterator<Item = &'a str> {
    let first = items.first().and_then(|item| item.as_object());
    first.into_iter().flat_map(|first| first.keys().map(String::as_str))
}

/// Returns how likely a name is that of a key, 0 the most, or `None` if it is not.
fn rank(name: &str) -> Option<usize> {
    let small = plain(name)?;
    if let Some(at) = KEYS.iter().position(|key| *key == small) {
        return Some(at);
    }
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match () {
        () if ends(&["_id", "Id", "ID", "uuid", "_key", "guid"]) => Some(KEYS.len()),
        () if small.ends_with("id") => Some(KEYS.len() + 1),
        () => None,
    }
}

fn is_distinct(items: &[&Value], value: impl Fn(&Value) -> Option<String>) -> bool {
    let values: Vec<String> = items.iter().filter_map(|item| value(item)).collect();
    let distinct: HashSet<&String> = values.iter().collect();
    values.len() == items.len() && distinct.len() == items.len()
}

/// Returns the identifiers of objects within the items.
fn nested(items: &[&Value]) -> Vec<Key> {
    let mut keys = Vec::new();
    for outer in members(items) {
        let inner: Vec<&Value> = items.iter().filter_map(|item| item.get(outer)).collect();
        if inner.len() != items.len() || !inner.iter().all(|inner| inner.is_object()) {
            continue;
        }
        for key in strong(&inner) {
            if let Key::Select(select) = key {
                keys.push(Key::Select(super::expr::below(&member("$", outer), &select)));
            }
        }
    }
    keys
}

/// Returns a key of two parts: a kind, and a number that is distinct within it.
fn joined(items: &[&Value]) -> Option<Key> {
    let ids = members(items).filter(|name| rank(name).is_some_and(|rank| rank <= KEYS.len()));
    let pairs = ids.flat_map(|id| KINDS.into_iter().map(move |kind| (kind, id)));
    let both = |item: &Value, (kind, id): (&str, &str)| {
        Some(format!("{}:{}", scalar(item.get(kind)?)?, scalar(item.get(id)?)?))
    };
    let mut fitting = pairs.filter(|pair| is_distinct(items, |item| both(item, *pair)));
    let (kind, id) = fitting.next()?;
    Some(Key::Join(vec![member("$", kind), member("$", id)]))
}

/// Returns names and links. Of paths that differ in their last segment, that is the key.
fn weak(items: &[&Value]) -> Vec<Key> {
    let names = WEAK_KEYS.iter().filter_map(|weak| {
        members(items).find(|name| plain(name).is_some_and(|name| name == *weak))
    });
    let distinct = names.filter(|name| is_distinct(items, |item| scalar(item.get(*name)?)));
    distinct
        .map(|name| {
            let select = member("$", name);
            let is_path = |item: &&Value| {
                item.get(name).and_then(Value::as_str).is_some_and(|text| text.contains('/'))
            };
            let last = |item: &Value| {
                let text = item.get(name)?.as_str()?;
                text.trim_end_matches('/').rsplit('/').next().map(str::to_owned)
            };
            match items.iter().all(is_path) && is_distinct(items, last) {
                true => Key::Part(select, LAST_SEGMENT.to_owned()),
                false => Key::Select(select),
            }
        })
        .collect()
}
