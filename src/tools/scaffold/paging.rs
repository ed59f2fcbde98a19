//! Detects the kind of paging: from the first page of a list, and from the answers to a few probes.

use url::Url;

use super::shape::Path;
use super::{Seen, number};
use crate::extract::link_header;

/// Query parameters for the number of items to skip.
const OFFSETS: [&str; 8] =
    ["offset", "skip", "start", "_start", "from", "startIndex", "start_index", "$skip"];
/// Query parameters for the number of a page.
const PAGES: [&str; 7] =
    ["page", "_page", "p", "page_number", "pageNumber", "pageNo", "page[number]"];
/// Query parameters for the number of items per page.
const SIZES: [&str; 14] = [
    "limit",
    "per_page",
    "page_size",
    "size",
    "_limit",
    "pageSize",
    "perPage",
    "count",
    "take",
    "rows",
    "page[size]",
    "max",
    "$top",
    "n",
];
/// Combinations of parameters to try if the list's URLs do not name any.
const USUAL: [(At, &str, &str); 6] = [
    (At::Offset, "offset", "limit"),
    (At::Page, "page", "per_page"),
    (At::Page, "page", "page_size"),
    (At::Offset, "skip", "limit"),
    (At::Offset, "_start", "_limit"),
    (At::Page, "page", "limit"),
];
/// Members in which lists put data about themselves.
const ENVELOPES: [&str; 9] =
    ["", "meta", "pagination", "paging", "page", "_meta", "meta.pagination", "info", "data"];
const COUNTS: [&str; 10] = [
    "count",
    "total",
    "total_count",
    "totalCount",
    "totalResults",
    "total_results",
    "totalItems",
    "total_items",
    "totalElements",
    "numFound",
];
const COUNT_HEADERS: [&str; 5] =
    ["x-total-count", "x-wp-total", "x-total", "x-pagination-total-count", "total-count"];
const LAST_PAGES: [&str; 7] =
    ["total_pages", "totalPages", "last_page", "lastPage", "page_count", "pageCount", "pages"];
const LAST_PAGE_HEADERS: [&str; 3] =
    ["x-wp-totalpages", "x-total-pages", "x-pagination-page-count"];
const NEXT: [&str; 15] = [
    "next",
    "links.next",
    "next_page_url",
    "paging.next",
    "_links.next.href",
    "links.next.href",
    "pagination.next",
    "meta.next",
    "next_page",
    "nextLink",
    "next_url",
    "pagination.next_url",
    "meta.next_page_url",
    "info.next",
    "meta.pagination.links.next",
];
/// Paths of cursors, and the parameter that usually takes each of them.
const CURSORS: [(&str, &str); 13] = [
    ("next_cursor", "cursor"),
    ("nextCursor", "cursor"),
    ("meta.next_cursor", "cursor"),
    ("meta.nextCursor", "cursor"),
    ("pagination.next_cursor", "cursor"),
    ("paging.next_cursor", "cursor"),
    ("meta.cursor.next", "cursor"),
    ("paging.cursors.after", "after"),
    ("next_page_token", "page_token"),
    ("nextPageToken", "pageToken"),
    ("cursor", "cursor"),
    ("data.after", "after"),
    ("next", "cursor"),
];

/// Unit of a paging parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Items to skip.
    Offset,
    /// Pages.
    Page,
}

/// Query parameters that select a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// Unit of `at`.
    pub by: At,
    /// Parameter that selects the page.
    pub at: String,
    /// Parameter for the number of items per page.
    pub size: Option<String>,
}

/// Parameter values of a request that tests a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Value of the `at` parameter.
    pub at: u64,
    /// Value of the `size` parameter.
    pub size: u64,
}

/// Result of testing a scheme that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// True if the answer had as many items as requested.
    pub sized: bool,
    /// Number of the first page, or `None` if another request has to find out.
    pub first: Option<u64>,
}

/// Source of a number in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// Path in the body.
    Body(Path),
    /// Name of a header.
    Header(&'static str),
}

/// Source of the next page's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAt {
    /// Path in the body.
    Body(Path),
    /// In the `Link` header.
    Header,
}

/// How the end of a list is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Pages declare the number of items.
    Total(Count),
    /// Pages declare the number of the last page.
    Last(Count),
    /// Not known.
    Unknown,
}

/// How a page leads to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward {
    /// By its URL.
    Link(NextAt),
    /// By a cursor at this path, for this query parameter.
    Cursor(Path, String),
}

/// Kind of paging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// There is one page, or no paging was found.
    Single,
    /// Any page can be requested by its number or offset.
    Numbered {
        /// Query parameters.
        scheme: Scheme,
        /// Number of items per page.
        items: u64,
        /// Number of the first page.
        first: u64,
        /// How the end of the list is known.
        end: End,
    },
    /// Each page leads to the next one.
    InTurn {
        /// How a page leads to the next one.
        onward: Onward,
        /// Parameter that sets the number of items per page, and its value.
        size: Option<(String, u64)>,
    },
}

impl Count {
    /// Returns the number on a page, or `None` if the page does not have it.
    pub fn on(&self, seen: &Seen) -> Option<u64> {
        match self {
            Count::Body(path) => number(path.find(&seen.body)?),
            Count::Header(name) => seen.page.header(&**name)?.trim().parse().ok(),
        }
    }
}

/// Returns the places where a page may declare the number of items: numbers no smaller than the
/// number of items on it.
pub fn counts(seen: &Seen) -> Vec<Count> {
    said(seen, &COUNTS, &COUNT_HEADERS, seen.keys.len() as u64)
}

/// Returns true if a number that both pages declare is that of all items, and not of those on a
/// page.
pub fn is_of_all(count: &Count, first: &Seen, other: &Seen) -> bool {
    let more = other.keys.iter().filter(|key| !first.keys.contains(key)).count();
    let seen = (first.keys.len() + more) as u64;
    let said = count.on(first);
    said == count.on(other) && said.is_some_and(|said| said >= seen)
}

/// Returns the places where a page may declare the number of the last page.
pub fn last_pages(seen: &Seen) -> Vec<Count> {
    said(seen, &LAST_PAGES, &LAST_PAGE_HEADERS, 1)
}

fn said(seen: &Seen, names: &[&str], headers: &[&'static str], least: u64) -> Vec<Count> {
    let in_body = ENVELOPES.iter().flat_map(|envelope| {
        names.iter().map(move |name| match *envelope {
            "" => Count::Body(Path::of(name)),
            envelope => Count::Body(Path::of(&format!("{envelope}.{name}"))),
        })
    });
    let in_headers = headers.iter().map(|name| Count::Header(name));
    in_body
        .chain(in_headers)
        .filter(|count| count.on(seen).is_some_and(|number| number >= least))
        .collect()
}

/// Returns the URL of the next page and its source, or `None` if the page does not name one.
pub fn next_link(seen: &Seen) -> Option<(NextAt, Url)> {
    let in_body = NEXT.iter().find_map(|name| {
        let path = Path::of(name);
        let text = path.find(&seen.body)?.as_str()?;
        let is_url = ["http://", "https://", "/", "?"].iter().any(|start| text.starts_with(start));
        let url = seen.page.url.join(text).ok().filter(|_| is_url)?;
        Some((NextAt::Body(path), url))
    });
    in_body.or_else(|| {
        let url = link_header(&seen.page).ok()??;
        Some((NextAt::Header, Url::parse(&url).ok()?))
    })
}

/// Returns the path of the next page's cursor, its value, and the parameters that may take it, or
/// `None` if the page has no cursor.
pub fn cursor(seen: &Seen) -> Option<(Path, String, Vec<&'static str>)> {
    CURSORS.iter().find_map(|(name, parameter)| {
        let path = Path::of(name);
        let text = super::shape::scalar(path.find(&seen.body)?)?;
        let others = ["cursor", "after"].into_iter().filter(|other| other != parameter);
        Some((path, text, [*parameter].into_iter().chain(others).collect()))
    })
}

/// Returns schemes to try, best first: those with parameters from the list's own URLs, then the
/// usual ones.
pub fn schemes(url: &Url, next: Option<&Url>) -> Vec<Scheme> {
    let pairs = |url: &Url| -> Vec<String> {
        url.query_pairs().map(|(name, _)| name.into_owned()).collect()
    };
    let own: Vec<String> = next.map(pairs).into_iter().chain([pairs(url)]).flatten().collect();
    let named = |names: &[&str]| own.iter().find(|name| names.contains(&name.as_str())).cloned();
    let size = named(&SIZES);
    let mut schemes = Vec::new();
    for (by, names) in [(At::Offset, &OFFSETS[..]), (At::Page, &PAGES[..])] {
        if let Some(at) = named(names) {
            let usual = USUAL.iter().find(|(kind, name, _)| *kind == by && *name == at);
            let size = size.clone().or_else(|| usual.map(|(.., size)| (*size).to_owned()));
            schemes.push(Scheme { by, at, size });
        }
    }
    for (by, at, size) in USUAL {
        let scheme = Scheme { by, at: at.to_owned(), size: Some(size.to_owned()) };
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    schemes
}

/// Returns the parameter for the number of items per page in the URL of a next page, if it has one.
pub fn size_of_next(next: &Url) -> Option<String> {
    let mut names = next.query_pairs().map(|(name, _)| name.into_owned());
    names.find(|name| SIZES.contains(&name.as_str()))
}

impl Scheme {
    /// Returns the values of a probe that shows whether this scheme works on a list with `items`
    /// items on its first page.
    pub fn probe(&self, items: usize) -> Probe {
        let size = if items >= 6 { 2 } else { 1 };
        Probe { at: if self.by == At::Page { 2 } else { size }, size }
    }

    /// Evaluates the answer to a probe. Returns `None` if this scheme does not work.
    pub fn moved(&self, probe: Probe, first: &[String], answered: &[String]) -> Option<Moved> {
        let size = usize::try_from(probe.size).unwrap_or(usize::MAX);
        let is_part = |from: usize| {
            !answered.is_empty() && first.get(from..from + size).is_some_and(|it| it == answered)
        };
        let is_new = !answered.is_empty() && answered.iter().all(|key| !first.contains(key));
        match self.by {
            At::Offset if is_part(size) => Some(Moved { sized: true, first: Some(1) }),
            At::Offset => {
                let rest = first.get(size..).filter(|rest| !rest.is_empty())?;
                let goes_on = answered.len() >= rest.len() && answered.starts_with(rest);
                goes_on.then_some(Moved { sized: false, first: Some(1) })
            }
            At::Page if is_part(size) => Some(Moved { sized: true, first: Some(1) }),
            At::Page if is_part(2 * size) => Some(Moved { sized: true, first: Some(0) }),
            At::Page if is_new => Some(Moved { sized: false, first: None }),
            At::Page => None,
        }
    }

    /// Returns `url` with the parameters set to the values of a probe. The size is set only if this
    /// scheme has a parameter for it.
    pub fn url(&self, url: &Url, probe: Probe) -> Url {
        let mut values = vec![(self.at.as_str(), probe.at.to_string())];
        if let Some(size) = &self.size {
            values.push((size, probe.size.to_string()));
        }
        with_query(url, &values)
    }

    /// Returns true if a parameter belongs to this scheme.
    pub fn takes(&self, name: &str) -> bool {
        self.at == name || self.size.as_deref() == Some(name)
    }
}

/// Returns `url` with these query parameters, which replace its own with the same names.
pub fn with_query(url: &Url, values: &[(&str, String)]) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(name, _)| values.iter().all(|(other, _)| other != name))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(values);
    url
}
