//! A worker: one loop that takes a task, fetches and reads its page, and puts back what it found.
//!
//! Pages of the list lead to follow-ups in the frontier; pages of items lead to records, which go
//! to the writer together with their lease. A worker never sleeps with a lease in its hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::crawl::CrawlError;
use crate::extract::{self, Detail, Format, Listing, NoKey, PageError, Select};
use crate::fetch::retry::{self, Decision};
use crate::fetch::{self, FetchError, Fetcher, Host, Request, Sample};
use crate::frontier::{Frontier, Lease, Retry};
use crate::metrics::Metrics;
use crate::problems::FieldsFound;
use crate::problems::Problems;
use crate::record::{Failure, Key, Known, Stamp};
use crate::refresh;
use crate::secret::shown;
use crate::shutdown::{Shutdown, Stage};
use crate::site::{PageRange, PageSaid, Site};
use crate::store::Store;
use crate::task::{DetailPage, FollowUps, IndexPage, Page};
use crate::writer::{Outbox, Outcome};

/// An HTML page of more bytes is read off the network's thread.
const LARGE_HTML: usize = 16 << 10;
/// Keys that a store is asked for at once.
const KEYS_AT_ONCE: usize = 1_000;
/// Tasks of a host that asked to wait come back spread over this, so that no burst follows.
const SPREAD: Duration = Duration::from_secs(1);

/// What all workers share.
pub struct Crew {
    /// What is crawled.
    pub site: Arc<Site>,
    /// Index pages that may be asked for.
    pub range: PageRange,
    /// Whether only a part of the site was asked for.
    pub limited: bool,
    /// Further tries of a task.
    pub retries: u32,
    /// Where tasks come from and go to.
    pub frontier: Arc<dyn Frontier>,
    /// Makes requests.
    pub fetcher: Fetcher,
    /// The site's mood.
    pub host: Host,
    /// Says what is known of listed items.
    pub store: Arc<dyn Store>,
    /// What is the same for all records.
    pub stamp: Stamp,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What the user should know.
    pub problems: Arc<Problems>,
    /// Ends the loop.
    pub shutdown: Shutdown,
    /// Set once the limit on items is reached: no more of the list is asked for.
    pub enough: AtomicBool,
    /// Which of the site file's fields were found.
    pub fields: FieldsFound,
    /// The first page of the list with fewer items than were asked for.
    pub first_short_page: AtomicU64,
}

/// Why an attempt at a task came to nothing.
enum Trouble {
    Fetch(FetchError),
    Page(PageError, Option<Sample>),
    /// The task ended the worker that held it, as often as it may be tried.
    Panic,
}

impl Crew {
    /// Works until the frontier has ended or the crawl is to stop.
    ///
    /// # Errors
    /// Whatever ends the whole crawl.
    pub async fn work(self: Arc<Crew>, outbox: Outbox) -> Result<(), CrawlError> {
        let stop = self.shutdown.reached(Stage::Draining);
        tokio::pin!(stop);
        loop {
            let lease = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                lease = self.frontier.lease() => lease?,
            };
            match lease {
                Some(lease) => self.attempt(lease, &outbox).await?,
                None => return Ok(()),
            }
        }
    }

    async fn attempt(&self, lease: Lease, outbox: &Outbox) -> Result<(), CrawlError> {
        if self.enough.load(Relaxed) && matches!(lease.task().page, Page::Index(_)) {
            return Ok(self.frontier.finish(lease).await?);
        }
        if lease.task().attempt > self.retries.saturating_add(1) {
            return self.give_up(lease, Trouble::Panic, outbox).await;
        }
        if let Some(left) = self.host.must_wait() {
            let after = left + SPREAD.mul_f64(fastrand::f64());
            let retry = Retry { after, costs_attempt: false };
            return Ok(self.frontier.retry_later(lease, retry).await?);
        }
        if lease.task().attempt > 1 {
            self.metrics.retried();
        }
        let sent = Instant::now();
        let page = match self.site.url(&lease.task().page) {
            Ok(url) => self.fetcher.fetch(Request::get(url)).await,
            Err(error) => Err(FetchError::Request(error.to_string())),
        };
        match page {
            Err(error) => self.no_page(lease, error, sent, outbox).await,
            Ok(page) => match lease.task().page.clone() {
                Page::Index(index) => self.index_page(lease, index, page, sent, outbox).await,
                Page::Detail(detail) => self.detail_page(lease, detail, page, sent, outbox).await,
            },
        }
    }

    /// A page of the list: what it lists goes into the frontier, then its task is done.
    async fn index_page(
        &self,
        lease: Lease,
        index: IndexPage,
        page: fetch::Page,
        sent: Instant,
        outbox: &Outbox,
    ) -> Result<(), CrawlError> {
        let is_html = matches!(self.site.index.items, Select::Css(_));
        let (page, listing) =
            self.read(page, is_html, |site, page| extract::index(&site.index, page)).await;
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => return self.bad_page(lease, error, page, sent, outbox).await,
        };
        self.host.succeeded();
        let Listing { keys, said, odd_count } = listing;
        let is_first = lease.task().attempt == 1 && self.retries > 0;
        if said.items == 0 && said.declared != Some(0) && is_first {
            // An empty page may be a hiccup, and ends the list: it is asked for once more.
            let retry = Retry { after: SPREAD.mul_f64(fastrand::f64()), costs_attempt: true };
            return Ok(self.frontier.retry_later(lease, retry).await?);
        }
        if let Some(odd) = odd_count {
            self.problems.note(format!("{odd}; the list itself decides"));
        }
        let (keys, keyless): (Vec<_>, Vec<_>) = keys.into_iter().partition(Result::is_ok);
        let keys: Vec<Key> = keys.into_iter().flatten().collect();
        let keyless: Vec<NoKey> = keyless.into_iter().filter_map(Result::err).collect();
        self.keep_keyless(&lease, &page, keyless).await?;
        self.watch_for_short_pages(&index, said);
        let details = self.details(keys).await?;
        let submitted = self.frontier.submit(FollowUps { index: None, details }).await?;
        if submitted.limited {
            self.enough.store(true, Relaxed);
        }
        self.metrics.listed(submitted.details, said.declared);
        let next = self.site.after(&index, said);
        // Without a count the list is followed only while pages bring something new: some sites
        // answer the last page, or the first, for ever.
        match next.filter(|next| next.certain || submitted.details > 0) {
            Some(next) => {
                let index = self.clip(next.run);
                self.frontier.submit(FollowUps { index, details: Vec::new() }).await?;
            }
            None if next.is_some() && said.declared.is_none() && !submitted.limited => {
                self.problems.gap(format!(
                    "page {} of the list brings nothing that was not listed before, and does not say that it is the last",
                    index.number
                ));
            }
            None => {}
        }
        Ok(self.frontier.finish(lease).await?)
    }

    /// Where the site gives fewer items on a page than were asked for and the list goes on, items
    /// fall between the pages.
    fn watch_for_short_pages(&self, index: &IndexPage, said: PageSaid) {
        let Some(limit) = self.site.index.paging.limit().filter(|_| said.items > 0) else { return };
        if said.items < limit {
            self.first_short_page.fetch_min(index.number, Relaxed);
        }
        let short = self.first_short_page.load(Relaxed);
        if short < index.number && said.declared.is_none() {
            self.problems.gap(format!(
                "page {short} of the list has fewer than the {limit} items asked for, and the list goes on: ask for fewer with --page-size"
            ));
        }
    }

    /// The listed items with what the store knows of them.
    async fn details(&self, keys: Vec<Key>) -> Result<Vec<DetailPage>, CrawlError> {
        let mut known: std::collections::HashMap<Key, Known> = std::collections::HashMap::new();
        if !self.store.was_empty() {
            for keys in keys.chunks(KEYS_AT_ONCE) {
                let answer = self.store.known(keys).await?;
                known.extend(answer.into_iter().map(|known| (known.key.clone(), known)));
            }
        }
        let detail = |key| DetailPage { known: known.remove(&key).map(Box::new), key };
        Ok(keys.into_iter().map(detail).collect())
    }

    /// The part of a plan that may be asked for. Where the site's own cap cuts it, that is a gap.
    fn clip(&self, run: crate::task::IndexRun) -> Option<crate::task::IndexRun> {
        if run.to > self.range.to && !self.limited {
            self.problems.gap(format!(
                "the list goes on after {} pages, where `max_pages` ends it",
                self.range.to
            ));
        }
        self.range.clip(run)
    }

    async fn keep_keyless(
        &self,
        lease: &Lease,
        page: &fetch::Page,
        keyless: Vec<NoKey>,
    ) -> Result<(), CrawlError> {
        let Some(first) = keyless.first() else { return Ok(()) };
        let message = format!("{} items without a key, the first: {first}", keyless.len());
        self.problems.gap(format!("{}: {message}", lease.task().page));
        let failure = Failure {
            page: lease.task().page.clone(),
            url: shown(&page.url).into(),
            reason: "key",
            message,
            status: Some(200),
            attempts: lease.task().attempt,
            sample: Sample::of(&page.body).map(Sample::into_text),
            at: Timestamp::now(),
        };
        for _ in keyless {
            self.metrics.listed_without_key();
        }
        Ok(self.store.keep_failures(&self.stamp, &[failure]).await?)
    }

    /// The page of an item: its record goes to the writer, which ends the lease.
    async fn detail_page(
        &self,
        lease: Lease,
        detail: DetailPage,
        page: fetch::Page,
        sent: Instant,
        outbox: &Outbox,
    ) -> Result<(), CrawlError> {
        let DetailPage { key, known } = detail;
        let encoding = self.store.encoding();
        let is_html = self.site.detail.format == Format::Html;
        let read = self
            .read(page, is_html, move |site, page| extract::detail(&site.detail, page, encoding))
            .await;
        match read {
            (page, Err(error)) => self.bad_page(lease, error, page, sent, outbox).await,
            (page, Ok(Detail { document, matched })) => {
                self.host.succeeded();
                self.fields.note(&matched);
                let known = known.as_deref();
                let record = refresh::record(key, &page, document, known, Timestamp::now());
                outbox.deliver(lease, Outcome::Record(Box::new(record))).await
            }
        }
    }

    /// Reads a page. A large HTML page is read off the network's thread, since that takes
    /// milliseconds in which nobody else would get on.
    async fn read<T: Send + 'static>(
        &self,
        page: fetch::Page,
        is_html: bool,
        read: impl FnOnce(&Site, &fetch::Page) -> T + Send + 'static,
    ) -> (fetch::Page, T) {
        if !is_html || page.body.len() < LARGE_HTML {
            let read = read(&self.site, &page);
            return (page, read);
        }
        let site = self.site.clone();
        let apart = tokio::task::spawn_blocking(move || {
            let read = read(&site, &page);
            (page, read)
        });
        // A panic there is a panic here: it costs the task an attempt.
        apart.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// There is no page: again later, missing, or given up.
    async fn no_page(
        &self,
        lease: Lease,
        error: FetchError,
        sent: Instant,
        outbox: &Outbox,
    ) -> Result<(), CrawlError> {
        match error {
            FetchError::Status { status: 404 | 410, .. } if lease.task().key().is_some() => {
                self.host.succeeded();
                return outbox.deliver(lease, Outcome::Missing).await;
            }
            FetchError::Status { status: 403 | 429, wait, .. } => {
                self.host.refused(sent, &error.to_string())?;
                wait.iter().for_each(|wait| self.host.asked_to_wait(retry::capped(*wait)));
            }
            FetchError::Status { status: 503, wait: Some(wait), .. } => {
                self.host.asked_to_wait(retry::capped(wait));
            }
            _ => {}
        }
        match retry::after_error(&error, lease.task(), self.retries, fastrand::f64()) {
            Decision::Again(retry) => Ok(self.frontier.retry_later(lease, retry).await?),
            Decision::GiveUp => self.give_up(lease, Trouble::Fetch(error), outbox).await,
        }
    }

    /// A page came, but not one that can be read: again later, or given up.
    async fn bad_page(
        &self,
        lease: Lease,
        error: PageError,
        page: fetch::Page,
        sent: Instant,
        outbox: &Outbox,
    ) -> Result<(), CrawlError> {
        // One item that stays bad is one refusal, however often it is tried.
        if lease.task().attempt == 1 {
            self.host.refused(sent, &error.to_string())?;
        }
        match retry::after_bad_page(lease.task().attempt, self.retries, fastrand::f64()) {
            Decision::Again(retry) => Ok(self.frontier.retry_later(lease, retry).await?),
            Decision::GiveUp => {
                let trouble = Trouble::Page(error, Sample::of(&page.body));
                self.give_up(lease, trouble, outbox).await
            }
        }
    }

    /// A failure with its reason goes to the writer, which keeps it and ends the lease.
    async fn give_up(
        &self,
        lease: Lease,
        trouble: Trouble,
        outbox: &Outbox,
    ) -> Result<(), CrawlError> {
        let task = lease.task();
        let url = self.site.url(&task.page).map_or_else(|_| String::new(), |url| shown(&url));
        let (reason, message, status, sample) = trouble.describe();
        let failure = Failure {
            page: task.page.clone(),
            url: url.into(),
            reason,
            message,
            status,
            attempts: task.attempt.min(self.retries.saturating_add(1)),
            sample: sample.map(Sample::into_text),
            at: Timestamp::now(),
        };
        outbox.deliver(lease, Outcome::Failure(Box::new(failure))).await
    }
}

impl Trouble {
    /// Reason, message, status, sample.
    fn describe(self) -> (&'static str, String, Option<u16>, Option<Sample>) {
        match self {
            Trouble::Fetch(error) => {
                let (reason, message, status) = (error.reason(), error.to_string(), error.status());
                let sample = match error {
                    FetchError::Status { sample, .. } => sample,
                    _ => None,
                };
                (reason, message, status, sample)
            }
            Trouble::Page(error, sample) => (error.reason(), error.to_string(), Some(200), sample),
            Trouble::Panic => {
                let message = "reading this page made gleaner panic, each time; this is a bug";
                ("panic", message.to_owned(), None, None)
            }
        }
    }
}
