//! Graceful shutdown: no new work is started, and in-flight work is finished within a grace period.
//!
//! The code that runs the crawl passes a [`Shutdown`] in and keeps the [`Trigger`]. To abort at once
//! it drops the crawl. The command line handles the signals.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Requests the shutdown of a crawl.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Option<Instant>>);

/// Receives the time at which the shutdown of a crawl was requested.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Option<Instant>>);

/// Creates a trigger and its receiver.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(None);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Requests the shutdown. Later requests change nothing.
    pub fn request(&self) {
        self.0.send_if_modified(|since| {
            let is_first = since.is_none();
            since.get_or_insert_with(Instant::now);
            is_first
        });
    }
}

impl Shutdown {
    /// Returns true if the shutdown was requested.
    pub fn is_requested(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until the shutdown is requested, and returns when that was. Waits forever if the
    /// trigger is dropped first.
    pub async fn requested(&self) -> Instant {
        let mut receiver = self.0.clone();
        if let Ok(since) = receiver.wait_for(Option::is_some).await
            && let Some(since) = *since
        {
            return since;
        }
        std::future::pending().await
    }

    /// Waits until in-flight work is to be aborted: `grace` after the request.
    pub async fn time_is_up(&self, grace: Duration) {
        let since = self.requested().await;
        tokio::time::sleep_until(since + grace).await;
    }
}
