//! A queue of the frontier.

use super::steps;

/// An unbounded queue. The low-water mark keeps it small.
#[derive(Debug)]
pub struct Lane<T> {
    put: async_channel::Sender<T>,
    take: async_channel::Receiver<T>,
}

impl<T> Lane<T> {
    /// Creates an empty queue.
    pub fn new() -> Lane<T> {
        let (put, take) = async_channel::unbounded();
        Lane { put, take }
    }

    /// Adds an entry at the end.
    pub fn push(&self, entry: T) {
        steps::point();
        // This cannot fail: the channel is unbounded, and the lane holds both its ends.
        let _ = self.put.try_send(entry);
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        steps::point();
        self.take.len()
    }

    /// Takes the first entry, or returns `None`.
    pub fn pop(&self) -> Option<T> {
        steps::point();
        self.take.try_recv().ok()
    }
}
