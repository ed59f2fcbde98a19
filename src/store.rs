//! The store: the database that is kept in step with the site. This file is the contract;
//! `store/` holds MongoDB, SQLite and JSON lines, and the patience with a store that goes away.
//!
//! 1. All methods take batches. What one document cannot be stored for is a [`Rejection`] of that
//!    document; the rest of the batch is written.
//! 2. `Ok` means durable as far as the store can say: a task is done when its record is here.
//! 3. Writing the same record twice changes nothing, so a batch whose fate is unknown may be
//!    written again.
//! 4. A store writes documents, marks and failures only under the lock that it took last, and sees to
//!    that by itself: what it is asked for without it answers [`StoreError::LockLost`]. What is on its
//!    way when the lock is lost can replace nothing that a later holder wrote.
//! 5. A store that cannot be reached now answers [`StoreError::Unavailable`]; whoever calls may
//!    wait and call again.
//!
//! `tests/it/store_contract.rs` is the suite that every store has to pass.

mod jsonl;
mod mongodb;
mod patient;
mod rows;
mod sample;
mod sqlite;
mod thread;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::document::Encoding;
use crate::failure::{Failure, PageId};
use crate::record::{Key, Known, Record, Seen, Stamp};
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};

pub use mongodb::insert_command;
pub use patient::{Patience, PatientStore};
pub use rows::{Position, Rows};
pub use sample::{Losses, Sample, Sampled};
pub use url::{StoreUrl, StoreUrlError};

/// A database that is kept in step with a site. The module's documentation is the contract.
#[async_trait]
pub trait Store: Send + Sync {
    /// The form in which documents are to be handed over.
    fn encoding(&self) -> Encoding;

    /// Whether there was no document in the collection when the store was opened. Then nothing
    /// is known, and nothing need be asked.
    fn was_empty(&self) -> bool;

    /// Whether failures and sweeps are kept; where not, they are only reported.
    fn keeps_failures(&self) -> bool {
        true
    }

    /// What the store holds of `keys` (at most 1,000); those it does not hold are left out.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError>;

    /// Writes records: new and changed ones replace the whole document, of the same ones only
    /// what gleaner keeps beside it is written. Answers with what could not be stored.
    ///
    /// # Errors
    /// Where the batch as a whole could not be written; parts of it may have been.
    async fn write(&self, stamp: &Stamp, records: &[Record]) -> Result<Vec<Rejection>, StoreError>;

    /// Notes of items that they were listed, though there is nothing to write: all get `seen_at`
    /// and lose `unlisted_at`; of those that were fetched also sweep, rules, time, validators and
    /// revision are written. Answers with those whose document the store does not hold or has
    /// marked gone: they have to be fetched without conditions. Of one that is marked gone only
    /// `seen_at` is noted: the mark, and `unlisted_at` that led to it, stay until it is stored anew. Items that are noted together may get the latest of their
    /// times.
    ///
    /// # Errors
    /// Where the batch as a whole could not be written; parts of it may have been.
    async fn mark_seen(&self, stamp: &Stamp, seen: &[Seen]) -> Result<Vec<Key>, StoreError>;

    /// Keys of at most `most` documents after `after`, in the order of an index that holds them, so
    /// that no document is read: also of documents marked gone, and of those that others put beside
    /// ours, where they bear a key in its normal form.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError>;

    /// The documents of `keys` (at most 1,000) that are not marked gone, without what is in them.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError>;

    /// How many documents are not marked gone.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn count_live(&self) -> Result<u64, StoreError>;

    /// Notes that the list leaves items out since `at`, of those that it left out before nothing.
    ///
    /// # Errors
    /// Where it could not be written; a part may have been.
    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError>;

    /// Marks items gone since `at`; those that are marked already stay as they are. Answers how
    /// many bear the mark of `at` now: called again with the same, it answers the same.
    ///
    /// # Errors
    /// Where it could not be written; a part may have been.
    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError>;

    /// Keeps failures, one entry a page: a later one of the same page replaces all but the time
    /// of the first.
    ///
    /// # Errors
    /// Where they could not be written.
    async fn keep_failures(&self, stamp: &Stamp, failures: &[Failure]) -> Result<(), StoreError>;

    /// Takes off the failures of pages that were had since.
    ///
    /// # Errors
    /// Where they could not be taken off.
    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError>;

    /// What is kept of failures in the order of their pages, at most `most`, after `after`.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError>;

    /// The latest sweeps of this site and collection, at most `most`, the newest first: by the number
    /// of the lock, not by date.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// The latest sweeps over the whole site that were complete, at most `most`, the newest first, however
    /// many others came after them.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError>;

    /// What a new run has to know of the ledger, however long that is: of the sweeps that run and of
    /// those that ended, the latest over the whole site and the latest over a part of it, the newest
    /// first.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Takes the lock: writes the claim's entry as the one sweep that runs, with a heartbeat by the
    /// store's clock. Of all who try at once, one succeeds.
    ///
    /// The dead holder's entry that the claim evicts ends as failed; the entry that it resumes is
    /// replaced. Either happens only while the entry is as it was read. Nothing where it is not, or
    /// another sweep runs: then the caller reads the ledger again; a store without transactions may
    /// have evicted the dead holder. Called again by the same holder, as after a lost answer, it
    /// succeeds again.
    ///
    /// Answers with the number of the lock, which the entry bears from now on: one more than any
    /// that was taken before on this site and collection.
    ///
    /// # Errors
    /// Where it could not be written.
    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError>;

    /// Gives a sign of life for a sweep that runs. `false` where the holder of `entry` does not
    /// hold it any more: the lock is lost.
    ///
    /// # Errors
    /// Where it could not be written.
    async fn renew_lock(&self, entry: &SweepEntry) -> Result<bool, StoreError>;

    /// Ends a sweep: writes its entry in place of the one that runs. `false` where the holder of
    /// `entry` does not hold it any more; then nothing is written.
    ///
    /// # Errors
    /// Where it could not be written.
    async fn keep_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError>;

    /// Says, for people, what becomes of what this run wrote where its sweep does not come to its
    /// end; nothing where it is in its place already.
    fn left_unfinished(&self) -> Option<String> {
        None
    }

    /// At most `most` documents after `after`, in the order of the store's primary key, whatever
    /// keys others gave to theirs.
    ///
    /// # Errors
    /// Where the store cannot be asked, or keeps nothing that could be read again.
    async fn read(&self, after: Option<&Position>, most: usize)
    -> Result<Rows<Stored>, StoreError>;

    /// Writes out what is buffered and lets go of the store.
    ///
    /// # Errors
    /// Where something could not be written.
    async fn close(&self) -> Result<(), StoreError>;
}

/// What a store is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the site.
    pub site: Box<str>,
    /// Collection or table.
    pub collection: Box<str>,
    /// Field of a document that holds its key, by which a collection that others filled is
    /// adopted.
    pub key_field: Option<Box<str>>,
    /// Whether a collection that others filled may be adopted.
    pub adopt: bool,
}

/// A record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in the batch.
    pub at: usize,
    /// Why.
    pub reason: String,
}

/// A document as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What gleaner keeps of it.
    pub known: Known,
    /// The document as JSON text, as the site gave it.
    pub text: String,
}

/// A document that is not marked gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The item.
    pub key: Key,
    /// Since when the list leaves it out.
    pub unlisted_at: Option<Timestamp>,
    /// When it was first stored; absent where gleaner never wrote it.
    pub first_seen: Option<Timestamp>,
    /// Where it was fetched.
    pub url: Option<Box<str>>,
}

/// A failure as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFailure {
    /// What was asked for.
    pub page: PageId,
    /// Where, without credentials.
    pub url: Box<str>,
    /// What went wrong, as one lower-case word.
    pub reason: Box<str>,
    /// What went wrong, for people.
    pub message: Box<str>,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How often it was tried the last time.
    pub attempts: u32,
    /// The beginning of what came instead.
    pub sample: Option<Box<str>>,
    /// When it was first given up.
    pub first_at: Timestamp,
    /// When it was last given up.
    pub last_at: Timestamp,
    /// The sweep that last gave it up.
    pub sweep: Box<str>,
}

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or is not ready; it may come back.
    #[error("{0}")]
    Unavailable(String),
    /// It cannot be used as it was set up: the user has to change something.
    #[error("{0}")]
    Unusable(String),
    /// The collection holds documents of others, and nobody said that it may be adopted.
    #[error("{0}")]
    NotAdopted(String),
    /// It failed, and trying again will not help.
    #[error("{0}")]
    Failed(String),
    /// The site's lock is not held: another run took it over.
    #[error("the lock on the site is not held, another run took it over")]
    LockLost,
    /// Whoever read what was written went away.
    #[error("the reader of the output went away")]
    Closed,
}

/// Opens the store at `url` for `place`.
///
/// # Errors
/// Where it cannot be reached within 5 s, cannot be opened, belongs to another site, or holds documents
/// of others and was not adopted.
pub async fn open(url: &StoreUrl, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        StoreUrl::Mongodb(uri) => Arc::new(mongodb::MongodbStore::open(uri, place).await?),
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, place).await?),
        StoreUrl::JsonLines(target) => Arc::new(jsonl::JsonLinesStore::open(target)?),
    })
}

/// Opens the store at `url` to read what it holds of `place`: nothing is made or changed. An SQLite file
/// may be one that may not be written.
///
/// # Errors
/// As [`open`].
pub async fn open_to_read(url: &StoreUrl, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => {
            Ok(Arc::new(sqlite::SqliteStore::open_to_read(path, place).await?))
        }
        StoreUrl::Mongodb(uri) => {
            Ok(Arc::new(mongodb::MongodbStore::open_to_read(uri, place).await?))
        }
        StoreUrl::JsonLines(_) => open(url, place).await,
    }
}

/// What a crawl that brings `sample` would do to documents that others put into the collection.
///
/// # Errors
/// Where the store cannot be asked.
pub async fn losses(
    url: &StoreUrl,
    place: &Place,
    sample: &[Sampled],
) -> Result<Losses, StoreError> {
    match url {
        StoreUrl::Mongodb(uri) => mongodb::losses(uri, place, sample).await,
        // Their tables are gleaner's own, or are refused.
        StoreUrl::Sqlite(_) | StoreUrl::JsonLines(_) => Ok(Losses::default()),
    }
}

/// Whether a site's name or a collection's is one: letters, digits, `_` and `-`, beginning with
/// a letter or digit, at most 64 long, and none of the reserved beginnings.
pub fn is_valid_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let reserved = ["gleaner_", "sqlite_", "system."].iter().any(|start| lower.starts_with(start));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !reserved
        && (1..=64).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
