//! Hints of a page about its list, beside what the site file selects: whether the page belongs to
//! the list, and whether the list continues.
//!
//! Services use a few common names for this (`hints/names.rs`). They are searched at the root of a
//! JSON page, next to the container of its items, and in the usual wrappers at both places.
//!
//! The hints change nothing by themselves. If they contradict the end of a list, the end counts as
//! not proven.

pub mod names;

use std::sync::LazyLock;

use bson::raw::RawBsonRef;

use super::PageError;
use super::marks::says_something;
use super::said::{leads_nowhere, link_header};
use crate::fetch::Page;
use crate::select::Select;
use crate::select::budget::LimitError;
use crate::select::field::{Pattern, Scope};
use crate::select::html::{CssSelector, HtmlScope};
use crate::select::json::Container;
use crate::select::text::whole_number;
use crate::site::{Hints, PageSaid, Paging};
use names::{Means, count_rank, says};

/// Objects that hold counts of the list. Counts in other objects have other meanings or are
/// estimates.
const COUNT_WRAPPERS: [&str; 4] = ["meta", "page", "paging", "pagination"];
/// Those of [`COUNT_WRAPPERS`] in which `count` is the number of requested items.
const REQUEST_WRAPPERS: [&str; 2] = ["paging", "pagination"];
/// Texts of an error member that mean that there was no error.
const NO_ERRORS: [&str; 5] = ["ok", "success", "none", "no error", "0"];
/// Texts of a status member that mean that the request failed.
const FAILED: [&str; 4] = ["error", "fail", "failed", "failure"];
/// Statuses in the body of a page that mean that nothing is there, as at the end of a list.
const ABSENT: [i64; 3] = [204, 404, 410];
/// Maximum number of members of a page that says only that the site failed.
const MOST_OF_AN_ERROR: usize = 8;
/// Objects that hold the other members.
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
/// Headers that hold the total number of items.
const COUNT_HEADERS: [&str; 4] = ["x-total-count", "x-wp-total", "x-total", "x-count-total"];
/// Headers that hold the number of pages.
const PAGES_HEADERS: [&str; 3] = ["x-wp-totalpages", "x-total-pages", "x-pagination-page-count"];
/// Selectors of the next page in HTML and XML.
const NEXT_ELEMENTS: [&str; 3] =
    ["[rel~=next]::attr(href)", "resumptiontoken::text", "nextcontinuationtoken::text"];

/// The same in XML, where case counts.
const NEXT_NODES: [&str; 3] =
    ["[rel~=next]::attr(href)", "resumptionToken::text", "NextContinuationToken::text"];

type Selectors = LazyLock<Vec<CssSelector>>;

static NEXT_SELECTORS: Selectors =
    LazyLock::new(|| NEXT_ELEMENTS.iter().filter_map(|it| CssSelector::parse(it).ok()).collect());
static NEXT_XML_SELECTORS: Selectors =
    LazyLock::new(|| NEXT_NODES.iter().filter_map(|it| CssSelector::parse_xml(it).ok()).collect());
static RANGE_END: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::parse(r"/(\d+)$").ok());

/// Properties of a list that decide which hints count.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// Paging of the list.
    pub paging: &'a Paging,
    /// Selector of the items.
    pub items: &'a Select,
    /// True if the site file has `require` rules for these pages. Then only those identify them.
    pub has_require: bool,
    /// True if hints of further pages count.
    pub more: bool,
}

/// Returns the hints of a page for which `said` is passed to the paging plan.
///
/// # Errors
/// Returns an error if an HTML page exceeds a limit.
pub fn of_page(
    list: List<'_>,
    page: &Page,
    scope: Scope<'_>,
    said: &PageSaid,
) -> Result<Hints, PageError> {
    let mut hints = Hints { tells_kind: !list.has_require, ..said.hints.clone() };
    let container = match list.items {
        Select::Json(items) => items.container(),
        Select::Css(_) | Select::Steps(_) => None,
    };
    if let (Scope::Json { value, .. }, false) = (scope, list.has_require) {
        kind(&mut hints, container, value, said.items);
    }
    if let (Select::Steps(steps), false) = (list.items, list.has_require) {
        hints.container = match said.items {
            0 => steps.has_source(scope)?,
            _ => Some(true),
        };
    }
    if !list.more || !list.paging.is_sequence() {
        return Ok(hints);
    }
    let may_name = !hints.says_last && said.places.is_empty();
    let mut ends = hints.says_last;
    hints.names_next = match scope {
        _ if !may_name => None,
        Scope::Json { value, .. } => named_next(container, value),
        Scope::Html(_) => None,
    };
    // A list that declares its count is checked against that count.
    if said.declared.is_some() && said.items > 0 {
        return Ok(hints);
    }
    if let (Scope::Json { value, .. }, true) = (scope, said.places.is_empty()) {
        let flagged = flagged(container, value, said.items > 0);
        ends = flagged == Some(Err(()));
        hints.goes_on = flagged.clone().and_then(Result::ok);
        // Some services always name a next page, and say next to it that there is none.
        hints.names_next = hints.names_next.take().filter(|_| flagged.is_none());
    }
    if may_name && hints.goes_on.is_none() && !list.paging.is_counted() {
        hints.goes_on = match scope {
            Scope::Json { .. } => hints.names_next.clone(),
            Scope::Html(scope) => html(scope)?,
        };
        if hints.goes_on.is_none() {
            // A malformed header gives no hint.
            let next = link_header(page).ok().flatten();
            hints.goes_on = next.map(|_| "Link".into());
        }
    }
    if list.paging.total().is_none() {
        let json = match scope {
            Scope::Json { value, .. } => Some(value),
            Scope::Html(_) => None,
        };
        hints.count = json.and_then(|value| count(container, value));
        hints.count = hints.count.take().or_else(|| count_in_header(page));
        if !ends && !list.paging.tells_its_end() {
            hints.pages = json.and_then(|value| pages(container, value));
            hints.pages = hints.pages.take().or_else(|| in_headers(page, &PAGES_HEADERS));
        }
    }
    Ok(hints)
}

/// Sets the hints for whether it is a page of the list, by its container, an error and a code.
fn kind(hints: &mut Hints, container: Option<Container<'_>>, root: RawBsonRef<'_>, items: u64) {
    hints.code = code(container, root);
    if items > 0 {
        // `$[*]` selects the members of an object, too, as those of an error page where pages are lists.
        let is_list = matches!(root, RawBsonRef::Array(_));
        hints.container = container.map(|container| !container.is_root() || is_list);
        return;
    }
    hints.error = error(container, root);
    hints.container = container.map(|container| match container.of(root) {
        None => false,
        Some(found) if container.is_root() => matches!(found, RawBsonRef::Array(_)),
        // Some services write an empty list like this; others write it for what an error left out.
        Some(RawBsonRef::Null | RawBsonRef::Boolean(false)) => hints.error.is_none(),
        Some(RawBsonRef::String(text)) => text.trim().is_empty() && hints.error.is_none(),
        Some(found) => matches!(found, RawBsonRef::Array(_) | RawBsonRef::Document(_)),
    });
}

/// Returns the name of the member by which a page says that the site failed, if it says nothing else:
/// such a page is no item's. Returns `None` for any other page.
pub fn failed(root: RawBsonRef<'_>) -> Option<Box<str>> {
    const SAYINGS: [Means; 4] = [Means::Error, Means::Success, Means::Code, Means::Message];
    if members(root).nth(MOST_OF_AN_ERROR).is_some() {
        return None;
    }
    let name = error(None, root)?;
    let is_saying = |(name, value): (&str, RawBsonRef<'_>)| {
        !says_something(value) || SAYINGS.iter().any(|means| says(name, *means))
    };
    members(root).all(is_saying).then_some(name)
}

/// Returns the name of the member that reports an error on a page without items, or `None`.
fn error(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<Box<str>> {
    let is_failed = |(name, value): (&str, RawBsonRef<'_>)| {
        let text = match value {
            RawBsonRef::String(text) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        let is_error = says(name, Means::Error) && says_something(value);
        is_error && !NO_ERRORS.contains(&&*text)
            || says(name, Means::Success) && flag(value) == Some(false)
            || says(name, Means::Partial) && flag(value) == Some(true)
            || says(name, Means::Code) && FAILED.contains(&&*text)
    };
    let mut all = places(container, root, &[]).flat_map(members);
    all.find(|member| is_failed(*member)).map(|(name, _)| name.into())
}

/// Returns the name and the value of the member with the result code of the request, or `None`.
/// Codes for "nothing there" do not count.
fn code(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<(Box<str>, i64)> {
    let number = |value| match value {
        RawBsonRef::Int32(number) => Some(i64::from(number)),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let mut all = places(container, root, &[]).flat_map(members);
    let found = all.find_map(|(name, value)| {
        let is_code = says(name, Means::Code);
        Some((name.into(), number(value).filter(|_| is_code)?))
    });
    found.filter(|(_, code)| !ABSENT.contains(code))
}

fn members<'a>(value: RawBsonRef<'a>) -> impl Iterator<Item = (&'a str, RawBsonRef<'a>)> {
    let object = match value {
        RawBsonRef::Document(object) => Some(object),
        _ => None,
    };
    object.into_iter().flat_map(|object| object.iter().flatten()).map(|(k, v)| (k.as_str(), v))
}

/// Returns the objects whose members count: the root, the objects around the container, and the
/// wrappers in them.
fn places<'a>(
    container: Option<Container<'_>>,
    root: RawBsonRef<'a>,
    wrappers: &'static [&'static str],
) -> impl Iterator<Item = RawBsonRef<'a>> {
    let beside = container.into_iter().flat_map(move |container| container.holders(root));
    let outer = std::iter::once(root).chain(beside);
    outer.flat_map(move |outer| {
        let wrapped = move |outer| members(outer).filter(move |(name, _)| wrappers.contains(name));
        // Wrappers can be nested, as in `{ "meta": { "pagination": { … } } }`.
        let inner = wrapped(outer).map(|(_, value)| value);
        let inner = inner.flat_map(move |inner| {
            std::iter::once(inner).chain(wrapped(inner).map(|(_, value)| value))
        });
        std::iter::once(outer).chain(inner)
    })
}

/// Returns the name of the flag that says that the list continues, an error if a flag says that it
/// does not, or `None` without a flag.
fn flagged(
    container: Option<Container<'_>>,
    root: RawBsonRef<'_>,
    has_items: bool,
) -> Option<Result<Box<str>, ()>> {
    let mut says_last = None;
    for (name, value) in places(container, root, &WRAPPERS).flat_map(members) {
        // Only flags for "more" may be the number 1: `last` may be the number of a page.
        let number = matches!(value, RawBsonRef::Int32(1)) && says(name, Means::More);
        let Some(flag) = flag(value).or(number.then_some(true)) else { continue };
        let goes_on = match (says(name, Means::More), says(name, Means::Done)) {
            // Without any items, this flag means another kind of page.
            (false, false) if has_items && flag && says(name, Means::Partial) => true,
            (false, false) => continue,
            (is_more, _) => flag == is_more,
        };
        if goes_on {
            return Some(Ok(name.into()));
        }
        says_last = Some(Err(()));
    }
    says_last
}

/// Returns the name of the JSON member with the next page, or `None`.
fn named_next(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<Box<str>> {
    places(container, root, &WRAPPERS).find_map(|place| match place {
        RawBsonRef::Array(links) => next_of(links).then(|| "links".into()),
        place => {
            let mut members = members(place);
            let leads = |(name, it): &(&str, _)| {
                says(name, Means::Next) && leads_on(*it) || is_token(name, *it)
            };
            members.find(leads).map(|(it, _)| it.into())
        }
    })
}

/// Returns the name and the value of the member with the number of pages, or `None`.
fn pages(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<(Box<str>, u64)> {
    let mut all = places(container, root, &WRAPPERS).flat_map(members);
    all.find_map(|(name, value)| {
        let is_pages = says(name, Means::Pages);
        Some((name.into(), number(value).filter(|_| is_pages)?))
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

/// Returns `true` if a value is a URL or a token, or an object that contains one.
fn leads_on(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Document(object) => object.iter().flatten().any(|(_, it)| says_something(it)),
        RawBsonRef::Array(_) => false,
        value => says_something(value),
    }
}

/// Returns `true` for an offset that is not a number: the token of the next page.
fn is_token(name: &str, value: RawBsonRef<'_>) -> bool {
    let RawBsonRef::String(text) = value else { return false };
    name == "offset" && !text.trim().is_empty() && whole_number(text).is_err()
}

/// Returns `true` if one of several links (`[{ "rel": "next", "href": … }]`) is to the next page.
fn next_of(links: &bson::RawArray) -> bool {
    let is_next = |link: RawBsonRef<'_>| {
        members(link).any(|(name, value)| {
            matches!(name, "rel" | "relation") && matches!(value, RawBsonRef::String("next"))
        })
    };
    links.into_iter().flatten().any(is_next)
}

/// Returns the name and the value of the member with the total number of items, or `None`.
fn count(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<(Box<str>, u64)> {
    let outer = places(container, root, &[]);
    let wrapped = outer.flat_map(members).filter(|(name, _)| COUNT_WRAPPERS.contains(name));
    let wrapped = wrapped.flat_map(|(wrapper, value)| {
        let is_request = REQUEST_WRAPPERS.contains(&wrapper);
        members(value).filter(move |(name, _)| !is_request || *name != "count")
    });
    let all = places(container, root, &[]).flat_map(members).chain(wrapped);
    let counts = all.filter_map(|(name, value)| Some((count_rank(name)?, name, number(value)?)));
    counts.min_by_key(|(rank, _, _)| *rank).map(|(_, name, count)| (name.into(), count))
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
    let of_range = || {
        let end = RANGE_END.as_ref()?.find(page.header("content-range")?).ok()??;
        Some(("content-range".into(), whole_number(end).ok()?))
    };
    in_headers(page, &COUNT_HEADERS).or_else(of_range)
}

fn in_headers(page: &Page, names: &[&str]) -> Option<(Box<str>, u64)> {
    names.iter().find_map(|name| {
        let number = whole_number(page.header(*name)?).ok()?;
        Some(((*name).into(), number))
    })
}

/// Returns the selector of the element that links to the next page, or `None`.
fn html(scope: HtmlScope<'_>) -> Result<Option<Box<str>>, LimitError> {
    let selectors = match scope.page().is_xml() {
        true => &NEXT_XML_SELECTORS,
        false => &NEXT_SELECTORS,
    };
    for selector in selectors.iter() {
        let found = selector.select_texts(scope)?;
        let leads = |text: &String| !text.trim().is_empty() && !leads_nowhere(text);
        if found.iter().any(leads) {
            return Ok(selector.text().split("::").next().map(Into::into));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use bson::raw::RawDocumentBuf;
    use bson::{Bson, Document, doc};
    use bytes::Bytes;
    use url::Url;

    use super::*;
    use crate::fetch::HeaderMap;

    fn raw(page: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(page).unwrap()
    }

    fn goes_on(page: &Document) -> Option<Box<str>> {
        let page = raw(page);
        let page = RawBsonRef::Document(&page);
        flagged(None, page, true).and_then(Result::ok).or_else(|| named_next(None, page))
    }

    fn counted(page: &Document) -> Option<(Box<str>, u64)> {
        count(None, RawBsonRef::Document(&raw(page)))
    }

    #[test]
    fn l12_the_names_by_which_services_say_that_a_list_goes_on_are_known() {
        let more = "has_more hasMore hasNextPage exceededTransferLimit _more_changes";
        let done = "is_end done";
        let next = "next next_page nextLink @odata.nextLink nextRecordsUrl next_url next_token \
            next_cursor nextCursor nextPageToken next_page_token nextToken resumptionToken \
            more_topics_url continue";
        let flags = |names: &'static str, flag: bool| {
            names.split(' ').map(move |name| (name, Bson::from(flag), Bson::from(!flag)))
        };
        let tokens = next.split_whitespace().map(|name| (name, Bson::from("x"), Bson::Null));
        for (name, onward, ends) in flags(more, true).chain(flags(done, false)).chain(tokens) {
            assert_eq!(goes_on(&doc! { name: onward.clone() }).as_deref(), Some(name));
            assert_eq!(goes_on(&doc! { name: ends }), None, "{name}");
            for wrapper in ["meta", "paging", "page", "pageInfo", "page_info", "pagination"] {
                let page = doc! { wrapper: { name: onward.clone() } };
                assert_eq!(goes_on(&page).as_deref(), Some(name), "{wrapper}");
            }
        }
        for wrapper in ["response_metadata", "links", "_links"] {
            assert!(goes_on(&doc! { wrapper: { "next": "x" } }).is_some(), "{wrapper}");
        }
        // Also on last pages.
        for name in ["cursor", "endCursor", "bookmark"] {
            assert_eq!(goes_on(&doc! { name: "x" }), None, "{name}");
        }
    }

    #[test]
    fn l12_the_names_by_which_services_count_are_known() {
        let names = "total total_count totalCount totalResults total_results totalSize total_rows \
            numFound nbHits numberMatched numberOfRecords @total_size count";
        for name in names.split_whitespace() {
            let expected = Some((name.into(), 47));
            assert_eq!(counted(&doc! { name: 47 }), expected);
            assert_eq!(counted(&doc! { "meta": { name: "47" } }), expected);
            assert_eq!(counted(&doc! { "page": { name: { "value": 47_i64 } } }), expected);
            assert_eq!(counted(&doc! { "pageInfo": { name: 47 } }), None, "{name}: a guess");
        }
        for (name, value) in [
            ("x-total-count", "47"),
            ("x-wp-total", "47"),
            ("x-total", "47"),
            ("x-count-total", "47"),
            ("content-range", "items 0-9/47"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let url = Url::parse("http://h/").unwrap();
            let page = Page { url, headers, body: Bytes::new() };
            assert_eq!(count_in_header(&page), Some((name.into(), 47)));
        }
    }
}
