//! The connection, with files that are full, locked or closed; and how SQLite goes about statements.

use std::path::PathBuf;

use super::*;
use crate::model::record::{Key, PageVersion, Provenance};
use crate::store::Rejection;
use crate::store::sqlite::row::{Row, Times};
use crate::sweep::SweepEntry;
use crate::sweep::lock::Claim;

pub fn opened(folder: &tempfile::TempDir) -> (PathBuf, Database) {
    let path = folder.path().join("a.db");
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let mut database = Database::open(&path, place).unwrap();
    let holder = Some(crate::sweep::Holder::this());
    let entry = SweepEntry {
        id: "s".into(),
        holder,
        ..SweepEntry::begin("books", "books", "", crate::model::report::Kind::Full)
    };
    database.take_lock(&Claim::new(entry)).unwrap().unwrap().unwrap();
    (path, database)
}

/// How SQLite goes about a statement, in its own words.
pub fn plan(database: &Database, sql: &str) -> String {
    let sql = format!("EXPLAIN QUERY PLAN {sql}");
    let mut statement = database.connection.prepare(&sql).unwrap();
    let steps: Result<Vec<String>> = statement.raw_query().mapped(|row| row.get(3)).collect();
    steps.unwrap().join("; ")
}

fn rows(number: usize, text: &str) -> Vec<Row> {
    let time = "2026-11-20T10:00:00.000Z";
    let row = |at: usize| Row {
        at,
        key: Key::new(&at.to_string()).unwrap(),
        url: "http://h/".into(),
        text: text.to_owned().into(),
        digest: String::new(),
        version: PageVersion::default(),
        times: Times {
            first_seen: time.into(),
            fetched_at: time.into(),
            changed_at: time.into(),
            seen_at: time.into(),
            unlisted_at: None,
        },
        is_same: false,
    };
    (0..number).map(row).collect()
}

fn write(database: &mut Database, rows: &[Row]) -> Result<Vec<Rejection>, Fault> {
    let provenance = Provenance { sweep: "s".into(), rules: "r".into() };
    database.change(|connection, table| table.documents.write(connection, &provenance, rows))
}

fn is_empty(database: &Database) -> bool {
    database.look(|connection, table| table.documents.is_empty(connection)).unwrap()
}

#[test]
fn s11_a_full_disk_is_said_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut database) = opened(&folder);
    database.connection.pragma_update(None, "max_page_count", 30).unwrap();
    let error = write(&mut database, &rows(100, &"x".repeat(3000))).unwrap_err();
    let StoreError::Failed(message) = error::explain_fault(&path, &error) else {
        panic!("{error:?}")
    };
    assert!(message.contains("a.db") && message.contains("disk is full"), "{message}");
    assert!(is_empty(&database));
    database.connection.pragma_update(None, "max_page_count", 3000).unwrap();
    assert_eq!(write(&mut database, &rows(100, &"x".repeat(3000))), Ok(Vec::new()));
}

#[test]
fn a_file_that_another_program_holds_is_unavailable_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut database) = opened(&folder);
    database.connection.busy_timeout(Duration::from_millis(20)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = write(&mut database, &rows(1, "{}")).unwrap_err();
    let StoreError::Unavailable(message) = error::explain_fault(&path, &error) else {
        panic!("{error:?}")
    };
    assert!(message.contains("a.db"), "{message}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(write(&mut database, &rows(1, "{}")), Ok(Vec::new()));
}

#[test]
fn closing_leaves_one_file_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut database) = opened(&folder);
    write(&mut database, &rows(3, "{}")).unwrap();
    assert!(path.with_extension("db-wal").exists());
    database.close().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let (_, database) = opened(&folder);
    assert!(!is_empty(&database));
}
