//! The SQLite connection: opened, changed in transactions, and closed. It stays on one thread; every
//! call blocks.

#[cfg(test)]
pub(super) mod tests;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};
use url::Url;

use super::documents::DocumentSql;
use super::error::Fault;
use super::ledger::Held;
use super::marks::MarkSql;
use super::schema::Readable;
use super::{error, ledger, schema};
use crate::store::{Place, StoreError};
use crate::sweep::lock::Claim;

type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

/// Maximum time to wait for another program's transaction.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// An SQLite connection, and the site's lock. Every call blocks.
pub struct Database {
    connection: Connection,
    pub(super) table: Table,
    /// The lock that was taken last.
    held: Option<Held>,
}

/// The site and collection, and the statements on the collection's table.
pub struct Table {
    pub place: Place,
    pub documents: DocumentSql,
    pub marks: MarkSql,
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
        let connection = reader(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        match schema::readable(&connection, &place).map_err(explain)? {
            Readable::Yes => Ok(Database::on(connection, place)),
            Readable::ByAnEarlierVersion => Database::open(path, place),
            Readable::Nothing => Database::open(Path::new(":memory:"), place),
            Readable::No(why) => Err(StoreError::Unusable(format!("{} {why}", path.display()))),
        }
    }

    fn on(connection: Connection, place: Place) -> Database {
        let name = schema::quoted(&place.collection);
        let (documents, marks) = (DocumentSql::on(&name), MarkSql::on(&name));
        Database { connection, table: Table { place, documents, marks }, held: None }
    }

    /// Looks something up.
    pub fn look<T>(&self, look: impl FnOnce(&Connection, &Table) -> Result<T>) -> Result<T> {
        look(&self.connection, &self.table)
    }

    /// Makes a change in one transaction, if the site's lock is held. The lock is checked after the
    /// file's write lock is acquired, so that nobody can take it before the transaction ends.
    pub fn change<T>(
        &mut self,
        change: impl FnOnce(&Connection, &Table) -> Result<T>,
    ) -> Result<T, Fault> {
        let transaction = begin(&mut self.connection)?;
        match &self.held {
            Some(held) if held.is_held(&transaction)? => {}
            _ => return Err(Fault::LockLost),
        }
        let changed = change(&transaction, &self.table)?;
        transaction.commit()?;
        Ok(changed)
    }

    /// Makes a change of the ledger in one transaction, whoever holds the site's lock.
    pub fn change_ledger<T>(&mut self, change: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let transaction = begin(&mut self.connection)?;
        let changed = change(&transaction)?;
        transaction.commit().map(|()| changed)
    }

    /// Implements [`crate::store::Ledger::take_lock`]. Returns an objection if another site uses
    /// the collection.
    pub fn take_lock(&mut self, claim: &Claim) -> Result<Result<Option<i64>, String>> {
        let transaction = begin(&mut self.connection)?;
        if let Some(objection) = schema::other_site(&transaction, &self.table.place)? {
            return Ok(Err(objection));
        }
        // If the lock was not acquired, nothing may remain, not even the end of an expired entry.
        let Some(entry) = ledger::take_lock(&transaction, claim)? else {
            return transaction.rollback().map(|()| Ok(None));
        };
        transaction.commit()?;
        self.held = Some(Held::of(&entry)?);
        Ok(Ok(Some(entry.fence)))
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
/// the journal's index cannot be created, so the file is opened as immutable, unless there is a
/// journal: without it, the file alone is not the latest state.
pub fn reader(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let explain = |error| error::explain_opening(path, &error);
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let opened = opened.map_err(explain)?;
    opened.busy_timeout(PATIENCE).map_err(explain)?;
    let error = match opened.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())) {
        Ok(()) => return Ok(opened),
        Err(error) => error,
    };
    let is_refused = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    );
    if !is_refused {
        return Err(explain(error));
    }
    if let Some(unread) = unread_journal(path) {
        return Err(StoreError::Unusable(unread));
    }
    let url = path.canonicalize().ok().and_then(|path| Url::from_file_path(path).ok());
    let Some(url) = url else { return Err(explain(error)) };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("{url}?immutable=1"), flags).map_err(explain)
}

/// Returns a message that the journal of the file holds writes that this user cannot read, or `None`
/// if it holds none.
fn unread_journal(path: &Path) -> Option<String> {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    let journal = Path::new(&journal);
    let holds_writes = fs::metadata(journal).is_ok_and(|journal| journal.len() > 0);
    let owner = fs::metadata(path).map(|file| file.uid()).ok()?;
    holds_writes.then(|| {
        format!(
            "{} cannot be read by this user while its journal {} holds writes: read it as the user with the id {owner}, who owns it, or when no crawl runs",
            path.display(),
            journal.display()
        )
    })
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
