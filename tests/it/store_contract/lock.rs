//! The lock on a site: the one entry of the ledger that runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gleaner::model::report::{Kind, Outcome};
use gleaner::store::Store;
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{Holder, LedgerEntry, State, SweepEntry};

use super::{Ledger, books};
use crate::records::{at, place};

/// So many try at once.
const CROWD: u32 = 20;

/// A process of this number.
pub fn holder(pid: u32) -> Option<Holder> {
    Some(Holder {
        boot: "b0075a3e-0000-4000-8000-000000000001".into(),
        namespace: "pid:[4026531836]".into(),
        pid,
        started: 1 << 40,
        host: "here".into(),
    })
}

/// A sweep that the process of this number begins.
pub fn begun(pid: u32) -> SweepEntry {
    begun_in("books", "books", pid)
}

/// The same, of another site or into another collection.
pub fn begun_in(site: &str, collection: &str, pid: u32) -> SweepEntry {
    SweepEntry { holder: holder(pid), ..SweepEntry::begin(site, collection, "1:d", Kind::Full) }
}

/// The entry once it has ended so many seconds after the beginning of the test's time.
fn ended(entry: &SweepEntry, outcome: Outcome, seconds: i64) -> SweepEntry {
    let state = State::Ended(outcome);
    SweepEntry { state, ended_at: Some(at(seconds)), ..entry.clone() }
}

/// The sweep that another run resumes.
fn resumed(entry: &SweepEntry, pid: u32) -> SweepEntry {
    SweepEntry {
        state: State::Running,
        ended_at: None,
        holder: holder(pid),
        runs: entry.runs + 1,
        ..entry.clone()
    }
}

/// The claim of a run that resumes `last`.
fn resume(last: &SweepEntry, pid: u32) -> Claim {
    Claim::resume(resumed(last, pid), last.clone())
}

/// Takes the lock, which has to be free. Answers with its number.
pub async fn takes(store: &Arc<dyn Store>, claim: &Claim) -> i64 {
    let taken = store.take_lock(claim).await.expect("the store answers");
    taken.expect("the lock is free")
}

async fn only(store: &Arc<dyn Store>) -> LedgerEntry {
    let sweeps = store.sweeps(10).await.expect("the store answers");
    let [only] = <[LedgerEntry; 1]>::try_from(sweeps).expect("one sweep");
    only
}

async fn states<B: Ledger>(backend: &B) -> BTreeMap<Box<str>, String> {
    let sweeps = backend.sweeps().await;
    sweeps.into_iter().map(|entry| (entry.id, entry.state.to_string())).collect()
}

/// All of a crowd try for the lock, each with an entry and a connection of its own; answers with
/// the entry of the one who has it.
async fn race<B: Ledger>(backend: &B, claim: impl Fn(u32) -> Claim) -> SweepEntry {
    let mut tries = tokio::task::JoinSet::new();
    for pid in 1..=CROWD {
        let (store, claim) = (books(backend).await, claim(pid));
        tries.spawn(async move {
            let taken = store.take_lock(&claim).await.expect("the store answers");
            taken.map(|fence| SweepEntry { fence, ..claim.entry })
        });
    }
    let taken = tries.join_all().await.into_iter().flatten().collect::<Vec<_>>();
    let [taken] = <[SweepEntry; 1]>::try_from(taken).expect("one of them has the lock");
    let running = backend.sweeps().await.into_iter().filter(|it| it.state == State::Running);
    let running: Vec<_> = running.map(|it| (it.id, it.holder)).collect();
    assert_eq!(running, [(taken.id.clone(), taken.holder.clone())]);
    taken
}

pub async fn s8_of_twenty_who_try_at_once_one_takes_the_lock<B: Ledger>() {
    let backend = B::start().await;
    race(&backend, |pid| Claim::new(begun(pid))).await;
    assert_eq!(backend.sweeps().await.len(), 1, "the others left nothing");
}

pub async fn s8_of_twenty_who_try_over_a_dead_holder_one_takes_the_lock<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    takes(&store, &Claim::new(begun(99))).await;
    let dead = only(&store).await.entry;
    let taken = race(&backend, |pid| Claim::new(begun(pid)).evicting(dead.clone())).await;
    let running = (taken.id, "running".to_owned());
    let expected = BTreeMap::from([(dead.id.clone(), "failed".to_owned()), running]);
    assert_eq!(states(&backend).await, expected);
    let sweeps = backend.sweeps().await;
    let dead = sweeps.iter().find(|entry| entry.id == dead.id).expect("it is kept");
    assert!(dead.ended_at.is_some() && dead.heartbeat_at.is_none(), "{dead:?}");
    assert_eq!(dead.holder, holder(99));
}

pub async fn s8_of_twenty_who_go_on_with_a_sweep_one_takes_the_lock<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    takes(&store, &Claim::new(begun(99))).await;
    let dead = only(&store).await.entry;
    let taken = race(&backend, |pid| resume(&dead, pid)).await;
    assert_eq!((&taken.id, taken.runs), (&dead.id, 2));
    assert_eq!(backend.sweeps().await.len(), 1);
    // And once more where the sweep has ended.
    assert_eq!(store.finish_sweep(&ended(&taken, Outcome::Interrupted, 5)).await, Ok(true));
    let interrupted = only(&store).await.entry;
    let taken = race(&backend, |pid| resume(&interrupted, pid)).await;
    assert_eq!(taken.runs, 3);
}

/// Ctrl-C of a full run, then `kill -9` of a limited one: every later run failed on SQLite.
pub async fn s12_a_dead_limited_run_is_evicted_and_the_interrupted_sweep_resumed<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let full = begun(1);
    takes(&store, &Claim::new(full.clone())).await;
    assert_eq!(store.finish_sweep(&ended(&full, Outcome::Interrupted, 5)).await, Ok(true));
    let full = only(&store).await.entry;
    let limited = SweepEntry { kind: Kind::Limited, ..begun(2) };
    takes(&store, &Claim::new(limited.clone())).await;
    let latest = store.latest_sweeps().await.expect("the store answers");
    let dead = latest.into_iter().find(|it| it.entry.id == limited.id).expect("it runs").entry;
    let taken = race(&backend, |pid| resume(&full, pid).evicting(dead.clone())).await;
    assert_eq!((&taken.id, taken.runs), (&full.id, 2));
    let expected = [(taken.id, "running".to_owned()), (limited.id, "failed".to_owned())];
    assert_eq!(states(&backend).await, BTreeMap::from(expected));
}

/// However the lock comes to somebody: by a new sweep, a resumed one, or a dead holder's.
pub async fn s14_each_lock_has_a_higher_number_than_all_before<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    assert_eq!(takes(&store, &Claim::new(begun(1))).await, 1);
    let first = only(&store).await.entry;
    assert_eq!(first.fence, 1);
    assert_eq!(takes(&store, &Claim::new(first.clone())).await, 1, "once more by its holder");
    let first = only(&store).await.entry;
    assert_eq!(takes(&store, &resume(&first, 2)).await, 2);
    let resumed = only(&store).await.entry;
    assert_eq!(store.finish_sweep(&ended(&resumed, Outcome::Failed, 1)).await, Ok(true));
    let limited = SweepEntry { kind: Kind::Limited, ..begun(3) };
    assert_eq!(takes(&store, &Claim::new(limited.clone())).await, 3);
    let sweeps = store.sweeps(10).await.expect("the store answers");
    assert_eq!(sweeps.iter().map(|it| it.entry.fence).collect::<Vec<_>>(), [3, 2]);
    let (dead, failed) = (sweeps[0].entry.clone(), &sweeps[1].entry);
    assert_eq!(takes(&store, &resume(failed, 4).evicting(dead)).await, 4);
    let sweeps = store.sweeps(10).await.expect("the store answers");
    assert_eq!(sweeps.iter().map(|it| it.entry.fence).collect::<Vec<_>>(), [4, 3]);
    // Another collection has numbers of its own.
    let copy = backend.open(&place("books", "copy")).await.expect("the store opens");
    let other = begun_in("books", "copy", 5);
    assert_eq!(takes(&copy, &Claim::new(other)).await, 1);
}

/// What is expected of each part of a claim is not there: nothing of it happens on a store with
/// transactions, and nobody gets the lock on any.
pub async fn s12_a_claim_of_which_one_part_is_outdated_takes_nothing<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let full = begun(1);
    takes(&store, &Claim::new(full.clone())).await;
    let outdated = only(&store).await.entry;
    assert_eq!(store.finish_sweep(&ended(&full, Outcome::Interrupted, 5)).await, Ok(true));
    let interrupted = only(&store).await.entry;
    let limited = SweepEntry { kind: Kind::Limited, ..begun(2) };
    takes(&store, &Claim::new(limited.clone())).await;
    backend.silence(&limited.id, 90).await;
    let latest = store.latest_sweeps().await.expect("the store answers");
    let dead = latest.into_iter().find(|it| it.entry.id == limited.id).expect("it runs").entry;
    // The limited run gives a sign of life, so that it is not evicted.
    assert_eq!(store.renew_lock(&limited, None).await, Ok(true));
    let before = backend.sweeps().await;
    let claim = resume(&interrupted, 3).evicting(dead);
    assert_eq!(store.take_lock(&claim).await, Ok(None));
    assert_eq!(backend.sweeps().await, before);
    // It is dead, but the full sweep is not as it was read.
    let latest = store.latest_sweeps().await.expect("the store answers");
    let dead = latest.into_iter().find(|it| it.entry.id == limited.id).expect("it runs").entry;
    let claim = resume(&outdated, 3).evicting(dead);
    assert_eq!(store.take_lock(&claim).await, Ok(None));
    assert!(
        states(&backend).await.iter().all(|(id, state)| *id == limited.id || state != "running")
    );
    // Whoever looks again begins.
    let latest = store.latest_sweeps().await.expect("the store answers");
    let dead = latest.into_iter().find(|it| it.entry.state == State::Running).map(|it| it.entry);
    let claim = Claim { evicts: dead, ..resume(&interrupted, 3) };
    takes(&store, &claim).await;
}

pub async fn s8_a_lock_that_is_held_is_refused<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let first = begun(1);
    takes(&store, &Claim::new(first.clone())).await;
    let before = backend.sweeps().await;
    assert_eq!(store.take_lock(&Claim::new(begun(2))).await, Ok(None));
    let limited = SweepEntry { kind: Kind::Limited, ..begun(2) };
    assert_eq!(
        store.take_lock(&Claim::new(limited.clone())).await,
        Ok(None),
        "a limited run is a run"
    );
    let old = ended(&begun(3), Outcome::Failed, 1);
    assert_eq!(store.take_lock(&resume(&old, 4)).await, Ok(None));
    assert_eq!(backend.sweeps().await, before);
    // Another site's lock is another lock, and so is that on another collection.
    let films = backend.open(&place("films", "films")).await.expect("the store opens");
    let other = begun_in("films", "films", 5);
    takes(&films, &Claim::new(other.clone())).await;
    let copy = backend.open(&place("books", "copy")).await.expect("the store opens");
    let other = begun_in("books", "copy", 6);
    takes(&copy, &Claim::new(other.clone())).await;
    // Once it has ended, the next one has it.
    assert_eq!(store.finish_sweep(&ended(&first, Outcome::Complete, 1)).await, Ok(true));
    takes(&store, &Claim::new(begun(2))).await;
}

pub async fn s8_a_lost_lock_can_neither_be_renewed_nor_end_the_sweep<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let stalled = begun(1);
    takes(&store, &Claim::new(stalled.clone())).await;
    // Another run begins anew …
    let dead = only(&store).await.entry;
    let next = begun(2);
    takes(&store, &Claim::new(next.clone()).evicting(dead)).await;
    let before = backend.sweeps().await;
    assert_eq!(store.renew_lock(&stalled, None).await, Ok(false));
    assert_eq!(store.finish_sweep(&ended(&stalled, Outcome::Complete, 9)).await, Ok(false));
    assert_eq!(store.take_lock(&Claim::new(stalled.clone())).await, Ok(None));
    assert_eq!(backend.sweeps().await, before);
    // … and a third goes on with that one's sweep.
    let sweeps = store.sweeps(1).await.expect("the store answers");
    let third = resumed(&next, 3);
    takes(&store, &Claim::resume(third.clone(), sweeps[0].entry.clone())).await;
    let before = backend.sweeps().await;
    assert_eq!(store.renew_lock(&next, None).await, Ok(false));
    assert_eq!(store.finish_sweep(&ended(&next, Outcome::Complete, 9)).await, Ok(false));
    assert_eq!(backend.sweeps().await, before);
    assert_eq!(store.renew_lock(&third, None).await, Ok(true));
    assert_eq!(store.finish_sweep(&ended(&third, Outcome::Complete, 9)).await, Ok(true));
    assert_eq!(states(&backend).await[&third.id], "complete");
}

pub async fn s8_a_holder_who_gave_a_sign_of_life_is_not_dead<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let slow = begun(1);
    takes(&store, &Claim::new(slow.clone())).await;
    backend.silence(&slow.id, 90).await;
    let read = only(&store).await.entry;
    assert_eq!(store.renew_lock(&slow, None).await, Ok(true));
    let before = backend.sweeps().await;
    assert_eq!(store.take_lock(&Claim::new(begun(2)).evicting(read.clone())).await, Ok(None));
    assert_eq!(store.take_lock(&resume(&read, 2)).await, Ok(None));
    assert_eq!(backend.sweeps().await, before);
}

pub async fn s8_the_silence_of_a_holder_is_told<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let entry = begun(1);
    takes(&store, &Claim::new(entry.clone())).await;
    let silent = || async { only(&store).await.silent_for.expect("it runs") };
    assert!(silent().await < Duration::from_secs(30));
    backend.silence(&entry.id, 90).await;
    let measured = silent().await;
    assert!((90..120).contains(&measured.as_secs()), "{measured:?}");
    assert_eq!(store.renew_lock(&entry, None).await, Ok(true));
    assert!(silent().await < Duration::from_secs(30));
    backend.silence(&entry.id, -90).await;
    assert_eq!(only(&store).await.silent_for, None, "the clock was set back");
    assert_eq!(store.finish_sweep(&ended(&entry, Outcome::Complete, 1)).await, Ok(true));
    let over = only(&store).await;
    assert_eq!((over.silent_for, over.entry.heartbeat_at), (None, None));
}

pub async fn s1_a_sweep_that_ended_can_be_gone_on_with<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let first = begun(1);
    takes(&store, &Claim::new(first.clone())).await;
    assert_eq!(store.finish_sweep(&ended(&first, Outcome::Interrupted, 5)).await, Ok(true));
    let read = only(&store).await.entry;
    assert_eq!(read.state, State::Ended(Outcome::Interrupted));
    let second = resumed(&read, 2);
    let fence = takes(&store, &Claim::resume(second.clone(), read)).await;
    let second = SweepEntry { fence, ..second };
    let running = only(&store).await.entry;
    assert!(running.heartbeat_at.is_some());
    assert_eq!(SweepEntry { heartbeat_at: None, ..running }, second);
    // The same process can go on with its own sweep.
    assert_eq!(store.finish_sweep(&ended(&second, Outcome::Failed, 6)).await, Ok(true));
    let read = only(&store).await.entry;
    takes(&store, &resume(&read, 2)).await;
}

pub async fn what_was_done_can_be_done_again_by_its_holder<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    takes(&store, &Claim::new(begun(1))).await;
    let dead = only(&store).await.entry;
    let entry = begun(2);
    for _ in 0..2 {
        takes(&store, &Claim::new(entry.clone()).evicting(dead.clone())).await;
    }
    assert_eq!(backend.sweeps().await.len(), 2);
    let entry = ended(&entry, Outcome::Interrupted, 5);
    for _ in 0..2 {
        assert_eq!(store.finish_sweep(&entry).await, Ok(true));
    }
    let read = store.sweeps(1).await.expect("the store answers")[0].entry.clone();
    for _ in 0..2 {
        takes(&store, &resume(&read, 3)).await;
    }
    assert_eq!(backend.sweeps().await.len(), 2);
}

pub async fn what_was_never_begun_cannot_be_ended<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let entry = begun(1);
    assert_eq!(store.renew_lock(&entry, None).await, Ok(false));
    assert_eq!(store.finish_sweep(&ended(&entry, Outcome::Complete, 1)).await, Ok(false));
    let old = ended(&entry, Outcome::Failed, 1);
    assert_eq!(store.take_lock(&resume(&old, 2)).await, Ok(None));
    assert_eq!(backend.sweeps().await, []);
}

pub async fn sweeps_that_earlier_versions_left_are_ended<B: Ledger>() {
    let backend = B::start().await;
    backend.leave_running(&["1", "2", "3"]).await;
    let taken = race(&backend, |pid| Claim::new(begun(pid))).await;
    let sweeps = backend.sweeps().await;
    assert_eq!(sweeps.len(), 4);
    for entry in sweeps.iter().filter(|entry| entry.id != taken.id) {
        assert_eq!(entry.state, State::Ended(Outcome::Failed));
        assert!(entry.ended_at.is_some());
    }
    // Trying once more ends nobody who has a name.
    let store = books(&backend).await;
    assert_eq!(store.take_lock(&Claim::new(begun(99))).await, Ok(None));
    assert_eq!(store.renew_lock(&taken, None).await, Ok(true));
}
