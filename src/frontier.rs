//! The frontier: the tasks that are known and not done. It grows while the crawl runs.
//!
//! It lives in memory and consists of three lanes (items, list pages, and tasks for the end), the
//! tasks that are set aside, a set of seen tasks, one count, and an event for changes. It promises:
//!
//! 1. **Submit** accepts each task once, and counts it as outstanding before anyone can lease it. A
//!    duplicate costs nothing.
//! 2. **Lease** hands a task to one worker at a time. Detail tasks go first. Index tasks are handed
//!    out only while the outstanding details (queued, leased or set aside) are below the low-water
//!    mark, and only a limited number of index tasks is leased at once, since a lease may wait for
//!    its host. So no lane needs a bound, and submitting never blocks.
//! 3. A lease ends exactly once: **finished**, which counts how the task was done, **retried later**,
//!    or dropped, which gives the task back. A drop by a panic costs an attempt.
//! 4. **The end is exact**: `lease` returns `None` when nothing is queued, leased or set aside, and
//!    only then. Follow-ups are submitted before their parent is finished; seeds are submitted
//!    before the first lease. There are no idle timers.
//! 5. An item that needs a **further request** keeps its place in the count, and goes before items
//!    that were not begun. While too many bytes of such items are held, none is begun.
//! 6. A task to be retried later is set aside, and still counted, until it is due. A task to be
//!    retried at the end is set aside until all others are done.
//!
//! Every change of state is followed by a wake-up, and a waiting worker listens before it looks
//! again, so no wake-up is lost. A worker that leaves tasks behind wakes the next one.
//!
//! `tests/it/frontier.rs` tests the promises. The model checker explores the interleavings
//! (`frontier/model.rs`).

mod lane;
mod lease;
#[cfg(test)]
mod model;
mod outstanding;
mod seen;
mod set_aside;
mod steps;

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;

use event_listener::{Event, IntoNotification};
use futures_util::future::{Either, select};
use tokio::time::Instant;

use crate::model::record::Key;
use crate::model::task::{DetailPage, Done, FollowUps, IndexRun, Page, Task};
use crate::observe::metrics::Metrics;
use lane::Lane;
pub use lease::Lease;
pub use outstanding::Count;
use outstanding::Outstanding;
use seen::{Seen, Sight};
use set_aside::SetAside;
use steps::AtomicU64;

/// Maximum number of tasks that wait for the end: memory must not grow with the site.
const MOST_AT_THE_END: usize = 10_000;
/// Maximum size of the documents that are being made, in bytes, above which no further one is begun.
const MOST_HELD: u64 = 64 << 20;
/// Delay after which further such tasks come back.
const SOON: Duration = Duration::from_secs(1);

/// The tasks that are known and not done. The module's documentation says what it promises.
#[derive(Debug)]
pub struct Frontier {
    low_water: u64,
    most_pages: u64,
    /// Number of leased index tasks.
    pages: AtomicU64,
    index: Lane<IndexEntry>,
    details: Lane<Task>,
    /// Items whose documents are being made. They go before others, so that they are few.
    begun: Lane<Task>,
    /// Bytes of these documents.
    held: AtomicU64,
    /// Tasks that are handed out when nothing else is left.
    at_the_end: Lane<Task>,
    set_aside: SetAside,
    seen: Seen,
    outstanding: Outstanding,
    metrics: Arc<Metrics>,
    changed: Event,
}

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

/// The time of a retry, and its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Minimum delay from now.
    pub after: Duration,
    /// True if the retry costs an attempt. It does not if a host asked to wait.
    pub costs_attempt: bool,
}

/// The result of a submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Number of index pages not seen before.
    pub index: u64,
    /// Number of items not seen before.
    pub details: u64,
    /// True if an item was left out because the limit on distinct items was reached.
    pub limited: bool,
    /// Items seen before in the same pass, with a different list entry.
    pub differing: Vec<Key>,
}

/// The reason why a submission was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// More list pages are planned than can be counted.
    #[error("over 1,000,000,000 list pages are planned, more than any list has")]
    TooMany,
    /// A task was submitted after the end: its parent was finished too early.
    #[error("the frontier has ended: follow-ups were submitted after their parent was finished")]
    Ended,
}

#[derive(Debug)]
enum IndexEntry {
    Planned(IndexRun),
    Again(Task),
}

impl Frontier {
    /// Creates an empty frontier, whose tasks are counted in `metrics`. It is shared, since each lease
    /// holds it.
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> Arc<Frontier> {
        Arc::new(Frontier {
            low_water: limits.low_water.max(1),
            most_pages: limits.pages.max(1),
            pages: AtomicU64::new(0),
            index: Lane::new(),
            details: Lane::new(),
            begun: Lane::new(),
            held: AtomicU64::new(0),
            at_the_end: Lane::new(),
            set_aside: SetAside::default(),
            seen: Seen::new(limits.items),
            outstanding: Outstanding::new(),
            metrics,
            changed: Event::new(),
        })
    }

    /// Adds the `follow_ups` that were not seen before, and returns how many were added.
    ///
    /// # Errors
    /// Returns [`FrontierError::Ended`] after the end, and [`FrontierError::TooMany`] if there are
    /// too many list pages.
    pub fn submit(&self, follow_ups: FollowUps) -> Result<Submitted, FrontierError> {
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

    /// Waits for a task. Returns `None` at the end. Dropping the future loses no task.
    pub async fn lease(self: &Arc<Self>) -> Option<Lease> {
        loop {
            if let Some(task) = self.take() {
                return Some(Lease::new(task, self.clone()));
            }
            steps::point();
            let changed = self.changed.listen();
            // Look again now that the listener cannot miss a change.
            if let Some(task) = self.take() {
                return Some(Lease::new(task, self.clone()));
            }
            if self.outstanding.count().is_zero() {
                return None;
            }
            match self.set_aside.next_due() {
                None => changed.await,
                Some(due) => match select(changed, Box::pin(steps::sleep_until(due))).await {
                    Either::Left(_) | Either::Right(_) => {}
                },
            }
        }
    }

    /// Ends a lease whose task needs a further request, and hands its task out again.
    pub fn carry_on(&self, lease: Lease) {
        let Some(task) = lease.end() else { return };
        self.ended(&task.page);
        self.queue(Task { attempt: 1, waits: 0, ..task });
    }

    /// Returns true if documents that are being made hold so many bytes that no further one should
    /// be begun.
    pub fn is_full(&self) -> bool {
        self.held.load(Acquire) > MOST_HELD
    }

    /// Notes that a document that is being made has grown, or is done.
    fn holds(&self, before: u64, now: u64) {
        if before == now {
            return;
        }
        let was = match before < now {
            true => self.held.fetch_add(now - before, AcqRel),
            false => self.held.fetch_sub(before - now, AcqRel),
        };
        let is_full = was + now - before > MOST_HELD;
        if was > MOST_HELD && !is_full {
            self.wake(usize::MAX);
        }
    }

    /// Ends a lease whose task is `done`, and counts it. This is the only place where that is counted,
    /// so at the end the counters are whole.
    pub fn finish(&self, lease: Lease, done: Done) {
        let Some(task) = lease.end() else { return };
        self.metrics.done(done, task.key().is_some());
        if let Page::Detail(item) = &task.page {
            self.holds(lease::held(item), 0);
        }
        let was_full = self.ended(&task.page);
        let left = self.outstanding.remove(&task.page);
        if left.is_zero() || self.is_the_end(left) {
            self.wake(usize::MAX);
        } else if was_full || self.under_way(left) + 1 == self.low_water {
            self.wake(1);
        }
    }

    /// Ends a lease, and hands its task out again after a delay.
    pub fn retry_later(&self, lease: Lease, retry: Retry) {
        let Some(mut task) = lease.end() else { return };
        self.ended(&task.page);
        task.attempt += u32::from(retry.costs_attempt);
        task.waits += u32::from(!retry.costs_attempt);
        self.set_aside.put(Instant::now() + retry.after, task);
        // Every waiting worker must recompute its wake-up time: this task may be due first.
        self.wake(usize::MAX);
    }

    /// Ends a lease, and hands its task out again when no other task is left. This costs no
    /// attempt. If very many tasks wait for the end, further ones may be handed out earlier.
    pub fn retry_at_the_end(&self, lease: Lease) {
        let Some(mut task) = lease.end() else { return };
        self.ended(&task.page);
        task.waits += 1;
        match self.at_the_end.len() < MOST_AT_THE_END {
            true => self.at_the_end.push(task),
            false => self.set_aside.put(Instant::now() + SOON, task),
        }
        // This may be the end now, or another index task may be leased.
        self.wake(1);
    }

    /// Returns true if an item was submitted, from whatever list.
    pub fn has_seen(&self, key: &Key) -> bool {
        self.seen.has(key)
    }

    /// Returns the number of tasks that are queued, leased or set aside.
    pub fn outstanding(&self) -> Count {
        self.outstanding.count()
    }

    /// Returns the number of outstanding tasks that wait until all others are done.
    pub fn waiting_for_the_end(&self) -> u64 {
        self.at_the_end.len() as u64
    }

    /// Takes back the task of a dropped lease.
    fn give_back(&self, task: Task) {
        self.ended(&task.page);
        self.queue(task);
    }

    /// Returns the next task, or `None` if none may be handed out now.
    fn take(&self) -> Option<Task> {
        self.collect();
        if let Some(task) = self.begun.pop() {
            return Some(task);
        }
        if self.is_full() {
            return None;
        }
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

    /// Moves tasks that are due into their lanes.
    fn collect(&self) {
        while let Some(task) = self.set_aside.take_due() {
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
            Page::Detail(DetailPage { assembly: Some(_), .. }) => self.begun.push(task),
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
