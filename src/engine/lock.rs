//! The lock on a site: how a run acquires it, and keeps it by heartbeats. The store checks before
//! and in each write that the run still holds it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::engine::error::CrawlError;
use crate::model::report::Kind;
use crate::model::text::secret::shown;
use crate::observe::progress::Progress;
use crate::site::Site;
use crate::store::Ledger;
use crate::sweep::expect::Expectations;
use crate::sweep::lock::{self, Beginning, Claim};
use crate::sweep::{Holder, LedgerEntry, Life, SweepEntry, incremental};
use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// Number of attempts to take the lock; other runs may take it between the read and the write.
const TRIES: u32 = 10;
/// Interval between heartbeats. Others see the progress of a run that late.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Interval at which the ledger is read while a holder that may be dead is watched.
const GLANCE: Duration = Duration::from_secs(1);

/// A lock that was acquired.
pub struct Lock {
    ledger: Arc<dyn Ledger>,
    entry: SweepEntry,
    /// Tells later runs of this process that the holder is alive.
    _running: Running,
}

impl Lock {
    /// Returns the ledger entry of the sweep that holds the lock.
    pub fn entry(&self) -> &SweepEntry {
        &self.entry
    }

    /// Sends heartbeats, each with the progress that `progress` returns if there is any, until the lock
    /// is lost or the store fails, and returns that error.
    pub async fn keep(&self, mut progress: impl FnMut() -> Option<Progress>) -> CrawlError {
        let heartbeat = clock::limit("GLEANER_TEST_HEARTBEAT", HEARTBEAT);
        loop {
            tokio::time::sleep(heartbeat).await;
            match self.ledger.renew_lock(&self.entry, progress().as_ref()).await {
                Ok(true) => {}
                Ok(false) => return CrawlError::LockLost,
                Err(error) => return error.into(),
            }
        }
    }
}

/// A run's request for the lock on its site.
pub struct LockRequest<'a> {
    /// Purpose of the lock.
    pub purpose: Purpose<'a>,
    /// Ledger that holds the lock.
    pub ledger: Arc<dyn Ledger>,
    /// True if a new sweep is started instead of resuming an unfinished one.
    pub fresh: bool,
    /// Ends the attempts.
    pub shutdown: &'a Shutdown,
}

/// The purpose for which a lock is taken.
pub enum Purpose<'a> {
    /// A sweep over a site.
    Sweep {
        /// Site to crawl.
        site: &'a Site,
        /// True if the run covers only a part of the site.
        limited: bool,
        /// True if the sweep is full, even if it could list only what changed.
        full: bool,
        /// Expectations of the sweep.
        expect: &'a Expectations,
    },
    /// A copy, with this entry.
    Copy(Box<SweepEntry>),
}

/// A change of the ledger that takes the lock, as far as the ledger is known.
pub struct LockClaim {
    change: Box<Claim>,
    /// Reason why an unfinished sweep is not resumed, if there is one.
    afresh: Option<String>,
}

impl LockRequest<'_> {
    /// Returns the claim to make on the lock, or `None` if a shutdown is requested first. A holder
    /// that may be dead is watched until it sends a heartbeat or is known to be dead.
    ///
    /// # Errors
    /// Returns an error if another run holds the site lock, or the store fails.
    pub async fn claim(&self) -> Result<Option<LockClaim>, CrawlError> {
        let mut watched: Option<(SweepEntry, Instant)> = None;
        loop {
            let entries = self.ledger.latest_sweeps().await?;
            let own = self.own(&entries);
            let seen = watched.as_ref().map(|(entry, since)| (entry, since.elapsed()));
            let left = match lock::begin(own, &entries, !self.fresh, life, seen) {
                Beginning::Held(holding) => return Err(CrawlError::Held(holding)),
                Beginning::Refused(why) => return Err(CrawlError::Refused(why)),
                Beginning::Take { claim, afresh } => {
                    return Ok(Some(LockClaim { change: claim, afresh }));
                }
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

    /// Returns the entry of a new sweep, after the `entries` of the ledger.
    fn own(&self, entries: &[LedgerEntry]) -> SweepEntry {
        let (site, limited, full, expect) = match &self.purpose {
            Purpose::Sweep { site, limited, full, expect } => (site, *limited, *full, *expect),
            Purpose::Copy(entry) => return SweepEntry::clone(entry),
        };
        let kind = if limited { Kind::Limited } else { Kind::Full };
        let own = SweepEntry::begin(&site.name, &site.collection, &site.definition(), kind);
        let own = SweepEntry { holder: Some(Holder::this()), ..own.expecting(expect.clone()) };
        match site.incremental().filter(|_| !limited && !full) {
            Some(rules) => SweepEntry { kind: incremental::kind(rules, entries, &own), ..own },
            None => own,
        }
    }

    /// Takes the lock while `opening` runs. Returns `None` if a shutdown is requested first.
    ///
    /// # Errors
    /// Returns an error if other runs take the lock first, or the store fails.
    pub async fn take_during(
        &self,
        opening: &mut (impl Future + Unpin),
        claim: LockClaim,
    ) -> Result<Option<Lock>, CrawlError> {
        let mut taking = pin!(self.take(claim));
        tokio::select! {
            taken = &mut taking => taken,
            _ = opening => taking.await,
        }
    }

    /// Takes the lock. Returns `None` if a shutdown is requested first.
    ///
    /// # Errors
    /// Returns an error if other runs take the lock first, or the store fails.
    pub async fn take(&self, mut claim: LockClaim) -> Result<Option<Lock>, CrawlError> {
        for _ in 0..TRIES {
            let LockClaim { change, afresh } = claim;
            if let Some(running) = Running::begin(&change.entry.id)
                && let Some(fence) = self.ledger.take_lock(&change).await?
            {
                let entry = SweepEntry { fence, ..change.entry };
                self.log_begin(&entry, afresh.as_deref());
                return Ok(Some(Lock { ledger: self.ledger.clone(), entry, _running: running }));
            }
            let Some(next) = self.claim().await? else { return Ok(None) };
            claim = next;
        }
        Err(CrawlError::Contended(TRIES))
    }

    fn log_begin(&self, entry: &SweepEntry, afresh: Option<&str>) {
        let Purpose::Sweep { site, .. } = &self.purpose else { return };
        if let Some(why) = afresh {
            warn!("starting a new sweep instead of resuming the unfinished one: {why}");
        }
        if entry.is_resumed() {
            let (sweep, began) = (&entry.id, lock::shown(entry.started_at));
            info!(%sweep, %began, run = entry.runs, "resuming unfinished sweep");
        } else if let Some(since) = entry.kind.since() {
            let (site, sweep) = (&site.name, &entry.id);
            info!(%site, %sweep, %since, "starting partial sweep");
        } else {
            info!(site = %site.name, url = shown(&site.base_url), sweep = %entry.id, "starting sweep");
        }
    }
}

/// Returns whether the holder of a sweep is alive, as far as this can be known.
fn life(entry: &SweepEntry) -> Life {
    match &entry.holder {
        None => Life::Dead,
        Some(holder) if *holder == Holder::this() && !Running::is(&entry.id) => Life::Dead,
        Some(holder) => holder.life(),
    }
}

/// Ids of the sweeps that run in this process. The process may have run others before, and failed
/// to record that they ended.
static RUNNING: Mutex<Option<HashSet<Box<str>>>> = Mutex::new(None);

/// Registers a sweep as running in this process until dropped.
struct Running(Box<str>);

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
