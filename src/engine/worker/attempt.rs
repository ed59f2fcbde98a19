//! An attempt at a task, and what becomes of the task after it.

use super::trouble::Trouble;
use crate::engine::writer::Outcome;
use crate::fetch::retry::Toll;
use crate::fetch::{Blocked, End, Fetched, Slot};
use crate::frontier::{Lease, Retry};
use crate::model::task::{Done, Task};

/// An attempt at a task, with its lease.
pub struct Attempt {
    /// Lease on the task.
    pub lease: Lease,
    /// Slot at the host, or `None` if no request is needed.
    pub slot: Option<Slot>,
}

/// An answer that is still to be read.
pub struct Answer {
    /// Attempt that it answers.
    pub attempt: Attempt,
    /// The page, or that it is unchanged.
    pub fetched: Fetched,
}

/// The fate of a task after an attempt. Everything else that the attempt leads to, such as its
/// follow-ups, was done before.
pub enum After {
    /// It is done in this way, and there is nothing to write.
    Done(Done),
    /// The writer stores its result, and then ends the lease.
    Deliver(Outcome),
    /// It needs a further request, and has what was read so far.
    Onward,
    /// It is retried.
    Retry(Retry),
    /// It is retried when all other tasks are done.
    RetryAtTheEnd,
    /// It is given up, and becomes a failure.
    GiveUp(Trouble),
}

impl Attempt {
    /// Returns the task.
    pub fn task(&self) -> &Task {
        self.lease.task()
    }

    /// Reports the result of the request to the host, if there was a request.
    pub fn end(&mut self, end: End<'_>) -> Result<Toll, Blocked> {
        self.slot.take().map_or(Ok(Toll::Attempt), |slot| slot.end(end))
    }
}
