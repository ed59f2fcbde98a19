//! The hooks, together with the file of what was told.

use std::path::PathBuf;

use super::{Hooks, Memory, Tact};
use crate::serve::overview::Overview;

/// Tells what changed from one overview to the next.
#[derive(Debug)]
pub struct Notifier {
    hooks: Hooks,
    memory: Memory,
    path: PathBuf,
    tact: Tact,
}

impl Notifier {
    /// Creates a notifier. `memory` was read from the file at `path`.
    pub fn new(hooks: Hooks, memory: Memory, path: PathBuf, tact: Tact) -> Notifier {
        Notifier { hooks, memory, path, tact }
    }

    /// Delivers the messages that are due. Returns a warning for each that failed, which is due
    /// again at the next call.
    pub async fn tell(&mut self, overview: &Overview) -> Vec<String> {
        let mut warnings = Vec::new();
        for message in self.memory.due(overview, self.tact) {
            match self.hooks.deliver(&message).await {
                Ok(()) => self.memory.note(&message, overview.at),
                Err(why) => {
                    warnings.push(format!("a message was not delivered: {why}"));
                    continue;
                }
            }
            // After each message: what was told must not be told again because of a later one.
            if let Err(error) = self.memory.write(&self.path) {
                warnings.push(format!("--state {}: {error}", self.path.display()));
            }
        }
        warnings
    }
}
