//! Ways from one page of a list to the next: what the pages say, in the words of a site file, and
//! schemes of numbered pages with the probes that show whether a site knows them.

use url::Url;

use super::Seen;
use super::expr::{quoted, table};
use super::members::{Onward, Said, flags};
use super::tokens::takers;
use crate::extract::names::plain;

/// Query parameters for the number of items to skip.
const OFFSETS: [&str; 12] = [
    "offset",
    "skip",
    "start",
    "_start",
    "from",
    "startIndex",
    "start_index",
    "$skip",
    "$offset",
    "resultOffset",
    "startRecord",
    "first",
];
/// Query parameters for the number of a page.
const PAGES: [&str; 16] = [
    "page",
    "Page",
    "_page",
    "p",
    "page_number",
    "pageNumber",
    "pageNo",
    "page[number]",
    "paged",
    "pn",
    "pageIndex",
    "page_no",
    "pg",
    "currentPage",
    "current_page",
    "pagina",
];
/// Query parameters for the number of items per page.
const SIZES: [&str; 26] = [
    "ResultsPerPage",
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
    "ps",
    "$limit",
    "resultRecordCount",
    "maximumRecords",
    "hitsPerPage",
    "page[limit]",
    "first",
    "max_results",
    "maxResults",
    "num",
    "itemsPerPage",
];
/// Combinations of parameters, the most frequent first.
const USUAL: [(At, &str, &str); 23] = [
    (At::Offset, "offset", "limit"),
    (At::Page, "page", "per_page"),
    (At::Page, "page", "page_size"),
    (At::Offset, "skip", "limit"),
    (At::Offset, "_start", "_limit"),
    (At::Page, "page", "limit"),
    (At::Offset, "start", "rows"),
    (At::Page, "pn", "ps"),
    (At::Page, "p", "ps"),
    (At::Offset, "$offset", "$limit"),
    (At::Offset, "$skip", "$top"),
    (At::Offset, "startIndex", "count"),
    (At::Offset, "startRecord", "maximumRecords"),
    (At::Offset, "resultOffset", "resultRecordCount"),
    (At::Offset, "from", "size"),
    (At::Page, "page", "size"),
    (At::Page, "page[number]", "page[size]"),
    (At::Page, "pageNumber", "pageSize"),
    (At::Page, "paged", "per_page"),
    (At::Offset, "start", "count"),
    (At::Offset, "skip", "take"),
    (At::Page, "_page", "_limit"),
    (At::Page, "Page", "ResultsPerPage"),
];
/// Pairs of a name on a page, without case and punctuation, and the parameter that such services take.
const HABITS: [(&str, &str); 9] = [
    ("numberofpages", "Page"),
    ("numberofrecords", "startRecord"),
    ("numfound", "start"),
    ("exceededtransferlimit", "resultOffset"),
    ("startindex", "startIndex"),
    ("odatacount", "$skip"),
    ("pn", "pn"),
    ("pagenumber", "pageNumber"),
    ("recordstotal", "start"),
];
/// Parameters that take the key of a page's last item.
const LAST_KEYS: [&str; 8] = [
    "starting_after",
    "since_id",
    "after",
    "after_id",
    "last_id",
    "start_after",
    "startAfter",
    "cursor",
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
    /// Number of the first page or item, or `None` if another request has to find out.
    pub first: Option<u64>,
}

/// How the end of a numbered list is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Pages declare the number of items.
    Total(Said<u64>),
    /// Pages declare the number of the last page.
    Last(Said<u64>),
    /// Pages declare how many there are.
    Pages(Said<u64>),
    /// Not known. A flag or a link on the page may say that the list goes on: its name and its TOML.
    Unknown(Option<(String, String)>),
}

/// Paging as the site file writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// URL template, if it is not that of the list.
    pub url: Option<String>,
    /// Query parameters, which replace those of the list with the same names.
    pub query: Vec<(String, String)>,
    /// Keys of `paging` and their TOML, or empty if there is one page.
    pub table: Vec<(&'static str, String)>,
    /// All query parameters of later pages, if they are different.
    pub next: Vec<(String, String)>,
    /// Sentences on what was tried and found.
    pub says: Vec<String>,
}

impl Paging {
    /// Returns true if there is one page.
    pub fn is_single(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns true if the pages are counted, and nothing says which one is the last.
    pub fn is_guessed(&self) -> bool {
        let has = |names: &[&str]| self.table.iter().any(|(name, _)| names.contains(name));
        let is_counted = |by: &str| matches!(by, "\"page\"" | "\"offset\"");
        self.table.iter().any(|(_, value)| is_counted(value)) && !has(&["total", "last", "pages"])
    }
}

/// Returns the selector of a flag that is true while the list goes on, or `None`.
fn flag(seen: &Seen) -> Option<Said<bool>> {
    flags(seen).into_iter().find(|flag| flag.value)
}

fn add_flag(table: &mut Vec<(&'static str, String)>, says: &mut Vec<String>, seen: &Seen) {
    if let Some(flag) = flag(seen) {
        says.push(format!("The list goes on while `{}` is true.", flag.name));
        table.push(("while", flag.select));
    }
}

/// Returns the ways on that a page names, to be tried, best first.
pub fn from_page(seen: &Seen, onward: &[Onward]) -> Vec<Paging> {
    onward.iter().flat_map(|onward| of_onward(seen, onward)).collect()
}

fn of_onward(seen: &Seen, onward: &Onward) -> Vec<Paging> {
    let by = |by: &str| ("by", quoted(by));
    match onward {
        Onward::Url(said) => {
            let mut table = vec![by("next"), ("select", said.select.clone())];
            let mut says =
                vec![format!("Tried: the link at `{}` leads to other items.", said.name)];
            add_flag(&mut table, &mut says, seen);
            vec![Paging { table, says, ..Paging::default() }]
        }
        Onward::Header(_) => {
            let table = vec![by("next"), ("link_header", "true".to_owned())];
            let says =
                vec!["Tried: the link in the header `Link` leads to other items.".to_owned()];
            vec![Paging { table, says, ..Paging::default() }]
        }
        Onward::Token(said) => {
            let own: Vec<(String, String)> = seen.page.url.query_pairs().into_owned().collect();
            let of = |name: &str| {
                let mut table = vec![by("cursor")];
                // Some lists ask for the first page with a token of its own: `cursor=*`.
                let first = own.iter().find(|(own, value)| own == name && !value.is_empty());
                match first {
                    Some((_, value)) => {
                        let of = |value: String| super::expr::table(&[("cursor", value)]);
                        table.push(("take", of(said.select.clone())));
                        table.push(("start", of(quoted(value))));
                    }
                    None => table.push(("select", said.select.clone())),
                }
                let mut says = vec![format!(
                    "Tried: `{name}` takes the value at `{}` and leads to other items.",
                    said.name
                )];
                add_flag(&mut table, &mut says, seen);
                let query = vec![(name.to_owned(), "{cursor}".to_owned())];
                Paging { query, table, says, ..Paging::default() }
            };
            if plain(&said.name).is_some_and(|name| name.starts_with("resumptiontoken")) {
                return vec![resumed(seen, said)];
            }
            let is_empty = |value: &str| matches!(value, "" | "*");
            let given = own.iter().filter(|(_, value)| is_empty(value)).map(|(name, _)| name);
            let usual = takers(&said.name);
            let usual: Vec<&String> = usual.iter().collect();
            let mut names: Vec<&String> = given.collect();
            names.extend(usual);
            names.dedup();
            names.into_iter().map(|name| of(name)).collect()
        }
        Onward::Parameters(said) => {
            let take = table(&[("more", said.select.clone())]);
            let says = vec![format!(
                "Tried: the members of `{}`, as parameters, lead to other items.",
                said.name
            )];
            vec![Paging { table: vec![by("cursor"), ("take", take)], says, ..Paging::default() }]
        }
    }
}

/// Returns the paging of OAI-PMH: later requests carry the verb and the token, and nothing else.
fn resumed(seen: &Seen, said: &Said<String>) -> Paging {
    let verb = seen.page.url.query_pairs().into_owned().filter(|(name, _)| name == "verb");
    let token = ("resumptionToken".to_owned(), "{token}".to_owned());
    Paging {
        table: vec![("by", quoted("cursor")), ("take", table(&[("token", said.select.clone())]))],
        next: verb.chain([token]).collect(),
        says: vec![format!("Tried: `{}`, with the verb alone, leads to other items.", said.name)],
        ..Paging::default()
    }
}

/// Returns pagings by the key of a page's last item, at the path `last`, to be tried.
pub fn by_last_key(seen: &Seen, last: &str) -> Vec<Paging> {
    let of = |name: &&str| {
        let mut table = vec![("by", quoted("cursor")), ("take", table(&[("last", quoted(last))]))];
        let mut says = vec![format!(
            "Tried: `{name}` takes the key of the last item and leads to other items."
        )];
        add_flag(&mut table, &mut says, seen);
        let query = vec![((*name).to_owned(), "{last}".to_owned())];
        Paging { query, table, says, ..Paging::default() }
    };
    LAST_KEYS.iter().map(of).collect()
}

/// Returns schemes to try, best first: those with parameters from the list's own URLs, those that
/// members of the page are named after, then the usual ones.
pub fn schemes(url: &Url, seen: &Seen, next: &[Url]) -> Vec<Scheme> {
    let pairs = |url: &Url| -> Vec<String> {
        url.query_pairs().map(|(name, _)| name.into_owned()).collect()
    };
    let own: Vec<String> = next.iter().flat_map(pairs).chain(pairs(url)).collect();
    let named = |names: &[&str]| own.iter().find(|name| names.contains(&name.as_str())).cloned();
    let size = named(&SIZES);
    let mut schemes: Vec<Scheme> = Vec::new();
    for (by, names) in [(At::Offset, &OFFSETS[..]), (At::Page, &PAGES[..])] {
        if let Some(at) = named(names) {
            let usual = USUAL.iter().find(|(kind, name, _)| *kind == by && *name == at);
            let size = size.clone().or_else(|| usual.map(|(.., size)| (*size).to_owned()));
            schemes.push(Scheme { by, at, size });
        }
    }
    let said: Vec<String> = seen
        .members()
        .iter()
        .flat_map(|member| member.names.last().and_then(|name| plain(name)))
        .collect();
    let habit =
        |at: &str| HABITS.iter().any(|(name, it)| *it == at && said.iter().any(|s| s == name));
    let of = |(by, at, size): &(At, &str, &str)| Scheme {
        by: *by,
        at: (*at).to_owned(),
        size: Some((*size).to_owned()),
    };
    let by_size = USUAL.iter().filter(|it| size.as_deref() == Some(it.2));
    let is_page = |at: &str| matches!(at, "page" | "paged" | "p" | "start");
    let of_elements = USUAL.iter().filter(|it| !seen.outline.0.is_empty() && is_page(it.1));
    let by_habit = USUAL.iter().filter(|it| habit(it.1)).chain(of_elements);
    for scheme in by_size.chain(by_habit).chain(&USUAL).map(of) {
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
        let goes_on = |from: usize| {
            let rest = first.get(from..).filter(|rest| !rest.is_empty());
            rest.is_some_and(|rest| answered.len() >= rest.len() && answered.starts_with(rest))
        };
        let at = |sized, first| Some(Moved { sized, first });
        match self.by {
            At::Offset if is_part(size) => at(true, Some(0)),
            At::Offset if size > 1 && is_part(size - 1) => at(true, Some(1)),
            At::Offset if goes_on(size) => at(false, Some(0)),
            At::Offset if size > 1 && goes_on(size - 1) => at(false, Some(1)),
            At::Offset => None,
            At::Page if is_part(size) => at(true, Some(1)),
            At::Page if is_part(2 * size) => at(true, Some(0)),
            At::Page if is_new => at(false, None),
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

    /// Returns the paging by this scheme, with pages of `items` items, from page or item `first`.
    pub fn paging(&self, items: u64, first: u64, end: &End) -> Paging {
        let mut table = Vec::new();
        let mut add = |name: &'static str, value: String| table.push((name, value));
        let is_offset = self.by == At::Offset;
        add("by", quoted(if is_offset { "offset" } else { "page" }));
        if first != u64::from(!is_offset) {
            add("first", first.to_string());
        }
        if is_offset {
            add("limit", items.to_string());
        }
        match end {
            End::Total(total) => {
                if !is_offset {
                    add("size", items.to_string());
                }
                add("total", total.select.clone());
            }
            End::Last(last) => add("last", last.select.clone()),
            End::Pages(pages) => add("pages", pages.select.clone()),
            End::Unknown(flag) => flag.iter().for_each(|(_, flag)| add("while", flag.clone())),
        }
        let knows_limit = is_offset || matches!(end, End::Total(_));
        let size = if knows_limit { "{limit}".to_owned() } else { items.to_string() };
        let at = if is_offset { "{offset}" } else { "{page}" };
        let mut query = vec![(self.at.clone(), at.to_owned())];
        query.extend(self.size.clone().map(|name| (name, size)));
        let names = match &self.size {
            Some(size) => format!("`{}` and `{size}` lead", self.at),
            None => format!("`{}` leads", self.at),
        };
        let end = match end {
            End::Unknown(None) => "; the list ends on an empty page".to_owned(),
            End::Unknown(Some((name, _))) => format!("; the list goes on while `{name}` says so"),
            _ => "; pages are requested concurrently".to_owned(),
        };
        let says = vec![format!("Tried: {names} to other pages{end}.")];
        Paging { query, table, says, ..Paging::default() }
    }
}

/// Returns how the end of a numbered list is known, by what its first page says.
pub fn end(
    by: At,
    seen: &Seen,
    counts: &[Said<u64>],
    lasts: &[Said<u64>],
    onward: &[Onward],
) -> End {
    match (counts.first(), lasts.first()) {
        (Some(total), _) => End::Total(total.clone()),
        (None, Some(last)) if by == At::Page && numbers_last(last) => End::Last(last.clone()),
        (None, Some(pages)) if by == At::Page => End::Pages(pages.clone()),
        _ => {
            let next = onward.iter().find_map(|onward| match onward {
                Onward::Url(said) => Some((said.name.clone(), said.select.clone())),
                _ => None,
            });
            End::Unknown(flag(seen).map(|flag| (flag.name, flag.select)).or(next))
        }
    }
}

/// Returns true if a number is that of the last page by its name, and not the number of pages.
fn numbers_last(said: &Said<u64>) -> bool {
    let name = said.name.rsplit('.').next().and_then(plain);
    name.is_some_and(|name| matches!(&*name, "lastpage" | "maxpage"))
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

/// Returns the next pages that the site names, as URLs.
pub fn urls(onward: &[Onward]) -> Vec<Url> {
    let url = |onward: &Onward| match onward {
        Onward::Url(said) => Some(said.value.clone()),
        Onward::Header(url) => Some(url.clone()),
        Onward::Token(_) | Onward::Parameters(_) => None,
    };
    onward.iter().filter_map(url).collect()
}
