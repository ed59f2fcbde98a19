//! Requests the pages of items that the store holds and no list names.

use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;

use super::{Attempt, WorkerContext};
use crate::engine::error::CrawlError;
use crate::engine::lookup::KEYS_AT_ONCE;
use crate::engine::refresh::gone::{Fate, Listing, Sight, fate, granted, refusal};
use crate::engine::writer::Outcome;
use crate::extract::{self, Making, PageError};
use crate::fetch::{self, End, FetchError};
use crate::model::record::Key;
use crate::model::task::{Content, DetailPage, FollowUps, Listed, Page};
use crate::select::field::FieldError;
use crate::site::Paging;
use crate::store::{Live, Rows};
use crate::text::secret::HIDDEN;

impl WorkerContext {
    /// Submits the stored items that no list names, once all lists are read. Does nothing if a list
    /// may be incomplete.
    pub(super) async fn submit_unlisted(&self) -> Result<(), CrawlError> {
        let knows_all = matches!(self.site.index.paging, Paging::Keys(_));
        let is_partial = self.limited || self.enough.load(Relaxed) || knows_all;
        let index = self.metrics.snapshot().index;
        let is_unsaid = index.listed == 0 && index.declared != Some(0);
        let has_none = self.store.was_empty() || is_unsaid;
        let is_whole = self.lists.is_whole(self.site.total_exact) && !self.problems.has_gap();
        if is_partial || has_none || !is_whole {
            return Ok(());
        }
        let mut candidates: Vec<Live> = Vec::new();
        let mut counted = None;
        let (mut page, mut is_end) = (Rows::default(), false);
        while !is_end {
            page = self.store.keys(page.next.as_ref(), KEYS_AT_ONCE).await?;
            is_end = page.next.is_none();
            candidates.extend(self.not_listed(std::mem::take(&mut page.found)).await?);
            // What was unlisted before says nothing of this list: only what it lacks for the first
            // time shows that it may have ended early. When that was is not asked: clocks are set.
            let newly = candidates.iter().filter(|it| it.unlisted_at.is_none());
            let newly = newly.count() as u64;
            if newly == 0 {
                continue;
            }
            let live = match counted {
                Some(live) => live,
                None => *counted.insert(self.store.count_live().await?),
            };
            if newly > granted(live, self.gone_limit) {
                self.problems.gap(refusal(newly, live, self.gone_limit));
                return Ok(());
            }
        }
        for items in candidates.chunks(KEYS_AT_ONCE) {
            self.submit_candidates(items).await?;
        }
        Ok(())
    }

    /// Returns those of the keys' documents that no list named and that are not marked gone.
    async fn not_listed(&self, keys: Vec<Key>) -> Result<Vec<Live>, CrawlError> {
        let mut unlisted = Vec::new();
        for key in keys {
            if !self.frontier.has_seen(&key) {
                unlisted.push(key);
            }
        }
        Ok(match unlisted.is_empty() {
            true => Vec::new(),
            false => self.store.live(&unlisted).await?,
        })
    }

    /// Returns whether an earlier sweep did not list an item that was noted then. Where this one is resumed, an
    /// earlier run of it may have noted the item and been killed before its end, which is no second
    /// witness: there only what was noted before the sweep began counts.
    fn was_noted_before(&self, noted_at: Option<Timestamp>) -> bool {
        // Stores keep times to the millisecond.
        let began = self.policy.began.as_millisecond();
        noted_at.is_some_and(|at| !self.is_resumed || at.as_millisecond() < began)
    }

    /// Requests the pages of unlisted items that have a URL without their list.
    async fn submit_candidates(&self, items: &[Live]) -> Result<(), CrawlError> {
        let mut details = Vec::new();
        for item in items {
            let listed = item.url.as_deref().and_then(Listed::at);
            let sight = match &self.site.detail {
                None => Some(Sight::NoPage),
                Some(_) if listed.is_some() || !self.site.takes_links() => None,
                // The URL is known but was not stored in full. That it cannot be requested proves
                // nothing.
                Some(_) if item.url.as_deref().is_some_and(|url| url.contains(HIDDEN)) => {
                    Some(Sight::Hidden)
                }
                Some(_) => Some(Sight::NoPage),
            };
            if let Some(sight) = sight {
                let noted_before = self.was_noted_before(item.unlisted_at);
                self.note(item.key.clone(), Listing::Unnamed { noted_before }, sight);
                continue;
            }
            details.push(DetailPage {
                listed: listed.map(Box::new),
                is_unlisted: true,
                ..DetailPage::of(item.key.clone())
            });
        }
        let keys: Vec<Key> = details.iter().map(|item| item.key.clone()).collect();
        let known = self.lookup.known(keys).await?;
        for item in &mut details {
            item.known = known.get(&item.key).cloned();
        }
        self.frontier.submit(FollowUps { index: Vec::new(), details })?;
        Ok(())
    }

    /// Handles the page of an unlisted item. The stored document is kept, since a new one would
    /// lose what the list said of the item.
    pub(super) async fn unlisted_page(
        &self,
        attempt: Attempt<'_>,
        item: &DetailPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        if self.led_away(&item.key, &attempt, &page.url).is_some() {
            return self.seen(attempt, Sight::Closed).await;
        }
        let encoding = self.store.encoding();
        let (page, read) = self
            .read(page, move |site, page| {
                let nothing = Content::Nothing;
                let making = Making { listed: &nothing, ignore: &[], encoding };
                site.detail.as_ref().map(|rules| extract::detail(rules, page, making))
            })
            .await;
        match read {
            Some(Err(error)) if sight_of_page(&error) == Sight::Unclear => {
                self.bad_page(attempt, error, page).await
            }
            _ => self.seen(attempt, Sight::There).await,
        }
    }

    /// Ends the task of an item whose page gave this result.
    pub(super) async fn seen(
        &self,
        mut attempt: Attempt<'_>,
        sight: Sight,
    ) -> Result<(), CrawlError> {
        attempt.end(if sight == Sight::There { End::Page } else { End::Absent })?;
        let Page::Detail(item) = attempt.lease.task().page.clone() else { return Ok(()) };
        let listing = self.named(&item);
        match fate(listing, sight) {
            Fate::AskAgain => return self.ask_at_the_end(attempt).await,
            Fate::Missing => {
                // An item that is already marked gone is not marked again.
                if item.known.as_ref().is_some_and(|known| known.gone_at.is_none()) {
                    self.note(item.key, listing, sight);
                }
                let url = self.url_of(attempt.lease.task());
                return attempt.outbox.deliver(attempt.lease, Outcome::Missing { url }).await;
            }
            Fate::Gone | Fate::Unlisted | Fate::Unknown => self.note(item.key, listing, sight),
            Fate::Kept | Fate::Failed => {}
        }
        self.finish(attempt).await
    }

    /// Returns the reason why this sweep requested an item whose page was answered.
    pub(super) fn named(&self, item: &DetailPage) -> Listing {
        if item.is_unlisted {
            let noted_at = item.known.as_deref().and_then(|known| known.unlisted_at);
            return Listing::Unnamed { noted_before: self.was_noted_before(noted_at) };
        }
        Listing::Named { asked_before: self.gone_candidates.was_absent(&item.key) }
    }

    pub(super) fn note(&self, key: Key, listing: Listing, sight: Sight) {
        let fate = fate(listing, sight);
        if fate == Fate::Unlisted {
            self.metrics.unlisted();
        }
        self.gone_candidates.note(key, listing, fate);
    }
}

/// Returns what a failed request says about its item.
pub(super) fn sight_of_error(error: &FetchError) -> Sight {
    match error {
        FetchError::Status { status: 404 | 410, .. } => Sight::Absent,
        // A refusal with a `Retry-After` is only temporary.
        FetchError::Status { status: 401 | 403, wait: None, .. }
        | FetchError::RedirectRefused { .. }
        | FetchError::RedirectLoop(_) => Sight::Closed,
        _ => Sight::Unclear,
    }
}

/// Returns what an unreadable page says about its item. Only what the site file requires tells an
/// item's page from any other page: if nothing is required, any page counts as the item.
fn sight_of_page(error: &PageError) -> Sight {
    match error {
        PageError::Nothing | PageError::Field(FieldError::Conversion { .. }) => Sight::There,
        _ => Sight::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_what_an_answer_says_of_an_item() {
        let status = |status| FetchError::Status { status, wait: None, sample: None };
        let cases = [
            (status(404), Sight::Absent),
            (status(410), Sight::Absent),
            (status(401), Sight::Closed),
            (status(403), Sight::Closed),
            (FetchError::RedirectRefused { to: "https://login.h/".to_owned() }, Sight::Closed),
            (FetchError::RedirectLoop(10), Sight::Closed),
            (status(429), Sight::Unclear),
            (status(500), Sight::Unclear),
            (FetchError::Timeout(String::new()), Sight::Unclear),
            (FetchError::Forbidden, Sight::Unclear),
        ];
        for (error, sight) in cases {
            assert_eq!(sight_of_error(&error), sight, "{error}");
        }
    }

    #[test]
    fn g6_only_what_is_required_tells_an_item_from_another_page() {
        let cases = [
            (PageError::Require("h1".to_owned()), Sight::Unclear),
            (PageError::Field(FieldError::Missing("title".to_owned())), Sight::Unclear),
            (PageError::NoDocument("$.item".to_owned()), Sight::Unclear),
            (PageError::Nothing, Sight::There),
        ];
        for (error, sight) in cases {
            assert_eq!(sight_of_page(&error), sight, "{error}");
        }
    }
}
