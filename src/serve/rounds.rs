//! What the server does by itself: it tells people what changed, and gives signs of life. Neither
//! waits for the other, and no page waits for either.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use super::telling::Notifier;
use super::watcher::Watcher;
use crate::fetch::Poster;
use crate::system::clock;

/// Time between two signs of life.
const PING: Duration = Duration::from_secs(60);
/// Time after a message that was not delivered, before the next attempt.
const PAUSE: Duration = Duration::from_secs(60);

/// Delivers the messages that are due after each look.
pub async fn tell(
    notifier: Option<Notifier>,
    watcher: &Watcher,
    warn: &impl Fn(&str),
) -> Infallible {
    let Some(mut notifier) = notifier else { return pending().await };
    let mut looks = watcher.looks();
    loop {
        // Fails if the watcher ended, and then the server ends.
        if looks.changed().await.is_err() {
            return pending().await;
        }
        let look = looks.borrow_and_update().clone();
        let Some(overview) = look.overview.as_ref().filter(|_| look.trouble.is_none()) else {
            continue;
        };
        let warnings = notifier.tell(overview).await;
        warnings.iter().for_each(|warning| warn(warning));
        if !warnings.is_empty() {
            sleep(clock::limit("GLEANER_TEST_SERVE", PAUSE)).await;
        }
    }
}

/// Asks for a URL each minute while the store can be read. Whoever watches the URL is told by its
/// silence that this server, its machine or the store is away.
pub async fn ping(ping: Option<Poster>, watcher: &Watcher, warn: &impl Fn(&str)) -> Infallible {
    let Some(poster) = ping else { return pending().await };
    let looks = watcher.looks();
    let every = clock::limit("GLEANER_TEST_SERVE", PING);
    let mut was_heard = true;
    loop {
        sleep(every).await;
        let look = looks.borrow().clone();
        if !look.is_within(2 * PING) {
            continue;
        }
        let pinged = poster.ping().await;
        // Once for each outage: it may last for days.
        if let Err(why) = &pinged
            && was_heard
        {
            warn(&format!("--ping-url: {why}"));
        }
        was_heard = pinged.is_ok();
    }
}
