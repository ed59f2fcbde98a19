//! A sweep: one pass over a whole site, its entry in the ledger, and what is reported of it.
//!
//! Log, report, ledger and exit code are made from one [`Snapshot`], so that none of them can say
//! what another does not.

mod holder;
pub mod lock;
pub mod schedule;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::metrics::Snapshot;
use crate::report::{Fields, Outcome, Report};

pub use holder::{Holder, Life};

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
    /// Id.
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
    /// When its last run began, where that is not the first.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was reported at the end.
    pub report: Option<Report>,
    /// Who runs it, or ran it last.
    pub holder: Option<Holder>,
    /// When its holder last gave a sign of life, by the store's clock; only while it runs.
    pub heartbeat_at: Option<Timestamp>,
    /// The number of the lock under which it last ran: each time a site's lock is taken, it is one
    /// more. So it is the order of sweeps, whatever clocks say. 0: an earlier version, which kept
    /// none.
    #[serde(default)]
    pub fence: i64,
    /// How many runs of the program it took so far.
    #[serde(default = "one")]
    pub runs: u32,
}

/// A sweep as the ledger has it, and how its holder is.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// The entry.
    pub entry: SweepEntry,
    /// How long ago the holder's last heartbeat was, by the store's clock, where the sweep is
    /// running. Nothing where the heartbeat lies in the future, or its holder never gave one.
    pub silent_for: Option<Duration>,
}

impl SweepEntry {
    /// The entry of a sweep that begins now.
    pub fn begin(site: &str, collection: &str, definition: &str, limited: bool) -> SweepEntry {
        SweepEntry {
            id: clock::id(),
            site: site.into(),
            collection: collection.into(),
            state: State::Running,
            limited,
            definition: definition.into(),
            started_at: clock::now(),
            resumed_at: None,
            ended_at: None,
            report: None,
            holder: None,
            heartbeat_at: None,
            fence: 0,
            runs: 1,
        }
    }

    /// Whether an earlier run of the program went before.
    pub fn is_resumed(&self) -> bool {
        self.runs > 1
    }

    /// The entry of the sweep once its run, which began `elapsed` ago, has ended with `outcome`.
    pub fn end(self, outcome: Outcome, snapshot: &Snapshot, problems: Vec<String>) -> SweepEntry {
        let now = clock::now();
        let began = now.checked_sub(snapshot.elapsed).unwrap_or(self.started_at);
        let report = snapshot.report(&self.site, outcome, began, problems);
        let (sweep, resumed) = (Some(self.id.clone()), self.is_resumed());
        let report = Report { sweep, resumed, ..report };
        SweepEntry {
            state: State::Ended(outcome),
            ended_at: Some(now),
            report: Some(report),
            heartbeat_at: None,
            ..self
        }
    }
}

impl SweepEntry {
    /// The entry of a sweep that ended, with what it found of the documents' fields by these rules, and the
    /// categories whose lists were not there.
    pub fn covering(
        mut self,
        rules: &str,
        fields: Fields,
        absent: BTreeSet<Box<str>>,
    ) -> SweepEntry {
        if let Some(report) = &mut self.report {
            (report.rules, report.fields, report.absent) = (rules.into(), fields, absent);
        }
        self
    }
}

/// Runs of a sweep whose entry does not say: earlier versions never went on with one.
fn one() -> u32 {
    1
}
