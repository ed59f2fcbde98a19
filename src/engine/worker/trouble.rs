//! Decides what becomes of failed requests and unreadable pages: retries them, or gives them up.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use crate::engine::error::CrawlError;
use crate::engine::list_progress::ends_by_status;
use crate::extract::PageError;
use crate::fetch::retry::{self, Decision, Fault, Toll};
use crate::fetch::{self, End, FetchError, Sample};
use crate::model::failure::{Failure, PageId};
use crate::model::record::Key;
use crate::model::task::{Page, Task};
use crate::model::text::plain;
use crate::system::clock;

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
    /// The document cannot be whole, for this reason.
    Parts(String),
    /// The task panicked in all its attempts.
    Panic,
}

/// Decides what becomes of a task whose request failed, and reports the failure to the host.
pub fn after_error(
    context: &WorkerContext,
    attempt: &mut Attempt,
    error: FetchError,
) -> Result<After, CrawlError> {
    if let FetchError::Login(_) = error {
        // Every further page would fail, and each of them would be a failure for nothing.
        return Err(CrawlError::Login(error));
    }
    let wait = match &error {
        FetchError::Status { wait, .. } | FetchError::Later { wait, .. } => wait.map(retry::capped),
        _ => None,
    };
    let toll = report_to_host(context, attempt, &error.to_string(), retry::fault(&error), wait)?;
    let retries = context.scope.retries;
    Ok(match retry::after_error(&error, attempt.task(), toll, retries, fastrand::f64()) {
        Decision::Again(retry) => After::Retry(retry),
        Decision::GiveUp => After::GiveUp(Trouble::Fetch(error)),
    })
}

/// Decides what becomes of a task whose page cannot be read, and reports the failure to the host.
pub fn after_bad_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    error: PageError,
    page: &fetch::Page,
) -> Result<After, CrawlError> {
    let number = attempt.task().attempt;
    // A field that does not match the site file is not a refusal.
    let fault = if error.is_refusal() { Fault::Unfit } else { Fault::Other };
    report_to_host(context, attempt, &error.to_string(), fault, None)?;
    Ok(match retry::after_bad_page(number, context.scope.retries, fastrand::f64()) {
        Decision::Again(retry) => After::Retry(retry),
        Decision::GiveUp => After::GiveUp(Trouble::Page(error, Sample::of(&page.body))),
    })
}

/// Reports a failed attempt to the host, and returns what it costs the task.
fn report_to_host(
    context: &WorkerContext,
    attempt: &mut Attempt,
    message: &str,
    fault: Fault,
    wait: Option<Duration>,
) -> Result<Toll, CrawlError> {
    let task = attempt.task();
    // Answers for unlisted items do not show whether the host blocks the crawl.
    let (page, is_counted) = (page_id(task), !task.is_unlisted());
    let trouble = fetch::Trouble { message, fault, wait, page, is_counted };
    let ended = attempt.end(End::Trouble(trouble));
    ended.map_err(|blocked| blocked.at(&url_of(context, attempt.task())).into())
}

/// Returns the failure of a task that is given up.
pub fn failure(context: &WorkerContext, task: &Task, trouble: Trouble) -> Failure {
    let (reason, mut message, status, sample) = trouble.describe();
    let mut page = task.page.clone();
    let index = match &page {
        Page::Index(index) => Some(index),
        Page::Detail(item) => item.assembly.as_deref().map(|it| &it.page),
    };
    let hint = index.zip(status).and_then(|(index, status)| {
        ends_by_status(&context.site, index, status).filter(|_| reason == "status")
    });
    message.extend(hint);
    if let Page::Detail(item) = &mut page {
        item.assembly = None;
    }
    Failure {
        page,
        url: url_of(context, task),
        reason,
        message,
        status,
        attempts: task.attempt.min(context.scope.retries.saturating_add(1)),
        sample: sample.map(Sample::into_text),
        at: clock::now(),
    }
}

/// Returns the URL of a task without credentials, or an empty text if it has no request.
pub fn url_of(context: &WorkerContext, task: &Task) -> Box<str> {
    let request = context.site.request(&task.page).ok().flatten();
    request.map_or_else(Box::default, |request| context.policy.scrubber.url(&request.url).into())
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
                    FetchError::Status { sample, .. }
                    | FetchError::SessionRefused { sample, .. } => sample,
                    _ => None,
                };
                (reason, message, status, sample)
            }
            Trouble::Page(error, sample) => (error.reason(), error.to_string(), Some(200), sample),
            Trouble::List(error) => (error.reason(), error.to_string(), None, None),
            Trouble::Parts(why) => ("parts", why, None, None),
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
