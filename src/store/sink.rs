//! Outputs that are only written, such as JSON lines: as stores that know no items and keep no
//! ledger and no failures.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    DocumentCopy, Documents, Failures, KeptFailure, Ledger, Live, Position, Rejection, Restore,
    Rows, Store, StoreError, Stored,
};
use crate::model::document::Encoding;
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance, Record, Seen};
use crate::observe::progress::Progress;
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, State, SweepEntry};

/// An output that documents are written to, and that cannot be read back.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Returns the name of the output, for messages.
    fn name(&self) -> &str;

    /// Returns the kind of the output in the plural, for messages.
    fn kind(&self) -> &'static str;

    /// Returns the form in which documents must be passed.
    fn encoding(&self) -> Encoding;

    /// Writes records. Returns the records that could not be written.
    async fn write(&self, records: &[Record]) -> Result<Vec<Rejection>, StoreError>;

    /// Notes how the sweep ended, before the output is closed.
    async fn end_sweep(&self, state: State) -> Result<(), StoreError>;

    /// See [`Store::left_unfinished`].
    fn left_unfinished(&self) -> Option<String>;

    /// See [`Store::close`].
    async fn close(&self) -> Result<(), StoreError>;
}

/// A store that writes to a [`Sink`].
pub struct WriteOnly<S>(pub S);

#[async_trait]
impl<S: Sink> Documents for WriteOnly<S> {
    fn encoding(&self) -> Encoding {
        self.0.encoding()
    }

    fn was_empty(&self) -> bool {
        true
    }

    async fn known(&self, _: &[Key]) -> Result<Vec<Known>, StoreError> {
        Ok(Vec::new())
    }

    async fn write(
        &self,
        _: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError> {
        self.0.write(records).await
    }

    async fn mark_seen(&self, _: &Provenance, _: &[Seen]) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    async fn keys(&self, _: Option<&Position>, _: usize) -> Result<Rows<Key>, StoreError> {
        Ok(Rows::default())
    }

    async fn live(&self, _: &[Key]) -> Result<Vec<Live>, StoreError> {
        Ok(Vec::new())
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn mark_unlisted(&self, _: &[Key], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn mark_gone(&self, _: &[Key], _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn read(&self, _: Option<&Position>, _: usize) -> Result<Rows<Stored>, StoreError> {
        Err(StoreError::Failed(format!(
            "{}: {} are written, not read back; use an SQLite file or MongoDB",
            self.0.name(),
            self.0.kind()
        )))
    }
}

impl<S: Sink> WriteOnly<S> {
    fn no_copy<T>(&self) -> Result<T, StoreError> {
        let (name, kind) = (self.0.name(), self.0.kind());
        Err(StoreError::Failed(format!("{name}: {kind} keep no metadata and no ledger")))
    }
}

/// Only a store that keeps everything can hold a copy.
#[async_trait]
impl<S: Sink> Restore for WriteOnly<S> {
    async fn restore_documents(&self, _: &[DocumentCopy]) -> Result<Vec<Rejection>, StoreError> {
        self.no_copy()
    }

    async fn restore_sweeps(&self, _: &[LedgerEntry]) -> Result<(), StoreError> {
        self.no_copy()
    }

    async fn restore_failures(&self, _: &[KeptFailure]) -> Result<(), StoreError> {
        self.no_copy()
    }

    async fn sweeps_before(
        &self,
        _: &SweepEntry,
        _: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(Vec::new())
    }
}

/// There is no ledger: any number of runs may write at once, and none resumes another.
#[async_trait]
impl<S: Sink> Ledger for WriteOnly<S> {
    async fn sweeps(&self, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn whole_sweeps(&self, _: usize) -> Result<Vec<SweepEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn take_lock(&self, _: &Claim) -> Result<Option<i64>, StoreError> {
        Ok(Some(1))
    }

    async fn renew_lock(&self, _: &SweepEntry, _: Option<&Progress>) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        self.0.end_sweep(entry.state).await.map(|()| true)
    }
}

#[async_trait]
impl<S: Sink> Failures for WriteOnly<S> {
    fn keeps_failures(&self) -> bool {
        false
    }

    async fn keep_failures(&self, _: &Provenance, _: &[Failure]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn clear_failures(&self, _: &[PageId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn failures(
        &self,
        _: Option<&Position>,
        _: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        Ok(Rows::default())
    }
}

#[async_trait]
impl<S: Sink> Store for WriteOnly<S> {
    fn left_unfinished(&self) -> Option<String> {
        self.0.left_unfinished()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }
}
