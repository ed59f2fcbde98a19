//! A run that lost its lock goes on: its store was out of its reach, or it was stopped. Another run has
//! taken over meanwhile, and finds nothing of it among its own.
//!
//! `GLEANER_TAKEOVER_ROUNDS` makes more rounds of each.

use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt;
use gleaner::demo::{Demo, Options};
use mongodb::bson::{Document, doc};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::every::until;
use super::program::{Ended, Program, Running, crawl, gleaner};
use super::{folder, sqlite, start};
use crate::mongod::fresh_database;
use crate::proxy::Proxy;

/// Books of the site.
const ITEMS: usize = 40;
/// After so long others take the lock over.
const SILENCE: &str = "1500ms";

fn rounds() -> usize {
    std::env::var("GLEANER_TAKEOVER_ROUNDS").map_or(2, |text| text.parse().expect("a number"))
}

fn run(demo: &Demo, store: &str, more: &[&str]) -> Program {
    crawl(demo.url(), store, &["--robots", "off", "--progress", "off", "--workers", "4"])
        .args(&["--batch", "5", "--flush", "10ms", "--store-wait", "40s"])
        .args(more)
        .env("GLEANER_TEST_HEARTBEAT", "200ms")
        .env("GLEANER_TEST_SILENCE", SILENCE)
        .env("GLEANER_TEST_CALL", "1s")
}

/// A site whose books are in the store, and have changed since.
fn site_that_changed(store: &str) -> Demo {
    let demo = start(Options { items: ITEMS, ..Options::default() });
    run(&demo, store, &[]).run().with(0);
    change_all(&demo);
    demo
}

fn change_all(demo: &Demo) {
    for key in demo.keys() {
        assert!(demo.change(&key), "{key}");
    }
}

/// Runs as soon as the lock can be had.
fn takes_over(demo: &Demo, store: &str, more: &[&str]) -> Running {
    loop {
        let first = run(demo, store, &["--fresh", "--limit", "1"]).run();
        match first.code {
            4 => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                first.with(0);
                return run(demo, store, &["--fresh"]).args(more).start();
            }
        }
    }
}

/// The run that lost the lock says so.
fn lost(ended: Ended) {
    ended.with(1).tells(&["lost the site lock"]);
}

/// All that is stored, in the order of collections or tables.
fn everything(store: &str) -> Vec<String> {
    match store.strip_prefix("sqlite:") {
        Some(path) => in_sqlite(Path::new(path)),
        None => in_mongodb(store),
    }
}

fn in_sqlite(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the file opens");
    connection.busy_timeout(Duration::from_secs(20)).expect("a time");
    let mut rows = Vec::new();
    for table in ["books", "gleaner_sweeps", "gleaner_failures"] {
        let sql = format!("SELECT * FROM {table} ORDER BY 1");
        let mut statement = connection.prepare(&sql).expect("a table");
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let cell = |at| match row.get_ref(at)? {
                ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
                other => Ok(format!("{other:?}")),
            };
            let cells: rusqlite::Result<Vec<String>> = (0..columns).map(cell).collect();
            Ok(format!("{table}: {}", cells?.join(", ")))
        };
        let found = statement.query_map([], read).expect("the query runs");
        rows.extend(found.map(|row| row.expect("a row")));
    }
    rows
}

fn in_mongodb(store: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = crate::mongod::database(store).await;
        let mut documents = Vec::new();
        for name in ["books", "gleaner_sweeps", "gleaner_failures"] {
            let collection = database.collection::<Document>(name);
            let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.expect("an answer");
            let found: Vec<Document> = found.try_collect().await.expect("documents");
            documents.extend(found.iter().map(|found| format!("{name}: {found}")));
        }
        documents
    })
}

/// Asserts that the store holds what the site serves, and that the ledger tells how each sweep ended.
fn is_as_the_next_run_left_it(demo: &Demo, store: &str, round: usize) {
    let exported = gleaner(&["export", "books", "--store", store]).run().with(0);
    let lines = exported.out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let stored: Vec<Value> = lines.collect();
    assert_eq!(stored.len(), ITEMS, "round {round}");
    for document in stored {
        let key = document["id"].as_str().expect("an id");
        assert_eq!(demo.document(key).as_ref(), Some(&document), "round {round}: {key}");
    }
    let all = everything(store);
    let running = all.iter().filter(|row| row.contains("running"));
    assert_eq!(running.count(), 0, "round {round}: {all:#?}");
    let ledger = all.iter().filter(|row| row.starts_with("gleaner_sweeps: "));
    let complete = ledger.filter(|row| row.contains("complete"));
    assert!(complete.count() >= 3, "round {round}: {all:#?}");
    assert!(!all.iter().any(|row| row.starts_with("gleaner_failures")), "round {round}");
}

/// The network between a run and MongoDB is cut while it writes. Another run takes over; the network
/// heals while the first one tries again, and delivers what was on its way: in every other round while
/// the second run writes, else after its end.
#[test]
fn s13_a_run_cut_off_from_mongodb_cannot_write_after_takeover() {
    for round in 0..rounds() {
        let store = fresh_database();
        let demo = site_that_changed(&store);
        let (server, database) =
            store.trim_start_matches("mongodb://").split_once('/').expect("a URI");
        let proxy = Proxy::to(server);
        let through = format!(
            "mongodb://127.0.0.1:{}/{database}?directConnection=true&connectTimeoutMS=1000&serverSelectionTimeoutMS=1000",
            proxy.port()
        );
        let first = run(&demo, &through, &["--rate", "60"]).start();
        until("a batch is written", || {
            everything(&store).iter().filter(|row| row.contains("\"fence\": 2")).count() > 6
        });
        proxy.cut();
        // More than a heartbeat: a batch is on its way.
        proxy.holds(3_000);
        change_all(&demo);
        let is_early = round % 2 == 1;
        let slowly: &[&str] = if is_early { &["--rate", "80"] } else { &[] };
        let next = takes_over(&demo, &store, slowly);
        if is_early {
            next.says("starting sweep");
            let asked = demo.stats().requests;
            until("it is under way", || demo.stats().requests > asked + 15);
            proxy.heal();
            next.end().with(0);
            lost(first.end());
        } else {
            next.end().with(0);
            let after = everything(&store);
            proxy.heal();
            lost(first.end());
            assert_eq!(everything(&store), after, "round {round}");
        }
        is_as_the_next_run_left_it(&demo, &store, round);
    }
}

/// A process is stopped, and goes on after another one has taken over.
fn stopped_and_continued(store: &str, round: usize) {
    let demo = site_that_changed(store);
    let first = run(&demo, store, &["--rate", "60"]).start();
    let asked = demo.stats().requests;
    until("it is under way", || demo.stats().requests > asked + 15);
    first.signal("STOP");
    change_all(&demo);
    takes_over(&demo, store, &[]).end().with(0);
    let after = everything(store);
    first.signal("CONT");
    lost(first.end());
    assert_eq!(everything(store), after, "round {round}");
    is_as_the_next_run_left_it(&demo, store, round);
}

#[test]
fn s13_a_stopped_process_cannot_write_after_takeover_in_sqlite() {
    for round in 0..rounds() {
        let (_folder, path) = folder();
        stopped_and_continued(&sqlite(&path), round);
    }
}

#[test]
fn s13_a_stopped_process_cannot_write_after_takeover_in_mongodb() {
    for round in 0..rounds() {
        stopped_and_continued(&fresh_database(), round);
    }
}
