//! The start of a crawl: submits the first tasks, from the list or from the stored failures.

use tracing::info;

use super::failures;
use crate::engine::error::CrawlError;
use crate::engine::list_progress::ListProgress;
use crate::engine::lookup;
use crate::engine::retry_failures::{RetryPlan, Wanted};
use crate::frontier::Frontier;
use crate::model::record::Key;
use crate::model::task::{DetailPage, FollowUps, IndexRun, PageRange};
use crate::observe::metrics::Metrics;
use crate::site::Site;
use crate::site::settings::Begin;
use crate::store::Store;

/// The parts that a run's first tasks are made from, and that take them.
pub struct FirstTasks<'a> {
    /// Site to crawl.
    pub site: &'a Site,
    /// Store, which keeps the failures.
    pub store: &'a dyn Store,
    /// Frontier to submit to.
    pub frontier: &'a Frontier,
    /// Progress over the lists.
    pub lists: &'a ListProgress,
    /// Counters.
    pub metrics: &'a Metrics,
}

impl FirstTasks<'_> {
    /// Submits the first tasks of the run, and returns which of the listed items to request.
    ///
    /// # Errors
    /// Returns an error if the store fails, or the frontier refuses the tasks.
    pub async fn submit(&self, begin: Begin, range: PageRange) -> Result<Wanted, CrawlError> {
        let plan = match begin {
            Begin::List => RetryPlan { walks: true, ..RetryPlan::default() },
            Begin::Failures => RetryPlan::of(self.site, failures::all(self.store).await?),
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

    /// Adds to `items` what the store knows of them.
    async fn look_up(&self, items: &mut [DetailPage]) -> Result<(), CrawlError> {
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let known = lookup::ask(self.store, &keys).await?;
        for item in items {
            item.known = known.get(&item.key).cloned();
            item.seen_at = item.known.as_ref().and_then(|it| it.seen_at).or(item.seen_at);
        }
        Ok(())
    }
}
