//! The second page of a list: what it disproves of what the first one let expect.

use std::collections::HashSet;

use crate::extract::{JsonPage, Listing, Select, Selector};
use crate::fetch::Page;
use crate::site::{ItemRules, Paging, Site};
use crate::task::{IndexPage, Place};

/// A page of a list as it came, and what is on it.
#[derive(Clone, Copy)]
pub struct Read<'a> {
    /// Which one it is.
    pub index: &'a IndexPage,
    /// What is on it.
    pub listing: &'a Listing,
    /// As it came.
    pub page: &'a Page,
}

/// What the second page disproves, where it does.
pub fn disproved(site: &Site, first: Read<'_>, second: Read<'_>) -> Option<String> {
    let (one, two) = (first.index, second.index);
    // Services that leave empty lists out still say where the list goes on.
    let goes_on = !second.listing.said.places.is_empty();
    let lost = |container: &Selector| !goes_on && has(container, first) && !has(container, second);
    if let Some(container) = container(site).filter(lost) {
        return Some(format!(
            "{two} has no `{}`, which {one} has: it is no page of the list",
            container.text()
        ));
    }
    if let Some(place) = repeated(first, second) {
        let what = match &site.index.paging {
            Paging::Cursor(rule) => format!("cursor at `{}`", rule.select.text()),
            _ => "next page".to_owned(),
        };
        return Some(format!(
            "{two} names the same {what} as {one} ({place}), so the list would not go on after it"
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
    now.is_subset(&before).then(|| {
        format!(
            "{two} has no items but those of {one}: the site passes over what is to tell its pages apart; \
             look at `url`, `query`, `form` or `json` of [index]"
        )
    })
}

/// What is odd about an empty second page that the first one named.
pub fn unexpected_end(first: &IndexPage, second: &IndexPage, listing: &Listing) -> Option<String> {
    (listing.said.items == 0 && listing.said.places.is_empty())
        .then(|| format!("{second} has no items, though {first} says that the list goes on"))
}

/// Where both pages say that the next one is, or where the second one itself is.
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

/// The list that the items of a JSON page stand in, where it has a place of its own.
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
