//! Sequences of runs as a state machine: whatever came before, the next run can begin, resumes what
//! is to be resumed, and no entry of the ledger stays running.
//!
//! Runs of two machines begin, end, are killed or stall, while clocks jump; after each step the
//! ledger of a real store is compared with a small model of what it has to say. The decision
//! (`sweep::lock::begin`) and the store are the real ones; processes and clocks are simulated, so that
//! how long a holder is silent is told by the simulation instead of the store's clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gleaner::model::report::{Kind as Covers, Outcome};
use gleaner::observe::metrics::Metrics;
use gleaner::store::Store;
use gleaner::sweep::incremental::{self, Incremental};
use gleaner::sweep::lock::{self, Beginning};
use gleaner::sweep::{Holder, LedgerEntry, Life, State, SweepEntry};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::records::place;
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Between two heartbeats of a run.
const HEARTBEAT: i64 = 10;
/// Covered again by a sweep that lists what changed.
const OVERLAP: SignedDuration = SignedDuration::from_secs(600);
/// Age of the last full sweep at which one is due.
const FULL_AFTER: SignedDuration = SignedDuration::from_secs(99 * 60);
const INCREMENTAL: Incremental =
    Incremental { overlap: Duration::from_secs(600), full: Duration::from_secs(100 * 60) };
/// A holder that may be dead is watched for no longer.
const LONGEST_WATCH: i64 = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Full,
    Fresh,
    /// Of another site file.
    Redefined,
    /// Of a site file that lets sweeps list only what changed.
    Incremental,
    /// `--limit`, `--pages` or `failures --retry`.
    Limited,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin(u8, Kind),
    End(Outcome),
    Kill,
    /// The run gets no time, and so gives no heartbeat, until it ends.
    Stall,
    /// A run that lost its lock while it stalled wakes and wants to end.
    Wake,
    /// Seconds pass.
    Pass(i64),
    /// All clocks jump, but for those that nobody can set.
    Jump(i64),
}
use Step::{Begin, End, Jump, Kill, Pass, Stall, Wake};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        4 => Just(Kind::Full),
        3 => Just(Kind::Limited),
        1 => Just(Kind::Fresh),
        1 => Just(Kind::Redefined),
        4 => Just(Kind::Incremental),
    ];
    let outcome = prop_oneof![
        Just(Outcome::Complete),
        Just(Outcome::Incomplete),
        Just(Outcome::Interrupted),
        Just(Outcome::Failed),
    ];
    let year = 365 * 86_400_i64;
    let step = prop_oneof![
        6 => (0..2_u8, kind).prop_map(|(host, kind)| Begin(host, kind)),
        4 => outcome.prop_map(End),
        3 => Just(Kill),
        1 => Just(Stall),
        1 => Just(Wake),
        2 => (1..200_i64).prop_map(Pass),
        2 => prop_oneof![-200..200_i64, Just(-year), Just(year), -86_400..86_400_i64]
            .prop_map(Jump),
    ];
    prop::collection::vec(step, 1..16)
}

/// A sweep as the ledger has to have it.
#[derive(Debug, Clone, PartialEq)]
struct Swept {
    id: Box<str>,
    state: State,
    kind: Covers,
    definition: Box<str>,
    started_at: Timestamp,
    runs: u32,
}

/// A run under way.
#[derive(Debug, Clone)]
struct Run {
    entry: SweepEntry,
    is_stalled: bool,
}

/// Two machines, their processes and clocks, and the model of the ledger: what it has to say, in the
/// order in which the lock was taken.
struct World<'b, B> {
    backend: &'b B,
    store: Arc<dyn Store>,
    ledger: Vec<Swept>,
    run: Option<Run>,
    /// Runs that were taken the lock from while they stalled.
    ousted: Vec<Run>,
    alive: HashSet<u32>,
    pids: u32,
    /// The wall clock.
    now: Timestamp,
    /// How old the heartbeat of the entry that runs seems to be by it.
    silence: i64,
    heartbeats: i64,
}

fn holder(host: u8, pid: u32) -> Holder {
    let name: Box<str> = format!("host-{host}").into();
    Holder { boot: name.clone(), namespace: "n".into(), pid, started: 1, host: name }
}

impl<B: Ledger> World<'_, B> {
    async fn step(&mut self, step: Step) {
        match step {
            Begin(host, kind) => self.begin(host, kind).await,
            End(outcome) => self.end(outcome).await,
            Kill => {
                if let Some(run) = self.run.take() {
                    self.alive.remove(&run.entry.holder.expect("a holder").pid);
                }
            }
            Stall => self.run.iter_mut().for_each(|run| run.is_stalled = true),
            Wake => {
                for run in std::mem::take(&mut self.ousted) {
                    let ended = self.ended(&run.entry, Outcome::Complete);
                    assert_eq!(
                        self.store.finish_sweep(&ended).await,
                        Ok(false),
                        "it lost the lock"
                    );
                }
            }
            Pass(seconds) => self.pass(seconds).await,
            Jump(seconds) => self.shift(seconds),
        }
        self.check().await;
    }

    /// Time passes: a run that gets any gives heartbeats.
    async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds / HEARTBEAT {
            self.shift(HEARTBEAT);
            self.heartbeat().await;
        }
        self.shift(seconds % HEARTBEAT);
    }

    async fn heartbeat(&mut self) {
        if let Some(run) = self.run.as_ref().filter(|run| !run.is_stalled) {
            assert_eq!(self.store.renew_lock(&run.entry, None).await, Ok(true), "nobody took it");
            self.silence = 0;
            // Each heartbeat is another one, though no time passes here.
            self.heartbeats += 1;
            self.backend.silence(&run.entry.id, -self.heartbeats).await;
        }
    }

    /// The wall clock goes on, or jumps.
    fn shift(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.silence += seconds;
    }

    /// What a run that begins reads of the ledger.
    async fn latest(&self) -> Vec<LedgerEntry> {
        let entries = self.store.latest_sweeps().await.expect("the store answers");
        let silent_for = u64::try_from(self.silence).ok().map(Duration::from_secs);
        let told = |it: LedgerEntry| match it.entry.state {
            State::Running => LedgerEntry { silent_for, ..it },
            State::Ended(_) => it,
        };
        entries.into_iter().map(told).collect()
    }

    fn life(&self, entry: &SweepEntry, host: u8) -> Life {
        let its = entry.holder.as_ref().expect("a holder");
        match self.alive.contains(&its.pid) {
            _ if its.host != holder(host, 0).host => Life::Elsewhere,
            true => Life::Alive,
            false => Life::Dead,
        }
    }

    /// What a run is to find: the resumed sweep, or nothing where it begins a new one.
    fn resumes(&self, fresh: &SweepEntry, kind: Kind) -> Option<usize> {
        let last = self.ledger.iter().rposition(|swept| swept.kind != Covers::Limited)?;
        let swept = &self.ledger[last];
        let is_unfinished =
            !matches!(swept.state, State::Ended(Outcome::Complete | Outcome::Incomplete));
        let age = fresh.started_at.duration_since(swept.started_at);
        // What a full sweep is to find, one that lists what changed does not.
        let is_enough = swept.kind == Covers::Full || fresh.kind != Covers::Full;
        let may = matches!(kind, Kind::Full | Kind::Redefined | Kind::Incremental)
            && is_enough
            && swept.definition == fresh.scope.definition
            && age <= SignedDuration::from_hours(7 * 24);
        (is_unfinished && may).then_some(last)
    }

    /// What a run that begins a new sweep is to cover.
    fn covers(&self, kind: Kind, definition: &str) -> Covers {
        let complete = |swept: &&Swept| {
            swept.state == State::Ended(Outcome::Complete) && swept.kind != Covers::Limited
        };
        let is_base =
            |swept: &Swept| *swept.definition == *definition && swept.started_at <= self.now;
        match kind {
            Kind::Limited => return Covers::Limited,
            Kind::Full | Kind::Fresh | Kind::Redefined => return Covers::Full,
            Kind::Incremental => {}
        }
        let mut complete = self.ledger.iter().rev().filter(complete);
        let Some(last) = complete.next() else { return Covers::Full };
        let is_full = |swept: &&Swept| swept.kind == Covers::Full;
        let full = Some(last).filter(is_full).or_else(|| complete.find(is_full));
        let Some(full) = full.filter(|full| is_base(full) && is_base(last)) else {
            return Covers::Full;
        };
        match self.now.duration_since(full.started_at) < FULL_AFTER {
            true => Covers::Partial { since: last.started_at - OVERLAP },
            false => Covers::Full,
        }
    }

    async fn begin(&mut self, host: u8, kind: Kind) {
        self.pids += 1;
        let definition = if kind == Kind::Redefined { "other" } else { "definition" };
        let lives = self.run.as_ref().is_some_and(|run| !run.is_stalled);
        let mut watched: Option<(SweepEntry, i64)> = None;
        let (fresh, claim) = loop {
            let covers = self.covers(kind, definition);
            let fresh = SweepEntry {
                // As ids are made, by the wall clock.
                id: format!("{:020}-{}", self.now.as_second(), self.pids).into(),
                started_at: self.now,
                holder: Some(holder(host, self.pids)),
                ..SweepEntry::begin("books", "books", definition, covers)
            };
            let entries = self.latest().await;
            if kind == Kind::Incremental {
                let decided = incremental::kind(INCREMENTAL, &entries, &fresh);
                assert_eq!(decided, covers, "{entries:#?}");
            }
            let life = |entry: &SweepEntry| self.life(entry, host);
            let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
            let seen = watched.as_ref().map(|(entry, since)| (entry, seconds(*since)));
            match lock::begin(fresh.clone(), &entries, kind != Kind::Fresh, life, seen) {
                Beginning::Refused(why) => panic!("nothing is copied: {why}"),
                Beginning::Held(_) => {
                    assert!(self.run.is_some(), "the site is free, but for {entries:#?}");
                    return;
                }
                Beginning::Take { claim, .. } => break (fresh, claim),
                Beginning::Watch(holding, left) => {
                    let (_, since) = watched.get_or_insert((holding.entry, 0));
                    assert!(*since < LONGEST_WATCH, "watched for too long: {entries:#?}");
                    let step = i64::try_from(left.as_secs()).expect("a time").clamp(1, HEARTBEAT);
                    *since += step;
                    self.shift(step);
                    self.heartbeat().await;
                }
            }
        };
        assert!(!lives, "the lock of a run that gives heartbeats is taken: {claim:#?}");
        self.ousted.extend(self.run.take());
        let fence = self.store.take_lock(&claim).await.expect("the store answers");
        let fence = fence.expect("nobody else is there to take it");
        let resumed = self.resumes(&fresh, kind).map(|at| self.ledger.remove(at));
        for dead in self.ledger.iter_mut().filter(|swept| swept.state == State::Running) {
            dead.state = State::Ended(Outcome::Failed);
        }
        let begun = Swept {
            id: fresh.id.clone(),
            state: State::Running,
            kind: fresh.kind,
            definition: definition.into(),
            started_at: fresh.started_at,
            runs: 1,
        };
        let goes_on = |it: Swept| Swept { state: State::Running, runs: it.runs + 1, ..it };
        self.ledger.push(resumed.map_or(begun, goes_on));
        self.alive.insert(self.pids);
        self.run = Some(Run { entry: SweepEntry { fence, ..claim.entry }, is_stalled: false });
        self.silence = 0;
    }

    fn ended(&self, entry: &SweepEntry, outcome: Outcome) -> SweepEntry {
        let ended = entry.clone().end(outcome, &Metrics::new().snapshot(), Vec::new());
        SweepEntry { ended_at: Some(self.now), ..ended }
    }

    async fn end(&mut self, outcome: Outcome) {
        let Some(run) = self.run.take() else { return };
        let ended = self.ended(&run.entry, outcome);
        assert_eq!(self.store.finish_sweep(&ended).await, Ok(true), "it holds the lock");
        self.alive.remove(&run.entry.holder.expect("a holder").pid);
        self.ledger.last_mut().expect("its entry").state = State::Ended(outcome);
    }

    /// The ledger says what the model says, newest first.
    async fn check(&self) {
        let sweeps = self.store.sweeps(usize::MAX).await.expect("the store answers");
        let found = sweeps.into_iter().map(|it| it.entry).map(|entry| Swept {
            id: entry.id,
            state: entry.state,
            kind: entry.kind,
            definition: entry.scope.definition,
            started_at: entry.started_at,
            runs: entry.runs,
        });
        let expected: Vec<Swept> = self.ledger.iter().rev().cloned().collect();
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

/// Makes the steps on an empty store; then a run of the whole site has to be able to begin and end.
async fn sequence<B: Ledger>(steps: &[Step]) {
    let backend = B::start().await;
    let store = backend.open(&place("books", "books")).await.expect("the store opens");
    let mut world = World {
        backend: &backend,
        store,
        ledger: Vec::new(),
        run: None,
        ousted: Vec::new(),
        alive: HashSet::new(),
        pids: 0,
        now: "2026-11-30T10:00:00Z".parse().expect("a time"),
        silence: 0,
        heartbeats: 0,
    };
    for step in steps.iter().chain(&[Kill, Begin(0, Kind::Full), End(Outcome::Complete)]) {
        world.step(*step).await;
    }
    let running = world.ledger.iter().filter(|swept| swept.state == State::Running);
    assert_eq!(running.count(), 0);
    assert!(world.run.is_none());
}

fn run<B: Ledger>(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(sequence::<B>(steps));
}

/// So many sequences that were drawn; one that fails is shrunk.
fn any_sequence<B: Ledger>(cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let tested = TestRunner::new(config).run(&steps(), |steps| {
        run::<B>(&steps);
        Ok(())
    });
    tested.unwrap_or_else(|error| panic!("{error}"));
}

/// Those that were found to go wrong.
fn found<B: Ledger>() {
    let interrupted = End(Outcome::Interrupted);
    let wedge = [Begin(0, Kind::Full), interrupted, Begin(0, Kind::Limited), Kill];
    run::<B>(&wedge);
    run::<B>(&[&wedge[..], &[Begin(1, Kind::Full), interrupted, Begin(1, Kind::Full)]].concat());
    // The clock was a year ahead when the sweep began.
    let year = 365 * 86_400;
    let ahead = [Jump(year), Begin(0, Kind::Full), Kill, Jump(-year)];
    for next in [Begin(0, Kind::Full), Begin(1, Kind::Full), Begin(1, Kind::Limited)] {
        run::<B>(&[&ahead[..], &[next, interrupted, Begin(0, Kind::Full)]].concat());
    }
    // … and is set forward while another one runs.
    run::<B>(&[Begin(0, Kind::Full), Pass(25), Jump(3_600), Begin(1, Kind::Full), Pass(5)]);
    run::<B>(&[Begin(0, Kind::Full), Stall, Pass(70), Begin(0, Kind::Full), Wake]);
    // A sweep that lists what changed is killed, and taken over as what it is; a full one is not
    // replaced by it.
    let (full, partial) = (Begin(0, Kind::Full), Begin(1, Kind::Incremental));
    let complete = End(Outcome::Complete);
    let killed = [full, complete, partial, Kill, Pass(100)];
    for next in [partial, full, Begin(1, Kind::Limited), Begin(0, Kind::Redefined)] {
        run::<B>(&[&killed[..], &[next, interrupted, partial, complete, partial]].concat());
    }
    run::<B>(&[full, complete, full, interrupted, partial, complete, partial, complete]);
}

#[test]
fn s12_any_sequence_of_runs_leaves_a_ledger_that_the_next_begins_with_in_sqlite() {
    any_sequence::<Sqlite>(60);
}

#[test]
fn s12_any_sequence_of_runs_leaves_a_ledger_that_the_next_begins_with_in_mongodb() {
    any_sequence::<Mongodb>(20);
}

#[test]
fn s12_s14_sequences_that_once_wedged_do_not_in_sqlite() {
    found::<Sqlite>();
}

#[test]
fn s12_s14_sequences_that_once_wedged_do_not_in_mongodb() {
    found::<Mongodb>();
}
