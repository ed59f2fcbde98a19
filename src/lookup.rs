//! What the store knows of listed items: a loop that asks it for the items of all pages that wait
//! for an answer at once.
//!
//! While answers are awaited, what comes is gathered, and is the next question: no timer, and no page
//! waits for another that may not come. A question costs a database more than the eighteen keys of a
//! usual page do. The loop runs twice, so that an answer that is late does not hold up all pages.
//!
//! Promises: each page is answered, by what the store said after it asked. Where a question for
//! several pages panics, each asks alone, so that only the one whose fault it is panics.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::error;

use crate::error::panic_message;
use crate::record::{Key, Known};
use crate::store::{Store, StoreError};

/// Questions that are asked at once.
pub const AT_ONCE: usize = 2;
/// Most keys that a store is asked for at once.
pub const KEYS_AT_ONCE: usize = 1_000;

/// Where a question has so many keys, no page is added: one of as many still goes along with them.
const ENOUGH: usize = KEYS_AT_ONCE / 2;

/// What the store knows of the items that were asked for together, by their keys.
pub type Answer = Arc<HashMap<Key, Arc<Known>>>;

/// Where items are looked up.
pub struct Lookup {
    questions: Sender<Question>,
    store: Arc<dyn Store>,
}

/// Asks the store what it knows of listed items, in batches across pages. Clones share the queue.
#[derive(Clone)]
pub struct Lookups {
    questions: Receiver<Question>,
    store: Arc<dyn Store>,
}

struct Question {
    keys: Arc<[Key]>,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
}

/// Look-ups in `store`, and where to ask for one.
pub fn channel(store: Arc<dyn Store>) -> (Lookup, Lookups) {
    // Each worker asks one question at a time.
    let (sender, questions) = async_channel::unbounded();
    (Lookup { questions: sender, store: store.clone() }, Lookups { questions, store })
}

impl Lookup {
    /// What the store knows of these items. A store that was empty is not asked.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    pub async fn known(&self, keys: Vec<Key>) -> Result<Answer, StoreError> {
        if self.store.was_empty() || keys.is_empty() {
            return Ok(Answer::default());
        }
        let keys = Arc::from(keys);
        let (answer, answered) = oneshot::channel();
        // Fails only after the end, when the answer is gone with the question.
        let _ = self.questions.send(Question { keys: Arc::clone(&keys), answer }).await;
        match answered.await {
            Ok(answer) => answer,
            Err(_) => ask(&*self.store, &keys).await,
        }
    }
}

impl Lookups {
    /// Answers until nobody is left who could ask.
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
                // Fails where the asker stopped waiting, which is its right.
                let _ = asker.send(answer.clone());
            }
        }
    }
}

/// What `store` knows of these items, asked at once.
///
/// # Errors
/// Where the store cannot be asked.
pub async fn ask(store: &dyn Store, keys: &[Key]) -> Result<Answer, StoreError> {
    let mut answer = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let known = store.known(keys).await?;
        answer.extend(known.into_iter().map(|known| (known.key.clone(), Arc::new(known))));
    }
    Ok(Arc::new(answer))
}
