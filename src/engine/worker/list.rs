//! Handles list pages: submits their items to the frontier, then ends their task.

use std::sync::atomic::Ordering::Relaxed;

use super::{Attempt, MOST_PASSES, SPREAD, WorkerContext};
use crate::engine::error::CrawlError;
use crate::engine::list_progress::{Answer, Differing, Rules, Turn, between};
use crate::engine::retry_failures::Wanted;
use crate::extract::{self, Item, Listing, PageError, SeedsFound};
use crate::fetch::{self, End, Sample};
use crate::frontier::{Lease, Retry, Submitted};
use crate::model::document::Digest;
use crate::model::failure::{Failure, PageId};
use crate::model::record::Key;
use crate::model::task::{DetailPage, Entry, FollowUps, IndexPage, IndexRun, List, PageRange};
use crate::select::NoKey;
use crate::site::{Next, PageSaid, Seeds, Site};
use crate::system::clock;
use crate::text::plain;
use crate::text::secret::shown;

/// Number of listed items that are submitted at once.
const AT_ONCE: usize = 10_000;

impl WorkerContext {
    /// Handles a list page.
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

    /// Handles a page that names categories: each leads to a list of its own.
    async fn seeds_page(
        &self,
        mut attempt: Attempt<'_>,
        index: IndexPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let (page, found) = self.read(page, seeds_on).await;
        let SeedsFound { seeds, mut said, odd, gaps, decoding } = match found {
            Ok(found) => found,
            Err(error) => return self.bad_page(attempt, error, page).await,
        };
        let names = || seeds.iter().map(|seed| &**seed);
        let turn = match self.turn_after(&index, &mut said, &page, names()) {
            Turn::OtherKind(why) => {
                return self.bad_page(attempt, PageError::OtherKind(why), page).await;
            }
            turn => turn,
        };
        attempt.end(End::Page)?;
        if turn == Turn::AskAgain {
            self.once_more(attempt.lease);
            return Ok(());
        }
        self.report_oddities(&index, odd, gaps);
        self.on_page_read(&index, &attempt.lease, true).await?;
        self.decoded(&page, decoding);
        self.lists.listed(&index, names(), 0, 0);
        let lists = self.site.lists(seeds.iter().cloned(), self.range);
        self.submit_pages(lists).await?;
        self.go_on(&index, turn).await?;
        self.answered(attempt, &index).await
    }

    async fn items_page(
        &self,
        mut attempt: Attempt<'_>,
        index: IndexPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let (page, listing) = self.read(page, extract::index).await;
        let mut listing = match listing {
            Ok(listing) => listing,
            Err(error) => return self.bad_page(attempt, error, page).await,
        };
        let Listing { items, said, .. } = &mut listing;
        if said.items == 0 {
            said.hints.led_to = self.list_led_away(&attempt, &page.url);
        }
        let keys = || items.iter().flatten().map(|item| item.key.as_str());
        let turn = if !self.site.index.paging.is_sequence() {
            self.turn_after(&index, said, &page, std::iter::empty())
        } else if said.items > 0 && keys().next().is_none() {
            // Pages whose items have no keys can only be compared by their bodies.
            let body = Digest::of(&page.body).to_string();
            self.turn_after(&index, said, &page, std::iter::once(body.as_str()))
        } else {
            self.turn_after(&index, said, &page, keys())
        };
        if let Turn::OtherKind(why) = turn {
            return self.bad_page(attempt, PageError::OtherKind(why), page).await;
        }
        attempt.end(End::Page)?;
        if turn == Turn::AskAgain {
            self.once_more(attempt.lease);
            return Ok(());
        }
        self.decoded(&page, listing.decoding);
        let is_whole = listing.items.iter().all(Result::is_ok);
        self.on_page_read(&index, &attempt.lease, is_whole).await?;
        self.listing(attempt, index, listing, turn, Some(&page)).await
    }

    /// Returns the action after a list page that was read.
    fn turn_after<'k>(
        &self,
        index: &IndexPage,
        said: &mut PageSaid,
        page: &fetch::Page,
        names: impl Iterator<Item = &'k str>,
    ) -> Turn {
        let rules = self.rules_of(&index.list);
        if index.number > 1 && said.items == 0 {
            // Some sites declare the number of items on the page instead, which is 0 here.
            said.declared = said.declared.filter(|declared| *declared > 0);
        }
        if index.number == 1 && said.places.is_empty() && !rules.paging.is_counted() {
            said.hints.asked_for = self.site.asked_for(index);
        }
        self.lists.take(&rules, index, Answer::Page(said), page.content_type(), names)
    }

    fn rules_of(&self, list: &List) -> Rules<'_> {
        Rules {
            paging: self.site.paging_of(list),
            total_exact: self.site.total_exact,
            asks_again: self.retries > 0,
            // Hints are ignored if only a part of the list is read: it need not be complete.
            heeds_hints: self.site.heeds_hints(list) && !self.limited,
        }
    }

    /// Handles a page of keys that are known without a request.
    pub(super) async fn known_keys(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
    ) -> Result<(), CrawlError> {
        let keys = self.site.known_keys(&index).unwrap_or_default();
        let listing = extract::known(keys, self.site.known_count());
        let (rules, said) = (self.rules_of(&index.list), Answer::Page(&listing.said));
        let turn = self.lists.take(&rules, &index, said, None, std::iter::empty());
        self.listing(attempt, index, listing, turn, None).await
    }

    /// Submits the items of a page and the pages that follow it, then ends its task.
    async fn listing(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
        listing: Listing,
        turn: Turn,
        page: Option<&fetch::Page>,
    ) -> Result<(), CrawlError> {
        let Listing { items, said, odd, gaps, .. } = listing;
        self.report_oddities(&index, odd, gaps);
        let (items, keyless): (Vec<_>, Vec<_>) = items.into_iter().partition(Result::is_ok);
        let items: Vec<Item> = items.into_iter().flatten().collect();
        let keyless: Vec<NoKey> = keyless.into_iter().filter_map(Result::err).collect();
        let first_items = self.lists.first_items(&index);
        let between = between(&self.rules_of(&index.list), &index, &said, first_items);
        between.into_iter().for_each(|gap| self.problems.gap(gap));
        let names: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let names = || names.iter().map(Key::as_str);
        items.iter().for_each(|item| self.list_fields.note(&item.matched));
        // Items without keys are only counted in the first pass: a later pass could not tell them
        // apart.
        let is_counted = index.pass == 1 && index.number >= self.range.from;
        let keyless = if is_counted { keyless } else { Vec::new() };
        let without_key = keyless.len() as u64;
        self.keep_keyless(&attempt.lease, page, keyless).await?;
        // Pages before the range are only read because they lead to pages in it.
        let items = if index.number < self.range.from { Vec::new() } else { items };
        let submitted = self.submit_items(&index, items).await?;
        if submitted.limited {
            self.enough.store(true, Relaxed);
        }
        self.lists.differ(&index, &submitted.differing, names());
        let new = self.lists.listed(&index, names(), submitted.details, without_key);
        // A limited run, or one that retries failures, does not see all items, so its pages may
        // seem to have no new ones.
        let is_all = !self.limited && matches!(self.wanted, Wanted::All);
        if is_all && said.items > 0 {
            self.lists.brought(&index, new);
        }
        self.metrics.listed(submitted.details, self.lists.declared());
        if !submitted.limited {
            self.go_on(&index, turn).await?;
        }
        self.answered(attempt, &index).await
    }

    /// Submits the pages that follow a page, or reports why its list may go on without them.
    async fn go_on(&self, index: &IndexPage, turn: Turn) -> Result<(), CrawlError> {
        let Next { mut runs, certain } = match turn {
            Turn::Onward(next) => next,
            Turn::Gap(why) => {
                self.problems.gap(why);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let is_placed = runs.iter().any(|run| run.place.is_some());
        let is_again = matches!(self.wanted, Wanted::Failed { .. });
        if is_again && certain && !is_placed && index.number > 1 {
            // The first page planned the pages after it, and they were requested.
            return Ok(());
        }
        if is_placed && !self.site.paging_of(&index.list).is_numbered() {
            let first = self.lists.numbers(index, runs.len() as u64);
            for (number, run) in (first..).zip(&mut runs) {
                (run.from, run.to) = (number, number);
            }
        }
        let runs: Vec<IndexRun> = runs.into_iter().filter_map(|run| self.clip(run)).collect();
        self.submit_pages(runs).await?;
        Ok(())
    }

    /// Notes that a list page was read, and deletes its stored failure. The failure is kept if
    /// items of the page have no key, or if an earlier pass stored it for the page's content.
    async fn on_page_read(
        &self,
        index: &IndexPage,
        lease: &Lease,
        is_whole: bool,
    ) -> Result<(), CrawlError> {
        self.metrics.page_read();
        let may_have_failed = index.pass == 1 || self.lists.is_lost(index);
        if is_whole && may_have_failed && self.has_failures.load(Relaxed) {
            let page = lease.task().page.hidden(&self.policy.scrubber);
            self.store.clear_failures(&[PageId::from(&*page)]).await?;
        }
        Ok(())
    }

    /// Submits list pages, and returns the number of new ones.
    async fn submit_pages(&self, runs: Vec<IndexRun>) -> Result<u64, CrawlError> {
        let pages = runs.iter().map(IndexRun::pages).sum();
        self.lists.planned(pages);
        let follow_ups = FollowUps { index: runs, details: Vec::new() };
        let submitted = self.frontier.submit(follow_ups)?;
        self.lists.known_already(pages - submitted.index);
        Ok(submitted.index)
    }

    /// Ends the task of a list page after all its follow-ups were submitted.
    pub(super) async fn answered(
        &self,
        attempt: Attempt<'_>,
        index: &IndexPage,
    ) -> Result<(), CrawlError> {
        if self.lists.answered(index, false) {
            self.pass_ended(index.pass).await?;
        }
        self.finish(attempt).await
    }

    /// Ends a pass, while its last page is still leased. Lists that are short of their counts, or
    /// that moved meanwhile, are read once more, since items may have moved between pages.
    pub(super) async fn pass_ended(&self, pass: u32) -> Result<(), CrawlError> {
        if !self.limited && self.site.total_exact {
            // A declared count that the number of pages reaches, but not the number of items, does
            // not prove the end.
            let beyond = self.lists.beyond(pass).into_iter().flat_map(|next| next.runs);
            let beyond: Vec<IndexRun> = beyond.filter_map(|run| self.clip(run)).collect();
            if !beyond.is_empty() && self.submit_pages(beyond).await? > 0 {
                return Ok(());
            }
        }
        let may_walk = !self.limited && self.site.total_exact && pass < MOST_PASSES;
        let doubtful = self.lists.mismatches().into_iter();
        let doubtful = doubtful.filter(|it| (it.is_short || it.has_moved) && !it.is_cut);
        let doubtful = doubtful.filter(|it| it.hinted_by.is_none());
        let again = doubtful.filter_map(|it| self.site.again(it.list, pass + 1, self.range));
        let again: Vec<IndexRun> = if may_walk { again.collect() } else { Vec::new() };
        if again.is_empty() {
            self.say_differing();
            return self.submit_unlisted().await;
        }
        self.metrics.pass();
        self.submit_pages(again).await?;
        Ok(())
    }

    /// Reports entries that share their key with a different one, once all lists are read.
    fn say_differing(&self) {
        if let Some(Differing { entries, example }) = self.lists.differing() {
            self.problems.gap(format!(
                "{entries} entries of the list have the key of another entry that is not the same, such as {}, so that one of them is stored and the other is not: `key` has to tell them apart. Where they are one item after all: what changes by itself belongs into `ignore`, and a link that varies (by category, by page) is cut by a `regex`, or `[detail] url` is made of the key",
                plain(&example)
            ));
        }
    }

    /// Handles a list page that does not exist and may be missing: its list ends before it, once
    /// the site has said so twice. Returns the attempt if the page should exist.
    pub(super) async fn no_such_page<'a>(
        &self,
        mut attempt: Attempt<'a>,
        index: &IndexPage,
    ) -> Result<Option<Attempt<'a>>, CrawlError> {
        let rules = self.rules_of(&index.list);
        let turn = self.lists.take(&rules, index, Answer::Absent, None, std::iter::empty());
        if turn == Turn::Lost {
            return Ok(Some(attempt));
        }
        attempt.end(End::Absent)?;
        if turn == Turn::AskAgain {
            self.once_more(attempt.lease);
            return Ok(None);
        }
        if !index.is_guess {
            self.lists.note_absent(&index.list);
            self.problems.note(format!("{} is not there, and counts as empty", index.list));
        }
        self.go_on(index, turn).await?;
        self.answered(attempt, index).await.map(|()| None)
    }

    fn once_more(&self, lease: Lease) {
        let retry = Retry { after: SPREAD.mul_f64(fastrand::f64()), costs_attempt: false };
        self.frontier.retry_later(lease, retry);
    }

    fn report_oddities(&self, index: &IndexPage, odd: Vec<String>, gaps: Vec<String>) {
        odd.into_iter().for_each(|odd| self.problems.note(odd));
        gaps.into_iter().for_each(|gap| self.problems.gap_at(index, gap));
    }

    /// Submits the listed items in chunks, so that a million of them do not block other tasks.
    async fn submit_items(
        &self,
        index: &IndexPage,
        items: Vec<Item>,
    ) -> Result<Submitted, CrawlError> {
        let (mut all, mut items) = (Submitted::default(), items.into_iter());
        while items.len() > 0 {
            let details = self.details(index, items.by_ref().take(AT_ONCE).collect()).await?;
            let submitted = self.frontier.submit(FollowUps { index: Vec::new(), details })?;
            all.details += submitted.details;
            all.limited |= submitted.limited;
            all.differing.extend(submitted.differing);
            if items.len() > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(all)
    }

    /// Returns the listed items that are wanted, with what the store knows of them.
    async fn details(
        &self,
        index: &IndexPage,
        items: Vec<Item>,
    ) -> Result<Vec<DetailPage>, CrawlError> {
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let known = self.lookup.known(keys).await?;
        let detail = |Item { key, listed, .. }| {
            let known = known.get(&key).cloned();
            let wanted = self.wanted.takes(&key, known.is_some());
            let (has_links, ignore) = (self.site.takes_links(), &self.site.ignore);
            let print = listed.as_ref().map(|it| extract::entry::print(it, has_links, ignore));
            let entry = print.map_or_else(Entry::default, |print| Entry::new(index.pass, print));
            let listed = listed.map(Box::new);
            wanted.then_some(DetailPage { known, listed, entry, ..DetailPage::of(key) })
        };
        Ok(items.into_iter().filter_map(detail).collect())
    }

    /// Returns the part of a run that may be requested, or `None`. If `max_pages` cuts it, that is
    /// a gap.
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

fn seeds_on(site: &Site, page: &fetch::Page) -> Result<SeedsFound, PageError> {
    match &site.seeds {
        Some(Seeds::Page(rules)) => extract::seeds(rules, page),
        _ => Ok(SeedsFound::default()),
    }
}
