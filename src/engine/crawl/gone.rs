//! The end of a crawl: marks the items that have left the site, if that is proven.

use std::collections::BTreeSet;

use super::earlier::EarlierSweep;
use crate::engine::error::CrawlError;
use crate::engine::findings::Findings;
use crate::engine::refresh::gone::{ItemsToMark, ended_early, granted, refusal};
use crate::model::report::{Finding, Index, Kind};
use crate::model::text::plain;
use crate::observe::metrics::Metrics;
use crate::observe::problems::Problems;
use crate::site::Site;
use crate::store::Store;
use crate::sweep::SweepEntry;
use crate::system::clock;

/// The removal of items, and all that it depends on.
pub struct Removal<'a> {
    /// Site that was crawled.
    pub site: &'a Site,
    /// Store in which items are marked.
    pub store: &'a dyn Store,
    /// Counters.
    pub metrics: &'a Metrics,
    /// Findings of the sweep.
    pub findings: &'a Findings,
    /// Earlier sweep that this one is compared with.
    pub earlier: &'a EarlierSweep,
    /// Maximum share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
    /// Problems to report to the user.
    pub problems: &'a Problems,
}

impl Removal<'_> {
    /// Marks items that are gone. The sweep of `entry` must be full and have reached its end,
    /// lost no list page, and its lists must add up. Marks nothing if more than the allowed share
    /// of items would be marked.
    ///
    /// # Errors
    /// Returns an error if the lock is lost or the store fails.
    pub async fn mark(&self, entry: &SweepEntry) -> Result<(), CrawlError> {
        let Removal { site, store, metrics, findings, problems, gone_limit, .. } = *self;
        let Index { listed, declared, .. } = metrics.snapshot().index;
        if entry.kind != Kind::Full
            || listed == 0 && declared != Some(0)
            || !findings.lists.is_whole(site.index.total_exact)
            || problems.has_gap()
        {
            return Ok(());
        }
        let ItemsToMark { gone, unlisted, unproven } = findings.gone_candidates.all();
        if let Some(why) = self.unproven_end(listed, unproven) {
            problems.find(Finding::GoneRefused);
            problems.gap(why);
            return Ok(());
        }
        if gone.is_empty() && unlisted.is_empty() {
            return Ok(());
        }
        let live = store.count_live().await?;
        if gone.len() as u64 > granted(live, gone_limit) {
            problems.find(Finding::GoneRefused);
            problems.gap(refusal(gone.len() as u64, live, gone_limit));
            return Ok(());
        }
        // If the clock was set back during the sweep, the mark must still not be older than the
        // sweep.
        let now = clock::now().max(entry.started_at);
        store.mark_unlisted(&unlisted, now).await?;
        metrics.gone(store.mark_gone(&gone, now).await?);
        Ok(())
    }

    /// Returns why the lists may not have been read to their ends, or `None`. `unproven` is the
    /// number of unlisted items that are not shown to be gone by their own pages.
    fn unproven_end(&self, listed: u64, unproven: u64) -> Option<String> {
        let early = || ended_early(self.earlier.listed, listed, unproven);
        let early = self.site.has_open_end().then(early).flatten();
        early.or_else(|| {
            let (before, now) = (self.earlier.absent.as_ref()?, self.findings.lists.absent());
            newly_absent(before, &now, unproven)
        })
    }
}

/// Returns why categories whose lists are not there, and that were there in the last complete sweep,
/// are not believed to be empty: some items that no list names are not shown to be gone by their own
/// pages.
fn newly_absent(
    before: &BTreeSet<Box<str>>,
    now: &BTreeSet<Box<str>>,
    unproven: u64,
) -> Option<String> {
    let mut new = now.difference(before);
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
