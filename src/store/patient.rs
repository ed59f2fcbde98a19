//! Retries while a store is unavailable: wraps a store and repeats calls until it is back or the
//! patience runs out. All callers go through this one place.
//!
//! A run that waits may lose the site's lock meanwhile. Each write, and each retry of one,
//! therefore first checks that the lock is still held, unless that was confirmed recently. This
//! check only makes the run stop early: the store's own check protects the documents ([`Store`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    DocumentCopy, Documents, Failures, KeptFailure, Ledger, Live, Position, Rejection, Restore,
    Rows, Store, StoreError, Stored,
};
use crate::model::document::Encoding;
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance, Record, Seen};
use crate::observe::metrics::Metrics;
use crate::observe::progress::Progress;
use crate::observe::waits::Waits;
use crate::sweep::lock::{Claim, silence};
use crate::sweep::{LedgerEntry, SweepEntry};
use crate::system::clock;

/// Delay before the first retry. It doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Maximum delay between retries.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Maximum time to wait for an unavailable store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(pub Duration);

/// A store that waits while the store it wraps is unavailable.
pub struct PatientStore {
    store: Arc<dyn Store>,
    name: String,
    patience: Patience,
    metrics: Arc<Metrics>,
    waits: Waits,
    /// Start of the current outage, shared by all callers, or `None`.
    outage_since: Mutex<Option<Instant>>,
    lock: Mutex<Option<Held>>,
    /// Clock that includes suspension of the machine.
    now: fn() -> Duration,
}

/// The lock that was taken last.
#[derive(Clone)]
struct Held {
    entry: Arc<SweepEntry>,
    /// Time when the lock was last confirmed, by a clock that includes suspension.
    renewed: Duration,
}

impl PatientStore {
    /// Wraps `store`, called `name` in the log.
    pub fn new(
        store: Arc<dyn Store>,
        name: String,
        patience: Patience,
        metrics: Arc<Metrics>,
        waits: Waits,
    ) -> PatientStore {
        let (outage_since, lock) = (Mutex::default(), Mutex::default());
        let now = clock::since_boot;
        PatientStore { store, name, patience, metrics, waits, outage_since, lock, now }
    }

    async fn retry<'a, T>(
        &self,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let mut first_failure: Option<Instant> = None;
        let mut delay = FIRST_DELAY;
        loop {
            let error = match call().await {
                Err(StoreError::Unavailable(error)) => error,
                answer => {
                    if first_failure.is_some() {
                        self.outage_ended();
                    }
                    return answer;
                }
            };
            self.outage_began(&error);
            let since = *first_failure.get_or_insert_with(Instant::now);
            if since.elapsed() + delay > self.patience.0 {
                self.outage_ended();
                return Err(StoreError::Failed(format!(
                    "{} was unavailable for {} (--store-wait): {error}",
                    self.name,
                    humantime::format_duration(self.patience.0)
                )));
            }
            tokio::time::sleep(delay).await;
            self.metrics.store_retried();
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Repeats a write like `retry`, but makes each call only while the lock is held.
    async fn retry_held<'a, T: Send + 'a>(
        &'a self,
        write: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.retry(move || {
            let writing = write();
            Box::pin(async move {
                self.ensure_held().await?;
                writing.await
            })
        })
        .await
    }

    /// Asks the store whether the lock is still held, if that was not confirmed for half of the
    /// time after which others may take it. The process may have been stopped, the machine
    /// suspended, or the store unreachable.
    async fn ensure_held(&self) -> Result<(), StoreError> {
        let held = self.held().clone();
        let Some(Held { entry, renewed }) = held else { return Ok(()) };
        if (self.now)().saturating_sub(renewed) < silence() / 2 || self.renew(&entry, None).await? {
            return Ok(());
        }
        Err(StoreError::LockLost)
    }

    async fn renew(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError> {
        let asked = (self.now)();
        let is_held = self.store.renew_lock(entry, progress).await?;
        if let Some(held) = self.held().as_mut().filter(|_| is_held) {
            held.renewed = asked;
        }
        Ok(is_held)
    }

    async fn take(&self, claim: &Claim) -> Result<Option<i64>, StoreError> {
        let renewed = (self.now)();
        let taken = self.store.take_lock(claim).await?;
        if let Some(fence) = taken {
            let entry = Arc::new(SweepEntry { fence, ..claim.entry.clone() });
            *self.held() = Some(Held { entry, renewed });
        }
        Ok(taken)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of an outage. It is reported once, however many callers notice it.
    fn outage_began(&self, error: &str) {
        self.outage(|since| {
            since.get_or_insert_with(|| {
                let now = Instant::now();
                self.waits.begin(&self.name, error, now + self.patience.0);
                now
            });
        });
    }

    /// Records that this caller no longer waits. Only the first call after an outage has an effect.
    fn outage_ended(&self) {
        self.outage(|since| {
            if let Some(since) = since.take() {
                self.metrics.store_waited(since.elapsed());
                self.waits.end(&self.name);
            }
        });
    }

    fn outage(&self, note: impl FnOnce(&mut Option<Instant>)) {
        note(&mut self.outage_since.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Documents for PatientStore {
    fn encoding(&self) -> Encoding {
        self.store.encoding()
    }

    fn was_empty(&self) -> bool {
        self.store.was_empty()
    }

    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError> {
        self.retry(|| self.store.known(keys)).await
    }

    async fn write(
        &self,
        provenance: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError> {
        self.retry_held(|| self.store.write(provenance, records)).await
    }

    async fn mark_seen(
        &self,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>, StoreError> {
        self.retry_held(|| self.store.mark_seen(provenance, seen)).await
    }

    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError> {
        self.retry(|| self.store.keys(after, most)).await
    }

    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError> {
        self.retry(|| self.store.live(keys)).await
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        self.retry(|| self.store.count_live()).await
    }

    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError> {
        self.retry_held(|| self.store.mark_unlisted(keys, at)).await
    }

    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError> {
        self.retry_held(|| self.store.mark_gone(keys, at)).await
    }

    async fn read(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>, StoreError> {
        self.retry(|| self.store.read(after, most)).await
    }
}

#[async_trait]
impl Ledger for PatientStore {
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.retry(|| self.store.sweeps(most)).await
    }

    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError> {
        self.retry(|| self.store.whole_sweeps(most)).await
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        self.retry(|| self.store.latest_sweeps()).await
    }

    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError> {
        self.retry(|| Box::pin(self.take(claim))).await
    }

    async fn renew_lock(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError> {
        self.retry(|| Box::pin(self.renew(entry, progress))).await
    }

    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        self.retry(|| self.store.finish_sweep(entry)).await
    }
}

#[async_trait]
impl Failures for PatientStore {
    fn keeps_failures(&self) -> bool {
        self.store.keeps_failures()
    }

    async fn keep_failures(
        &self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), StoreError> {
        self.retry_held(|| self.store.keep_failures(provenance, failures)).await
    }

    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError> {
        self.retry_held(|| self.store.clear_failures(pages)).await
    }

    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        self.retry(|| self.store.failures(after, most)).await
    }
}

#[async_trait]
impl Restore for PatientStore {
    async fn restore_documents(
        &self,
        copies: &[DocumentCopy],
    ) -> Result<Vec<Rejection>, StoreError> {
        self.retry_held(|| self.store.restore_documents(copies)).await
    }

    async fn restore_sweeps(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        self.retry_held(|| self.store.restore_sweeps(entries)).await
    }

    async fn restore_failures(&self, failures: &[KeptFailure]) -> Result<(), StoreError> {
        self.retry_held(|| self.store.restore_failures(failures)).await
    }

    async fn sweeps_before(
        &self,
        entry: &SweepEntry,
        most: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.retry(|| self.store.sweeps_before(entry, most)).await
    }
}

#[async_trait]
impl Store for PatientStore {
    fn left_unfinished(&self) -> Option<String> {
        self.store.left_unfinished()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
