//! The lock on a site, held by a run: kept by heartbeats. Whether it is still held is seen to by the
//! store, before and in each write.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::error::CrawlError;
use crate::store::Store;
use crate::sweep::SweepEntry;

/// A lock that was taken.
pub struct Lock {
    store: Arc<dyn Store>,
    entry: SweepEntry,
}

impl Lock {
    /// The lock that `entry`, which the ledger has, is.
    pub fn taken(store: Arc<dyn Store>, entry: SweepEntry) -> Lock {
        Lock { store, entry }
    }

    /// The sweep that it is held for.
    pub fn entry(&self) -> &SweepEntry {
        &self.entry
    }

    /// Sends heartbeats, and ends where the lock is lost or the store fails.
    pub async fn keep(&self) -> CrawlError {
        let heartbeat = clock::limit("GLEANER_TEST_HEARTBEAT", Duration::from_secs(10));
        loop {
            tokio::time::sleep(heartbeat).await;
            match self.store.renew_lock(&self.entry).await {
                Ok(true) => {}
                Ok(false) => return CrawlError::LockLost,
                Err(error) => return error.into(),
            }
        }
    }
}
