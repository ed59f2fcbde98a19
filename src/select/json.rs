//! JSONPath (RFC 9535) on JSON pages.
//!
//! Paths are evaluated on the parsed page, in which integers are exact, one match at a time
//! and within the page's time (`json/route.rs` holds the steps of a path). A path that matches very
//! many places, or a page made to be slow, is an error and does not exhaust the memory.

mod container;
mod prune;
mod route;

use std::ops::ControlFlow;

use bson::raw::{RawBsonRef, RawDocument};
use indexmap::IndexMap;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::NoKey;
use super::budget::{Budget, LimitError};
use super::text::whole_number;
use crate::model::document::raw::{Elements, member, members};
use crate::model::record::Key;
use route::{Pick, Route, Segment, Trial};

pub use container::Container;
pub use prune::without;

/// Maximum depth of nested brackets in an expression.
const DEEPEST: usize = 12;
/// Maximum number of characters that an error shows of an expression that is nested too deeply.
const SHOWN: usize = 60;
/// Maximum number of places that one path may match on a page, or within an item.
const PLACES: usize = 1_000_000;

/// A JSONPath expression. Two are equal if they are written alike.
#[derive(Clone)]
pub struct Selector {
    text: Box<str>,
    route: Route,
}

/// Error for a text that is not a JSONPath.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a JSONPath: {message}")]
pub struct SelectorError {
    text: String,
    message: String,
}

/// A value of the page that a selector found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a>(RawBsonRef<'a>);

impl std::fmt::Debug for Selector {
    /// Writes the selector as it was written: digests of site files depend on this.
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
    /// Parses a JSONPath.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSONPath.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        if depth(text) > DEEPEST {
            // The library's time doubles with each nested filter, and it recurses on the stack.
            let message = format!("more than {DEEPEST} brackets stand within one another");
            let text = text.chars().take(SHOWN).collect();
            return Err(SelectorError { text, message });
        }
        JsonPath::parse(text).map_err(|error| SelectorError {
            text: text.to_owned(),
            message: format!(
                "{} after character {}{}",
                error.message(),
                error.position(),
                hint(text)
            ),
        })?;
        let route = Route::of(text).ok_or_else(|| SelectorError {
            text: text.to_owned(),
            message: "it is one that gleaner cannot follow".to_owned(),
        })?;
        Ok(Selector { text: text.into(), route })
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the member's name if the path is a single member of the root object, else `None`.
    pub fn field(&self) -> Option<&str> {
        match self.route.0.as_slice() {
            [Segment { descends: false, picks }] => match picks.as_slice() {
                [Pick::Name(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns all values that the path selects in `value`, a part of a page that is read on
    /// `budget`.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up, or the path matches too many places.
    pub fn select<'a>(
        &self,
        value: RawBsonRef<'a>,
        budget: &Budget,
    ) -> Result<Vec<Found<'a>>, LimitError> {
        let mut found = Vec::new();
        self.each(value, budget, |one| {
            found.push(one);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Returns the first value that the path selects, or `None`.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn first<'a>(
        &self,
        value: RawBsonRef<'a>,
        budget: &Budget,
    ) -> Result<Option<Found<'a>>, LimitError> {
        let mut first = None;
        self.each(value, budget, |one| {
            first = Some(one);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    /// Passes each selected value to `take` until that breaks.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up, or the path matches too many places.
    pub fn each<'a>(
        &self,
        value: RawBsonRef<'a>,
        budget: &Budget,
        mut take: impl FnMut(Found<'a>) -> ControlFlow<()>,
    ) -> Result<(), LimitError> {
        let trial = self.route.trial(value);
        let mut walk = Walk { budget, trial, places: 0, take: &mut take };
        match walk.follow(&self.route.0, value) {
            ControlFlow::Break(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A walk through a page. It breaks with an error, or without one if `take` breaks.
struct Walk<'w, 'a> {
    budget: &'w Budget,
    trial: Option<Trial>,
    places: usize,
    take: &'w mut dyn FnMut(Found<'a>) -> ControlFlow<()>,
}

type Step = ControlFlow<Option<LimitError>>;

impl<'a> Walk<'_, 'a> {
    fn follow(&mut self, segments: &[Segment], value: RawBsonRef<'a>) -> Step {
        let Some((segment, rest)) = segments.split_first() else { return self.found(value) };
        if !matches!(value, RawBsonRef::Document(_) | RawBsonRef::Array(_)) {
            return ControlFlow::Continue(());
        }
        if let Err(error) = self.budget.step() {
            return ControlFlow::Break(Some(error));
        }
        for pick in &segment.picks {
            self.pick(pick, rest, value)?;
        }
        if segment.descends {
            children(value).try_for_each(|child| self.follow(segments, child))?;
        }
        ControlFlow::Continue(())
    }

    fn found(&mut self, value: RawBsonRef<'a>) -> Step {
        self.places += 1;
        if self.places > PLACES {
            return ControlFlow::Break(Some(LimitError::Places(PLACES)));
        }
        match self.budget.step() {
            Err(error) => ControlFlow::Break(Some(error)),
            Ok(()) => (self.take)(Found(value)).map_break(|()| None),
        }
    }

    fn pick(&mut self, pick: &Pick, rest: &[Segment], value: RawBsonRef<'a>) -> Step {
        match (pick, value) {
            (Pick::Name(name), RawBsonRef::Document(object)) => {
                named(object, name).map_or(ControlFlow::Continue(()), |it| self.follow(rest, it))
            }
            (Pick::Every, value) => children(value).try_for_each(|it| self.follow(rest, it)),
            (Pick::At(at), RawBsonRef::Array(_)) => {
                let at = match usize::try_from(*at) {
                    Ok(at) => Some(at),
                    Err(_) => {
                        let back = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
                        children(value).count().checked_sub(back)
                    }
                };
                let found = at.and_then(|at| children(value).nth(at));
                found.map_or(ControlFlow::Continue(()), |it| self.follow(rest, it))
            }
            (Pick::Slice(slice), RawBsonRef::Array(_)) => {
                let list: Vec<_> = children(value).collect();
                slice.places(list.len()).try_for_each(|at| self.follow(rest, list[at]))
            }
            (Pick::Filter(filter), value) => children(value).try_for_each(|child| {
                if let Err(error) = self.budget.step() {
                    return ControlFlow::Break(Some(error));
                }
                let trial = self.trial.as_mut();
                let passes = trial.is_some_and(|trial| filter.passes(tree(child), trial));
                if passes { self.follow(rest, child) } else { ControlFlow::Continue(()) }
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Returns the values in a list or an object. A repeated key gives its last value, at the place of
/// its first.
fn children<'a>(value: RawBsonRef<'a>) -> Box<dyn Iterator<Item = RawBsonRef<'a>> + 'a> {
    match value {
        RawBsonRef::Array(list) => Box::new(list.into_iter().flatten()),
        RawBsonRef::Document(object) => {
            let members: IndexMap<&str, RawBsonRef<'a>> = members(object).collect();
            Box::new(members.into_values())
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// Returns the member `name`, or the last of them if the key is repeated. Only that value is
/// parsed.
fn named<'a>(object: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
    let members = Elements::of(object).enumerate();
    let (at, _) = members.filter(|(_, member)| member.name == name.as_bytes()).last()?;
    let element = object.iter_elements().nth(at)?.ok()?;
    Some(member("", element.value().ok()?).1)
}

impl<'a> Found<'a> {
    /// Returns the value.
    pub fn as_raw(self) -> RawBsonRef<'a> {
        self.0
    }

    /// Returns the value as an item's key.
    ///
    /// # Errors
    /// Returns an error if the value is not a text or an integer, or its text is not a valid key.
    pub fn key(self) -> Result<Key, NoKey> {
        let text = match self.as_raw() {
            RawBsonRef::String(text) => return Ok(Key::new(text)?),
            RawBsonRef::Int32(number) => number.to_string(),
            RawBsonRef::Int64(number) => number.to_string(),
            RawBsonRef::Decimal128(number) => number.to_string(),
            RawBsonRef::Symbol(digits) if !is_fraction(digits) => digits.to_owned(),
            _ => return Err(NoKey::Kind(self.kind())),
        };
        Ok(Key::new(&text)?)
    }

    /// Returns the value as a count. The site may write it as text.
    ///
    /// # Errors
    /// Returns a description of the value if it is not a count.
    pub fn count(self) -> Result<u64, &'static str> {
        let count = match self.as_raw() {
            RawBsonRef::Int32(number) => number.try_into().ok(),
            RawBsonRef::Int64(number) => number.try_into().ok(),
            RawBsonRef::String(text) => return whole_number(text),
            _ => None,
        };
        count.ok_or(self.kind())
    }

    /// Returns a description of the value's kind.
    pub fn kind(self) -> &'static str {
        match self.as_raw() {
            RawBsonRef::String(_) => "text",
            RawBsonRef::Boolean(_) => "a truth value",
            RawBsonRef::Array(_) => "a list",
            RawBsonRef::Document(_) => "an object",
            RawBsonRef::Double(_) => "a fraction",
            RawBsonRef::Symbol(digits) if is_fraction(digits) => "a fraction",
            RawBsonRef::Int32(number) if number < 0 => "a negative number",
            RawBsonRef::Int64(number) if number < 0 => "a negative number",
            RawBsonRef::Int32(_)
            | RawBsonRef::Int64(_)
            | RawBsonRef::Decimal128(_)
            | RawBsonRef::Symbol(_) => "a number",
            _ => "null",
        }
    }
}

/// Returns `true` if a number that BSON cannot hold has a decimal point or an exponent.
fn is_fraction(digits: &str) -> bool {
    digits.contains(['.', 'e', 'E'])
}

/// Returns advice for the most frequent mistakes, or an empty string.
fn hint(text: &str) -> &'static str {
    let outside: String = text.split(['\'', '"']).step_by(2).collect();
    let has_hyphen = outside.split('-').skip(1).any(|it| it.starts_with(char::is_alphabetic));
    let top = outside.split('[').next().unwrap_or_default();
    let compares = ["==", "!=", "<", ">", "=~", "&&", "||"].iter().any(|it| top.contains(it));
    match text.trim_start() {
        text if text.starts_with('/') => {
            "; it looks like an XPath, which is for neither JSON nor HTML: a member of an object is written `$.name`, and all parts of a list `$.list[*]`"
        }
        text if !text.starts_with('$') && text.contains("::") => {
            "; it looks like CSS, which is for HTML and XML pages (`format`)"
        }
        text if !text.starts_with('$') => "; a path begins with `$`, as `$.name` does",
        _ if compares => {
            "; a path selects, it does not compare; comparisons stand in `[?…]`, as in `$.links[?@.rel == 'next'].href`"
        }
        _ if has_hyphen => "; a name with a hyphen is written `['product-name']`",
        _ if top.contains(".@") => {
            "; a name with `@`, a dot, a hyphen or a blank is written `['@odata.nextLink']`"
        }
        _ => "",
    }
}

/// Returns the depth of nested brackets, without those in quotes.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (_, c, is_quoted) in route::characters(text) {
        match c {
            _ if is_quoted => {}
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Converts a value to the tree that filters need.
fn tree(value: RawBsonRef<'_>) -> Value {
    match value {
        RawBsonRef::Document(object) => {
            members(object).map(|(key, value)| (key.to_owned(), tree(value))).collect()
        }
        RawBsonRef::Array(list) => list.into_iter().flatten().map(tree).collect(),
        RawBsonRef::String(text) => text.into(),
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number.into(),
        RawBsonRef::Double(number) => number.into(),
        RawBsonRef::Decimal128(number) => number.to_string().into(),
        RawBsonRef::Symbol(digits) => digits.into(),
        RawBsonRef::Boolean(flag) => flag.into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests;
