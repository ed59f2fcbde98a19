//! SQLite beyond the contract: the layout that others build on, and files that cannot be used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gleaner::model::document::Encoding;
use gleaner::model::record::{Key, Record};
use gleaner::store::{self, Place, Store, StoreError, StoreUrl};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::records::{at, hold, keys, place, provenance, record, text_of};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    (folder, path)
}

async fn open(path: &Path, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    store::open(&StoreUrl::Sqlite(path.to_owned()), place).await
}

async fn books(path: &Path) -> Arc<dyn Store> {
    let store = open(path, &place("books", "books")).await.expect("the store opens");
    hold(&*store, &place("books", "books")).await;
    store
}

/// Why the file cannot be used; it is named in every such message.
async fn refused(path: &Path, place: &Place) -> String {
    match open(path, place).await {
        Err(StoreError::Unusable(message)) => {
            assert!(message.contains(&path.display().to_string()), "{message}");
            message
        }
        Err(other) => panic!("not unusable but {other:?}"),
        Ok(_) => panic!("{} opened", path.display()),
    }
}

fn run(path: &Path, sql: &str) {
    Connection::open(path).expect("the file opens").execute_batch(sql).expect("the SQL runs");
}

fn of_text(key: &str, text: &str) -> Record {
    record(key, text, Encoding::Text)
}

#[tokio::test]
async fn the_layout_is_as_documented() {
    let (_folder, path) = folder();
    let store = books(&path).await;
    let first = of_text("42", "{ \"b\": 1.0,\n\"a\": 2 }");
    assert_eq!(store.write(&provenance("s1"), std::slice::from_ref(&first)).await, Ok(Vec::new()));

    let connection = Connection::open(&path).expect("the file opens");
    let mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
    assert_eq!(mode, "wal");
    let mut statement = connection.prepare("SELECT * FROM books").expect("the table is there");
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let values: Vec<Option<String>> = statement
        .query_row([], |row| (0..names.len()).map(|at| row.get(at)).collect())
        .expect("one row of text and NULL");
    let digest = first.document.digest.to_string();
    let time = "2026-11-20T10:00:00.000Z";
    let expected = [
        ("key", Some("42")),
        ("url", Some("http://127.0.0.1/item/42")),
        ("sweep", Some("s1")),
        ("digest", Some(digest.as_str())),
        ("rules", Some("1:rules")),
        ("revision", None),
        ("etag", Some("\"42\"")),
        ("last_modified", None),
        ("first_seen", Some(time)),
        ("seen_at", Some(time)),
        ("fetched_at", Some(time)),
        ("changed_at", Some(time)),
        ("unlisted_at", None),
        ("gone_at", None),
        ("doc", Some(text_of(&first))),
    ];
    let found: Vec<(&str, Option<&str>)> =
        names.iter().map(String::as_str).zip(values.iter().map(Option::as_deref)).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn columns_that_others_added_are_left_alone() {
    let (_folder, path) = folder();
    assert_eq!(books(&path).await.close().await, Ok(()));
    run(&path, "ALTER TABLE books ADD COLUMN note TEXT");
    let store = books(&path).await;
    assert_eq!(store.write(&provenance("s1"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
    run(&path, "UPDATE books SET note = 'mine'");
    assert_eq!(store.write(&provenance("s1"), &[of_text("1", r#"{"a":1}"#)]).await, Ok(Vec::new()));
    let connection = Connection::open(&path).expect("the file opens");
    let note: String =
        connection.query_row("SELECT note FROM books", [], |row| row.get(0)).expect("a row");
    assert_eq!(note, "mine");
}

#[tokio::test]
async fn a_store_in_memory_works_while_it_is_open() {
    let store = books(Path::new(":memory:")).await;
    assert!(store.was_empty());
    assert_eq!(store.write(&provenance("s1"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
    assert_eq!(store.known(&keys(&["1", "2"])).await.map(|known| known.len()), Ok(1));
    assert_eq!(store.close().await, Ok(()));
    assert!(!Path::new(":memory:").exists());
}

#[tokio::test]
async fn d3_a_row_that_a_trigger_refuses_leaves_the_rest() {
    let (_folder, path) = folder();
    let store = books(&path).await;
    run(
        &path,
        "CREATE TRIGGER only_good BEFORE INSERT ON books WHEN new.key = 'bad' \
         BEGIN SELECT raise(ABORT, 'no bad books'); END",
    );
    let records = ["a", "bad", "c"].map(|key| of_text(key, "{}"));
    let rejections = store.write(&provenance("s1"), &records).await.expect("the batch is written");
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].at, 1);
    assert!(rejections[0].reason.contains("no bad books"), "{}", rejections[0].reason);
    let known = store.known(&keys(&["a", "bad", "c"])).await.expect("the store answers");
    let mut found: Vec<Key> = known.into_iter().map(|known| known.key).collect();
    found.sort_unstable();
    assert_eq!(found, keys(&["a", "c"]));
}

#[tokio::test]
async fn same_of_what_another_program_changed_replaces_it() {
    let (_folder, path) = folder();
    let store = books(&path).await;
    let first = of_text("1", r#"{"v":1}"#);
    assert_eq!(store.write(&provenance("s1"), std::slice::from_ref(&first)).await, Ok(Vec::new()));
    run(&path, "UPDATE books SET doc = '{\"v\":9}', digest = 'another'");
    let again = crate::records::same("1", r#"{"v":1}"#, Encoding::Text, 60);
    assert_eq!(store.write(&provenance("s2"), &[again]).await, Ok(Vec::new()));
    let stored = store.read(None, 1).await.expect("the store answers").found;
    assert_eq!(stored[0].text, r#"{"v":1}"#);
    assert_eq!(stored[0].known.digest, Some(first.document.digest));
    assert_eq!(stored[0].known.seen_at, Some(at(60)));
}

#[tokio::test]
async fn facts_that_do_not_read_as_such_count_as_absent() {
    let (_folder, path) = folder();
    let store = books(&path).await;
    assert_eq!(store.write(&provenance("s1"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
    run(&path, "UPDATE books SET digest = '9:00', first_seen = 'yesterday'");
    let known = store.known(&keys(&["1"])).await.expect("the store answers");
    assert_eq!((known[0].digest, known[0].first_seen), (None, None));
    assert_eq!(known[0].fetched_at, Some(at(0)));
}

#[tokio::test]
async fn a_dropped_store_lets_go_of_the_file() {
    let (folder, path) = folder();
    let store = books(&path).await;
    assert_eq!(store.write(&provenance("s1"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
    drop(store);
    let files = || std::fs::read_dir(folder.path()).expect("the folder").count();
    for _ in 0..1000 {
        if files() == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the journal is still beside the file");
}

#[tokio::test]
async fn s11_a_folder_that_is_missing_or_in_place_of_the_file_is_said() {
    let (folder, _) = folder();
    let message = refused(&folder.path().join("no/store.db"), &place("books", "books")).await;
    assert!(message.contains("there is no folder"), "{message}");
    let message = refused(folder.path(), &place("books", "books")).await;
    assert!(message.contains("is a folder"), "{message}");
}

#[tokio::test]
async fn s11_a_folder_in_which_no_file_can_be_made_is_said() {
    // Not even root may make files there.
    let message = refused(Path::new("/proc/self/store.db"), &place("books", "books")).await;
    assert!(message.contains("must be writable"), "{message}");
}

#[tokio::test]
async fn s11_a_file_that_may_not_be_written_is_said() {
    // A program that runs may not be written, not even by root, but it can be read.
    let program = std::env::current_exe().expect("a path");
    let message = refused(&program, &place("books", "books")).await;
    assert!(message.contains("may not be written"), "{message}");
}

#[tokio::test]
async fn s11_a_file_that_is_no_database_is_said_and_left_alone() {
    let (_folder, path) = folder();
    let text = "id,title\n1,A Book\n".repeat(1000);
    std::fs::write(&path, &text).expect("written");
    let message = refused(&path, &place("books", "books")).await;
    assert!(message.contains("not an SQLite database"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
}

#[tokio::test]
async fn s11_a_damaged_file_is_said() {
    let (_folder, path) = folder();
    let store = books(&path).await;
    let records: Vec<Record> = (0..100).map(|at| of_text(&at.to_string(), "{}")).collect();
    assert_eq!(store.write(&provenance("s1"), &records).await, Ok(Vec::new()));
    assert_eq!(store.close().await, Ok(()));
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[100..].fill(0xa5);
    std::fs::write(&path, bytes).expect("written");
    let message = refused(&path, &place("books", "books")).await;
    assert!(message.contains("damaged"), "{message}");
}

#[tokio::test]
async fn a_table_that_others_made_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    run(&path, "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)");
    let message = refused(&path, &place("books", "books")).await;
    assert!(message.contains("gleaner did not make"), "{message}");
    assert!(message.contains("no column key"), "{message}");
    let connection = Connection::open(&path).expect("the file opens");
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table'", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(tables, 1, "nothing was made beside it");
    run(&path, "CREATE VIEW films AS SELECT 1 AS key");
    let message = refused(&path, &place("films", "films")).await;
    assert!(message.contains("view"), "{message}");
}

#[tokio::test]
async fn a_table_without_our_primary_key_is_refused() {
    let (_folder, path) = folder();
    assert_eq!(books(&path).await.close().await, Ok(()));
    run(&path, "CREATE TABLE films AS SELECT * FROM books");
    let message = refused(&path, &place("films", "films")).await;
    assert!(message.contains("primary key is not key"), "{message}");
}

#[tokio::test]
async fn a_name_that_differs_only_in_case_is_refused() {
    let (_folder, path) = folder();
    assert_eq!(books(&path).await.close().await, Ok(()));
    let message = refused(&path, &place("books", "Books")).await;
    assert!(message.contains("books") && message.contains("Books"), "{message}");
    let message = refused(&path, &place("books", "GLEANER_sweeps")).await;
    assert!(message.contains("GLEANER_sweeps"), "{message}");
}

#[tokio::test]
async fn a_new_file_can_be_opened_by_several_at_once() {
    for _ in 0..20 {
        let (_folder, path) = folder();
        let place = place("books", "books");
        let opened = tokio::join!(open(&path, &place), open(&path, &place), open(&path, &place));
        for opened in [opened.0, opened.1, opened.2] {
            let store = opened.unwrap_or_else(|error| panic!("{error}"));
            hold(&*store, &place).await;
            assert_eq!(store.write(&provenance("s1"), &[of_text("1", "{}")]).await, Ok(Vec::new()));
        }
    }
}
