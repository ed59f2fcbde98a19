//! A sweep: one pass over a whole site, its entry in the ledger, and what is reported of it.
//!
//! Log, report, ledger and exit code are made from one [`Snapshot`], so that none of them can say
//! what another does not.

mod holder;
pub mod lock;
pub mod schedule;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::metrics::Snapshot;

pub use holder::{Holder, Life};

/// How a run of a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything listed was fetched and stored, and the list adds up.
    Complete,
    /// It came to its end, but something is missing; the problems say what.
    Incomplete,
    /// It was told to stop, and can go on.
    Interrupted,
    /// It could not go on.
    Failed,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Outcome::Complete => "complete",
            Outcome::Incomplete => "incomplete",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed => "failed",
        })
    }
}

/// Where a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Under way, or its process was killed.
    Running,
    /// Ended, as the outcome says.
    #[serde(untagged)]
    Ended(Outcome),
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            State::Running => f.write_str("running"),
            State::Ended(outcome) => outcome.fmt(f),
        }
    }
}

/// A sweep as the ledger has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepEntry {
    /// Id, which sorts by the time of its making.
    pub id: Box<str>,
    /// Name of the site.
    pub site: Box<str>,
    /// Collection or table.
    pub collection: Box<str>,
    /// Where it is.
    pub state: State,
    /// Whether only a part of the site was asked for.
    pub limited: bool,
    /// Digest of what the site file defines.
    pub definition: Box<str>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was reported at the end.
    pub report: Option<Report>,
    /// Who runs it, or ran it last.
    pub holder: Option<Holder>,
    /// When its holder last gave a sign of life, by the store's clock; only while it runs.
    pub heartbeat_at: Option<Timestamp>,
    /// How many runs of the program it took so far.
    #[serde(default = "one")]
    pub runs: u32,
}

/// A sweep as the ledger has it, and how its holder is.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// The entry.
    pub entry: SweepEntry,
    /// How long ago the holder last gave a sign of life, by the store's clock, where the sweep is
    /// running and its holder ever gave one.
    pub silent_for: Option<Duration>,
}

/// The report of a run, as `--report` writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the site.
    pub site: Box<str>,
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Whether an earlier run of the same sweep went before.
    pub resumed: bool,
    /// When the run began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub elapsed_s: f64,
    /// What was asked of the site.
    pub requests: Requests,
    /// What the list said.
    pub index: Index,
    /// What became of the items.
    pub items: Items,
    /// What the store did.
    pub store: Writes,
    /// What the user should know, in sentences.
    pub problems: Vec<String>,
}

/// What was asked of the site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests made, redirects and retries included.
    pub total: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Answers that led elsewhere.
    pub redirected: u64,
    /// Answers without a body, since nothing had changed.
    pub not_modified: u64,
    /// Tasks given up.
    pub failed: u64,
    /// Bytes of bodies, decoded.
    pub bytes: u64,
    /// Time to the end of the body in milliseconds: half of the requests took no longer.
    pub p50_ms: f64,
    /// … 95 of 100 …
    pub p95_ms: f64,
    /// … 99 of 100 took no longer.
    pub p99_ms: f64,
}

/// What the list said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Index pages read.
    pub pages: u64,
    /// How many items the list says there are.
    pub declared: Option<u64>,
    /// Distinct keys listed, and items without a key.
    pub listed: u64,
    /// How often the list was walked.
    pub passes: u32,
}

/// What became of the items. The fields add up to [`Index::listed`], but for `gone`, which were
/// not listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Not in the store before.
    pub new: u64,
    /// In the store, with another document.
    pub changed: u64,
    /// In the store, with the very document.
    pub same: u64,
    /// Not asked for, because fetched recently.
    pub skipped: u64,
    /// Listed, but its page is not there.
    pub missing: u64,
    /// Given up.
    pub failed: u64,
    /// Marked gone.
    pub gone: u64,
}

/// What the store did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// Batches written.
    pub batches: u64,
    /// Documents written; those that are the same are not.
    pub written: u64,
    /// Calls to the store that were made again.
    pub retries: u64,
    /// How long the store was waited for, in seconds.
    pub blocked_s: f64,
}

impl SweepEntry {
    /// The entry of a sweep that begins now.
    pub fn begin(site: &str, collection: &str, definition: &str, limited: bool) -> SweepEntry {
        SweepEntry {
            id: uuid::Uuid::now_v7().to_string().into(),
            site: site.into(),
            collection: collection.into(),
            state: State::Running,
            limited,
            definition: definition.into(),
            started_at: Timestamp::now(),
            ended_at: None,
            report: None,
            holder: None,
            heartbeat_at: None,
            runs: 1,
        }
    }

    /// Whether an earlier run of the program went before.
    pub fn is_resumed(&self) -> bool {
        self.runs > 1
    }

    /// The entry of the sweep once its run, which began `elapsed` ago, has ended with `outcome`.
    pub fn end(self, outcome: Outcome, snapshot: &Snapshot, problems: Vec<String>) -> SweepEntry {
        let now = Timestamp::now();
        let began = now.checked_sub(snapshot.elapsed).unwrap_or(self.started_at);
        // As fine as stores keep times.
        let began = began.round(jiff::Unit::Millisecond).unwrap_or(began);
        let report = Report {
            site: self.site.clone(),
            sweep: self.id.clone(),
            outcome,
            resumed: self.is_resumed(),
            started_at: began,
            elapsed_s: millis(snapshot.elapsed.as_secs_f64()),
            requests: snapshot.requests.clone(),
            index: snapshot.index.clone(),
            items: snapshot.items.clone(),
            store: snapshot.store.clone(),
            problems,
        };
        SweepEntry {
            state: State::Ended(outcome),
            ended_at: Some(now),
            report: Some(report),
            heartbeat_at: None,
            ..self
        }
    }
}

/// Runs of a sweep whose entry does not say: earlier versions never went on with one.
fn one() -> u32 {
    1
}

/// Seconds rounded to milliseconds.
pub fn millis(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
