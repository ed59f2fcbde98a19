//! How a run begins: a sweep of its own, one that is gone on with, or none, since another holds
//! the site. A function of what the ledger says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{LedgerEntry, Life, State, SweepEntry};
use crate::report::Outcome;

/// A holder that was not heard of for this long is dead, wherever it runs.
const SILENCE: Duration = Duration::from_secs(60);
/// An unfinished sweep that is older is not gone on with.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Beginning {
    /// With the lock, if it can be taken for this.
    Take(Claim),
    /// Another run holds the site.
    Held(Box<SweepEntry>),
}

/// What the lock is to be taken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What the ledger is to say.
    pub entry: Box<SweepEntry>,
    /// What it says now, where there is an entry to be gone on with or ended.
    pub over: Option<Box<SweepEntry>>,
    /// Why an unfinished sweep is not gone on with, where that is so.
    pub afresh: Option<String>,
}

/// Decides how a run that would begin with `fresh` begins, by the ledger's `entries`, newest
/// first. `may_resume` says whether an unfinished sweep is to be gone on with.
pub fn begin(
    fresh: SweepEntry,
    entries: &[LedgerEntry],
    may_resume: bool,
    life: impl Fn(&SweepEntry) -> Life,
) -> Beginning {
    let running = entries.iter().find(|it| it.entry.state == State::Running);
    if let Some(running) = running
        && lives(running, life)
    {
        return Beginning::Held(Box::new(running.entry.clone()));
    }
    let full = entries.iter().map(|it| &it.entry).find(|entry| !entry.limited);
    let over = running.map(|it| Box::new(it.entry.clone()));
    let unfinished = full.filter(|entry| is_unfinished(entry) && may_resume && !fresh.limited);
    let afresh = unfinished.and_then(|entry| why_afresh(entry, &fresh));
    match unfinished.filter(|_| afresh.is_none()) {
        Some(last) => {
            let entry = SweepEntry {
                state: State::Running,
                holder: fresh.holder,
                runs: last.runs.saturating_add(1),
                ended_at: None,
                report: None,
                ..last.clone()
            };
            // A limited run that died after it holds the lock, and is ended.
            let over = over.or_else(|| Some(Box::new(last.clone())));
            Beginning::Take(Claim { entry: Box::new(entry), over, afresh: None })
        }
        None => Beginning::Take(Claim { entry: Box::new(fresh), over, afresh }),
    }
}

/// Whether a running sweep's holder lives, as far as can be told.
fn lives(running: &LedgerEntry, life: impl Fn(&SweepEntry) -> Life) -> bool {
    match life(&running.entry) {
        Life::Dead => false,
        Life::Alive | Life::Elsewhere => running.silent_for.is_none_or(|silent| silent < SILENCE),
    }
}

/// Whether a sweep did not come to its end, so that it may be gone on with.
pub(super) fn is_unfinished(entry: &SweepEntry) -> bool {
    matches!(
        entry.state,
        State::Running | State::Ended(Outcome::Interrupted) | State::Ended(Outcome::Failed)
    )
}

/// Why an unfinished sweep is not gone on with.
fn why_afresh(entry: &SweepEntry, fresh: &SweepEntry) -> Option<String> {
    if entry.definition != fresh.definition {
        return Some("what the site file asks for is not what it was".to_owned());
    }
    let age = fresh.started_at.duration_since(entry.started_at);
    (age > LONGEST_PAUSE).then(|| "it began more than 7 days ago".to_owned())
}

/// When a sweep began, as people read it.
pub fn since(entry: &SweepEntry) -> Timestamp {
    entry.started_at.round(jiff::Unit::Second).unwrap_or(entry.started_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Holder;

    fn holder() -> Holder {
        Holder { boot: "b".into(), namespace: "n".into(), pid: 1, started: 1, host: "h".into() }
    }

    fn entry(id: &str, state: State) -> SweepEntry {
        let entry = SweepEntry::begin("books", "books", "d", false);
        SweepEntry { id: id.into(), state, holder: Some(holder()), ..entry }
    }

    fn told(entry: SweepEntry, silent: u64) -> LedgerEntry {
        let running = entry.state == State::Running;
        LedgerEntry { entry, silent_for: running.then(|| Duration::from_secs(silent)) }
    }

    fn begun(entries: &[LedgerEntry], life: Life) -> (String, Option<String>, bool) {
        match begin(entry("fresh", State::Running), entries, true, |_| life) {
            Beginning::Held(entry) => (format!("held by {}", entry.id), None, false),
            Beginning::Take(Claim { entry, over, afresh }) => {
                (entry.id.to_string(), over.map(|over| over.id.to_string()), afresh.is_some())
            }
        }
    }

    fn is(id: &str, over: Option<&str>) -> (String, Option<String>, bool) {
        (id.to_owned(), over.map(str::to_owned), false)
    }

    #[test]
    fn s8_a_holder_that_lives_keeps_the_site_and_a_dead_one_loses_it() {
        let running = |silent| [told(entry("a", State::Running), silent)];
        assert_eq!(begun(&running(5), Life::Alive), is("held by a", None));
        assert_eq!(begun(&running(5), Life::Elsewhere), is("held by a", None));
        assert_eq!(begun(&running(5), Life::Dead), is("a", Some("a")), "gone on with at once");
        assert_eq!(begun(&running(61), Life::Elsewhere), is("a", Some("a")));
        assert_eq!(begun(&running(61), Life::Alive), is("a", Some("a")), "it stalls");
    }

    #[test]
    fn s1_what_was_not_finished_goes_on_and_what_was_does_not() {
        for (outcome, goes_on) in [
            (Outcome::Interrupted, true),
            (Outcome::Failed, true),
            (Outcome::Complete, false),
            (Outcome::Incomplete, false),
        ] {
            let last = [told(entry("a", State::Ended(outcome)), 0)];
            let expected = if goes_on { is("a", Some("a")) } else { is("fresh", None) };
            assert_eq!(begun(&last, Life::Alive), expected, "{outcome}");
        }
        let limited =
            SweepEntry { limited: true, ..entry("b", State::Ended(Outcome::Interrupted)) };
        let full = entry("a", State::Ended(Outcome::Complete));
        assert_eq!(begun(&[told(limited, 0), told(full, 0)], Life::Alive), is("fresh", None));
    }

    #[test]
    fn a_limited_run_that_died_is_ended_and_what_was_before_it_goes_on() {
        let limited = SweepEntry { limited: true, ..entry("b", State::Running) };
        let full = entry("a", State::Ended(Outcome::Interrupted));
        let entries = [told(limited, 5), told(full, 0)];
        assert_eq!(begun(&entries, Life::Dead), is("a", Some("b")));
    }

    #[test]
    fn s7_another_definition_or_a_long_pause_begins_afresh_and_says_so() {
        let other =
            SweepEntry { definition: "e".into(), ..entry("a", State::Ended(Outcome::Failed)) };
        assert_eq!(begun(&[told(other, 0)], Life::Alive), ("fresh".to_owned(), None, true));
        let mut old = entry("a", State::Ended(Outcome::Interrupted));
        old.started_at -= SignedDuration::from_hours(7 * 24 + 1);
        assert_eq!(begun(&[told(old, 0)], Life::Alive), ("fresh".to_owned(), None, true));
        let last = [told(entry("a", State::Ended(Outcome::Interrupted)), 0)];
        let afresh = begin(entry("fresh", State::Running), &last, false, |_| Life::Alive);
        assert!(matches!(afresh, Beginning::Take(Claim { entry, .. }) if &*entry.id == "fresh"));
    }
}
