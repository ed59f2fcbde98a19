//! Handles failed requests and unreadable pages: retries them, or gives them up.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::unlisted::sight_of_error;
use super::{Attempt, WorkerContext};
use crate::engine::error::CrawlError;
use crate::engine::refresh::gone::Sight;
use crate::engine::writer::Outcome;
use crate::extract::PageError;
use crate::fetch::retry::{self, Decision, Fault, Toll};
use crate::fetch::{self, End, FetchError, Sample};
use crate::model::failure::{Failure, PageId};
use crate::model::record::Key;
use crate::model::task::{DetailPage, Page, Task};
use crate::system::clock;
use crate::text::plain;

/// The reason why an attempt failed.
pub enum Trouble {
    /// The request failed.
    Fetch(FetchError),
    /// The page cannot be read.
    Page(PageError, Option<Sample>),
    /// The item's list entry cannot be read.
    List(PageError),
    /// A redirect leads to an address that is not the item's own.
    Led(Box<str>),
    /// Its document is now that of another item, from which it differed before.
    Twin(Key),
    /// The task panicked in all its attempts.
    Panic,
}

impl WorkerContext {
    /// Handles a failed request: retries it, counts the item as missing, or gives it up.
    pub(super) async fn no_page(
        &self,
        attempt: Attempt<'_>,
        error: FetchError,
    ) -> Result<(), CrawlError> {
        let sight = sight_of_error(&error);
        let task = attempt.lease.task();
        let is_told = sight == Sight::Absent || task.is_unlisted() && sight == Sight::Closed;
        if task.key().is_some() && is_told {
            return self.seen(attempt, sight).await;
        }
        let is_end = error.status().is_some_and(|status| self.site.statuses.is_end(status));
        let Some(mut attempt) = self.unless_ended(attempt, is_end).await? else { return Ok(()) };
        let wait = match &error {
            FetchError::Status { wait, .. } | FetchError::Later { wait, .. } => {
                wait.map(retry::capped)
            }
            _ => None,
        };
        let toll = self.troubled(&mut attempt, &error.to_string(), retry::fault(&error), wait)?;
        let task = attempt.lease.task();
        match retry::after_error(&error, task, toll, self.retries, fastrand::f64()) {
            Decision::Again(retry) => {
                self.frontier.retry_later(attempt.lease, retry);
                Ok(())
            }
            Decision::GiveUp => self.give_up(attempt, Trouble::Fetch(error)).await,
        }
    }

    /// Handles a list page that does not exist, if nothing else says that it exists. Returns the
    /// attempt if the failure remains to be handled.
    async fn unless_ended<'a>(
        &self,
        attempt: Attempt<'a>,
        is_end: bool,
    ) -> Result<Option<Attempt<'a>>, CrawlError> {
        match &attempt.lease.task().page {
            Page::Index(index) if is_end => {
                let index = index.clone();
                self.no_such_page(attempt, &index).await
            }
            _ => Ok(Some(attempt)),
        }
    }

    /// Reports a failed attempt to the host, and returns what it costs the task.
    fn troubled(
        &self,
        attempt: &mut Attempt<'_>,
        message: &str,
        fault: Fault,
        wait: Option<Duration>,
    ) -> Result<Toll, CrawlError> {
        let task = attempt.lease.task();
        // Answers for unlisted items do not show whether the host blocks the crawl.
        let (page, is_counted) = (page_id(task), !task.is_unlisted());
        let trouble = fetch::Trouble { message, fault, wait, page, is_counted };
        let ended = attempt.end(End::Trouble(trouble));
        ended.map_err(|blocked| blocked.at(&self.url_of(attempt.lease.task())).into())
    }

    /// Handles a page that cannot be read: retries it, or gives it up.
    pub(super) async fn bad_page(
        &self,
        attempt: Attempt<'_>,
        error: PageError,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let is_gone = matches!(error, PageError::Gone(_));
        if is_gone && attempt.lease.task().key().is_some() {
            return self.seen(attempt, Sight::Absent).await;
        }
        let Some(mut attempt) = self.unless_ended(attempt, is_gone).await? else { return Ok(()) };
        let number = attempt.lease.task().attempt;
        // A field that does not match the site file is not a refusal.
        let fault = if error.is_refusal() { Fault::Unfit } else { Fault::Other };
        self.troubled(&mut attempt, &error.to_string(), fault, None)?;
        match retry::after_bad_page(number, self.retries, fastrand::f64()) {
            Decision::Again(retry) => {
                self.frontier.retry_later(attempt.lease, retry);
                Ok(())
            }
            Decision::GiveUp => {
                let trouble = Trouble::Page(error, Sample::of(&page.body));
                self.give_up(attempt, trouble).await
            }
        }
    }

    /// Gives a task up: sends the failure to the writer, which stores it and ends the lease.
    pub(super) async fn give_up(
        &self,
        attempt: Attempt<'_>,
        trouble: Trouble,
    ) -> Result<(), CrawlError> {
        let task = attempt.lease.task();
        if let Page::Detail(item @ DetailPage { key, is_unlisted: true, .. }) = &task.page {
            // Nothing is known of an unlisted item, so nothing is changed, and it does not count as
            // failed.
            let (_, message, ..) = trouble.describe();
            let name = format!("item {}", plain(key.as_str()));
            let said = format!("it is not listed, and cannot be asked for: {message}");
            self.problems.note_at(name, said);
            self.note(key.clone(), self.named(item), Sight::Unclear);
            return self.finish(attempt).await;
        }
        if task.key().is_none() {
            self.has_failures.store(true, Relaxed);
        }
        let url = self.url_of(task);
        let (reason, message, status, sample) = trouble.describe();
        if let Page::Index(index) = &task.page {
            self.lists.note_lost(|| format!("{url}: {}", plain(&message)));
            if self.lists.answered(index, true) {
                self.pass_ended(index.pass).await?;
            }
        }
        let failure = Failure {
            page: task.page.clone(),
            url,
            reason,
            message,
            status,
            attempts: task.attempt.min(self.retries.saturating_add(1)),
            sample: sample.map(Sample::into_text),
            at: clock::now(),
        };
        let Attempt { lease, outbox, .. } = attempt;
        outbox.deliver(lease, Outcome::Failure(Box::new(failure))).await
    }
}

/// Returns a hash that identifies the page of a task.
pub fn page_id(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    PageId::from(&task.page).hash(&mut hasher);
    hasher.finish()
}

impl Trouble {
    /// Returns the reason, message, status and sample of the failure.
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
            Trouble::List(error) => (error.reason(), error.to_string(), None, None),
            Trouble::Led(address) => {
                let message = format!(
                    "a redirect leads to {address}, as it does for other items or in another run: that is not the item's own page"
                );
                ("redirect", message, Some(200), None)
            }
            Trouble::Twin(other) => {
                let message = format!(
                    "its page would have the same document as item {}, from which it differed before, so it may be no item's page: its document stays. Name in `require`, or as a required field, what each item's page has; or go ahead with --accept-changes",
                    plain(other.as_str())
                );
                ("twin", message, Some(200), None)
            }
            Trouble::Panic => {
                let message = "reading this page made gleaner panic, each time; this is a bug";
                ("panic", message.to_owned(), None, None)
            }
        }
    }
}
