//! The sweeps that a site is judged by, and the baseline that they give.

use jiff::Timestamp;

use crate::model::report::{Kind, Outcome, Report};
use crate::sweep::{LedgerEntry, State, SweepEntry};

/// Number of complete sweeps from which on a sweep is compared with earlier ones.
const ENOUGH: usize = 12;
/// Places of the sweeps of a baseline among the complete ones, the newest first. The latest are left
/// out, so that slow rot does not pull the baseline down.
const LAGGED: std::ops::Range<usize> = 7..20;

/// A full or partial sweep that ended, or whose process died.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// Ledger entry.
    pub entry: &'a SweepEntry,
    /// Outcome. A run that died has failed.
    pub outcome: Outcome,
    /// Time at which it ended.
    pub at: Timestamp,
}

impl<'a> Sweep<'a> {
    /// Returns true if the sweep was complete.
    pub fn is_complete(&self) -> bool {
        self.outcome == Outcome::Complete
    }

    /// Returns the report if the sweep reached its end.
    pub fn counted(&self) -> Option<&'a Report> {
        let reached = matches!(self.outcome, Outcome::Complete | Outcome::Incomplete);
        self.entry.report.as_ref().filter(|_| reached)
    }
}

/// Splits a ledger, the newest first, into the run that goes on and the sweeps that ended, without
/// those over a part that the user chose.
/// Interrupted sweeps say nothing about the site, and are left out.
pub fn split<'a>(
    entries: &'a [LedgerEntry],
    is_alive: impl Fn(&LedgerEntry) -> bool,
) -> (Option<&'a LedgerEntry>, Vec<Sweep<'a>>) {
    let mut live = None;
    let mut past = Vec::new();
    for found in entries {
        let entry = &found.entry;
        let begun = entry.resumed_at.unwrap_or(entry.started_at);
        let (outcome, at) = match entry.state {
            State::Running if is_alive(found) => {
                live = live.or(Some(found));
                continue;
            }
            State::Running => (Outcome::Failed, entry.heartbeat_at.unwrap_or(begun)),
            State::Ended(Outcome::Interrupted) => continue,
            State::Ended(outcome) => (outcome, entry.ended_at.unwrap_or(begun)),
        };
        if entry.kind != Kind::Limited {
            past.push(Sweep { entry, outcome, at });
        }
    }
    (live, past)
}

/// A sweep, and those before it.
#[derive(Debug)]
pub struct Past<'a> {
    /// The sweep that is judged.
    pub last: Sweep<'a>,
    /// Reports of complete sweeps before it, the newest first.
    pub complete: Vec<&'a Report>,
    /// Reports that make the baseline, or `None` if there are too few complete sweeps of the same
    /// definition.
    baseline: Option<Vec<&'a Report>>,
}

impl<'a> Past<'a> {
    /// Creates the past of the first of `sweeps`, the newest first.
    ///
    /// # Panics
    /// If there is no sweep.
    pub fn of(sweeps: &[Sweep<'a>]) -> Past<'a> {
        let last = sweeps[0];
        let report = |sweep: &Sweep<'a>| sweep.entry.report.as_ref();
        let complete = |sweeps: &[Sweep<'a>]| {
            let complete: Vec<Sweep<'a>> =
                sweeps.iter().filter(|it| it.is_complete()).copied().collect();
            complete
        };
        let definition = &last.entry.scope.definition;
        let same =
            complete(sweeps).into_iter().filter(|it| it.entry.scope.definition == *definition);
        let same: Vec<&Report> = same.filter_map(|it| report(&it)).collect();
        let lagged = same.get(LAGGED.start..same.len().min(LAGGED.end));
        Past {
            last,
            complete: complete(&sweeps[1..]).iter().filter_map(report).collect(),
            baseline: lagged.filter(|_| same.len() >= ENOUGH).map(<[_]>::to_vec),
        }
    }

    /// Returns the median of a value over the baseline, or `None` if there is no baseline, or if half
    /// of its sweeps do not have the value.
    pub fn usual(&self, value: impl Fn(&Report) -> Option<f64>) -> Option<f64> {
        let baseline = self.baseline.as_ref()?;
        let mut values: Vec<f64> = baseline.iter().filter_map(|report| value(report)).collect();
        if values.len() * 2 < baseline.len() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// Returns the names of all fields of the baseline.
    pub fn fields(&self) -> impl Iterator<Item = &'a str> {
        let reports = self.baseline.iter().flatten();
        reports.flat_map(|report| report.baseline.fields.keys().map(|name| &**name))
    }
}
