//! The worker: a loop that leases a task, fetches and reads its page, and hands over the result.
//!
//! List pages lead to follow-ups in the frontier (`worker/list.rs`, `worker/passes.rs`). Item pages
//! lead to records (`worker/item.rs`). Items that no list names are requested too
//! (`worker/unlisted.rs`). Failed attempts are retried or given up (`worker/trouble.rs`), unless
//! they show what became of an item (`worker/fate.rs`). All of them return what becomes of the task
//! (`After`): leases end in one place, `Worker::conclude`.
//!
//! A task whose host has no free slot is parked at the host: no worker sleeps with a lease. When
//! there is a slot, any idle worker takes the task.
//!
//! A worker has one request in flight, and meanwhile reads the previous answer: a small page
//! itself, a large one on separate threads (`worker/readers.rs`). Futures for rare cases are boxed,
//! so that a worker stays small: there are many.

mod attempt;
mod children;
mod context;
mod fate;
mod item;
mod list;
mod pages;
mod parts;
mod passes;
mod readers;
mod trouble;
mod unlisted;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::FutureExt;
use tracing::{Level, enabled, error};

use crate::engine::error::{CrawlError, panic_message};
use crate::engine::refresh::{self, Plan};
use crate::engine::writer::{Outbox, Outcome};
use crate::extract::PageError;
use crate::fetch::{Entered, FetchError, Fetched, Host, Request, Slot};
use crate::model::failure::Failure;
use crate::model::record::Validators;
use crate::model::task::{Content, DetailPage, Done, Page, Task};
use crate::model::text::plain;
use crate::system::clock;
use attempt::{After, Answer, Attempt};
pub use context::{Reports, Scope, Storage, WorkerContext};
pub use pages::PageReader;
use trouble::{Trouble, page_id};

/// One of the loops that work on tasks.
pub struct Worker {
    context: Arc<WorkerContext>,
    outbox: Outbox,
}

impl Worker {
    /// Creates a worker that hands its results to `outbox`.
    pub fn new(context: Arc<WorkerContext>, outbox: Outbox) -> Worker {
        Worker { context, outbox }
    }

    /// Works until the frontier has ended or a shutdown is requested. An answer is read while the
    /// next request is in flight.
    ///
    /// # Errors
    /// Returns an error that ends the whole crawl.
    pub async fn run(self) -> Result<(), CrawlError> {
        let mut stop = pin!(self.context.shutdown.requested());
        let mut unread = None;
        loop {
            // Pinned on the stack: moving these futures costs as much as reading a page.
            let (asking, reading) =
                (pin!(self.next_answer(stop.as_mut())), pin!(self.read_answer(unread)));
            match tokio::try_join!(asking, self.surviving(reading))? {
                (None, ()) => return Ok(()),
                (answer, ()) => unread = answer,
            }
        }
    }

    /// Leases tasks until one leads to an answer to read. Returns `None` at the end.
    async fn next_answer(
        &self,
        mut stop: Pin<&mut (impl Future + Send)>,
    ) -> Result<Option<Answer>, CrawlError> {
        let WorkerContext { pages, hosts, frontier, shutdown, .. } = &*self.context;
        loop {
            if pages.is_behind() {
                tokio::select! {
                    biased;
                    _ = &mut stop => {}
                    () = pages.caught_up() => {}
                }
            }
            let next = match hosts.ready_now() {
                _ if shutdown.is_requested() => None,
                Some((lease, slot)) => Some((lease, Some(slot))),
                None => tokio::select! {
                    biased;
                    _ = &mut stop => None,
                    lease = frontier.lease() => lease.map(|lease| (lease, None)),
                    (lease, slot) = hosts.ready() => Some((lease, Some(slot))),
                },
            };
            let Some((lease, slot)) = next else { return Ok(None) };
            let attempt = pin!(self.attempt(Attempt { lease, slot }));
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
            let problems = &self.context.reports.problems;
            problems.note(format!("a worker panicked, which is a bug: {message}"));
            Ok(T::default())
        })
    }

    /// Requests a page if it is still wanted. Returns `None` if there is no answer to read.
    async fn attempt(&self, attempt: Attempt) -> Result<Option<Answer>, CrawlError> {
        let context = &*self.context;
        let task = attempt.task();
        let after = match &task.page {
            Page::Index(index) if context.findings.lists.is_over(index) => {
                Box::pin(list::done(context, index)).await?
            }
            _ if task.attempt > context.scope.retries.saturating_add(1) => {
                After::GiveUp(Trouble::Panic)
            }
            Page::Index(_) => return self.ask(attempt, None).await,
            Page::Detail(item) if item.assembly.is_some() => {
                let validators = parts::validators(context, item);
                return self.ask(attempt, validators).await;
            }
            // Its lease goes back: what was begun is to be finished first.
            Page::Detail(_) if context.frontier.is_full() => return Ok(None),
            Page::Detail(item) => {
                let content = item.listed.as_deref().map(|listed| &listed.content);
                if let Some(Content::Unreadable(message)) = content {
                    // The error is in the list entry: requesting the item's page would not help.
                    After::GiveUp(Trouble::List(PageError::Listed(message.clone())))
                } else {
                    match plan(context, item) {
                        Plan::Fetch(validators) => return self.ask(attempt, validators).await,
                        plan => item::settled(context, item, plan),
                    }
                }
            }
        };
        self.conclude(attempt, after).await.map(|()| None)
    }

    /// Requests a page once there is a slot at its host. A failed request is handled at once, so
    /// that a struggling host gets no further requests meanwhile.
    async fn ask(
        &self,
        attempt: Attempt,
        validators: Option<Validators>,
    ) -> Result<Option<Answer>, CrawlError> {
        let WorkerContext { fetcher, reports, .. } = &*self.context;
        let Some(mut attempt) = self.enter(attempt).await else { return Ok(None) };
        let request = match self.request(&attempt) {
            Ok(Some(request)) => request,
            Ok(None) => return Box::pin(self.read_without_request(attempt)).await.map(|()| None),
            Err(error) => {
                let after = After::GiveUp(Trouble::Fetch(error));
                return Box::pin(self.conclude(attempt, after)).await.map(|()| None);
            }
        };
        if attempt.task().is_again() {
            reports.metrics.retried();
        }
        let fetched = match validators {
            None => fetcher.fetch(request).await.map(Fetched::Page),
            Some(validators) => fetcher.fetch_if_modified(request, &validators).await,
        };
        match fetched {
            Err(error) => Box::pin(self.fetch_failed(attempt, error)).await.map(|()| None),
            Ok(fetched) => {
                attempt.slot.iter_mut().for_each(Slot::answered);
                Ok(Some(Answer { attempt, fetched }))
            }
        }
    }

    /// Takes a slot at the page's host, unless the attempt has one or needs none. Returns `None` if
    /// the task was parked to wait for one.
    async fn enter(&self, attempt: Attempt) -> Option<Attempt> {
        if attempt.slot.is_some() {
            return Some(attempt);
        }
        let Some(url) = self.context.site.host(&attempt.task().page) else { return Some(attempt) };
        match self.context.hosts.enter(&url, attempt.lease) {
            Entered::Go(lease, slot) => return Some(Attempt { lease, slot: Some(slot) }),
            Entered::Parked => {}
            Entered::Unopened(host) => Box::pin(self.open(&host)).await,
        }
        None
    }

    /// Reads the robots.txt of a host; tasks that need it are parked meanwhile.
    async fn open(&self, host: &Arc<Host>) {
        tokio::select! {
            biased;
            _ = self.context.shutdown.requested() => {}
            _ = host.open(&self.context.fetcher) => {}
        }
    }

    /// Returns the request for a page, or `None` if none is needed. It is built only when it may be
    /// sent, so that waiting tasks stay small.
    fn request(&self, attempt: &Attempt) -> Result<Option<Request>, FetchError> {
        let task = attempt.task();
        let request = self.context.site.request(&task.page);
        let request = request.map_err(|error| FetchError::Request(error.to_string()))?;
        let Some(mut request) = request else { return Ok(None) };
        let slot = attempt.slot.as_ref();
        slot.map_or(Ok(()), |slot| slot.host().allows(&request.url))?;
        request.purpose.attempt = task.attempt;
        if enabled!(Level::DEBUG) {
            request.purpose.task = Some(task.page.to_string().into());
        }
        request.purpose.waits_alone = slot.is_some_and(|it| it.waits_alone(|| page_id(task)));
        Ok(Some(request))
    }

    /// Reads an answer. First yields, so that waiting requests are sent: on one thread they would
    /// otherwise wait until all answers are read.
    async fn read_answer(&self, answer: Option<Answer>) -> Result<(), CrawlError> {
        let Some(Answer { mut attempt, fetched }) = answer else { return Ok(()) };
        tokio::task::yield_now().await;
        let context = &*self.context;
        let after = match fetched {
            Fetched::NotModified { .. } if attempt.task().is_begun() => {
                Box::pin(parts::unchanged(context, &mut attempt)).await?
            }
            Fetched::NotModified { url, headers } => {
                item::not_modified(context, &mut attempt, &url, &headers)?
            }
            Fetched::Page(page) => match attempt.task().page.clone() {
                Page::Index(index) => {
                    Box::pin(list::read_page(context, &mut attempt, index, page)).await?
                }
                Page::Detail(item) => item::read_page(context, &mut attempt, item, page).await?,
            },
        };
        self.conclude(attempt, after).await
    }

    /// Handles a page whose content is known without a request.
    async fn read_without_request(&self, attempt: Attempt) -> Result<(), CrawlError> {
        let context = &*self.context;
        let after = match attempt.task().page.clone() {
            Page::Index(index) => match &context.storage.parent {
                Some(parent) => children::read_seeds(context, parent, index).await?,
                None => list::read_known_keys(context, attempt.task(), index).await?,
            },
            Page::Detail(item) => item::read_entry(context, item).await,
        };
        self.conclude(attempt, after).await
    }

    /// Handles a request that failed.
    async fn fetch_failed(
        &self,
        mut attempt: Attempt,
        error: FetchError,
    ) -> Result<(), CrawlError> {
        let context = &*self.context;
        let after = match attempt.task().page.clone() {
            Page::Index(index) => list::after_error(context, &mut attempt, &index, error).await?,
            Page::Detail(item) if item.assembly.is_some() => {
                Box::pin(parts::after_error(context, &mut attempt, item, error)).await?
            }
            Page::Detail(_) => fate::after_error(context, &mut attempt, error)?,
        };
        self.conclude(attempt, after).await
    }

    /// Ends an attempt. Apart from leases that are dropped or that the writer holds, this is the
    /// only place where a lease ends.
    async fn conclude(&self, attempt: Attempt, after: After) -> Result<(), CrawlError> {
        let frontier = &self.context.frontier;
        // A slot that was not needed is freed at the end of this function.
        let Attempt { lease, slot: _slot } = attempt;
        let done = match after {
            After::Deliver(outcome) => return self.outbox.deliver(lease, outcome).await,
            After::GiveUp(trouble) => match Box::pin(self.give_up(lease.task(), trouble)).await? {
                None => Done::Read,
                Some(failure) => {
                    let failure = Outcome::Failure(Box::new(failure));
                    return self.outbox.deliver(lease, failure).await;
                }
            },
            After::Onward => {
                frontier.carry_on(lease);
                return Ok(());
            }
            After::Retry(retry) => {
                frontier.retry_later(lease, retry);
                return Ok(());
            }
            After::RetryAtTheEnd => {
                frontier.retry_at_the_end(lease);
                self.outbox.look();
                return Ok(());
            }
            After::Done(done) => done,
        };
        frontier.finish(lease, done);
        // The writer may hold all other tasks.
        self.outbox.look();
        Ok(())
    }

    /// Gives a task up. Returns the failure to store, or `None` for an item that no list names.
    async fn give_up(&self, task: &Task, trouble: Trouble) -> Result<Option<Failure>, CrawlError> {
        let context = &*self.context;
        let failure = trouble::failure(context, task, trouble);
        parts::forget(context, task);
        match &task.page {
            Page::Detail(item) if item.is_unlisted => {
                fate::give_up_unlisted(context, item, &failure.message);
                return Ok(None);
            }
            Page::Detail(_) => {}
            Page::Index(index) => {
                context.storage.has_failures.store(true, Relaxed);
                let Failure { url, message, .. } = &failure;
                let lists = &context.findings.lists;
                lists.note_lost(|| format!("{url}: {}", plain(message)));
                passes::page_done(context, index, true).await?;
            }
        }
        Ok(Some(failure))
    }
}

/// Decides what to do about an item.
fn plan(context: &WorkerContext, item: &DetailPage) -> Plan {
    let (known, listed) = (item.known.as_deref(), item.listed.as_deref());
    if item.is_unlisted {
        let validators = known.and_then(|known| refresh::validators(known, &context.policy));
        return Plan::Fetch(validators);
    }
    refresh::plan(known, listed, &context.policy, clock::now())
}
