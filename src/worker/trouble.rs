//! What leads to no page, or to one that cannot be read: it is tried again, or given up.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::unlisted::sight_of_error;
use super::{Attempt, Crew};
use crate::clock;
use crate::error::CrawlError;
use crate::extract::PageError;
use crate::failure::{Failure, PageId};
use crate::fetch::retry::{self, Decision, Fault, Toll};
use crate::fetch::{self, End, FetchError, Sample};
use crate::record::Key;
use crate::refresh::gone::Sight;
use crate::task::{DetailPage, Page, Task};
use crate::wording::plain;
use crate::writer::Outcome;

/// Why an attempt at a task came to nothing.
pub enum Trouble {
    /// There is no page.
    Fetch(FetchError),
    /// The page is not what it should be.
    Page(PageError, Option<Sample>),
    /// What the list says of the item is not what it should be.
    List(PageError),
    /// A redirect leads to an address that is not the item's own.
    Led(Box<str>),
    /// Its document is now that of another item, from which it differed before.
    Twin(Key),
    /// The task led to a panic as often as it may be tried.
    Panic,
}

impl Crew {
    /// There is no page: again later, missing, or given up.
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
            Decision::Again(retry) => Ok(self.frontier.retry_later(attempt.lease, retry).await?),
            Decision::GiveUp => self.give_up(attempt, Trouble::Fetch(error)).await,
        }
    }

    /// Deals with a page of a list of which the site says that it is not there, where that is to be
    /// believed: nobody said that it is. Hands back what is trouble.
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

    /// The host hears of a request that came to nothing, and says what that costs the task.
    fn troubled(
        &self,
        attempt: &mut Attempt<'_>,
        message: &str,
        fault: Fault,
        wait: Option<Duration>,
    ) -> Result<Toll, CrawlError> {
        let task = attempt.lease.task();
        // What the site says of items that it does not list is no word on whether it bears us.
        let (page, is_counted) = (page_id(task), !task.is_unlisted());
        let trouble = fetch::Trouble { message, fault, wait, page, is_counted };
        let ended = attempt.end(End::Trouble(trouble));
        ended.map_err(|blocked| blocked.at(&self.url_of(attempt.lease.task())).into())
    }

    /// A page came, but not one that can be read: again later, or given up.
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
        // A field that is not what the site file says is no refusal.
        let fault = if error.is_refusal() { Fault::Unfit } else { Fault::Other };
        self.troubled(&mut attempt, &error.to_string(), fault, None)?;
        match retry::after_bad_page(number, self.retries, fastrand::f64()) {
            Decision::Again(retry) => Ok(self.frontier.retry_later(attempt.lease, retry).await?),
            Decision::GiveUp => {
                let trouble = Trouble::Page(error, Sample::of(&page.body));
                self.give_up(attempt, trouble).await
            }
        }
    }

    /// A failure with its reason goes to the writer, which keeps it and ends the lease.
    pub(super) async fn give_up(
        &self,
        attempt: Attempt<'_>,
        trouble: Trouble,
    ) -> Result<(), CrawlError> {
        let task = attempt.lease.task();
        if let Page::Detail(item @ DetailPage { key, is_unlisted: true, .. }) = &task.page {
            // Nothing is known of it, so nothing is changed: it is no failure of the list's.
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
            self.walk.note_lost(|| format!("{url}: {}", plain(&message)));
            if self.walk.answered(index, true) {
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

/// Tells the page of a task from others.
pub fn page_id(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    PageId::from(&task.page).hash(&mut hasher);
    hasher.finish()
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
