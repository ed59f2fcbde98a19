//! The items of another site, the parent, as the seeds of a crawl: their keys, read from the store in
//! pages.
//!
//! Each item that is not marked gone is a seed. While the parent has never been crawled completely, more
//! items may exist than the store holds, so the crawl is incomplete.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::engine::lookup::KEYS_AT_ONCE;
use crate::observe::metrics::Metrics;
use crate::observe::waits::Waits;
use crate::store::{
    self, Live, Patience, PatientStore, Place, Position, Rows, Store, StoreError, StoreUrl,
};
use crate::sweep::SweepEntry;

/// Number of the parent's sweeps among which those are looked for that were under way at a time.
const SWEEPS: usize = 1_000;

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
    /// Time since which items that changed are seeds, once it is known.
    since: OnceCell<Timestamp>,
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
            since: OnceCell::new(),
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

    /// Reads a page of seeds: of all items, or of those that changed since a time, which is the same
    /// for all pages. Pages are numbered from 1, and each may be read once those before it
    /// were.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn page(
        &self,
        number: u64,
        since: Option<Timestamp>,
    ) -> Result<SeedKeys, StoreError> {
        let since = match since {
            Some(since) => Some(*self.since.get_or_try_init(|| self.stored_since(since)).await?),
            None => None,
        };
        let after = self.after.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        let Rows { found, next, .. } = self.store.keys(after.as_ref(), KEYS_AT_ONCE).await?;
        let live = self.store.live(&found).await?;
        let has_changed = |it: &Live| {
            since.is_none_or(|since| it.changed_at.is_none_or(|changed| changed >= since))
        };
        let live: HashSet<_> = live.into_iter().filter(has_changed).map(|it| it.key).collect();
        let keys = found.iter().filter(|key| live.contains(key)).map(|key| key.as_str().into());
        let (keys, is_last) = (keys.collect(), next.is_none());
        if let Some(next) = next {
            self.after.lock().unwrap_or_else(PoisonError::into_inner).insert(number + 1, next);
        }
        Ok(SeedKeys { keys, is_last })
    }

    /// Returns the time since which an item that changed may have been stored after `since`: the start
    /// of a sweep of the parent that was under way then.
    async fn stored_since(&self, since: Timestamp) -> Result<Timestamp, StoreError> {
        let sweeps = self.store.sweeps(SWEEPS).await?.into_iter().map(|it| it.entry);
        let was_under_way = |it: &SweepEntry| it.ended_at.is_none_or(|ended| ended >= since);
        let starts = sweeps.filter(was_under_way).map(|it| it.started_at);
        Ok(starts.min().map_or(since, |start| start.min(since)))
    }

    /// Closes the store. Errors are ignored: nothing was written.
    pub async fn close(&self) {
        let _ = self.store.close().await;
    }
}
