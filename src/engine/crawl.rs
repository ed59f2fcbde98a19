//! The wiring of a crawl: builds the frontier, workers, writer and store, and is the only place
//! that spawns tasks.

mod begin;
mod earlier;
mod end;
mod failures;
mod gone;
mod hosts;
mod parts;
mod verdict;
mod view;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use tokio::task::{JoinError, JoinSet};
use tracing::warn;

use crate::engine::descriptors;
use crate::engine::error::CrawlError;
use crate::engine::findings::Findings;
use crate::engine::lock::{Lock, LockRequest, Purpose};
use crate::engine::lookup;
use crate::engine::parent::Parent;
use crate::engine::refresh::twins::Twins;
use crate::engine::worker::{PageReader, Storage, Worker, WorkerContext};
use crate::engine::writer::{self, Batching, Outbox};
use crate::fetch::{Fetcher, Hosts};
use crate::frontier::{Frontier, Limits};
use crate::model::record::Provenance;
use crate::model::report::{Baseline, Kind, Outcome};
use crate::observe::metrics::{Metrics, Snapshot};
use crate::observe::problems::Problems;
use crate::observe::waits::Waits;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::store::{Patience, PatientStore, Store};
use crate::sweep::SweepEntry;
use crate::system::shutdown::Shutdown;
use begin::FirstTasks;
use earlier::EarlierSweep;
pub use end::Ended;
use gone::Removal;
use verdict::Evidence;
use view::Gauge;
pub use view::View;

/// Time after the grace period in which fetched records may still be written.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A crawl that is ready to run.
pub struct Crawl {
    site: Arc<Site>,
    settings: Settings,
    /// Warning to print if there are fewer workers than requested.
    fewer_workers: Option<String>,
    store: Arc<dyn Store>,
    /// Site whose items are the seeds, or `None` if there is none.
    parent: Option<Parent>,
    frontier: Arc<Frontier>,
    metrics: Arc<Metrics>,
    findings: Arc<Findings>,
    waits: Waits,
    shutdown: Shutdown,
}

/// A crawl that holds the lock.
struct Begun<'c> {
    lock: Lock,
    /// Completes when the robots.txt of the site is known.
    opening: Opening<'c>,
    network: Network,
}

type Opening<'c> = Pin<Box<MaybeDone<BoxFuture<'c, ()>>>>;

/// The way to the site.
#[derive(Clone)]
struct Network {
    hosts: Arc<Hosts>,
    fetcher: Arc<Fetcher>,
}

impl Crawl {
    /// Creates a crawl of `site` into `store`. The log calls the store `store_name`.
    pub fn new(
        site: Site,
        settings: Settings,
        store: Arc<dyn Store>,
        store_name: String,
        shutdown: Shutdown,
    ) -> Crawl {
        let options = settings.client_options(site.home());
        let (workers, fewer_workers) =
            descriptors::fitted(settings.pace.workers, &options, descriptors::limit());
        let settings = settings.with(|it| it.pace.workers = workers);
        let metrics = Arc::new(Metrics::new());
        let patience = Patience(settings.store.wait);
        let waits = Waits::default();
        let patient =
            PatientStore::new(store, store_name, patience, metrics.clone(), waits.clone());
        // Tasks that the workers (up to two each) and the writer hold count as outstanding. The
        // low-water mark must be above that number, plus what the workers take next.
        let in_hands = settings.pace.workers * 3 + batching(&settings).holds();
        let limits = Limits {
            low_water: in_hands as u64,
            pages: settings.pace.workers as u64,
            items: settings.scope.limit.unwrap_or(u64::MAX),
        };
        let frontier = Frontier::new(limits, metrics.clone());
        let twins = Twins::watching(&site, &settings);
        Crawl {
            site: Arc::new(site),
            settings,
            fewer_workers,
            store: Arc::new(patient),
            parent: None,
            frontier,
            metrics,
            findings: Arc::new(Findings { twins, ..Findings::default() }),
            waits,
            shutdown,
        }
    }

    /// Takes the seeds from the items of `parent`, if the site file says so.
    pub fn with_parent(self, parent: Option<Parent>) -> Crawl {
        Crawl { parent, ..self }
    }

    /// Returns a live view of the crawl.
    pub fn view(&self) -> View {
        View::new(self.metrics.clone(), self.frontier.clone(), self.waits.clone())
    }

    /// Crawls until the sweep is done or a shutdown is requested.
    pub async fn run(self) -> Ended {
        let problems = Arc::new(Problems::new(self.settings.scrubber.clone()));
        let begun = match self.before_the_end(Box::pin(self.start())).await {
            Some(Ok(Some(begun))) => begun,
            Some(Err(error)) => return self.never_began(Outcome::Failed, Some(error)),
            Some(Ok(None)) | None => return self.never_began(Outcome::Interrupted, None),
        };
        for said in self.fewer_workers.iter().chain(&self.unused_age()) {
            warn!("{said}");
            problems.note(said);
        }
        let Begun { lock, opening, network } = begun;
        let mut gauge = Gauge::new(self.view(), network.hosts.clone(), problems.clone());
        let sweep = self.sweep(lock.entry(), opening, network, &problems);
        // Everything here needs the lock: once it is lost, nothing may be written any more.
        let ended = tokio::select! {
            biased;
            ended = Box::pin(sweep) => ended,
            lost = lock.keep(|| Some(gauge.read())) => Err(lost),
            () = self.shutdown.time_is_up(self.settings.grace + LAST_WRITES) => {
                warn!("aborting: no longer waiting for the store");
                Ok(Outcome::Interrupted)
            }
        };
        if let Err(error) = &ended {
            problems.last_gap(error.to_string());
            error.finding().into_iter().for_each(|it| problems.find(it));
        }
        let outcome = *ended.as_ref().unwrap_or(&Outcome::Failed);
        if matches!(outcome, Outcome::Interrupted | Outcome::Failed) {
            self.store.left_unfinished().into_iter().for_each(|said| problems.last_note(said));
        }
        let entry = lock.entry().clone();
        let entry = entry.end(outcome, &self.metrics.snapshot(), problems.sentences());
        let entry = entry.with_baseline(Baseline {
            rules: self.site.rules().into(),
            fields: self.findings.canary.fields(),
            absent: self.findings.lists.absent(),
            findings: problems.findings(),
            kind: None,
        });
        let error = self.close(&entry, ended.err()).await;
        // Only now may another run of this process take the sweep for one that was left.
        drop(lock);
        let report = entry.report.unwrap_or_else(|| unreachable!("an entry that ended has one"));
        Ended::new(report, error, &self.settings.scrubber)
    }

    /// Takes the lock and reads robots.txt at the same time, since both take a while. Returns
    /// `None` if a shutdown is requested first. If another run holds the lock, no request is sent
    /// to the site.
    async fn start(&self) -> Result<Option<Begun<'_>>, CrawlError> {
        let request = LockRequest {
            purpose: Purpose::Sweep {
                site: &self.site,
                limited: self.settings.is_limited(),
                full: self.settings.scope.full || self.store.was_empty(),
                expect: &self.settings.expect,
            },
            ledger: self.store.clone(),
            fresh: self.settings.scope.fresh,
            shutdown: &self.shutdown,
        };
        let Some(claim) = request.claim().await? else { return Ok(None) };
        let home = self.site.home();
        let hosts = Arc::new(Hosts::new(&home, self.settings.host_policy(), self.waits.clone()));
        let fetcher = Fetcher::new(&self.settings.client_options(home), self.metrics.clone())?;
        let fetcher = fetcher.reading(self.site.statuses.clone()).paced(hosts.clone());
        let fetcher = fetcher.in_sessions(crate::extract::sessions(&self.site, &self.settings));
        let network = Network { hosts, fetcher: Arc::new(fetcher) };
        let opening: BoxFuture<'_, ()> = Box::pin(self.open_home(network.clone()));
        let mut opening = Box::pin(maybe_done(opening));
        let lock = request.take_during(&mut opening, claim).await?;
        Ok(lock.map(|lock| Begun { lock, opening, network }))
    }

    /// Reads the robots.txt of the site's own host, unless a shutdown is requested first.
    async fn open_home(&self, network: Network) {
        tokio::select! {
            biased;
            _ = self.shutdown.requested() => {}
            _ = network.hosts.home().open(&network.fetcher) => {}
        }
    }

    /// Runs the sweep: crawls the pages, marks items that are gone, and decides the outcome.
    async fn sweep(
        &self,
        entry: &SweepEntry,
        opening: Opening<'_>,
        network: Network,
        problems: &Arc<Problems>,
    ) -> Result<Outcome, CrawlError> {
        opening.await;
        let earlier = self.earlier(entry.kind).await?;
        if let Some(defaults) = self.site.defaults() {
            self.findings.canary.ignore(&defaults, self.store.encoding());
        }
        if let Some(fields) = &earlier.fields {
            self.findings.canary.compare_with(fields.clone());
        }
        let fetcher = network.fetcher.clone();
        let ran = self.run_workers(entry, network, problems).await;
        hosts::note_redirects(&fetcher, &self.metrics.snapshot(), earlier.redirected, problems);
        ran?;
        if !self.frontier.outstanding().is_zero() {
            return Ok(Outcome::Interrupted);
        }
        if let Some(why) = self.evidence(entry.kind, &self.metrics.snapshot()).read_nothing() {
            return Err(CrawlError::NoList(why));
        }
        let removal = Removal {
            site: &self.site,
            store: &*self.store,
            metrics: &self.metrics,
            findings: &self.findings,
            earlier: &earlier,
            gone_limit: self.settings.refresh.gone_limit,
            problems,
        };
        removal.mark(entry).await?;
        let outcome = self.evidence(entry.kind, &self.metrics.snapshot()).judge(problems);
        if outcome == Outcome::Complete && entry.kind == Kind::Full {
            failures::forget(&*self.store).await?;
        }
        Ok(outcome)
    }

    /// Returns the earlier sweep to compare this one with: none if this one is not full, since the
    /// items that it lists are no fair sample, or if its changes are accepted.
    async fn earlier(&self, kind: Kind) -> Result<EarlierSweep, CrawlError> {
        if kind != Kind::Full || self.settings.refresh.accept_changes || self.store.was_empty() {
            return Ok(EarlierSweep::default());
        }
        EarlierSweep::read(&*self.store, &self.site.rules()).await
    }

    fn evidence<'a>(&'a self, kind: Kind, snapshot: &'a Snapshot) -> Evidence<'a> {
        Evidence {
            site: &self.site,
            begin: self.settings.scope.begin,
            kind,
            keeps_failures: self.store.keeps_failures(),
            snapshot,
            lists: &self.findings.lists,
        }
    }

    /// Builds the workers and the writer, and runs them to their end.
    async fn run_workers(
        &self,
        entry: &SweepEntry,
        network: Network,
        problems: &Arc<Problems>,
    ) -> Result<(), CrawlError> {
        let provenance = Provenance { sweep: entry.id.clone(), rules: self.site.rules().into() };
        let has_failures = !self.store.failures(None, 1).await?.found.is_empty();
        let destination = self.destination(has_failures, provenance.clone(), problems);
        let (lookup, lookups) = lookup::channel(self.store.clone());
        let (outbox, writer) = writer::channel(batching(&self.settings), destination);
        let range = self.site.page_range(self.settings.scope.pages);
        // The requests of this sweep ask for what it covers.
        let site = Arc::new((*self.site).clone().of_sweep(entry.kind, entry.started_at));
        let first_tasks = FirstTasks {
            site: &site,
            store: &*self.store,
            frontier: &self.frontier,
            lists: &self.findings.lists,
            metrics: &self.metrics,
        };
        let wanted = first_tasks.submit(self.settings.scope.begin, range).await?;
        if !hosts::is_open(&network.hosts)? {
            return Ok(());
        }
        let (has_failures, parent) = (AtomicBool::new(has_failures), self.open_parent().await?);
        let files = self.settings.files.open(&self.site).map_err(CrawlError::Files)?;
        files.iter().try_for_each(crate::store::files::Files::clear).map_err(CrawlError::Files)?;
        let context = Arc::new(WorkerContext {
            site: site.clone(),
            scope: self.scope(entry, range, wanted),
            policy: self.policy(provenance, entry.started_at),
            frontier: self.frontier.clone(),
            pages: PageReader::new(site, network.fetcher.clone()),
            hosts: network.hosts,
            fetcher: network.fetcher,
            storage: Storage { store: self.store.clone(), lookup, parent, files, has_failures },
            findings: self.findings.clone(),
            reports: self.reports(problems),
            shutdown: self.shutdown.clone(),
        });
        // Dropping these sets aborts their tasks, whatever the tasks wait for.
        let (mut writing, mut answering) = (JoinSet::new(), JoinSet::new());
        writing.spawn(writer.run());
        for _ in 0..lookup::AT_ONCE {
            answering.spawn(lookups.clone().run());
        }
        let worked = self.supervise(&context, outbox, &mut writing).await;
        let written = match worked {
            Err(CrawlError::Writer(error)) => return Err(*error),
            _ => self.last_writes(&mut writing).await,
        };
        context.reports.sum_up();
        if let Some(parent) = &context.storage.parent {
            parent.close().await;
        }
        hosts::note_limits(&context.hosts, problems);
        if worked.is_ok() && written.is_ok() {
            failures::note_not_found(&context.scope.wanted, &self.frontier, problems);
        }
        // The writer's own error says more than the error of a worker that found the writer gone.
        written.and(worked)
    }

    /// Runs the workers until they end, the crawl fails, or the grace period is over.
    async fn supervise(
        &self,
        context: &Arc<WorkerContext>,
        outbox: Outbox,
        writing: &mut Writing,
    ) -> Result<(), CrawlError> {
        let mut workers = JoinSet::new();
        for _ in 0..self.settings.pace.workers {
            workers.spawn(Worker::new(context.clone(), outbox.clone()).run());
        }
        let time_is_up = self.shutdown.time_is_up(self.settings.grace);
        let time = context.hosts.keep_time();
        tokio::pin!(time_is_up, time);
        loop {
            let ended = tokio::select! {
                ended = workers.join_next() => ended,
                // The writer ends before the workers only if it fails.
                written = writing.join_next() => {
                    let error = written_or_panicked(written).err();
                    return Err(CrawlError::Writer(Box::new(error.unwrap_or(CrawlError::WriterEnded))));
                }
                never = &mut time => match never {},
                () = &mut time_is_up => {
                    warn!("aborting: in-flight requests are dropped");
                    return Ok(());
                }
            };
            match ended {
                None => return Ok(()),
                Some(worked) => worked.unwrap_or_else(|panic| Err(panic.into()))?,
            }
        }
    }

    /// Waits for the writer, which ends when no worker is left. During a shutdown the wait has a
    /// timeout.
    async fn last_writes(&self, writing: &mut Writing) -> Result<(), CrawlError> {
        match self.before_the_end(writing.join_next()).await {
            Some(written) => written_or_panicked(written),
            None => {
                warn!(
                    "the store did not take the last records in time; they will be fetched again"
                );
                Ok(())
            }
        }
    }

    /// Returns the result of `call`, or `None` if the time for last writes is over first.
    async fn before_the_end<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.shutdown.time_is_up(self.settings.grace + LAST_WRITES) => None,
        }
    }

    /// Writes the last ledger entry and closes the store. Returns the error that ended the crawl,
    /// or the first error of these writes.
    async fn close(&self, entry: &SweepEntry, error: Option<CrawlError>) -> Option<CrawlError> {
        let kept = match &error {
            // A write to a store that just failed would only wait again.
            Some(CrawlError::Store(_)) => Ok(true),
            _ => self.before_the_end(self.store.finish_sweep(entry)).await.unwrap_or(Ok(true)),
        };
        let closed = self.before_the_end(self.store.close()).await.unwrap_or(Ok(()));
        let lost = (kept == Ok(false)).then_some(CrawlError::LockLost);
        error.or(lost).or(kept.and(closed.map(|()| true)).err().map(Into::into))
    }

    /// Returns the result of a crawl that never held the lock.
    fn never_began(&self, outcome: Outcome, error: Option<CrawlError>) -> Ended {
        let scrubber = &self.settings.scrubber;
        Ended::before_the_start(&self.site.name, &self.metrics.snapshot(), outcome, error, scrubber)
    }
}

/// The writer's task. Dropping it aborts the writer.
type Writing = JoinSet<Result<(), CrawlError>>;

fn written_or_panicked(
    written: Option<Result<Result<(), CrawlError>, JoinError>>,
) -> Result<(), CrawlError> {
    written.map_or(Ok(()), |written| written.unwrap_or_else(|panic| Err(panic.into())))
}

fn batching(settings: &Settings) -> Batching {
    Batching { items: settings.store.batch, flush: settings.store.flush }
}
