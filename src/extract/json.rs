//! JSONPath (RFC 9535) on JSON pages.
//!
//! Paths that only name members and elements (`$.results[*]`, `$.id`), which is nearly all of
//! them, are followed in the page as it is; for the others the page is made into the tree that
//! `serde_json_path` wants, which says where in the page they lead.

use std::cell::OnceCell;
use std::collections::HashMap;

use bson::raw::RawBsonRef;
use serde_json::Value;
use serde_json_path::{JsonPath, PathElement};

use super::NoKey;
use super::said::whole_number;
use crate::document::raw::Elements;
use crate::record::Key;

/// Brackets of an expression within one another.
const DEEPEST: usize = 12;
/// Characters of an expression that an error shows, where it is too deep.
const SHOWN: usize = 60;

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
        if depth(text) > DEEPEST {
            // The library takes twice as long for each filter within another, and has a stack.
            let message = format!("more than {DEEPEST} brackets stand within one another");
            let text = text.chars().take(SHOWN).collect();
            return Err(SelectorError { text, message });
        }
        let path = JsonPath::parse(text).map_err(|error| SelectorError {
            text: text.to_owned(),
            message: format!(
                "{} after character {}{}",
                error.message(),
                error.position(),
                hint(text)
            ),
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
                let mut descent = Descent::from(page);
                let places = places(&self.path, &tree(page));
                found.extend(places.into_iter().filter_map(|place| descent.to(place)).map(Found));
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
            (Some(Value::Object(object)), Step::Member(name)) => drop(object.swap_remove(&**name)),
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

    /// The value as a count, also where the site writes it as text.
    ///
    /// # Errors
    /// What it is instead, in words.
    pub fn count(self) -> Result<u64, &'static str> {
        let count = match self.as_raw() {
            RawBsonRef::Int32(number) => number.try_into().ok(),
            RawBsonRef::Int64(number) => number.try_into().ok(),
            RawBsonRef::String(text) => return whole_number(text),
            _ => None,
        };
        count.ok_or(self.kind())
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

/// What helps with the mistake made most often.
fn hint(text: &str) -> &'static str {
    let mut outside = text.split(['\'', '"']).step_by(2);
    match outside.any(|text| text.split('-').skip(1).any(|it| it.starts_with(char::is_alphabetic)))
    {
        true => "; a name with a hyphen is written `['product-name']`",
        false => "",
    }
}

/// A way down into a page, from place to place in the order of the page: what two places have in
/// common is walked once, and the elements of a list are looked for once.
struct Descent<'a> {
    place: Vec<Step>,
    /// The value at each step, beginning with the page.
    levels: Vec<Level<'a>>,
}

struct Level<'a> {
    value: RawBsonRef<'a>,
    children: OnceCell<Children<'a>>,
}

enum Children<'a> {
    List(Vec<RawBsonRef<'a>>),
    /// The last of a repeated key wins.
    Object(HashMap<&'a str, RawBsonRef<'a>>),
    None,
}

impl<'a> Descent<'a> {
    fn from(page: RawBsonRef<'a>) -> Descent<'a> {
        Descent { place: Vec::new(), levels: vec![Level::of(page)] }
    }

    fn to(&mut self, place: Vec<Step>) -> Option<RawBsonRef<'a>> {
        let common = self.place.iter().zip(&place).take_while(|(a, b)| a == b).count();
        self.place.truncate(common);
        self.levels.truncate(common + 1);
        for step in place.into_iter().skip(common) {
            let child = self.levels.last()?.child(&step)?;
            self.place.push(step);
            self.levels.push(Level::of(child));
        }
        self.levels.last().map(|level| level.value)
    }
}

impl<'a> Level<'a> {
    fn of(value: RawBsonRef<'a>) -> Level<'a> {
        Level { value, children: OnceCell::new() }
    }

    fn child(&self, step: &Step) -> Option<RawBsonRef<'a>> {
        let children = self.children.get_or_init(|| match self.value {
            RawBsonRef::Array(list) => Children::List(list.into_iter().flatten().collect()),
            RawBsonRef::Document(object) => {
                let members = object.iter().flatten();
                Children::Object(members.map(|(key, value)| (key.as_str(), value)).collect())
            }
            _ => Children::None,
        });
        match (step, children) {
            (Step::Element(at), Children::List(list)) => list.get(*at).copied(),
            (Step::Member(name), Children::Object(members)) => members.get(&**name).copied(),
            _ => None,
        }
    }
}

/// How deep brackets stand within one another, those in quotes left out.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quote) = (0_usize, 0, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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
            let members = Elements::of(object).enumerate();
            let last = members.filter(|(_, member)| member.name == name.as_bytes()).last();
            let member = last.and_then(|(at, _)| object.iter_elements().nth(at)?.ok());
            if let Some(value) = member.and_then(|member| member.value().ok()) {
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
mod tests;
