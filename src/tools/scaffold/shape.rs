//! Finds the items of a JSON page, and the field that is their key.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// Maximum depth of a list of items below the top of the page.
const DEEPEST: usize = 3;
/// Names of key fields, best first.
const KEYS: [&str; 8] = ["id", "_id", "uuid", "slug", "key", "pk", "isbn", "code"];
/// Names of fields that serve as keys if there is nothing better.
const WEAK_KEYS: [&str; 3] = ["name", "title", "url"];
/// Maximum number of URLs to show of a page without items.
const SHOWN: usize = 5;

/// Path of member names, from the top of a page or an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Parses a dotted path; `a.b` is `b` within `a`.
    pub fn of(dotted: &str) -> Path {
        Path(dotted.split('.').map(str::to_owned).collect())
    }

    /// Returns the path of a member below this one.
    pub fn join(&self, name: &str) -> Path {
        Path(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// Returns the value at this path, or `None` if there is none.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, name| value.get(name))
    }
}

/// Formats the path as JSONPath.
impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for name in &self.0 {
            let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty();
            match is_plain {
                true => write!(f, ".{name}")?,
                false => {
                    let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                    write!(f, "['{name}']")?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the path of the longest list of objects on a page. Of several with the same length, the
/// one nearest the top.
pub fn items(page: &Value) -> Option<Path> {
    let (mut most, mut best) = (0, None);
    let mut level = vec![(Path::default(), page)];
    for _ in 0..=DEEPEST {
        let mut below = Vec::new();
        for (path, value) in level {
            match value {
                Value::Array(rows) if rows.iter().all(Value::is_object) && rows.len() > most => {
                    most = rows.len();
                    best = Some(path);
                }
                Value::Object(members) => {
                    below.extend(members.iter().map(|(name, value)| (path.join(name), value)));
                }
                _ => {}
            }
        }
        level = below;
    }
    best
}

/// Returns the field that distinguishes the items: one with a usual name, else one whose name ends
/// like a key's. `None` if no such field has a distinct value in each item.
pub fn key(items: &[&Value]) -> Option<String> {
    let fits = |name: &&str| {
        let values: Vec<String> =
            items.iter().filter_map(|item| scalar(item.get(*name)?)).collect();
        let distinct: HashSet<&String> = values.iter().collect();
        values.len() == items.len() && distinct.len() == items.len()
    };
    let own: Vec<&str> = items.first()?.as_object()?.keys().map(String::as_str).collect();
    let ends = |name: &&str| {
        let small = name.to_ascii_lowercase();
        ["_id", "id", "_key", "uuid"].iter().any(|end| small.ends_with(end))
            && (small.contains('_') || name.ends_with("Id") || name.ends_with("ID"))
    };
    let known = KEYS.into_iter().filter(|name| own.contains(name));
    let like = own.iter().copied().filter(ends);
    let weak = WEAK_KEYS.into_iter().filter(|name| own.contains(name));
    known.chain(like).chain(weak).find(fits).map(str::to_owned)
}

/// Returns a value that can be a key as text, or `None` if it cannot.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Returns URLs from the top level of a page.
pub fn addresses(page: &Value) -> Vec<String> {
    let members = page.as_object().into_iter().flat_map(|members| members.values());
    let urls = members.filter_map(Value::as_str).filter(|text| text.starts_with("http"));
    urls.take(SHOWN).map(crate::text::plain).collect()
}
