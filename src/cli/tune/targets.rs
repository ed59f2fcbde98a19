//! Requests for a measurement of a site: the pages of the first items in its list.

use std::collections::VecDeque;

use anyhow::{Context, bail};

use crate::extract::{self, Listing};
use crate::fetch::{Fetcher, Request};
use crate::model::task::{DetailPage, IndexPage, IndexRun, List, Page};
use crate::site::Site;

/// Maximum number of list pages to request until one has items. A sitemap may list sitemaps,
/// categories come before lists, and any of them may be empty.
const MOST_PAGES: usize = 8;

/// Returns requests for the items' pages, or for the list page if items have no pages.
///
/// # Errors
/// Returns an error if the list cannot be read or has no items.
pub async fn of(site: &Site, fetcher: &Fetcher) -> anyhow::Result<Vec<Request>> {
    if let Some(parent) = site.parent() {
        bail!(
            "the seeds of {} are the items of {parent}, which are in a store: measure {parent}, if it is at the same host",
            site.name
        );
    }
    let mut runs = VecDeque::from(site.begin(site.page_range(None)));
    for _ in 0..MOST_PAGES {
        let Some((index, _)) = runs.pop_front().map(IndexRun::split) else { break };
        let request = site.request(&Page::Index(index.clone()))?;
        let read = read(site, fetcher, &index, request.clone()).await;
        let (listing, follows) = read.with_context(|| index.to_string())?;
        if !listing.items.is_empty() {
            return requests(site, listing, request);
        }
        // The pages that it leads to come before its siblings.
        follows.into_iter().rev().for_each(|run| runs.push_front(run));
    }
    bail!("the list of {} has no items", site.name)
}

/// Returns the listing of a list page, and the pages that follow it.
async fn read(
    site: &Site,
    fetcher: &Fetcher,
    index: &IndexPage,
    request: Option<Request>,
) -> anyhow::Result<(Listing, Vec<IndexRun>)> {
    let Some(request) = request else {
        let keys = site.known_keys(index).unwrap_or_default();
        return Ok((extract::known(keys, site.known_count()), Vec::new()));
    };
    let page = fetcher.fetch(request).await?;
    if let (List::Seeds(path), Some(rules)) = (&index.list, site.seeds.page_of(&index.list)) {
        let seeds = extract::seeds(rules, &page)?.seeds;
        let lists = site.lists(path, seeds.into_iter(), site.page_range(None));
        return Ok((Listing::default(), lists));
    }
    let listing = extract::index(site, &index.list, &page)?;
    let follows = site.after(index, &listing.said).map_or_else(Vec::new, |next| next.runs);
    Ok((listing, follows))
}

fn requests(site: &Site, listing: Listing, list: Option<Request>) -> anyhow::Result<Vec<Request>> {
    let mut requests = Vec::new();
    for item in listing.items.into_iter().flatten() {
        let page = DetailPage { listed: item.listed.map(Box::new), ..DetailPage::of(item.key) };
        requests.extend(site.request(&Page::Detail(page))?);
    }
    if requests.is_empty() {
        requests.extend(list);
    }
    Ok(requests)
}
