//! The lock on a site in a run's hands: kept by signs of life, and asked for before anything is
//! written after a silence, since another run may have taken over meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::CrawlError;
use crate::store::Store;
use crate::sweep::SweepEntry;

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After a longer silence the store is asked whether the lock is still ours; others take it after a
/// minute.
const SILENCE: Duration = Duration::from_secs(30);

/// See the module's text.
pub struct Lock {
    store: Arc<dyn Store>,
    entry: SweepEntry,
    /// When it was last known to be ours.
    renewed: Mutex<Instant>,
}

impl Lock {
    /// The lock that `entry`, which the ledger has, is.
    pub fn taken(store: Arc<dyn Store>, entry: SweepEntry) -> Lock {
        Lock { store, entry, renewed: Mutex::new(Instant::now()) }
    }

    /// The sweep that it is held for.
    pub fn entry(&self) -> &SweepEntry {
        &self.entry
    }

    /// Gives signs of life, and ends where the lock is lost or the store fails.
    pub async fn keep(&self) -> CrawlError {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(lost) = self.renew().await {
                return lost;
            }
        }
    }

    /// Makes sure, before something is written, that the lock was not taken over: this process may
    /// have been stopped, or its machine asleep.
    ///
    /// # Errors
    /// [`CrawlError::LockLost`], or where the store cannot be asked.
    pub async fn ensure(&self) -> Result<(), CrawlError> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.elapsed() < SILENCE { Ok(()) } else { self.renew().await }
    }

    /// Gives a sign of life, if the lock is still ours.
    ///
    /// # Errors
    /// [`CrawlError::LockLost`], or where the store cannot be asked.
    pub async fn renew(&self) -> Result<(), CrawlError> {
        let asked = Instant::now();
        if !self.store.renew_lock(&self.entry).await? {
            return Err(CrawlError::LockLost);
        }
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(())
    }
}
