//! The site's lock: taken before a crawl, kept while it runs, and noticed where it is lost.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::maybe_done;
use tracing::{info, warn};

use super::Crawl;
use crate::error::CrawlError;
use crate::secret::shown;
use crate::sweep::lock::{self, Beginning, Claim};
use crate::sweep::{Holder, Life, SweepEntry};

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Entries of the ledger that are looked at: limited runs have entries of their own.
const ENTRIES: usize = 100;
/// Others may take the lock between looking and taking, but not for ever.
const TRIES: u32 = 10;

/// Sweeps that this very process runs: it may have run others, and failed to say that they ended.
static RUNNING: Mutex<Option<HashSet<Box<str>>>> = Mutex::new(None);

/// A sweep that this process runs, for as long as this is held.
pub struct Running(Box<str>);

impl Running {
    /// This process runs that sweep; nothing where it does already.
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

/// Whether a sweep's holder lives, as far as can be told.
fn life(entry: &SweepEntry) -> Life {
    match &entry.holder {
        None => Life::Dead,
        Some(holder) if *holder == Holder::this() && !Running::is(&entry.id) => Life::Dead,
        Some(holder) => holder.life(),
    }
}

impl Crawl {
    /// What the lock is to be taken for, as the ledger stands now: a sweep of its own, or one that
    /// was not finished.
    ///
    /// # Errors
    /// Where another run holds the site, or the store fails.
    pub(super) async fn claim(&self) -> Result<Claim, CrawlError> {
        let site = &self.site;
        let limited = self.settings.is_limited();
        let own = SweepEntry {
            holder: Some(Holder::this()),
            ..SweepEntry::begin(&site.name, &site.collection, &site.definition(), limited)
        };
        let entries = self.store.sweeps(ENTRIES).await?;
        match lock::begin(own, &entries, !self.settings.fresh, life) {
            Beginning::Held(holder) => Err(CrawlError::Held(holder)),
            Beginning::Take(claim) => Ok(claim),
        }
    }

    /// Takes the lock while `opening` goes on, and keeps it until that ends: a site that struggles may
    /// be waited for longer than a lock lasts. Answers with the sweep's entry, what is to be held while
    /// it runs, and what became of the lock by then.
    ///
    /// # Errors
    /// Where another run was faster, or the store fails.
    pub(super) async fn take_lock_during(
        &self,
        opening: impl Future<Output = ()>,
        claim: Claim,
    ) -> Result<(SweepEntry, Running, Result<(), CrawlError>), CrawlError> {
        let (mut opening, mut taking) = (pin!(maybe_done(opening)), pin!(self.take_lock(claim)));
        let (entry, running) = tokio::select! {
            taken = &mut taking => taken,
            () = &mut opening => taking.await,
        }?;
        let kept = tokio::select! {
            biased;
            () = opening => Ok(()),
            lost = self.keep_lock(&entry) => Err(lost),
        };
        Ok((entry, running, kept))
    }

    async fn take_lock(&self, mut claim: Claim) -> Result<(SweepEntry, Running), CrawlError> {
        for _ in 0..TRIES {
            let Claim { entry, over, afresh } = &claim;
            if let Some(running) = Running::begin(&entry.id)
                && self.store.take_lock(entry, over.as_deref()).await?
            {
                self.say_begun(entry, afresh.as_deref());
                return Ok((*claim.entry, running));
            }
            claim = self.claim().await?;
        }
        Err(CrawlError::Contended)
    }

    fn say_begun(&self, entry: &SweepEntry, afresh: Option<&str>) {
        if let Some(why) = afresh {
            warn!("the last sweep was not finished, but a new one begins: {why}");
        }
        if entry.is_resumed() {
            let (sweep, began) = (&entry.id, lock::since(entry));
            info!(%sweep, %began, run = entry.runs, "the sweep that was not finished goes on");
        } else {
            let site = &self.site;
            info!(site = %site.name, url = shown(&site.base_url), sweep = %entry.id, "sweep begins");
        }
    }

    /// Gives signs of life, and ends where the lock is lost.
    pub(super) async fn keep_lock(&self, entry: &SweepEntry) -> CrawlError {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match self.store.renew_lock(entry).await {
                Ok(true) => {}
                Ok(false) => return CrawlError::LockLost,
                Err(error) => return error.into(),
            }
        }
    }
}
