//! Facts about a list page: its items, the pages that follow it, and warnings.

use std::collections::HashSet;

use serde::Serialize;

use super::{SHOWN, odd_text};
use crate::extract::{Item, Listing};
use crate::model::task::{Content, IndexPage, Place};
use crate::model::text::count;
use crate::select::NoKey;
use crate::site::{ItemRules, Keep, LastPage, Next, NextPage, PageSaid, Paging, Site};

/// Facts about a list page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ListFacts {
    /// Number of items on the page.
    pub items: u64,
    /// Keys of the first items.
    pub keys: Vec<String>,
    /// Number of items in the list, as declared by the page.
    pub declared: Option<u64>,
    /// Number of the last page, as declared by the page.
    pub last: Option<u64>,
    /// Pages that a crawl would request next, in words.
    pub next: String,
}

/// Returns the facts about a page, and warnings about it.
pub fn of_list(site: &Site, page: &IndexPage, listing: &Listing) -> (ListFacts, Vec<String>) {
    let Listing { items, said, odd, gaps, decoding } = listing;
    let keyed: Vec<&Item> = items.iter().flatten().collect();
    let next = site.after(page, said);
    let facts = ListFacts {
        items: said.items,
        keys: keyed.iter().take(SHOWN).map(|item| item.key.to_string()).collect(),
        declared: said.declared,
        last: said.last,
        next: going_on(site, page, said),
    };
    let mut warnings: Vec<String> = odd.iter().chain(gaps).cloned().collect();
    warnings.extend(odd_text(&page.to_string(), *decoding));
    let keyless: Vec<&NoKey> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    if let Some(first) = keyless.first().filter(|_| !keyed.is_empty()) {
        warnings.push(format!(
            "{} of {} items have no key; the first: {first}",
            keyless.len(),
            items.len()
        ));
    }
    warnings.extend(repeated(&keyed));
    warnings.extend(fields(site, &keyed));
    warnings.extend(other_size(&site.index.paging, said));
    warnings.extend(untold(site));
    if next.is_none() && said.items > 0 {
        warnings.extend(no_next(&site.index.paging, said));
    }
    (facts, warnings)
}

/// Warns of keys that several items have.
fn repeated(items: &[&Item]) -> Option<String> {
    let mut seen = HashSet::new();
    let again: Vec<&str> =
        items.iter().map(|item| item.key.as_str()).filter(|key| !seen.insert(*key)).collect();
    let first = again.first()?;
    Some(format!(
        "keys are not unique: the page has {} items but {} keys ({first} is repeated); items with the same key become one document",
        items.len(),
        seen.len()
    ))
}

/// Warns of list selectors that matched nothing in any item, and of items that cannot be read.
fn fields(site: &Site, items: &[&Item]) -> Vec<String> {
    let mut warnings = Vec::new();
    let ItemRules::Selected { link, revision, keep, .. } = &site.index.items else {
        return warnings;
    };
    let listed = || items.iter().filter_map(|item| item.listed.as_ref());
    let unreadable: Vec<&str> = listed()
        .filter_map(|listed| match &listed.content {
            Content::Unreadable(message) => Some(&**message),
            _ => None,
        })
        .collect();
    if let Some(first) = unreadable.first() {
        let (bad, all) = (unreadable.len(), items.len());
        warnings.push(format!("{bad} of {all} items cannot be read; the first: {first}"));
    }
    if items.is_empty() || unreadable.len() == items.len() {
        return warnings;
    }
    let nothing = |name: &str, select: &str| {
        format!("{name}: `{select}` matched nothing in any item of the page")
    };
    if let Keep::Fields(fields) = keep {
        for (at, (name, rule)) in fields.iter().enumerate() {
            if !items.iter().any(|item| item.matched.get(at) == Some(&true)) {
                warnings.push(nothing(&format!("index.fields.{name}"), rule.select.text()));
            }
        }
    }
    let without = listed().filter(|listed| listed.url.is_none()).count();
    if let Some(link) = link.as_ref().filter(|_| without > 0) {
        let select = link.select.text();
        warnings.push(match without == items.len() {
            true => nothing("detail.link", select),
            false => format!("detail.link: {without} items have nothing at `{select}`"),
        });
    }
    if let Some(rule) = revision
        && listed().all(|listed| listed.revision.is_none())
    {
        warnings.push(nothing("index.revision", rule.select.text()));
    }
    warnings
}

/// Warns if nothing distinguishes a page of an HTML list from an error or login page.
fn untold(site: &Site) -> Option<String> {
    let paging = &site.index.paging;
    let is_html = site.index.items.are_elements();
    let has_end = !matches!(
        paging,
        Paging::Offset { total: None, .. }
            | Paging::Page { last: LastPage::Unknown, .. }
            | Paging::Next(_)
            | Paging::Cursor(_)
    );
    if !is_html || has_end || !site.index.require.is_empty() {
        return None;
    }
    Some(
        "index: an error or login page would count as the end of the list: set `require = [\"…\"]` \
         to a selector that all pages of the list match, or set `total`, `last` or `pages` in `paging`; \
         a list that ends with an empty answer needs none of these"
            .to_owned(),
    )
}

/// Warns if the number of items on the page differs from the requested number.
fn other_size(paging: &Paging, said: &PageSaid) -> Option<String> {
    let limit = paging.limit().filter(|limit| *limit != said.items && said.items > 0)?;
    let is_offset = matches!(paging, Paging::Offset { .. });
    let name = if is_offset { "limit" } else { "size" };
    let items = said.items;
    if items > limit {
        return Some(more_items(paging, name, limit, items));
    }
    // Each page begins where the one before it ended.
    if is_offset && !paging.steps_by_limit() {
        return None;
    }
    let step = if is_offset { " or `step = \"items\"`" } else { "" };
    match said.declared {
        Some(declared) if declared <= items => None,
        Some(declared) => Some(format!(
            "requested {limit} items and received {items} of {declared}: the site limits the page size; set `{name} = {items}`{step} in paging, or items between the pages are lost"
        )),
        None => Some(format!(
            "requested {limit} items and received {items}; if this is not the whole list, the site limits the page size: set `{name} = {items}`{step} in paging"
        )),
    }
}

/// Describes what it may mean that a page has more items than requested.
fn more_items(paging: &Paging, name: &str, limit: u64, items: u64) -> String {
    let over = items - limit;
    let pinned = match paging {
        Paging::Offset { .. } if !paging.steps_by_limit() => {
            format!(
                "{over} of them stand on every page, as pinned ones do, and `step = \"items\"` would skip as many others"
            )
        }
        _ => {
            format!("{over} of them stand on every page, as pinned ones do, and `{name}` is right")
        }
    };
    format!(
        "requested {limit} items and received {items}: either the site ignores the requested number (then set `{name} = {items}`), or {pinned}"
    )
}

/// Warns if the page should name a next one and does not.
fn no_next(paging: &Paging, said: &PageSaid) -> Option<String> {
    let (what, place) = match paging {
        Paging::Next(NextPage::LinkHeader) => {
            ("no next page", "a header `Link` with rel=\"next\"".to_owned())
        }
        Paging::Next(NextPage::Field(rule)) => {
            ("no next page", format!("a URL at `{}`", rule.select.text()))
        }
        Paging::Cursor(handover) => ("no cursor", format!("one at `{}`", handover.text())),
        _ => return None,
    };
    Some(format!(
        "the first page names {what} (missing: {place}), so the list would end with its {} items",
        said.items
    ))
}

/// Describes the pages that a crawl would request after `page`.
pub fn going_on(site: &Site, page: &IndexPage, said: &PageSaid) -> String {
    let Some(Next { runs, certain }) = site.after(page, said) else {
        return ends(site, said);
    };
    let Some(first) = runs.first() else { return ends(site, said) };
    let last = first.to.min(site.page_range(None).to);
    let cut = if last < first.to { ", the limit of `max_pages`" } else { "" };
    match &first.place {
        Some(Place::Url(url)) if runs.len() > 1 => {
            format!("{} sitemaps, the first: {}", runs.len(), shown(url))
        }
        Some(Place::Url(url)) => shown(url),
        Some(Place::Cursor(cursor)) => format!("cursor {cursor}"),
        Some(Place::Offset(offset)) => format!("the items after the first {}", count(*offset)),
        None if !certain => {
            format!("page {}, to see if the list continues", first.from)
        }
        None if first.from < last => {
            format!("pages {} to {}, concurrently{cut}", count(first.from), count(last))
        }
        None => format!("page {}{cut}", first.from),
    }
}

fn ends(site: &Site, said: &PageSaid) -> String {
    if said.items == 0 {
        return "none: a page without items ends the list".to_owned();
    }
    match &site.index.paging {
        Paging::Single => "none: this is the only page".to_owned(),
        Paging::Keys(_) => "none: the keys are known, no list is requested".to_owned(),
        Paging::Sitemap => "none: this sitemap names no others".to_owned(),
        Paging::Next(_) => "none: the page names no next page".to_owned(),
        Paging::Cursor(_) => "none: the page names no cursor".to_owned(),
        Paging::Page {
            last: LastPage::Number(_) | LastPage::Said(_) | LastPage::Pages(_), ..
        } => "none: this is the last page".to_owned(),
        Paging::Page { .. } | Paging::Offset { .. } => {
            "none: the page has as many items as the list declares".to_owned()
        }
    }
}

/// Says that the result for one list applies to each of `names` lists.
pub fn shares(names: usize) -> String {
    format!("the same for each of the {}", count(names as u64))
}

/// Returns a URL without credentials.
pub(super) fn shown(url: &str) -> String {
    url::Url::parse(url)
        .map_or_else(|_| url.to_owned(), |url| crate::model::text::secret::shown(&url))
}
