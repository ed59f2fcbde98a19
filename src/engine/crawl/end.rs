//! The result of a crawl.

use tracing::info;

use crate::engine::error::CrawlError;
use crate::model::report::{Outcome, Report};
use crate::model::text::secret::Scrubber;
use crate::observe::metrics::Snapshot;
use crate::store::StoreError;
use crate::system::clock;

/// The result of a crawl.
#[derive(Debug)]
pub struct Ended {
    /// The final report.
    pub report: Report,
    /// The error that ended the crawl early, if any.
    pub error: Option<CrawlError>,
}

impl Ended {
    /// Creates the result, and logs it. If `error` came after the report was made, the report is
    /// that of a failed run.
    pub(super) fn new(report: Report, error: Option<CrawlError>, scrubber: &Scrubber) -> Ended {
        let report = match &error {
            Some(error) if report.outcome != Outcome::Failed => {
                let mut problems = report.problems;
                problems.push(sentence(error, scrubber));
                Report { outcome: Outcome::Failed, problems, ..report }
            }
            _ => report,
        };
        let is_silent =
            matches!(error, Some(CrawlError::Store(StoreError::Closed) | CrawlError::Held(_)));
        if !is_silent {
            let outcome = report.outcome;
            match &report.sweep {
                Some(sweep) => info!(%outcome, %sweep, "sweep ended"),
                None => info!(%outcome, "the run ended before it could start a sweep"),
            }
        }
        Ended { report, error }
    }

    /// Creates the result of a crawl that never held the lock of `site`, and logs it.
    pub(super) fn before_the_start(
        site: &str,
        snapshot: &Snapshot,
        outcome: Outcome,
        error: Option<CrawlError>,
        scrubber: &Scrubber,
    ) -> Ended {
        let now = clock::now();
        let began = now.checked_sub(snapshot.elapsed).unwrap_or(now);
        let problems = error.iter().map(|error| sentence(error, scrubber)).collect();
        Ended::new(snapshot.report(site, outcome, began, problems), error, scrubber)
    }
}

/// Returns the sentence of a report that tells an error.
pub(super) fn sentence(error: &CrawlError, scrubber: &Scrubber) -> String {
    scrubber.scrub_cut(&error.to_string())
}
