//! Items that the store holds and no list names any more: asked for by their own pages.

use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;

use super::{Attempt, Crew};
use crate::error::CrawlError;
use crate::fetch::End;
use crate::lookup::KEYS_AT_ONCE;
use crate::record::Key;
use crate::refresh::gone::{granted, refusal};
use crate::secret::HIDDEN;
use crate::site::Paging;
use crate::store::{Live, Rows};
use crate::task::{DetailPage, FollowUps, Listed, Page};

impl Crew {
    /// All lists are read: what the store holds beside what they name is submitted, too. Not where
    /// a list may have left something out.
    pub(super) async fn submit_unlisted(&self) -> Result<(), CrawlError> {
        let knows_all = matches!(self.site.index.paging, Paging::Keys(_));
        let is_partial = self.limited || self.enough.load(Relaxed) || knows_all;
        let has_none = self.store.was_empty() || self.metrics.snapshot().index.listed == 0;
        let is_whole = self.walk.is_whole(self.site.total_exact) && !self.problems.has_gap();
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
            if candidates.is_empty() {
                continue;
            }
            let live = match counted {
                Some(live) => live,
                None => *counted.insert(self.store.count_live().await?),
            };
            if candidates.len() as u64 > granted(live, self.gone_limit) {
                self.problems.gap(refusal(candidates.len() as u64, live, self.gone_limit));
                return Ok(());
            }
        }
        for items in candidates.chunks(KEYS_AT_ONCE) {
            self.submit_candidates(items).await?;
        }
        Ok(())
    }

    /// The documents of these keys that no list named and that are not marked gone.
    async fn not_listed(&self, keys: Vec<Key>) -> Result<Vec<Live>, CrawlError> {
        let mut unlisted = Vec::new();
        for key in keys {
            if !self.frontier.has_seen(&key).await? {
                unlisted.push(key);
            }
        }
        Ok(match unlisted.is_empty() {
            true => Vec::new(),
            false => self.store.live(&unlisted).await?,
        })
    }

    /// Whether an earlier sweep did not list an item that was noted then. An earlier run of this
    /// sweep, which noted it and was killed before its end, is no second witness.
    fn was_noted_before(&self, noted_at: Option<Timestamp>) -> bool {
        // Stores keep times to the millisecond.
        let began = self.policy.began.as_millisecond();
        noted_at.is_some_and(|at| at.as_millisecond() < began)
    }

    /// Asks for the pages of items that no list names, where they can be asked for without it.
    async fn submit_candidates(&self, items: &[Live]) -> Result<(), CrawlError> {
        let mut details = Vec::new();
        for item in items {
            let listed = item.url.as_deref().and_then(Listed::at);
            let has_page =
                self.site.detail.is_some() && (listed.is_some() || !self.site.takes_links());
            if !has_page {
                // Where it was is known, but not kept whole: that it cannot be asked for proves nothing.
                let is_hidden = item.url.as_deref().is_some_and(|url| url.contains(HIDDEN));
                let before = !is_hidden && self.was_noted_before(item.unlisted_at);
                self.departures.unlisted(item.key.clone(), before);
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
        self.frontier.submit(FollowUps { index: Vec::new(), details }).await?;
        Ok(())
    }

    /// The page of an item that is not listed is there after all, or is not.
    pub(super) async fn unlisted_item(
        &self,
        mut attempt: Attempt<'_>,
        is_there: bool,
    ) -> Result<(), CrawlError> {
        attempt.end(End::Page)?;
        if let Page::Detail(item) = &attempt.lease.task().page {
            let noted_at = item.known.as_deref().and_then(|known| known.unlisted_at);
            let before = self.was_noted_before(noted_at);
            match is_there {
                true => self.departures.unlisted(item.key.clone(), before),
                false => self.departures.absent(item.key.clone()),
            }
        }
        self.finish(attempt).await
    }
}
