//! Decides whether the next sweep lists the whole site, or only what changed since the last complete
//! one. A pure function of the ledger's entries.
//!
//! Only the site can tell what changed. So whatever makes that doubtful leads to a full sweep: another
//! definition, a clock that was set back, or an empty store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{LedgerEntry, State, SweepEntry};
use crate::model::report::{Kind, Outcome};

/// Full sweeps may begin this fraction of their interval early: a schedule of the same interval must
/// not miss it by a second.
const SLACK: u32 = 100;

/// How a site is swept incrementally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incremental {
    /// Time before the start of the last complete sweep that is covered again.
    pub overlap: Duration,
    /// Interval between full sweeps, from start to start.
    pub full: Duration,
}

/// Returns the kind of the sweep over the whole list that would begin as `fresh`, from the ledger's
/// `entries`, newest first.
///
/// Only complete sweeps count, full or partial, and only with the definition of `fresh`: documents of
/// items that a partial sweep does not list would keep the old rules.
pub fn kind(incremental: Incremental, entries: &[LedgerEntry], fresh: &SweepEntry) -> Kind {
    partial(incremental, entries, fresh).unwrap_or(Kind::Full)
}

fn partial(incremental: Incremental, entries: &[LedgerEntry], fresh: &SweepEntry) -> Option<Kind> {
    let is_complete = |entry: &&SweepEntry| {
        entry.state == State::Ended(Outcome::Complete) && entry.kind != Kind::Limited
    };
    let mut complete = entries.iter().map(|it| &it.entry).filter(is_complete).peekable();
    let last = *complete.peek()?;
    let full = complete.find(|entry| entry.kind == Kind::Full)?;
    let age = |entry: &SweepEntry| {
        let age = Duration::try_from(fresh.started_at.duration_since(entry.started_at));
        age.ok().filter(|_| entry.scope.definition == fresh.scope.definition)
    };
    age(last)?;
    if age(full)? >= incremental.full - incremental.full / SLACK {
        return None;
    }
    let overlap = SignedDuration::try_from(incremental.overlap).ok()?;
    let since = last.started_at.checked_sub(overlap).ok()?;
    // Stores keep times to the millisecond, and a resumed sweep must ask the same.
    let since = Timestamp::from_millisecond(since.as_millisecond()).ok()?;
    Some(Kind::Partial { since })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn began(hour: i64, state: State, kind: Kind) -> LedgerEntry {
        let started_at = Timestamp::from_second(hour * HOUR).unwrap();
        let entry = SweepEntry::begin("books", "books", "d", kind);
        LedgerEntry {
            entry: SweepEntry { state, started_at, ..entry },
            silent_for: None,
            progress: None,
        }
    }

    fn partial_since(hour: i64) -> Kind {
        Kind::Partial { since: Timestamp::from_second(hour * HOUR).unwrap() }
    }

    /// The kind of a sweep that begins in hour 1,000, where a full one is due after 100 hours.
    fn next(entries: &[LedgerEntry]) -> Kind {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let incremental = Incremental { overlap: hours(1), full: hours(100) };
        let fresh = began(1_000, State::Running, Kind::Full).entry;
        kind(incremental, entries, &fresh)
    }

    const COMPLETE: State = State::Ended(Outcome::Complete);

    #[test]
    fn only_complete_sweeps_over_the_list_advance_the_time() {
        let full = || began(950, COMPLETE, Kind::Full);
        assert_eq!(next(&[]), Kind::Full, "the first");
        assert_eq!(next(&[full()]), partial_since(949));
        let partial = || began(980, COMPLETE, partial_since(949));
        assert_eq!(next(&[partial(), full()]), partial_since(979));
        assert_eq!(next(&[partial()]), Kind::Full, "no full one is known");
        let limited = || began(990, COMPLETE, Kind::Limited);
        assert_eq!(next(&[limited(), partial(), full()]), partial_since(979));
        assert_eq!(next(&[limited()]), Kind::Full);
        for outcome in [Outcome::Incomplete, Outcome::Interrupted, Outcome::Failed] {
            for kind in [Kind::Full, partial_since(979)] {
                let last = || began(990, State::Ended(outcome), kind);
                assert_eq!(next(&[last(), partial(), full()]), partial_since(979), "{outcome}");
                assert_eq!(next(&[last()]), Kind::Full, "{outcome}");
            }
        }
    }

    #[test]
    fn a_full_sweep_is_due_so_long_after_the_last_complete_one() {
        let partial = || began(999, COMPLETE, partial_since(990));
        for (hour, expected) in [(902, partial_since(998)), (901, Kind::Full), (800, Kind::Full)] {
            assert_eq!(next(&[partial(), began(hour, COMPLETE, Kind::Full)]), expected, "{hour}");
        }
        let failed = began(990, State::Ended(Outcome::Incomplete), Kind::Full);
        let entries = [partial(), failed, began(800, COMPLETE, Kind::Full)];
        assert_eq!(next(&entries), Kind::Full, "it was not complete");
    }

    #[test]
    fn another_definition_leads_to_a_full_sweep() {
        let defined = |definition: &str, mut it: LedgerEntry| {
            it.entry.scope.definition = definition.into();
            it
        };
        let full = || began(950, COMPLETE, Kind::Full);
        let partial = || began(980, COMPLETE, partial_since(949));
        assert_eq!(next(&[defined("e", partial()), full()]), Kind::Full);
        assert_eq!(next(&[partial(), defined("e", full())]), Kind::Full);
        assert_eq!(next(&[defined("1:d", full())]), Kind::Full, "of version 0.1.0");
        assert_eq!(next(&[partial(), full(), defined("e", full())]), partial_since(979));
    }

    #[test]
    fn s14_a_clock_that_was_set_back_leads_to_a_full_sweep() {
        let ahead = began(1_001, COMPLETE, Kind::Full);
        assert_eq!(next(std::slice::from_ref(&ahead)), Kind::Full);
        let partial = began(1_001, COMPLETE, partial_since(949));
        assert_eq!(next(&[partial, began(950, COMPLETE, Kind::Full)]), Kind::Full);
        assert_eq!(next(&[began(999, COMPLETE, partial_since(949)), ahead]), Kind::Full);
    }
}
