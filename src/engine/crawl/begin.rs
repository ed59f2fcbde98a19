//! The start of a crawl: submits the first tasks, from the list or from the stored failures.

use tracing::info;

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::engine::lookup;
use crate::engine::retry_failures::{RetryPlan, Wanted};
use crate::model::record::Key;
use crate::model::report::Report;
use crate::model::task::{DetailPage, FollowUps, IndexRun, PageRange};
use crate::observe::problems::Problems;
use crate::site::settings::Begin;
use crate::store::{KeptFailure, Rows};

/// Complete sweeps among which the last one by the same rules is looked for.
const SWEEPS: usize = 5;
/// Number of failures to read from the store at once.
const AT_ONCE: usize = 1_000;

impl Crawl {
    /// Submits the first tasks of the run, and returns which of the listed items to request.
    ///
    /// # Errors
    /// Returns an error if the store or the frontier fails.
    pub(super) async fn begin(&self, range: PageRange) -> Result<Wanted, CrawlError> {
        let plan = match self.settings.begin {
            Begin::List => RetryPlan { walks: true, ..RetryPlan::default() },
            Begin::Failures => RetryPlan::of(&self.site, self.failures().await?),
        };
        let RetryPlan { pages, mut items, walks, wanted } = plan;
        if let Wanted::Failed { keys, .. } = &wanted {
            let (pages, items) = (pages.len(), items.len() + keys.len());
            info!(items, pages, walks_the_list = walks, "retrying failures");
        }
        let mut index = if walks { self.site.begin(range) } else { Vec::new() };
        index.extend(pages.into_iter().filter_map(|run| range.clip(run)));
        self.look_up(&mut items).await?;
        let planned: u64 = index.iter().map(IndexRun::pages).sum();
        self.lists.planned(planned);
        let submitted = self.frontier.submit(FollowUps { index, details: items })?;
        self.lists.known_already(planned - submitted.index);
        self.metrics.listed(submitted.details, None);
        Ok(wanted)
    }

    /// Looks up the last complete sweep over the whole site, to compare this one with it. Does
    /// nothing if this run covers only a part of the site, or if its changes are accepted.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(super) async fn look_back(&self, limited: bool) -> Result<(), CrawlError> {
        if limited || self.settings.accept_changes || self.store.was_empty() {
            return Ok(());
        }
        let whole = self.store.whole_sweeps(SWEEPS).await?.into_iter();
        let whole: Vec<Report> = whole.filter_map(|entry| entry.report).collect();
        if let Some(last) = whole.first() {
            self.listed_before.get_or_init(|| last.index.listed);
            self.absent_before.get_or_init(|| last.absent.clone());
        }
        let rules = self.site.rules();
        if let Some(report) =
            whole.into_iter().find(|it| *it.rules == *rules && !it.fields.is_empty())
        {
            self.canary.compare_with(report.fields);
        }
        Ok(())
    }

    /// Reports how many of the failed items were not found on the list.
    pub(super) async fn note_not_found(
        &self,
        wanted: &Wanted,
        problems: &Problems,
    ) -> Result<(), CrawlError> {
        let Wanted::Failed { keys, .. } = wanted else { return Ok(()) };
        let mut absent = 0_u64;
        for key in keys {
            absent += u64::from(!self.frontier.has_seen(key));
        }
        if absent > 0 && self.frontier.outstanding().total() == 0 {
            let which = match absent {
                1 => "an item that failed is".to_owned(),
                absent => format!("{absent} items that failed are"),
            };
            problems.note(format!(
                "{which} not on the list any more; what failed and is not there is forgotten by the next sweep that is complete"
            ));
        }
        Ok(())
    }

    /// Deletes all stored failures. Called when nothing failed in a sweep over the whole site: the
    /// failures that are left belong to items and pages that the site no longer has.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(super) async fn forget_failures(&self) -> Result<(), CrawlError> {
        let mut after = None;
        loop {
            let Rows { found, next, .. } = self.store.failures(after.as_ref(), AT_ONCE).await?;
            let pages: Vec<_> = found.into_iter().map(|failure| failure.page).collect();
            self.store.clear_failures(&pages).await?;
            match next {
                None => return Ok(()),
                next => after = next,
            }
        }
    }

    /// Returns all stored failures, without their samples.
    async fn failures(&self) -> Result<Vec<KeptFailure>, CrawlError> {
        let mut all: Vec<KeptFailure> = Vec::new();
        let mut after = None;
        loop {
            let Rows { found, next, .. } = self.store.failures(after.as_ref(), AT_ONCE).await?;
            // Samples are for people; a retry does not need them.
            all.extend(found.into_iter().map(|it| KeptFailure { sample: None, ..it }));
            match next {
                None => return Ok(all),
                next => after = next,
            }
        }
    }

    /// Adds to `items` what the store knows of them.
    async fn look_up(&self, items: &mut [DetailPage]) -> Result<(), CrawlError> {
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let known = lookup::ask(&*self.store, &keys).await?;
        for item in items {
            item.known = known.get(&item.key).cloned();
            item.seen_at = item.known.as_ref().and_then(|it| it.seen_at).or(item.seen_at);
        }
        Ok(())
    }
}
