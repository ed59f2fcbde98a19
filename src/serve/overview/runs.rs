//! Counts of one run of a sweep, by which a run is followed from one look to the next.

use crate::model::report::{Answers, Items};
use crate::sweep::{LedgerEntry, State};

/// Counts of the last run of a sweep, so far.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCounts {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// Number of runs.
    pub runs: u32,
    /// State of the sweep.
    pub state: State,
    /// Requests by their answers.
    pub answers: Answers,
    /// Items by result.
    pub items: Items,
    /// Median, 95th and 99th percentile of the time of a request, in milliseconds.
    pub latencies_ms: [f64; 3],
}

impl RunCounts {
    /// Returns the counts of the last run of a sweep. They are zero if nothing is known.
    pub fn of(found: &LedgerEntry) -> RunCounts {
        let LedgerEntry { entry, progress, .. } = found;
        let running = progress.as_ref().filter(|_| entry.state == State::Running);
        let counts = match (running, &entry.report) {
            (Some(progress), _) => Some((&progress.requests, &progress.items)),
            (None, Some(report)) => Some((&report.requests, &report.items)),
            (None, None) => None,
        };
        let (requests, items) =
            counts.map(|(requests, items)| (requests.clone(), items.clone())).unwrap_or_default();
        RunCounts {
            sweep: entry.id.clone(),
            runs: entry.runs,
            state: entry.state,
            answers: requests.answers,
            items,
            latencies_ms: [requests.p50_ms, requests.p95_ms, requests.p99_ms],
        }
    }
}
