//! The stores that the contract is checked on.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::TryStreamExt;
use gleaner::model::report::Kind;
use gleaner::store::{self, Place, Store, StoreError, StoreUrl};
use gleaner::sweep::{Scope, SweepEntry};
use jiff::{SignedDuration, Timestamp};
use mongodb::bson::{self, Bson, DateTime, Document, doc};
use rusqlite::{Connection, Row};
use serde_json::value::RawValue;
use tempfile::TempDir;

pub use super::adopted::Adopted;
use super::{Backend, KeptFailure, Ledger};

/// A file in a folder of its own.
pub struct Sqlite {
    folder: TempDir,
}

/// See [`Sqlite`].
pub struct JsonLines {
    folder: TempDir,
}

impl Sqlite {
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).expect("the file opens")
    }

    fn rows<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).expect("the tables are as documented");
        let rows = statement.query_map([], read).expect("the query runs");
        rows.collect::<Result<_, _>>().expect("the columns are as documented")
    }

    fn change(&self, sql: &str, parameters: &[&str]) {
        let parameters = rusqlite::params_from_iter(parameters);
        let changed = self.connection().execute(sql, parameters).expect("the change is made");
        assert_eq!(changed, 1, "{sql}");
    }
}

impl Backend for Sqlite {
    async fn start() -> Sqlite {
        Sqlite { folder: tempfile::tempdir().expect("a folder") }
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
        store::open(&StoreUrl::Sqlite(self.path()), place).await
    }

    async fn documents(&self, collection: &str) -> Vec<(String, String)> {
        let sql = format!("SELECT key, doc FROM \"{collection}\" ORDER BY key");
        self.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

impl Ledger for Sqlite {
    async fn failures(&self) -> Vec<KeptFailure> {
        let sql = "SELECT * FROM gleaner_failures ORDER BY site, collection, kind, page";
        self.rows(sql, |row| {
            Ok(KeptFailure {
                site: row.get("site")?,
                collection: row.get("collection")?,
                kind: row.get("kind")?,
                page: row.get("page")?,
                url: row.get("url")?,
                reason: row.get("reason")?,
                message: row.get("message")?,
                status: row.get("status")?,
                attempts: row.get("attempts")?,
                sample: row.get("sample")?,
                first_at: time(&row.get::<_, String>("first_at")?),
                last_at: time(&row.get::<_, String>("last_at")?),
                sweep: row.get("sweep")?,
            })
        })
    }

    async fn sweeps(&self) -> Vec<SweepEntry> {
        self.rows("SELECT * FROM gleaner_sweeps ORDER BY id", |row| {
            let state = serde_json::Value::from(row.get::<_, String>("state")?);
            let report: Option<String> = row.get("report")?;
            Ok(SweepEntry {
                id: row.get("id")?,
                scope: Scope {
                    site: row.get("site")?,
                    collection: row.get("collection")?,
                    definition: row.get("definition")?,
                    expect: row
                        .get::<_, Option<String>>("expect")?
                        .map(|text| serde_json::from_str(&text).expect("expectations"))
                        .unwrap_or_default(),
                },
                state: serde_json::from_value(state).expect("a state"),
                kind: Kind::stored(
                    row.get("limited")?,
                    row.get::<_, Option<String>>("since")?.as_deref().map(time),
                ),
                started_at: time(&row.get::<_, String>("started_at")?),
                resumed_at: row.get::<_, Option<String>>("resumed_at")?.as_deref().map(time),
                ended_at: row.get::<_, Option<String>>("ended_at")?.as_deref().map(time),
                report: report.map(|text| serde_json::from_str(&text).expect("a report")),
                holder: row
                    .get::<_, Option<String>>("holder")?
                    .map(|text| serde_json::from_str(&text).expect("a holder")),
                heartbeat_at: row.get::<_, Option<String>>("heartbeat_at")?.as_deref().map(time),
                fence: row.get("fence")?,
                runs: row.get("runs")?,
            })
        })
    }

    async fn silence(&self, sweep: &str, seconds: i64) {
        let at = Timestamp::now() - SignedDuration::from_secs(seconds);
        let sql = "UPDATE gleaner_sweeps SET heartbeat_at = ?2 WHERE id = ?1";
        self.change(sql, &[sweep, &format!("{at:.3}")]);
    }

    async fn leave_running(&self, sweeps: &[&str]) {
        let columns = "id TEXT PRIMARY KEY NOT NULL, site TEXT NOT NULL, collection TEXT NOT NULL, \
            state TEXT NOT NULL, limited INTEGER NOT NULL, definition TEXT NOT NULL, \
            started_at TEXT NOT NULL, ended_at TEXT, report TEXT";
        let make = format!("CREATE TABLE gleaner_sweeps ({columns})");
        self.connection().execute_batch(&make).expect("the table is made");
        for sweep in sweeps {
            let sql = "INSERT INTO gleaner_sweeps VALUES (?1, 'books', 'books', 'running', 0, \
                '1:d', '2026-11-20T10:00:00.000Z', NULL, NULL)";
            self.change(sql, &[sweep]);
        }
    }

    async fn mark_gone(&self, collection: &str, key: &str, at: Timestamp) {
        let sql =
            format!("UPDATE \"{collection}\" SET gone_at = ?2, unlisted_at = ?2 WHERE key = ?1");
        self.change(&sql, &[key, &at.to_string()]);
    }

    async fn is_marked(&self, collection: &str, key: &str) -> bool {
        let sql = format!(
            "SELECT gone_at IS NOT NULL OR unlisted_at IS NOT NULL FROM \"{collection}\" \
             WHERE key = ?1"
        );
        let connection = self.connection();
        connection.query_row(&sql, [key], |row| row.get(0)).expect("the document is there")
    }

    async fn remove(&self, collection: &str, key: &str) {
        self.change(&format!("DELETE FROM \"{collection}\" WHERE key = ?1"), &[key]);
    }
}

/// A database of its own on the server that tests share.
pub struct Mongodb {
    pub uri: String,
}

impl Mongodb {
    async fn all(&self, collection: &str) -> Vec<Document> {
        let collection = self.collection(collection).await;
        let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await;
        found.expect("the query runs").try_collect().await.expect("documents")
    }

    async fn collection(&self, name: &str) -> mongodb::Collection<Document> {
        crate::mongod::database(&self.uri).await.collection(name)
    }

    async fn store(&self, collection: &str) -> Arc<dyn Store> {
        self.open(&crate::records::place("books", collection)).await.expect("the store opens")
    }
}

impl Backend for Mongodb {
    async fn start() -> Mongodb {
        Mongodb { uri: crate::mongod::fresh_database() }
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
        store::open(&self.uri.parse().expect("a URI"), place).await
    }

    async fn documents(&self, collection: &str) -> Vec<(String, String)> {
        let store = self.store(collection).await;
        let stored = store.read(None, usize::MAX).await.expect("documents").found;
        stored.into_iter().map(|stored| (stored.known.key.to_string(), stored.text)).collect()
    }
}

impl Ledger for Mongodb {
    async fn failures(&self) -> Vec<KeptFailure> {
        let failures = self.all("gleaner_failures").await;
        let mut kept: Vec<KeptFailure> = failures.iter().map(kept_failure).collect();
        kept.sort();
        kept
    }

    async fn sweeps(&self) -> Vec<SweepEntry> {
        let sweeps = self.all("gleaner_sweeps").await;
        sweeps
            .into_iter()
            .map(|entry| bson::deserialize_from_document(as_entry(entry)).expect("a sweep"))
            .collect()
    }

    async fn silence(&self, sweep: &str, seconds: i64) {
        let back = doc! { "$subtract": ["$$NOW", seconds * 1000] };
        let update = vec![doc! { "$set": { "heartbeat_at": back } }];
        let sweeps = self.collection("gleaner_sweeps").await;
        let changed = sweeps.update_one(doc! { "_id": sweep }, update).await;
        assert_eq!(changed.expect("the update is made").matched_count, 1);
    }

    async fn leave_running(&self, sweeps: &[&str]) {
        let entry = |id: &&str| {
            let began = DateTime::from_millis(crate::records::at(0).as_millisecond());
            doc! {
                "_id": *id, "site": "books", "collection": "books", "state": "running",
                "limited": false, "definition": "1:d", "layout": "own", "started_at": began,
            }
        };
        let ledger = self.collection("gleaner_sweeps").await;
        let inserted = ledger.insert_many(sweeps.iter().map(entry));
        inserted.await.expect("they are inserted");
    }

    async fn mark_gone(&self, collection: &str, key: &str, at: Timestamp) {
        let at = DateTime::from_millis(at.as_millisecond());
        let marks = doc! { "_gleaner.gone_at": at, "_gleaner.unlisted_at": at };
        let collection = self.collection(collection).await;
        let marked = collection.update_one(of(key), doc! { "$set": marks }).await;
        assert_eq!(marked.expect("the update is made").matched_count, 1);
    }

    async fn is_marked(&self, collection: &str, key: &str) -> bool {
        let found = self.collection(collection).await.find_one(of(key)).await;
        let document = found.expect("the query runs").expect("the document is there");
        let facts = document.get_document("_gleaner").expect("facts");
        facts.contains_key("gone_at") || facts.contains_key("unlisted_at")
    }

    async fn remove(&self, collection: &str, key: &str) {
        let removed = self.collection(collection).await.delete_one(of(key)).await;
        assert_eq!(removed.expect("the deletion is made").deleted_count, 1);
    }
}

/// The document with this key, whoever made its collection.
fn of(key: &str) -> Document {
    doc! { "_gleaner.key": key }
}

fn kept_failure(entry: &Document) -> KeptFailure {
    let text = |name: &str| entry.get_str(name).expect("a text").to_owned();
    let date = |name: &str| from_date(*entry.get_datetime(name).expect("a date"));
    let number = |name: &str| {
        entry.get(name).and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)))
    };
    KeptFailure {
        site: text("site"),
        collection: text("collection"),
        kind: text("kind"),
        page: text("page"),
        url: text("url"),
        reason: text("reason"),
        message: text("message"),
        status: number("status").map(|status| status.try_into().expect("a status")),
        attempts: number("attempts").expect("a number").try_into().expect("attempts"),
        sample: entry.get_str("sample").ok().map(str::to_owned),
        first_at: date("first_at"),
        last_at: date("last_at"),
        sweep: text("sweep"),
    }
}

/// An entry of the ledger with its dates as text and its id by name, as it is serialised.
fn as_entry(mut entry: Document) -> Document {
    let id = entry.remove("_id").expect("an id");
    entry.insert("id", id);
    entry.remove("layout");
    for name in ["started_at", "resumed_at", "ended_at", "heartbeat_at", "since"] {
        if let Some(Bson::DateTime(date)) = entry.get(name) {
            entry.insert(name, from_date(*date).to_string());
        }
    }
    if let Some(Bson::Document(report)) = entry.get_mut("report") {
        let date = *report.get_datetime("started_at").expect("a date");
        report.insert("started_at", from_date(date).to_string());
        if let Ok(since) = report.get_datetime("since").copied() {
            report.insert("since", from_date(since).to_string());
        }
    }
    entry
}

fn from_date(date: DateTime) -> Timestamp {
    Timestamp::from_millisecond(date.timestamp_millis()).expect("a time")
}

impl JsonLines {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.jsonl")
    }
}

impl Backend for JsonLines {
    async fn start() -> JsonLines {
        JsonLines { folder: tempfile::tempdir().expect("a folder") }
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
        store::open(&StoreUrl::JsonLines(Some(self.path())), place).await
    }

    async fn documents(&self, _: &str) -> Vec<(String, String)> {
        #[derive(serde::Deserialize)]
        struct Line<'a> {
            key: String,
            #[serde(borrow)]
            doc: &'a RawValue,
        }

        // Beside its place, until a sweep has come to its end.
        let mut files = std::fs::read_dir(self.folder.path()).expect("the folder");
        let Some(file) = files.next() else { return Vec::new() };
        let file = file.expect("an entry").path();
        let text = std::fs::read_to_string(file).expect("the file can be read");
        let line = |text| {
            let line: Line<'_> = serde_json::from_str(text).expect("a line is JSON");
            (line.key, line.doc.get().to_owned())
        };
        let mut documents: Vec<(String, String)> = text.lines().map(line).collect();
        documents.sort();
        documents
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}
