//! Pages of lists: what they list goes into the frontier, then their task is done.

use std::sync::atomic::Ordering::Relaxed;

use super::{Attempt, Crew, MOST_PASSES, SPREAD};
use crate::again::Wanted;
use crate::clock;
use crate::document::Digest;
use crate::error::CrawlError;
use crate::extract::{self, Item, Listing, NoKey, PageError, SeedsFound};
use crate::failure::{Failure, PageId};
use crate::fetch::{self, End, Sample};
use crate::frontier::{Lease, Retry, Submitted};
use crate::record::Key;
use crate::secret::shown;
use crate::site::{Next, PageSaid, Seeds, Site};
use crate::task::{DetailPage, Entry, FollowUps, IndexPage, IndexRun, List, PageRange};
use crate::walk::{Answer, Differing, Rules, Turn, between};
use crate::wording::plain;

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
            return self.once_more(attempt.lease).await;
        }
        self.say(&index, odd, gaps);
        self.had(&index, &attempt.lease, true).await?;
        self.decoded(&page, decoding);
        self.walk.listed(&index, names(), 0, 0);
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
            // Items without keys can only be told apart by the page as it is.
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
            return self.once_more(attempt.lease).await;
        }
        self.decoded(&page, listing.decoding);
        let is_whole = listing.items.iter().all(Result::is_ok);
        self.had(&index, &attempt.lease, is_whole).await?;
        self.listing(attempt, index, listing, turn, Some(&page)).await
    }

    /// What follows from a page of a list that was read.
    fn turn_after<'k>(
        &self,
        index: &IndexPage,
        said: &mut PageSaid,
        page: &fetch::Page,
        names: impl Iterator<Item = &'k str>,
    ) -> Turn {
        let rules = self.rules_of(&index.list);
        if index.number > 1 && said.items == 0 {
            // Some sites count what is on the page.
            said.declared = said.declared.filter(|declared| *declared > 0);
        }
        if index.number == 1 && said.places.is_empty() && !rules.paging.is_counted() {
            said.hints.asked_for = self.site.asked_for(index);
        }
        self.walk.take(&rules, index, Answer::Page(said), page.content_type(), names)
    }

    fn rules_of(&self, list: &List) -> Rules<'_> {
        Rules {
            paging: self.site.paging_of(list),
            total_exact: self.site.total_exact,
            asks_again: self.retries > 0,
            // Of a part of the list nobody says that it is all.
            heeds_hints: self.site.heeds_hints(list) && !self.limited,
        }
    }

    /// A page of keys that are known without asking.
    pub(super) async fn known_keys(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
    ) -> Result<(), CrawlError> {
        let keys = self.site.known_keys(&index).unwrap_or_default();
        let listing = extract::known(keys, self.site.known_count());
        let (rules, said) = (self.rules_of(&index.list), Answer::Page(&listing.said));
        let turn = self.walk.take(&rules, &index, said, None, std::iter::empty());
        self.listing(attempt, index, listing, turn, None).await
    }

    /// What a page lists goes into the frontier; then what follows it; then its task is done.
    async fn listing(
        &self,
        attempt: Attempt<'_>,
        index: IndexPage,
        listing: Listing,
        turn: Turn,
        page: Option<&fetch::Page>,
    ) -> Result<(), CrawlError> {
        let Listing { items, said, odd, gaps, .. } = listing;
        self.say(&index, odd, gaps);
        let (items, keyless): (Vec<_>, Vec<_>) = items.into_iter().partition(Result::is_ok);
        let items: Vec<Item> = items.into_iter().flatten().collect();
        let keyless: Vec<NoKey> = keyless.into_iter().filter_map(Result::err).collect();
        let first_items = self.walk.first_items(&index);
        let between = between(&self.rules_of(&index.list), &index, &said, first_items);
        between.into_iter().for_each(|gap| self.problems.gap(gap));
        let names: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let names = || names.iter().map(Key::as_str);
        items.iter().for_each(|item| self.list_fields.note(&item.matched));
        // They have no names by which a second walk could tell them from those of the first.
        let is_counted = index.pass == 1 && index.number >= self.range.from;
        let keyless = if is_counted { keyless } else { Vec::new() };
        let without_key = keyless.len() as u64;
        self.keep_keyless(&attempt.lease, page, keyless).await?;
        // Pages before the range are read only because they lead to those in it.
        let items = if index.number < self.range.from { Vec::new() } else { items };
        let submitted = self.submit_items(&index, items).await?;
        if submitted.limited {
            self.enough.store(true, Relaxed);
        }
        self.walk.differ(&index, &submitted.differing, names());
        let new = self.walk.listed(&index, names(), submitted.details, without_key);
        // Of a part of the list, or of what failed, not all is looked at.
        let is_all = !self.limited && matches!(self.wanted, Wanted::All);
        if is_all && said.items > 0 {
            self.walk.brought(&index, new);
        }
        self.metrics.listed(submitted.details, self.walk.declared());
        if !submitted.limited {
            self.go_on(&index, turn).await?;
        }
        self.answered(attempt, &index).await
    }

    /// Submits the pages that follow a page, or says why its list may go on where none do.
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
            // The first page planned those behind it, and they were asked for.
            return Ok(());
        }
        if is_placed && !self.site.paging_of(&index.list).is_numbered() {
            let first = self.walk.numbers(index, runs.len() as u64);
            for (number, run) in (first..).zip(&mut runs) {
                (run.from, run.to) = (number, number);
            }
        }
        let runs: Vec<IndexRun> = runs.into_iter().filter_map(|run| self.clip(run)).collect();
        self.submit_pages(runs).await?;
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
        if !self.limited && self.site.total_exact {
            // A count that was reached page by page, but not item by item, proves no end.
            let beyond = self.walk.beyond(pass).into_iter().flat_map(|next| next.runs);
            let beyond: Vec<IndexRun> = beyond.filter_map(|run| self.clip(run)).collect();
            if !beyond.is_empty() && self.submit_pages(beyond).await? > 0 {
                return Ok(());
            }
        }
        let may_walk = !self.limited && self.site.total_exact && pass < MOST_PASSES;
        let doubtful = self.walk.mismatches().into_iter();
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

    /// All lists are read: says whether entries took the place of others.
    fn say_differing(&self) {
        if let Some(Differing { entries, example }) = self.walk.differing() {
            self.problems.gap(format!(
                "{entries} entries of the list have the key of another entry that is not the same, such as {}, so that one of them is stored and the other is not: `key` has to tell them apart. Where they are one item after all: what changes by itself belongs into `ignore`, and a link that varies (by category, by page) is cut by a `regex`, or `[detail] url` is made of the key",
                plain(&example)
            ));
        }
    }

    /// Deals with a page of a list that is not there, where it may be missing: its list ends before it,
    /// once that was said twice. Hands back the attempt where the page should be there.
    pub(super) async fn no_such_page<'a>(
        &self,
        mut attempt: Attempt<'a>,
        index: &IndexPage,
    ) -> Result<Option<Attempt<'a>>, CrawlError> {
        let rules = self.rules_of(&index.list);
        let turn = self.walk.take(&rules, index, Answer::Absent, None, std::iter::empty());
        if turn == Turn::Lost {
            return Ok(Some(attempt));
        }
        attempt.end(End::Absent)?;
        if turn == Turn::AskAgain {
            return self.once_more(attempt.lease).await.map(|()| None);
        }
        if !index.is_guess {
            self.walk.note_absent(&index.list);
            self.problems.note(format!("{} is not there, and counts as empty", index.list));
        }
        self.go_on(index, turn).await?;
        self.answered(attempt, index).await.map(|()| None)
    }

    pub(super) async fn once_more(&self, lease: Lease) -> Result<(), CrawlError> {
        let retry = Retry { after: SPREAD.mul_f64(fastrand::f64()), costs_attempt: false };
        Ok(self.frontier.retry_later(lease, retry).await?)
    }

    fn say(&self, index: &IndexPage, odd: Vec<String>, gaps: Vec<String>) {
        odd.into_iter().for_each(|odd| self.problems.note(odd));
        gaps.into_iter().for_each(|gap| self.problems.gap_at(index, gap));
    }

    /// Submits the listed items, piece by piece: with a million of them nobody else would get on
    /// meanwhile.
    async fn submit_items(
        &self,
        index: &IndexPage,
        items: Vec<Item>,
    ) -> Result<Submitted, CrawlError> {
        let (mut all, mut items) = (Submitted::default(), items.into_iter());
        while items.len() > 0 {
            let details = self.details(index, items.by_ref().take(AT_ONCE).collect()).await?;
            let submitted = self.frontier.submit(FollowUps { index: Vec::new(), details }).await?;
            all.details += submitted.details;
            all.limited |= submitted.limited;
            all.differing.extend(submitted.differing);
            if items.len() > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(all)
    }

    /// The listed items with what the store knows of them.
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

fn seeds_on(site: &Site, page: &fetch::Page) -> Result<SeedsFound, PageError> {
    match &site.seeds {
        Some(Seeds::Page(rules)) => extract::seeds(rules, page),
        _ => Ok(SeedsFound::default()),
    }
}
