//! Where the items of a JSON page are, and which of their fields is the key.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// Members on the way from the page's top to a list of items, at most.
const DEEPEST: usize = 3;
/// Names of keys, best first.
const KEYS: [&str; 8] = ["id", "_id", "uuid", "slug", "key", "pk", "isbn", "code"];
/// Names that serve where there is nothing better.
const WEAK_KEYS: [&str; 3] = ["name", "title", "url"];
/// Addresses that are shown of a page that only names some.
const SHOWN: usize = 5;

/// Members by name, from the top of a page or an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// These members; `a.b` is `b` within `a`.
    pub fn of(dotted: &str) -> Path {
        Path(dotted.split('.').map(str::to_owned).collect())
    }

    /// The member of that name below.
    pub fn join(&self, name: &str) -> Path {
        Path(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// What is there.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, name| value.get(name))
    }
}

/// As JSONPath.
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

/// The largest list of objects on a page; of several as large as it, the one nearest the top.
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

/// The field that tells items apart: one of the usual names, else one that ends like them.
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

/// A value that can be a key, as text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Addresses that the top of a page names.
pub fn addresses(page: &Value) -> Vec<String> {
    let members = page.as_object().into_iter().flat_map(|members| members.values());
    let urls = members.filter_map(Value::as_str).filter(|text| text.starts_with("http"));
    urls.take(SHOWN).map(crate::wording::plain).collect()
}
