//! Tells the service manager (systemd, `Type=notify`) that the program is ready, what it does, and that
//! it is alive. Without a service manager, which sets `NOTIFY_SOCKET`, nothing is sent.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;

/// Longest time between two looks at the status.
const LOOK: Duration = Duration::from_secs(5);
/// Shortest time.
const LEAST: Duration = Duration::from_millis(100);

/// Tells that the program is ready.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Tells that the program is stopping.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Tells that the program is alive and what it does, for ever. A program whose runtime hangs tells
/// nothing, so the service manager restarts it if `WatchdogSec` is set.
pub async fn keep_telling(status: impl Fn() -> String) -> Infallible {
    // Twice as often as it must be told.
    let pause = sd_notify::watchdog_enabled().map_or(LOOK, |limit| (limit / 2).clamp(LEAST, LOOK));
    let mut told = String::new();
    loop {
        let now = status();
        send(&[NotifyState::Watchdog]);
        if now != told {
            send(&[NotifyState::Status(&now)]);
            told = now;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Sends a message. A service manager that does not listen is no reason to stop.
fn send(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
