//! A sweep: one pass over a whole site, its entry in the ledger, and its report.
//!
//! The log, report, ledger and exit code are made from one [`Snapshot`], so that they cannot
//! contradict each other.

pub mod calendar;
pub mod due;
pub mod expect;
mod holder;
pub mod incremental;
pub mod lock;
pub mod schedule;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::model::report::{Baseline, Kind, Outcome, Report, millis};
use crate::observe::metrics::Snapshot;
use crate::observe::progress::Progress;
use crate::system::clock;
use expect::Expectations;

pub use holder::{Holder, Life};

/// Beginnings of the definition in the ledger entry of a copy, which is no sweep but holds the lock.
/// A site file's definition is a digest, and begins with a number.
const COPY_OF: &str = "copy of ";
const COPY_TO: &str = "copy to ";

/// The state of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The sweep runs, or its process was killed.
    Running,
    /// The sweep ended with this outcome.
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

/// The ledger entry of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepEntry {
    /// Id of the sweep.
    pub id: Box<str>,
    /// Site, collection and definition.
    #[serde(flatten)]
    pub scope: Scope,
    /// State of the sweep.
    pub state: State,
    /// How much of the site is crawled. It stays the same over all runs of the sweep.
    #[serde(flatten)]
    pub kind: Kind,
    /// Time at which the sweep began.
    pub started_at: Timestamp,
    /// Time at which its last run began, or `None` if that is the first run.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// Time at which the sweep ended.
    pub ended_at: Option<Timestamp>,
    /// Final report.
    pub report: Option<Report>,
    /// Process that runs the sweep, or ran it last.
    pub holder: Option<Holder>,
    /// Time of the holder's last heartbeat, by the store's clock; only while the sweep runs.
    pub heartbeat_at: Option<Timestamp>,
    /// Number of the lock under which the sweep last ran. It increases by one each time a site's
    /// lock is taken, so it orders sweeps independently of clocks. 0 for entries of an earlier
    /// version.
    #[serde(default)]
    pub fence: i64,
    /// Number of runs of the program so far.
    #[serde(default = "one")]
    pub runs: u32,
}

/// The site that a sweep crawls, by which definition, into which collection, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Name of the site.
    pub site: Box<str>,
    /// Name of the collection or table.
    pub collection: Box<str>,
    /// Digest of the site file's definition.
    pub definition: Box<str>,
    /// Expectations that the sweep is judged by.
    #[serde(default, skip_serializing_if = "Expectations::is_default")]
    pub expect: Expectations,
}

/// A ledger entry, with the time since its holder's heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerEntry {
    /// Ledger entry of the sweep.
    #[serde(flatten)]
    pub entry: SweepEntry,
    /// Time since the holder's last heartbeat, by the store's clock, if the sweep is running; in
    /// JSON in seconds. `None` if the heartbeat is in the future, or if there was none.
    #[serde(rename = "silent_s", serialize_with = "as_seconds")]
    pub silent_for: Option<Duration>,
    /// Progress at the last heartbeat, if the sweep is running, or was when its process died.
    pub progress: Option<Progress>,
}

impl SweepEntry {
    /// Creates the entry of a sweep that begins now.
    pub fn begin(site: &str, collection: &str, definition: &str, kind: Kind) -> SweepEntry {
        SweepEntry {
            id: clock::id(),
            scope: Scope {
                site: site.into(),
                collection: collection.into(),
                definition: definition.into(),
                expect: Expectations::default(),
            },
            state: State::Running,
            kind,
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

    /// Creates the entry of a copy of `source` that begins now, for the ledger that it is copied to.
    pub fn copy_of(site: &str, collection: &str, source: &str) -> SweepEntry {
        SweepEntry::begin(site, collection, &format!("{COPY_OF}{source}"), Kind::Limited)
    }

    /// Creates the entry of a copy to `target` that begins now, for the ledger that is copied.
    pub fn copy_to(site: &str, collection: &str, target: &str) -> SweepEntry {
        SweepEntry::begin(site, collection, &format!("{COPY_TO}{target}"), Kind::Limited)
    }

    /// Describes the copy that the entry stands for, or returns `None` for a sweep.
    pub fn copy(&self) -> Option<&str> {
        let definition = &*self.scope.definition;
        [COPY_OF, COPY_TO].iter().any(|start| definition.starts_with(start)).then_some(definition)
    }

    /// Returns true if the entry is that of a copy into its collection.
    pub fn is_copy_of_another(&self) -> bool {
        self.scope.definition.starts_with(COPY_OF)
    }

    /// Sets what is expected of the sweep.
    pub fn expecting(mut self, expect: Expectations) -> SweepEntry {
        self.scope.expect = expect;
        self
    }

    /// Returns true if the sweep was resumed by a later run.
    pub fn is_resumed(&self) -> bool {
        self.runs > 1
    }

    /// Ends the entry with `outcome`. The run began as long ago as the snapshot's `elapsed` says.
    pub fn end(self, outcome: Outcome, snapshot: &Snapshot, problems: Vec<String>) -> SweepEntry {
        let now = clock::now();
        let began = now.checked_sub(snapshot.elapsed).unwrap_or(self.started_at);
        let report = snapshot.report(&self.scope.site, outcome, began, problems);
        let (sweep, resumed) = (Some(self.id.clone()), self.is_resumed());
        let baseline = Baseline { kind: Some(self.kind), ..Baseline::default() };
        let report = Report { sweep, resumed, baseline, ..report };
        SweepEntry {
            state: State::Ended(outcome),
            ended_at: Some(now),
            report: Some(report),
            heartbeat_at: None,
            ..self
        }
    }

    /// Adds to the report of a sweep that ended what later sweeps are compared with.
    pub fn with_baseline(mut self, baseline: Baseline) -> SweepEntry {
        if let Some(report) = &mut self.report {
            report.baseline = Baseline { kind: report.baseline.kind, ..baseline };
        }
        self
    }
}

impl LedgerEntry {
    /// Returns true if the sweep runs: its process is not known to be dead, and its last heartbeat is
    /// not too old.
    pub fn is_alive(&self) -> bool {
        let LedgerEntry { entry, silent_for, .. } = self;
        entry.state == State::Running
            && entry.holder.as_ref().is_some_and(|holder| holder.life() != Life::Dead)
            && silent_for.is_none_or(|silent| silent < lock::silence())
    }
}

fn as_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| millis(time.as_secs_f64())).serialize(serializer)
}

/// Default number of runs, for entries of earlier versions, which never resumed a sweep.
fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;

    /// Stores and the output of commands hold entries in this form; groups of fields are only in the
    /// code.
    #[test]
    fn an_entry_and_its_report_are_written_without_groups() {
        let snapshot = Metrics::new().snapshot();
        let absent = [Box::from("a")].into();
        let baseline = Baseline { rules: "r".into(), absent, ..Baseline::default() };
        let entry = SweepEntry::begin("books", "shelf", "2:d", Kind::Full)
            .end(Outcome::Complete, &snapshot, vec!["one".to_owned()])
            .with_baseline(baseline);
        let mut written = serde_json::to_value(&entry).unwrap();
        assert_eq!(serde_json::from_value::<SweepEntry>(written.clone()).unwrap(), entry);
        let names = |value: &serde_json::Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names.join(" ")
        };
        let report = written["report"].take();
        assert_eq!(
            names(&written),
            "collection definition ended_at fence heartbeat_at holder id kind limited report \
             resumed_at runs site started_at state"
        );
        assert_eq!(
            (&written["collection"], &written["definition"]),
            (&"shelf".into(), &"2:d".into())
        );
        assert_eq!(
            names(&report),
            "absent elapsed_s fields index items kind limited outcome problems requests resumed \
             rules site started_at store sweep"
        );
        let document = bson::serialize_to_document(&entry).unwrap();
        assert_eq!(bson::deserialize_from_document::<SweepEntry>(document).unwrap(), entry);
    }
}
