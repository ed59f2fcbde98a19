//! A run that helps with a sweep that another run owns: from its joining to its end.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{Crawl, Ended, Network, Opening};
use crate::engine::error::CrawlError;
use crate::engine::together::help::{Helper, Stop};
use crate::model::report::Outcome;
use crate::model::share::Share;
use crate::observe::problems::Problems;
use crate::site::settings::Settings;
use crate::sweep::SweepEntry;
use crate::system::clock;
use crate::system::shutdown::{self, Shutdown};

/// Helps with the sweep of `entry` until it ends, this run is told to stop, or the owner is gone.
pub async fn help(
    crawl: &Crawl,
    entry: Box<SweepEntry>,
    opening: Opening<'_>,
    network: Network,
    problems: &Arc<Problems>,
) -> Ended {
    let (stop, stopped) = shutdown::channel();
    let told = crawl.shutdown.clone();
    let crawl = of_helper(crawl, &entry, stopped);
    // Nothing is requested before the owner grants a share.
    network.hosts.share(Share::default());
    problems.forward();
    let stop = Arc::new(stop);
    let helper = match Helper::join(entry, &*crawl.store, &crawl.frontier, stop.clone()).await {
        Ok(helper) => helper,
        Err(error) => return crawl.never_began(Outcome::Failed, Some(error)),
    };
    let helped = async {
        opening.await;
        crawl.run_workers(helper.entry(), network, problems, Some(&helper)).await
    };
    tokio::pin!(helped);
    let helped = tokio::select! {
        helped = &mut helped => helped,
        _ = told.requested() => {
            stop.request();
            crawl.before_the_end(helped).await.unwrap_or(Ok(()))
        }
    };
    if !matches!(helped, Ok(()) | Err(CrawlError::Store(_))) {
        // Its tasks are taken back at once, and not only when it is missed.
        if let Some(Err(error)) = crawl.before_the_end(helper.quit(&*crawl.store)).await {
            debug!("leaving the sweep: {error}");
        }
    }
    let ended = end(&crawl, &helper, helped, problems, told.is_requested()).await;
    let closed = crawl.before_the_end(crawl.store.close()).await;
    if let Some(Err(error)) = closed.filter(|_| !ended.again) {
        debug!("closing the store: {error}");
    }
    ended
}

/// Returns the settings of a run that helps with the sweep of `entry`.
pub fn settings(own: &Settings, entry: &SweepEntry) -> Settings {
    let together = entry.scope.together.as_ref();
    together.map_or_else(|| own.clone(), |together| own.clone().of_owner(together))
}

/// Returns the crawl with the settings of the sweep's owner. `stopped` stops its workers.
fn of_helper(crawl: &Crawl, entry: &SweepEntry, stopped: Shutdown) -> Crawl {
    Crawl {
        site: crawl.site.clone(),
        settings: settings(&crawl.settings, entry),
        fewer_workers: None,
        store: crawl.store.clone(),
        parent: None,
        frontier: crawl.frontier.clone(),
        metrics: crawl.metrics.clone(),
        findings: crawl.findings.clone(),
        members: crawl.members.clone(),
        waits: crawl.waits.clone(),
        shutdown: stopped,
    }
}

/// Returns the result of a run that helped: that of the sweep, if it has ended.
async fn end(
    crawl: &Crawl,
    helper: &Helper,
    helped: Result<(), CrawlError>,
    problems: &Problems,
    is_told: bool,
) -> Ended {
    let scrubber = &crawl.settings.scrubber;
    let own = |outcome| {
        let (snapshot, entry) = (crawl.metrics.snapshot(), helper.entry());
        let began = clock::now().checked_sub(snapshot.elapsed).unwrap_or(entry.started_at);
        let said = problems.sentences();
        let mut report = snapshot.report(&entry.scope.site, outcome, began, said);
        report.sweep = Some(entry.id.clone());
        report
    };
    match helped {
        // Its place or its owner's lock was taken meanwhile.
        Err(CrawlError::LockLost) if !is_told => {
            warn!("lost this run's place in the sweep; joining anew");
            Ended::again(own(Outcome::Interrupted))
        }
        Err(error) => Ended::new(own(Outcome::Failed), Some(error), scrubber),
        Ok(()) => match helper.stopped().filter(|_| !is_told) {
            Some(Stop::Again) => Ended::again(own(Outcome::Interrupted)),
            Some(Stop::Ended) => match helper.result(&*crawl.store).await {
                Ok(Some(report)) => Ended::new(report, None, scrubber),
                Ok(None) => Ended::again(own(Outcome::Interrupted)),
                Err(error) => Ended::new(own(Outcome::Failed), Some(error), scrubber),
            },
            None => Ended::new(own(Outcome::Interrupted), None, scrubber),
        },
    }
}
