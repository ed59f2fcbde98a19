//! JSONPath (RFC 9535) on JSON pages.
//!
//! Paths are followed in the page as it is, where numbers are whole, one place at a time and on the page's
//! time (`json/route.rs` is what a path becomes). So a path that leads to very many places, or a page
//! that is made to be slow, is an error and never a memory full of places.

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
use super::said::whole_number;
use crate::document::raw::{Elements, member, members};
use crate::record::Key;
use route::{Pick, Route, Segment, Trial};

pub use container::Container;
pub use prune::without;

/// Brackets of an expression within one another.
const DEEPEST: usize = 12;
/// Characters of an expression that an error shows, where it is too deep.
const SHOWN: usize = 60;
/// Places that one path may lead to on a page, or within an item.
const PLACES: usize = 1_000_000;

/// A JSONPath expression. Two are equal where they are written alike.
#[derive(Clone)]
pub struct Selector {
    text: Box<str>,
    route: Route,
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

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The member it names, where it names a member of the top object and nothing else.
    pub fn field(&self) -> Option<&str> {
        match self.route.0.as_slice() {
            [Segment { descends: false, picks }] => match picks.as_slice() {
                [Pick::Name(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// All that it selects in `value`, a part of a page that is read on `budget`.
    ///
    /// # Errors
    /// Where the page's time is over, or it leads to too many places.
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

    /// The first that it selects.
    ///
    /// # Errors
    /// Where the page's time is over.
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

    /// Hands on what it selects, one by one until `take` breaks off.
    ///
    /// # Errors
    /// Where the page's time is over, or it leads to too many places.
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

/// A walk through a page. It breaks off with an error, or without one where that is wanted.
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

/// The values in a list or an object; of a repeated key the last one, where the first stands.
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

/// A member; the last of a repeated key wins. Only the value that is asked for is looked into.
fn named<'a>(object: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
    let members = Elements::of(object).enumerate();
    let (at, _) = members.filter(|(_, member)| member.name == name.as_bytes()).last()?;
    let element = object.iter_elements().nth(at)?.ok()?;
    Some(member("", element.value().ok()?).1)
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
            RawBsonRef::Symbol(digits) if !is_fraction(digits) => digits.to_owned(),
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

/// Returns whether the digits of a number that BSON cannot hold have a point or an exponent.
fn is_fraction(digits: &str) -> bool {
    digits.contains(['.', 'e', 'E'])
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

/// How deep brackets stand within one another, those in quotes left out.
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

/// A value as filters want it.
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
