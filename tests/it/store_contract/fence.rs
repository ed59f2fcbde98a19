//! A store writes under the lock that it took, and changes nothing that a later holder wrote.

use std::sync::Arc;

use gleaner::model::record::{Fetched, PageVersion, Record, Seen};
use gleaner::model::report::Outcome;
use gleaner::store::{Position, Store, StoreError, Stored};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{State, SweepEntry};

use super::lock::{begun, holder, takes};
use super::{KeptFailure, Ledger, books};
use crate::records::{at, changed, item_failure, key, keys, provenance, record, same};

/// All that the store holds.
async fn everything<B: Ledger>(
    backend: &B,
    store: &Arc<dyn Store>,
) -> (Vec<Stored>, Vec<KeptFailure>, Vec<SweepEntry>) {
    let stored = store.read(None::<&Position>, 1_000).await.expect("the store answers").found;
    (stored, backend.failures().await, backend.sweeps().await)
}

/// Another run takes the lock over; answers with its store, and with the entries of both.
async fn taken_over<B: Ledger>(
    backend: &B,
    store: &Arc<dyn Store>,
) -> (Arc<dyn Store>, SweepEntry, SweepEntry) {
    let next = books(backend).await;
    let was = store.sweeps(1).await.expect("the ledger").remove(0).entry;
    let entry = SweepEntry { holder: holder(2), runs: was.runs + 1, ..was.clone() };
    let fence = takes(&next, &Claim::resume(entry.clone(), was.clone())).await;
    assert!(fence > was.fence, "{fence} after {}", was.fence);
    (next, was, SweepEntry { fence, ..entry })
}

pub async fn s13_without_the_lock_nothing_is_written<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let before = everything(&backend, &store).await;
    let lost = StoreError::LockLost;
    let records = [record("1", "{}", store.encoding())];
    assert_eq!(store.write(&provenance("s"), &records).await, Err(lost.clone()));
    let seen = [Seen { key: key("1"), at: at(0), fetched: None }];
    assert_eq!(store.mark_seen(&provenance("s"), &seen).await, Err(lost.clone()));
    assert_eq!(store.mark_unlisted(&keys(&["1"]), at(0)).await, Err(lost.clone()));
    assert_eq!(store.mark_gone(&keys(&["1"]), at(0)).await, Err(lost.clone()));
    let failures = [item_failure("1", "m", 0)];
    assert_eq!(store.keep_failures(&provenance("s"), &failures).await, Err(lost.clone()));
    assert_eq!(store.clear_failures(&[failures[0].id()]).await, Err(lost.clone()));
    assert_eq!(everything(&backend, &store).await, before);

    // Nor is it after the end.
    let entry = begun(1);
    let fence = takes(&store, &Claim::new(entry.clone())).await;
    assert_eq!(store.write(&provenance("s"), &records).await, Ok(Vec::new()));
    let state = State::Ended(Outcome::Complete);
    let ended = SweepEntry { state, ended_at: Some(at(1)), fence, ..entry };
    assert_eq!(store.finish_sweep(&ended).await, Ok(true));
    assert_eq!(store.mark_gone(&keys(&["1"]), at(0)).await, Err(lost));
}

/// The first run knows nothing of its loss: it is as if all that it writes had been on its way.
pub async fn s13_a_run_that_lost_the_lock_changes_nothing_that_the_next_one_wrote<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let form = store.encoding();
    takes(&store, &Claim::new(begun(1))).await;
    let names = ["1", "2", "3", "4", "5", "6"];
    let first: Vec<Record> = names.map(|name| record(name, r#"{"v":1}"#, form)).into();
    assert_eq!(store.write(&provenance("s1"), &first).await, Ok(Vec::new()));
    let failures = [item_failure("8", "m", 0), item_failure("9", "m", 0)];
    assert_eq!(store.keep_failures(&provenance("s1"), &failures).await, Ok(()));

    let (next, was, holds) = taken_over(&backend, &store).await;
    let written = ["1", "2"].map(|name| changed(name, r#"{"v":2}"#, form, 60));
    assert_eq!(next.write(&provenance("s2"), &written).await, Ok(Vec::new()));
    assert_eq!(
        next.write(&provenance("s2"), &[same("3", r#"{"v":1}"#, form, 60)]).await,
        Ok(vec![])
    );
    let etag = Fetched::With(PageVersion { etag: Some("new".into()), ..PageVersion::default() });
    let seen = [("4", None), ("5", Some(Fetched::Same)), ("6", Some(etag))];
    let seen = seen.map(|(name, fetched)| Seen { key: key(name), at: at(60), fetched });
    assert_eq!(next.mark_seen(&provenance("s2"), &seen).await, Ok(Vec::new()));
    assert_eq!(next.mark_unlisted(&keys(&["4"]), at(60)).await, Ok(()));
    assert_eq!(next.keep_failures(&provenance("s2"), &[item_failure("8", "n", 60)]).await, Ok(()));
    assert_eq!(next.clear_failures(&[item_failure("9", "m", 0).id()]).await, Ok(()));

    let before = everything(&backend, &next).await;
    let lost = StoreError::LockLost;
    for name in names {
        for late in [
            record(name, r#"{"v":0}"#, form),
            changed(name, r#"{"v":0}"#, form, 30),
            changed(name, r#"{"$v":0}"#, form, 30),
            same(name, r#"{"v":1}"#, form, 30),
            Record { version: PageVersion::default(), ..same(name, r#"{"v":1}"#, form, 30) },
        ] {
            let verdict = late.verdict;
            let answer = store.write(&provenance("s1"), &[late]).await;
            assert_eq!(answer, Err(lost.clone()), "{name} {verdict:?}");
        }
        for fetched in [None, Some(Fetched::Same), Some(Fetched::With(PageVersion::default()))] {
            let seen = [Seen { key: key(name), at: at(30), fetched }];
            assert_eq!(
                store.mark_seen(&provenance("s1"), &seen).await,
                Err(lost.clone()),
                "{name}"
            );
        }
    }
    assert_eq!(store.mark_unlisted(&keys(&["1", "5"]), at(30)).await, Err(lost.clone()));
    assert_eq!(store.mark_gone(&keys(&names), at(30)).await, Err(lost.clone()));
    let late = [item_failure("8", "late", 30), item_failure("9", "late", 30)];
    assert_eq!(store.keep_failures(&provenance("s1"), &late).await, Err(lost));
    // Whether it was taken off is not said everywhere; it was not.
    let _ = store.clear_failures(&[late[0].id()]).await;
    let state = State::Ended(Outcome::Complete);
    let ended = SweepEntry { state, ended_at: Some(at(30)), ..was.clone() };
    assert_eq!(store.finish_sweep(&ended).await, Ok(false));
    assert_eq!(everything(&backend, &next).await, before, "nothing was written after the loss");
    assert_eq!(store.renew_lock(&was, None).await, Ok(false));
    assert_eq!(everything(&backend, &next).await, before);
    assert_eq!(next.renew_lock(&holds, None).await, Ok(true));
}

/// What is new has no number to compare with: where it can come after the loss, it is the later
/// holder's to replace.
pub async fn s13_what_is_inserted_after_the_loss_is_replaced_by_the_holder<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let form = store.encoding();
    takes(&store, &Claim::new(begun(1))).await;
    let (next, _, _) = taken_over(&backend, &store).await;
    match store.write(&provenance("s1"), &[record("new", r#"{"v":1}"#, form)]).await {
        Ok(rejections) => assert_eq!(rejections, []),
        Err(error) => assert_eq!(error, StoreError::LockLost),
    }
    let newer = changed("new", r#"{"v":2}"#, form, 60);
    let newer = Record { verdict: gleaner::model::record::Verdict::New, ..newer };
    assert_eq!(next.write(&provenance("s2"), &[newer]).await, Ok(Vec::new()));
    let late = record("new", r#"{"v":1}"#, form);
    assert_eq!(store.write(&provenance("s1"), &[late]).await, Err(StoreError::LockLost));
    let stored = next.read(None, 10).await.expect("the store answers").found;
    let [stored] = <[Stored; 1]>::try_from(stored).expect("one document");
    assert_eq!((&*stored.text, stored.known.sweep.as_deref()), (r#"{"v":2}"#, Some("s2")));
}

/// A process that loses the lock may take it again while something of before is on its way.
pub async fn s13_a_lock_of_the_same_process_is_told_apart_by_its_number<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let form = store.encoding();
    takes(&store, &Claim::new(begun(1))).await;
    assert_eq!(
        store.write(&provenance("s1"), &[record("1", r#"{"v":1}"#, form)]).await,
        Ok(vec![])
    );
    let (next, was, holds) = taken_over(&backend, &store).await;
    let again = books(&backend).await;
    let entry = SweepEntry { holder: holder(1), ..holds.clone() };
    let last = next.sweeps(1).await.expect("the ledger").remove(0).entry;
    takes(&again, &Claim::resume(entry, last)).await;
    let newer = changed("1", r#"{"v":2}"#, form, 60);
    assert_eq!(again.write(&provenance("s1"), &[newer]).await, Ok(Vec::new()));
    let before = everything(&backend, &again).await;
    let late = changed("1", r#"{"v":0}"#, form, 30);
    assert_eq!(store.write(&provenance("s1"), &[late]).await, Err(StoreError::LockLost));
    let state = State::Ended(Outcome::Failed);
    let ended = SweepEntry { state, ended_at: Some(at(30)), ..was.clone() };
    assert_eq!(store.finish_sweep(&ended).await, Ok(false));
    assert_eq!(store.renew_lock(&was, None).await, Ok(false));
    assert_eq!(everything(&backend, &again).await, before);
}
