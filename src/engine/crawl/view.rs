//! What can be seen of a crawl while it runs.

use std::sync::Arc;

use crate::fetch::Hosts;
use crate::frontier::Frontier;
use crate::observe::metrics::{Metrics, Snapshot};
use crate::observe::problems::Problems;
use crate::observe::progress::{Progress, ProgressMeter};
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

/// The source of the progress in the ledger.
pub(super) struct Gauge {
    view: View,
    hosts: Arc<Hosts>,
    problems: Arc<Problems>,
    meter: ProgressMeter,
}

impl Gauge {
    pub fn new(view: View, hosts: Arc<Hosts>, problems: Arc<Problems>) -> Gauge {
        Gauge { view, hosts, problems, meter: ProgressMeter::default() }
    }

    /// Returns the progress of the crawl since the last call.
    pub fn read(&mut self) -> Progress {
        let (snapshot, outstanding) = self.view.now();
        let hosts = self.hosts.all().iter().map(|host| host.load()).collect();
        self.meter.read(snapshot, outstanding, hosts, self.problems.sentences())
    }
}
