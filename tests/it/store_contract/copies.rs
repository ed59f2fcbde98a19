//! What another store holds is written as it is.

use std::sync::Arc;

use gleaner::model::failure::PageId;
use gleaner::model::record::{Known, PageVersion};
use gleaner::model::report::{Kind, Outcome};
use gleaner::observe::metrics::Metrics;
use gleaner::observe::progress::Progress;
use gleaner::store::{DocumentCopy, KeptFailure, Store, StoreError};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{LedgerEntry, State, SweepEntry};

use super::lock::{begun, begun_in, takes};
use super::{Ledger, books, writing};
use crate::records::{at, document, hold, key, place};

/// A document with all facts, or with none that need not be known.
fn copies(store: &Arc<dyn Store>) -> Vec<DocumentCopy> {
    let text = r#"{"_id":1,"$a":{"b.c":[1.5,-0.0,9007199254740993]},"_gleaner":null,"title":"é"}"#;
    let of = |known, text| DocumentCopy { known, document: document(text, store.encoding()) };
    let all = Known {
        key: key("10"),
        url: Some("http://127.0.0.1/item/10".into()),
        digest: Some(document("{\"another\":1}", store.encoding()).digest),
        sweep: Some("s1".into()),
        rules: Some("1:rules".into()),
        version: PageVersion {
            revision: Some("r".into()),
            etag: Some("\"e\"".into()),
            last_modified: Some("Tue, 01 Dec 2026 10:00:00 GMT".into()),
        },
        first_seen: Some(at(1)),
        fetched_at: Some(at(2)),
        changed_at: Some(at(3)),
        seen_at: Some(at(4)),
        unlisted_at: Some(at(5)),
        gone_at: Some(at(6)),
    };
    let none = Known {
        key: key("9"),
        url: None,
        digest: None,
        sweep: None,
        rules: None,
        version: PageVersion::default(),
        first_seen: Some(at(1)),
        fetched_at: None,
        changed_at: None,
        seen_at: None,
        unlisted_at: None,
        gone_at: None,
    };
    vec![of(all, text), of(none, "{}")]
}

pub async fn documents_are_restored_with_all_facts_as_they_are<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    for _ in 0..2 {
        let copies = copies(&store);
        assert_eq!(store.restore_documents(&copies).await, Ok(Vec::new()));
        let found = store.read(None, 10).await.expect("the store answers").found;
        let mut found: Vec<(Known, String)> =
            found.into_iter().map(|stored| (stored.known, stored.text)).collect();
        found.sort_by(|a, b| a.0.key.cmp(&b.0.key));
        let known: Vec<&Known> = found.iter().map(|(known, _)| known).collect();
        assert_eq!(known, copies.iter().map(|copy| &copy.known).collect::<Vec<_>>());
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let expected =
            r#"{"$a":{"b.c":[1.5,-0.0,9007199254740993]},"title":"é","_id":1,"_gleaner":null}"#;
        assert_eq!(value(&found[0].1), value(expected));
        assert_eq!(found[1].1, "{}");
    }
    // What was there is replaced, with what is not known any more.
    let mut copies = copies(&store);
    let bare = Known { key: key("10"), ..copies[1].known.clone() };
    copies[0].known = bare.clone();
    assert_eq!(store.restore_documents(&copies[..1]).await, Ok(Vec::new()));
    assert_eq!(store.known(&[key("10")]).await, Ok(vec![bare]));
}

pub async fn failures_are_restored_with_both_times<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let failure = |name: &str, first, last| KeptFailure {
        page: PageId { kind: "detail".into(), name: name.into() },
        url: "http://127.0.0.1/failed".into(),
        reason: "status".into(),
        message: "m".into(),
        status: Some(500),
        attempts: 5,
        sample: Some("<html>".into()),
        first_at: at(first),
        last_at: at(last),
        sweep: "s1".into(),
    };
    let bare = KeptFailure { status: None, sample: None, ..failure("b", 3, 4) };
    for failures in [[failure("a", 1, 2), bare.clone()], [failure("a", 0, 9), bare]] {
        assert_eq!(store.restore_failures(&failures).await, Ok(()));
        assert_eq!(store.failures(None, 10).await.expect("an answer").found, failures);
    }
}

/// A ledger as a site has it after a while, the newest first.
fn ledger() -> Vec<LedgerEntry> {
    let told = |entry, progress| LedgerEntry { entry, silent_for: None, progress };
    let snapshot = Metrics::new().snapshot();
    let ended = |id: &str, fence, kind, outcome| {
        let entry = begun(1).end(outcome, &snapshot, vec!["one.two: $three".into()]);
        let (started_at, ended_at) = (at(fence), Some(at(fence + 5)));
        let report = entry.report.map(|report| gleaner::model::report::Report {
            started_at,
            baseline: gleaner::model::report::Baseline { kind: Some(kind), ..report.baseline },
            ..report
        });
        SweepEntry { id: id.into(), fence, kind, started_at, ended_at, report, ..entry }
    };
    let failed = SweepEntry { report: None, ..ended("d", 7, Kind::Full, Outcome::Failed) };
    let progress = Progress { outstanding: 3, ..Progress::default() };
    let resumed = SweepEntry {
        runs: 3,
        resumed_at: Some(at(3)),
        ..ended("c", 5, Kind::Full, Outcome::Incomplete)
    };
    vec![
        told(failed, Some(progress)),
        told(resumed, None),
        told(ended("e", 2, Kind::Partial { since: at(1) }, Outcome::Complete), None),
        told(ended("b", 0, Kind::Limited, Outcome::Complete), None),
        told(ended("a", 0, Kind::Full, Outcome::Complete), None),
    ]
}

pub async fn sweeps_are_restored_with_the_numbers_of_their_locks<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    // The lock of a copy comes after all that is copied.
    let copy = SweepEntry { fence: 8, ..begun(1) };
    assert_eq!(takes(&store, &Claim::new(copy.clone())).await, 8);
    let ledger = ledger();
    for _ in 0..2 {
        assert_eq!(store.restore_sweeps(&ledger).await, Ok(()));
        let found = store.sweeps(10).await.expect("the ledger");
        assert_eq!((found[0].entry.fence, &found[1..]), (8, &*ledger));
    }
    let lock = store.sweeps(1).await.expect("the ledger").remove(0).entry;
    let (mut last, mut paged) = (lock.clone(), Vec::new());
    while let Some(found) = store.sweeps_before(&last, 2).await.expect("the ledger").last().cloned()
    {
        paged.extend(store.sweeps_before(&last, 2).await.expect("the ledger"));
        last = found.entry;
    }
    assert_eq!(paged, ledger, "page by page");
    // A sweep that was resumed in the source since then.
    let again = LedgerEntry {
        entry: SweepEntry { fence: 6, ..ledger[1].entry.clone() },
        ..ledger[1].clone()
    };
    assert_eq!(store.restore_sweeps(&[again]).await, Ok(()));
    assert_eq!(store.sweeps(3).await.expect("the ledger")[2].entry.fence, 6);
    let state = State::Ended(Outcome::Complete);
    let end = SweepEntry { state, ended_at: Some(at(9)), ..lock };
    assert_eq!(store.finish_sweep(&end).await, Ok(true));
    let next = books(&backend).await;
    assert_eq!(takes(&next, &Claim::new(begun(2))).await, 9);
}

pub async fn sweeps_of_another_site_are_not_replaced<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let films = backend.open(&place("films", "films")).await.expect("the store opens");
    hold(&*films, &place("films", "films")).await;
    let ledger = ledger();
    assert_eq!(store.restore_sweeps(&ledger).await, Ok(()));
    let mut other = ledger[1].clone();
    other.entry.scope = begun_in("films", "films", 1).scope;
    let refused = films.restore_sweeps(&[other]).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    let mut found = store.sweeps(10).await.expect("the ledger");
    found.retain(|it| it.entry.state != State::Running);
    assert_eq!(found, ledger);
}

pub async fn s13_without_the_lock_nothing_is_restored<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let lost = StoreError::LockLost;
    let copies = copies(&store);
    assert_eq!(store.restore_documents(&copies).await, Err(lost.clone()));
    assert_eq!(store.restore_sweeps(&ledger()).await, Err(lost.clone()));
    let failure = KeptFailure {
        page: PageId { kind: "detail".into(), name: "1".into() },
        url: "u".into(),
        reason: "status".into(),
        message: "m".into(),
        status: None,
        attempts: 1,
        sample: None,
        first_at: at(0),
        last_at: at(0),
        sweep: "s".into(),
    };
    assert_eq!(store.restore_failures(&[failure]).await, Err(lost));
    assert_eq!(store.read(None, 9).await.expect("an answer").found, []);
    assert_eq!(store.sweeps(9).await, Ok(Vec::new()));
    assert_eq!(store.failures(None, 9).await.expect("an answer").found, []);
}
