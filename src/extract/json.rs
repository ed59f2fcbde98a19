//! JSONPath (RFC 9535) on JSON pages.
//!
//! Paths that only name members and elements (`$.results[*]`, `$.id`), which is nearly all of
//! them, are followed in the page as it is; for the others the page is made into the tree that
//! `serde_json_path` wants.

use bson::raw::RawBsonRef;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::NoKey;
use crate::document::Json;
use crate::record::Key;

/// A JSONPath expression. Two are equal where they are written alike.
#[derive(Debug, Clone)]
pub struct Selector {
    text: Box<str>,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    Steps(Vec<Step>),
    Query(Box<JsonPath>),
}

#[derive(Debug, Clone, PartialEq)]
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

/// What a selector found: a value of the page, or one that was made into a tree and back.
#[derive(Debug, Clone)]
pub enum Found<'a> {
    /// In the page.
    Here(RawBsonRef<'a>),
    /// On its own.
    Apart(Box<Json>),
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
        let plan = steps(text).map_or_else(|| Plan::Query(Box::new(path)), Plan::Steps);
        Ok(Selector { text: text.into(), plan })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The member it names, where it names a member of the top object and nothing else.
    pub fn field(&self) -> Option<&str> {
        match &self.plan {
            Plan::Steps(steps) => match steps.as_slice() {
                [Step::Member(name)] => Some(name),
                _ => None,
            },
            Plan::Query(_) => None,
        }
    }

    /// All that it selects in `page`.
    pub fn select<'a>(&self, page: RawBsonRef<'a>) -> Vec<Found<'a>> {
        match &self.plan {
            Plan::Steps(steps) => {
                let mut found = Vec::new();
                follow(page, steps, &mut found);
                found
            }
            Plan::Query(path) => {
                let tree = tree(page);
                let values = path.query(&tree).all();
                values.into_iter().filter_map(Found::apart).collect()
            }
        }
    }
}

impl Found<'_> {
    fn apart(value: &Value) -> Option<Found<'static>> {
        Json::parse(value.to_string().as_bytes()).ok().map(|json| Found::Apart(Box::new(json)))
    }

    /// The value.
    pub fn as_raw(&self) -> RawBsonRef<'_> {
        match self {
            Found::Here(value) => *value,
            Found::Apart(json) => json.value(),
        }
    }

    /// The value as an item's key.
    pub fn key(&self) -> Result<Key, NoKey> {
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
    pub fn count(&self) -> Option<u64> {
        match self.as_raw() {
            RawBsonRef::Int32(number) => number.try_into().ok(),
            RawBsonRef::Int64(number) => number.try_into().ok(),
            RawBsonRef::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value's kind, in words.
    pub fn kind(&self) -> &'static str {
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
        found.push(Found::Here(value));
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
            let is_plain = |path| matches!(Selector::parse(path).unwrap().plan, Plan::Steps(_));
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
