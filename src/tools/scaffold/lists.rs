//! Finds lists in values: lists of objects, of values in columns, objects whose members are the
//! items, texts that hold the items as HTML, and lists of plain keys.

use serde_json::Value;

use super::Shape;
use super::expr::{below, member, quoted};
use super::key::{self, Key, scalar};
use super::markup;
use crate::extract::names::plain;

/// Maximum depth of a list of items below the top of the page.
const DEEPEST: usize = 4;
/// Names of members that hold the items.
const MAIN: [&str; 16] = [
    "data",
    "items",
    "results",
    "records",
    "rows",
    "entries",
    "hits",
    "docs",
    "documents",
    "value",
    "list",
    "objects",
    "content",
    "resources",
    "features",
    "edges",
];
/// Names of members that hold something else.
const SIDE: [&str; 14] = [
    "included",
    "links",
    "facets",
    "filters",
    "aggregations",
    "warnings",
    "errors",
    "breadcrumbs",
    "columns",
    "fields",
    "schemas",
    "users",
    "tags",
    "categories",
];
/// Names of members that name the columns of rows.
const COLUMNS: [&str; 6] = ["columns", "fields", "header", "headers", "cols", "columnnames"];

/// Kind of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Plain keys.
    Keys,
    /// A text with the items as HTML.
    Markup,
    /// Lists of values.
    Rows,
    /// An object whose members are the items.
    Members,
    /// A list of objects.
    Objects,
}

/// A list that was found.
struct Found<'a> {
    kind: Kind,
    path: String,
    value: &'a Value,
    weight: usize,
}

/// Returns the lists in `page`, best first.
pub fn lists(page: &Value) -> Vec<Shape> {
    let mut found = Vec::new();
    let mut level = vec![("$".to_owned(), String::new(), page)];
    for depth in 0..=DEEPEST {
        let mut next = Vec::new();
        for (path, name, value) in level {
            if let Some((kind, length)) = kind(value) {
                let weight = length * weight(&name) * 8 - depth;
                found.push(Found { kind, path: path.clone(), value, weight });
            }
            if let Value::Object(members) = value
                && !are_groups(members)
            {
                let below = members.iter();
                next.extend(below.map(|(name, it)| (member(&path, name), name.clone(), it)));
            }
        }
        level = next;
    }
    found.sort_by_key(|it| std::cmp::Reverse((it.kind, it.weight)));
    let columns: Vec<Option<Columns>> = found.iter().map(|it| columns(page, it)).collect();
    let mut shapes: Vec<Shape> = Vec::new();
    for (found, columns) in found.iter().zip(columns) {
        let shape = match found.kind {
            Kind::Objects => objects(found),
            Kind::Members => members_as_items(found),
            Kind::Rows => rows(found, columns),
            Kind::Markup => markup::in_text(&found.path, found.value.as_str().unwrap_or_default()),
            Kind::Keys => Some(plain_keys(found)),
        };
        let is_held = matches!(found.kind, Kind::Objects | Kind::Members | Kind::Rows);
        let require = (is_held && found.path != "$").then(|| found.path.clone());
        let shape = shape.map(|shape| Shape { require: require.or(shape.require), ..shape });
        // Rows whose columns are named on the page are the list, and not the columns.
        let is_first =
            found.kind == Kind::Rows && shape.as_ref().is_some_and(|it| it.columns.is_some());
        match shape {
            Some(shape) if is_first => shapes.insert(0, shape),
            shape => shapes.extend(shape),
        }
    }
    shapes
}

fn weight(name: &str) -> usize {
    let name = plain(name).unwrap_or_default();
    match () {
        () if MAIN.contains(&&*name) => 64,
        () if SIDE.contains(&&*name) => 1,
        () => 16,
    }
}

/// Returns the kind of a list and its length, or `None` if a value is not a list.
fn kind(value: &Value) -> Option<(Kind, usize)> {
    match value {
        Value::Array(rows) if rows.is_empty() => None,
        Value::Array(rows) if rows.iter().all(Value::is_object) => {
            Some((Kind::Objects, rows.len()))
        }
        Value::Array(rows) if rows.iter().all(Value::is_array) => {
            let width = |row: &Value| row.as_array().map(Vec::len);
            let first = width(rows.first()?)?;
            let is_table = first > 1 && rows.iter().all(|row| width(row) == Some(first));
            is_table.then_some((Kind::Rows, rows.len()))
        }
        Value::Array(rows) => {
            let keys: std::collections::HashSet<String> = rows.iter().filter_map(scalar).collect();
            (rows.len() > 1 && keys.len() == rows.len()).then_some((Kind::Keys, rows.len()))
        }
        Value::Object(members) if are_groups(members) => {
            let sizes = members.values().filter_map(Value::as_array).map(Vec::len);
            Some((Kind::Objects, sizes.sum::<usize>().max(1)))
        }
        Value::Object(members) if members.len() > 1 => {
            let alike = are_alike(&members.values().collect::<Vec<_>>());
            let are_keys = members.len() > 2
                || members.keys().all(|name| name.contains(|c: char| c.is_ascii_digit()));
            (alike && are_keys).then_some((Kind::Members, members.len()))
        }
        Value::String(text) if text.contains('<') => {
            markup::in_text("$", text).map(|shape| (Kind::Markup, shape.count))
        }
        _ => None,
    }
}

/// Returns true if the members of an object hold lists of objects, and their names vary: dates, or
/// several numbers.
fn are_groups(members: &serde_json::Map<String, Value>) -> bool {
    let is_number = |name: &String| !name.is_empty() && name.bytes().all(|it| it.is_ascii_digit());
    let are_numbers = members.len() > 1 && members.keys().all(is_number);
    let is_list =
        |value: &Value| value.as_array().is_some_and(|rows| rows.iter().all(Value::is_object));
    let has_items = members.values().any(|it| it.as_array().is_some_and(|it| !it.is_empty()));
    has_items
        && members.values().all(is_list)
        && (are_numbers || members.keys().all(|name| is_date(name)))
}

/// Returns true for `2024-01-02`, `2024/01`, `20240102`, and a date with a time.
fn is_date(name: &str) -> bool {
    let parts: Vec<&str> = name.split(['-', '/', 'T', ' ']).collect();
    let has = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|it| it.is_ascii_digit())
    };
    match parts.as_slice() {
        [day] => has(day, 8) && (day.starts_with("19") || day.starts_with("20")),
        [year, month, rest @ ..] => {
            has(year, 4) && has(month, 2) && rest.first().is_none_or(|day| has(day, 2))
        }
        [] => false,
    }
}

/// Returns true if all values are objects with mostly the same members.
fn are_alike(values: &[&Value]) -> bool {
    let Some(first) = values.first().and_then(|first| first.as_object()) else { return false };
    first.len() > 1
        && values.iter().all(|value| {
            let shared = first.keys().filter(|name| value.get(name).is_some()).count();
            shared * 2 > first.len()
        })
}

/// Returns the items of a list of objects, which may stand in groups.
fn array<'a>(found: &Found<'a>) -> Vec<&'a Value> {
    let groups = found.value.as_object().into_iter().flat_map(|groups| groups.values());
    let lists = groups.chain([found.value]).filter_map(Value::as_array);
    lists.flatten().collect()
}

/// Describes a list of objects.
fn objects(found: &Found<'_>) -> Option<Shape> {
    let rows = array(found);
    let (items, mut notes) = match found.value {
        Value::Object(_) => {
            let note = format!(
                "The members of the object at `{}` hold lists, whose parts are the items; their names vary.",
                found.path
            );
            (format!("{}.*[*]", found.path), vec![note])
        }
        _ => (format!("{}[*]", found.path), Vec::new()),
    };
    let has_own = !key::strong(&rows).is_empty();
    for (name, inner) in lists_within(&rows) {
        let inner_rows = inner.as_slice();
        let is_group = !has_own && !key::strong(inner_rows).is_empty();
        if is_group {
            let items = vec![format!("{}[*]", member(&items, &name))];
            let note = format!(
                "The page groups its items: the {} of `{}` hold lists, `{name}`, whose parts are the items.",
                rows.len(),
                found.path
            );
            return Shape::of(items, key::keys(inner_rows), inner.len(), vec![note]);
        }
        if inner.len() > rows.len() && !key::strong(inner_rows).is_empty() {
            notes.push(format!(
                "Each item has a list of its own, `{name}`, which stays a part of it; if those are the items, write items = \"{}[*]\".",
                member(&items, &name)
            ));
        }
    }
    if !has_own && let Some((wrapper, inner)) = wrapper(&rows) {
        return Shape::of(vec![member(&items, &wrapper)], key::keys(&inner), rows.len(), notes);
    }
    Shape::of(vec![items], key::keys(&rows), rows.len(), notes)
}

/// Returns the lists of objects that all items have, with their names.
fn lists_within<'a>(rows: &[&'a Value]) -> Vec<(String, Vec<&'a Value>)> {
    let Some(first) = rows.first().and_then(|first| first.as_object()) else { return Vec::new() };
    let lists = first.keys().filter_map(|name| {
        let lists: Vec<&Vec<Value>> =
            rows.iter().filter_map(|row| row.get(name).and_then(Value::as_array)).collect();
        let inner: Vec<&Value> = lists.iter().copied().flatten().collect();
        let is_list = lists.len() == rows.len() && inner.iter().all(|it| it.is_object());
        (is_list && !inner.is_empty()).then(|| (name.clone(), inner))
    });
    lists.collect()
}

/// Returns the only object in each item, if it holds the key and beside it stand only plain values.
fn wrapper<'a>(rows: &[&'a Value]) -> Option<(String, Vec<&'a Value>)> {
    let first = rows.first()?.as_object()?;
    let mut objects = first.iter().filter(|(_, value)| value.is_object() || value.is_array());
    let (name, _) = objects.next().filter(|_| first.len() <= 3)?;
    let inner: Vec<&Value> = rows.iter().filter_map(|row| row.get(name)).collect();
    let is_whole = objects.next().is_none() && inner.len() == rows.len();
    (is_whole && !key::strong(&inner).is_empty()).then(|| (name.clone(), inner))
}

/// Describes an object whose members are the items.
fn members_as_items(found: &Found<'_>) -> Option<Shape> {
    let values: Vec<&Value> = found.value.as_object()?.values().collect();
    let mut keys = key::strong(&values);
    keys.push(Key::Name);
    let note = format!("The members of the object at `{}` are the items.", found.path);
    Shape::of(vec![format!("{}.*", found.path)], keys, values.len(), vec![note])
}

/// Describes a list of lists of values.
fn rows(found: &Found<'_>, columns: Option<Columns>) -> Option<Shape> {
    let rows = array(found);
    let Some(Columns { select, names }) = columns else {
        let keys = vec![Key::Select("$[0]".to_owned())];
        let mut shape =
            Shape::of(vec![format!("{}[*]", found.path)], keys, rows.len(), Vec::new())?;
        shape.fields = (0..rows.first()?.as_array()?.len())
            .map(|at| (format!("column{}", at + 1), quoted(&format!("$[{at}]"))))
            .collect();
        shape.doubts.push("The items are lists of values, and nothing on the page names their columns: name the fields, and check the key.".to_owned());
        return Some(shape);
    };
    let named: Vec<Value> = rows
        .iter()
        .map(|row| {
            let values = row.as_array().into_iter().flatten().cloned();
            Value::Object(names.iter().cloned().zip(values).collect())
        })
        .collect();
    let named: Vec<&Value> = named.iter().collect();
    let note = format!("The items are lists of values; `{select}` names their columns.");
    let items = vec![format!("{}[*]", found.path)];
    let mut shape = Shape::of(items, key::keys(&named), rows.len(), vec![note])?;
    shape.columns = Some(select);
    Some(shape)
}

/// Names of the columns of a list of lists.
struct Columns {
    select: String,
    names: Vec<String>,
}

/// Returns the names of the columns, or `None` if nothing on the page names as many columns as the
/// rows have.
fn columns(page: &Value, found: &Found<'_>) -> Option<Columns> {
    let width = found.value.as_array()?.first()?.as_array()?.len();
    let above = found.path.rsplit_once(['.', '[']).map_or("$", |(above, _)| above);
    let holders = [("$", page), (above, at(page, above)?)];
    holders.iter().find_map(|(path, holder)| {
        holder.as_object()?.iter().find_map(|(name, value)| {
            let is_named = plain(name).is_some_and(|it| COLUMNS.contains(&&*it));
            let list = value.as_array().filter(|list| is_named && list.len() == width)?;
            let text = |name: Option<&str>| -> Option<Vec<String>> {
                let text = |it: &Value| {
                    name.map_or(Some(it), |name| it.get(name))?.as_str().map(str::to_owned)
                };
                list.iter().map(text).collect()
            };
            let path = member(path, name);
            match (text(None), text(Some("name"))) {
                (Some(names), _) => Some(Columns { select: format!("{path}[*]"), names }),
                (None, Some(names)) => Some(Columns { select: format!("{path}[*].name"), names }),
                (None, None) => None,
            }
        })
    })
}

/// Returns the value at a path of plain members.
pub fn at<'a>(page: &'a Value, path: &str) -> Option<&'a Value> {
    let names = path.trim_start_matches('$').split('.').filter(|name| !name.is_empty());
    names.into_iter().try_fold(page, |value, name| value.get(name))
}

fn plain_keys(found: &Found<'_>) -> Shape {
    let count = array(found).len();
    let note = "The items are plain values, each of which is a key.".to_owned();
    Shape {
        items: vec![below(&found.path, "[*]")],
        keys: vec![Key::Select("$".to_owned())],
        fields: vec![("id".to_owned(), quoted("$"))],
        count,
        notes: vec![note],
        ..Shape::default()
    }
}
