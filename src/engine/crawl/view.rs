//! What can be seen of a crawl while it runs.

use std::sync::Arc;

use crate::fetch::Hosts;
use crate::frontier::Frontier;
use crate::observe::members::Members;
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
    members: Arc<Members>,
}

impl View {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        frontier: Arc<Frontier>,
        waits: Waits,
        members: Arc<Members>,
    ) -> View {
        View { metrics, frontier, waits, members }
    }

    /// Returns a description of what the crawl waits for, or `None` if it waits for nothing.
    pub fn waits(&self) -> Option<String> {
        self.waits.shown()
    }

    /// Returns the number of other runs that help with the sweep.
    pub fn helpers(&self) -> usize {
        self.members.helpers()
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
        let members = self.view.members.now(snapshot.requests.total, snapshot.settled());
        let problems = self.problems.sentences();
        Progress { members, ..self.meter.read(snapshot, outstanding, hosts, problems) }
    }
}
