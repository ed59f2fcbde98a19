//! The end of a crawl: writes the last ledger entry and makes the report.

use tracing::info;

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::model::report::{Outcome, Report};
use crate::store::StoreError;
use crate::sweep::SweepEntry;
use crate::system::clock;

/// The result of a crawl.
#[derive(Debug)]
pub struct Ended {
    /// The final report.
    pub report: Report,
    /// The error that ended the crawl early, if any.
    pub error: Option<CrawlError>,
}

impl Crawl {
    /// Returns the result of a crawl that never held the lock.
    pub(super) fn never_began(&self, outcome: Outcome, error: Option<CrawlError>) -> Ended {
        let snapshot = self.metrics.snapshot();
        let now = clock::now();
        let began = now.checked_sub(snapshot.elapsed).unwrap_or(now);
        let problems = error.iter().map(|error| self.said_of(error)).collect();
        let report = snapshot.report(&self.site.name, outcome, began, problems);
        self.ended(report, error)
    }

    /// Writes the last ledger entry and closes the store. Returns the error that ended the crawl,
    /// or the first error of these writes.
    pub(super) async fn close(
        &self,
        entry: &SweepEntry,
        error: Option<CrawlError>,
    ) -> Option<CrawlError> {
        let kept = match &error {
            // A write to a store that just failed would only wait again.
            Some(CrawlError::Store(_)) => Ok(true),
            _ => self.before_the_end(self.store.finish_sweep(entry)).await.unwrap_or(Ok(true)),
        };
        let closed = self.before_the_end(self.store.close()).await.unwrap_or(Ok(()));
        let lost = (kept == Ok(false)).then_some(CrawlError::LockLost);
        error.or(lost).or(kept.and(closed.map(|()| true)).err().map(Into::into))
    }

    fn said_of(&self, error: &CrawlError) -> String {
        self.settings.scrubber.scrub_cut(&error.to_string())
    }

    pub(super) fn ended(&self, report: Report, error: Option<CrawlError>) -> Ended {
        let failed_late = error.is_some() && report.outcome != Outcome::Failed;
        let outcome = if failed_late { Outcome::Failed } else { report.outcome };
        let mut problems = report.problems;
        if failed_late {
            problems.extend(error.as_ref().map(|error| self.said_of(error)));
        }
        let report = Report { outcome, problems, ..report };
        let is_silent =
            matches!(error, Some(CrawlError::Store(StoreError::Closed) | CrawlError::Held(_)));
        if !is_silent {
            match &report.sweep {
                Some(sweep) => info!(%outcome, %sweep, "sweep ended"),
                None => info!(%outcome, "the run ended before it could start a sweep"),
            }
        }
        Ended { report, error }
    }
}
