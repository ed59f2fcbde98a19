//! What a crawl waits for: the log says when a long wait begins and when it ends, and the progress
//! line shows the one that lasts longest.
//!
//! One place for all waits: hosts that ask to be left alone or cannot be reached, and a store that
//! is away. It decides nothing: who waits, and for how long, is decided where the wait is made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::wording::{clock, plain};

/// Longer waits are told.
const LONG: Duration = Duration::from_secs(5);
/// Requests that are so far apart are told and shown.
const SLOW: Duration = Duration::from_secs(1);

/// Waits that go on, shared by all who wait.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waits: Vec<Wait>,
    /// The slowest pace that is kept, and by whom.
    pace: Option<(Duration, Box<str>)>,
}

#[derive(Debug)]
struct Wait {
    on: Box<str>,
    why: Box<str>,
    since: Instant,
    until: Instant,
    /// The end that the log was told of.
    told: Option<Instant>,
}

impl Waits {
    /// `on` is waited for until then, because of `why`. A wait for it that goes on is prolonged. Says
    /// whether the log was told of it.
    pub fn begin(&self, on: &str, why: &str, until: Instant) -> bool {
        let now = Instant::now();
        self.with(|state| {
            let at = state.waits.iter().position(|wait| *wait.on == *on).unwrap_or_else(|| {
                let (on, why) = (on.into(), why.into());
                state.waits.push(Wait { on, why, since: now, until, told: None });
                state.waits.len() - 1
            });
            let wait = &mut state.waits[at];
            wait.until = until;
            let is_news = wait.told.is_none_or(|told| until > told + LONG);
            if is_news && until > now + LONG {
                wait.told = Some(until);
                wait.why = why.into();
                let wait_s = (until - now).as_secs_f64().round();
                warn!(on, wait_s, why = plain(why), "waiting");
            }
            wait.told.is_some()
        })
    }

    /// `on` is waited for no more.
    pub fn end(&self, on: &str) {
        self.with(|state| {
            let Some(at) = state.waits.iter().position(|wait| *wait.on == *on) else { return };
            let wait = state.waits.swap_remove(at);
            if wait.told.is_some() {
                info!(on, waited_s = wait.since.elapsed().as_secs(), "wait ended");
            }
        });
    }

    /// Requests to `on` leave so far apart, because of `why`. Told once.
    pub fn pace(&self, on: &str, interval: Duration, why: &str) {
        if interval < SLOW {
            return;
        }
        info!(on, interval_s = interval.as_secs_f64(), why, "pacing requests");
        self.with(|state| {
            if state.pace.as_ref().is_none_or(|(slowest, _)| interval > *slowest) {
                state.pace = Some((interval, on.into()));
            }
        });
    }

    /// What the progress line says: the longest wait, or else the slowest pace.
    pub fn shown(&self) -> Option<String> {
        let now = Instant::now();
        self.with(|state| {
            let wait = state.waits.iter().filter(|wait| wait.until > now).max_by_key(|it| it.until);
            let wait = wait.map(|Wait { on, why, until, .. }| {
                format!("waiting {} for {}: {}", clock(*until - now), plain(on), plain(why))
            });
            wait.or_else(|| {
                let (interval, on) = state.pace.as_ref()?;
                Some(format!("a request each {interval:?} to {}", plain(on)))
            })
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn o2_the_longest_wait_is_shown_until_it_ends() {
        let waits = Waits::default();
        assert_eq!(waits.shown(), None);
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        waits.begin("a", "the site answered 429", at(42));
        waits.begin("b", "no connection", at(9));
        let shown = || waits.shown().unwrap_or_default();
        assert_eq!(shown(), "waiting 0:42 for a: the site answered 429");
        tokio::time::advance(Duration::from_secs(2)).await;
        waits.end("a");
        assert_eq!(shown(), "waiting 0:07 for b: no connection");
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(waits.shown(), None, "its time is over, though nothing was asked yet");
        waits.pace("b", Duration::from_millis(500), "--rate");
        assert_eq!(waits.shown(), None);
        waits.pace("b", Duration::from_secs(10), "Crawl-delay");
        waits.pace("c", Duration::from_secs(2), "Crawl-delay");
        assert_eq!(shown(), "a request each 10s to b");
    }
}
