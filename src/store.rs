//! The store: the database that is kept in sync with the site. This file is the contract, in
//! traits: [`Documents`], [`Ledger`] and [`Failures`]; a fourth one, [`Restore`], writes what another
//! store holds. A [`Store`] has all of them; code that needs only one takes that one.
//!
//! `store/` holds the implementations for MongoDB and SQLite, for outputs that are only written
//! (`sink.rs`, JSON lines), and the retries while a store is unavailable.
//!
//! 1. All methods take batches. A document that cannot be stored gives a [`Rejection`]; the rest of
//!    the batch is written.
//! 2. `Ok` means durable, as far as the store can guarantee it: a task is done when its record is
//!    here.
//! 3. Writes are idempotent, so a batch may be written again if its result is unknown.
//! 4. A store writes documents, marks and failures only under the lock that it took last, and
//!    checks that itself: without the lock it returns [`StoreError::LockLost`]. A write that is in
//!    flight when the lock is lost cannot replace anything that a later holder wrote.
//! 5. A store that is unreachable returns [`StoreError::Unavailable`]; the caller may wait and
//!    retry.
//!
//! `tests/it/store_contract.rs` is the test suite that every store must pass.

mod copying;
pub mod files;
mod jsonl;
mod ledgers;
mod mongodb;
mod patient;
mod rows;
mod sample;
mod sink;
mod sqlite;
mod thread;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::sink::WriteOnly;
use crate::model::document::Encoding;
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance, Record, Seen};
use crate::observe::progress::Progress;
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};

pub use copying::{DocumentCopy, Pages, Restore};
pub use ledgers::{FailureCounts, Ledgers, SiteId};
pub use mongodb::insert_command;
pub use patient::{Patience, PatientStore};
pub use rows::{Position, Rows};
pub use sample::{Losses, Sample, Sampled};
pub use url::{StoreUrl, StoreUrlError};

/// The documents of a site, and what is known of their items.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Returns the form in which documents must be passed.
    fn encoding(&self) -> Encoding;

    /// Returns `true` if the collection was empty when the store was opened. Then no lookup of
    /// known items is needed.
    fn was_empty(&self) -> bool;

    /// Returns what the store knows of `keys` (at most 1,000). Unknown keys are left out.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError>;

    /// Writes records. A new or changed record replaces the whole document. Of an unchanged one,
    /// only the metadata is written. Returns the records that could not be stored.
    ///
    /// # Errors
    /// Returns an error if the batch as a whole failed; parts of it may have been written.
    async fn write(
        &self,
        provenance: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError>;

    /// Records that items were listed, without writing their documents.
    ///
    /// All items get `seen_at` and lose `unlisted_at`. Items that were fetched also get the sweep,
    /// the rules, the time, the validators and the revision. Items in one batch may all get the
    /// latest of their times.
    ///
    /// Returns the keys whose document is missing or marked gone. These must be fetched without
    /// conditions. For an item that is marked gone, only `seen_at` is written: the mark, and the
    /// `unlisted_at` that led to it, stay until the item is stored again.
    ///
    /// # Errors
    /// Returns an error if the batch as a whole failed; parts of it may have been written.
    async fn mark_seen(
        &self,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>, StoreError>;

    /// Returns at most `most` keys after `after`, in the order of an index that holds them, so that
    /// no documents are read. Includes documents that are marked gone, and documents of other
    /// programs if their key is in normal form.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError>;

    /// Returns metadata of those documents of `keys` (at most 1,000) that are not marked gone.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError>;

    /// Returns the number of documents that are not marked gone.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn count_live(&self) -> Result<u64, StoreError>;

    /// Records that items are missing from the list since `at`. Items that were missing before keep
    /// their time.
    ///
    /// # Errors
    /// Returns an error if the write failed; a part may have been written.
    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError>;

    /// Marks items gone since `at`. Items that are marked already keep their mark. Returns the
    /// number of items that now have the mark `at`, so a repeated call returns the same number.
    ///
    /// # Errors
    /// Returns an error if the write failed; a part may have been written.
    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError>;

    /// Returns at most `most` documents after `after`, in the order of the store's primary key,
    /// whatever keys other programs use.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried, or cannot be read back.
    async fn read(&self, after: Option<&Position>, most: usize)
    -> Result<Rows<Stored>, StoreError>;
}

/// The sweeps of a site, and its lock.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Returns at most `most` sweeps of this site and collection, the newest first. The order is by
    /// lock number, not by date.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Returns the latest sweeps over the whole site that were complete, at most `most`, the newest
    /// first, however many others came after them.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError>;

    /// Returns the ledger entries that a new run needs, however long the ledger is: the latest of
    /// each kind and state, the newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Acquires the lock: writes the claim's entry as the only running sweep, with a heartbeat by
    /// the store's clock. Of several concurrent callers, one succeeds.
    ///
    /// An expired entry that the claim evicts ends as failed, and an entry that the claim resumes
    /// is replaced, but only if the entry is still as it was read. Returns `None` if it is not, or
    /// if another sweep is running: then the caller must read the ledger again. A store without
    /// transactions may have evicted the expired entry in that case.
    ///
    /// The call is idempotent for the same holder, so it may be repeated after a lost response.
    ///
    /// Returns the number of the lock, which the entry has from now on: one more than any earlier
    /// one of this site and collection, and at least that of the claim's entry.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError>;

    /// Writes a heartbeat for a running sweep, with its progress, if there is any to write. Returns
    /// `false` if the holder of `entry` has lost the lock.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn renew_lock(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError>;

    /// Ends a sweep: replaces the running entry by `entry`. Returns `false`, and writes nothing, if
    /// the holder of `entry` has lost the lock.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError>;
}

/// The pages that were given up.
#[async_trait]
pub trait Failures: Send + Sync {
    /// Returns `true` if the store keeps failures and sweeps. Otherwise they are only reported.
    fn keeps_failures(&self) -> bool;

    /// Keeps failures, one entry per page. A later failure of the same page replaces everything but
    /// the time of the first one.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn keep_failures(
        &self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), StoreError>;

    /// Deletes the failures of pages that were fetched since.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError>;

    /// Returns at most `most` failures after `after`, ordered by page.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError>;
}

/// A database that is kept in sync with a site. The module's documentation is the contract.
#[async_trait]
pub trait Store: Documents + Ledger + Failures + Restore {
    /// Returns a message for users about where this run's output is if its sweep does not finish,
    /// or `None` if it is in its final place already.
    fn left_unfinished(&self) -> Option<String>;

    /// Flushes buffers and closes the store.
    ///
    /// # Errors
    /// Returns an error if something could not be written.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Site and collection for which a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the site.
    pub site: Box<str>,
    /// Name of the collection or table.
    pub collection: Box<str>,
    /// Field that holds a document's key, used to adopt a collection of another program. `None` if
    /// the key is not a plain field.
    pub key_field: Option<Box<str>>,
    /// True if a collection of another program may be adopted.
    pub adopt: bool,
}

/// A record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Index of the record in the batch.
    pub at: usize,
    /// Reason for the rejection.
    pub reason: String,
}

/// A document in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Metadata of the document.
    pub known: Known,
    /// The document as JSON text, as the site gave it.
    pub text: String,
}

/// A document that is not marked gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Key of the item.
    pub key: Key,
    /// Time since which the list does not contain the item, or `None`.
    pub unlisted_at: Option<Timestamp>,
    /// Time when the item was first stored, or `None` if gleaner never wrote it.
    pub first_seen: Option<Timestamp>,
    /// Time when its document last changed, or `None` if gleaner never wrote it.
    pub changed_at: Option<Timestamp>,
    /// URL that the item was fetched from, or `None`.
    pub url: Option<Box<str>>,
}

/// A failure in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFailure {
    /// Page that failed.
    pub page: PageId,
    /// URL of the page, without credentials.
    pub url: Box<str>,
    /// Kind of the failure, as one lower-case word.
    pub reason: Box<str>,
    /// Error message for people.
    pub message: Box<str>,
    /// HTTP status, or `None` if there was no response.
    pub status: Option<u16>,
    /// Number of attempts before it was last given up.
    pub attempts: u32,
    /// Beginning of the response, or `None`.
    pub sample: Option<Box<str>>,
    /// Time when the page was first given up.
    pub first_at: Timestamp,
    /// Time when the page was last given up.
    pub last_at: Timestamp,
    /// Sweep that last gave up the page.
    pub sweep: Box<str>,
}

impl KeptFailure {
    /// Returns a failure of a sweep as it is kept if it is the first one of its page.
    fn first(failure: &Failure, provenance: &Provenance) -> KeptFailure {
        KeptFailure {
            page: failure.id(),
            url: failure.url.clone(),
            reason: failure.reason.into(),
            message: failure.message.as_str().into(),
            status: failure.status,
            attempts: failure.attempts,
            sample: failure.sample.clone(),
            first_at: failure.at,
            last_at: failure.at,
            sweep: provenance.sweep.clone(),
        }
    }
}

/// Reason why a call of a store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store is unreachable or not ready. A retry may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// The store is misconfigured. The user must change something.
    #[error("{0}")]
    Unusable(String),
    /// The collection holds documents of another program, and adopting it is not allowed.
    #[error("{0}")]
    NotAdopted(String),
    /// The call failed, and a retry will not help.
    #[error("{0}")]
    Failed(String),
    /// The run does not hold the site's lock.
    #[error("lost the site lock: another run took it over")]
    LockLost,
    /// The reader of the output has closed it.
    #[error("the reader of the output has closed it")]
    Closed,
}

/// Opens the store at `url` for `place`.
///
/// # Errors
/// Returns an error if the store cannot be reached within 5 s, cannot be opened, belongs to another
/// site, or holds documents of another program and may not be adopted.
pub async fn open(url: &StoreUrl, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        StoreUrl::Mongodb(uri) => Arc::new(mongodb::MongodbStore::open(uri, place).await?),
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, place).await?),
        StoreUrl::JsonLines(target) => Arc::new(WriteOnly(jsonl::JsonLines::open(target)?)),
    })
}

/// Opens the store at `url` for reading: nothing is created or changed. Read-only SQLite files
/// work.
///
/// # Errors
/// Returns the same errors as [`open`].
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

/// Opens the ledgers in the store at `url`.
///
/// # Errors
/// Returns an error if the store cannot be reached within 5 s or read, or keeps no ledger.
pub async fn open_ledgers(url: &StoreUrl) -> Result<Arc<dyn Ledgers>, StoreError> {
    if let Some(folder) = url.folder() {
        return Ok(Arc::new(sqlite::SqliteFolder::new(folder)));
    }
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteLedgers::open(path).await?),
        StoreUrl::Mongodb(uri) => Arc::new(mongodb::MongodbLedgers::open(uri).await?),
        StoreUrl::JsonLines(_) => {
            return Err(StoreError::Unusable(format!("{url}: JSON lines keep no ledger")));
        }
    })
}

/// Returns what a crawl that writes `sample` would do to documents of other programs in the
/// collection.
///
/// # Errors
/// Returns an error if the store cannot be queried.
pub async fn losses(
    url: &StoreUrl,
    place: &Place,
    sample: &[Sampled],
) -> Result<Losses, StoreError> {
    match url {
        StoreUrl::Mongodb(uri) => mongodb::losses(uri, place, sample).await,
        // These stores refuse tables of other programs.
        StoreUrl::Sqlite(_) | StoreUrl::JsonLines(_) => Ok(Losses::default()),
    }
}

/// Returns `true` if the name of a site or a collection is valid: 1 to 64 letters, digits, `_` and
/// `-`, starting with a letter or digit, without a reserved prefix.
pub fn is_valid_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let reserved = ["gleaner_", "sqlite_", "system."].iter().any(|start| lower.starts_with(start));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !reserved
        && (1..=64).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
