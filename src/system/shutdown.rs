//! Graceful shutdown in two stages. First no new work is started and in-flight work is finished;
//! then everything is aborted.
//!
//! The code that runs the crawl passes a [`Shutdown`] in and keeps the [`Trigger`]. The command
//! line handles the signals.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A stage of the shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No shutdown was requested.
    Running,
    /// No new work is started.
    Draining,
    /// In-flight work is aborted.
    Forced,
}

/// Requests the shutdown of a crawl.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Progress>);

/// Receives the shutdown of a crawl.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Progress>);

#[derive(Debug, Clone, Copy)]
struct Progress {
    stage: Stage,
    /// Time at which the stage was reached.
    since: Instant,
}

/// Creates a trigger and its receiver.
pub fn channel() -> (Trigger, Shutdown) {
    let running = Progress { stage: Stage::Running, since: Instant::now() };
    let (sender, receiver) = watch::channel(running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Advances to `stage`; never goes back.
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
    /// Returns the current stage.
    pub fn stage(&self) -> Stage {
        self.0.borrow().stage
    }

    /// Waits until `stage` is reached. Waits forever if the trigger is dropped first.
    pub async fn reached(&self, stage: Stage) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| now.stage >= stage).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until in-flight work is to be aborted: `grace` after draining began, or at once if
    /// shutdown is forced.
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
