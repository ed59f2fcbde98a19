//! How a list goes on: what its first page says, what to ask for to find out, and what the answers
//! mean.

use url::Url;

use super::shape::Path;
use super::{Seen, number};
use crate::extract::link_header;

/// Names of query parameters: items passed over.
const OFFSETS: [&str; 8] =
    ["offset", "skip", "start", "_start", "from", "startIndex", "start_index", "$skip"];
/// The number of a page.
const PAGES: [&str; 7] =
    ["page", "_page", "p", "page_number", "pageNumber", "pageNo", "page[number]"];
/// Items on a page.
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
/// Parameters that are tried where the list does not name its own.
const USUAL: [(At, &str, &str); 6] = [
    (At::Offset, "offset", "limit"),
    (At::Page, "page", "per_page"),
    (At::Page, "page", "page_size"),
    (At::Offset, "skip", "limit"),
    (At::Offset, "_start", "_limit"),
    (At::Page, "page", "limit"),
];
/// Members that lists put what they say of themselves into.
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
/// Cursors, and the parameter that usually takes each of them.
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

/// What a parameter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Items passed over.
    Offset,
    /// Pages.
    Page,
}

/// A way of asking for any page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// What `at` counts.
    pub by: At,
    /// Says which page.
    pub at: String,
    /// Says how many items.
    pub size: Option<String>,
}

/// A question to the site: the values of a scheme's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Of `at`.
    pub at: u64,
    /// Of `size`.
    pub size: u64,
}

/// What a scheme did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Whether as many items came as were asked for.
    pub sized: bool,
    /// The number of the first page; not known where that is still to be asked.
    pub first: Option<u64>,
}

/// Where a page says a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// In its body.
    Body(Path),
    /// In a header.
    Header(&'static str),
}

/// Where a page says where the next one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAt {
    /// In its body.
    Body(Path),
    /// In the `Link` header.
    Header,
}

/// What is known of the end of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A page says how many items there are.
    Total(Count),
    /// A page says the number of the last one.
    Last(Count),
    /// Nothing.
    Unknown,
}

/// How a page leads to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward {
    /// By its URL.
    Link(NextAt),
    /// By a cursor, and the parameter that takes it.
    Cursor(Path, String),
}

/// How a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// It does not, or nobody can tell.
    Single,
    /// Any page can be asked for.
    Numbered {
        /// How.
        scheme: Scheme,
        /// Items on a page.
        items: u64,
        /// Number of the first page.
        first: u64,
        /// Where the list ends.
        end: End,
    },
    /// One page leads to the next.
    InTurn {
        /// How.
        onward: Onward,
        /// A parameter that asks for more items on a page, and how many it brings.
        size: Option<(String, u64)>,
    },
}

impl Count {
    /// The number on a page.
    pub fn on(&self, seen: &Seen) -> Option<u64> {
        match self {
            Count::Body(path) => number(path.find(&seen.body)?),
            Count::Header(name) => seen.page.header(&**name)?.trim().parse().ok(),
        }
    }
}

/// Where a page says how many items there are: never fewer than are on it.
pub fn counts(seen: &Seen) -> Vec<Count> {
    said(seen, &COUNTS, &COUNT_HEADERS, seen.keys.len() as u64)
}

/// Whether a number that both pages say is that of all items, and not of those on a page.
pub fn is_of_all(count: &Count, first: &Seen, other: &Seen) -> bool {
    let more = other.keys.iter().filter(|key| !first.keys.contains(key)).count();
    let seen = (first.keys.len() + more) as u64;
    let said = count.on(first);
    said == count.on(other) && said.is_some_and(|said| said >= seen)
}

/// Where a page says the number of the last one.
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

/// The URL of the next page, and where it stands.
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

/// The cursor of the next page as JSON, where it stands, and the parameters that may take it.
pub fn cursor(seen: &Seen) -> Option<(Path, String, Vec<&'static str>)> {
    CURSORS.iter().find_map(|(name, parameter)| {
        let path = Path::of(name);
        let text = super::shape::scalar(path.find(&seen.body)?)?;
        let others = ["cursor", "after"].into_iter().filter(|other| other != parameter);
        Some((path, text, [*parameter].into_iter().chain(others).collect()))
    })
}

/// Ways of asking for pages that are worth a try, best first: those that the list's own URLs
/// name, then the usual ones.
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

/// The parameter for the number of items in the URL of a next page.
pub fn size_of_next(next: &Url) -> Option<String> {
    let mut names = next.query_pairs().map(|(name, _)| name.into_owned());
    names.find(|name| SIZES.contains(&name.as_str()))
}

impl Scheme {
    /// What to ask for so that the answer shows whether this works on a list whose first page has
    /// so many items.
    pub fn probe(&self, items: usize) -> Probe {
        let size = if items >= 6 { 2 } else { 1 };
        Probe { at: if self.by == At::Page { 2 } else { size }, size }
    }

    /// What the answer to a probe shows; nothing where this does not work.
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

    /// `url` with the parameters as a probe has them; the size only where it is asked for.
    pub fn url(&self, url: &Url, probe: Probe) -> Url {
        let mut values = vec![(self.at.as_str(), probe.at.to_string())];
        if let Some(size) = &self.size {
            values.push((size, probe.size.to_string()));
        }
        with_query(url, &values)
    }

    /// Whether a parameter is one of this scheme's.
    pub fn takes(&self, name: &str) -> bool {
        self.at == name || self.size.as_deref() == Some(name)
    }
}

/// `url` with these parameters in place of its own of the same names.
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
