//! The errors that end a crawl early.

use std::any::Any;

use tokio::task::JoinError;

use crate::engine::refresh::canary::Redesign;
use crate::fetch::{Blocked, ClientError, FetchError};
use crate::frontier::FrontierError;
use crate::model::report::Finding;
use crate::store::StoreError;
use crate::sweep::LedgerEntry;

/// An error that ends a crawl early.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[source] StoreError),
    /// The site refuses requests.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The site refuses the login.
    #[error("{0}; a later run resumes")]
    Login(FetchError),
    /// The frontier refused a submission.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// Another run holds the site.
    #[error("another run holds the site lock {}: {}", .0.entry.scope.site, .0.holding())]
    Held(Box<LedgerEntry>),
    /// The ledger does not allow the run.
    #[error("{0}")]
    Refused(String),
    /// Other runs took the lock at every attempt, between the read of the ledger and the write.
    #[error(
        "could not acquire the site lock after {0} attempts: other runs took it each time; try again"
    )]
    Contended(u32),
    /// Another run took the site while this one stalled.
    #[error("lost the site lock: heartbeat expired, and another run took over")]
    LockLost,
    /// The site's robots.txt could not be read.
    #[error(
        "robots.txt cannot be read: {error} ({url}); run again to resume, or ignore it with --robots off"
    )]
    Robots {
        /// URL of the robots.txt.
        url: String,
        /// Error of the request.
        error: FetchError,
    },
    /// No page of the list was read.
    #[error("no page of the list could be read; the first error: {0}; run again to resume")]
    NoList(String),
    /// The site was redesigned, so good documents would be replaced by poor ones.
    #[error(transparent)]
    Redesigned(#[from] Redesign),
    /// A file that an item names cannot be stored.
    #[error("cannot write to the folder of --files: {0}; run again to resume")]
    Files(#[source] std::io::Error),
    /// The HTTP client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The writer has ended; it reports the reason itself.
    #[error("the writer stopped unexpectedly")]
    WriterEnded,
    /// The writer ended before the workers, because of this error.
    #[error(transparent)]
    Writer(Box<CrawlError>),
    /// A task of the crawl panicked, which is a bug.
    #[error("a part of gleaner panicked, which is a bug: {0}")]
    Panic(String),
}

impl CrawlError {
    /// Returns the finding about the site that the error is, if it is one.
    pub fn finding(&self) -> Option<Finding> {
        match self {
            CrawlError::Blocked(Blocked::Refused { .. }) => Some(Finding::Blocked),
            CrawlError::Redesigned(_) => Some(Finding::Redesigned),
            CrawlError::Writer(error) => error.finding(),
            _ => None,
        }
    }
}

impl From<StoreError> for CrawlError {
    fn from(error: StoreError) -> CrawlError {
        match error {
            StoreError::LockLost => CrawlError::LockLost,
            error => CrawlError::Store(error),
        }
    }
}

impl From<JoinError> for CrawlError {
    fn from(error: JoinError) -> CrawlError {
        CrawlError::Panic(match error.try_into_panic() {
            Err(error) => error.to_string(),
            Ok(panic) => panic_message(&*panic),
        })
    }
}

/// Returns the message of a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
