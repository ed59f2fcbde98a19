//! Failures and sweeps, and whose collection it is.

use std::time::Duration;

use gleaner::model::failure::{Failure, PageId};
use gleaner::model::report::Coverage;
use gleaner::model::report::{Index, Items, Kind, Outcome, Requests, Writes};
use gleaner::observe::metrics::Snapshot;
use gleaner::observe::progress::{HostLoad, Progress};
use gleaner::store::{self, Rows, StoreError};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{State, SweepEntry};

use super::lock::takes;
use super::lock::{begun, begun_in};
use super::{KeptFailure, Ledger, books, writing};
use crate::records::{at, hold, index_failure, item_failure, place, provenance};

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
    let store = writing(&backend).await;
    assert!(store.keeps_failures());
    let first = [item_failure("7", "one", 0), index_failure(7, "two", 1)];
    assert_eq!(store.keep_failures(&provenance("s1"), &first).await, Ok(()));
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
    assert_eq!(store.keep_failures(&provenance("s2"), &[later]).await, Ok(()));
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

fn page(kind: &str, name: &str) -> PageId {
    PageId { kind: kind.into(), name: name.into() }
}

pub async fn failures_are_cleared_page_by_page<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let films = backend.open(&place("films", "films")).await.expect("the store opens");
    hold(&*films, &place("films", "films")).await;
    let failures = [
        item_failure("1", "m", 0),
        item_failure("2", "m", 0),
        item_failure("a/b", "m", 0),
        index_failure(1, "m", 0),
        index_failure(2, "m", 0),
    ];
    assert_eq!(store.keep_failures(&provenance("s1"), &failures).await, Ok(()));
    assert_eq!(films.keep_failures(&provenance("s1"), &failures[..1]).await, Ok(()));
    let cleared =
        [page("detail", "1"), page("detail", "a/b"), page("detail", "unknown"), failures[4].id()];
    assert_eq!(store.clear_failures(&cleared).await, Ok(()));
    let films = KeptFailure {
        site: "films".into(),
        collection: "films".into(),
        ..kept("detail", "1", "m", 0, 0)
    };
    let expected = [kept("detail", "2", "m", 0, 0), kept("index", "1", "m", 0, 0), films];
    assert_eq!(backend.failures().await, expected);
    let many: Vec<PageId> = (0..2500).map(|number| page("detail", &number.to_string())).collect();
    assert_eq!(store.clear_failures(&many).await, Ok(()));
    assert_eq!(backend.failures().await, expected[1..]);
}

pub async fn failures_are_read_in_the_order_of_their_pages<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    assert_eq!(store.failures(None, 10).await, Ok(Rows::default()));
    let bare = Failure { status: None, sample: None, ..item_failure("10", "m", 0) };
    let failures = [
        index_failure(2, "m", 0),
        item_failure("a/b", "m", 0),
        item_failure("9", "m", 0),
        index_failure(10, "m", 0),
        item_failure("\u{e4}", "m", 0),
        bare,
    ];
    assert_eq!(store.keep_failures(&provenance("s1"), &failures).await, Ok(()));
    // Names that begin like ours, before and after it.
    for (site, collection) in [("books", "book"), ("books", "books-2"), ("books", "books0")] {
        let other = backend.open(&place(site, collection)).await.expect("the store opens");
        hold(&*other, &place(site, collection)).await;
        assert_eq!(other.keep_failures(&provenance("s1"), &failures).await, Ok(()));
    }
    let (mut part, mut found) = (Rows::default(), Vec::new());
    loop {
        part = store.failures(part.next.as_ref(), 4).await.expect("the store answers");
        assert!(part.found.len() <= 4);
        found.append(&mut part.found);
        if part.next.is_none() {
            break;
        }
    }
    let names: Vec<String> = found.iter().map(|failure| failure.page.to_string()).collect();
    assert_eq!(
        names,
        ["detail/10", "detail/9", "detail/a/b", "detail/\u{e4}", "index/10", "index/2"]
    );
    let expected = store::KeptFailure {
        page: page("detail", "9"),
        url: "http://127.0.0.1/failed".into(),
        reason: "status".into(),
        message: "m".into(),
        status: Some(500),
        attempts: 5,
        sample: Some("<html>".into()),
        first_at: at(0),
        last_at: at(0),
        sweep: "s1".into(),
    };
    let bare = store::KeptFailure {
        page: page("detail", "10"),
        status: None,
        sample: None,
        ..expected.clone()
    };
    assert_eq!(found[..2], [bare, expected]);
}

pub async fn sweeps_are_kept_and_read_back<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    assert_eq!(store.sweeps(10).await, Ok(Vec::new()));
    let first = SweepEntry {
        started_at: at(0),
        runs: 3,
        kind: Kind::Partial { since: at(-9) },
        ..begun(1)
    };
    let fence = takes(&store, &Claim::new(first.clone())).await;
    let first = SweepEntry { fence, ..first };
    let running = backend.sweeps().await;
    assert_eq!(running.len(), 1);
    assert!(running[0].heartbeat_at.is_some());
    assert_eq!(SweepEntry { heartbeat_at: None, ..running[0].clone() }, first);
    assert_eq!(store.sweeps(10).await.expect("the store answers")[0].entry, running[0]);

    let snapshot = Snapshot {
        elapsed: Duration::from_millis(4321),
        requests: Requests { total: 7, p50_ms: 1.5, ..Requests::default() },
        index: Index { declared: Some(9), ..Index::default() },
        items: Items::default(),
        store: Writes::default(),
    };
    let problems = vec!["one \"problem\"".to_owned()];
    let mut ended = first.end(Outcome::Incomplete, &snapshot, problems);
    // Names of a site's members, as sites have them.
    let coverage = Coverage { pages: 9, found: 8, top: 7 };
    if let Some(report) = &mut ended.report {
        let names = ["$ref", "@odata.etag", "a.b", "", "名"];
        report.baseline.fields = names.into_iter().map(|name| (name.into(), coverage)).collect();
    }
    let ended = SweepEntry { ended_at: Some(at(5)), ..ended };
    assert_eq!(store.finish_sweep(&ended).await, Ok(true));
    assert_eq!(backend.sweeps().await, std::slice::from_ref(&ended));
    let read = store.sweeps(10).await.expect("the store answers");
    assert_eq!((&read[0].entry, read[0].silent_for), (&ended, None));
}

pub async fn the_progress_of_a_running_sweep_comes_with_its_heartbeats<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let first = begun(1);
    takes(&store, &Claim::new(first.clone())).await;
    let read = async || store.sweeps(1).await.expect("the store answers").remove(0);
    assert_eq!(read().await.progress, None);
    let progress = |outstanding| {
        let host = HostLoad { name: "h:1".into(), wait_s: Some(1.5), ..HostLoad::default() };
        let problems = vec!["one $set \"problem\"".to_owned()];
        Progress { outstanding, hosts: vec![host], problems, ..Progress::default() }
    };
    for number in [7, 8] {
        let progress = progress(number);
        assert_eq!(store.renew_lock(&first, Some(&progress)).await, Ok(true));
        assert_eq!(read().await.progress, Some(progress));
    }
    assert_eq!(store.renew_lock(&first, None).await, Ok(true));
    assert_eq!(read().await.progress, Some(progress(8)), "a heartbeat without one keeps the last");
    // A run that is evicted leaves what was last known of it.
    let dead = read().await.entry;
    let second = begun(2);
    takes(&store, &Claim::new(second.clone()).evicting(dead)).await;
    let both = store.sweeps(2).await.expect("the store answers");
    assert_eq!((&both[0].progress, &both[1].progress), (&None, &Some(progress(8))));
    assert_eq!(store.renew_lock(&first, Some(&progress(9))).await, Ok(false));
    assert_eq!(store.renew_lock(&second, Some(&progress(1))).await, Ok(true));
    // A sweep that ended has a report instead.
    let state = State::Ended(Outcome::Interrupted);
    let ended = SweepEntry { state, ended_at: Some(at(9)), ..second };
    assert_eq!(store.finish_sweep(&ended).await, Ok(true));
    assert_eq!(read().await.progress, None);
}

/// Whatever came after them: parts of the site, and sweeps that were not complete.
pub async fn p13_whole_sweeps_are_found_behind_any_number_of_others<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let kinds = [
        (Outcome::Complete, Kind::Full),
        (Outcome::Complete, Kind::Limited),
        (Outcome::Incomplete, Kind::Full),
        (Outcome::Complete, Kind::Partial { since: at(1) }),
    ];
    for number in 0..60_i64 {
        let (outcome, kind) = kinds[if number % 30 == 0 { 0 } else { 1 + number as usize % 3 }];
        let entry = SweepEntry { id: format!("{number:03}").into(), kind, ..begun(1) };
        takes(&store, &Claim::new(entry.clone())).await;
        let ended = SweepEntry { state: State::Ended(outcome), ended_at: Some(at(9)), ..entry };
        assert_eq!(store.finish_sweep(&ended).await, Ok(true));
    }
    let ids = |most| {
        let whole = store.whole_sweeps(most);
        async { whole.await.expect("an answer").into_iter().map(|it| it.id.to_string()).collect() }
    };
    let (all, one): (Vec<String>, Vec<String>) = (ids(5).await, ids(1).await);
    assert_eq!((all, one), (vec!["030".into(), "000".into()], vec!["030".into()]));
}

/// The clock is set back before each, so that ids and dates tell another order.
pub async fn s14_sweeps_are_read_newest_first_by_the_number_of_the_lock<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let mut ids = Vec::new();
    for second in 0..205 {
        let (id, started_at) = (format!("{:03}", 205 - second).into(), at(-second));
        let entry = SweepEntry { id, started_at, ..begun(1) };
        takes(&store, &Claim::new(entry.clone())).await;
        let state = State::Ended(Outcome::Complete);
        let ended = SweepEntry { state, ended_at: Some(at(second)), ..entry };
        assert_eq!(store.finish_sweep(&ended).await, Ok(true));
        ids.push(ended.id);
    }
    let other = begun_in("books", "copy", 1);
    let copy = backend.open(&place("books", "copy")).await.expect("the store opens");
    takes(&copy, &Claim::new(other.clone())).await;
    ids.reverse();
    for most in [0, 1, 3, 100, 150, 205, 206, usize::MAX] {
        let sweeps = store.sweeps(most).await.expect("the store answers");
        let found: Vec<_> = sweeps.into_iter().map(|it| it.entry.id).collect();
        assert_eq!(found, ids[..most.min(205)]);
    }
}

pub async fn what_a_run_has_to_know_stands_behind_any_number_of_others<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let mut day = 0;
    let mut end = async |kind, outcome| {
        day += 1;
        let id = format!("{:03}", 500 - day).into();
        let entry = SweepEntry { kind, id, ..begun(1) };
        takes(&store, &Claim::new(entry.clone())).await;
        let state = State::Ended(outcome);
        let ended = SweepEntry { state, ended_at: Some(at(9)), ..entry };
        assert_eq!(store.finish_sweep(&ended).await, Ok(true));
        ended.id
    };
    let latest = async || {
        let latest = store.latest_sweeps().await.expect("the store answers");
        latest.into_iter().map(|it| (it.entry.id, it.silent_for.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(latest().await, []);
    let partial = Kind::Partial { since: at(1) };
    let (complete, interrupted) = (Outcome::Complete, Outcome::Interrupted);
    let mut expected = Vec::new();
    for (kind, outcome) in [
        (Kind::Full, complete),
        (Kind::Full, interrupted),
        (partial, complete),
        (partial, interrupted),
        (Kind::Limited, interrupted),
    ] {
        end(kind, outcome).await;
        expected.insert(0, (end(kind, outcome).await, false));
    }
    for _ in 0..120 {
        expected[0].0 = end(Kind::Limited, interrupted).await;
    }
    assert_eq!(latest().await, expected);
    let running = begun(1);
    takes(&store, &Claim::new(running.clone())).await;
    expected.insert(0, (running.id, true));
    assert_eq!(latest().await, expected);
}

pub async fn entries_of_earlier_versions_are_read<B: Ledger>() {
    let backend = B::start().await;
    backend.leave_running(&["1"]).await;
    let store = books(&backend).await;
    let sweeps = store.sweeps(10).await.expect("the store answers");
    assert_eq!(sweeps.len(), 1);
    let SweepEntry { id, started_at, scope, holder, heartbeat_at, runs, report, .. } =
        &sweeps[0].entry;
    assert_eq!((&**id, *started_at, &*scope.definition), ("1", at(0), "1:d"));
    assert_eq!((holder, heartbeat_at, *runs, report), (&None, &None, 1, &None));
    assert_eq!(sweeps[0].silent_for, None);
}

pub async fn another_site_is_refused<B: Ledger>() {
    let backend = B::start().await;
    let store = books(&backend).await;
    let late = backend.open(&place("films", "books")).await.expect("it is nobody's yet");
    takes(&store, &Claim::new(begun(1))).await;
    assert_eq!(store.close().await, Ok(()));
    let entry = begun_in("films", "books", 2);
    let taken = late.take_lock(&Claim::new(entry.clone())).await;
    assert!(matches!(taken, Err(StoreError::Unusable(_))), "{taken:?}");

    let Err(StoreError::Unusable(message)) = backend.open(&place("films", "books")).await else {
        panic!("another site's collection was opened");
    };
    for part in ["books", "films", "collection"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(backend.open(&place("films", "films")).await.is_ok());
    assert!(backend.open(&place("books", "books")).await.is_ok());
}
