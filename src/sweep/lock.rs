//! Decides how a run begins: with a new sweep, with a resumed one, or not at all because another
//! run holds the site. A pure function of the ledger's entries. A copy of a site takes the lock by
//! the same rules.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Holder, LedgerEntry, Life, Scope, State, SweepEntry};
use crate::model::record::FIRST_FORM;
use crate::model::report::{Kind, Outcome};
use crate::system::clock;

/// Returns the time without a heartbeat after which a holder counts as dead, on any machine.
pub fn silence() -> Duration {
    clock::limit("GLEANER_TEST_SILENCE", Duration::from_secs(60))
}

/// Minimum time for which a holder is watched, even if the store's clock says that its last
/// heartbeat is old: a live holder sends a heartbeat every 2 s, or every 10 s if it is of an earlier
/// version.
const TWO_HEARTBEATS: Duration = Duration::from_secs(20);
/// Maximum age of an unfinished sweep that is resumed.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The decision on how a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Beginning {
    /// Take the lock, if this change of the ledger succeeds.
    Take {
        /// Change of the ledger.
        claim: Box<Claim>,
        /// Reason why an unfinished sweep is not resumed, if there is one.
        afresh: Option<String>,
    },
    /// Give up: another run holds the site lock.
    Held(Box<LedgerEntry>),
    /// Give up: the ledger does not allow the run, for this reason.
    Refused(String),
    /// Read the ledger again, for at most this long: the holder may be dead.
    Watch(Box<LedgerEntry>, Duration),
}

/// A change of the ledger that takes a site's lock. Each part is a compare-and-set: it succeeds
/// only while the ledger is as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Entry to write, in the state running.
    pub entry: SweepEntry,
    /// Entry of the same sweep as it was read, if the sweep is resumed. `None` if the sweep is new;
    /// then no entry may have its id.
    pub resumes: Option<SweepEntry>,
    /// Running entry of another sweep whose holder is dead, as it was read. It is ended as failed.
    pub evicts: Option<SweepEntry>,
}

impl Claim {
    /// Creates a claim for a new sweep, with no other sweep in its way.
    pub fn new(entry: SweepEntry) -> Claim {
        Claim { entry, resumes: None, evicts: None }
    }

    /// Creates a claim that resumes `last` as `entry`.
    pub fn resume(entry: SweepEntry, last: SweepEntry) -> Claim {
        Claim { entry, resumes: Some(last), evicts: None }
    }

    /// Returns the claim extended to also end the entry `dead`.
    pub fn evicting(self, dead: SweepEntry) -> Claim {
        Claim { evicts: Some(dead), ..self }
    }
}

/// Decides how a run begins, from the ledger's `entries`, newest first. `fresh` is the entry of a
/// new sweep. A sweep is resumed with its own kind; if the new one would be full, an unfinished
/// partial one is not resumed. `may_resume` is true if an unfinished sweep may be resumed. `watched` is the running
/// entry as this run first saw it, and the time since then by a clock that cannot be set.
pub fn begin(
    fresh: SweepEntry,
    entries: &[LedgerEntry],
    may_resume: bool,
    life: impl Fn(&SweepEntry) -> Life,
    watched: Option<(&SweepEntry, Duration)>,
) -> Beginning {
    let running = entries.iter().find(|it| it.entry.state == State::Running);
    if let Some(running) = running {
        match standing(running, life(&running.entry), watched) {
            Standing::Lives => return Beginning::Held(Box::new(running.clone())),
            Standing::Unknown(left) => return Beginning::Watch(Box::new(running.clone()), left),
            Standing::Dead => {}
        }
    }
    match half_copied(entries) {
        Some(copy) if copy.scope.definition == fresh.scope.definition => {
            let claim = Claim::resume(resumed(copy, fresh), copy.clone());
            return Beginning::Take { claim: Box::new(claim), afresh: None };
        }
        Some(copy) => return Beginning::Refused(unfinished(copy)),
        None if fresh.is_copy_of_another() && !entries.is_empty() => {
            return Beginning::Refused(occupied(&fresh, entries));
        }
        None => {}
    }
    let last = entries.iter().map(|it| &it.entry).find(|entry| entry.kind != Kind::Limited);
    let may_resume = may_resume && fresh.kind != Kind::Limited;
    let unfinished = last.filter(|entry| is_unfinished(entry) && may_resume);
    let afresh = unfinished.and_then(|entry| why_afresh(entry, &fresh));
    let claim = match unfinished.filter(|_| afresh.is_none()) {
        Some(last) => Claim::resume(resumed(last, fresh), last.clone()),
        None => Claim::new(fresh),
    };
    let dead = running.map(|it| &it.entry).filter(|dead| dead.id != claim.entry.id);
    let claim = Box::new(Claim { evicts: dead.cloned(), ..claim });
    Beginning::Take { claim, afresh }
}

/// Returns the entry of an unfinished copy into the collection. Until it is finished, items are
/// missing that a sweep would take for new ones.
fn half_copied(entries: &[LedgerEntry]) -> Option<&SweepEntry> {
    let entries = entries.iter().map(|it| &it.entry);
    entries.filter(|entry| entry.is_copy_of_another()).find(|entry| is_unfinished(entry))
}

fn unfinished(copy: &SweepEntry) -> String {
    let Scope { collection, definition, .. } = &copy.scope;
    format!(
        "the collection {collection} holds an unfinished {definition}: run the same gleaner copy again, which finishes it"
    )
}

fn occupied(fresh: &SweepEntry, entries: &[LedgerEntry]) -> String {
    let is_same = |entry: &&SweepEntry| entry.scope.definition == fresh.scope.definition;
    let copied = entries.iter().map(|it| &it.entry).find(is_same);
    let rest = match copied.and_then(|copy| copy.ended_at) {
        Some(at) => format!(", copied at {}: name another store", shown(at)),
        None => ": name another store, or another name with --as".to_owned(),
    };
    let Scope { site, collection, .. } = &fresh.scope;
    format!("the target holds {site} in the collection {collection} already{rest}")
}

/// Returns the entry of the unfinished sweep `last`, resumed by the run that would else begin
/// `fresh`.
fn resumed(last: &SweepEntry, fresh: SweepEntry) -> SweepEntry {
    SweepEntry {
        state: State::Running,
        holder: fresh.holder,
        resumed_at: Some(fresh.started_at),
        scope: fresh.scope,
        runs: last.runs.saturating_add(1),
        ended_at: None,
        report: None,
        fence: last.fence.max(fresh.fence),
        ..last.clone()
    }
}

/// The state of a running sweep's holder.
enum Standing {
    Lives,
    Dead,
    /// Dead if no heartbeat comes within this time.
    Unknown(Duration),
}

/// Decides whether a running sweep's holder is alive. The store's clock may have been set: so the
/// age of the heartbeat shortens the watch but does not replace it, and a heartbeat in the future
/// says nothing.
fn standing(
    running: &LedgerEntry,
    life: Life,
    watched: Option<(&SweepEntry, Duration)>,
) -> Standing {
    let LedgerEntry { entry, silent_for, .. } = running;
    let heartbeat = |it: &SweepEntry| (it.id.clone(), it.fence, it.heartbeat_at);
    if life == Life::Dead {
        return Standing::Dead;
    }
    if watched.is_some_and(|(first, _)| heartbeat(first) != heartbeat(entry)) {
        return Standing::Lives;
    }
    let watched = watched.map_or(Duration::ZERO, |(_, watched)| watched);
    if life == Life::Alive && silent_for.is_some_and(|silent| silent < silence()) {
        return Standing::Lives;
    }
    let silent = silent_for.unwrap_or_default();
    let left = silence().saturating_sub(silent).max(TWO_HEARTBEATS.saturating_sub(watched));
    match left.min(silence().saturating_sub(watched)) {
        Duration::ZERO => Standing::Dead,
        left => Standing::Unknown(left),
    }
}

/// Returns true if a sweep did not reach its end, so that it can be resumed.
pub(super) fn is_unfinished(entry: &SweepEntry) -> bool {
    matches!(
        entry.state,
        State::Running | State::Ended(Outcome::Interrupted) | State::Ended(Outcome::Failed)
    )
}

/// Returns true if two definitions are the same, as far as this is known. A digest of version
/// 0.1.0's form cannot be compared, and counts as the same, so that an upgrade resumes.
fn is_same(before: &str, now: &str) -> bool {
    before == now || (before.starts_with(FIRST_FORM) && !now.starts_with(FIRST_FORM))
}

/// Returns why an unfinished sweep is not resumed, or `None` if it is.
fn why_afresh(entry: &SweepEntry, fresh: &SweepEntry) -> Option<String> {
    if !is_same(&entry.scope.definition, &fresh.scope.definition) {
        return Some("the site file's definition has changed".to_owned());
    }
    let age = fresh.started_at.duration_since(entry.started_at);
    if age > LONGEST_PAUSE {
        return Some("it began more than 7 days ago".to_owned());
    }
    let is_less = entry.kind != Kind::Full && fresh.kind == Kind::Full;
    is_less.then(|| "it lists only what changed, and a full sweep is due".to_owned())
}

/// Rounds a time to seconds, for display.
pub fn shown(at: Timestamp) -> Timestamp {
    at.round(jiff::Unit::Second).unwrap_or(at)
}

impl LedgerEntry {
    /// Describes who holds the site, since when, the time since its heartbeat, and when the site is
    /// free.
    pub fn holding(&self) -> String {
        let LedgerEntry { entry, silent_for, .. } = self;
        let who = entry.holder.as_ref().map_or("an unknown process".to_owned(), Holder::to_string);
        let since = shown(entry.resumed_at.unwrap_or(entry.started_at));
        let silent = match silent_for {
            Some(silent) => format!("silent for {} s", silent.as_secs()),
            None => "with a heartbeat in the future".to_owned(),
        };
        let left = silence().saturating_sub(silent_for.unwrap_or_default()).as_secs();
        format!(
            "{who}, since {since}, {silent}; free when that run ends, or in {left} s if no heartbeat comes"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Holder;

    fn holder() -> Holder {
        Holder { boot: "b".into(), namespace: "n".into(), pid: 1, started: 1, host: "h".into() }
    }

    fn entry(id: &str, state: State) -> SweepEntry {
        let entry = SweepEntry::begin("books", "books", "d", Kind::Full);
        SweepEntry { id: id.into(), state, holder: Some(holder()), ..entry }
    }

    fn defined(definition: &str, entry: SweepEntry) -> SweepEntry {
        let scope = Scope { definition: definition.into(), ..entry.scope };
        SweepEntry { scope, ..entry }
    }

    fn told(entry: SweepEntry, silent: u64) -> LedgerEntry {
        let running = entry.state == State::Running;
        LedgerEntry {
            entry,
            silent_for: running.then(|| Duration::from_secs(silent)),
            progress: None,
        }
    }

    fn begun(entries: &[LedgerEntry], life: Life) -> String {
        begun_after(entries, life, None)
    }

    /// What becomes of the ledger: the sweep that runs, the one that is resumed, the one that is
    /// evicted.
    fn begun_after(
        entries: &[LedgerEntry],
        life: Life,
        watched: Option<(&SweepEntry, Duration)>,
    ) -> String {
        match begin(entry("fresh", State::Running), entries, true, |_| life, watched) {
            Beginning::Held(it) => format!("held by {}", it.entry.id),
            Beginning::Refused(why) => why,
            Beginning::Watch(it, left) => {
                format!("{} watched for {} s", it.entry.id, left.as_secs())
            }
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
        assert_eq!(begun(&running(5), Life::Elsewhere), "a watched for 55 s");
        assert_eq!(begun(&running(5), Life::Dead), "a resumes a", "at once");
        assert_eq!(begun(&running(61), Life::Elsewhere), "a watched for 20 s");
        assert_eq!(begun(&running(61), Life::Alive), "a watched for 20 s", "it stalls");
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
            SweepEntry { kind: Kind::Limited, ..entry("b", State::Ended(Outcome::Interrupted)) };
        let full = entry("a", State::Ended(Outcome::Complete));
        assert_eq!(begun(&[told(limited, 0), told(full, 0)], Life::Alive), "fresh");
    }

    #[test]
    fn s14_a_holder_that_may_be_dead_is_watched_by_ones_own_clock() {
        let at = |second| Timestamp::from_second(second).ok();
        let beat = |second| SweepEntry { heartbeat_at: at(second), ..entry("a", State::Running) };
        let future = |entry| [LedgerEntry { entry, silent_for: None, progress: None }];
        let first = beat(9_000);
        let after = |entries: &[LedgerEntry], life, seconds| {
            begun_after(entries, life, Some((&first, Duration::from_secs(seconds))))
        };
        for life in [Life::Elsewhere, Life::Alive] {
            assert_eq!(begun(&future(beat(9_000)), life), "a watched for 60 s");
            assert_eq!(after(&future(beat(9_000)), life, 59), "a watched for 1 s");
            assert_eq!(after(&future(beat(9_000)), life, 60), "a resumes a", "it never moved");
            assert_eq!(after(&future(beat(9_010)), life, 9), "held by a", "it moved");
        }
        assert_eq!(begun(&future(beat(9_000)), Life::Dead), "a resumes a");
        // A heartbeat that is in order: watched until it is 60 s old, and for two at least, since the
        // clock may have been set forward.
        let told_of = |silent| [told(beat(9_000), silent)];
        assert_eq!(after(&told_of(59), Life::Elsewhere, 34), "a watched for 1 s");
        assert_eq!(after(&told_of(60), Life::Elsewhere, 35), "a resumes a");
        assert_eq!(begun(&told_of(3_600), Life::Elsewhere), "a watched for 20 s");
        assert_eq!(after(&told_of(3_619), Life::Elsewhere, 19), "a watched for 1 s");
        assert_eq!(after(&told_of(3_620), Life::Alive, 20), "a resumes a", "it stalls");
        assert_eq!(after(&[told(beat(9_010), 3_600)], Life::Elsewhere, 10), "held by a");
        assert_eq!(after(&[told(beat(9_000), 0)], Life::Elsewhere, 60), "a resumes a", "set back");
        // Another run took the site meanwhile, or resumed the sweep.
        let other = SweepEntry { id: "b".into(), ..beat(9_000) };
        assert_eq!(after(&[told(other, 0)], Life::Elsewhere, 30), "held by b");
        let taken = SweepEntry { fence: 7, ..beat(9_000) };
        assert_eq!(after(&[told(taken, 0)], Life::Elsewhere, 30), "held by a");
        // It ended meanwhile.
        let ended = [told(entry("a", State::Ended(Outcome::Complete)), 0)];
        assert_eq!(after(&ended, Life::Elsewhere, 30), "fresh");
    }

    #[test]
    fn s16_a_sweep_of_version_0_1_0_is_resumed_under_the_definition_of_today() {
        let first = defined("1:a", entry("a", State::Running));
        let begun =
            begin(entry("fresh", State::Running), &[told(first, 5)], true, |_| Life::Dead, None);
        let Beginning::Take { claim, afresh: None } = begun else { panic!("{begun:?}") };
        assert_eq!((&*claim.entry.id, &*claim.entry.scope.definition), ("a", "d"));
        let other = defined("2:a", entry("a", State::Running));
        assert_eq!(begun_after(&[told(other, 5)], Life::Dead, None), "fresh evicts a afresh");
        assert!(!is_same("1:a", "1:b"), "two of the same form can be compared");
    }

    #[test]
    fn s14_a_sweep_of_the_future_is_resumed() {
        let mut future = entry("a", State::Ended(Outcome::Interrupted));
        future.started_at += SignedDuration::from_hours(365 * 24);
        assert_eq!(begun(&[told(future, 0)], Life::Alive), "a resumes a");
    }

    #[test]
    fn s18_a_holder_is_named_with_its_begin_its_silence_and_when_the_site_is_free() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut held = told(entry("a", State::Running), 7);
        held.entry.started_at = at("2026-11-30T10:00:00.4Z");
        let expected = "process 1 on h, since 2026-11-30T10:00:00Z, silent for 7 s; \
            free when that run ends, or in 53 s if no heartbeat comes";
        assert_eq!(held.holding(), expected);
        held.entry.resumed_at = Some(at("2026-11-30T11:00:00Z"));
        held.silent_for = None;
        let expected = "process 1 on h, since 2026-11-30T11:00:00Z, with a heartbeat in the future; \
            free when that run ends, or in 60 s if no heartbeat comes";
        assert_eq!(held.holding(), expected);
    }

    #[test]
    fn s12_a_dead_limited_run_is_evicted_and_the_interrupted_full_sweep_resumed() {
        let limited = |id, state| SweepEntry { kind: Kind::Limited, ..entry(id, state) };
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
            None,
        ) {
            Beginning::Take { claim, .. } => {
                (claim.entry.id, claim.resumes.is_some(), claim.evicts.map(|it| it.id))
            }
            other => panic!("{other:?}"),
        };
        let expected = |evicts: Option<&str>| ("part".into(), false, evicts.map(Box::from));
        assert_eq!(run(&entries), expected(Some("b")), "a limited run resumes nothing");
        assert_eq!(run(&[told(entry("a", State::Running), 5)]), expected(Some("a")));
        assert_eq!(run(&[full(Outcome::Failed)]), expected(None));
    }

    #[test]
    fn s19_a_half_copied_site_is_neither_crawled_nor_copied_from_elsewhere() {
        let copy = |source: &str, state| SweepEntry {
            id: "copy".into(),
            state,
            holder: Some(holder()),
            fence: 9,
            ..SweepEntry::copy_of("books", "books", source)
        };
        let begun = |fresh: SweepEntry, last: SweepEntry| match begin(
            fresh,
            &[told(last, 5)],
            true,
            |_| Life::Dead,
            None,
        ) {
            Beginning::Take { claim, .. } => match claim.resumes {
                Some(last) => format!("resumes {} with {}", last.id, claim.entry.fence),
                None => "begins".to_owned(),
            },
            Beginning::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        let ended = State::Ended;
        let half = [State::Running, ended(Outcome::Interrupted), ended(Outcome::Failed)];
        let unfinished = "the collection books holds an unfinished copy of a: run the same gleaner copy again, which finishes it";
        for state in half {
            for kind in [Kind::Full, Kind::Limited] {
                let fresh = SweepEntry { kind, ..entry("fresh", State::Running) };
                assert_eq!(begun(fresh, copy("a", state)), unfinished);
            }
            let later = SweepEntry { fence: 12, ..copy("a", State::Running) };
            assert_eq!(begun(later, copy("a", state)), "resumes copy with 12");
            assert_eq!(begun(copy("b", State::Running), copy("a", state)), unfinished);
            let on = SweepEntry::copy_to("books", "books", "c");
            assert_eq!(begun(on, copy("a", state)), unfinished);
        }
        let complete = ended(Outcome::Complete);
        assert_eq!(begun(entry("fresh", State::Running), copy("a", complete)), "begins");
        let occupied = |copied| {
            format!(
                "the target holds books in the collection books already{copied}: name another store, or another name with --as"
            )
        };
        let again = begun(copy("a", State::Running), copy("a", complete));
        assert_eq!(again, occupied(""));
        let crawled = entry("a", complete);
        assert_eq!(begun(copy("a", State::Running), crawled), occupied(""));
        // A copy to elsewhere that was left changes nothing here.
        let left = SweepEntry {
            state: ended(Outcome::Failed),
            ..SweepEntry::copy_to("books", "books", "c")
        };
        assert_eq!(begun(entry("fresh", State::Running), left), "begins");
    }

    #[test]
    fn s7_another_definition_or_a_long_pause_begins_afresh_and_says_so() {
        let other = defined("e", entry("a", State::Ended(Outcome::Failed)));
        assert_eq!(begun(&[told(other, 0)], Life::Alive), "fresh afresh");
        let killed = defined("e", entry("a", State::Running));
        assert_eq!(begun(&[told(killed, 5)], Life::Dead), "fresh evicts a afresh");
        let mut old = entry("a", State::Ended(Outcome::Interrupted));
        old.started_at -= SignedDuration::from_hours(7 * 24 + 1);
        assert_eq!(begun(&[told(old, 0)], Life::Alive), "fresh afresh");
        let last = [told(entry("a", State::Ended(Outcome::Interrupted)), 0)];
        let afresh = begin(entry("fresh", State::Running), &last, false, |_| Life::Alive, None);
        assert!(matches!(afresh, Beginning::Take { claim, .. } if &*claim.entry.id == "fresh"));
    }
}
