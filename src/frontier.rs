//! The frontier: the tasks that are known and not done. It grows while the crawl runs.
//!
//! This file is the contract; `frontier/` holds the in-memory backend. A backend promises:
//!
//! 1. **Submit** accepts each task once, and counts it as outstanding before anyone can lease it. A
//!    duplicate costs nothing.
//! 2. **Lease** hands a task to one worker at a time. Detail tasks go first. Index tasks are handed
//!    out only while the outstanding details (queued, leased or set aside) are below the low-water
//!    mark, and only a limited number of index tasks is leased at once, since a lease may wait for
//!    its host. So no lane needs a bound, and submitting never blocks.
//! 3. A lease ends exactly once: **finished**, **retried later**, or dropped, which gives the task
//!    back. A drop by a panic costs an attempt.
//! 4. **The end is exact**: `lease` returns `None` when nothing is queued, leased or set aside, and
//!    only then. Follow-ups are submitted before their parent is finished; seeds are submitted
//!    before the first lease. There are no idle timers.
//! 5. A task to be retried later is set aside, and still counted, until it is due. A task to be
//!    retried at the end is set aside until all others are done.
//!
//! `tests/it/frontier_contract.rs` is the test suite that every backend must pass. The model
//! checker explores the protocol of the in-memory backend (`frontier/model.rs`).

mod memory;
#[cfg(test)]
mod model;
mod outstanding;
mod seen;
mod set_aside;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::{Event, IntoNotification};
use tokio::time::Instant;

use crate::model::record::{Key, Known};
use crate::model::task::{FollowUps, Page, Task};

pub use memory::{Limits, MemoryFrontier};
pub use outstanding::Count;

/// The set of tasks that are known and not done. The module's documentation is the contract.
#[async_trait]
pub trait Frontier: Send + Sync {
    /// Adds the `follow_ups` that were not seen before, and returns how many were added.
    ///
    /// # Errors
    /// Returns [`FrontierError::Ended`] after the end, or an error of the backend.
    async fn submit(&self, follow_ups: FollowUps) -> Result<Submitted, FrontierError>;

    /// Waits for a task. Returns `None` at the end. Dropping the future loses no task.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn lease(&self) -> Result<Option<Lease>, FrontierError>;

    /// Extends a lease that takes long, if leases of this backend expire.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn extend(&self, lease: &mut Lease) -> Result<(), FrontierError>;

    /// Ends a lease whose task is done.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn finish(&self, lease: Lease) -> Result<(), FrontierError>;

    /// Ends a lease, and hands its task out again after a delay.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn retry_later(&self, lease: Lease, retry: Retry) -> Result<(), FrontierError>;

    /// Ends a lease, and hands its task out again when no other task is left. This costs no
    /// attempt. If very many tasks wait for the end, further ones may be handed out earlier.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn retry_at_the_end(&self, lease: Lease) -> Result<(), FrontierError>;

    /// Returns true if an item was submitted, from whatever list.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn has_seen(&self, key: &Key) -> Result<bool, FrontierError>;

    /// Returns the number of tasks that are queued, leased or set aside.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn outstanding(&self) -> Result<Count, FrontierError>;

    /// Returns the number of outstanding tasks that wait until all others are done.
    ///
    /// # Errors
    /// Returns an error of the backend.
    async fn waiting_for_the_end(&self) -> Result<u64, FrontierError>;
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

/// An error of a frontier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// More list pages are planned than can be counted.
    #[error("over a thousand million pages of lists are planned, which is no list")]
    TooMany,
    /// A task was submitted after the end: its parent was finished too early.
    #[error("the frontier has ended: follow-ups were submitted after their parent was finished")]
    Ended,
}

/// A task that is handed out to a worker.
#[derive(Debug)]
pub struct Lease {
    task: Option<Task>,
    returns: Returns,
    /// Time at which the lease expires, for backends shared between machines. It is `None` in
    /// memory.
    pub expires_at: Option<Instant>,
}

/// The channel that takes back the task of a dropped lease.
#[derive(Debug, Clone)]
pub struct Returns {
    channel: async_channel::Sender<Task>,
    changed: Arc<Event>,
}

impl Lease {
    /// Creates a lease on `task`. When dropped, it gives the task back to `returns`.
    pub fn new(task: Task, returns: Returns, expires_at: Option<Instant>) -> Lease {
        Lease { task: Some(task), returns, expires_at }
    }

    /// Returns the task.
    ///
    /// # Panics
    /// Never: the task leaves only with the lease.
    pub fn task(&self) -> &Task {
        self.task.as_ref().expect("the task leaves only with the lease")
    }

    /// Makes the request of this lease unconditional: removes the digest from `known`, which is
    /// what the store knows of the item.
    pub fn in_full(mut self, known: Option<&Known>) -> Lease {
        if let Some(Task { page: Page::Detail(item), .. }) = &mut self.task {
            item.known = known.map(|known| Arc::new(Known { digest: None, ..known.clone() }));
        }
        self
    }

    /// Ends the lease and returns its task. The task is not given back.
    pub fn end(mut self) -> Option<Task> {
        self.task.take()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut task) = self.task.take() {
            task.attempt += u32::from(std::thread::panicking());
            self.returns.post(task);
        }
    }
}

impl Returns {
    /// Creates the channel through which a frontier gets tasks back, and its receiver.
    pub fn new(changed: Arc<Event>) -> (Returns, async_channel::Receiver<Task>) {
        let (channel, returned) = async_channel::unbounded();
        (Returns { channel, changed }, returned)
    }

    fn post(&self, task: Task) {
        steps::point();
        // This fails only if the frontier itself was dropped, and all its tasks with it.
        if self.channel.try_send(task).is_ok() {
            steps::point();
            self.changed.notify(1.additional());
        }
    }
}
