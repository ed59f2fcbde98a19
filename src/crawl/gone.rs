//! After a crawl: what left the site is marked, where there is proof.

use std::collections::BTreeSet;

use super::Crawl;
use crate::clock;
use crate::error::CrawlError;
use crate::lock::Lock;
use crate::problems::Problems;
use crate::refresh::gone::{Departed, ended_early, granted, refusal};
use crate::report::Index;
use crate::wording::plain;

impl Crawl {
    /// Marks what is gone, after a sweep that may do so: it came to its end, was not limited, lost
    /// no page of the list, and its lists add up. Nothing is marked where it would be more than
    /// the share that is granted.
    ///
    /// # Errors
    /// Where the lock is lost, or the store fails.
    pub(super) async fn mark_gone(
        &self,
        lock: &Lock,
        problems: &Problems,
    ) -> Result<(), CrawlError> {
        let Index { listed, declared, .. } = self.metrics.snapshot().index;
        if lock.entry().limited
            || listed == 0 && declared != Some(0)
            || !self.walk.is_whole(self.site.total_exact)
            || problems.has_gap()
        {
            return Ok(());
        }
        let Departed { gone, unlisted, unproven } = self.departures.all();
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
        // Where the clock was set back meanwhile, what is noted now is still of this sweep.
        let now = clock::now().max(lock.entry().started_at);
        self.store.mark_unlisted(&unlisted, now).await?;
        self.metrics.gone(self.store.mark_gone(&gone, now).await?);
        Ok(())
    }

    /// Why categories whose lists are not there, and that were there in the last complete sweep, are not
    /// believed to be empty: some items that no list names are not shown to be gone by their own pages.
    fn newly_absent(&self, before: &BTreeSet<Box<str>>, unproven: u64) -> Option<String> {
        let absent = self.walk.absent();
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
