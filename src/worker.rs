//! A worker: one loop that takes a task, fetches and reads its page, and puts back what it found.
//!
//! Pages of the list lead to follow-ups in the frontier (`worker/list.rs`); pages of items lead to
//! records, which go to the writer together with their lease (`worker/item.rs`); items that no list
//! names are asked for, too (`worker/unlisted.rs`); what leads to nothing is tried again or given up
//! (`worker/trouble.rs`). A task whose host has no slot for it now is parked there: no worker sleeps
//! with its lease. It comes back with a slot, to whichever worker is idle then.
//!
//! A worker has one request in flight, and reads the answer to the one before meanwhile: a small page
//! itself, a large one by threads of their own (`worker/readers.rs`). What is rarer
//! than the page of an item is boxed, so that a worker is small: there are many, and they take turns.

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

use crate::again::Wanted;
use crate::clock;
use crate::decoding::Decoding;
use crate::error::{CrawlError, panic_message};
use crate::extract::PageError;
use crate::fetch::retry::Toll;
use crate::fetch::{
    self, Blocked, End, Entered, FetchError, Fetched, Fetcher, Host, Hosts, Request, Slot,
};
use crate::frontier::{Frontier, Lease};
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::problems::{FieldsFound, OddTexts, Problems};
use crate::record::{Key, Validators};
use crate::refresh::canary::Canary;
use crate::refresh::gone::Departures;
use crate::refresh::redirect::{self, Redirects};
use crate::refresh::twins::Twins;
use crate::refresh::{self, Plan, Policy};
use crate::secret::shown;
use crate::shutdown::{Shutdown, Stage};
use crate::site::Site;
use crate::store::Store;
use crate::task::{Content, IndexPage, Page, PageRange, Task};
use crate::walk::Walk;
use crate::writer::Outbox;
pub use readers::Readers;
use trouble::{Trouble, page_id};

/// A page of more bytes is read off the network's thread.
const LARGE: usize = 16 << 10;
/// The lists are walked so often at most.
const MOST_PASSES: u32 = 3;
/// What is asked for once more at no cost comes back within this.
const SPREAD: Duration = Duration::from_secs(1);

/// What all workers share.
pub struct Crew {
    /// What is crawled.
    pub site: Arc<Site>,
    /// Index pages that may be asked for.
    pub range: PageRange,
    /// Whether only a part of the site was asked for.
    pub limited: bool,
    /// Whether an earlier run of the same sweep went before.
    pub is_resumed: bool,
    /// Which of the items that are listed are asked for.
    pub wanted: Wanted,
    /// Further tries of a task.
    pub retries: u32,
    /// Where tasks come from and go to.
    pub frontier: Arc<dyn Frontier>,
    /// Reads large pages.
    pub readers: Readers,
    /// Makes requests.
    pub fetcher: Arc<Fetcher>,
    /// How fast the site's hosts are asked.
    pub hosts: Arc<Hosts>,
    /// Says what is known of listed items.
    pub lookup: Lookup,
    /// Where failures are kept, and what there is beside listed items.
    pub store: Arc<dyn Store>,
    /// What of the store's knowledge counts, and what is the same for all records.
    pub policy: Policy,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What the user should know.
    pub problems: Arc<Problems>,
    /// Ends the loop.
    pub shutdown: Shutdown,
    /// Whether failures are kept, so that those of pages that were had since are to be taken off.
    pub has_failures: AtomicBool,
    /// Set once the limit on items is reached: no more of the list is asked for.
    pub enough: AtomicBool,
    /// Which of the list's fields were found.
    pub list_fields: FieldsFound,
    /// Which of the fields of an item's page were found.
    pub fields: FieldsFound,
    /// Which pages' bytes were not quite text.
    pub texts: OddTexts,
    /// What the lists have said so far.
    pub walk: Arc<Walk>,
    /// What was found out about items that may have left the site.
    pub departures: Arc<Departures>,
    /// Where the requests for items were led.
    pub redirects: Redirects,
    /// Which documents changed, where any page counts as an item's.
    pub twins: Option<Twins>,
    /// Counts the fields of documents, and tells a redesign.
    pub canary: Arc<Canary>,
    /// Share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
}

/// A request under way: what came of it is answered for by its lease.
struct Attempt<'a> {
    lease: Lease,
    /// What it was asked with; none where nothing was asked.
    slot: Option<Slot>,
    outbox: &'a Outbox,
}

/// What came of a request, which is still to be read.
struct Answer<'a> {
    attempt: Attempt<'a>,
    fetched: Fetched,
}

impl Attempt<'_> {
    /// What came of the request, where there was one.
    fn end(&mut self, end: End<'_>) -> Result<Toll, Blocked> {
        self.slot.take().map_or(Ok(Toll::Attempt), |slot| slot.end(end))
    }
}

impl Crew {
    /// Works until the frontier has ended or the crawl is to stop. An answer is read while the next
    /// request is under way.
    ///
    /// # Errors
    /// Whatever ends the whole crawl.
    pub async fn work(self: Arc<Crew>, outbox: Outbox) -> Result<(), CrawlError> {
        let mut stop = pin!(self.shutdown.reached(Stage::Draining));
        let mut unread = None;
        loop {
            // Where they stand: to move them costs as much as to read a page.
            let (asking, reading) =
                (pin!(self.next_answer(&outbox, stop.as_mut())), pin!(self.read_answer(unread)));
            match tokio::try_join!(asking, self.surviving(reading))? {
                (None, ()) => return Ok(()),
                (answer, ()) => unread = answer,
            }
        }
    }

    /// Takes tasks until one leads to an answer that is to be read; nothing at the end.
    async fn next_answer<'a>(
        &self,
        outbox: &'a Outbox,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Option<Answer<'a>>, CrawlError> {
        loop {
            if self.readers.is_behind() {
                tokio::select! {
                    biased;
                    () = &mut stop => {}
                    () = self.readers.caught_up() => {}
                }
            }
            let next = match self.hosts.ready_now() {
                _ if self.shutdown.stage() > Stage::Running => None,
                Some((lease, slot)) => Some((lease, Some(slot))),
                None => tokio::select! {
                    biased;
                    () = &mut stop => None,
                    lease = self.frontier.lease() => lease?.map(|lease| (lease, None)),
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

    /// A panic is a bug, and takes no more along than the task in hand, which goes back and has one
    /// attempt less.
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

    /// Asks for a page, where it is to be asked for and may be now.
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
            // The list says what it says: asking for the item's page would not help.
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

    /// Asks for a page once there is a slot at its host. What leads to none is dealt with at once,
    /// so that a host which struggles is not asked for more.
    async fn ask<'a>(
        &self,
        attempt: Attempt<'a>,
        validators: Option<Validators>,
    ) -> Result<Option<Answer<'a>>, CrawlError> {
        let Some(mut attempt) = self.enter(attempt).await else { return Ok(None) };
        let request = match self.request(&attempt) {
            Ok(Some(request)) => self.told(request, &attempt),
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

    /// Takes a slot at the page's host, unless there is one or none is needed. Nothing where the
    /// task waits for one now.
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

    /// The request for a page, made when it may leave: until then a task is all that waits.
    /// Nothing where none is needed.
    fn request(&self, attempt: &Attempt<'_>) -> Result<Option<Request>, FetchError> {
        let request = self.site.request(&attempt.lease.task().page);
        let request = request.map_err(|error| FetchError::Request(error.to_string()))?;
        if let (Some(request), Some(slot)) = (&request, &attempt.slot) {
            slot.host().allows(&request.url)?;
        }
        Ok(request)
    }

    /// The request with what it is for.
    fn told(&self, mut request: Request, attempt: &Attempt<'_>) -> Request {
        let task = attempt.lease.task();
        request.purpose.attempt = task.attempt;
        if enabled!(Level::DEBUG) {
            request.purpose.task = Some(task.page.to_string().into());
        }
        let slot = attempt.slot.as_ref();
        request.purpose.waits_alone = slot.is_some_and(|it| it.waits_alone(|| page_id(task)));
        request
    }

    /// Reads what came, after the requests that may leave now: on one thread, those would else wait
    /// for all pages that came at once to be read.
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

    /// Asks a host what it asks of crawlers; what waits for that is parked meanwhile.
    async fn open(&self, host: &Arc<Host>) {
        tokio::select! {
            biased;
            () = self.shutdown.reached(Stage::Draining) => {}
            _ = host.open(&self.fetcher) => {}
        }
    }

    /// Ends an attempt at a task that is tried again when all others are done.
    async fn ask_at_the_end(&self, attempt: Attempt<'_>) -> Result<(), CrawlError> {
        self.frontier.retry_at_the_end(attempt.lease).await?;
        // The writer may hold all others.
        attempt.outbox.look();
        Ok(())
    }

    /// Ends a task that led to nothing for the writer.
    async fn finish(&self, attempt: Attempt<'_>) -> Result<(), CrawlError> {
        self.frontier.finish(attempt.lease).await?;
        attempt.outbox.look();
        Ok(())
    }

    /// What is to be done about a page.
    fn plan(&self, page: &Page) -> Plan {
        let Page::Detail(item) = page else { return Plan::Fetch(None) };
        if item.is_unlisted {
            let known = item.known.as_deref();
            return Plan::Fetch(known.and_then(|known| refresh::validators(known, &self.policy)));
        }
        let (known, listed) = (item.known.as_deref(), item.listed.as_deref());
        refresh::plan(known, listed, &self.policy, clock::now())
    }

    /// Counts what was done to make text of a page.
    fn decoded(&self, page: &fetch::Page, decoding: Decoding) {
        if decoding != Decoding::default() {
            self.metrics.replaced(decoding.replaced);
            self.texts.note(&page.url, decoding);
        }
    }

    /// Where the request for an item was led, where that is not the item's own address.
    fn led_away(&self, key: &Key, attempt: &Attempt<'_>, to: &Url) -> Option<Box<str>> {
        // Most sites redirect nothing: then there is nothing to compare.
        self.fetcher.first_redirect()?;
        let asked = self.site.request(&attempt.lease.task().page).ok().flatten()?;
        redirect::leads_away(key, &asked.url, to)
    }

    /// Where the request for a page of a list was led, where that is another path or host.
    fn list_led_away(&self, attempt: &Attempt<'_>, to: &Url) -> Option<Box<str>> {
        self.fetcher.first_redirect()?;
        let asked = self.site.request(&attempt.lease.task().page).ok().flatten()?;
        redirect::is_elsewhere(&asked.url, to).then(|| shown(to).into())
    }

    /// Where a task leads, as it may be shown; nothing where its request cannot be made.
    fn url_of(&self, task: &Task) -> Box<str> {
        let request = self.site.request(&task.page).ok().flatten();
        request.map_or_else(Box::default, |request| self.policy.scrubber.url(&request.url).into())
    }

    /// Whether more of a list is wanted.
    fn is_wanted(&self, page: &IndexPage) -> bool {
        !self.enough.load(Relaxed) && !self.walk.is_over(page)
    }

    /// What a page would say is known without asking for it.
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

    /// Runs what takes as long as there are `bytes` to be read: what is long is done off the network's
    /// thread, where nobody else would get on meanwhile.
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
