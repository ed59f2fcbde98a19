//! Computes when the next of several sweeps begins, from the ledger and the time that has passed.
//!
//! The ledger's times come from the wall clock, which can be set. So they only give an upper bound
//! for the wait, which is never longer than the time between two starts. The time after a sweep of
//! this process is measured by a clock that cannot be set.

use std::time::Duration;

use jiff::Timestamp;

use super::lock::is_unfinished;
use super::{LedgerEntry, SweepEntry};
use crate::model::report::Kind;

/// Waits shorter than this fraction of the time between two starts are skipped.
const SLACK: u32 = 100;

/// Returns how long to wait from `now` until a sweep is due: `every` after the start of the last
/// one in the ledger's `entries`, newest first. Returns `None` if there was no sweep, if the last
/// one is to be resumed, or if it began later than `now`, since the clock was then set back. Limited
/// sweeps and others are counted separately.
pub fn wait(
    entries: &[LedgerEntry],
    limited: bool,
    every: Duration,
    now: Timestamp,
) -> Option<Duration> {
    let ours =
        |entry: &&SweepEntry| (entry.kind == Kind::Limited) == limited && entry.copy().is_none();
    let last = entries.iter().map(|it| &it.entry).find(ours)?;
    if is_unfinished(last) && !limited {
        return None;
    }
    let ago = Duration::try_from(now.duration_since(last.started_at)).ok()?;
    every.checked_sub(ago).filter(|left| *left > every / SLACK)
}

/// The time of the next sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Time until it is due.
    pub after: Duration,
    /// Number of starts that were missed meanwhile and are skipped.
    pub skipped: u64,
}

/// Returns the next start after a sweep that began `ago`, if sweeps start at intervals of `every`.
pub fn next(ago: Duration, every: Duration) -> Next {
    let every = every.max(Duration::from_nanos(1)).as_nanos();
    let ago = ago.as_nanos();
    // A start that is due right now is not missed.
    let skipped = ago.saturating_sub(1) / every;
    let left = (skipped + 1) * every - ago;
    Next {
        after: Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)),
        skipped: u64::try_from(skipped).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Outcome;
    use crate::sweep::State;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    /// A sweep that began so many minutes after the epoch.
    fn began(at: i64, state: State, limited: bool) -> LedgerEntry {
        let kind = Kind::stored(limited, None);
        let entry = SweepEntry::begin("books", "books", "d", kind);
        let started_at = Timestamp::from_second(60 * at).unwrap();
        LedgerEntry {
            entry: SweepEntry { state, started_at, ..entry },
            silent_for: None,
            progress: None,
        }
    }

    fn waits(entries: &[LedgerEntry]) -> Option<Duration> {
        wait(entries, false, HOUR, Timestamp::from_second(60 * 1_000).unwrap())
    }

    #[test]
    fn a_sweep_is_due_so_long_after_the_start_of_the_last() {
        let complete = State::Ended(Outcome::Complete);
        let incomplete = State::Ended(Outcome::Incomplete);
        assert_eq!(waits(&[]), None, "there was none");
        assert_eq!(waits(&[began(980, complete, false)]), Some(minutes(40)));
        assert_eq!(waits(&[began(980, incomplete, false)]), Some(minutes(40)));
        assert_eq!(waits(&[began(940, complete, false)]), None, "it is time");
        assert_eq!(waits(&[began(100, complete, false)]), None, "it is late");
        let two = [began(990, complete, false), began(930, complete, false)];
        assert_eq!(waits(&two), Some(minutes(50)), "the newest counts");
    }

    #[test]
    fn what_was_not_finished_goes_on_at_once() {
        let last = |state| waits(&[began(999, state, false)]);
        assert_eq!(last(State::Running), None);
        assert_eq!(last(State::Ended(Outcome::Interrupted)), None);
        assert_eq!(last(State::Ended(Outcome::Failed)), None);
    }

    #[test]
    fn a_part_of_the_site_and_all_of_it_do_not_count_for_one_another() {
        let complete = State::Ended(Outcome::Complete);
        let entries = [began(999, complete, true), began(980, complete, false)];
        let now = Timestamp::from_second(60 * 1_000).unwrap();
        assert_eq!(wait(&entries, false, HOUR, now), Some(minutes(40)));
        assert_eq!(wait(&entries, true, HOUR, now), Some(minutes(59)));
        let interrupted = [began(999, State::Ended(Outcome::Interrupted), true)];
        assert_eq!(wait(&interrupted, true, HOUR, now), Some(minutes(59)), "it never resumes");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait() {
        assert_eq!(waits(&[began(5_000, State::Ended(Outcome::Complete), false)]), None);
        assert_eq!(waits(&[began(1_000, State::Ended(Outcome::Complete), false)]), Some(HOUR));
    }

    #[test]
    fn what_is_late_is_skipped() {
        let after = |ago| {
            let Next { after, skipped } = next(minutes(ago), HOUR);
            (after, skipped)
        };
        assert_eq!(after(0), (HOUR, 0));
        assert_eq!(after(10), (minutes(50), 0));
        assert_eq!(after(60), (Duration::ZERO, 0), "just in time");
        assert_eq!(after(61), (minutes(59), 1));
        assert_eq!(after(150), (minutes(30), 2));
    }
}
