//! JSON lines: the form of a line, and files and pipes that go wrong.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gleaner::model::document::Encoding;
use gleaner::model::record::{Record, Seen};
use gleaner::model::report::Outcome;
use gleaner::observe::metrics::Metrics;
use gleaner::store::{self, Rows, Store, StoreError, StoreUrl};
use gleaner::sweep::SweepEntry;
use gleaner::sweep::lock::Claim;
use serde_json::{Value, json};

use crate::records::{at, keys, place, provenance, record};
use crate::store_contract::lock::takes;

async fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    store::open(&StoreUrl::JsonLines(Some(path.to_owned())), &place("books", "books")).await
}

fn of_text(key: &str, text: &str) -> Record {
    record(key, text, Encoding::Text)
}

/// A pipe, and a path that opens its writing end once more.
fn pipe() -> (PipeReader, PipeWriter, PathBuf) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let path = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
    (reader, writer, path)
}

fn message(result: Result<Vec<store::Rejection>, StoreError>) -> String {
    match result {
        Err(StoreError::Failed(message)) => message,
        other => panic!("not failed but {other:?}"),
    }
}

#[tokio::test]
async fn a_line_is_the_record_with_its_text_as_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.jsonl");
    let store = open(&path).await.expect("the store opens");
    let odd =
        Record { fetched_at: at(1), ..of_text("a\"b", "{\r\n \"x\": 1e2,\n \"y\": \"\\n\" }") };
    let written = store.write(&provenance("s"), &[of_text("1", r#"{"b":1.0,"a":2}"#), odd]).await;
    assert_eq!(written, Ok(Vec::new()));
    let expected = concat!(
        r#"{"key":"1","url":"http://127.0.0.1/item/1","fetched_at":"2026-11-20T10:00:00.000Z","doc":{"b":1.0,"a":2}}"#,
        "\n",
        r#"{"key":"a\"b","url":"http://127.0.0.1/item/a\"b","fetched_at":"2026-11-20T10:00:01.000Z","doc":{   "x": 1e2,  "y": "\n" }}"#,
        "\n"
    );
    end(&*store, Outcome::Complete).await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), expected);
    let lines = expected.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let documents: Vec<Value> = lines.map(|mut line| line["doc"].take()).collect();
    assert_eq!(documents, [json!({"b": 1.0, "a": 2}), json!({"x": 1e2, "y": "\n"})]);
}

#[tokio::test]
async fn d11_the_file_is_replaced_when_the_sweep_came_to_its_end_and_nothing_is_known_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.jsonl");
    std::fs::write(&path, "of an earlier run\n").expect("written");
    let store = open(&path).await.expect("the store opens");
    assert!(store.was_empty());
    assert!(!store.keeps_failures());
    assert_eq!(store.write(&provenance("s"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "of an earlier run\n");
    assert_eq!(store.known(&keys(&["1"])).await, Ok(Vec::new()));
    let Err(StoreError::Failed(message)) = store.read(None, 1).await else { panic!("was read") };
    assert!(message.contains("out.jsonl") && message.contains("JSON lines"), "{message}");
    end(&*store, Outcome::Incomplete).await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file").lines().count(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[tokio::test]
async fn d11_a_sweep_that_does_not_come_to_its_end_leaves_the_old_file_and_says_where_the_new_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.jsonl");
    std::fs::write(&path, "of an earlier run\n").expect("written");
    for outcome in [Outcome::Failed, Outcome::Interrupted] {
        let store = open(&path).await.expect("the store opens");
        assert_eq!(store.write(&provenance("s"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
        let left = store.left_unfinished().expect("a sentence");
        end(&*store, outcome).await;
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "of an earlier run\n");
        let partial = left.rsplit(' ').next().expect("a path");
        assert!(partial.ends_with(".partial") && Path::new(partial).is_file(), "{left}");
    }
    let store = open(&path).await.expect("the store opens");
    end(&*store, Outcome::Failed).await;
    let names = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(names, 3, "a run that wrote nothing leaves nothing");
}

/// Ends a sweep with `outcome` and closes the store.
async fn end(store: &dyn Store, outcome: Outcome) {
    let entry = SweepEntry::begin("books", "books", "1:d", gleaner::model::report::Kind::Full);
    let entry = entry.end(outcome, &Metrics::new().snapshot(), Vec::new());
    assert_eq!(store.finish_sweep(&entry).await, Ok(true));
    assert_eq!(store.close().await, Ok(()));
}

#[tokio::test]
async fn s11_what_cannot_be_written_names_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [folder.path().to_owned(), folder.path().join("missing/out.jsonl")] {
        let Err(StoreError::Unusable(message)) = open(&path).await else { panic!("it opened") };
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    let store = open(Path::new("/dev/full")).await.expect("the store opens");
    let message = message(store.write(&provenance("s"), &[of_text("1", "{}")]).await);
    assert!(message.contains("/dev/full"), "{message}");
    assert_eq!(store.close().await, Ok(()), "nothing is buffered that could be lost");
}

#[tokio::test]
async fn a_reader_that_went_away_is_said_to_be_gone() {
    let (reader, writer, path) = pipe();
    let store = open(&path).await.expect("the store opens");
    drop((reader, writer));
    let written = store.write(&provenance("s"), &[of_text("1", "{}")]).await;
    assert_eq!(written, Err(StoreError::Closed));
}

#[tokio::test]
async fn d8_a_slow_reader_does_not_stop_the_runtime() {
    let (mut reader, writer, path) = pipe();
    let store = open(&path).await.expect("the store opens");
    drop(writer);
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(1024 * 1024));
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.write(&provenance("s"), &[of_text("1", &large)]).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!writing.is_finished(), "a pipe does not hold a megabyte");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text.len())
    });
    assert_eq!(writing.await.expect("no panic"), Ok(Vec::new()));
    assert_eq!(store.close().await, Ok(()));
    let length = reading.join().expect("no panic").expect("the pipe can be read");
    assert!(length > 1024 * 1024);
}

#[tokio::test]
async fn of_ledger_and_marks_nothing_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.jsonl");
    let store = open(&path).await.expect("the store opens");
    let entry = SweepEntry::begin("books", "books", "1:d", gleaner::model::report::Kind::Full);
    let seen = [Seen { key: keys(&["1"])[0].clone(), at: at(0), fetched: None }];
    takes(&store, &Claim::new(entry.clone())).await;
    takes(&store, &Claim::resume(entry.clone(), entry.clone())).await;
    assert_eq!(store.renew_lock(&entry, None).await, Ok(true));
    assert_eq!(store.finish_sweep(&entry).await, Ok(true));
    assert_eq!(store.sweeps(10).await, Ok(Vec::new()));
    assert_eq!(store.failures(None, 10).await, Ok(Rows::default()));
    assert_eq!(store.mark_seen(&provenance("s"), &seen).await, Ok(Vec::new()));
    assert_eq!(store.mark_unlisted(&keys(&["1"]), at(0)).await, Ok(()));
    assert_eq!(store.mark_gone(&keys(&["1"]), at(0)).await, Ok(0));
    assert_eq!(store.keys(None, 10).await, Ok(Rows::default()));
    assert_eq!(store.live(&keys(&["1"])).await, Ok(Vec::new()));
    assert_eq!(store.count_live().await, Ok(0));
    assert_eq!(store.close().await, Ok(()));
    assert!(!path.exists(), "the sweep did not come to its end");
}
