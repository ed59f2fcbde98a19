//! After a crawl: what left the site is marked, where there is proof.

use super::Crawl;
use crate::clock;
use crate::error::CrawlError;
use crate::lock::Lock;
use crate::problems::Problems;
use crate::refresh::gone::{Departed, ended_early, granted, refusal};

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
        let listed = self.metrics.snapshot().index.listed;
        if lock.entry().limited
            || listed == 0
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
}
