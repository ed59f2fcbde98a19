//! What a page says of its list beside what the site file names: whether it is a page of the list at
//! all, and whether the list goes on.
//!
//! Services say that in a few ways and by a few names (`hints/names.rs`). They are looked for at the
//! root of a JSON page, beside the container of its items, and in the usual wrappers there.
//! Nothing is guessed from them: where they disagree with the end of a list, the end is not proven.

mod names;

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
use names::{Means, count_rank, says};

/// Objects that hold counts of the list; others count what is found, or guess.
const COUNT_WRAPPERS: [&str; 4] = ["meta", "page", "paging", "pagination"];
/// Those of them in which `count` is how many items were asked for.
const REQUEST_WRAPPERS: [&str; 2] = ["paging", "pagination"];
/// Texts at the place of an error that tell of none.
const NO_ERRORS: [&str; 5] = ["ok", "success", "none", "no error", "0"];
/// Texts that tell of one where others have a status.
const FAILED: [&str; 4] = ["error", "fail", "failed", "failure"];
/// Statuses in the body of a page that say that nothing is there, as the end of a list is.
const ABSENT: [i64; 3] = [204, 404, 410];
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
/// Headers that say how many pages there are.
const PAGES_HEADERS: [&str; 3] = ["x-wp-totalpages", "x-total-pages", "x-pagination-page-count"];
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
    // Where a list declares its count, that is what it is held to.
    if said.declared.is_some() && said.items > 0 {
        return Ok(hints);
    }
    if let (Scope::Json { value, .. }, true) = (scope, said.places.is_empty()) {
        let flagged = flagged(container, value, said.items > 0);
        ends = flagged == Some(Err(()));
        hints.goes_on = flagged.clone().and_then(Result::ok);
        // Some services name a next page for ever, and say beside it that there is none.
        hints.names_next = hints.names_next.take().filter(|_| flagged.is_none());
    }
    if may_name && hints.goes_on.is_none() && !list.paging.is_counted() {
        hints.goes_on = match scope {
            Scope::Json { .. } => hints.names_next.clone(),
            Scope::Html(scope) => html(scope)?,
        };
        if hints.goes_on.is_none() {
            // A header that cannot be read says nothing here.
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

/// Returns whether it is a page of the list, as far as its container and an error tell.
fn kind(hints: &mut Hints, container: Option<Container<'_>>, root: RawBsonRef<'_>, items: u64) {
    hints.code = code(container, root);
    if items > 0 {
        hints.container = container.map(|_| true);
        return;
    }
    hints.error = error(container, root);
    hints.container = container.map(|container| match container.of(root) {
        None => false,
        Some(found) if container.is_root() => matches!(found, RawBsonRef::Array(_)),
        // So some services write an empty list; and so others write what an error left out.
        Some(RawBsonRef::Null | RawBsonRef::Boolean(false)) => hints.error.is_none(),
        Some(RawBsonRef::String(text)) => text.trim().is_empty() && hints.error.is_none(),
        Some(found) => matches!(found, RawBsonRef::Array(_) | RawBsonRef::Document(_)),
    });
}

/// The member of a page without items that tells of an error.
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

/// The number that tells how the site got on with the request, and what it is called.
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

/// The objects whose members count: the root, what is beside the container, and wrappers in either.
fn places<'a>(
    container: Option<Container<'_>>,
    root: RawBsonRef<'a>,
    wrappers: &'static [&'static str],
) -> impl Iterator<Item = RawBsonRef<'a>> {
    let beside = container.and_then(|container| container.holder(root));
    let outer = [Some(root), beside].into_iter().flatten();
    outer.flat_map(move |outer| {
        let wrapped = move |outer| members(outer).filter(move |(name, _)| wrappers.contains(name));
        // As in `{ "meta": { "pagination": { … } } }`.
        let inner = wrapped(outer).map(|(_, value)| value);
        let inner = inner.flat_map(move |inner| {
            std::iter::once(inner).chain(wrapped(inner).map(|(_, value)| value))
        });
        std::iter::once(outer).chain(inner)
    })
}

/// The member of a JSON page that says by true or false that the list goes on; or an error where one
/// says that it does not.
fn flagged(
    container: Option<Container<'_>>,
    root: RawBsonRef<'_>,
    has_items: bool,
) -> Option<Result<Box<str>, ()>> {
    let mut says_last = None;
    for (name, value) in places(container, root, &WRAPPERS).flat_map(members) {
        // `last` may be a number, too.
        let number = matches!(value, RawBsonRef::Int32(1)) && says(name, Means::More);
        let Some(flag) = flag(value).or(number.then_some(true)) else { continue };
        let goes_on = match (says(name, Means::More), says(name, Means::Done)) {
            // Without any items it is another kind of page.
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

/// The member of a JSON page that names a next page.
fn named_next(container: Option<Container<'_>>, root: RawBsonRef<'_>) -> Option<Box<str>> {
    places(container, root, &WRAPPERS).find_map(|place| match place {
        RawBsonRef::Array(links) => next_of(links).then(|| "links".into()),
        place => {
            let mut members = members(place);
            let leads = |(name, it): &(&str, _)| says(name, Means::Next) && leads_on(*it);
            members.find(leads).map(|(it, _)| it.into())
        }
    })
}

/// How many pages a JSON page says there are, and by which member.
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
