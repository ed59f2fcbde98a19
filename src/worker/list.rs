//! Pages of lists: what they list goes into the frontier, then their task is done.

use std::sync::atomic::Ordering::Relaxed;

use super::{Attempt, Crew, MOST_PASSES, SPREAD};
use crate::again::Wanted;
use crate::clock;
use crate::document::Digest;
use crate::error::CrawlError;
use crate::extract::{self, Item, Listing, NoKey, SeedsFound};
use crate::failure::{Failure, PageId};
use crate::fetch::{self, End, Sample};
use crate::frontier::{Lease, Retry, Submitted};
use crate::record::Key;
use crate::secret::shown;
use crate::site::{Next, PageSaid, Paging, Seeds, Site};
use crate::task::{DetailPage, FollowUps, IndexPage, IndexRun, List, PageRange};
use crate::walk::Turn;

/// Listed items that are submitted at once.
const AT_ONCE: usize = 10_000;

impl Crew {
    /// A page of a list.
    pub(super) async fn index_page(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        match (&index.list, &self.site.seeds) {
            (List::Seeds, Some(Seeds::Page(_))) => self.seeds_page(attempt, index, page).await,
            _ => self.items_page(attempt, index, page).await,
        }
    }

    /// A page that names categories: each leads to a list of its own.
    async fn seeds_page(
        &self,
        mut attempt: Attempt<'_>,
        index: IndexPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let (page, found) = self.read(page, seeds_on).await;
        let SeedsFound { seeds, said, odd, gaps, decoding } = match found {
            Ok(found) => found,
            Err(error) => return self.bad_page(attempt, error, page).await,
        };
        attempt.end(End::Page)?;
        if self.may_be_a_hiccup(&index, &said) {
            return self.once_more(attempt.lease).await;
        }
        self.say(&index, odd, gaps);
        self.had(&index, &attempt.lease, true).await?;
        self.decoded(&page, decoding);
        let names = || seeds.iter().map(|seed| &**seed);
        let turn = self.walk.read(&index, names(), &said);
        self.walk.listed(&index, names(), 0, 0);
        let lists = self.site.lists(seeds.iter().cloned(), self.range);
        self.submit_pages(lists).await?;
        self.go_on(&index, &said, turn).await?;
        self.answered(attempt, &index).await
    }

    async fn items_page(
        &self,
        mut attempt: Attempt<'_>,
        index: IndexPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let (page, listing) = self.read(page, extract::index).await;
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => return self.bad_page(attempt, error, page).await,
        };
        attempt.end(End::Page)?;
        if self.may_be_a_hiccup(&index, &listing.said) {
            return self.once_more(attempt.lease).await;
        }
        self.decoded(&page, listing.decoding);
        let is_whole = listing.items.iter().all(Result::is_ok);
        self.had(&index, &attempt.lease, is_whole).await?;
        self.listing(attempt, index, listing, Some(&page)).await
    }

    /// A page of keys that are known without asking.
    pub(super) async fn known_keys(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
    ) -> Result<(), CrawlError> {
        let keys = self.site.known_keys(&index).unwrap_or_default();
        let listing = extract::known(keys, self.site.known_count());
        self.listing(attempt, index, listing, None).await
    }

    /// What a page lists goes into the frontier; then what follows it; then its task is done.
    async fn listing(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
        listing: Listing,
        page: Option<&fetch::Page>,
    ) -> Result<(), CrawlError> {
        let Listing { items, said, odd, gaps, .. } = listing;
        self.say(&index, odd, gaps);
        let (items, keyless): (Vec<_>, Vec<_>) = items.into_iter().partition(Result::is_ok);
        let items: Vec<Item> = items.into_iter().flatten().collect();
        let keyless: Vec<NoKey> = keyless.into_iter().filter_map(Result::err).collect();
        self.watch_for_short_pages(&index, &said);
        let names: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let names = || names.iter().map(Key::as_str);
        let turn = if !self.site.index.paging.is_sequence() {
            self.walk.read(&index, std::iter::empty(), &said)
        } else if items.is_empty() && !keyless.is_empty() {
            // Items without keys can only be told apart by the page as it is.
            let body = page.map_or_else(String::new, |page| Digest::of(&page.body).to_string());
            self.walk.read(&index, std::iter::once(body.as_str()), &said)
        } else {
            self.walk.read(&index, names(), &said)
        };
        items.iter().for_each(|item| self.list_fields.note(&item.matched));
        // They have no names by which a second walk could tell them from those of the first.
        let is_counted = index.pass == 1 && index.number >= self.range.from;
        let keyless = if is_counted { keyless } else { Vec::new() };
        let without_key = keyless.len() as u64;
        self.keep_keyless(&attempt.lease, page, keyless).await?;
        // Pages before the range are read only because they lead to those in it.
        let items = if index.number < self.range.from { Vec::new() } else { items };
        let submitted = self.submit_items(items).await?;
        if submitted.limited {
            self.enough.store(true, Relaxed);
        }
        self.walk.listed(&index, names(), submitted.details, without_key);
        self.metrics.listed(submitted.details, self.walk.declared());
        let is_numbered = self.site.index.paging.is_numbered();
        if is_numbered && said.items == 0 && self.walk.is_second_empty(&index) {
            // More was planned than there is, by a count that was too high.
            self.walk.ends_at(&index);
        }
        if !submitted.limited {
            self.go_on(&index, &said, turn).await?;
        }
        self.answered(attempt, &index).await
    }

    /// Submits the pages that follow a page, where its list goes on.
    async fn go_on(
        &self,
        index: &IndexPage,
        said: &PageSaid,
        turn: Turn,
    ) -> Result<(), CrawlError> {
        if turn.is_over {
            self.problems.gap(format!(
                "{index}: three pages in a row have the items of other pages; the rest of the list was not asked for"
            ));
            return Ok(());
        }
        let Some(Next { mut runs, certain }) = self.site.after(index, said) else { return Ok(()) };
        let is_placed = runs.iter().any(|run| run.place.is_some());
        let is_again = matches!(self.wanted, Wanted::Failed { .. });
        if is_again && certain && !is_placed && index.number > 1 {
            // The first page planned those behind it, and they were asked for.
            return Ok(());
        }
        if is_placed && said.items == 0 && self.walk.is_second_empty(index) {
            // Some sites name a next page for ever.
            if said.declared.is_none() {
                self.problems.gap(format!(
                    "{index} and the page before it are empty, though both name a next page; the rest of the list was not asked for"
                ));
            }
            return Ok(());
        }
        if is_placed {
            let first = self.walk.numbers(index, runs.len() as u64);
            for (number, run) in (first..).zip(&mut runs) {
                (run.from, run.to) = (number, number);
            }
        }
        if let Some(repeated) = turn.repeats.filter(|_| is_placed || !certain) {
            // Some sites answer the last page, or the first, for ever.
            if said.declared.is_none() {
                self.problems.gap(format!(
                    "{index} brings nothing but the items of page {repeated} again, and does not say that it is the last"
                ));
            }
            return Ok(());
        }
        let runs: Vec<IndexRun> = runs.into_iter().filter_map(|run| self.clip(run)).collect();
        let planned = !runs.is_empty();
        let is_cycle = self.submit_pages(runs).await? == 0 && is_placed && planned;
        if is_cycle && self.site.index.paging != Paging::Sitemap {
            self.problems
                .gap(format!("{index} says that the next page is one that was read already"));
        }
        Ok(())
    }

    /// A page of a list was read: if it failed before, it does not any more. What an earlier pass
    /// found wrong on the page itself stays, and so does what is wrong again.
    async fn had(
        &self,
        index: &IndexPage,
        lease: &Lease,
        is_whole: bool,
    ) -> Result<(), CrawlError> {
        self.metrics.page_read();
        let may_have_failed = index.pass == 1 || self.walk.is_lost(index);
        if is_whole && may_have_failed && self.has_failures.load(Relaxed) {
            let page = lease.task().page.hidden(&self.policy.scrubber);
            self.store.clear_failures(&[PageId::from(&*page)]).await?;
        }
        Ok(())
    }

    /// Submits pages of lists; answers with how many of them are new.
    async fn submit_pages(&self, runs: Vec<IndexRun>) -> Result<u64, CrawlError> {
        let pages = runs.iter().map(IndexRun::pages).sum();
        self.walk.planned(pages);
        let follow_ups = FollowUps { index: runs, details: Vec::new() };
        let submitted = self.frontier.submit(follow_ups).await?;
        self.walk.known_already(pages - submitted.index);
        Ok(submitted.index)
    }

    /// Ends the lease of a page of a list, all that it leads to being submitted.
    pub(super) async fn answered(
        &self,
        attempt: Attempt<'_>,
        index: &IndexPage,
    ) -> Result<(), CrawlError> {
        if self.walk.answered(index, false) {
            self.pass_ended(index.pass).await?;
        }
        self.finish(attempt).await
    }

    /// The last page of a pass is still in hand: lists that are short of what they declare, or that
    /// changed meanwhile, are walked once more, since items may have moved from page to page.
    pub(super) async fn pass_ended(&self, pass: u32) -> Result<(), CrawlError> {
        let may_walk = !self.limited && self.site.total_exact && pass < MOST_PASSES;
        let doubtful = self.walk.mismatches().into_iter();
        let doubtful = doubtful.filter(|it| (it.is_short || it.has_moved) && !it.is_cut);
        let again = doubtful.filter_map(|it| self.site.again(it.list, pass + 1, self.range));
        let again: Vec<IndexRun> = if may_walk { again.collect() } else { Vec::new() };
        if again.is_empty() {
            return self.submit_unlisted().await;
        }
        self.metrics.pass();
        self.submit_pages(again).await?;
        Ok(())
    }

    /// An empty page may be a hiccup, and ends the list: it is asked for once more. A sitemap that
    /// leads to others is not empty.
    fn may_be_a_hiccup(&self, index: &IndexPage, said: &PageSaid) -> bool {
        let leads_on = !self.site.index.paging.is_sequence() && !said.places.is_empty();
        // A list that is empty may say so, but not in its middle.
        let says_so = said.declared == Some(0) && index.number == 1;
        let is_empty = said.items == 0 && !says_so && !leads_on;
        is_empty && self.walk.is_first_empty(index) && self.retries > 0
    }

    pub(super) async fn once_more(&self, lease: Lease) -> Result<(), CrawlError> {
        let retry = Retry { after: SPREAD.mul_f64(fastrand::f64()), costs_attempt: false };
        Ok(self.frontier.retry_later(lease, retry).await?)
    }

    fn say(&self, index: &IndexPage, odd: Vec<String>, gaps: Vec<String>) {
        odd.into_iter().for_each(|odd| self.problems.note(odd));
        gaps.into_iter().for_each(|gap| self.problems.gap_at(index, gap));
    }

    /// Where the site gives fewer items on a page than were asked for and the list goes on, items
    /// fall between the pages.
    fn watch_for_short_pages(&self, index: &IndexPage, said: &PageSaid) {
        let Some(limit) = self.site.index.paging.limit().filter(|_| said.items > 0) else { return };
        let Some(short) = self.walk.first_short(index, said.items, limit) else { return };
        if short < index.number && (said.declared.is_none() || !self.site.total_exact) {
            let remedy = match self.site.index.takes_page_size() {
                true => "ask for fewer with --page-size",
                false => "write in the site file how many there are on a page",
            };
            self.problems.gap(format!(
                "page {short} of the list has fewer than the {limit} items expected, and the list goes on: {remedy}"
            ));
        }
    }

    /// Submits the listed items, piece by piece: with a million of them nobody else would get on
    /// meanwhile.
    async fn submit_items(&self, items: Vec<Item>) -> Result<Submitted, CrawlError> {
        let (mut all, mut items) = (Submitted::default(), items.into_iter());
        while items.len() > 0 {
            let details = self.details(items.by_ref().take(AT_ONCE).collect()).await?;
            let submitted = self.frontier.submit(FollowUps { index: Vec::new(), details }).await?;
            all.details += submitted.details;
            all.limited |= submitted.limited;
            if items.len() > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(all)
    }

    /// The listed items with what the store knows of them.
    async fn details(&self, items: Vec<Item>) -> Result<Vec<DetailPage>, CrawlError> {
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let known = self.lookup.known(keys).await?;
        let detail = |Item { key, listed, .. }| {
            let known = known.get(&key).cloned();
            let wanted = self.wanted.takes(&key, known.is_some());
            let listed = listed.map(Box::new);
            wanted.then_some(DetailPage { known, listed, ..DetailPage::of(key) })
        };
        Ok(items.into_iter().filter_map(detail).collect())
    }

    /// The part of a plan that may be asked for. Where the site's own cap cuts it, that is a gap.
    fn clip(&self, run: IndexRun) -> Option<IndexRun> {
        let range = match run.list {
            List::Items(_) => self.range,
            List::Seeds => PageRange { from: 1, to: self.site.index.most_pages },
        };
        if run.to > range.to && !self.limited {
            self.problems.gap(format!(
                "the list goes on after {} pages, where `max_pages` ends it",
                range.to
            ));
        }
        range.clip(run)
    }

    async fn keep_keyless(
        &self,
        lease: &Lease,
        page: Option<&fetch::Page>,
        keyless: Vec<NoKey>,
    ) -> Result<(), CrawlError> {
        let Some(first) = keyless.first() else { return Ok(()) };
        let message = format!("{} items without a key, the first: {first}", keyless.len());
        self.problems.gap_at(&lease.task().page, &message);
        let failure = Failure {
            page: lease.task().page.clone(),
            url: page.map_or_else(String::new, |page| shown(&page.url)).into(),
            reason: "key",
            message,
            status: page.map(|_| 200),
            attempts: lease.task().attempt,
            sample: page.and_then(|page| Sample::of(&page.body)).map(Sample::into_text),
            at: clock::now(),
        };
        for _ in keyless {
            self.metrics.listed_without_key();
        }
        let failure = failure.hidden(&self.policy.scrubber);
        Ok(self.store.keep_failures(&self.policy.stamp, &[failure]).await?)
    }
}

fn seeds_on(site: &Site, page: &fetch::Page) -> Result<SeedsFound, extract::PageError> {
    match &site.seeds {
        Some(Seeds::Page(rules)) => extract::seeds(rules, page),
        _ => Ok(SeedsFound::default()),
    }
}
