//! The items of another site, the parent, as the seeds of a crawl: their keys, read from the store in
//! pages.
//!
//! Each item that is not marked gone is a seed. While the parent has never been crawled completely, more
//! items may exist than the store holds, so the crawl is incomplete.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::lookup::KEYS_AT_ONCE;
use crate::observe::metrics::Metrics;
use crate::observe::waits::Waits;
use crate::store::{
    self, Patience, PatientStore, Place, Position, Rows, Store, StoreError, StoreUrl,
};

/// Site and collection whose items are the seeds, and the store that holds them.
#[derive(Debug, Clone)]
pub struct Parent {
    /// URL of the store.
    pub url: StoreUrl,
    /// Site and collection.
    pub place: Place,
}

/// The parent's items, open for reading.
pub struct ParentItems {
    site: Box<str>,
    store: Arc<dyn Store>,
    /// Positions of the pages after the first, by their numbers. Each is found by the page before it.
    after: Mutex<HashMap<u64, Position>>,
}

/// A page of seeds.
#[derive(Debug, Default)]
pub struct SeedKeys {
    /// Keys of live items.
    pub keys: Vec<Arc<str>>,
    /// True if no page follows.
    pub is_last: bool,
}

impl Parent {
    /// Opens the store for reading. While it is unavailable later on, reading waits as long as
    /// `patience` says.
    ///
    /// # Errors
    /// Returns an error if the store cannot be opened, or the collection belongs to another site.
    pub async fn open(
        &self,
        patience: Patience,
        metrics: Arc<Metrics>,
        waits: Waits,
    ) -> Result<ParentItems, StoreError> {
        let Parent { url, place } = self;
        let store = store::open_to_read(url, place).await?;
        let store = PatientStore::new(store, url.to_string(), patience, metrics, waits);
        Ok(ParentItems {
            site: place.site.clone(),
            store: Arc::new(store),
            after: Mutex::default(),
        })
    }
}

impl ParentItems {
    /// Returns the name of the parent.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Returns true if the parent was crawled completely at least once.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn was_complete(&self) -> Result<bool, StoreError> {
        Ok(!self.store.whole_sweeps(1).await?.is_empty())
    }

    /// Reads a page of seeds. Pages are numbered from 1, and each may be read once those before it
    /// were.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn page(&self, number: u64) -> Result<SeedKeys, StoreError> {
        let after = self.after.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        let Rows { found, next, .. } = self.store.keys(after.as_ref(), KEYS_AT_ONCE).await?;
        let live = self.store.live(&found).await?;
        let live: HashSet<_> = live.into_iter().map(|it| it.key).collect();
        let keys = found.iter().filter(|key| live.contains(key)).map(|key| key.as_str().into());
        let (keys, is_last) = (keys.collect(), next.is_none());
        if let Some(next) = next {
            self.after.lock().unwrap_or_else(PoisonError::into_inner).insert(number + 1, next);
        }
        Ok(SeedKeys { keys, is_last })
    }

    /// Closes the store. Errors are ignored: nothing was written.
    pub async fn close(&self) {
        let _ = self.store.close().await;
    }
}
