//! Checks the second page of a list against what the first one promised.

use std::collections::HashSet;

use crate::extract::Listing;
use crate::fetch::Page;
use crate::model::task::{IndexPage, Place};
use crate::select::{JsonPage, Select, Selector};
use crate::site::{ItemRules, Paging, Site};

/// A list page that was read.
#[derive(Clone, Copy)]
pub struct Read<'a> {
    /// Page of the list.
    pub index: &'a IndexPage,
    /// Items and declarations on it.
    pub listing: &'a Listing,
    /// Page as received.
    pub page: &'a Page,
}

/// Returns why the second page shows that paging does not work, or `None` if it does not show that.
pub fn disproved(site: &Site, first: Read<'_>, second: Read<'_>) -> Option<String> {
    let (one, two) = (first.index, second.index);
    // Some services leave out empty lists, but still name the next page.
    let goes_on = !second.listing.said.places.is_empty();
    let lost = |container: &Selector| !goes_on && has(container, first) && !has(container, second);
    if let Some(container) = container(site).filter(lost) {
        return Some(format!(
            "{two} has no `{}`, unlike {one}: it is not a page of the list",
            container.text()
        ));
    }
    // Where values are taken by name, the same ones again are the end of the list.
    let is_end = matches!(&site.index.paging, Paging::Cursor(it) if !it.is_cursor);
    if let Some(place) = repeated(first, second).filter(|_| !is_end) {
        let what = match &site.index.paging {
            Paging::Cursor(rule) => format!("cursor at `{}`", rule.text()),
            _ => "next page".to_owned(),
        };
        return Some(format!(
            "{two} names the same {what} as {one} ({place}), so the list would not continue after it"
        ));
    }
    let keys = |listing: &Listing| -> HashSet<_> {
        listing.items.iter().flatten().map(|item| item.key.clone()).collect()
    };
    let (before, now) = (keys(first.listing), keys(second.listing));
    if now.is_empty() {
        let first = second.listing.items.iter().find_map(|item| item.as_ref().err())?;
        return Some(format!("none of the items of {two} has a key: {first}"));
    }
    (!site.index.merge && now.is_subset(&before)).then(|| {
        format!(
            "{two} has the same items as {one}: the site ignores the paging parameters; \
             check `url`, `query`, `form` and `json` of [index]"
        )
    })
}

/// Returns what says that the list has more items than its first page, or `None` if nothing does. A crawl
/// that finds no others is incomplete.
pub fn says_more(site: &Site, first: &IndexPage, listing: &Listing) -> Option<String> {
    let said = &listing.said;
    let hint = said.hints.count.as_ref().filter(|_| site.heeds_hints(&first.list));
    let (by, count) = match (said.declared, hint) {
        (Some(declared), _) => ("the count that `paging` selects".to_owned(), declared),
        (None, Some((name, count))) => (format!("`{name}`"), *count),
        (None, None) => return None,
    };
    let is_exact = site.index.total_exact || said.declared.is_none();
    (is_exact && count > said.items).then(|| {
        format!("{first} has {} of {count} items by {by}: a crawl would be incomplete", said.items)
    })
}

/// Warns of an empty second page that the first one announced.
pub fn unexpected_end(first: &IndexPage, second: &IndexPage, listing: &Listing) -> Option<String> {
    (listing.said.items == 0 && listing.said.places.is_empty())
        .then(|| format!("{second} has no items, although {first} says that the list continues"))
}

/// Returns the place of the next page if it repeats: both pages name it, or it is that of the
/// second page itself.
fn repeated(first: Read<'_>, second: Read<'_>) -> Option<String> {
    let next = second.listing.said.places.first()?;
    let is_again = second.index.place.as_ref() == Some(next)
        || first.listing.said.places.first() == Some(next);
    is_again.then(|| match next {
        Place::Url(url) => super::list::shown(url),
        Place::Cursor(cursor) => cursor.to_string(),
        Place::Offset(offset) => format!("offset {offset}"),
    })
}

/// Returns the selector of the array that holds the items, or `None` if the items' selector does
/// not end in `[*]`.
fn container(site: &Site) -> Option<Selector> {
    let ItemRules::Selected { items: Select::Json(items), .. } = &site.index.items else {
        return None;
    };
    Selector::parse(items.text().strip_suffix("[*]")?).ok()
}

fn has(container: &Selector, read: Read<'_>) -> bool {
    let Ok(json) = JsonPage::read(read.page) else { return false };
    container.first(json.value(), json.budget()).is_ok_and(|found| found.is_some())
}
