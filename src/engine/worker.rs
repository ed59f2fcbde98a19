//! The worker: a loop that leases a task, fetches and reads its page, and hands over the result.
//!
//! List pages lead to follow-ups in the frontier (`worker/list.rs`). Item pages lead to records,
//! which go to the writer together with their lease (`worker/item.rs`). Items that no list names
//! are requested too (`worker/unlisted.rs`). Failed attempts are retried or given up
//! (`worker/trouble.rs`). A task whose host has no free slot is parked at the host: no worker
//! sleeps with a lease. When there is a slot, any idle worker takes the task.
//!
//! A worker has one request in flight, and meanwhile reads the previous answer: a small page
//! itself, a large one on separate threads (`worker/readers.rs`). Futures for rare cases are boxed,
//! so that a worker stays small: there are many.

mod item;
mod list;
mod readers;
mod trouble;
mod unlisted;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{Level, enabled, error};
use url::Url;

use crate::engine::error::{CrawlError, panic_message};
use crate::engine::list_progress::ListProgress;
use crate::engine::lookup::Lookup;
use crate::engine::refresh::canary::Canary;
use crate::engine::refresh::gone::GoneCandidates;
use crate::engine::refresh::redirect::{self, Redirects};
use crate::engine::refresh::twins::Twins;
use crate::engine::refresh::{self, Plan, Policy};
use crate::engine::retry_failures::Wanted;
use crate::engine::writer::Outbox;
use crate::extract::PageError;
use crate::fetch::retry::Toll;
use crate::fetch::{
    self, Blocked, End, Entered, FetchError, Fetched, Fetcher, Host, Hosts, Request, Slot,
};
use crate::frontier::{Frontier, Lease};
use crate::model::decoding::Decoding;
use crate::model::record::{Key, Validators};
use crate::model::task::{Content, IndexPage, Page, PageRange, Task};
use crate::observe::metrics::Metrics;
use crate::observe::problems::{FieldsFound, OddTexts, Problems};
use crate::site::Site;
use crate::store::Store;
use crate::system::clock;
use crate::system::shutdown::Shutdown;
use crate::text::secret::shown;
pub use readers::Readers;
use trouble::{Trouble, page_id};

/// Size in bytes from which a page is read on a separate thread.
const LARGE: usize = 16 << 10;
/// Maximum number of passes over the lists.
const MOST_PASSES: u32 = 3;
/// Maximum delay of a free retry; the delay is random.
const SPREAD: Duration = Duration::from_secs(1);

/// The state that all workers share.
pub struct WorkerContext {
    /// Site to crawl.
    pub site: Arc<Site>,
    /// Range of index pages that may be requested.
    pub range: PageRange,
    /// True if only a part of the site is crawled.
    pub limited: bool,
    /// True if this run resumes a sweep.
    pub is_resumed: bool,
    /// Selects which of the listed items are requested.
    pub wanted: Wanted,
    /// Maximum number of retries of a task.
    pub retries: u32,
    /// Source of tasks, and destination of follow-ups.
    pub frontier: Arc<Frontier>,
    /// Threads that read large pages.
    pub readers: Readers,
    /// HTTP client.
    pub fetcher: Arc<Fetcher>,
    /// Rate limits and slots of the site's hosts.
    pub hosts: Arc<Hosts>,
    /// Looks up what the store knows of listed items.
    pub lookup: Lookup,
    /// Store for failures, and source of the items that are not listed.
    pub store: Arc<dyn Store>,
    /// Decides which stored data counts. Also holds what is the same for all records.
    pub policy: Policy,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Problems to report to the user.
    pub problems: Arc<Problems>,
    /// Ends the loop.
    pub shutdown: Shutdown,
    /// True if the store holds failures, which must be deleted when their pages are read.
    pub has_failures: AtomicBool,
    /// True once the limit on items is reached: no more list pages are requested.
    pub enough: AtomicBool,
    /// Counts in which items the list's fields were found.
    pub list_fields: FieldsFound,
    /// Counts on which item pages the fields were found.
    pub fields: FieldsFound,
    /// Pages that could not be decoded cleanly.
    pub texts: OddTexts,
    /// Progress over the lists.
    pub lists: Arc<ListProgress>,
    /// Items that may have left the site.
    pub gone_candidates: Arc<GoneCandidates>,
    /// Redirects of item requests.
    pub redirects: Redirects,
    /// Documents that changed, kept where any page counts as an item's.
    pub twins: Option<Twins>,
    /// Counts the fields of documents, and detects a redesign.
    pub canary: Arc<Canary>,
    /// Maximum share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
}

/// An attempt at a task, with its lease.
struct Attempt<'a> {
    lease: Lease,
    /// Slot at the host, or `None` if no request is needed.
    slot: Option<Slot>,
    outbox: &'a Outbox,
}

/// An answer that is still to be read.
struct Answer<'a> {
    attempt: Attempt<'a>,
    fetched: Fetched,
}

impl Attempt<'_> {
    /// Reports the result of the request to the host, if there was a request.
    fn end(&mut self, end: End<'_>) -> Result<Toll, Blocked> {
        self.slot.take().map_or(Ok(Toll::Attempt), |slot| slot.end(end))
    }
}

impl WorkerContext {
    /// Works until the frontier has ended or a shutdown is requested. An answer is read while the
    /// next request is in flight.
    ///
    /// # Errors
    /// Returns an error that ends the whole crawl.
    pub async fn work(self: Arc<WorkerContext>, outbox: Outbox) -> Result<(), CrawlError> {
        let mut stop = pin!(self.shutdown.requested());
        let mut unread = None;
        loop {
            // Pinned on the stack: moving these futures costs as much as reading a page.
            let (asking, reading) =
                (pin!(self.next_answer(&outbox, stop.as_mut())), pin!(self.read_answer(unread)));
            match tokio::try_join!(asking, self.surviving(reading))? {
                (None, ()) => return Ok(()),
                (answer, ()) => unread = answer,
            }
        }
    }

    /// Leases tasks until one leads to an answer to read. Returns `None` at the end.
    async fn next_answer<'a>(
        &self,
        outbox: &'a Outbox,
        mut stop: Pin<&mut (impl Future + Send)>,
    ) -> Result<Option<Answer<'a>>, CrawlError> {
        loop {
            if self.readers.is_behind() {
                tokio::select! {
                    biased;
                    _ = &mut stop => {}
                    () = self.readers.caught_up() => {}
                }
            }
            let next = match self.hosts.ready_now() {
                _ if self.shutdown.is_requested() => None,
                Some((lease, slot)) => Some((lease, Some(slot))),
                None => tokio::select! {
                    biased;
                    _ = &mut stop => None,
                    lease = self.frontier.lease() => lease.map(|lease| (lease, None)),
                    (lease, slot) = self.hosts.ready() => Some((lease, Some(slot))),
                },
            };
            let Some((lease, slot)) = next else { return Ok(None) };
            let attempt = pin!(self.attempt(Attempt { lease, slot, outbox }));
            if let Some(answer) = self.surviving(attempt).await? {
                return Ok(Some(answer));
            }
        }
    }

    /// Runs `work` and catches a panic, which is a bug. It only affects the current task, which
    /// returns to the frontier and has lost an attempt.
    async fn surviving<T: Default>(
        &self,
        work: impl Future<Output = Result<T, CrawlError>>,
    ) -> Result<T, CrawlError> {
        AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
            let message = panic_message(&*panic);
            error!(message, "a worker panicked, which is a bug; its task goes back");
            self.problems.note(format!("a worker panicked, which is a bug: {message}"));
            Ok(T::default())
        })
    }

    /// Requests a page if it is still wanted. Returns `None` if there is no answer to read.
    async fn attempt<'a>(&self, attempt: Attempt<'a>) -> Result<Option<Answer<'a>>, CrawlError> {
        let task = attempt.lease.task();
        if let Page::Index(index) = &task.page
            && !self.is_wanted(index)
        {
            let index = index.clone();
            self.answered(attempt, &index).await?;
        } else if task.attempt > self.retries.saturating_add(1) {
            Box::pin(self.give_up(attempt, Trouble::Panic)).await?;
        } else if let Page::Detail(item) = &task.page
            && let Some(Content::Unreadable(message)) = item.listed.as_ref().map(|it| &it.content)
        {
            // The error is in the list entry: requesting the item's page would not help.
            let error = PageError::Listed(message.clone());
            Box::pin(self.give_up(attempt, Trouble::List(error))).await?;
        } else {
            match self.plan(&task.page) {
                Plan::Fetch(validators) => return self.ask(attempt, validators).await,
                plan => self.settled(attempt, plan).await?,
            }
        }
        Ok(None)
    }

    /// Requests a page once there is a slot at its host. A failed request is handled at once, so
    /// that a struggling host gets no further requests meanwhile.
    async fn ask<'a>(
        &self,
        attempt: Attempt<'a>,
        validators: Option<Validators>,
    ) -> Result<Option<Answer<'a>>, CrawlError> {
        let Some(mut attempt) = self.enter(attempt).await else { return Ok(None) };
        let request = match self.request(&attempt) {
            Ok(Some(request)) => self.with_purpose(request, &attempt),
            Ok(None) => return Box::pin(self.known_page(attempt)).await.map(|()| None),
            Err(error) => {
                let given_up = Box::pin(self.give_up(attempt, Trouble::Fetch(error)));
                return given_up.await.map(|()| None);
            }
        };
        if attempt.lease.task().is_again() {
            self.metrics.retried();
        }
        let fetched = match validators {
            None => self.fetcher.fetch(request).await.map(Fetched::Page),
            Some(validators) => self.fetcher.fetch_if_modified(request, &validators).await,
        };
        match fetched {
            Err(error) => Box::pin(self.no_page(attempt, error)).await.map(|()| None),
            Ok(fetched) => {
                attempt.slot.iter_mut().for_each(Slot::answered);
                Ok(Some(Answer { attempt, fetched }))
            }
        }
    }

    /// Takes a slot at the page's host, unless the attempt has one or needs none. Returns `None` if
    /// the task was parked to wait for one.
    async fn enter<'a>(&self, attempt: Attempt<'a>) -> Option<Attempt<'a>> {
        if attempt.slot.is_some() {
            return Some(attempt);
        }
        let Some(url) = self.site.host(&attempt.lease.task().page) else { return Some(attempt) };
        let Attempt { lease, outbox, .. } = attempt;
        match self.hosts.enter(&url, lease) {
            Entered::Go(lease, slot) => return Some(Attempt { lease, slot: Some(slot), outbox }),
            Entered::Parked => {}
            Entered::Unopened(host) => Box::pin(self.open(&host)).await,
        }
        None
    }

    /// Returns the request for a page, or `None` if none is needed. It is built only when it may be
    /// sent, so that waiting tasks stay small.
    fn request(&self, attempt: &Attempt<'_>) -> Result<Option<Request>, FetchError> {
        let request = self.site.request(&attempt.lease.task().page);
        let request = request.map_err(|error| FetchError::Request(error.to_string()))?;
        if let (Some(request), Some(slot)) = (&request, &attempt.slot) {
            slot.host().allows(&request.url)?;
        }
        Ok(request)
    }

    /// Adds to the request what it is for.
    fn with_purpose(&self, mut request: Request, attempt: &Attempt<'_>) -> Request {
        let task = attempt.lease.task();
        request.purpose.attempt = task.attempt;
        if enabled!(Level::DEBUG) {
            request.purpose.task = Some(task.page.to_string().into());
        }
        let slot = attempt.slot.as_ref();
        request.purpose.waits_alone = slot.is_some_and(|it| it.waits_alone(|| page_id(task)));
        request
    }

    /// Reads an answer. First yields, so that waiting requests are sent: on one thread they would
    /// otherwise wait until all answers are read.
    async fn read_answer(&self, answer: Option<Answer<'_>>) -> Result<(), CrawlError> {
        let Some(Answer { attempt, fetched }) = answer else { return Ok(()) };
        tokio::task::yield_now().await;
        match fetched {
            Fetched::NotModified { url, headers } => {
                self.not_modified(attempt, &url, &headers).await
            }
            Fetched::Page(page) => match attempt.lease.task().page.clone() {
                Page::Index(index) => Box::pin(self.index_page(attempt, index, page)).await,
                Page::Detail(detail) => self.detail_page(attempt, detail, page).await,
            },
        }
    }

    /// Reads the robots.txt of a host; tasks that need it are parked meanwhile.
    async fn open(&self, host: &Arc<Host>) {
        tokio::select! {
            biased;
            _ = self.shutdown.requested() => {}
            _ = host.open(&self.fetcher) => {}
        }
    }

    /// Ends an attempt; the task is retried when all others are done.
    async fn ask_at_the_end(&self, attempt: Attempt<'_>) -> Result<(), CrawlError> {
        self.frontier.retry_at_the_end(attempt.lease);
        // The writer may hold all other tasks.
        attempt.outbox.look();
        Ok(())
    }

    /// Ends a task that leads to no delivery.
    async fn finish(&self, attempt: Attempt<'_>) -> Result<(), CrawlError> {
        self.frontier.finish(attempt.lease);
        attempt.outbox.look();
        Ok(())
    }

    /// Decides what to do about a page.
    fn plan(&self, page: &Page) -> Plan {
        let Page::Detail(item) = page else { return Plan::Fetch(None) };
        if item.is_unlisted {
            let known = item.known.as_deref();
            return Plan::Fetch(known.and_then(|known| refresh::validators(known, &self.policy)));
        }
        let (known, listed) = (item.known.as_deref(), item.listed.as_deref());
        refresh::plan(known, listed, &self.policy, clock::now())
    }

    /// Notes how a page was decoded.
    fn decoded(&self, page: &fetch::Page, decoding: Decoding) {
        if decoding != Decoding::default() {
            self.metrics.replaced(decoding.replaced);
            self.texts.note(&page.url, decoding);
        }
    }

    /// Returns the address that the request for an item was redirected to, or `None` if it is the
    /// item's own.
    fn led_away(&self, key: &Key, attempt: &Attempt<'_>, to: &Url) -> Option<Box<str>> {
        // A quick exit: most sites redirect nothing.
        self.fetcher.first_redirect()?;
        let asked = self.site.request(&attempt.lease.task().page).ok().flatten()?;
        redirect::leads_away(key, &asked.url, to)
    }

    /// Returns the address a request for a list page was redirected to, where that is another path or host.
    fn list_led_away(&self, attempt: &Attempt<'_>, to: &Url) -> Option<Box<str>> {
        self.fetcher.first_redirect()?;
        let asked = self.site.request(&attempt.lease.task().page).ok().flatten()?;
        redirect::is_elsewhere(&asked.url, to).then(|| shown(to).into())
    }

    /// Returns the URL of a task without credentials, or an empty text if it has no request.
    fn url_of(&self, task: &Task) -> Box<str> {
        let request = self.site.request(&task.page).ok().flatten();
        request.map_or_else(Box::default, |request| self.policy.scrubber.url(&request.url).into())
    }

    /// Returns true if the list page is still wanted.
    fn is_wanted(&self, page: &IndexPage) -> bool {
        !self.enough.load(Relaxed) && !self.lists.is_over(page)
    }

    /// Handles a page whose content is known without a request.
    async fn known_page(&self, attempt: Attempt<'_>) -> Result<(), CrawlError> {
        match attempt.lease.task().page.clone() {
            Page::Index(index) => self.known_keys(attempt, index).await,
            Page::Detail(detail) => self.listed_item(attempt, detail).await,
        }
    }

    /// Reads a page.
    async fn read<T: Send + 'static>(
        &self,
        page: fetch::Page,
        read: impl FnOnce(&Site, &fetch::Page) -> T + Send + 'static,
    ) -> (fetch::Page, T) {
        let bytes = page.body.len();
        let read = move |site: &Site| {
            let read = read(site, &page);
            (page, read)
        };
        self.apart(bytes, read).await
    }

    /// Runs work on a page of `bytes` bytes. Long work runs on a separate thread, so that it does
    /// not block the network.
    async fn apart<T: Send + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce(&Site) -> T + Send + 'static,
    ) -> T {
        if bytes < LARGE && !self.site.descends {
            return read(&self.site);
        }
        let site = self.site.clone();
        self.readers.read(bytes, move || read(&site)).await
    }
}
