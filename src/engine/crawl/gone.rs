//! The end of a crawl: marks the items that have left the site, if that is proven.

use std::collections::BTreeSet;

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::engine::lock::Lock;
use crate::engine::refresh::gone::{ItemsToMark, ended_early, granted, refusal};
use crate::model::report::Index;
use crate::observe::problems::Problems;
use crate::system::clock;
use crate::text::plain;

impl Crawl {
    /// Marks items that are gone. The sweep must have reached its end without a limit, lost no list
    /// page, and its lists must add up. Marks nothing if more than the allowed share of items would
    /// be marked.
    ///
    /// # Errors
    /// Returns an error if the lock is lost or the store fails.
    pub(super) async fn mark_gone(
        &self,
        lock: &Lock,
        problems: &Problems,
    ) -> Result<(), CrawlError> {
        let Index { listed, declared, .. } = self.metrics.snapshot().index;
        if lock.entry().limited
            || listed == 0 && declared != Some(0)
            || !self.lists.is_whole(self.site.total_exact)
            || problems.has_gap()
        {
            return Ok(());
        }
        let ItemsToMark { gone, unlisted, unproven } = self.gone_candidates.all();
        if self.site.has_open_end()
            && let Some(why) = ended_early(self.listed_before.get().copied(), listed, unproven)
        {
            problems.gap(why);
            return Ok(());
        }
        if let Some(why) = self.absent_before.get().and_then(|it| self.newly_absent(it, unproven)) {
            problems.gap(why);
            return Ok(());
        }
        if gone.is_empty() && unlisted.is_empty() {
            return Ok(());
        }
        let live = self.store.count_live().await?;
        let most = granted(live, self.settings.gone_limit);
        if gone.len() as u64 > most {
            problems.gap(refusal(gone.len() as u64, live, self.settings.gone_limit));
            return Ok(());
        }
        // If the clock was set back during the sweep, the mark must still not be older than the
        // sweep.
        let now = clock::now().max(lock.entry().started_at);
        self.store.mark_unlisted(&unlisted, now).await?;
        self.metrics.gone(self.store.mark_gone(&gone, now).await?);
        Ok(())
    }

    /// Why categories whose lists are not there, and that were there in the last complete sweep, are not
    /// believed to be empty: some items that no list names are not shown to be gone by their own pages.
    fn newly_absent(&self, before: &BTreeSet<Box<str>>, unproven: u64) -> Option<String> {
        let absent = self.lists.absent();
        let mut new = absent.difference(before);
        let first = new.next().filter(|_| unproven > 0)?;
        let more = match new.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "the list of {} is not there{more}, which it was in the last complete sweep, and {unproven} items that no list names are not shown to be gone by pages of their own: nothing was marked. If the category left the site, go ahead with --accept-changes",
            plain(first)
        ))
    }
}
