//! SQLite: no server to install, and one file to copy.
//!
//! Each collection is a table, with the document's text as the site sent it and a column for each
//! piece of metadata, next to `gleaner_sweeps` and `gleaner_failures`. One thread owns the
//! connection.
//!
//! A batch is one transaction, so a killed process leaves all of it or nothing. Other programs can
//! read while gleaner writes (WAL). Tables that gleaner did not create are never written.

mod database;
mod documents;
mod error;
mod failures;
mod folder;
mod ledger;
mod ledgers;
mod marks;
mod paged;
mod row;
mod schema;

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use self::database::{Database, Table};
use self::error::Fault;
pub use self::folder::SqliteFolder;
pub use self::ledgers::SqliteLedgers;
use self::row::{CopiedRow, Row};
use super::thread::{Ended, Owner};
use super::{
    DocumentCopy, Documents, Failures, KeptFailure, Ledger, Live, Place, Position, Rejection,
    Restore, Rows, Store, StoreError, Stored,
};
use crate::model::document::Encoding;
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance, Record, Seen};
use crate::observe::progress::Progress;
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};

/// A store in an SQLite file.
///
/// If it is dropped without [`Store::close`], its thread closes the file after the pending jobs. If
/// the process ends before that, the next run recovers from the journal.
pub struct SqliteStore {
    database: Owner<Database>,
    path: Box<Path>,
    was_empty: bool,
}

impl SqliteStore {
    /// Opens the file at `path`, and creates what is missing. `:memory:` is a store that exists as
    /// long as it is open.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or written, is not a database, or already
    /// holds another program's table under the collection's name.
    pub async fn open(path: &Path, place: &Place) -> Result<SqliteStore, StoreError> {
        SqliteStore::opened(path, place, Database::open).await
    }

    /// Opens the file at `path` for reading: nothing is created or changed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a database, or holds another program's
    /// table under the collection's name.
    pub async fn open_to_read(path: &Path, place: &Place) -> Result<SqliteStore, StoreError> {
        SqliteStore::opened(path, place, Database::open_to_read).await
    }

    async fn opened(
        path: &Path,
        place: &Place,
        open: fn(&Path, Place) -> Result<Database, StoreError>,
    ) -> Result<SqliteStore, StoreError> {
        let (file, place) = (path.to_owned(), place.clone());
        let opening = tokio::task::spawn_blocking(move || {
            let database = open(&file, place)?;
            let was_empty = database.look(|db, table| table.documents.is_empty(db));
            let was_empty = was_empty.map_err(|error| error::explain_opening(&file, &error))?;
            Ok((database, was_empty))
        });
        let failed =
            |why: String| StoreError::Failed(format!("{} cannot be opened: {why}", path.display()));
        let (database, was_empty) = opening.await.map_err(|error| failed(error.to_string()))??;
        let database =
            Owner::of(database, "gleaner-sqlite").map_err(|error| failed(error.to_string()))?;
        Ok(SqliteStore { database, path: path.into(), was_empty })
    }

    async fn ask<R: Send + 'static, F: Into<Fault> + Send + 'static>(
        &self,
        job: impl FnOnce(&mut Database) -> Result<R, F> + Send + 'static,
    ) -> Result<R, StoreError> {
        match self.database.run(job).await {
            Ok(answer) => answer.map_err(|fault| error::explain_fault(&self.path, &fault.into())),
            Err(Ended) => Err(StoreError::Failed(format!("{} is closed", self.path.display()))),
        }
    }

    async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection, &Table) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.ask(move |database| database.look(look)).await
    }

    async fn change<R: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &Table) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.ask(move |database| database.change(change)).await
    }
}

fn not_text(at: usize) -> Rejection {
    Rejection { at, reason: "the document is not text".into() }
}

#[async_trait]
impl Documents for SqliteStore {
    fn encoding(&self) -> Encoding {
        Encoding::Text
    }

    fn was_empty(&self) -> bool {
        self.was_empty
    }

    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError> {
        let keys = keys.to_vec();
        self.look(move |db, table| table.documents.known(db, &keys)).await
    }

    async fn write(
        &self,
        provenance: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError> {
        let provenance = provenance.clone();
        let mut rows = Vec::with_capacity(records.len());
        let mut rejections = Vec::new();
        for (at, record) in records.iter().enumerate() {
            match Row::of(at, record) {
                Some(row) => rows.push(row),
                None => rejections.push(not_text(at)),
            }
        }
        let write =
            move |db: &Connection, table: &Table| table.documents.write(db, &provenance, &rows);
        rejections.extend(self.change(write).await?);
        Ok(rejections)
    }

    async fn mark_seen(
        &self,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>, StoreError> {
        let (provenance, seen) = (provenance.clone(), seen.to_vec());
        self.change(move |db, table| table.marks.mark_seen(db, &provenance, &seen)).await
    }

    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError> {
        let after = after.cloned();
        self.look(move |db, table| table.marks.keys(db, after.as_ref(), most)).await
    }

    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError> {
        let keys = keys.to_vec();
        self.look(move |db, table| table.marks.live(db, &keys)).await
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        self.look(|db, table| table.marks.count_live(db)).await
    }

    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.change(move |db, table| table.marks.mark_unlisted(db, &keys, at)).await
    }

    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError> {
        let keys = keys.to_vec();
        self.change(move |db, table| table.marks.mark_gone(db, &keys, at)).await
    }

    async fn read(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>, StoreError> {
        let after = after.cloned();
        self.look(move |db, table| table.documents.read(db, after.as_ref(), most)).await
    }
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.look(move |db, table| ledger::sweeps(db, &table.place, most)).await
    }

    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError> {
        self.look(move |db, table| ledger::whole(db, &table.place, most)).await
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        self.look(|db, table| ledger::latest(db, &table.place)).await
    }

    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError> {
        let claim = claim.clone();
        let taken = self.ask(move |database| database.take_lock(&claim)).await?;
        let refused = |why: String| StoreError::Unusable(format!("{} {why}", self.path.display()));
        taken.map_err(refused)
    }

    async fn renew_lock(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError> {
        let (entry, progress) = (entry.clone(), progress.cloned());
        let renew = move |db: &Connection| ledger::renew_lock(db, &entry, progress.as_ref());
        self.ask(move |database| database.change_ledger(renew)).await
    }

    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        let entry = entry.clone();
        self.ask(move |database| database.change_ledger(|db| ledger::finish_sweep(db, &entry)))
            .await
    }
}

#[async_trait]
impl Failures for SqliteStore {
    fn keeps_failures(&self) -> bool {
        true
    }

    async fn keep_failures(
        &self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), StoreError> {
        let (provenance, kept) = (provenance.clone(), failures.to_vec());
        self.change(move |db, table| failures::keep(db, &table.place, &provenance, &kept)).await
    }

    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError> {
        let pages = pages.to_vec();
        self.change(move |db, table| failures::clear(db, &table.place, &pages)).await
    }

    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        let after = after.cloned();
        self.look(move |db, table| failures::read(db, &table.place, after.as_ref(), most)).await
    }
}

#[async_trait]
impl Restore for SqliteStore {
    async fn restore_documents(
        &self,
        copies: &[DocumentCopy],
    ) -> Result<Vec<Rejection>, StoreError> {
        let mut rows = Vec::with_capacity(copies.len());
        let mut rejections = Vec::new();
        for (at, copy) in copies.iter().enumerate() {
            match CopiedRow::of(at, copy) {
                Some(row) => rows.push(row),
                None => rejections.push(not_text(at)),
            }
        }
        let restore = move |db: &Connection, table: &Table| table.documents.restore(db, &rows);
        rejections.extend(self.change(restore).await?);
        Ok(rejections)
    }

    async fn restore_sweeps(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        let entries = entries.to_vec();
        let taken = self.change(move |db, _| ledger::restore(db, &entries)).await?;
        let other = |id: Box<str>| {
            let path = self.path.display();
            StoreError::Failed(format!("{path} holds a sweep {id} of another site"))
        };
        taken.map_or(Ok(()), |id| Err(other(id)))
    }

    async fn restore_failures(&self, failures: &[KeptFailure]) -> Result<(), StoreError> {
        let failures = failures.to_vec();
        self.change(move |db, table| failures::restore(db, &table.place, &failures)).await
    }

    async fn sweeps_before(
        &self,
        entry: &SweepEntry,
        most: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let entry = entry.clone();
        self.look(move |db, table| ledger::before(db, &table.place, &entry, most)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn left_unfinished(&self) -> Option<String> {
        None
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self.database.end(Database::close).await {
            Ok(closed) => closed.map_err(|error| error::explain(&self.path, &error)),
            // It was closed before.
            Err(Ended) => Ok(()),
        }
    }
}
