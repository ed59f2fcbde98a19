//! A JSONPath as a list of steps.
//!
//! `serde_json_path` parses paths and filters, but it collects all matches before it returns the
//! first, each as a list of steps, and it has no time limit. It is therefore used only to check
//! that a text is a JSONPath, and that a value passes a filter. `json.rs` evaluates the steps, one
//! match at a time.

mod from_end;

use bson::raw::RawBsonRef;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::tree;

/// The steps of a path.
#[derive(Debug, Clone)]
pub struct Route(pub Vec<Segment>);

/// One step of a path: what to pick of a value or, if it descends, of the value and all its
/// descendants.
#[derive(Debug, Clone)]
pub struct Segment {
    /// True for `..`, which includes all descendants.
    pub descends: bool,
    /// Picks, in the order of the path.
    pub picks: Vec<Pick>,
}

/// Part of a value that a step picks.
#[derive(Debug, Clone)]
pub enum Pick {
    /// The member of this name.
    Name(Box<str>),
    /// All members or elements.
    Every,
    /// The element at this index, counted from the end if it is negative.
    At(i64),
    /// A range of elements.
    Slice(Slice),
    /// The members or elements that pass a filter.
    Filter(Filter),
}

/// A slice: `start:end:step`.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
}

/// A filter (`?…`), as a path that finds a value in a list of one if the value passes.
#[derive(Debug, Clone)]
pub struct Filter {
    path: Box<JsonPath>,
    /// True if the filter refers to the whole page (`$`).
    needs_page: bool,
}

/// Keys of the value and of the page in the input of a filter.
const VALUE: &str = "v";
const PAGE: &str = "p";

impl Route {
    /// Returns the steps of `text`, a valid JSONPath, or `None` if they cannot be followed here.
    pub fn of(text: &str) -> Option<Route> {
        let mut rest = text.strip_prefix('$')?.trim_start();
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (descends, after) = match rest.strip_prefix("..") {
                Some(after) => (true, after),
                None => (false, rest.strip_prefix('.').unwrap_or(rest)),
            };
            let is_named = descends || after.len() < rest.len();
            let (picks, after) = match after.strip_prefix('[') {
                Some(inside) if descends || !is_named => {
                    let (parts, after) = bracketed(inside)?;
                    let picks = parts.into_iter().map(|part| pick(part.trim()));
                    (picks.collect::<Option<Vec<_>>>()?, after)
                }
                _ if !is_named => return None,
                _ => match after.strip_prefix('*') {
                    Some(after) => (vec![Pick::Every], after),
                    None => {
                        let is_name = |c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii();
                        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                        let (name, after) = after.split_at(end);
                        (vec![Pick::Name((!name.is_empty()).then(|| name.into())?)], after)
                    }
                },
            };
            segments.push(Segment { descends, picks });
            rest = after.trim_start();
        }
        Some(Route(segments))
    }

    /// Returns the input of the route's filters, or `None` if it has none. The `page` is converted
    /// to a tree only if a filter refers to it.
    pub fn trial(&self, page: RawBsonRef<'_>) -> Option<Trial> {
        let picks = self.0.iter().flat_map(|segment| &segment.picks);
        let mut filters = picks.filter_map(|pick| match pick {
            Pick::Filter(filter) => Some(filter),
            _ => None,
        });
        let first = filters.next()?;
        let needs_page = first.needs_page || filters.any(|filter| filter.needs_page);
        let page = if needs_page { tree(page) } else { Value::Null };
        Some(Trial(serde_json::json!({ VALUE: [], PAGE: page })))
    }
}

impl Slice {
    /// Returns the indices that the slice picks in a list of this length, in the slice's order.
    pub fn places(self, length: usize) -> impl Iterator<Item = usize> {
        let (first, last) = self.ends(length);
        let is_within = move |at: &i64| if self.step > 0 { *at < last } else { *at > last };
        let next = move |at: &i64| at.checked_add(self.step).filter(is_within);
        let places = std::iter::successors(Some(first).filter(is_within), next);
        places.filter_map(|at| usize::try_from(at).ok())
    }

    /// Returns `true` if the slice picks index `at` in a list of this length.
    pub fn has(self, at: usize, length: usize) -> bool {
        let ((first, last), at) = (self.ends(length), i64::try_from(at).unwrap_or(i64::MAX));
        let is_between = match self.step > 0 {
            true => first <= at && at < last,
            false => last < at && at <= first,
        };
        is_between && at.abs_diff(first).is_multiple_of(self.step.unsigned_abs())
    }

    /// Returns the first index and the excluded end, as defined in RFC 9535 (2.3.4.2.2).
    fn ends(self, length: usize) -> (i64, i64) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let place = |at: i64| if at < 0 { length.saturating_add(at) } else { at };
        let (start, end) = (self.start.map(place), self.end.map(place));
        match self.step {
            0 => (0, 0),
            1.. => (start.unwrap_or(0).clamp(0, length), end.unwrap_or(length).clamp(0, length)),
            _ => {
                let last = length - 1;
                (start.unwrap_or(last).clamp(-1, last), end.unwrap_or(-1).clamp(-1, last))
            }
        }
    }
}

impl Filter {
    fn of(text: &str) -> Option<Filter> {
        let (mut path, mut needs_page) = (format!("$.{VALUE}["), false);
        for (_, c, is_quoted) in characters(&from_end::rewritten(text)) {
            path.push(c);
            if c == '$' && !is_quoted {
                needs_page = true;
                path.push('.');
                path.push_str(PAGE);
            }
        }
        path.push(']');
        Some(Filter { path: Box::new(JsonPath::parse(&path).ok()?), needs_page })
    }

    /// Returns `true` if a value passes the filter.
    pub fn passes(&self, value: Value, trial: &mut Trial) -> bool {
        trial.0[VALUE] = Value::Array(vec![value]);
        !self.path.query(&trial.0).is_empty()
    }
}

/// Input of filters: a value, and the page if needed.
#[derive(Debug)]
pub struct Trial(Value);

/// Splits the content of brackets at its commas, and returns the parts and the text after the
/// brackets.
fn bracketed(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c, is_quoted) in characters(text) {
        match c {
            _ if is_quoted => {}
            '[' | '(' => depth += 1,
            ']' if depth == 0 => {
                parts.push(&text[begin..at]);
                return Some((parts, &text[at + 1..]));
            }
            ']' | ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// Returns the characters of a path, each with its offset, and true if it is a quote or quoted.
pub fn characters(text: &str) -> impl Iterator<Item = (usize, char, bool)> {
    let (mut quote, mut is_escaped) = (None, false);
    text.char_indices().map(move |(at, c)| {
        let is_quoted = quote.is_some() || matches!(c, '"' | '\'');
        match quote {
            None => quote = Some(c).filter(|_| is_quoted),
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(open) => quote = Some(open).filter(|_| c != open),
        }
        (at, c, is_quoted)
    })
}

fn pick(text: &str) -> Option<Pick> {
    match text.chars().next()? {
        '*' => Some(Pick::Every),
        '?' => Filter::of(text).map(Pick::Filter),
        '"' | '\'' => name(text).map(Pick::Name),
        _ if text.contains(':') => slice(text).map(Pick::Slice),
        _ => text.parse().ok().map(Pick::At),
    }
}

/// Parses a quoted name. Its escapes are those of JSON, except for single quotes.
fn name(text: &str) -> Option<Box<str>> {
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut json = String::from("\"");
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('\'')) => json.extend(chars.next()),
            ('\\', Some(_)) => json.extend(std::iter::once('\\').chain(chars.next())),
            ('"', _) => json.push_str("\\\""),
            (c, _) => json.push(c),
        }
    }
    json.push('"');
    serde_json::from_str(&json).ok()
}

fn slice(text: &str) -> Option<Slice> {
    let mut numbers = text.split(':').map(|number| match number.trim() {
        "" => Some(None),
        number => number.parse::<i64>().ok().map(Some),
    });
    let (start, end) = (numbers.next()??, numbers.next()??);
    let step = numbers.next().unwrap_or(Some(None))?.unwrap_or(1);
    Some(Slice { start, end, step })
}
