//! A lease: a task in a worker's hands.

use std::sync::Arc;

use super::Frontier;
use crate::model::assembly::Assembly;
use crate::model::record::Known;
use crate::model::task::{DetailPage, Page, Task};

/// A task that is handed out to a worker. When dropped, the task goes back to the frontier, so that
/// neither a panic nor an early return loses it.
#[derive(Debug)]
pub struct Lease {
    /// The task, until the lease ends.
    task: Option<Task>,
    frontier: Arc<Frontier>,
}

impl Lease {
    pub(super) fn new(task: Task, frontier: Arc<Frontier>) -> Lease {
        Lease { task: Some(task), frontier }
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

    /// Changes what was read so far of the item. Its bytes count as held by the frontier.
    pub fn assemble<T>(&mut self, change: impl FnOnce(&mut Option<Arc<Assembly>>) -> T) -> T {
        let Some(Task { page: Page::Detail(item), .. }) = &mut self.task else {
            return change(&mut None);
        };
        let before = held(item);
        let changed = change(&mut item.assembly);
        self.frontier.holds(before, held(item));
        changed
    }

    /// Ends the lease and returns its task. The task is not given back.
    pub(super) fn end(mut self) -> Option<Task> {
        self.task.take()
    }
}

/// Returns the number of bytes that were read of an item whose document is being made.
pub(super) fn held(item: &DetailPage) -> u64 {
    item.assembly.as_deref().map_or(0, |it| it.size() as u64)
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut task) = self.task.take() {
            task.attempt += u32::from(std::thread::panicking());
            self.frontier.give_back(task);
        }
    }
}
