//! The overview of all sites in a store, by their ledgers. `gleaner status` prints it.
//!
//! It is read from the store alone, whatever started the sweeps and also when none runs, and it
//! changes nothing.

mod cause;
mod runs;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::report::{Items, Kind, Outcome, Report, millis};
use crate::observe::progress::Progress;
use crate::store::{KeptFailure, Ledgers, SiteId, StoreError};
use crate::sweep::expect::{Alert, Judgement, SiteState, judge};
use crate::sweep::{Holder, LedgerEntry, State};

pub use runs::RunCounts;

/// Number of sweeps of each site that are read, and of complete ones.
const SWEEPS: usize = 30;
/// Number of failures by which the cause of an alert is guessed.
const FAILURES: usize = 20;
/// Number of failures that are shown as samples.
const SAMPLES: usize = 3;
/// Maximum length of a sample of a response, in characters.
const LONGEST_SAMPLE: usize = 300;

/// All sites in a store.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// Time at which the store was read.
    pub at: Timestamp,
    /// Sites, ordered by name.
    pub sites: Vec<SiteStatus>,
}

/// The status of a site.
#[derive(Debug, Clone, Serialize)]
pub struct SiteStatus {
    /// Name of the site, and its collection.
    #[serde(flatten)]
    pub id: SiteId,
    /// State of the site.
    pub state: SiteState,
    /// Time since which it is in that state, as far as the sweeps reach.
    pub since: Option<Timestamp>,
    /// Alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// True if a run resumes a sweep, so that its last outcome is not known.
    pub is_open: bool,
    /// Sweep that runs, or `None`.
    pub running: Option<RunningSweep>,
    /// Last complete sweep over the whole site, or `None`.
    pub last_complete: Option<SweepRow>,
    /// Likely cause of the alerts, or `None` if it cannot be told.
    pub cause: Option<String>,
    /// Some failures, if there is an alert.
    pub samples: Vec<FailureSample>,
    /// Sweeps, the newest first.
    pub sweeps: Vec<SweepRow>,
    /// Counts of the runs, the newest first.
    #[serde(skip)]
    pub runs: Vec<RunCounts>,
    /// Last report of a sweep over the whole site, or `None`.
    #[serde(skip)]
    pub report: Option<Report>,
}

/// A sweep that runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunningSweep {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// How much of the site is crawled.
    #[serde(flatten)]
    pub kind: Kind,
    /// Description of the copy that runs instead of a sweep, or `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<Box<str>>,
    /// Time at which this run began.
    pub began_at: Timestamp,
    /// Process that runs it.
    pub holder: Option<Holder>,
    /// Time since its last heartbeat, in seconds.
    pub silent_s: Option<f64>,
    /// Progress at that heartbeat.
    pub progress: Option<Progress>,
}

/// A sweep in the table of a site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRow {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// State of the sweep.
    pub state: State,
    /// How much of the site was crawled.
    #[serde(flatten)]
    pub kind: Kind,
    /// Time at which it began.
    pub started_at: Timestamp,
    /// Time at which it ended.
    pub ended_at: Option<Timestamp>,
    /// Number of runs.
    pub runs: u32,
    /// Number of items listed, if there is a report.
    pub listed: Option<u64>,
    /// Items by result, if there is a report.
    pub items: Option<Items>,
    /// Number of requests of the last run, if there is a report.
    pub requests: Option<u64>,
}

/// A page that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureSample {
    /// URL of the page, without credentials.
    pub url: Box<str>,
    /// Kind of the failure, as one lower-case word.
    pub reason: Box<str>,
    /// HTTP status, or `None` if there was no response.
    pub status: Option<u16>,
    /// Error message.
    pub message: Box<str>,
    /// Beginning of the response, or `None`.
    pub sample: Option<String>,
}

impl Overview {
    /// Reads the status of the sites for which `is_wanted` returns true.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    pub async fn read(
        ledgers: &dyn Ledgers,
        is_wanted: impl Fn(&SiteId) -> bool,
        at: Timestamp,
    ) -> Result<Overview, StoreError> {
        let mut sites = Vec::new();
        for id in ledgers.sites().await?.into_iter().filter(is_wanted) {
            let entries = ledgers.entries(&id, SWEEPS).await?;
            let status = SiteStatus::of(id, &entries, at);
            if status.alerts.is_empty() {
                sites.push(status);
                continue;
            }
            let failures = ledgers.failures(&status.id, FAILURES).await?;
            let last = entries.iter().filter(|it| it.entry.kind != Kind::Limited);
            let report = last.filter_map(|it| it.entry.report.as_ref()).next();
            sites.push(status.explained(report, &failures));
        }
        Ok(Overview { at, sites })
    }

    /// Returns true if nothing is wrong with any site.
    pub fn is_fine(&self) -> bool {
        self.sites.iter().all(|site| site.state.is_fine())
    }
}

impl SiteStatus {
    /// Returns the status of a site by its ledger's entries, the newest first.
    pub fn of(id: SiteId, entries: &[LedgerEntry], at: Timestamp) -> SiteStatus {
        // The latest run says what is expected.
        let expected = entries.first().map(|it| it.entry.scope.expect.clone()).unwrap_or_default();
        let Judgement { state, since, alerts, is_open } =
            judge(entries, &expected, LedgerEntry::is_alive, at);
        let is_running = |it: &&LedgerEntry| it.entry.state == State::Running && it.is_alive();
        let running = entries.iter().find(is_running).map(RunningSweep::of);
        let sweeps: Vec<SweepRow> = entries.iter().map(SweepRow::of).collect();
        let last_complete = sweeps.iter().find(|row| row.is_whole()).cloned();
        let (cause, samples) = (None, Vec::new());
        let sweeps = sweeps.into_iter().take(SWEEPS).collect();
        let full = entries.iter().filter(|it| it.entry.kind == Kind::Full);
        let report = full.filter_map(|it| it.entry.report.as_ref()).next().cloned();
        let runs = entries.iter().take(SWEEPS).map(RunCounts::of).collect();
        SiteStatus {
            id,
            state,
            since,
            alerts,
            is_open,
            running,
            last_complete,
            cause,
            samples,
            sweeps,
            runs,
            report,
        }
    }

    /// Adds the likely cause and samples of failures.
    fn explained(self, report: Option<&Report>, failures: &[KeptFailure]) -> SiteStatus {
        let samples = failures.iter().take(SAMPLES).map(FailureSample::of).collect();
        SiteStatus { cause: cause::likely(report, failures), samples, ..self }
    }
}

impl RunningSweep {
    fn of(found: &LedgerEntry) -> RunningSweep {
        let LedgerEntry { entry, silent_for, progress } = found;
        RunningSweep {
            sweep: entry.id.clone(),
            kind: entry.kind,
            copy: entry.copy().map(Box::from),
            began_at: entry.resumed_at.unwrap_or(entry.started_at),
            holder: entry.holder.clone(),
            silent_s: silent_for.map(|silent: Duration| millis(silent.as_secs_f64())),
            progress: progress.clone(),
        }
    }
}

impl SweepRow {
    /// Returns the row of a ledger entry.
    pub fn of(found: &LedgerEntry) -> SweepRow {
        let entry = &found.entry;
        let report = entry.report.as_ref();
        SweepRow {
            sweep: entry.id.clone(),
            state: entry.state,
            kind: entry.kind,
            started_at: entry.started_at,
            ended_at: entry.ended_at,
            runs: entry.runs,
            listed: report.map(|it| it.index.listed),
            items: report.map(|it| it.items.clone()),
            requests: report.map(|it| it.requests.total),
        }
    }

    /// Returns the time from the start of the first run to the end, in seconds, or `None` if it has
    /// not ended.
    pub fn took_s(&self) -> Option<f64> {
        let took = self.ended_at?.duration_since(self.started_at);
        Some(took.as_secs_f64().max(0.0))
    }

    /// Returns true if the sweep covered the whole site and was complete.
    pub fn is_whole(&self) -> bool {
        self.kind == Kind::Full && self.state == State::Ended(Outcome::Complete)
    }
}

impl FailureSample {
    /// Returns the sample of a failure.
    pub fn of(failure: &KeptFailure) -> FailureSample {
        let sample = failure.sample.as_deref();
        FailureSample {
            url: failure.url.clone(),
            reason: failure.reason.clone(),
            status: failure.status,
            message: failure.message.clone(),
            sample: sample.map(|text| text.chars().take(LONGEST_SAMPLE).collect()),
        }
    }
}

/// Returns the items by result, with their names, in the order of charts and tables.
pub fn by_result(items: &Items) -> [(&'static str, u64); 8] {
    let Items { new, changed, same, skipped, missing, failed, gone, unlisted } = items;
    [
        ("new", *new),
        ("changed", *changed),
        ("same", *same),
        ("skipped", *skipped),
        ("missing", *missing),
        ("failed", *failed),
        ("gone", *gone),
        ("unlisted", *unlisted),
    ]
}
