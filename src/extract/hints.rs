//! What a page says of its list beside what the site file names: whether it is a page of the list at
//! all, and whether the list goes on.
//!
//! Services say that in a few ways and by a few names, which stand here as tables. They are looked for
//! at the root of a JSON page, beside the container of its items, and in the usual wrappers there.
//! Nothing is guessed from them: where they disagree with the end of a list, the end is not proven.

use std::sync::LazyLock;

use bson::raw::RawBsonRef;

use super::budget::LimitError;
use super::field::{Pattern, Scope};
use super::html::{CssSelector, HtmlScope};
use super::json::Container;
use super::marks::says_something;
use super::said::{leads_nowhere, link_header, whole_number};
use super::{PageError, Select};
use crate::fetch::Page;
use crate::site::{Hints, PageSaid, Paging};

/// True where the list goes on.
const MORE: [&str; 5] =
    ["has_more", "hasMore", "hasNextPage", "exceededTransferLimit", "_more_changes"];
/// False where the list goes on.
const DONE: [&str; 2] = ["is_end", "done"];
/// The next page, or a token that leads there: with something in it the list goes on. Tokens that are
/// also on last pages (`cursor`, `endCursor`, `bookmark`) are not among them.
const NEXT: [&str; 15] = [
    "next",
    "next_page",
    "nextLink",
    "@odata.nextLink",
    "nextRecordsUrl",
    "next_url",
    "next_token",
    "next_cursor",
    "nextCursor",
    "nextPageToken",
    "next_page_token",
    "nextToken",
    "resumptionToken",
    "more_topics_url",
    "continue",
];
/// How many items there are in all; those that mean nothing else come first.
const COUNTS: [&str; 13] = [
    "total",
    "total_count",
    "totalCount",
    "totalResults",
    "total_results",
    "totalSize",
    "total_rows",
    "numFound",
    "nbHits",
    "numberMatched",
    "numberOfRecords",
    "@total_size",
    "count",
];
/// Objects that hold counts of the list; others count what is found, or guess.
const COUNT_WRAPPERS: [&str; 2] = ["meta", "page"];
/// Objects that hold the other members above.
const WRAPPERS: [&str; 9] = [
    "meta",
    "paging",
    "page",
    "pageInfo",
    "page_info",
    "pagination",
    "response_metadata",
    "links",
    "_links",
];
/// Headers that say how many items there are.
const COUNT_HEADERS: [&str; 4] = ["x-total-count", "x-wp-total", "x-total", "x-count-total"];
/// What HTML and XML pages name the next page by.
const NEXT_ELEMENTS: [&str; 3] =
    ["[rel~=next]::attr(href)", "resumptiontoken::text", "nextcontinuationtoken::text"];

static NEXT_SELECTORS: LazyLock<Vec<CssSelector>> =
    LazyLock::new(|| NEXT_ELEMENTS.iter().filter_map(|it| CssSelector::parse(it).ok()).collect());
static RANGE_END: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::parse(r"/(\d+)$").ok());

/// How a list is read, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// How it is divided.
    pub paging: &'a Paging,
    /// Selects what is on it.
    pub items: &'a Select,
    /// Whether the site file requires something of its pages: then that alone tells them from others.
    pub has_require: bool,
    /// Whether what pages say of further pages counts.
    pub more: bool,
}

/// The hints of a page that says this for the paging plan.
///
/// # Errors
/// Where an HTML page is beyond a limit.
pub fn of_page(
    list: List<'_>,
    page: &Page,
    scope: Scope<'_>,
    said: &PageSaid,
) -> Result<Hints, PageError> {
    let mut hints = Hints { tells_kind: !list.has_require, ..said.hints.clone() };
    let container = match list.items {
        Select::Json(items) => items.container(),
        Select::Css(_) => None,
    };
    if let (Scope::Json { value, .. }, false) = (scope, list.has_require) {
        kind(&mut hints, container, value, said.items);
    }
    // Where a list declares its count, that is what it is held to.
    let is_counted = said.declared.is_some() && said.items > 0;
    if !list.more || is_counted || !list.paging.is_sequence() {
        return Ok(hints);
    }
    let names_none = !hints.says_last && !list.paging.is_counted();
    match scope {
        _ if !said.places.is_empty() => {}
        Scope::Json { value, .. } => hints.goes_on = json(container, value, names_none),
        Scope::Html(scope) if names_none => hints.goes_on = html(scope)?,
        Scope::Html(_) => {}
    }
    if names_none && said.places.is_empty() && hints.goes_on.is_none() {
        // A header that cannot be read says nothing here.
        let next = link_header(page).ok().flatten();
        hints.goes_on = next.map(|_| "Link".into());
    }
    if list.paging.total().is_none() {
        hints.count = match scope {
            Scope::Json { value, .. } => count(container, value),
            Scope::Html(_) => None,
        };
        hints.count = hints.count.take().or_else(|| count_in_header(page));
    }
    Ok(hints)
}

/// Returns whether it is a page of the list, as far as its container and an error tell.
fn kind(hints: &mut Hints, container: Option<Container<'_>>, root: RawBsonRef<'_>, items: u64) {
    if items > 0 {
        hints.container = container.map(|_| true);
        return;
    }
    hints.error = error(root);
    hints.container = container.map(|container| match container.of(root) {
        None => false,
        Some(found) if container.is_root() => matches!(found, RawBsonRef::Array(_)),
        // So some services write an empty list; and so others write what an error left out.
        Some(RawBsonRef::Null) => hints.error.is_none(),
        Some(_) => true,
    });
}

/// The member that tells of an error.
fn error(root: RawBsonRef<'_>) -> Option<Box<str>> {
    let is_error = |name: &str| matches!(name, "error" | "errors");
    let found = members(root).find(|(name, value)| is_error(name) && says_something(*value));
    found.map(|(name, _)| name.into())
}

fn members<'a>(value: RawBsonRef<'a>) -> impl Iterator<Item = (&'a str, RawBsonRef<'a>)> {
    let object = match value {
        RawBsonRef::Document(object) => Some(object),
        _ => None,
    };
    object.into_iter().flat_map(|object| object.iter().flatten()).map(|(k, v)| (k.as_str(), v))
}

/// The objects whose members count: the root, what is beside the container, and wrappers in either.
fn places<'a>(
    container: Option<Container<'_>>,
    root: RawBsonRef<'a>,
    wrappers: &'static [&'static str],
) -> impl Iterator<Item = RawBsonRef<'a>> {
    let beside = container.and_then(|container| container.holder(root));
    let outer = [Some(root), beside].into_iter().flatten();
    outer.flat_map(move |outer| {
        let inner = members(outer).filter(move |(name, _)| wrappers.contains(name));
        std::iter::once(outer).chain(inner.map(|(_, value)| value))
    })
}

/// The member of a JSON page that says that the list goes on.
fn json(
    container: Option<Container<'_>>,
    root: RawBsonRef<'_>,
    names_none: bool,
) -> Option<Box<str>> {
    let mut says_last = false;
    for place in places(container, root, &WRAPPERS) {
        for (name, value) in members(place) {
            let Some(flag) = flag(value) else { continue };
            let goes_on = match (MORE.contains(&name), DONE.contains(&name)) {
                (false, false) => continue,
                (is_more, _) => flag == is_more,
            };
            if goes_on {
                return Some(name.into());
            }
            says_last = true;
        }
    }
    if says_last || !names_none {
        // Some services name a next page for ever, and say beside it that there is none.
        return None;
    }
    places(container, root, &WRAPPERS).find_map(|place| match place {
        RawBsonRef::Array(links) => next_of(links).then(|| "links".into()),
        place => {
            let mut members = members(place);
            members.find(|(name, it)| NEXT.contains(name) && leads_on(*it)).map(|(it, _)| it.into())
        }
    })
}

fn flag(value: RawBsonRef<'_>) -> Option<bool> {
    match value {
        RawBsonRef::Boolean(flag) => Some(flag),
        RawBsonRef::String("true") => Some(true),
        RawBsonRef::String("false") => Some(false),
        _ => None,
    }
}

/// Returns whether a value is a place or a token, or an object with one.
fn leads_on(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Document(object) => object.iter().flatten().any(|(_, it)| says_something(it)),
        RawBsonRef::Array(_) => false,
        value => says_something(value),
    }
}

/// Returns whether one of several links, `[{ "rel": "next", "href": … }]`, is to the next page.
fn next_of(links: &bson::RawArray) -> bool {
    let is_next = |link: RawBsonRef<'_>| {
        members(link).any(|(name, value)| {
            matches!(name, "rel" | "relation") && matches!(value, RawBsonRef::String("next"))
        })
    };
    links.into_iter().flatten().any(is_next)
}

/// How many items a JSON page says there are, and by which member.
fn count(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<(Box<str>, u64)> {
    let mut best: Option<(usize, u64)> = None;
    for place in places(container, root, &COUNT_WRAPPERS) {
        for (name, value) in members(place) {
            let Some(rank) = COUNTS.iter().position(|count| *count == name) else { continue };
            let is_better = best.is_none_or(|(other, _)| rank < other);
            if let Some(number) = number(value).filter(|_| is_better) {
                best = Some((rank, number));
            }
        }
    }
    best.and_then(|(rank, number)| Some(((*COUNTS.get(rank)?).into(), number)))
}

fn number(value: RawBsonRef<'_>) -> Option<u64> {
    match value {
        RawBsonRef::Int32(number) => number.try_into().ok(),
        RawBsonRef::Int64(number) => number.try_into().ok(),
        RawBsonRef::String(text) => whole_number(text).ok(),
        // `{ "value": 47, "relation": "eq" }`
        RawBsonRef::Document(_) => {
            let inner = members(value).find(|(name, _)| *name == "value");
            inner.and_then(|(_, value)| match value {
                RawBsonRef::Document(_) => None,
                value => number(value),
            })
        }
        _ => None,
    }
}

fn count_in_header(page: &Page) -> Option<(Box<str>, u64)> {
    let count = |name: &&str| {
        let number = whole_number(page.header(*name)?).ok()?;
        Some(((*name).into(), number))
    };
    let of_range = || {
        let end = RANGE_END.as_ref()?.find(page.header("content-range")?).ok()??;
        Some(("content-range".into(), whole_number(end).ok()?))
    };
    COUNT_HEADERS.iter().find_map(count).or_else(of_range)
}

/// The element of an HTML or XML page that names the next page.
fn html(scope: HtmlScope<'_>) -> Result<Option<Box<str>>, LimitError> {
    for (name, selector) in NEXT_ELEMENTS.iter().zip(NEXT_SELECTORS.iter()) {
        let found = selector.select_texts(scope)?;
        let leads = |text: &String| !text.trim().is_empty() && !leads_nowhere(text);
        if found.iter().any(leads) {
            return Ok(Some(name.split("::").next().unwrap_or_default().into()));
        }
    }
    Ok(None)
}
