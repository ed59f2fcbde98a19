//! Before a crawl: what it begins with, the list or what is kept as failures.

use tracing::info;

use super::Crawl;
use crate::again::{Again, Wanted};
use crate::error::CrawlError;
use crate::lookup;
use crate::problems::Problems;
use crate::record::Key;
use crate::report::Report;
use crate::settings::Begin;
use crate::store::{KeptFailure, Rows};
use crate::task::{DetailPage, FollowUps, IndexRun, PageRange};

/// Complete sweeps among which the last one by the same rules is looked for.
const SWEEPS: usize = 5;
/// Failures that a store is asked for at once.
const AT_ONCE: usize = 1_000;

impl Crawl {
    /// Submits what the run begins with. Answers which of the items that will be listed are wanted.
    ///
    /// # Errors
    /// Where the store or the frontier fails.
    pub(super) async fn begin(&self, range: PageRange) -> Result<Wanted, CrawlError> {
        let again = match self.settings.begin {
            Begin::List => Again { walks: true, ..Again::default() },
            Begin::Failures => Again::over(&self.site, self.failures().await?),
        };
        let Again { pages, mut items, walks, wanted } = again;
        if let Wanted::Failed { keys, .. } = &wanted {
            let (pages, items) = (pages.len(), items.len() + keys.len());
            info!(items, pages, walks_the_list = walks, "retrying failures");
        }
        let mut index = if walks { self.site.begin(range) } else { Vec::new() };
        index.extend(pages.into_iter().filter_map(|run| range.clip(run)));
        self.look_up(&mut items).await?;
        let planned: u64 = index.iter().map(IndexRun::pages).sum();
        self.walk.planned(planned);
        let submitted = self.frontier.submit(FollowUps { index, details: items }).await?;
        self.walk.known_already(planned - submitted.index);
        self.metrics.listed(submitted.details, None);
        Ok(wanted)
    }

    /// Looks up the last complete sweep over the whole site, by which this one is judged. Not where only
    /// a part of the site is asked for, or its changes are accepted.
    ///
    /// # Errors
    /// Where the store fails.
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

    /// Says how many items that failed were not found on the list.
    pub(super) async fn note_not_found(
        &self,
        wanted: &Wanted,
        problems: &Problems,
    ) -> Result<(), CrawlError> {
        let Wanted::Failed { keys, .. } = wanted else { return Ok(()) };
        let mut absent = 0_u64;
        for key in keys {
            absent += u64::from(!self.frontier.has_seen(key).await?);
        }
        if absent > 0 && self.frontier.outstanding().await?.total() == 0 {
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

    /// Nothing failed in a sweep over the whole site: what is still kept is of items and pages that
    /// it does not have any more.
    ///
    /// # Errors
    /// Where the store fails.
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

    /// All failures that are kept.
    async fn failures(&self) -> Result<Vec<KeptFailure>, CrawlError> {
        let mut all: Vec<KeptFailure> = Vec::new();
        let mut after = None;
        loop {
            let Rows { found, next, .. } = self.store.failures(after.as_ref(), AT_ONCE).await?;
            // Samples are for people.
            all.extend(found.into_iter().map(|it| KeptFailure { sample: None, ..it }));
            match next {
                None => return Ok(all),
                next => after = next,
            }
        }
    }

    /// Adds what the store knows of these items.
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
