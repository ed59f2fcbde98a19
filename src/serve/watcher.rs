//! The one place that reads the store for the server.
//!
//! One loop reads the overview: about each second while somebody asks, and every ten seconds
//! otherwise. After a read that took long, it rests in proportion, so that reading never takes more
//! than a fiftieth of the time, however many sites there are and however many ask.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::history::{History, Moment};
use super::overview::{Overview, SiteStatus};
use super::tally::{Counts, Tally};
use crate::store::{self, FailureCounts, KeptFailure, Ledgers, SiteId, StoreError, StoreUrl};
use crate::sweep::LedgerEntry;
use crate::system::clock;

/// Least time between two reads.
const REST: Duration = Duration::from_secs(1);
/// Rest after a read, as a multiple of the time that it took.
const SHARE: u32 = 49;
/// Most time between two reads.
const IDLE: Duration = Duration::from_secs(10);
/// Time that a request waits for a fresh look, before it takes the last one.
const PATIENCE: Duration = Duration::from_secs(3);
/// Number of sweeps of a site that are shown, and of complete ones.
const SWEEPS: usize = 30;
/// Number of failures of a site that are shown.
const FAILURES: usize = 20;

/// Reads the store, and keeps what was read last.
pub struct Watcher {
    url: StoreUrl,
    /// The open store, or `None` if it could not be read.
    ledgers: Mutex<Option<Arc<dyn Ledgers>>>,
    looks: watch::Sender<Arc<Look>>,
    /// Notified by requests that need a fresh look.
    wanted: Notify,
    history: Kept<History>,
    tally: Kept<Tally>,
}

/// A value that outlives looks.
#[derive(Default)]
struct Kept<T>(std::sync::Mutex<T>);

impl<T> Kept<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        // A panic in between leaves counts that are too low, which later looks do not mend.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at the store.
#[derive(Debug)]
pub struct Look {
    /// Last overview that could be read, or `None` if none could.
    pub overview: Option<Arc<Overview>>,
    /// Reason why the store could not be read this time.
    pub trouble: Option<String>,
    /// Time that this look took.
    pub took: Duration,
    /// Time of this look.
    at: Instant,
    /// Age up to which it is shown.
    good_for: Duration,
    /// Details of sites that were asked for.
    details: Mutex<HashMap<SiteId, Arc<Detail>>>,
    /// Failures of sites that were asked for.
    failures: Mutex<HashMap<SiteId, FailureCounts>>,
}

/// A site's ledger and failures.
#[derive(Debug)]
pub struct Detail {
    /// Sweeps, the newest first.
    pub entries: Vec<LedgerEntry>,
    /// Failures, ordered by page.
    pub failures: Vec<KeptFailure>,
}

impl Watcher {
    /// Creates a watcher of the store at `url`. Nothing is read yet.
    pub fn new(url: StoreUrl) -> Watcher {
        let nothing = Look {
            overview: None,
            trouble: Some("the store was not read yet".to_owned()),
            took: Duration::ZERO,
            at: Instant::now(),
            good_for: Duration::ZERO,
            details: Mutex::default(),
            failures: Mutex::default(),
        };
        let (looks, _) = watch::channel(Arc::new(nothing));
        Watcher {
            url,
            ledgers: Mutex::new(None),
            looks,
            wanted: Notify::new(),
            history: Kept::default(),
            tally: Kept::default(),
        }
    }

    /// Reads the store for ever.
    pub async fn run(&self) -> Infallible {
        loop {
            let began = Instant::now();
            let read = self.read().await;
            let took = began.elapsed();
            let rest = (took * SHARE).clamp(REST, IDLE);
            let (overview, trouble) = match read {
                Ok(overview) => {
                    self.history.lock().add(&overview);
                    self.tally.lock().add(&overview);
                    (Some(Arc::new(overview)), None)
                }
                Err(error) => {
                    *self.ledgers.lock().await = None;
                    (self.looks.borrow().overview.clone(), Some(error.to_string()))
                }
            };
            self.looks.send_replace(Arc::new(Look {
                overview,
                trouble,
                took,
                at: Instant::now(),
                good_for: rest,
                details: Mutex::default(),
                failures: Mutex::default(),
            }));
            sleep(rest).await;
            let _ = timeout(IDLE - rest, self.wanted.notified()).await;
        }
    }

    /// Returns a look that is at most some seconds old, or the last one if the store does not
    /// answer in time.
    pub async fn look(&self) -> Arc<Look> {
        let mut looks = self.looks.subscribe();
        let last = looks.borrow_and_update().clone();
        if last.at.elapsed() <= last.good_for {
            return last;
        }
        self.wanted.notify_one();
        let _ = timeout(PATIENCE, looks.changed()).await;
        self.looks.borrow().clone()
    }

    /// Returns a receiver of all looks from now on.
    pub fn looks(&self) -> watch::Receiver<Arc<Look>> {
        self.looks.subscribe()
    }

    /// Returns what was seen of a running sweep, the oldest first.
    pub fn moments(&self, sweep: &str) -> Vec<Moment> {
        self.history.lock().of(sweep)
    }

    /// Returns what a site counted since the server started.
    pub fn counts(&self, site: &SiteId) -> Counts {
        self.tally.lock().of(site)
    }

    /// Returns the number of failures of a site by their reasons, as of `look`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    pub async fn failure_counts(
        &self,
        look: &Look,
        site: &SiteId,
    ) -> Result<FailureCounts, StoreError> {
        let mut failures = look.failures.lock().await;
        if let Some(counts) = failures.get(site) {
            return Ok(counts.clone());
        }
        let counts = self.ledgers().await?.failure_counts(site).await?;
        failures.insert(site.clone(), counts.clone());
        Ok(counts)
    }

    /// Returns a site's sweeps and failures, as of `look`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    pub async fn detail(&self, look: &Look, site: &SiteId) -> Result<Arc<Detail>, StoreError> {
        // Held while reading, so that requests at the same time cost one read.
        let mut details = look.details.lock().await;
        if let Some(detail) = details.get(site) {
            return Ok(detail.clone());
        }
        let ledgers = self.ledgers().await?;
        let entries = ledgers.entries(site, SWEEPS).await?;
        let failures = ledgers.failures(site, FAILURES).await?;
        let detail = Arc::new(Detail { entries, failures });
        details.insert(site.clone(), detail.clone());
        Ok(detail)
    }

    /// Returns a sweep of a site by its id, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    pub async fn sweep(
        &self,
        look: &Look,
        site: &SiteId,
        id: &str,
    ) -> Result<Option<LedgerEntry>, StoreError> {
        let detail = self.detail(look, site).await?;
        if let Some(found) = detail.entries.iter().find(|it| *it.entry.id == *id) {
            return Ok(Some(found.clone()));
        }
        self.ledgers().await?.entry(site, id).await
    }

    async fn read(&self) -> Result<Overview, StoreError> {
        let ledgers = self.ledgers().await?;
        Overview::read(&*ledgers, |_| true, clock::now()).await
    }

    async fn ledgers(&self) -> Result<Arc<dyn Ledgers>, StoreError> {
        let mut ledgers = self.ledgers.lock().await;
        if let Some(ledgers) = &*ledgers {
            return Ok(ledgers.clone());
        }
        let opened = store::open_ledgers(&self.url).await?;
        Ok(ledgers.insert(opened).clone())
    }
}

impl Look {
    /// Returns true if the store was read within the last `age`.
    pub fn is_within(&self, age: Duration) -> bool {
        self.trouble.is_none() && self.at.elapsed() <= age
    }

    /// Returns the sites with this name, in any collection.
    pub fn named(&self, name: &str) -> Vec<&SiteStatus> {
        let sites = self.overview.iter().flat_map(|overview| &overview.sites);
        sites.filter(|site| *site.id.site == *name).collect()
    }
}
