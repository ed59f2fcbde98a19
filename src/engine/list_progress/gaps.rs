//! What a list lacks, in words: for the verdict of a crawl, and for a check of its first page.

use std::collections::{HashMap, HashSet};

use super::{Answer, Differing, ListProgress, Mismatch, Rules, Turn, too_few};
use crate::extract::{Item, Listing, entry};
use crate::fetch::Page;
use crate::model::task::IndexPage;
use crate::model::text::plain;
use crate::select::NoKey;
use crate::site::Site;

/// Describes a list that does not add up, and what to do about it.
pub fn does_not_add_up(site: &Site, mismatch: &Mismatch) -> String {
    let Mismatch { list, declared, listed, has_moved, hinted_by, first_items, .. } = mismatch;
    if let Some(name) = hinted_by {
        return format!(
            "{list} may go on: by `{name}` there are {declared} items, and it lists {listed} (`more = false` in paging passes over that)"
        );
    }
    let moved = if *has_moved { ", and changed while it was last walked" } else { "" };
    let paging = site.paging_of(list);
    let limit = paging.limit().filter(|_| paging.is_counted() && paging.is_numbered());
    let is_short = limit.zip(*first_items).is_some_and(|(limit, items)| items < limit);
    let way_out = match listed < declared {
        _ if *has_moved && listed >= declared => String::new(),
        true if is_short => format!(": {}", too_few(paging, *first_items)),
        true if *has_moved => String::new(),
        true => {
            "; where a site counts items that it does not list, `total_exact = false` at the top of the site file says so"
                .to_owned()
        }
        false => {
            "; where a site lists items that it does not count, such as pinned ones, `total_exact = false` at the top of the site file says so"
                .to_owned()
        }
    };
    format!(
        "{list} does not add up: it declares {declared} items and lists {listed}{moved}{way_out}"
    )
}

/// Returns why a crawl would call the list incomplete if `page` is its first page, or `None` if the
/// first page does not show that.
pub fn after_first_page(
    site: &Site,
    index: &IndexPage,
    listing: &Listing,
    page: &Page,
) -> Option<String> {
    let lists = ListProgress::default();
    let rules = Rules::of(site, &index.list, true, true);
    let mut said = listing.said.clone();
    rules.complete(site, index, &mut said);
    let keys = || listing.items.iter().flatten().map(|item| item.key.as_str());
    match lists.take(&rules, index, Answer::Page(&said), page.content_type(), keys()) {
        Turn::Gap(why) => Some(why),
        Turn::End => {
            let distinct = keys().collect::<HashSet<_>>().len() as u64;
            let without_key = listing.items.iter().filter(|item| item.is_err()).count() as u64;
            lists.listed(index, keys(), distinct, without_key);
            // A list that is short of the count that the site file selects may have a further page.
            let hinted = lists.mismatches().into_iter().find(|it| it.hinted_by.is_some());
            hinted.map(|mismatch| does_not_add_up(site, &mismatch))
        }
        _ => None,
    }
}

/// Describes list entries that share their key with a different one.
pub fn same_key(differing: &Differing) -> String {
    let Differing { entries, example } = differing;
    format!(
        "{entries} entries of the list have the key of another entry that is not the same, such as {}, so that one of them is stored and the other is not: `key` has to tell them apart. Where they are one item after all: what changes by itself belongs into `ignore`, and a link that varies (by category, by page) is cut by a `regex`, or `[detail] url` is made of the key",
        plain(example)
    )
}

/// Returns why a crawl would call the list incomplete if these items are on it: several that are not
/// the same have one key. Returns `None` if there are none.
pub fn differing<'i>(
    site: &Site,
    items: impl Iterator<Item = &'i Result<Item, NoKey>>,
) -> Option<String> {
    let (mut prints, mut entries, mut example) = (HashMap::new(), 0, None);
    for Item { key, listed, .. } in items.flatten().filter(|_| !site.index.merge) {
        let Some(listed) = listed else { continue };
        let print = entry::print(listed, site.takes_links(), &site.ignore);
        if *prints.entry(key.as_str()).or_insert(print) != print {
            entries += 1;
            example.get_or_insert_with(|| key.as_str().into());
        }
    }
    example.map(|example| same_key(&Differing { entries, example }))
}

/// Returns what to write if a list ends with the status of this page, which was only a guess: one that
/// the site file does not name as an end. Returns `None` for other pages and statuses.
pub fn ends_by_status(site: &Site, page: &IndexPage, status: u16) -> Option<String> {
    let may_end = matches!(status, 400 | 404 | 410 | 416 | 422) && !site.statuses.is_end(status);
    (page.is_guess && may_end).then(|| {
        format!(
            "; if that is how the list ends, `[answers] end = [{status}]` in the site file says so"
        )
    })
}
