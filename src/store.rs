//! The store: the database that is kept in step with the site. This file is the contract;
//! `store/` holds MongoDB, SQLite and JSON lines, and the patience with a store that goes away.
//!
//! 1. All methods take batches. What one document cannot be stored for is a [`Rejection`] of that
//!    document; the rest of the batch is written.
//! 2. `Ok` means durable as far as the store can say: a task is done when its record is here.
//! 3. Writing the same record twice changes nothing, so a batch whose fate is unknown may be
//!    written again.
//! 4. A store that cannot be reached now answers [`StoreError::Unavailable`]; whoever calls may
//!    wait and call again.
//!
//! `tests/it/store_contract.rs` is the suite that every store has to pass.

mod jsonl;
mod mongodb;
mod patient;
mod sqlite;
mod thread;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::document::Encoding;
use crate::record::{Failure, Key, Known, Record, Stamp};
use crate::sweep::SweepEntry;

pub use patient::{Patience, PatientStore};
pub use url::{StoreUrl, StoreUrlError};

/// See the contract in the module's text.
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

    /// Keeps failures, one entry a page: a later one of the same page replaces all but the time
    /// of the first.
    ///
    /// # Errors
    /// Where they could not be written.
    async fn keep_failures(&self, stamp: &Stamp, failures: &[Failure]) -> Result<(), StoreError>;

    /// Takes off the failures of items that were stored since.
    ///
    /// # Errors
    /// Where they could not be taken off.
    async fn clear_failures(&self, keys: &[Key]) -> Result<(), StoreError>;

    /// Writes the ledger's entry of a sweep, replacing what it said before.
    ///
    /// # Errors
    /// Where it could not be written.
    async fn keep_sweep(&self, entry: &SweepEntry) -> Result<(), StoreError>;

    /// Documents in the order of their keys, at most `most`, after `after`.
    ///
    /// # Errors
    /// Where the store cannot be asked, or keeps nothing that could be read again.
    async fn read(&self, after: Option<&Key>, most: usize) -> Result<Vec<Stored>, StoreError>;

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
    /// Where it was fetched.
    pub url: Option<Box<str>>,
    /// When it was last listed.
    pub seen_at: Option<Timestamp>,
    /// The document as JSON text, as the site gave it.
    pub text: String,
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
    /// It failed, and trying again will not help.
    #[error("{0}")]
    Failed(String),
    /// Whoever read what was written went away.
    #[error("the reader of the output went away")]
    Closed,
}

/// Opens the store at `url` for `place`, making what is missing.
///
/// # Errors
/// Where it cannot be reached within 5 s, cannot be opened, or belongs to another site.
pub async fn open(url: &StoreUrl, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        StoreUrl::Mongodb(uri) => Arc::new(mongodb::MongodbStore::open(uri, place).await?),
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, place).await?),
        StoreUrl::JsonLines(target) => Arc::new(jsonl::JsonLinesStore::open(target)?),
    })
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
