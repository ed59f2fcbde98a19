//! Stopping in two stages: first nothing new is begun and what is under way is brought home, then
//! everything is dropped where it stands.
//!
//! Whoever runs the crawl passes a [`Shutdown`] in and keeps the [`Trigger`]; signals are the
//! command line's business.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

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
pub struct Trigger(watch::Sender<Progress>);

/// Hears that the crawl is to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Progress>);

#[derive(Debug, Clone, Copy)]
struct Progress {
    stage: Stage,
    /// When the stage was reached.
    since: Instant,
}

/// A trigger and what hears it.
pub fn channel() -> (Trigger, Shutdown) {
    let running = Progress { stage: Stage::Running, since: Instant::now() };
    let (sender, receiver) = watch::channel(running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Moves on to `stage`; never goes back.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let later = stage > now.stage;
            if later {
                *now = Progress { stage, since: Instant::now() };
            }
            later
        });
    }
}

impl Shutdown {
    /// How far stopping has come.
    pub fn stage(&self) -> Stage {
        self.0.borrow().stage
    }

    /// Resolves once `stage` is reached; never, where the trigger is gone before.
    pub async fn reached(&self, stage: Stage) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| now.stage >= stage).await.is_err() {
            std::future::pending().await
        }
    }

    /// Resolves when the time for bringing things home is over: `grace` after draining began, or
    /// at once where stopping is forced.
    pub async fn time_is_up(&self, grace: Duration) {
        self.reached(Stage::Draining).await;
        let Progress { stage, since } = *self.0.borrow();
        if stage == Stage::Draining {
            tokio::select! {
                () = self.reached(Stage::Forced) => {}
                () = tokio::time::sleep_until(since + grace) => {}
            }
        }
    }
}
