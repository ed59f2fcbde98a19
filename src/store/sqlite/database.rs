//! SQLite connection and its operations. It stays on one thread; every call blocks.

mod failures;
mod ledger;
mod marks;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{
    Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior, params,
};
use url::Url;

use self::ledger::Held;
use self::marks::Marks;
use super::error::Fault;
use super::row::{self, Row, Times};
use super::schema::Readable;
use super::statements::{Paged, Statements};
use super::{error, schema};
use crate::model::record::{Key, Known, PageVersion, Provenance};
use crate::store::rows::Mark;
use crate::store::{Place, Position, Rejection, Rows, StoreError, Stored};

type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

/// Maximum time to wait for another program's transaction.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// Maximum number of keys in one statement.
const KEYS_AT_ONCE: usize = 1_000;

/// An SQLite connection with its statements. Every call blocks.
pub struct Database {
    connection: Connection,
    place: Place,
    sql: Statements,
    marks: Marks,
    /// The lock that was taken last.
    held: Option<Held>,
}

impl Database {
    /// Opens the file, and creates it and its tables if they are missing.
    pub fn open(path: &Path, place: Place) -> Result<Database, StoreError> {
        let explain = |error| error::explain_opening(path, &error);
        let unusable = |why: String| StoreError::Unusable(format!("{} {why}", path.display()));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        make_private(path);
        let mut connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        // SQLite silently opens a read-only file for reading, and fails only on the first write.
        if connection.is_readonly(MAIN_DB).map_err(explain)? {
            return Err(unusable(
                "may not be written: make it writable, or name another file".into(),
            ));
        }
        set_up(&connection).map_err(explain)?;
        let transaction = begin(&mut connection).map_err(explain)?;
        schema::prepare(&transaction, &place).map_err(explain)?.map_err(unusable)?;
        ledger::end_abandoned(&transaction).map_err(explain)?;
        transaction.commit().map_err(explain)?;
        Ok(Database::on(connection, place))
    }

    /// Opens the file for reading. A file of an earlier version is upgraded first. Tables that the
    /// file lacks are read as empty ones in memory.
    pub fn open_to_read(path: &Path, place: Place) -> Result<Database, StoreError> {
        let explain = |error| error::explain_opening(path, &error);
        let connection = reader(path).map_err(explain)?;
        match schema::readable(&connection, &place).map_err(explain)? {
            Readable::Yes => Ok(Database::on(connection, place)),
            Readable::ByAnEarlierVersion => Database::open(path, place),
            Readable::Nothing => Database::open(Path::new(":memory:"), place),
            Readable::No(why) => Err(StoreError::Unusable(format!("{} {why}", path.display()))),
        }
    }

    fn on(connection: Connection, place: Place) -> Database {
        let table = schema::quoted(&place.collection);
        let (sql, marks) = (Statements::on(&table), Marks::on(&table));
        Database { connection, place, sql, marks, held: None }
    }

    /// Returns `true` if the collection has no document.
    pub fn is_empty(&self) -> Result<bool> {
        let table = schema::quoted(&self.place.collection);
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {table})");
        self.connection.query_row(&sql, [], |row| row.get(0))
    }

    /// Implements [`crate::store::Store::known`].
    pub fn known(&self, keys: &[Key]) -> Result<Vec<Known>> {
        let mut statement = self.connection.prepare_cached(&self.sql.known)?;
        let mut known = Vec::new();
        for keys in keys.chunks(KEYS_AT_ONCE) {
            for row in statement.query_map([list(keys)], row::known)? {
                known.push(row?);
            }
        }
        Ok(known)
    }

    /// Writes all rows in one transaction, except those that SQLite refuses because of their
    /// content.
    pub fn write(
        &mut self,
        provenance: &Provenance,
        rows: &[Row],
    ) -> Result<Vec<Rejection>, Fault> {
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        let mut rejections = Vec::new();
        for row in rows {
            let reason = match simdutf8::compat::from_utf8(&row.text) {
                Ok(text) => match put(&transaction, &self.sql, provenance, row, text) {
                    Ok(()) => continue,
                    Err(error) => error::rejection(&error).ok_or(error)?,
                },
                Err(error) => format!("the document is not UTF-8: {error}"),
            };
            rejections.push(Rejection { at: row.at, reason });
        }
        transaction.commit()?;
        Ok(rejections)
    }

    /// Implements [`crate::store::Store::read`].
    pub fn read(&self, after: Option<&Position>, most: usize) -> Result<Rows<Stored>> {
        self.page(&self.sql.read, after, most, row::stored)
    }

    /// Returns a page of rows after the stored key of the last row.
    fn page<T>(
        &self,
        sql: &Paged,
        after: Option<&Position>,
        most: usize,
        read: impl Fn(&rusqlite::Row<'_>) -> Result<Option<T>>,
    ) -> Result<Rows<T>> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut statement = match after {
            None => self.connection.prepare_cached(&sql.first)?,
            Some(_) => self.connection.prepare_cached(&sql.next)?,
        };
        let mut rows = match after {
            None => statement.query([limit])?,
            Some(after) => statement.query(params![after.row().first(), limit])?,
        };
        collect(&mut rows, most, 1, read)
    }

    /// Writes the journal back into the file, and closes it.
    pub fn close(self) -> Result<()> {
        // If another program is reading, the checkpoint is partial, and the rest stays in the
        // journal.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)
    }
}

/// Opens a connection for reading, also to a read-only file. If its folder is read-only as well,
/// the journal's index cannot be created, so the file is opened as immutable.
fn reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags)?;
    opened.busy_timeout(PATIENCE)?;
    match opened.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())) {
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) =>
        {
            let Some(url) = path.canonicalize().ok().and_then(|it| Url::from_file_path(it).ok())
            else {
                return Err(error);
            };
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("{url}?immutable=1"), flags)
        }
        looked => looked.map(|()| opened),
    }
}
/// Creates a new file that only its owner can read. SQLite gives its journals the same mode.
fn make_private(path: &Path) {
    let is_file = path != Path::new(":memory:") && !path.as_os_str().is_empty();
    if is_file && !path.exists() {
        // If this fails, opening the file reports why.
        let _ = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    }
}

fn set_up(connection: &Connection) -> Result<()> {
    connection.busy_timeout(PATIENCE)?;
    switch_to_wal(connection)?;
    // A commit survives a killed process. A power failure may lose the last commits, but never
    // damages the file. What is lost is fetched again, since the sweep is resumed.
    connection.pragma_update(None, "synchronous", "NORMAL")
}

/// Switches to WAL mode. SQLite itself does not wait if several processes change the mode of a new
/// file at once.
fn switch_to_wal(connection: &Connection) -> Result<()> {
    let since = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error::is_busy(&error) && since.elapsed() < PATIENCE => {
                thread::sleep(BETWEEN_TRIES);
            }
            done => return done,
        }
    }
}

/// Begins a transaction with the write lock: one that reads first and writes later can fail as busy
/// without waiting.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Begins a transaction that needs the site's lock. The lock is checked after the file's write lock
/// is acquired, so that nobody can take it before the transaction ends.
fn begin_held<'c>(
    connection: &'c mut Connection,
    held: Option<&Held>,
) -> Result<Transaction<'c>, Fault> {
    let transaction = begin(connection)?;
    match held {
        Some(held) if held.is_held(&transaction)? => Ok(transaction),
        _ => Err(Fault::LockLost),
    }
}

fn put(
    transaction: &Transaction<'_>,
    sql: &Statements,
    provenance: &Provenance,
    row: &Row,
    text: &str,
) -> Result<()> {
    let Row { key, url, digest, version, times, .. } = row;
    let PageVersion { revision, etag, last_modified } = version;
    let Times { first_seen, fetched_at, changed_at, seen_at, unlisted_at } = times;
    let values = params![
        key.as_str(),
        provenance.sweep,
        provenance.rules,
        etag,
        last_modified,
        fetched_at,
        changed_at,
        digest,
        url,
        first_seen,
        text,
        revision,
        seen_at,
        unlisted_at,
    ];
    if row.is_same && transaction.prepare_cached(&sql.refresh)?.execute(values)? > 0 {
        return Ok(());
    }
    transaction.prepare_cached(&sql.put)?.execute(values)?;
    Ok(())
}

/// Collects the rows of a page. The first `key` columns are the primary key.
fn collect<T>(
    rows: &mut rusqlite::Rows<'_>,
    most: usize,
    key: usize,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<Option<T>>,
) -> Result<Rows<T>> {
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
        if found.len() == most {
            let cells = (0..key).map(|at| Ok(row::cell(row.get_ref(at)?)));
            last = Some(Mark::Row(cells.collect::<Result<_>>()?));
        }
    }
    Ok(Rows::of(found, last))
}

/// Returns keys as a JSON list.
fn list<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let keys: serde_json::Value = keys.into_iter().map(Key::as_str).collect();
    keys.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::sweep::SweepEntry;
    use crate::sweep::lock::Claim;

    pub fn opened(folder: &tempfile::TempDir) -> (PathBuf, Database) {
        let path = folder.path().join("a.db");
        let place = Place {
            site: "books".into(),
            collection: "books".into(),
            key_field: None,
            adopt: false,
        };
        let mut database = Database::open(&path, place).unwrap();
        let holder = Some(crate::sweep::Holder::this());
        let entry =
            SweepEntry { id: "s".into(), holder, ..SweepEntry::begin("books", "books", "", false) };
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

    fn provenance() -> Provenance {
        Provenance { sweep: "s".into(), rules: "r".into() }
    }

    #[test]
    fn s11_a_full_disk_is_said_and_leaves_nothing_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut database) = opened(&folder);
        database.connection.pragma_update(None, "max_page_count", 30).unwrap();
        let error = database.write(&provenance(), &rows(100, &"x".repeat(3000))).unwrap_err();
        let StoreError::Failed(message) = error::explain_fault(&path, &error) else {
            panic!("{error:?}")
        };
        assert!(message.contains("a.db") && message.contains("disk is full"), "{message}");
        assert_eq!(database.is_empty(), Ok(true));
        database.connection.pragma_update(None, "max_page_count", 3000).unwrap();
        assert_eq!(database.write(&provenance(), &rows(100, &"x".repeat(3000))), Ok(Vec::new()));
    }

    #[test]
    fn a_file_that_another_program_holds_is_unavailable_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut database) = opened(&folder);
        database.connection.busy_timeout(Duration::from_millis(20)).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = database.write(&provenance(), &rows(1, "{}")).unwrap_err();
        let StoreError::Unavailable(message) = error::explain_fault(&path, &error) else {
            panic!("{error:?}")
        };
        assert!(message.contains("a.db"), "{message}");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(database.write(&provenance(), &rows(1, "{}")), Ok(Vec::new()));
    }

    #[test]
    fn closing_leaves_one_file_with_everything_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut database) = opened(&folder);
        database.write(&provenance(), &rows(3, "{}")).unwrap();
        assert!(path.with_extension("db-wal").exists());
        database.close().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let (_, database) = opened(&folder);
        assert_eq!(database.is_empty(), Ok(false));
    }
}
