//! The lock on a site. A run keeps it by heartbeats; the store checks before and in each write that
//! the run still holds it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::error::CrawlError;
use crate::store::Store;
use crate::sweep::SweepEntry;
use crate::system::clock;

/// A lock that was acquired.
pub struct Lock {
    store: Arc<dyn Store>,
    entry: SweepEntry,
}

impl Lock {
    /// Wraps the lock that the ledger's `entry` represents.
    pub fn taken(store: Arc<dyn Store>, entry: SweepEntry) -> Lock {
        Lock { store, entry }
    }

    /// Returns the ledger entry of the sweep that holds the lock.
    pub fn entry(&self) -> &SweepEntry {
        &self.entry
    }

    /// Sends heartbeats until the lock is lost or the store fails, and returns that error.
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
