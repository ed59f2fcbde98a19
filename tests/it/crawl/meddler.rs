//! A store around a store, in whose calls a test meddles.

use std::sync::Arc;

use async_trait::async_trait;
use gleaner::document::Encoding;
use gleaner::record::{Failure, Key, Known, Record, Stamp};
use gleaner::store::{Rejection, Store, StoreError, Stored};
use gleaner::sweep::SweepEntry;

/// What is done before and after calls; nothing, where a test does not say otherwise.
#[async_trait]
pub trait Meddle: Send + Sync {
    fn encoding(&self) {}

    async fn known(&self, _keys: &[Key]) {}

    async fn before_write(&self, _records: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn after_write(&self, _records: &[Record]) {}

    async fn keep_sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// See the module's text.
pub struct Meddler<M> {
    pub store: Arc<dyn Store>,
    pub meddle: Arc<M>,
}

#[async_trait]
impl<M: Meddle> Store for Meddler<M> {
    fn encoding(&self) -> Encoding {
        self.meddle.encoding();
        self.store.encoding()
    }

    fn was_empty(&self) -> bool {
        self.store.was_empty()
    }

    fn keeps_failures(&self) -> bool {
        self.store.keeps_failures()
    }

    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError> {
        self.meddle.known(keys).await;
        self.store.known(keys).await
    }

    async fn write(&self, stamp: &Stamp, records: &[Record]) -> Result<Vec<Rejection>, StoreError> {
        self.meddle.before_write(records).await?;
        let written = self.store.write(stamp, records).await;
        self.meddle.after_write(records).await;
        written
    }

    async fn keep_failures(&self, stamp: &Stamp, failures: &[Failure]) -> Result<(), StoreError> {
        self.store.keep_failures(stamp, failures).await
    }

    async fn clear_failures(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.store.clear_failures(keys).await
    }

    async fn keep_sweep(&self, entry: &SweepEntry) -> Result<(), StoreError> {
        self.meddle.keep_sweep().await?;
        self.store.keep_sweep(entry).await
    }

    async fn read(&self, after: Option<&Key>, most: usize) -> Result<Vec<Stored>, StoreError> {
        self.store.read(after, most).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
