//! What a store holds, read from it as anybody would read it: not through gleaner.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use rusqlite::{Connection, Row, Transaction};
use serde_json::Value;

use super::GRAIN;
use super::chronicle::Span;

/// A document, and what is kept of its item.
#[derive(Clone)]
pub struct Held {
    pub key: String,
    pub document: Value,
    /// The sweep that last fetched it.
    pub sweep: String,
    pub fetched_at: Timestamp,
    pub unlisted_at: Option<Timestamp>,
    pub gone_at: Option<Timestamp>,
}

/// A sweep as the ledger has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    pub id: String,
    /// `running`, `complete`, …
    pub state: String,
    /// Of a part of the site: `--limit`, `--pages`, `failures --retry`.
    pub limited: bool,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub runs: u32,
    /// How many items its last run listed, as it reported.
    pub listed: Option<i64>,
    /// What it reported as problems.
    pub problems: Option<String>,
}

/// What was given up.
#[derive(Debug, Clone)]
pub struct GivenUp {
    /// `detail` or `index`.
    pub kind: String,
    /// An item's key, or the number of a page of the list.
    pub page: String,
    /// The sweep that gave it up last.
    pub sweep: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Holdings {
    pub documents: Vec<Held>,
    /// In the order in which they last took the lock, whatever clocks say.
    pub sweeps: Vec<Swept>,
    pub failures: Vec<GivenUp>,
}

impl fmt::Debug for Held {
    /// Without the document, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { key, document: _, sweep, fetched_at, unlisted_at, gone_at } = self;
        write!(
            f,
            "{key} of {sweep}, fetched {fetched_at}, unlisted {unlisted_at:?}, gone {gone_at:?}"
        )
    }
}

impl Swept {
    /// From its beginning, in whichever run, to its end.
    pub fn span(&self) -> Span {
        self.until(self.ended_at.unwrap_or(Timestamp::MAX))
    }

    /// From its beginning until `to`.
    pub fn until(&self, to: Timestamp) -> Span {
        let to = to.checked_add(GRAIN).unwrap_or(to);
        Span { from: self.started_at.checked_sub(GRAIN).unwrap_or(self.started_at), to }
    }

    /// Whether it came to its end.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "complete" | "incomplete")
    }
}

impl GivenUp {
    pub fn is_item(&self) -> bool {
        self.kind == "detail"
    }
}

impl Holdings {
    /// Numbers of the pages of the list that a sweep gave up.
    pub fn lost_pages<'h>(&'h self, sweep: &'h Swept) -> impl Iterator<Item = usize> + 'h {
        let lost = self.failures.iter().filter(|it| !it.is_item() && it.sweep == sweep.id);
        lost.map(|it| it.page.parse().expect("the number of a page"))
    }

    /// All that the store at `url` holds between two sweeps; `None` where one is under way.
    pub fn of(url: &str) -> Option<Holdings> {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let holdings = in_sqlite(Path::new(path));
                holdings.sweeps.iter().all(|sweep| sweep.state != "running").then_some(holdings)
            }
            None => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(in_mongodb(url))
            }
        }
    }
}

fn in_sqlite(path: &Path) -> Holdings {
    let mut connection = Connection::open(path).expect("the file opens");
    connection.busy_timeout(Duration::from_secs(20)).expect("a time");
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
    // One transaction: one moment.
    let moment = connection.transaction().expect("a transaction");
    Holdings {
        documents: rows(
            &moment,
            "SELECT key, doc, sweep, fetched_at, unlisted_at, gone_at FROM books",
            |row| {
                let text: String = row.get(1)?;
                Ok(Held {
                    key: row.get(0)?,
                    document: serde_json::from_str(&text).expect("a document is JSON"),
                    sweep: row.get(2)?,
                    fetched_at: time(row, 3)?.expect("it was fetched"),
                    unlisted_at: time(row, 4)?,
                    gone_at: time(row, 5)?,
                })
            },
        ),
        sweeps: rows(
            &moment,
            "SELECT id, state, limited, started_at, ended_at, runs, \
               json_extract(report, '$.index.listed'), json_extract(report, '$.problems') FROM gleaner_sweeps ORDER BY fence",
            |row| {
                Ok(Swept {
                    id: row.get(0)?,
                    state: row.get(1)?,
                    limited: row.get(2)?,
                    started_at: time(row, 3)?.expect("it began"),
                    ended_at: time(row, 4)?,
                    runs: row.get(5)?,
                    listed: row.get(6)?,
                    problems: row.get(7)?,
                })
            },
        ),
        failures: rows(&moment, "SELECT kind, page, sweep FROM gleaner_failures", |row| {
            Ok(GivenUp { kind: row.get(0)?, page: row.get(1)?, sweep: row.get(2)? })
        }),
    }
}

fn rows<T>(
    moment: &Transaction<'_>,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = moment.prepare(sql).expect("the tables are as documented");
    let rows = statement.query_map([], read).expect("the query runs");
    rows.collect::<Result<_, _>>().expect("the columns are as documented")
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| text.parse().expect("a time")))
}

async fn in_mongodb(uri: &str) -> Option<Holdings> {
    let database = crate::mongod::database(uri).await;
    let all = async |collection: &str| -> Vec<Document> {
        let collection = database.collection(collection);
        let found = collection.find(doc! {}).sort(doc! { "fence": 1, "_id": 1 }).await;
        found.expect("an answer").try_collect().await.expect("documents")
    };
    let sweeps =
        async || -> Vec<Swept> { all("gleaner_sweeps").await.into_iter().map(swept).collect() };
    let before = sweeps().await;
    let documents: Vec<Held> = all("books").await.into_iter().map(held).collect();
    let failures = all("gleaner_failures").await;
    let given_up =
        |it| GivenUp { kind: text(it, "kind"), page: text(it, "page"), sweep: text(it, "sweep") };
    let failures = failures.iter().map(given_up).collect();
    let is_running = before.iter().any(|sweep| sweep.state == "running");
    let same = before == sweeps().await && !is_running;
    same.then_some(Holdings { documents, sweeps: before, failures })
}

fn held(mut document: Document) -> Held {
    let facts = document.remove("_gleaner").expect("what gleaner keeps");
    let facts = facts.as_document().expect("a document");
    let key = document.remove("_id").and_then(|id| id.as_str().map(str::to_owned));
    Held {
        key: key.expect("a key"),
        document: serde_json::to_value(document).expect("a document is JSON"),
        sweep: text(facts, "sweep"),
        fetched_at: date(facts, "fetched_at").expect("it was fetched"),
        unlisted_at: date(facts, "unlisted_at"),
        gone_at: date(facts, "gone_at"),
    }
}

fn swept(entry: Document) -> Swept {
    let index = entry.get_document("report").and_then(|report| report.get_document("index"));
    let listed = index.ok().and_then(|index| index.get("listed").and_then(as_integer));
    let problems = entry.get_document("report").ok().and_then(|report| report.get("problems"));
    Swept {
        problems: problems.map(Bson::to_string),
        listed,
        id: text(&entry, "_id"),
        state: text(&entry, "state"),
        limited: entry.get_bool("limited").expect("whether it is of a part"),
        started_at: date(&entry, "started_at").expect("it began"),
        ended_at: date(&entry, "ended_at"),
        runs: entry.get("runs").and_then(as_integer).expect("a count") as u32,
    }
}

fn text(document: &Document, name: &str) -> String {
    document.get_str(name).unwrap_or_else(|error| panic!("{error}: {document}")).to_owned()
}

fn date(document: &Document, name: &str) -> Option<Timestamp> {
    let date = document.get_datetime(name).ok()?;
    Some(Timestamp::from_millisecond(date.timestamp_millis()).expect("a time"))
}

fn as_integer(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
