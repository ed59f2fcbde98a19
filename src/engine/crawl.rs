//! The wiring of a crawl: builds the frontier, workers, writer and store, and is the only place
//! that spawns tasks.

mod begin;
mod end;
mod gone;
mod lock;
mod robots;
mod verdict;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tracing::warn;

use crate::engine::descriptors;
use crate::engine::error::CrawlError;
use crate::engine::list_progress::ListProgress;
use crate::engine::lock::Lock;
use crate::engine::lookup;
use crate::engine::refresh::Policy;
use crate::engine::refresh::canary::Canary;
use crate::engine::refresh::gone::GoneCandidates;
use crate::engine::refresh::redirect::Redirects;
use crate::engine::refresh::twins::Twins;
use crate::engine::worker::{Readers, WorkerContext};
use crate::engine::writer::{self, Batching, Destination, Outbox};
use crate::fetch::{Fetcher, Hosts};
use crate::frontier::{Frontier, Limits};
use crate::model::record::Stamp;
use crate::model::report::Outcome;
use crate::observe::metrics::{Metrics, Snapshot};
use crate::observe::problems::{FieldsFound, OddTexts, Problems};
use crate::observe::waits::Waits;
use crate::select::Format;
use crate::site::Site;
use crate::site::settings::{Begin, Settings};
use crate::store::{Patience, PatientStore, Store};
use crate::system::shutdown::Shutdown;
pub use end::Ended;
use lock::Running;
use robots::is_open;

/// Time after the grace period in which fetched records may still be written.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A crawl that is ready to run.
pub struct Crawl {
    site: Arc<Site>,
    settings: Settings,
    /// Warning to print if there are fewer workers than requested.
    fewer_workers: Option<String>,
    store: Arc<dyn Store>,
    frontier: Arc<Frontier>,
    metrics: Arc<Metrics>,
    lists: Arc<ListProgress>,
    gone_candidates: Arc<GoneCandidates>,
    canary: Arc<Canary>,
    waits: Waits,
    /// Number of items that the last complete sweep listed, if this sweep is compared with it.
    listed_before: OnceLock<u64>,
    /// Categories whose lists were not there in it.
    absent_before: OnceLock<BTreeSet<Box<str>>>,
    shutdown: Shutdown,
}

/// A crawl that holds the lock.
struct Begun<'c> {
    lock: Arc<Lock>,
    /// Marks the sweep as running in this process until dropped.
    running: Running,
    /// Completes when the robots.txt of the site is known.
    opening: Opening<'c>,
    hosts: Arc<Hosts>,
    fetcher: Arc<Fetcher>,
}

type Opening<'c> = Pin<Box<MaybeDone<BoxFuture<'c, ()>>>>;

/// A live view of a running crawl.
#[derive(Clone)]
pub struct View {
    metrics: Arc<Metrics>,
    frontier: Arc<Frontier>,
    waits: Waits,
}

impl View {
    /// Returns a description of what the crawl waits for, or `None` if it waits for nothing.
    pub fn waits(&self) -> Option<String> {
        self.waits.shown()
    }

    /// Returns all counters and the number of outstanding tasks.
    pub fn now(&self) -> (Snapshot, u64) {
        (self.metrics.snapshot(), self.frontier.outstanding().total())
    }
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
            descriptors::fitted(settings.workers, &options, descriptors::limit());
        let settings = Settings { workers, ..settings };
        let metrics = Arc::new(Metrics::new());
        let patience = Patience(settings.store_wait);
        let waits = Waits::default();
        let patient =
            PatientStore::new(store, store_name, patience, metrics.clone(), waits.clone());
        // Tasks that the workers (up to two each) and the writer hold count as outstanding. The
        // low-water mark must be above that number, plus what the workers take next.
        let in_hands = settings.workers * 3 + batching(&settings).holds();
        let frontier = Frontier::new(Limits {
            low_water: in_hands as u64,
            pages: settings.workers as u64,
            items: settings.limit.unwrap_or(u64::MAX),
        });
        Crawl {
            site: Arc::new(site),
            settings,
            fewer_workers,
            store: Arc::new(patient),
            frontier,
            metrics,
            lists: Arc::default(),
            gone_candidates: Arc::default(),
            canary: Arc::default(),
            waits,
            listed_before: OnceLock::new(),
            absent_before: OnceLock::new(),
            shutdown,
        }
    }

    /// Returns a live view of the crawl.
    pub fn view(&self) -> View {
        let (metrics, frontier) = (self.metrics.clone(), self.frontier.clone());
        View { metrics, frontier, waits: self.waits.clone() }
    }

    /// Crawls until the sweep is done or a shutdown is requested.
    pub async fn run(self) -> Ended {
        let problems = Arc::new(Problems::new(self.settings.scrubber.clone()));
        let begun = match self.before_the_end(Box::pin(self.start())).await {
            Some(Ok(Some(begun))) => begun,
            Some(Err(error)) => return self.never_began(Outcome::Failed, Some(error)),
            Some(Ok(None)) | None => return self.never_began(Outcome::Interrupted, None),
        };
        if let Some(said) = &self.fewer_workers {
            warn!("{said}");
            problems.note(said);
        }
        let (lock, running) = (begun.lock.clone(), begun.running);
        let sweep = self.sweep(begun.lock, begun.opening, begun.hosts, begun.fetcher, &problems);
        // Everything here needs the lock: once it is lost, nothing may be written any more.
        let ended = tokio::select! {
            biased;
            ended = Box::pin(sweep) => ended,
            lost = lock.keep() => Err(lost),
            () = self.shutdown.time_is_up(self.settings.grace + LAST_WRITES) => {
                warn!("aborting: no longer waiting for the store");
                Ok(Outcome::Interrupted)
            }
        };
        if let Err(error) = &ended {
            problems.last_gap(error.to_string());
        }
        let outcome = *ended.as_ref().unwrap_or(&Outcome::Failed);
        if matches!(outcome, Outcome::Interrupted | Outcome::Failed) {
            self.store.left_unfinished().into_iter().for_each(|said| problems.last_note(said));
        }
        let entry = lock.entry().clone();
        let entry = entry.end(outcome, &self.metrics.snapshot(), problems.sentences());
        let entry = entry.covering(&self.site.rules(), self.canary.fields(), self.lists.absent());
        let error = self.close(&entry, ended.err()).await;
        drop(running);
        let report = entry.report.unwrap_or_else(|| unreachable!("an entry that ended has one"));
        self.ended(report, error)
    }

    /// Runs the sweep: crawls the pages, marks items that are gone, and decides the outcome.
    async fn sweep(
        &self,
        lock: Arc<Lock>,
        opening: Opening<'_>,
        hosts: Arc<Hosts>,
        fetcher: Arc<Fetcher>,
        problems: &Arc<Problems>,
    ) -> Result<Outcome, CrawlError> {
        opening.await;
        self.run_workers(&lock, hosts, fetcher, problems).await?;
        if self.frontier.outstanding().total() > 0 {
            return Ok(Outcome::Interrupted);
        }
        if let Some(why) = self.read_nothing() {
            return Err(CrawlError::NoList(why));
        }
        self.mark_gone(&lock, problems).await?;
        let outcome = self.verdict(&self.metrics.snapshot(), problems);
        if outcome == Outcome::Complete && !lock.entry().limited {
            self.forget_failures().await?;
        }
        Ok(outcome)
    }

    /// Takes the lock and reads robots.txt at the same time, since both take a while. Returns
    /// `None` if a shutdown is requested first. If another run holds the lock, no request is sent
    /// to the site.
    async fn start(&self) -> Result<Option<Begun<'_>>, CrawlError> {
        let Some(claim) = self.claim().await? else { return Ok(None) };
        let home = self.site.home();
        let hosts = Arc::new(Hosts::new(&home, self.settings.host_policy(), self.waits.clone()));
        let fetcher = Fetcher::new(&self.settings.client_options(home), self.metrics.clone())?;
        let fetcher = fetcher.reading(self.site.statuses.clone());
        let fetcher = Arc::new(fetcher.paced(hosts.clone()));
        let opening: BoxFuture<'_, ()> = Box::pin(self.open_home(hosts.clone(), fetcher.clone()));
        let mut opening = Box::pin(maybe_done(opening));
        let taken = self.take_lock_during(&mut opening, claim).await?;
        Ok(taken.map(|(lock, running)| Begun { lock, running, opening, hosts, fetcher }))
    }

    /// Returns whether equal pages of several items are refused: any page is an item's,
    /// as HTML whose parts are kept, and changes are not accepted unseen.
    fn watches_twins(&self) -> bool {
        let is_html = self.site.detail.as_ref().is_some_and(|it| it.format == Format::Html);
        is_html && self.site.takes_any_page() && !self.settings.accept_changes
    }

    /// Returns the policy for all items of a sweep that began at `began`.
    fn policy(&self, stamp: Stamp, began: Timestamp) -> Policy {
        let Settings { max_age, conditional, begin, .. } = self.settings;
        Policy {
            scrubber: self.settings.scrubber.clone(),
            stamp,
            takes_over: self.site.takes_over(),
            began,
            takes_links: self.site.takes_links(),
            // What failed is asked for in full: an answer without a document says nothing of the list.
            conditional: conditional && begin == Begin::List,
            max_age,
        }
    }

    /// Builds the workers and the writer, and runs them to their end.
    async fn run_workers(
        &self,
        lock: &Arc<Lock>,
        hosts: Arc<Hosts>,
        fetcher: Arc<Fetcher>,
        problems: &Arc<Problems>,
    ) -> Result<(), CrawlError> {
        let entry = lock.entry();
        let Settings { retries, pages, .. } = self.settings;
        let stamp = Stamp { sweep: entry.id.clone(), rules: self.site.rules().into() };
        let has_failures = !self.store.failures(None, 1).await?.found.is_empty();
        let destination = self.destination(has_failures, stamp.clone(), problems);
        let (lookup, lookups) = lookup::channel(self.store.clone());
        let (outbox, writer) = writer::channel(batching(&self.settings), destination);
        let range = self.site.page_range(pages);
        self.look_back(entry.limited).await?;
        let wanted = self.begin(range).await?;
        if !is_open(&hosts)? {
            return Ok(());
        }
        let context = Arc::new(WorkerContext {
            site: self.site.clone(),
            range,
            limited: entry.limited,
            is_resumed: entry.is_resumed(),
            retries,
            frontier: self.frontier.clone(),
            readers: Readers::default(),
            fetcher,
            hosts,
            lookup,
            store: self.store.clone(),
            policy: self.policy(stamp, entry.started_at),
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            shutdown: self.shutdown.clone(),
            has_failures: AtomicBool::new(has_failures),
            wanted,
            enough: AtomicBool::new(false),
            list_fields: FieldsFound::new(self.site.list_fields(), "items of the list"),
            fields: FieldsFound::new(self.site.detail_fields(), "pages"),
            texts: OddTexts::default(),
            lists: self.lists.clone(),
            gone_candidates: self.gone_candidates.clone(),
            canary: self.canary.clone(),
            redirects: Redirects::default(),
            twins: self.watches_twins().then(Twins::default),
            gone_limit: self.settings.gone_limit,
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
        self.note_pages(&context, problems);
        if worked.is_ok() && written.is_ok() {
            self.note_not_found(&context.wanted, problems).await?;
        }
        // The writer's own error says more than the error of a worker that found the writer gone.
        written.and(worked)
    }

    /// Reports what was odd about the pages that were read and the hosts that were used, each thing
    /// once.
    fn note_pages(&self, context: &WorkerContext, problems: &Problems) {
        context.list_fields.report_to(problems);
        context.fields.report_to(problems);
        context.texts.report_to(problems, self.metrics.snapshot().requests.replaced);
        self.note_redirects(context, problems);
        self.note_hosts(&context.hosts, problems);
    }

    /// Returns the destination of the writer's batches.
    fn destination(
        &self,
        has_failures: bool,
        stamp: Stamp,
        problems: &Arc<Problems>,
    ) -> Destination {
        Destination {
            store: self.store.clone(),
            has_failures,
            frontier: self.frontier.clone(),
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            scrubber: self.settings.scrubber.clone(),
            alike: Mutex::default(),
            canary: self.canary.clone(),
            stamp,
        }
    }

    /// Runs the workers until they end, the crawl fails, or the grace period is over.
    async fn supervise(
        &self,
        context: &Arc<WorkerContext>,
        outbox: Outbox,
        writing: &mut Writing,
    ) -> Result<(), CrawlError> {
        let mut workers = JoinSet::new();
        for _ in 0..self.settings.workers {
            workers.spawn(context.clone().work(outbox.clone()));
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
}

/// The writer's task. Dropping it aborts the writer.
type Writing = JoinSet<Result<(), CrawlError>>;

fn written_or_panicked(
    written: Option<Result<Result<(), CrawlError>, JoinError>>,
) -> Result<(), CrawlError> {
    written.map_or(Ok(()), |written| written.unwrap_or_else(|panic| Err(panic.into())))
}

fn batching(settings: &Settings) -> Batching {
    Batching { items: settings.batch, flush: settings.flush }
}
