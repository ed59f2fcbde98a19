//! What ends a crawl early.

use std::any::Any;

use tokio::task::JoinError;

use crate::fetch::{Blocked, ClientError, FetchError};
use crate::frontier::FrontierError;
use crate::refresh::canary::Redesign;
use crate::store::StoreError;
use crate::sweep::LedgerEntry;

/// What ends a crawl early.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[source] StoreError),
    /// The site refuses.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The frontier failed.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// Another run holds the site.
    #[error("another run holds the site {}: {}", .0.entry.site, .0.holding())]
    Held(Box<LedgerEntry>),
    /// Others took the lock each time between reading the ledger and taking it.
    #[error(
        "could not acquire the site lock after {0} attempts: other runs took it each time; try again"
    )]
    Contended(u32),
    /// Another run took the site while this one stalled.
    #[error("lost the site lock: heartbeat expired, and another run took over")]
    LockLost,
    /// What the site asks of crawlers cannot be known.
    #[error(
        "robots.txt cannot be read: {error} ({url}). A later run can go on; --robots off passes over it"
    )]
    Robots {
        /// Where it would be.
        url: String,
        /// Why it is not known.
        error: FetchError,
    },
    /// No page of the list was read.
    #[error(
        "no page of the list could be read, so nothing is known of the site; the first: {0}. A later run can go on"
    )]
    NoList(String),
    /// The site was redesigned, so that good documents would be replaced.
    #[error(transparent)]
    Redesigned(#[from] Redesign),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The writer has ended, and says itself why.
    #[error("the writer has ended")]
    WriterEnded,
    /// The writer has ended before the workers, because of this.
    #[error(transparent)]
    Writer(Box<CrawlError>),
    /// A task of the crawl's own panicked: a bug.
    #[error("a part of gleaner panicked, which is a bug: {0}")]
    Panic(String),
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

/// What was said in a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
