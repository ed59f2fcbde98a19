//! Looks up in the store what is known of listed items, in batches across list pages.
//!
//! While one batch is looked up, further requests queue, and they form the next batch. So there is
//! no timer, and no page waits for another that may not come. A round trip costs a database more
//! than the eighteen keys of a usual page. Two loops run, so that one slow answer does not hold up
//! all pages.
//!
//! Each page gets an answer that the store gave after the page asked. If the look-up for several
//! pages panics, each page asks alone, so that only the page that causes the panic fails.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::error;

use crate::engine::error::panic_message;
use crate::model::record::{Key, Known};
use crate::store::{Documents, StoreError};

/// Number of look-ups that run concurrently.
pub const AT_ONCE: usize = 2;
/// Maximum number of keys in one query to the store.
pub const KEYS_AT_ONCE: usize = 1_000;

/// Number of keys from which no further page is added to a batch. One more page of this size still
/// fits in the same query.
const ENOUGH: usize = KEYS_AT_ONCE / 2;

/// Stored data of the requested items, by key.
pub type Answer = Arc<HashMap<Key, Arc<Known>>>;

/// Handle for looking up items.
pub struct Lookup {
    questions: Sender<Question>,
    store: Arc<dyn Documents>,
}

/// The loop that answers look-ups from the store. Clones share the queue.
#[derive(Clone)]
pub struct Lookups {
    questions: Receiver<Question>,
    store: Arc<dyn Documents>,
}

struct Question {
    keys: Arc<[Key]>,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
}

/// Creates a queue of look-ups in `store`: the handle, and the loop that answers.
pub fn channel(store: Arc<dyn Documents>) -> (Lookup, Lookups) {
    // Unbounded, but small: each worker has at most one request in the queue.
    let (sender, questions) = async_channel::unbounded();
    (Lookup { questions: sender, store: store.clone() }, Lookups { questions, store })
}

impl Lookup {
    /// Returns what the store knows of these items. A store that was empty at the start is not
    /// queried.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    pub async fn known(&self, keys: Vec<Key>) -> Result<Answer, StoreError> {
        if self.store.was_empty() || keys.is_empty() {
            return Ok(Answer::default());
        }
        let keys = Arc::from(keys);
        let (answer, answered) = oneshot::channel();
        // This fails only after the end; the answer's channel is then closed too.
        let _ = self.questions.send(Question { keys: Arc::clone(&keys), answer }).await;
        match answered.await {
            Ok(answer) => answer,
            Err(_) => ask(&*self.store, &keys).await,
        }
    }
}

impl Lookups {
    /// Answers look-ups until every handle is dropped.
    pub async fn run(self) {
        while let Ok(first) = self.questions.recv().await {
            let mut keys = first.keys.to_vec();
            let mut askers = vec![first.answer];
            while keys.len() < ENOUGH
                && let Ok(next) = self.questions.try_recv()
            {
                keys.extend(next.keys.iter().cloned());
                askers.push(next.answer);
            }
            let answer = AssertUnwindSafe(ask(&*self.store, &keys)).catch_unwind();
            let answer = match answer.await {
                Ok(answer) => answer,
                Err(panic) => {
                    let message = panic_message(&*panic);
                    error!(message, "a look-up panicked, which is a bug; each page asks alone");
                    continue;
                }
            };
            for asker in askers {
                // This fails if the asker no longer waits, which is fine.
                let _ = asker.send(answer.clone());
            }
        }
    }
}

/// Looks up these items in `store`, without the queue.
///
/// # Errors
/// Returns an error if the store cannot be queried.
pub async fn ask(store: &dyn Documents, keys: &[Key]) -> Result<Answer, StoreError> {
    let mut answer = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let known = store.known(keys).await?;
        answer.extend(known.into_iter().map(|known| (known.key.clone(), Arc::new(known))));
    }
    Ok(Arc::new(answer))
}
