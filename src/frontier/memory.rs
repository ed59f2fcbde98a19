//! The in-memory frontier of one process: two async-channel lanes, a set of seen tasks, one count,
//! and an event for changes.
//!
//! Every change of state is followed by a wake-up, and a waiting worker listens before it looks
//! again, so no wake-up is lost. A worker that leaves tasks behind wakes the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;

use async_trait::async_trait;
use event_listener::{Event, IntoNotification};
use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::outstanding::{Count, Outstanding};
use super::seen::{Seen, Sight};
use super::set_aside::SetAside;
use super::steps::AtomicU64;
use super::{Frontier, FrontierError, Lease, Retry, Returns, Submitted, steps};
use crate::model::record::Key;
use crate::model::task::{DetailPage, FollowUps, IndexRun, Page, Task};

/// The limits of a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of outstanding details below which index tasks are handed out; at least 1. Details
    /// that wait in the writer count, so it must be more than the writer holds.
    pub low_water: u64,
    /// Maximum number of index tasks leased at once; at least 1. Without this bound all pages of a
    /// list could be leased at once while they wait for their host, and all their items would
    /// arrive together.
    pub pages: u64,
    /// Maximum number of distinct items.
    pub items: u64,
}

/// Maximum number of tasks that wait for the end: memory must not grow with the site.
const MOST_AT_THE_END: usize = 10_000;
/// Delay after which further such tasks come back.
const SOON: Duration = Duration::from_secs(1);

/// A frontier in memory, for one process.
#[derive(Debug)]
pub struct MemoryFrontier {
    low_water: u64,
    most_pages: u64,
    /// Number of leased index tasks.
    pages: AtomicU64,
    index: Lane<IndexEntry>,
    details: Lane<Task>,
    /// Tasks that are handed out when nothing else is left.
    at_the_end: Lane<Task>,
    set_aside: SetAside,
    seen: Seen,
    outstanding: Outstanding,
    returned: async_channel::Receiver<Task>,
    returns: Returns,
    changed: Arc<Event>,
}

#[derive(Debug)]
enum IndexEntry {
    Planned(IndexRun),
    Again(Task),
}

impl MemoryFrontier {
    /// Creates an empty frontier.
    pub fn new(limits: Limits) -> MemoryFrontier {
        let changed = Arc::new(Event::new());
        let (returns, returned) = Returns::new(changed.clone());
        MemoryFrontier {
            low_water: limits.low_water.max(1),
            most_pages: limits.pages.max(1),
            pages: AtomicU64::new(0),
            index: Lane::new(),
            details: Lane::new(),
            at_the_end: Lane::new(),
            set_aside: SetAside::default(),
            seen: Seen::new(limits.items),
            outstanding: Outstanding::new(),
            returned,
            returns,
            changed,
        }
    }

    /// Returns the next task, or `None` if none may be handed out now.
    fn take(&self) -> Option<Task> {
        self.collect();
        if let Some(task) = self.details.pop() {
            return Some(task);
        }
        let has_enough = self.under_way(self.outstanding.count()) >= self.low_water;
        if has_enough || self.pages.load(Acquire) >= self.most_pages {
            return None;
        }
        let entry = self.index.pop()?;
        self.pages.fetch_add(1, AcqRel);
        match entry {
            IndexEntry::Again(task) => Some(task),
            IndexEntry::Planned(run) => {
                let (page, rest) = run.split();
                if let Some(rest) = rest {
                    self.index.push(IndexEntry::Planned(rest));
                    self.wake(1);
                }
                Some(Task::first(Page::Index(page)))
            }
        }
    }

    /// Moves tasks that were given back, and tasks that are due, into their lanes.
    fn collect(&self) {
        let returned = || {
            steps::point();
            let task = self.returned.try_recv().ok()?;
            self.ended(&task.page);
            Some(task)
        };
        while let Some(task) = returned().or_else(|| self.set_aside.take_due()) {
            self.queue(task);
        }
        if self.is_the_end(self.outstanding.count()) {
            while let Some(task) = self.at_the_end.pop() {
                self.queue(task);
            }
        }
    }

    fn queue(&self, task: Task) {
        match task.page {
            Page::Index(_) => self.index.push(IndexEntry::Again(task)),
            Page::Detail(_) => self.details.push(task),
        }
        self.wake(1);
    }

    /// Returns the number of outstanding items, without those that wait for the end. List pages
    /// must not wait for the latter, since the end comes after all list pages.
    fn under_way(&self, left: Count) -> u64 {
        left.details.saturating_sub(self.at_the_end.len() as u64)
    }

    /// Returns true if only tasks that wait for the end are left. No one is then left to submit
    /// more.
    fn is_the_end(&self, left: Count) -> bool {
        left.total() == self.at_the_end.len() as u64
    }

    /// Records that a lease of this page has ended. Returns true if the maximum number of pages was
    /// leased, so that a waiting worker may now lease one.
    fn ended(&self, page: &Page) -> bool {
        match page {
            Page::Index(_) => self.pages.fetch_sub(1, AcqRel) >= self.most_pages,
            Page::Detail(_) => false,
        }
    }

    fn wake(&self, workers: usize) {
        steps::point();
        self.changed.notify(workers.additional());
    }
}

#[async_trait]
impl Frontier for MemoryFrontier {
    async fn submit(&self, follow_ups: FollowUps) -> Result<Submitted, FrontierError> {
        let runs = follow_ups.index.into_iter().flat_map(|run| self.seen.index_run(run));
        let runs: Vec<IndexRun> = runs.collect();
        let (mut limited, mut differing) = (false, Vec::new());
        let details: Vec<DetailPage> = follow_ups
            .details
            .into_iter()
            .filter(|detail| match self.seen.item(&detail.key, detail.entry) {
                Sight::New => true,
                Sight::Again => false,
                Sight::Differing => {
                    differing.push(detail.key.clone());
                    false
                }
                Sight::OverLimit => {
                    limited = true;
                    false
                }
            })
            .collect();
        let pages = runs.iter().map(IndexRun::pages).sum();
        let details_added = details.len() as u64;
        let submitted = Submitted { index: pages, details: details_added, limited, differing };
        self.outstanding.add(submitted.index, submitted.details)?;
        let entries = runs.len() + details.len();
        for run in runs {
            self.index.push(IndexEntry::Planned(run));
        }
        for detail in details {
            self.details.push(Task::first(Page::Detail(detail)));
        }
        self.wake(entries);
        Ok(submitted)
    }

    async fn lease(&self) -> Result<Option<Lease>, FrontierError> {
        loop {
            let taken = self.take();
            let changed = match taken {
                Some(_) => None,
                None => {
                    steps::point();
                    Some(self.changed.listen())
                }
            };
            // Look again now that the listener cannot miss a change.
            if let Some(task) = taken.or_else(|| self.take()) {
                return Ok(Some(Lease::new(task, self.returns.clone(), None)));
            }
            if self.outstanding.count().is_zero() {
                return Ok(None);
            }
            let Some(changed) = changed else { continue };
            match self.set_aside.next_due() {
                None => changed.await,
                Some(due) => match select(changed, Box::pin(steps::sleep_until(due))).await {
                    Either::Left(_) | Either::Right(_) => {}
                },
            }
        }
    }

    async fn extend(&self, _lease: &mut Lease) -> Result<(), FrontierError> {
        Ok(())
    }

    async fn finish(&self, lease: Lease) -> Result<(), FrontierError> {
        let Some(task) = lease.end() else { return Ok(()) };
        let was_full = self.ended(&task.page);
        let left = self.outstanding.remove(&task.page);
        if left.is_zero() || self.is_the_end(left) {
            self.wake(usize::MAX);
        } else if was_full || self.under_way(left) + 1 == self.low_water {
            self.wake(1);
        }
        Ok(())
    }

    async fn retry_later(&self, lease: Lease, retry: Retry) -> Result<(), FrontierError> {
        let Some(mut task) = lease.end() else { return Ok(()) };
        self.ended(&task.page);
        task.attempt += u32::from(retry.costs_attempt);
        task.waits += u32::from(!retry.costs_attempt);
        self.set_aside.put(Instant::now() + retry.after, task);
        // Every waiting worker must compute its wake-up time anew: this task may be due first.
        self.wake(usize::MAX);
        Ok(())
    }

    async fn retry_at_the_end(&self, lease: Lease) -> Result<(), FrontierError> {
        let Some(mut task) = lease.end() else { return Ok(()) };
        self.ended(&task.page);
        task.waits += 1;
        match self.at_the_end.len() < MOST_AT_THE_END {
            true => self.at_the_end.push(task),
            false => self.set_aside.put(Instant::now() + SOON, task),
        }
        // This may be the end now, or another index task may be leased.
        self.wake(1);
        Ok(())
    }

    async fn has_seen(&self, key: &Key) -> Result<bool, FrontierError> {
        Ok(self.seen.has(key))
    }

    async fn outstanding(&self) -> Result<Count, FrontierError> {
        Ok(self.outstanding.count())
    }

    async fn waiting_for_the_end(&self) -> Result<u64, FrontierError> {
        Ok(self.at_the_end.len() as u64)
    }
}

/// An unbounded queue. The low-water mark keeps it small.
#[derive(Debug)]
struct Lane<T> {
    put: async_channel::Sender<T>,
    take: async_channel::Receiver<T>,
}

impl<T> Lane<T> {
    fn new() -> Lane<T> {
        let (put, take) = async_channel::unbounded();
        Lane { put, take }
    }

    fn push(&self, entry: T) {
        steps::point();
        // This cannot fail: the channel is unbounded, and the lane holds both its ends.
        let _ = self.put.try_send(entry);
    }

    fn len(&self) -> usize {
        steps::point();
        self.take.len()
    }

    fn pop(&self) -> Option<T> {
        steps::point();
        self.take.try_recv().ok()
    }
}
