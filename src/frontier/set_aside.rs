//! Tasks that wait until they are due. They count as outstanding.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::steps;
use crate::model::task::Task;

/// Tasks, ordered by the time at which they are due.
#[derive(Debug, Default)]
pub struct SetAside(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    tasks: BTreeMap<(Instant, u64), Task>,
    /// Sequence number that tells tasks of the same instant apart.
    next: u64,
}

impl SetAside {
    /// Sets `task` aside until `due`.
    pub fn put(&self, due: Instant, task: Task) {
        steps::point();
        self.with(|waiting| {
            waiting.next += 1;
            waiting.tasks.insert((due, waiting.next), task);
        });
    }

    /// Takes one task that is due, or returns `None`.
    pub fn take_due(&self) -> Option<Task> {
        steps::point();
        self.with(|waiting| {
            let (&(due, _), _) = waiting.tasks.first_key_value()?;
            steps::is_due(due).then(|| waiting.tasks.pop_first())?.map(|(_, task)| task)
        })
    }

    /// Returns the time at which the next task is due, or `None` if there is none.
    pub fn next_due(&self) -> Option<Instant> {
        steps::point();
        self.with(|waiting| waiting.tasks.keys().next().map(|&(due, _)| due))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
