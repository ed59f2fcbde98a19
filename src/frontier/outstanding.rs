//! The count of outstanding tasks.
//!
//! Index and detail tasks share one atomic word, so that a single read tells whether nothing is
//! left. Two reads might be true only at different times.

use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::FrontierError;
use super::steps::AtomicU64;
use crate::model::task::Page;

const INDEX: u64 = 1 << 32;
const DETAILS: u64 = INDEX - 1;
/// Maximum number of outstanding list pages: half of what the word has room for, so that concurrent
/// additions cannot overflow it.
const MOST_PAGES: u64 = 1 << 30;
/// Flag that the first submission sets: from then on a count of zero is the end.
const STARTED: u64 = 1 << 63;

/// Numbers of tasks queued, leased or set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of index pages.
    pub index: u64,
    /// Number of detail pages.
    pub details: u64,
}

impl Count {
    /// Returns true if nothing is left.
    pub fn is_zero(self) -> bool {
        self == Count::default()
    }

    /// Returns the number of index and detail pages together.
    pub fn total(self) -> u64 {
        self.index + self.details
    }
}

/// The count, and the only place that changes it.
#[derive(Debug)]
pub struct Outstanding(AtomicU64);

impl Outstanding {
    /// Creates a count of zero.
    pub fn new() -> Outstanding {
        Outstanding(AtomicU64::new(0))
    }

    /// Adds tasks, before anyone can lease them.
    ///
    /// # Errors
    /// Returns [`FrontierError::Ended`] after the end, and [`FrontierError::TooMany`] if there are
    /// too many index pages.
    pub fn add(&self, index: u64, details: u64) -> Result<(), FrontierError> {
        if Count::from(self.0.load(Acquire)).index.saturating_add(index) > MOST_PAGES {
            return Err(FrontierError::TooMany);
        }
        let tasks = index * INDEX + details;
        self.0
            .fetch_update(AcqRel, Acquire, |word| {
                (word != STARTED).then_some((word + tasks) | STARTED)
            })
            .map(|_| ())
            .map_err(|_| FrontierError::Ended)
    }

    /// Subtracts one finished task, and returns what is left.
    pub fn remove(&self, page: &Page) -> Count {
        let one = match page {
            Page::Index(_) => INDEX,
            Page::Detail(_) => 1,
        };
        Count::from(self.0.fetch_sub(one, AcqRel) - one)
    }

    /// Returns the current count.
    pub fn count(&self) -> Count {
        Count::from(self.0.load(Acquire))
    }
}

impl From<u64> for Count {
    fn from(word: u64) -> Count {
        Count { index: (word & !STARTED) / INDEX, details: word & DETAILS }
    }
}
