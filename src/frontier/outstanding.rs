//! The one count of what is not done.
//!
//! Index and detail tasks share one atomic word, so that "nothing is left" is one reading and
//! never two that were true at different times.

use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::FrontierError;
use super::steps::AtomicU64;
use crate::task::Page;

const INDEX: u64 = 1 << 32;
const DETAILS: u64 = INDEX - 1;
/// Pages of lists that can be outstanding: half of what the word has room for, so that workers
/// who add side by side cannot go over.
const MOST_PAGES: u64 = 1 << 30;
/// Set by the first submission: from then on zero is the end.
const STARTED: u64 = 1 << 63;

/// Tasks queued, leased or set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Index pages.
    pub index: u64,
    /// Detail pages.
    pub details: u64,
}

impl Count {
    /// Whether nothing is left.
    pub fn is_zero(self) -> bool {
        self == Count::default()
    }

    /// Index and detail pages together.
    pub fn total(self) -> u64 {
        self.index + self.details
    }
}

/// The count, and the only place that changes it.
#[derive(Debug)]
pub struct Outstanding(AtomicU64);

impl Outstanding {
    /// Nothing is outstanding.
    pub fn new() -> Outstanding {
        Outstanding(AtomicU64::new(0))
    }

    /// Adds tasks, before anyone can lease them. Refused after the end.
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

    /// Takes one finished task off. Says what is left.
    pub fn remove(&self, page: &Page) -> Count {
        let one = match page {
            Page::Index(_) => INDEX,
            Page::Detail(_) => 1,
        };
        Count::from(self.0.fetch_sub(one, AcqRel) - one)
    }

    /// What is outstanding now.
    pub fn count(&self) -> Count {
        Count::from(self.0.load(Acquire))
    }
}

impl From<u64> for Count {
    fn from(word: u64) -> Count {
        Count { index: (word & !STARTED) / INDEX, details: word & DETAILS }
    }
}
