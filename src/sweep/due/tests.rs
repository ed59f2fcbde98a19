//! When sweeps start, on tables of made-up ledgers.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::*;
use crate::sweep::calendar::Calendar;

/// The day of all tables, in UTC.
const DAY: &str = "2026-03-02T00:00:00Z";
const COMPLETE: State = State::Ended(Outcome::Complete);
const INCOMPLETE: State = State::Ended(Outcome::Incomplete);
const FAILED: State = State::Ended(Outcome::Failed);
const INTERRUPTED: State = State::Ended(Outcome::Interrupted);

/// A time so many minutes after the beginning of the day.
fn minute(minute: i64) -> Timestamp {
    let day: Timestamp = DAY.parse().unwrap();
    day.checked_add(SignedDuration::from_mins(minute)).unwrap()
}

fn hourly() -> Schedule {
    Schedule::Every(Duration::from_secs(3_600))
}

/// At 06:00 and 18:00: minutes 360 and 1080.
fn twice_a_day() -> Schedule {
    let times = [6, 18].map(|hour| Time::new(hour, 0, 0, 0).unwrap());
    Schedule::At(Calendar::new(times.to_vec(), Vec::new(), TimeZone::UTC).unwrap())
}

/// A sweep that began and ended in these minutes.
fn sweep(began: i64, ended: i64, state: State, runs: u32) -> LedgerEntry {
    let ended_at = (state != State::Running).then(|| minute(ended));
    let heartbeat_at = (state == State::Running).then(|| minute(ended));
    let entry = SweepEntry::begin("s", "s", "d", Kind::Full);
    let entry =
        SweepEntry { state, started_at: minute(began), ended_at, heartbeat_at, runs, ..entry };
    LedgerEntry { entry, silent_for: None, progress: None }
}

fn limited(mut entry: LedgerEntry) -> LedgerEntry {
    entry.entry.kind = Kind::Limited;
    entry
}

/// When the next sweep is due at `now`, in minutes; the site is known since minute 0.
fn next(schedule: &Schedule, entries: &[LedgerEntry], now: i64) -> (i64, Cause) {
    match due(schedule, entries, |_| false, minute(0), None, minute(now)) {
        Due::At(at, cause) => (at.duration_since(minute(0)).as_mins(), cause),
        Due::AfterRun => panic!("nothing runs"),
    }
}

#[test]
fn a_site_that_was_never_swept_starts_at_once_or_at_the_first_time_that_comes() {
    for now in [0, 1, 700] {
        assert_eq!(next(&hourly(), &[], now), (0, Cause::First));
        assert_eq!(next(&twice_a_day(), &[], now), (360, Cause::First), "it does not move away");
    }
    let test = [limited(sweep(10, 11, COMPLETE, 1))];
    assert_eq!(next(&hourly(), &test, 20), (0, Cause::First), "a part is no sweep");
}

#[test]
fn the_next_start_follows_the_schedule_and_missed_starts_are_one() {
    for (schedule, began, ended, due) in [
        (hourly(), 100, 105, 160),
        (hourly(), 100, 160, 160),
        (twice_a_day(), 361, 365, 1_080),
        (twice_a_day(), 359, 360, 360),
        (twice_a_day(), 100, 101, 360),
        (twice_a_day(), 1_081, 1_090, 1_440 + 360),
    ] {
        let entries = [sweep(began, ended, COMPLETE, 1)];
        // The start that was missed stays due, however late it is.
        for now in [ended, due - 1, due, due + 10_000] {
            assert_eq!(next(&schedule, &entries, now), (due, Cause::Scheduled), "{schedule} {now}");
        }
    }
    let incomplete = [sweep(100, 105, INCOMPLETE, 1), sweep(0, 5, COMPLETE, 1)];
    assert_eq!(next(&hourly(), &incomplete, 120), (160, Cause::Scheduled));
}

#[test]
fn starts_that_were_due_while_the_sweep_ran_are_skipped() {
    assert_eq!(next(&hourly(), &[sweep(100, 161, COMPLETE, 1)], 161).0, 220);
    assert_eq!(next(&hourly(), &[sweep(100, 400, COMPLETE, 1)], 400).0, 400);
    assert_eq!(next(&hourly(), &[sweep(100, 401, COMPLETE, 2)], 401).0, 460);
    assert_eq!(next(&twice_a_day(), &[sweep(350, 365, COMPLETE, 1)], 365).0, 1_080);
    // It took three days.
    assert_eq!(next(&twice_a_day(), &[sweep(360, 4_400, COMPLETE, 1)], 4_400).0, 3 * 1_440 + 360);
}

#[test]
fn a_sweep_that_was_stopped_or_killed_goes_on_at_once() {
    for state in [INTERRUPTED, State::Running] {
        let entries = [sweep(100, 110, state, 1)];
        assert_eq!(next(&hourly(), &entries, 111), (110, Cause::Unfinished), "{state}");
        assert_eq!(next(&twice_a_day(), &entries, 111), (110, Cause::Unfinished), "{state}");
    }
    assert_eq!(next(&hourly(), &[sweep(100, 110, INTERRUPTED, 9)], 111).0, 110);
    // A limited run after it does not hide it, and is not resumed.
    let entries = [limited(sweep(112, 113, State::Running, 1)), sweep(100, 110, INTERRUPTED, 1)];
    assert_eq!(next(&hourly(), &entries, 120), (110, Cause::Unfinished));
}

#[test]
fn what_fails_is_tried_again_later_and_later_but_not_after_the_next_start() {
    for (state, runs, wait) in [
        (FAILED, 1, 5),
        (FAILED, 2, 10),
        (FAILED, 3, 20),
        (FAILED, 4, 40),
        (FAILED, 5, 59),
        (FAILED, u32::MAX, 59),
        (State::Running, 2, 5),
        (State::Running, 3, 10),
        (State::Running, 40, 59),
    ] {
        let entries = [sweep(100, 101, state, runs)];
        let expected = (101 + wait, Cause::Retry);
        assert_eq!(next(&hourly(), &entries, 102), expected, "{state}, run {runs}");
    }
    // The last run counts, not the first.
    let mut resumed = sweep(100, 401, FAILED, 2);
    resumed.entry.resumed_at = Some(minute(400));
    assert_eq!(next(&hourly(), &[resumed], 402), (411, Cause::Retry));
    assert_eq!(next(&twice_a_day(), &[sweep(350, 358, FAILED, 1)], 402), (360, Cause::Retry));
}

#[test]
fn a_clock_that_was_set_back_delays_nothing() {
    let future = |state| [sweep(5_000, 5_010, state, 3)];
    for state in [COMPLETE, INCOMPLETE] {
        assert_eq!(next(&hourly(), &future(state), 100), (100, Cause::Scheduled));
        assert_eq!(next(&twice_a_day(), &future(state), 100), (100, Cause::Scheduled));
    }
    for state in [INTERRUPTED, FAILED, State::Running] {
        assert_eq!(next(&hourly(), &future(state), 100), (100, Cause::Unfinished), "{state}");
    }
    // Set back while it ran.
    assert_eq!(next(&hourly(), &[sweep(100, 5_000, COMPLETE, 1)], 130).0, 160);
    // The sweep after it counts, although it began earlier.
    let entries = [sweep(100, 105, COMPLETE, 1), sweep(5_000, 5_010, COMPLETE, 1)];
    assert_eq!(next(&hourly(), &entries, 110), (160, Cause::Scheduled));
}

#[test]
fn a_run_that_lives_is_waited_for_whatever_it_crawls() {
    for running in [sweep(100, 101, State::Running, 1), limited(sweep(100, 101, State::Running, 1))]
    {
        let entries = [running, sweep(0, 1, COMPLETE, 1)];
        let asked = due(&hourly(), &entries, |_| true, minute(0), None, minute(1_000));
        assert_eq!(asked, Due::AfterRun);
    }
}

#[test]
fn attempts_without_a_trace_are_repeated_later_and_later() {
    let asked = |schedule: &Schedule, entries: &[LedgerEntry], count, ended: i64, now| {
        let attempts = Some(Attempts { count, ended_at: minute(ended) });
        match due(schedule, entries, |_| false, minute(0), attempts, minute(now)) {
            Due::At(at, cause) => (at.duration_since(minute(0)).as_mins(), cause),
            Due::AfterRun => panic!("nothing runs"),
        }
    };
    for (count, wait) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (u32::MAX, 60)] {
        assert_eq!(asked(&hourly(), &[], count, 100, 101), (100 + wait, Cause::Retry), "{count}");
    }
    assert_eq!(asked(&hourly(), &[], 0, 100, 101), (0, Cause::First));
    assert_eq!(asked(&hourly(), &[], 3, 5_000, 101), (0, Cause::First), "the clock was set back");
    let complete = [sweep(100, 101, COMPLETE, 1)];
    assert_eq!(asked(&hourly(), &complete, 1, 102, 103), (160, Cause::Scheduled));
    assert_eq!(asked(&hourly(), &complete, 1, 158, 159), (163, Cause::Retry));
}
