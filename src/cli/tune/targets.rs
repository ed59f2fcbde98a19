//! What of a site is asked for: the pages of the items that its list begins with.

use std::collections::VecDeque;

use anyhow::{Context, bail};

use crate::extract::{self, Listing};
use crate::fetch::{Fetcher, Request};
use crate::site::{Seeds, Site};
use crate::task::{DetailPage, IndexPage, IndexRun, List, Page};

/// Pages of the list that are looked at, until one has items: a sitemap may list sitemaps,
/// categories come first, and some of either may be empty.
const MOST_PAGES: usize = 8;

/// Requests for the items' pages; where they have none, for the page of the list.
pub async fn of(site: &Site, fetcher: &Fetcher) -> anyhow::Result<Vec<Request>> {
    let mut runs = VecDeque::from(site.begin(site.page_range(None)));
    for _ in 0..MOST_PAGES {
        let Some((index, _)) = runs.pop_front().map(IndexRun::split) else { break };
        let request = site.request(&Page::Index(index.clone()))?;
        let read = read(site, fetcher, &index, request.clone()).await;
        let (listing, follows) = read.with_context(|| index.to_string())?;
        if !listing.items.is_empty() {
            return requests(site, listing, request);
        }
        // What it leads to, before what stands beside it.
        follows.into_iter().rev().for_each(|run| runs.push_front(run));
    }
    bail!("the list of {} shows no item", site.name)
}

/// What a page of the list has, and the pages after it.
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
    if let (List::Seeds, Some(Seeds::Page(rules))) = (&index.list, &site.seeds) {
        let seeds = extract::seeds(rules, &page)?.seeds;
        let lists = site.lists(seeds.into_iter(), site.page_range(None));
        return Ok((Listing::default(), lists));
    }
    let listing = extract::index(site, &page)?;
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
