//! What can be seen of a crawl while it runs.

use std::sync::Arc;

use crate::frontier::Frontier;
use crate::observe::metrics::{Metrics, Snapshot};
use crate::observe::waits::Waits;

/// A live view of a running crawl.
#[derive(Clone)]
pub struct View {
    metrics: Arc<Metrics>,
    frontier: Arc<Frontier>,
    waits: Waits,
}

impl View {
    pub(super) fn new(metrics: Arc<Metrics>, frontier: Arc<Frontier>, waits: Waits) -> View {
        View { metrics, frontier, waits }
    }

    /// Returns a description of what the crawl waits for, or `None` if it waits for nothing.
    pub fn waits(&self) -> Option<String> {
        self.waits.shown()
    }

    /// Returns all counters and the number of outstanding tasks.
    pub fn now(&self) -> (Snapshot, u64) {
        (self.metrics.snapshot(), self.frontier.outstanding().total())
    }
}
