//! Failures and sweeps, and whose collection it is.

use std::time::Duration;

use gleaner::metrics::Snapshot;
use gleaner::record::Failure;
use gleaner::store::StoreError;
use gleaner::sweep::{Index, Items, Outcome, Requests, State, SweepEntry, Writes};

use super::{KeptFailure, Ledger, books};
use crate::records::{at, index_failure, item_failure, keys, place, stamp};

fn kept(kind: &str, page: &str, message: &str, first: i64, last: i64) -> KeptFailure {
    KeptFailure {
        site: "books".into(),
        collection: "books".into(),
        kind: kind.into(),
        page: page.into(),
        url: "http://127.0.0.1/failed".into(),
        reason: "status".into(),
        message: message.into(),
        status: Some(500),
        attempts: 5,
        sample: Some("<html>".into()),
        first_at: at(first),
        last_at: at(last),
        sweep: "s1".into(),
    }
}

pub async fn failures_are_kept_once_a_page_with_the_first_time<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    assert!(store.keeps_failures());
    let first = [item_failure("7", "one", 0), index_failure(7, "two", 1)];
    assert_eq!(store.keep_failures(&stamp("s1"), &first).await, Ok(()));
    let expected = [kept("detail", "7", "one", 0, 0), kept("index", "7", "two", 1, 1)];
    assert_eq!(backend.failures().await, expected);

    let later = Failure {
        url: "http://127.0.0.1/elsewhere".into(),
        reason: "timeout",
        status: None,
        attempts: 3,
        sample: None,
        ..item_failure("7", "three", 60)
    };
    assert_eq!(store.keep_failures(&stamp("s2"), &[later]).await, Ok(()));
    let replaced = KeptFailure {
        url: "http://127.0.0.1/elsewhere".into(),
        reason: "timeout".into(),
        status: None,
        attempts: 3,
        sample: None,
        sweep: "s2".into(),
        ..kept("detail", "7", "three", 0, 60)
    };
    assert_eq!(backend.failures().await, [replaced, expected[1].clone()]);
}

pub async fn failures_of_items_are_cleared_and_no_others<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let films = backend.open(&place("films", "films")).await.expect("the store opens");
    let failures = [
        item_failure("1", "m", 0),
        item_failure("2", "m", 0),
        item_failure("a/b", "m", 0),
        index_failure(1, "m", 0),
    ];
    assert_eq!(store.keep_failures(&stamp("s1"), &failures).await, Ok(()));
    assert_eq!(films.keep_failures(&stamp("s1"), &failures[..1]).await, Ok(()));
    assert_eq!(store.clear_failures(&keys(&["1", "a/b", "unknown"])).await, Ok(()));
    let films = KeptFailure {
        site: "films".into(),
        collection: "films".into(),
        ..kept("detail", "1", "m", 0, 0)
    };
    let expected = [kept("detail", "2", "m", 0, 0), kept("index", "1", "m", 0, 0), films];
    assert_eq!(backend.failures().await, expected);
}

pub async fn sweeps_are_kept_and_replaced<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let begun = |definition: &str, limited| SweepEntry {
        started_at: at(0),
        ..SweepEntry::begin("books", "books", definition, limited)
    };
    let (first, second) = (begun("1:d1", false), begun("1:d2", true));
    assert_eq!(store.keep_sweep(&first).await, Ok(()));
    assert_eq!(store.keep_sweep(&second).await, Ok(()));
    assert_eq!(backend.sweeps().await, [first.clone(), second.clone()]);
    assert_eq!(first.state, State::Running);

    let snapshot = Snapshot {
        elapsed: Duration::from_millis(4321),
        requests: Requests { total: 7, p50_ms: 1.5, ..Requests::default() },
        index: Index { declared: Some(9), ..Index::default() },
        items: Items::default(),
        store: Writes::default(),
        lost_pages: 0,
    };
    let problems = vec!["one \"problem\"".to_owned()];
    let ended = first.end(Outcome::Incomplete, &snapshot, problems);
    let ended = SweepEntry { ended_at: Some(at(5)), ..ended };
    assert_eq!(store.keep_sweep(&ended).await, Ok(()));
    assert_eq!(backend.sweeps().await, [ended, second]);
}

pub async fn another_site_is_refused<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let entry = SweepEntry::begin("books", "books", "1:d", false);
    assert_eq!(store.keep_sweep(&entry).await, Ok(()));
    assert_eq!(store.close().await, Ok(()));

    let Err(StoreError::Unusable(message)) = backend.open(&place("films", "books")).await else {
        panic!("another site's collection was opened");
    };
    for part in ["books", "films", "collection"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(backend.open(&place("films", "films")).await.is_ok());
    assert!(backend.open(&place("books", "books")).await.is_ok());
}
