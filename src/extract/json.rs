//! JSONPath (RFC 9535) on JSON pages.
//!
//! Paths that only name members and elements (`$.results[*]`, `$.id`), which is nearly all of
//! them, are followed in the page as it is; for the others the page is made into the tree that
//! `serde_json_path` wants, which says where in the page they lead.

use bson::raw::RawBsonRef;
use serde_json::Value;
use serde_json_path::{JsonPath, PathElement};

use super::NoKey;
use crate::record::Key;

/// A JSONPath expression. Two are equal where they are written alike.
#[derive(Clone)]
pub struct Selector {
    text: Box<str>,
    path: Box<JsonPath>,
    /// The path, where it names members and elements only.
    steps: Option<Vec<Step>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Member(Box<str>),
    Element(usize),
    Every,
}

/// A text is no JSONPath.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no JSONPath: {message}")]
pub struct SelectorError {
    text: String,
    message: String,
}

/// What a selector found: a value of the page.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a>(RawBsonRef<'a>);

impl std::fmt::Debug for Selector {
    /// As it is written: digests of site files are made from this.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Selector) -> bool {
        self.text == other.text
    }
}

impl Selector {
    /// Reads a JSONPath.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        let path = JsonPath::parse(text).map_err(|error| SelectorError {
            text: text.to_owned(),
            message: error.message().to_owned(),
        })?;
        Ok(Selector { text: text.into(), path: Box::new(path), steps: steps(text) })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The member it names, where it names a member of the top object and nothing else.
    pub fn field(&self) -> Option<&str> {
        match self.steps.as_deref() {
            Some([Step::Member(name)]) => Some(name),
            _ => None,
        }
    }

    /// All that it selects in `page`.
    pub fn select<'a>(&self, page: RawBsonRef<'a>) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        match &self.steps {
            Some(steps) => follow(page, steps, &mut found),
            // The tree says where; the values are taken from the page, where numbers are whole.
            None => {
                for place in places(&self.path, &tree(page)) {
                    follow(page, &place, &mut found);
                }
            }
        }
        found
    }
}

/// A page as a tree without what `ignored` selects in it.
pub fn without(ignored: &[Selector], page: RawBsonRef<'_>) -> Value {
    let mut tree = tree(page);
    let mut all: Vec<Vec<Step>> =
        ignored.iter().flat_map(|selector| places(&selector.path, &tree)).collect();
    // From the end, so that the places of those before stay what they are.
    all.sort_unstable();
    all.dedup();
    for place in all.iter().rev() {
        let Some((last, above)) = place.split_last() else { continue };
        let holder = above.iter().try_fold(&mut tree, |value, step| match step {
            Step::Member(name) => value.get_mut(&**name),
            Step::Element(at) => value.get_mut(*at),
            Step::Every => None,
        });
        match (holder, last) {
            (Some(Value::Object(object)), Step::Member(name)) => drop(object.shift_remove(&**name)),
            (Some(Value::Array(list)), Step::Element(at)) if *at < list.len() => {
                drop(list.remove(*at));
            }
            _ => {}
        }
    }
    tree
}

/// Where in a tree a path leads.
fn places(path: &JsonPath, tree: &Value) -> Vec<Vec<Step>> {
    let step = |element: &PathElement<'_>| match element {
        PathElement::Name(name) => Step::Member((*name).into()),
        PathElement::Index(at) => Step::Element(*at),
    };
    let nodes = path.query_located(tree);
    nodes.locations().map(|location| location.iter().map(step).collect()).collect()
}

impl<'a> Found<'a> {
    /// The value.
    pub fn as_raw(self) -> RawBsonRef<'a> {
        self.0
    }

    /// The value as an item's key.
    pub fn key(self) -> Result<Key, NoKey> {
        let text = match self.as_raw() {
            RawBsonRef::String(text) => return Ok(Key::new(text)?),
            RawBsonRef::Int32(number) => number.to_string(),
            RawBsonRef::Int64(number) => number.to_string(),
            RawBsonRef::Decimal128(number) => number.to_string(),
            _ => return Err(NoKey::Kind(self.kind())),
        };
        Ok(Key::new(&text)?)
    }

    /// The value as a count; also where the site writes it as text.
    pub fn count(self) -> Option<u64> {
        match self.as_raw() {
            RawBsonRef::Int32(number) => number.try_into().ok(),
            RawBsonRef::Int64(number) => number.try_into().ok(),
            RawBsonRef::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value's kind, in words.
    pub fn kind(self) -> &'static str {
        match self.as_raw() {
            RawBsonRef::String(_) => "text",
            RawBsonRef::Boolean(_) => "a truth value",
            RawBsonRef::Array(_) => "a list",
            RawBsonRef::Document(_) => "an object",
            RawBsonRef::Double(_) => "a fraction",
            RawBsonRef::Int32(number) if number < 0 => "a negative number",
            RawBsonRef::Int64(number) if number < 0 => "a negative number",
            RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Decimal128(_) => "a number",
            _ => "null",
        }
    }
}

/// The steps of a path that names members and elements only.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[*]") {
            steps.push(Step::Every);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (number, after) = after.split_once(']')?;
            steps.push(Step::Element(number.parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !plain(c)).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            steps.push(Step::Member(name.into()));
            rest = after;
        }
    }
    Some(steps)
}

fn follow<'a>(value: RawBsonRef<'a>, steps: &[Step], found: &mut Vec<Found<'a>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(Found(value));
        return;
    };
    match (step, value) {
        (Step::Member(name), RawBsonRef::Document(object)) => {
            // The last of a repeated key wins. Only the value that is asked for is looked into.
            let members = object.iter_elements().flatten();
            let last = members.filter(|member| member.key().as_str() == &**name).last();
            if let Some(value) = last.and_then(|member| member.value().ok()) {
                follow(value, rest, found);
            }
        }
        (Step::Element(at), RawBsonRef::Array(list)) => {
            if let Some(value) = list.into_iter().flatten().nth(*at) {
                follow(value, rest, found);
            }
        }
        (Step::Every, RawBsonRef::Array(list)) => {
            for value in list.into_iter().flatten() {
                follow(value, rest, found);
            }
        }
        (Step::Every, RawBsonRef::Document(object)) => {
            for (_, value) in object.iter().flatten() {
                follow(value, rest, found);
            }
        }
        _ => {}
    }
}

fn tree(value: RawBsonRef<'_>) -> Value {
    match value {
        RawBsonRef::Document(object) => {
            let members = object.iter().flatten();
            members.map(|(key, value)| (key.as_str().to_owned(), tree(value))).collect()
        }
        RawBsonRef::Array(list) => list.into_iter().flatten().map(tree).collect(),
        RawBsonRef::String(text) => text.into(),
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number.into(),
        RawBsonRef::Double(number) => number.into(),
        RawBsonRef::Decimal128(number) => number.to_string().into(),
        RawBsonRef::Boolean(flag) => flag.into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Json;

    fn found(path: &str, page: &str) -> Vec<String> {
        let page = Json::parse(page.as_bytes()).unwrap();
        let found = Selector::parse(path).unwrap();
        found.select(page.value()).iter().map(|found| tree(found.as_raw()).to_string()).collect()
    }

    #[test]
    fn plain_paths_and_queries_agree() {
        let page = r#"{"a":{"b":[{"id":1},{"id":"x"},{"no":2}]},"c":[10,20],"id":7,"id":8}"#;
        for (plain, query) in [
            ("$.a.b[*].id", "$['a']['b'][*]['id']"),
            ("$.c[1]", "$['c'][1]"),
            ("$.c[9]", "$['c'][9]"),
            ("$.a[*]", "$['a'][*]"),
            ("$", "$[?@.x == 1]"),
            ("$.id", "$['id']"),
        ] {
            let is_plain = |path| Selector::parse(path).unwrap().steps.is_some();
            assert!(is_plain(plain) && !is_plain(query));
            if plain != "$" {
                assert_eq!(found(plain, page), found(query, page), "{plain}");
            }
        }
        assert_eq!(found("$.id", page), ["8"]);
        assert_eq!(found("$..id", page), ["8", "1", "\"x\""]);
    }

    #[test]
    fn what_is_no_path_says_so() {
        for bad in ["", "id", "$.", "$.a[", "$[?]"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
