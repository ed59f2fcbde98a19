//! Decides when the next sweep of a site starts. A pure function of its schedule, its ledger and the
//! time: no state is kept for schedules, so whatever started the last sweep, it counts.
//!
//! Only what leaves no trace in a ledger is passed in: when the process that starts the sweeps first
//! saw the site, and its attempts that ended before a sweep began.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::calendar::Schedule;
use super::lock::is_unfinished;
use super::{LedgerEntry, State, SweepEntry};
use crate::model::report::{Kind, Outcome};

/// Time after which a sweep that failed is resumed for the first time. It doubles with each failure
/// in a row.
const FIRST_RETRY: Duration = Duration::from_secs(5 * 60);

/// When the next sweep of a site starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Once the run that holds the site has ended.
    AfterRun,
    /// At this time. It is in the past if the start is overdue.
    At(Timestamp, Cause),
}

/// The reason for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The site was never swept.
    First,
    /// The schedule.
    Scheduled,
    /// The last sweep was stopped or killed before its end.
    Unfinished,
    /// The last attempt failed.
    Retry,
}

/// Attempts of the same process that ended without a trace in the ledger, such as those with a wrong
/// setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Number of attempts in a row.
    pub count: u32,
    /// End of the last one.
    pub ended_at: Timestamp,
}

/// Returns when the next sweep starts, from the ledger's `entries`, newest first. `seen` is the time
/// since which the site is known: a time of the day before it is no missed start of a site that was
/// never swept.
///
/// - Starts that were due while a sweep ran are skipped. Starts that were due while nothing ran are
///   one start, at once.
/// - A stopped sweep is resumed at once, and so is one whose process died for the first time. One
///   that failed is resumed after 5 minutes, then 10, 20, …, at the latest at the next start of the
///   schedule.
/// - A sweep that began in the future, since the clock was set back, delays nothing.
pub fn due(
    schedule: &Schedule,
    entries: &[LedgerEntry],
    is_alive: impl Fn(&LedgerEntry) -> bool,
    seen: Timestamp,
    attempts: Option<Attempts>,
    now: Timestamp,
) -> Due {
    if entries.iter().any(|it| it.entry.state == State::Running && is_alive(it)) {
        return Due::AfterRun;
    }
    let last = entries.iter().map(|it| &it.entry).find(|it| it.kind != Kind::Limited);
    let (at, cause) = match last {
        None => (first(schedule, seen), Cause::First),
        Some(last) if is_unfinished(last) => unfinished(schedule, last, now),
        Some(last) if last.started_at > now => (now, Cause::Scheduled),
        Some(last) => {
            let ended = last.ended_at.unwrap_or(last.started_at).min(now);
            (schedule.start(last.started_at, ended.max(last.started_at)), Cause::Scheduled)
        }
    };
    let Some(attempts) = attempts.filter(|it| it.count > 0 && it.ended_at <= now) else {
        return Due::At(at, cause);
    };
    let wait = backoff(attempts.count).min(schedule.interval());
    match later(attempts.ended_at, wait) {
        retry if retry > at => Due::At(retry, Cause::Retry),
        _ => Due::At(at, cause),
    }
}

/// Returns the first start of a site that was never swept: at once by an interval, else at the first
/// time of the day that comes.
fn first(schedule: &Schedule, seen: Timestamp) -> Timestamp {
    match schedule {
        Schedule::Every(_) => seen,
        Schedule::At(_) => schedule.start(seen, seen),
    }
}

fn unfinished(schedule: &Schedule, last: &SweepEntry, now: Timestamp) -> (Timestamp, Cause) {
    let began = last.resumed_at.unwrap_or(last.started_at);
    let ended = last.ended_at.or(last.heartbeat_at).unwrap_or(began).max(began);
    let failures = match last.state {
        State::Ended(Outcome::Failed) => last.runs,
        // Killed: the first time it may have been the machine.
        State::Running => last.runs.saturating_sub(1),
        State::Ended(_) => 0,
    };
    if failures == 0 || ended > now {
        return (ended.min(now), Cause::Unfinished);
    }
    let regular = schedule.start(began, ended);
    (later(ended, backoff(failures)).min(regular), Cause::Retry)
}

/// Returns the time after so many failures in a row until the next attempt.
fn backoff(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
