//! A store around a store, in whose calls a test meddles.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gleaner::model::document::Encoding;
use gleaner::model::failure::{Failure, PageId};
use gleaner::model::record::{Key, Known, Provenance, Record, Seen};
use gleaner::observe::progress::Progress;
use gleaner::store::{
    DocumentCopy, Documents, Failures, KeptFailure, Ledger, Live, Position, Rejection, Restore,
    Rows, Store, StoreError, Stored,
};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{LedgerEntry, SweepEntry};
use jiff::Timestamp;

/// What is done before and after calls; nothing, where a test does not say otherwise.
#[async_trait]
pub trait Meddle: Send + Sync {
    fn encoding(&self) {}

    async fn known(&self, _keys: &[Key]) {}

    async fn before_write(&self, _records: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn after_write(&self, _records: &[Record]) {}

    /// Before the ledger's first word of a sweep and before its last.
    async fn finish_sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A store that interferes with the one it wraps.
pub struct Meddler<M> {
    pub store: Arc<dyn Store>,
    pub meddle: Arc<M>,
}

#[async_trait]
impl<M: Meddle> Documents for Meddler<M> {
    fn encoding(&self) -> Encoding {
        self.meddle.encoding();
        self.store.encoding()
    }

    fn was_empty(&self) -> bool {
        self.store.was_empty()
    }

    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError> {
        self.meddle.known(keys).await;
        self.store.known(keys).await
    }

    async fn write(
        &self,
        provenance: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError> {
        self.meddle.before_write(records).await?;
        let written = self.store.write(provenance, records).await;
        self.meddle.after_write(records).await;
        written
    }

    async fn mark_seen(
        &self,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>, StoreError> {
        self.store.mark_seen(provenance, seen).await
    }

    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError> {
        self.store.keys(after, most).await
    }

    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError> {
        self.store.live(keys).await
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        self.store.count_live().await
    }

    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError> {
        self.store.mark_unlisted(keys, at).await
    }

    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError> {
        self.store.mark_gone(keys, at).await
    }

    async fn read(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>, StoreError> {
        self.store.read(after, most).await
    }
}

#[async_trait]
impl<M: Meddle> Ledger for Meddler<M> {
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.store.sweeps(most).await
    }

    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError> {
        self.store.whole_sweeps(most).await
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        self.store.latest_sweeps().await
    }

    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError> {
        self.meddle.finish_sweep().await?;
        self.store.take_lock(claim).await
    }

    async fn renew_lock(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError> {
        self.store.renew_lock(entry, progress).await
    }

    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        self.meddle.finish_sweep().await?;
        self.store.finish_sweep(entry).await
    }
}

#[async_trait]
impl<M: Meddle> Failures for Meddler<M> {
    fn keeps_failures(&self) -> bool {
        self.store.keeps_failures()
    }

    async fn keep_failures(
        &self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), StoreError> {
        self.store.keep_failures(provenance, failures).await
    }

    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError> {
        self.store.clear_failures(pages).await
    }

    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        self.store.failures(after, most).await
    }
}

#[async_trait]
impl<M: Meddle> Restore for Meddler<M> {
    async fn restore_documents(
        &self,
        copies: &[DocumentCopy],
    ) -> Result<Vec<Rejection>, StoreError> {
        self.store.restore_documents(copies).await
    }

    async fn restore_sweeps(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        self.store.restore_sweeps(entries).await
    }

    async fn restore_failures(&self, failures: &[KeptFailure]) -> Result<(), StoreError> {
        self.store.restore_failures(failures).await
    }

    async fn sweeps_before(
        &self,
        entry: &SweepEntry,
        most: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.store.sweeps_before(entry, most).await
    }
}

#[async_trait]
impl<M: Meddle> Store for Meddler<M> {
    fn left_unfinished(&self) -> Option<String> {
        self.store.left_unfinished()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}

/// How many keys the store was asked for, question by question.
#[derive(Default)]
pub struct Questions(pub Mutex<Vec<usize>>);

#[async_trait]
impl Meddle for Questions {
    async fn known(&self, keys: &[Key]) {
        self.0.lock().expect("nobody panicked").push(keys.len());
    }
}
