//! How a run begins: with a new sweep, with a resumed one, or not at all, since another run holds
//! the site. A pure function of the ledger's entries.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Holder, LedgerEntry, Life, State, SweepEntry};
use crate::report::Outcome;

/// A holder that was not heard of for this long is dead, wherever it runs.
const SILENCE: Duration = Duration::from_secs(60);
/// An unfinished sweep that is older is not gone on with.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Beginning {
    /// With the lock, if it can be taken by this change of the ledger.
    Take {
        /// The change.
        claim: Box<Claim>,
        /// Why an unfinished sweep is not resumed, where there is one.
        afresh: Option<String>,
    },
    /// Another run holds the site.
    Held(Box<SweepEntry>),
}

/// A change of the ledger that takes a site's lock. Each part is a compare-and-set: it happens only
/// while the ledger is as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The entry to write, in state running.
    pub entry: SweepEntry,
    /// The entry of the same sweep as it was read, where the sweep is resumed. Absent: the sweep
    /// is new, and no entry may have its id.
    pub resumes: Option<SweepEntry>,
    /// The running entry of another sweep as it was read, whose holder is dead: it ends as failed.
    pub evicts: Option<SweepEntry>,
}

impl Claim {
    /// The claim for a new sweep, with nothing in its way.
    pub fn new(entry: SweepEntry) -> Claim {
        Claim { entry, resumes: None, evicts: None }
    }

    /// The claim for resuming `last` as `entry`.
    pub fn resume(entry: SweepEntry, last: SweepEntry) -> Claim {
        Claim { entry, resumes: Some(last), evicts: None }
    }

    /// The same claim, which also ends `dead`'s entry.
    pub fn evicting(self, dead: SweepEntry) -> Claim {
        Claim { evicts: Some(dead), ..self }
    }
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
    let unfinished = full.filter(|entry| is_unfinished(entry) && may_resume && !fresh.limited);
    let afresh = unfinished.and_then(|entry| why_afresh(entry, &fresh));
    let claim = match unfinished.filter(|_| afresh.is_none()) {
        Some(last) => Claim::resume(resumed(last, fresh.holder), last.clone()),
        None => Claim::new(fresh),
    };
    let dead = running.map(|it| &it.entry).filter(|dead| dead.id != claim.entry.id);
    let claim = Box::new(Claim { evicts: dead.cloned(), ..claim });
    Beginning::Take { claim, afresh }
}

/// The entry of a sweep that `holder` resumes.
fn resumed(last: &SweepEntry, holder: Option<Holder>) -> SweepEntry {
    SweepEntry {
        state: State::Running,
        holder,
        runs: last.runs.saturating_add(1),
        ended_at: None,
        report: None,
        ..last.clone()
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

    /// What becomes of the ledger: the sweep that runs, the one that is resumed, the one that is
    /// evicted.
    fn begun(entries: &[LedgerEntry], life: Life) -> String {
        match begin(entry("fresh", State::Running), entries, true, |_| life) {
            Beginning::Held(entry) => format!("held by {}", entry.id),
            Beginning::Take { claim, afresh } => {
                let Claim { entry, resumes, evicts } = *claim;
                let resumes = resumes.map(|it| format!(" resumes {}", it.id)).unwrap_or_default();
                let evicts = evicts.map(|it| format!(" evicts {}", it.id)).unwrap_or_default();
                format!("{}{resumes}{evicts}{}", entry.id, afresh.map_or("", |_| " afresh"))
            }
        }
    }

    #[test]
    fn s8_a_holder_that_lives_keeps_the_site_and_a_dead_one_loses_it() {
        let running = |silent| [told(entry("a", State::Running), silent)];
        assert_eq!(begun(&running(5), Life::Alive), "held by a");
        assert_eq!(begun(&running(5), Life::Elsewhere), "held by a");
        assert_eq!(begun(&running(5), Life::Dead), "a resumes a", "at once");
        assert_eq!(begun(&running(61), Life::Elsewhere), "a resumes a");
        assert_eq!(begun(&running(61), Life::Alive), "a resumes a", "it stalls");
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
            let expected = if goes_on { "a resumes a" } else { "fresh" };
            assert_eq!(begun(&last, Life::Alive), expected, "{outcome}");
        }
        let limited =
            SweepEntry { limited: true, ..entry("b", State::Ended(Outcome::Interrupted)) };
        let full = entry("a", State::Ended(Outcome::Complete));
        assert_eq!(begun(&[told(limited, 0), told(full, 0)], Life::Alive), "fresh");
    }

    #[test]
    fn s12_a_dead_limited_run_is_evicted_and_the_interrupted_full_sweep_resumed() {
        let limited = |id, state| SweepEntry { limited: true, ..entry(id, state) };
        let full = |outcome| told(entry("a", State::Ended(outcome)), 0);
        let dead = || told(limited("b", State::Running), 5);
        let entries = [dead(), full(Outcome::Interrupted)];
        assert_eq!(begun(&entries, Life::Dead), "a resumes a evicts b");
        assert_eq!(begun(&entries, Life::Alive), "held by b");
        assert_eq!(begun(&[dead(), full(Outcome::Complete)], Life::Dead), "fresh evicts b");
        assert_eq!(begun(&[dead()], Life::Dead), "fresh evicts b");
        let run = |entries: &[LedgerEntry]| match begin(
            limited("part", State::Running),
            entries,
            true,
            |_| Life::Dead,
        ) {
            Beginning::Take { claim, .. } => {
                (claim.entry.id, claim.resumes.is_some(), claim.evicts.map(|it| it.id))
            }
            held @ Beginning::Held(_) => panic!("{held:?}"),
        };
        let expected = |evicts: Option<&str>| ("part".into(), false, evicts.map(Box::from));
        assert_eq!(run(&entries), expected(Some("b")), "a limited run resumes nothing");
        assert_eq!(run(&[told(entry("a", State::Running), 5)]), expected(Some("a")));
        assert_eq!(run(&[full(Outcome::Failed)]), expected(None));
    }

    #[test]
    fn s7_another_definition_or_a_long_pause_begins_afresh_and_says_so() {
        let other =
            SweepEntry { definition: "e".into(), ..entry("a", State::Ended(Outcome::Failed)) };
        assert_eq!(begun(&[told(other, 0)], Life::Alive), "fresh afresh");
        let killed = SweepEntry { definition: "e".into(), ..entry("a", State::Running) };
        assert_eq!(begun(&[told(killed, 5)], Life::Dead), "fresh evicts a afresh");
        let mut old = entry("a", State::Ended(Outcome::Interrupted));
        old.started_at -= SignedDuration::from_hours(7 * 24 + 1);
        assert_eq!(begun(&[told(old, 0)], Life::Alive), "fresh afresh");
        let last = [told(entry("a", State::Ended(Outcome::Interrupted)), 0)];
        let afresh = begin(entry("fresh", State::Running), &last, false, |_| Life::Alive);
        assert!(matches!(afresh, Beginning::Take { claim, .. } if &*claim.entry.id == "fresh"));
    }
}
