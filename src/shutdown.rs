//! Stopping in two stages: first nothing new is begun and what is under way is brought home, then
//! everything is dropped where it stands.
//!
//! Whoever runs the crawl passes a [`Shutdown`] in and keeps the [`Trigger`]; signals are the
//! command line's business.

use tokio::sync::watch;

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody asked to stop.
    Running,
    /// Nothing new is begun.
    Draining,
    /// What is under way is dropped.
    Forced,
}

/// Asks a crawl to stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stage>);

/// Hears that the crawl is to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Stage>);

/// A trigger and what hears it.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Moves on to `stage`; never goes back.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let later = stage > *now;
            *now = stage.max(*now);
            later
        });
    }
}

impl Shutdown {
    /// How far stopping has come.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Resolves once `stage` is reached; never, where the trigger is gone before.
    pub async fn reached(&self, stage: Stage) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending().await
        }
    }
}
