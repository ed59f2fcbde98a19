//! Tasks that leave the frontier for another run of the same sweep, and come in from one.
//!
//! The owner of a sweep takes leases on items out of its frontier and keeps them, so that its count
//! stays exact, and lends the tasks. A helper's frontier holds only tasks that were lent to it. Its
//! end is not that of the sweep: while it may get more, it is held open by a [`Hold`].

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::borrowed::{Borrowed, Returned, ReturnedChunk};
use super::{Frontier, FrontierError, Lease};
use crate::model::task::{Page, Task};

/// Keeps the frontier of a helper open until dropped. It counts as one outstanding task.
#[derive(Debug)]
pub struct Hold(Arc<Frontier>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.outstanding.release();
        self.0.wake(usize::MAX);
    }
}

impl Frontier {
    /// Leases at most `most` items that wait and that `may_go` accepts. Items that were begun or are set
    /// aside stay.
    pub fn take_details(
        self: &Arc<Self>,
        most: usize,
        may_go: impl Fn(&Task) -> bool,
    ) -> Vec<Lease> {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for _ in 0..self.details.len() {
            if taken.len() == most {
                break;
            }
            let Some(task) = self.details.pop() else { break };
            match may_go(&task) {
                true => taken.push(Lease::new(task, self.clone())),
                false => left.push(task),
            }
        }
        for task in left {
            self.details.push(task);
            self.wake(1);
        }
        taken
    }

    /// Raises the low-water mark by the number of tasks that may be lent at once, so that list pages
    /// are read for them, too.
    pub fn read_ahead(&self, tasks: u64) {
        if self.ahead.swap(tasks, AcqRel) < tasks {
            self.wake(usize::MAX);
        }
    }

    /// Makes this the frontier of a helper: from now on its tasks come by [`Frontier::take_in`], and
    /// it has not ended before the returned value is dropped.
    ///
    /// # Errors
    /// Returns [`FrontierError::Ended`] after the end.
    pub fn hold(self: &Arc<Self>) -> Result<Hold, FrontierError> {
        self.outstanding.add(1, 0)?;
        self.borrowed.get_or_init(Borrowed::default);
        Ok(Hold(self.clone()))
    }

    /// Takes in the tasks of a chunk that was lent. The seen set does not know them.
    ///
    /// # Errors
    /// Returns [`FrontierError::Ended`] after the end.
    pub fn take_in(&self, id: u64, tasks: Vec<Task>) -> Result<(), FrontierError> {
        let tasks = self.borrowed.get_or_init(Borrowed::default).add(id, tasks);
        self.outstanding.add(0, tasks.len() as u64)?;
        let entries = tasks.len();
        tasks.into_iter().for_each(|task| self.details.push(task));
        self.wake(entries);
        Ok(())
    }

    /// Takes the lent chunks whose tasks have all ended, or all of them if the helper leaves.
    pub fn take_returned(&self, leaves: bool) -> Vec<ReturnedChunk> {
        let take = if leaves { Borrowed::take_all } else { Borrowed::take_ended };
        self.borrowed.get().map(take).unwrap_or_default()
    }

    /// Returns the numbers of the lent chunks in hand.
    pub fn borrowed(&self) -> Vec<u64> {
        self.borrowed.get().map(Borrowed::ids).unwrap_or_default()
    }

    /// Notes how a task ended, if it was lent to this run.
    pub(super) fn returned(&self, task: &Task, end: Returned) -> bool {
        let (Some(borrowed), Page::Detail(item)) = (self.borrowed.get(), &task.page) else {
            return false;
        };
        borrowed.note(&item.key, end);
        true
    }

    /// Returns the number of outstanding details below which index tasks are handed out.
    pub(super) fn mark(&self) -> u64 {
        self.low_water + self.ahead.load(Acquire)
    }
}
