//! The wiring of a crawl: frontier, workers, writer and store are put together here, and this is
//! the only place that spawns tasks.

mod begin;
mod gone;
mod lock;
mod robots;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::descriptors;
use crate::error::CrawlError;
use crate::fetch::{Fetcher, Hosts};
use crate::frontier::{Frontier, Limits, MemoryFrontier};
use crate::lookup;
use crate::metrics::{Metrics, Snapshot};
use crate::problems::{FieldsFound, Problems};
use crate::record::Stamp;
use crate::refresh::Policy;
use crate::refresh::gone::Departures;
use crate::report::{Outcome, Report};
use crate::settings::{Begin, Settings};
use crate::shutdown::Shutdown;
use crate::site::Site;
use crate::store::{Patience, PatientStore, Store, StoreError};
use crate::sweep::SweepEntry;
use crate::walk::Walk;
use crate::worker::Crew;
use crate::writer::{self, Batching, Destination, Outbox};
use lock::Running;
use robots::is_open;

/// What was fetched is given this long to be written once the grace time is over.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A crawl that is ready to run.
pub struct Crawl {
    site: Arc<Site>,
    settings: Settings,
    /// What is to be said where there are fewer workers than were asked for.
    fewer_workers: Option<String>,
    store: Arc<dyn Store>,
    frontier: Arc<dyn Frontier>,
    metrics: Arc<Metrics>,
    walk: Arc<Walk>,
    departures: Arc<Departures>,
    shutdown: Shutdown,
}

/// A crawl that holds the lock, of a site that was asked what it asks of crawlers.
struct Begun {
    entry: SweepEntry,
    /// Held while it runs.
    running: Running,
    /// What ended it before it asked for a page, where the lock was lost by then.
    kept: Result<(), CrawlError>,
    hosts: Arc<Hosts>,
    fetcher: Fetcher,
}

/// How a crawl ended.
#[derive(Debug)]
pub struct Ended {
    /// What is said of it.
    pub report: Report,
    /// What ended it early, where something did.
    pub error: Option<CrawlError>,
}

/// Shows where a crawl is, while it runs.
#[derive(Clone)]
pub struct View {
    metrics: Arc<Metrics>,
    frontier: Arc<dyn Frontier>,
}

impl View {
    /// All counters, and the tasks outstanding.
    pub async fn now(&self) -> (Snapshot, u64) {
        let outstanding = self.frontier.outstanding().await.map_or(0, |count| count.total());
        (self.metrics.snapshot(), outstanding)
    }
}

impl Crawl {
    /// A crawl of `site` into `store`, which is called `store_name` in the log.
    pub fn new(
        site: Site,
        settings: Settings,
        store: Arc<dyn Store>,
        store_name: String,
        shutdown: Shutdown,
    ) -> Crawl {
        let options = settings.client_options(site.home());
        let (workers, fewer_workers) =
            descriptors::fitted(settings.workers, &options, descriptors::limit());
        let settings = Settings { workers, ..settings };
        let metrics = Arc::new(Metrics::new());
        let patience = Patience(settings.store_wait);
        let patient = PatientStore::new(store, store_name, patience, metrics.clone());
        // What workers (two tasks each) and writer hold counts as outstanding: the mark must lie above
        // that, by what they take next.
        let in_hands = settings.workers * 3 + batching(&settings).holds();
        let frontier = MemoryFrontier::new(Limits {
            low_water: in_hands as u64,
            pages: settings.workers as u64,
            items: settings.limit.unwrap_or(u64::MAX),
        });
        Crawl {
            site: Arc::new(site),
            settings,
            fewer_workers,
            store: Arc::new(patient),
            frontier: Arc::new(frontier),
            metrics,
            walk: Arc::default(),
            departures: Arc::default(),
            shutdown,
        }
    }

    /// Shows where the crawl is, while it runs.
    pub fn view(&self) -> View {
        View { metrics: self.metrics.clone(), frontier: self.frontier.clone() }
    }

    /// Crawls, to the end or until it is told to stop.
    pub async fn run(self) -> Ended {
        let problems = Arc::new(Problems::default());
        let Begun { entry, running: _running, kept, hosts, fetcher } =
            match self.before_the_end(Box::pin(self.start())).await {
                Some(Ok(begun)) => begun,
                Some(Err(error)) => return self.never_began(Outcome::Failed, Some(error)),
                None => return self.never_began(Outcome::Interrupted, None),
            };
        if let Some(said) = &self.fewer_workers {
            warn!("{said}");
            problems.note(said);
        }
        let mut ran = match kept {
            Ok(()) => self.crew(&entry, hosts, fetcher, &problems).await,
            lost => lost,
        };
        let left = self.frontier.outstanding().await.map_or(1, |count| count.total());
        if ran.is_ok() && left == 0 {
            ran = self.mark_gone(&entry, &problems).await;
        }
        let snapshot = self.metrics.snapshot();
        let outcome = match &ran {
            Err(_) => Outcome::Failed,
            Ok(()) if left > 0 => Outcome::Interrupted,
            Ok(()) => self.verdict(&snapshot, &problems),
        };
        if outcome == Outcome::Complete && !entry.limited {
            ran = self.forget_failures().await;
        }
        let outcome = if ran.is_ok() { outcome } else { Outcome::Failed };
        if let Err(error) = &ran {
            problems.gap(error.to_string());
        }
        let entry = entry.end(outcome, &snapshot, problems.sentences());
        let error = self.close(&entry, ran.err()).await;
        self.ended(entry, error)
    }

    /// The end of a crawl that never had the lock.
    fn never_began(&self, outcome: Outcome, error: Option<CrawlError>) -> Ended {
        let site = &self.site;
        let entry = SweepEntry::begin(&site.name, &site.collection, "", self.settings.is_limited());
        let problems = error.iter().map(ToString::to_string).collect();
        self.ended(entry.end(outcome, &self.metrics.snapshot(), problems), error)
    }

    /// Takes the lock, and asks the site meanwhile what it asks of crawlers: both take a while. Where
    /// another run is found to hold it, the site is asked for nothing.
    async fn start(&self) -> Result<Begun, CrawlError> {
        let claim = self.claim().await?;
        let home = self.site.home();
        let hosts = Arc::new(Hosts::new(&home, self.settings.manners()));
        let fetcher = Fetcher::new(&self.settings.client_options(home), self.metrics.clone())?;
        let fetcher = fetcher.paced(hosts.clone());
        let opening = self.open_home(&hosts, &fetcher);
        let (entry, running, kept) = self.take_lock_during(opening, claim).await?;
        Ok(Begun { entry, running, kept, hosts, fetcher })
    }

    /// Puts the parts together and waits for them.
    async fn crew(
        &self,
        entry: &SweepEntry,
        hosts: Arc<Hosts>,
        fetcher: Fetcher,
        problems: &Arc<Problems>,
    ) -> Result<(), CrawlError> {
        let Settings { retries, pages, max_age, begin, .. } = self.settings;
        // What failed is asked for in full: an answer without a document says nothing of the list.
        let conditional = self.settings.conditional && begin == Begin::List;
        let stamp = Stamp { sweep: entry.id.clone(), rules: self.site.rules().into() };
        let has_failures = !self.store.failures(None, 1).await?.is_empty();
        let destination = Destination {
            store: self.store.clone(),
            has_failures,
            frontier: self.frontier.clone(),
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            stamp: stamp.clone(),
        };
        let (lookup, lookups) = lookup::channel(self.store.clone());
        let (outbox, writer) = writer::channel(batching(&self.settings), destination);
        let range = self.site.page_range(pages);
        let wanted = self.begin(range).await?;
        if !is_open(&hosts)? {
            return Ok(());
        }
        let crew = Arc::new(Crew {
            site: self.site.clone(),
            range,
            limited: entry.limited,
            retries,
            frontier: self.frontier.clone(),
            fetcher,
            hosts,
            lookup,
            store: self.store.clone(),
            policy: Policy { stamp, began: entry.started_at, conditional, max_age },
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            shutdown: self.shutdown.clone(),
            has_failures: AtomicBool::new(has_failures),
            wanted,
            enough: AtomicBool::new(false),
            list_fields: FieldsFound::new(self.site.list_fields(), "items of the list"),
            fields: FieldsFound::new(self.site.detail_fields(), "pages"),
            walk: self.walk.clone(),
            departures: self.departures.clone(),
            gone_limit: self.settings.gone_limit,
        });
        let mut writer = tokio::spawn(writer.run());
        // They end with the crew, whatever they wait for.
        let mut answering = JoinSet::new();
        for _ in 0..lookup::AT_ONCE {
            answering.spawn(lookups.clone().run());
        }
        let worked = self.supervise(&crew, entry, outbox, &mut writer).await;
        let written = match worked {
            Err(CrawlError::Writer(error)) => return Err(*error),
            _ => self.last_writes(&mut writer).await,
        };
        crew.list_fields.say(problems);
        crew.fields.say(problems);
        self.note_redirects(&crew, problems);
        self.note_hosts(&crew.hosts, problems);
        if worked.is_ok() && written.is_ok() {
            self.note_not_found(&crew.wanted, problems).await?;
        }
        // The writer's own error says more than that of a worker who found it gone.
        written.and(worked)
    }

    /// Runs the workers until they end, the crawl fails, or the time to stop has run out.
    async fn supervise(
        &self,
        crew: &Arc<Crew>,
        entry: &SweepEntry,
        outbox: Outbox,
        writer: &mut Writing,
    ) -> Result<(), CrawlError> {
        let mut workers = JoinSet::new();
        for _ in 0..self.settings.workers {
            workers.spawn(crew.clone().work(outbox.clone()));
        }
        let time_is_up = self.shutdown.time_is_up(self.settings.grace);
        let lock = self.keep_lock(entry);
        let time = crew.hosts.keep_time();
        tokio::pin!(time_is_up, lock, time);
        loop {
            let ended = tokio::select! {
                ended = workers.join_next() => ended,
                // It ends after the workers, unless it fails.
                written = &mut *writer => {
                    let error = written_or_panicked(written).err();
                    return Err(CrawlError::Writer(Box::new(error.unwrap_or(CrawlError::WriterEnded))));
                }
                lost = &mut lock => return Err(lost),
                never = &mut time => match never {},
                () = &mut time_is_up => {
                    warn!("stopping: requests still in flight are dropped");
                    return Ok(());
                }
            };
            match ended {
                None => return Ok(()),
                Some(worked) => worked.unwrap_or_else(|panic| Err(panic.into()))?,
            }
        }
    }

    /// Waits for the writer, which ends when no worker is left; not for ever once it is to stop.
    async fn last_writes(&self, writer: &mut Writing) -> Result<(), CrawlError> {
        match self.before_the_end(&mut *writer).await {
            Some(written) => written_or_panicked(written),
            None => {
                writer.abort();
                warn!(
                    "the store did not take the last records in time; they will be fetched again"
                );
                Ok(())
            }
        }
    }

    /// The answer of a call to the store, unless the time for last writes is over before.
    async fn before_the_end<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.shutdown.time_is_up(self.settings.grace + LAST_WRITES) => None,
        }
    }

    /// Writes the ledger's last word and lets go of the store. Says what ended the crawl early.
    async fn close(&self, entry: &SweepEntry, error: Option<CrawlError>) -> Option<CrawlError> {
        let kept = match &error {
            // A store that just failed would only be waited for once more.
            Some(CrawlError::Store(_)) => Ok(true),
            _ => self.before_the_end(self.store.keep_sweep(entry)).await.unwrap_or(Ok(true)),
        };
        let closed = self.before_the_end(self.store.close()).await.unwrap_or(Ok(()));
        let lost = (kept == Ok(false)).then_some(CrawlError::LockLost);
        error.or(lost).or(kept.and(closed.map(|()| true)).err().map(Into::into))
    }

    fn ended(&self, entry: SweepEntry, error: Option<CrawlError>) -> Ended {
        let report = entry.report.unwrap_or_else(|| unreachable!("an entry that ended has one"));
        let failed_late = error.is_some() && report.outcome != Outcome::Failed;
        let outcome = if failed_late { Outcome::Failed } else { report.outcome };
        let mut problems = report.problems;
        if failed_late {
            problems.extend(error.as_ref().map(ToString::to_string));
        }
        let report = Report { outcome, problems, ..report };
        let is_silent =
            matches!(error, Some(CrawlError::Store(StoreError::Closed) | CrawlError::Held(_)));
        if !is_silent {
            info!(%outcome, sweep = %report.sweep, "sweep ended");
        }
        Ended { report, error }
    }
}

/// The writer's task.
type Writing = JoinHandle<Result<(), CrawlError>>;

fn written_or_panicked(
    written: Result<Result<(), CrawlError>, JoinError>,
) -> Result<(), CrawlError> {
    written.unwrap_or_else(|panic| Err(panic.into()))
}

fn batching(settings: &Settings) -> Batching {
    Batching { items: settings.batch, flush: settings.flush }
}
