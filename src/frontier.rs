//! The frontier: the tasks known and not done. It grows while the crawl runs.
//!
//! This file is the contract; `frontier/` holds the backend in memory. A backend promises:
//!
//! 1. **Submit** takes what was not seen before, once, and counts it as outstanding before
//!    anyone can lease it. What was seen costs nothing.
//! 2. **Lease** hands a task to one worker at a time. Detail tasks go first; index tasks are
//!    handed out only while the details outstanding (queued, leased or set aside) are below the
//!    low-water mark, and only so many are leased at once, since a lease may wait for its host. So
//!    no lane needs a bound, and nobody who puts ever waits.
//! 3. A lease ends exactly once: **finished**, **retried later**, or dropped, which gives it back.
//!    A drop by a panic costs an attempt.
//! 4. **The end is exact**: `lease` answers `None` when nothing is queued, leased or set aside,
//!    and only then. Follow-ups are submitted before their parent is finished; seeds are submitted
//!    before the first lease. There are no idle timers.
//! 5. A task that is to be retried later is set aside, and counted, until its time has come; one that
//!    is to be retried at the end, until all others are done.
//!
//! `tests/it/frontier_contract.rs` is the suite that every backend has to pass; the model checker
//! walks the protocol of the one in memory (`frontier/model.rs`).

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

use crate::record::{Key, Known};
use crate::task::{FollowUps, Page, Task};

pub use memory::{Limits, MemoryFrontier};
pub use outstanding::Count;

/// Tasks that are known and not done. The module's documentation is the contract.
#[async_trait]
pub trait Frontier: Send + Sync {
    /// Takes in what `follow_ups` has that was not seen before, and says how much that was.
    ///
    /// # Errors
    /// [`FrontierError::Ended`] after the end; whatever the backend cannot do.
    async fn submit(&self, follow_ups: FollowUps) -> Result<Submitted, FrontierError>;

    /// Waits for a task; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn lease(&self) -> Result<Option<Lease>, FrontierError>;

    /// Holds on to a lease that takes long, where leases of this backend expire.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn extend(&self, lease: &mut Lease) -> Result<(), FrontierError>;

    /// Ends a lease whose task is done.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn finish(&self, lease: Lease) -> Result<(), FrontierError>;

    /// Ends a lease whose task is to be handed out again after a delay.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn retry_later(&self, lease: Lease, retry: Retry) -> Result<(), FrontierError>;

    /// Ends a lease whose task is to be handed out again, at no cost, when nothing else is left to
    /// do: at the end. Where very many wait for that, further ones may come back sooner.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn retry_at_the_end(&self, lease: Lease) -> Result<(), FrontierError>;

    /// Whether an item was submitted, by whatever list.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn has_seen(&self, key: &Key) -> Result<bool, FrontierError>;

    /// Tasks queued, leased or set aside.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn outstanding(&self) -> Result<Count, FrontierError>;

    /// Those of the tasks outstanding that are not handed out before all others are done.
    ///
    /// # Errors
    /// Whatever the backend cannot do.
    async fn waiting_for_the_end(&self) -> Result<u64, FrontierError>;
}

/// When a task is tried again, and what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Not before this time from now.
    pub after: Duration,
    /// Whether the attempt counts: a host that asks to wait costs none.
    pub costs_attempt: bool,
}

/// What a submission added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Index pages not seen before.
    pub index: u64,
    /// Items not seen before.
    pub details: u64,
    /// Whether an item was left out because the limit on distinct items was reached.
    pub limited: bool,
    /// Items seen before in the same pass, by an entry that is not the same.
    pub differing: Vec<Key>,
}

/// Why a frontier could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// More pages of lists are planned than can be counted.
    #[error("over a thousand million pages of lists are planned, which is no list")]
    TooMany,
    /// A submission after the end: its parent was finished too early.
    #[error("the frontier has ended: follow-ups were submitted after their parent was finished")]
    Ended,
}

/// A task in a worker's hands.
#[derive(Debug)]
pub struct Lease {
    task: Option<Task>,
    returns: Returns,
    /// When the lease expires, for backends shared between machines; in memory it never does.
    pub expires_at: Option<Instant>,
}

/// Where a dropped lease posts its task.
#[derive(Debug, Clone)]
pub struct Returns {
    channel: async_channel::Sender<Task>,
    changed: Arc<Event>,
}

impl Lease {
    /// A lease on `task` that gives it back to `returns` when dropped.
    pub fn new(task: Task, returns: Returns, expires_at: Option<Instant>) -> Lease {
        Lease { task: Some(task), returns, expires_at }
    }

    /// The task.
    ///
    /// # Panics
    /// Never: the task leaves only with the lease.
    pub fn task(&self) -> &Task {
        self.task.as_ref().expect("the task leaves only with the lease")
    }

    /// The lease on the same item, which is to be asked for in full whatever the store knows of it,
    /// which is this.
    pub fn in_full(mut self, known: Option<&Known>) -> Lease {
        if let Some(Task { page: Page::Detail(item), .. }) = &mut self.task {
            item.known = known.map(|known| Arc::new(Known { digest: None, ..known.clone() }));
        }
        self
    }

    /// Ends the lease; the backend says how. Nothing is given back.
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
    /// The way back into a frontier, and its other end.
    pub fn new(changed: Arc<Event>) -> (Returns, async_channel::Receiver<Task>) {
        let (channel, returned) = async_channel::unbounded();
        (Returns { channel, changed }, returned)
    }

    fn post(&self, task: Task) {
        steps::point();
        // Fails only where the frontier itself is gone, and with it all that was outstanding.
        if self.channel.try_send(task).is_ok() {
            steps::point();
            self.changed.notify(1.additional());
        }
    }
}
