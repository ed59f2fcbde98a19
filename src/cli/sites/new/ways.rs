//! The ways from one page of a list to the next that are tried, in order.

use url::Url;

use super::asker::Asker;
use crate::tools::scaffold::{
    self, At, End, Moved, Onward, Paging, Probe, Said, Scheme, Seen, Shape,
};

/// Maximum number of requests that look for the parameters of numbered pages.
const PROBES: usize = 16;
/// The same, if the page names the next one.
const PROBES_BESIDE_A_LINK: usize = 5;
/// Number of items to request per page.
const PAGE_SIZE: u64 = 100;

/// A paging scheme that works, how it moves through the list, and the answer that showed it.
struct Found {
    scheme: Scheme,
    moved: Moved,
    answer: Seen,
}

impl Asker {
    /// Returns the way from page to page, and the number of items in the list if it is declared.
    pub async fn paging(&mut self, shape: &Shape, seen: &Seen) -> (Paging, Option<u64>) {
        let counts = scaffold::counts(seen);
        let onward = scaffold::onward(seen);
        let is_counted = !counts.is_empty() || !scaffold::last_pages(seen).is_empty();
        let mut total = counts.first().map(|count| count.value);
        let mut numbered = None;
        if is_counted {
            numbered = self.numbered(shape, seen, &onward).await;
        }
        if let Some((paging, of_all)) = &numbered {
            total = *of_all;
            if !paging.is_guessed() {
                return (paging.clone(), total);
            }
        }
        let of_page = scaffold::from_page(seen, &onward);
        for paging in of_page.into_iter().chain(scaffold::from_links(seen)) {
            if self.is_proven(shape, seen, &paging).await {
                return (self.larger(shape, seen, paging, &onward).await, total);
            }
        }
        if !is_counted {
            numbered = self.numbered(shape, seen, &onward).await;
        }
        if let Some((paging, _)) = numbered {
            return (paging, total);
        }
        let may_go_on =
            !scaffold::flags(seen).is_empty() || scaffold::is_usual_size(seen.keys.len());
        let last = shape.last_key().filter(|_| may_go_on);
        for paging in last.iter().flat_map(|last| scaffold::by_last_key(seen, last)) {
            if self.is_proven(shape, seen, &paging).await {
                return (self.larger(shape, seen, paging, &[]).await, total);
            }
        }
        (Paging::default(), total)
    }

    /// Returns the paging by the first scheme of numbered pages that works, and the number of items
    /// in the list if it is declared.
    async fn numbered(
        &mut self,
        shape: &Shape,
        seen: &Seen,
        onward: &[Onward],
    ) -> Option<(Paging, Option<u64>)> {
        let urls = scaffold::urls(onward);
        let mut next: Vec<Url> = urls.into_iter().filter(|url| self.is_own(url)).collect();
        next.extend(scaffold::numbered_urls(seen));
        let schemes = scaffold::schemes(&self.url, seen, &next);
        let most = if next.is_empty() { PROBES } else { PROBES_BESIDE_A_LINK };
        let found = self.scheme(shape, seen, schemes, most).await?;
        let Found { scheme, moved, answer } = found;
        let counts = scaffold::of_all(scaffold::counts(seen), seen, &answer);
        let lasts = scaffold::last_pages(seen);
        let first = match moved.first {
            Some(first) => first,
            None => self.first_page(shape, seen, &scheme).await?,
        };
        let sized = moved.sized.then_some(first);
        let items = self.page_size(shape, seen, &scheme, sized, &counts).await;
        let total = counts.first().map(|count| count.value);
        let end = scaffold::end(scheme.by, seen, &counts, &lasts, onward);
        for end in [end, End::Unknown(None)] {
            let paging = scheme.paging(items, first, &end);
            if self.is_proven(shape, seen, &paging).await {
                return Some((paging, total));
            }
        }
        None
    }

    /// Returns the first scheme that works. Prefers one that also sets the number of items per
    /// page.
    async fn scheme(
        &mut self,
        shape: &Shape,
        seen: &Seen,
        schemes: Vec<Scheme>,
        most: usize,
    ) -> Option<Found> {
        let mut best: Option<Found> = None;
        let mut unknown: Vec<String> = Vec::new();
        let mut probes = 0;
        for scheme in schemes {
            let is_other = best.as_ref().is_some_and(|best| best.scheme.at != scheme.at);
            if is_other || unknown.contains(&scheme.at) || probes == most {
                continue;
            }
            probes += 1;
            let probe = scheme.probe(seen.keys.len());
            let answer = self.page(shape, scheme.url(&self.url, probe)).await;
            // The site may answer with an error to only one of the two parameters.
            let Some(answer) = answer else { continue };
            match scheme.moved(probe, &seen.keys, &answer.keys) {
                Some(moved) if moved.sized => return Some(Found { scheme, moved, answer }),
                Some(moved) if best.is_none() => best = Some(Found { scheme, moved, answer }),
                Some(_) => {}
                None => unknown.push(scheme.at),
            }
        }
        best.map(|found| Found { scheme: Scheme { size: None, ..found.scheme }, ..found })
    }

    /// Returns the number of items to request per page: as many as the site allows, if the scheme
    /// sets it. `first` is the first page or item then.
    async fn page_size(
        &mut self,
        shape: &Shape,
        seen: &Seen,
        scheme: &Scheme,
        first: Option<u64>,
        counts: &[Said<u64>],
    ) -> u64 {
        let items = seen.keys.len() as u64;
        let Some(first) = first else { return items };
        let probe = Probe { at: first, size: PAGE_SIZE };
        let Some(large) = self.page(shape, scheme.url(&self.url, probe)).await else {
            return items;
        };
        let same = counts.iter().all(|count| scaffold::again(count, &large) == Some(count.value));
        let many = large.keys.len() as u64;
        if !same || !large.keys.starts_with(&seen.keys) || many < items || many > PAGE_SIZE {
            return items;
        }
        // The whole list may be shorter than a page.
        let is_all = match counts.first() {
            Some(count) => count.value == many,
            None => {
                let at = first + if scheme.by == At::Page { 1 } else { many };
                let probe = Probe { at, size: PAGE_SIZE };
                let next = self.page(shape, scheme.url(&self.url, probe)).await;
                next.is_none_or(|next| next.keys.is_empty())
            }
        };
        if is_all { PAGE_SIZE } else { many }
    }

    /// Returns the number of the first page, 0 or 1.
    async fn first_page(&mut self, shape: &Shape, seen: &Seen, scheme: &Scheme) -> Option<u64> {
        for at in [1, 0] {
            let url = scheme.url(&self.url, Probe { at, size: PAGE_SIZE });
            let answer = self.page(shape, url).await;
            if answer.is_some_and(|answer| answer.keys == seen.keys) {
                return Some(at);
            }
        }
        None
    }

    /// Returns the paging with a parameter for the number of items per page, if it brings more items
    /// on the first page.
    async fn larger(
        &mut self,
        shape: &Shape,
        seen: &Seen,
        paging: Paging,
        onward: &[Onward],
    ) -> Paging {
        let of_next = scaffold::urls(onward).iter().find_map(scaffold::size_of_next);
        let is_cursor = paging.query.iter().any(|(_, value)| value.starts_with('{'));
        let Some(name) = of_next.or_else(|| is_cursor.then(|| "limit".to_owned())) else {
            return paging;
        };
        let url = scaffold::with_query(&self.url, &[(&name, PAGE_SIZE.to_string())]);
        let Some(answer) = self.page(shape, url).await else { return paging };
        if answer.keys.len() <= seen.keys.len() || !answer.keys.starts_with(&seen.keys) {
            return paging;
        }
        let query = paging.query.into_iter().chain([(name, PAGE_SIZE.to_string())]).collect();
        Paging { query, ..paging }
    }
}
