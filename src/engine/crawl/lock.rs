//! Acquires the site's lock before a crawl. [`Lock`] keeps it afterwards.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::engine::lock::Lock;
use crate::sweep::lock::{self, Beginning, Claim};
use crate::sweep::{Holder, Life, SweepEntry};
use crate::text::secret::shown;

/// Number of attempts to take the lock; other runs may take it between the read and the write.
const TRIES: u32 = 10;
/// Interval at which the ledger is read while a holder that may be dead is watched.
const GLANCE: Duration = Duration::from_secs(1);

/// Ids of the sweeps that run in this process. The process may have run others before, and failed
/// to record that they ended.
static RUNNING: Mutex<Option<HashSet<Box<str>>>> = Mutex::new(None);

/// Registers a sweep as running in this process until dropped.
pub struct Running(Box<str>);

impl Running {
    /// Registers the sweep, or returns `None` if it already runs in this process.
    fn begin(id: &str) -> Option<Running> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.get_or_insert_default().insert(id.into()).then(|| Running(id.into()))
    }

    fn is(id: &str) -> bool {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_some_and(|running| running.contains(id))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_mut() {
            running.remove(&self.0);
        }
    }
}

/// A claim on the lock, made from [`Beginning::Take`].
pub struct Begin {
    claim: Box<Claim>,
    afresh: Option<String>,
}

/// Returns whether the holder of a sweep is alive, as far as this can be known.
fn life(entry: &SweepEntry) -> Life {
    match &entry.holder {
        None => Life::Dead,
        Some(holder) if *holder == Holder::this() && !Running::is(&entry.id) => Life::Dead,
        Some(holder) => holder.life(),
    }
}

impl Crawl {
    /// Returns the claim to make on the lock, or `None` if a shutdown is requested first. A holder
    /// that may be dead is watched until it sends a heartbeat or is known to be dead.
    ///
    /// # Errors
    /// Returns an error if another run holds the site, or the store fails.
    pub(super) async fn claim(&self) -> Result<Option<Begin>, CrawlError> {
        let site = &self.site;
        let limited = self.settings.is_limited();
        let mut watched: Option<(SweepEntry, Instant)> = None;
        loop {
            let own = SweepEntry {
                holder: Some(Holder::this()),
                ..SweepEntry::begin(&site.name, &site.collection, &site.definition(), limited)
            };
            let entries = self.store.latest_sweeps().await?;
            let seen = watched.as_ref().map(|(entry, since)| (entry, since.elapsed()));
            let left = match lock::begin(own, &entries, !self.settings.fresh, life, seen) {
                Beginning::Held(holding) => return Err(CrawlError::Held(holding)),
                Beginning::Take { claim, afresh } => return Ok(Some(Begin { claim, afresh })),
                Beginning::Watch(holding, left) => {
                    if watched.is_none() {
                        let left = left.as_secs();
                        warn!(
                            "waiting up to {left} s for a heartbeat: the site is held by a run that may be dead, {}",
                            holding.holding()
                        );
                        watched = Some((holding.entry, Instant::now()));
                    }
                    left
                }
            };
            tokio::select! {
                () = tokio::time::sleep(left.min(GLANCE)) => {}
                _ = self.shutdown.requested() => return Ok(None),
            }
        }
    }

    /// Takes the lock while `opening` runs. Returns `None` if a shutdown is requested first.
    ///
    /// # Errors
    /// Returns an error if other runs take the lock first, or the store fails.
    pub(super) async fn take_lock_during(
        &self,
        opening: &mut (impl Future + Unpin),
        begin: Begin,
    ) -> Result<Option<(Arc<Lock>, Running)>, CrawlError> {
        let mut taking = pin!(self.take_lock(begin));
        tokio::select! {
            taken = &mut taking => taken,
            _ = opening => taking.await,
        }
    }

    async fn take_lock(
        &self,
        mut begin: Begin,
    ) -> Result<Option<(Arc<Lock>, Running)>, CrawlError> {
        for _ in 0..TRIES {
            let Begin { claim, afresh } = begin;
            if let Some(running) = Running::begin(&claim.entry.id)
                && let Some(fence) = self.store.take_lock(&claim).await?
            {
                let entry = SweepEntry { fence, ..claim.entry };
                self.say_begun(&entry, afresh.as_deref());
                return Ok(Some((Arc::new(Lock::taken(self.store.clone(), entry)), running)));
            }
            let Some(again) = self.claim().await? else { return Ok(None) };
            begin = again;
        }
        Err(CrawlError::Contended(TRIES))
    }

    fn say_begun(&self, entry: &SweepEntry, afresh: Option<&str>) {
        if let Some(why) = afresh {
            warn!("starting a new sweep instead of resuming the unfinished one: {why}");
        }
        if entry.is_resumed() {
            let (sweep, began) = (&entry.id, lock::shown(entry.started_at));
            info!(%sweep, %began, run = entry.runs, "resuming unfinished sweep");
        } else {
            let site = &self.site;
            info!(site = %site.name, url = shown(&site.base_url), sweep = %entry.id, "starting sweep");
        }
    }
}
