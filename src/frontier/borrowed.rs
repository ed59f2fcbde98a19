//! The tasks that a helper has from the owner of its sweep, in chunks, and how they ended.
//!
//! A chunk is returned when all of its tasks have ended. An item may be in several chunks: its owner
//! takes a chunk back if its helper seems to be dead, and may lend the items again to the same one.
//! Such an item is requested once, and its end counts for each chunk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::model::record::Key;
use crate::model::task::{Done, Task};

/// How a lent task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Returned {
    /// It is done.
    Done(Done),
    /// It is to be requested again when nothing else is left. Only the owner knows when that is.
    AtTheEnd,
    /// It was not begun, or did not come to an end.
    Rest,
}

/// A chunk whose tasks have ended, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnedChunk {
    /// Number of the chunk.
    pub id: u64,
    /// Ends of its tasks.
    pub tasks: Vec<Returned>,
}

/// The chunks of a helper.
#[derive(Debug, Default)]
pub struct Borrowed(Mutex<Chunks>);

#[derive(Debug, Default)]
struct Chunks {
    chunks: HashMap<u64, Chunk>,
    /// Places of each item: the chunk, and the index in it.
    places: HashMap<Key, Vec<(u64, usize)>>,
}

#[derive(Debug)]
struct Chunk {
    /// Number of tasks that have not ended.
    open: usize,
    tasks: Vec<Returned>,
}

impl Borrowed {
    /// Notes a chunk, and returns those of its tasks that are not in hand already.
    pub fn add(&self, id: u64, tasks: Vec<Task>) -> Vec<Task> {
        self.with(|Chunks { chunks, places }| {
            if chunks.contains_key(&id) {
                return Vec::new();
            }
            chunks
                .insert(id, Chunk { open: tasks.len(), tasks: vec![Returned::Rest; tasks.len()] });
            let is_new = |(at, task): (usize, Task)| {
                let of_item = places.entry(task.key()?.clone()).or_default();
                of_item.push((id, at));
                (of_item.len() == 1).then_some(task)
            };
            tasks.into_iter().enumerate().filter_map(is_new).collect()
        })
    }

    /// Notes how the task of an item ended.
    pub fn note(&self, key: &Key, end: Returned) {
        self.with(|Chunks { chunks, places }| {
            for (id, at) in places.remove(key).unwrap_or_default() {
                if let Some(chunk) = chunks.get_mut(&id) {
                    chunk.open = chunk.open.saturating_sub(1);
                    chunk.tasks.get_mut(at).into_iter().for_each(|it| *it = end);
                }
            }
        });
    }

    /// Takes the chunks whose tasks have all ended.
    pub fn take_ended(&self) -> Vec<ReturnedChunk> {
        self.with(|Chunks { chunks, .. }| {
            let ended = chunks.extract_if(|_, chunk| chunk.open == 0);
            ended.map(|(id, chunk)| ReturnedChunk { id, tasks: chunk.tasks }).collect()
        })
    }

    /// Takes all chunks. A task that has not ended is a rest.
    pub fn take_all(&self) -> Vec<ReturnedChunk> {
        self.with(|Chunks { chunks, places }| {
            places.clear();
            chunks.drain().map(|(id, chunk)| ReturnedChunk { id, tasks: chunk.tasks }).collect()
        })
    }

    /// Returns the numbers of the chunks in hand.
    pub fn ids(&self) -> Vec<u64> {
        self.with(|Chunks { chunks, .. }| chunks.keys().copied().collect())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Chunks) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::{DetailPage, Page};

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn tasks(keys: &[&str]) -> Vec<Task> {
        keys.iter().map(|it| Task::first(Page::Detail(DetailPage::of(key(it))))).collect()
    }

    #[test]
    fn a_chunk_is_returned_when_all_of_its_tasks_have_ended() {
        let borrowed = Borrowed::default();
        assert_eq!(borrowed.add(1, tasks(&["a", "b"])).len(), 2);
        assert_eq!(borrowed.add(1, tasks(&["a", "b"])), [], "it was borrowed twice");
        borrowed.note(&key("b"), Returned::Done(Done::Missing));
        assert_eq!((borrowed.take_ended(), borrowed.ids()), (vec![], vec![1]));
        borrowed.note(&key("a"), Returned::AtTheEnd);
        borrowed.note(&key("c"), Returned::AtTheEnd);
        let tasks = vec![Returned::AtTheEnd, Returned::Done(Done::Missing)];
        assert_eq!(borrowed.take_ended(), [ReturnedChunk { id: 1, tasks }]);
        assert_eq!((borrowed.take_ended(), borrowed.ids()), (vec![], vec![]));
    }

    #[test]
    fn an_item_that_is_lent_again_is_requested_once_and_ends_in_each_chunk() {
        let borrowed = Borrowed::default();
        borrowed.add(1, tasks(&["a", "b"]));
        let again = borrowed.add(2, tasks(&["b", "c"]));
        assert_eq!(again, tasks(&["c"]));
        borrowed.note(&key("b"), Returned::AtTheEnd);
        borrowed.note(&key("c"), Returned::AtTheEnd);
        assert_eq!(borrowed.take_ended().len(), 1);
        let rest = vec![Returned::Rest, Returned::AtTheEnd];
        assert_eq!(borrowed.take_all(), [ReturnedChunk { id: 1, tasks: rest }]);
        assert!(borrowed.ids().is_empty());
    }
}
