//! The waits of a crawl. The log reports the start and end of a long wait; the progress line shows
//! the longest one.
//!
//! This is the one place for all waits: hosts that ask for a pause or are unreachable, and an
//! unavailable store. It decides nothing: the code that waits decides how long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::model::text::{clock, plain};

/// Minimum length of a wait that is logged.
const LONG: Duration = Duration::from_secs(5);
/// Time after which a repeated wait is logged again, however often it was repeated.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// Minimum interval between requests that is logged and shown.
const SLOW: Duration = Duration::from_secs(1);

/// The current waits, shared by all tasks.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waits: Vec<Wait>,
    /// Logged waits, one for each host or store.
    repeated: Vec<Repeated>,
    /// Longest interval between requests, and its host.
    pace: Option<(Duration, Box<str>)>,
}

/// Waits for the same reason, one after another.
#[derive(Debug)]
struct Repeated {
    on: Box<str>,
    /// The reason without its digits.
    why: String,
    times: u32,
    last: Instant,
}

#[derive(Debug)]
struct Wait {
    on: Box<str>,
    why: Box<str>,
    since: Instant,
    until: Instant,
    /// End of the wait as the log last reported it.
    logged_end: Option<Instant>,
    /// Set once the wait is long: the number of repetitions to log, or `None` if the wait is not
    /// logged.
    times: Option<Option<u32>>,
}

impl Waits {
    /// Starts or extends a wait for `on` until then, because of `why`. Returns true if the log
    /// reported it.
    pub fn begin(&self, on: &str, why: &str, until: Instant) -> bool {
        let now = Instant::now();
        self.with(|state| {
            let at = state.waits.iter().position(|wait| *wait.on == *on).unwrap_or_else(|| {
                let (on, why) = (on.into(), why.into());
                state.waits.push(Wait {
                    on,
                    why,
                    since: now,
                    until,
                    logged_end: None,
                    times: None,
                });
                state.waits.len() - 1
            });
            let wait = &mut state.waits[at];
            wait.until = until;
            let is_news = wait.logged_end.is_none_or(|end| until > end + LONG);
            if is_news && until > now + LONG {
                wait.why = why.into();
                let repeated = &mut state.repeated;
                let times =
                    wait.times.get_or_insert_with(|| Repeated::count(repeated, on, why, now));
                if let Some(times) = *times {
                    wait.logged_end = Some(until);
                    let wait_s = (until - now).as_secs_f64().round();
                    let times = (times > 1).then_some(times);
                    warn!(on, wait_s, why = plain(why), times, "waiting");
                }
            }
            wait.logged_end.is_some()
        })
    }

    /// Ends the wait for `on`.
    pub fn end(&self, on: &str) {
        self.with(|state| {
            let Some(at) = state.waits.iter().position(|wait| *wait.on == *on) else { return };
            let wait = state.waits.swap_remove(at);
            if wait.logged_end.is_some() {
                info!(on, waited_s = wait.since.elapsed().as_secs(), "wait ended");
            }
        });
    }

    /// Notes the interval between requests to `on`, and the reason. It is logged once.
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

    /// Returns the time left of the wait for `on`, and the reason, or `None` if it does not wait.
    pub fn on(&self, on: &str) -> Option<(Duration, String)> {
        let now = Instant::now();
        self.with(|state| {
            let wait = state.waits.iter().find(|wait| *wait.on == *on && wait.until > now)?;
            Some((wait.until - now, wait.why.to_string()))
        })
    }

    /// Returns the text for the progress line: the longest wait, or else the slowest pace. `None`
    /// if there is neither.
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

impl Repeated {
    /// Counts a wait. Returns the number of waits in a row for the same reason, or `None` if this
    /// one is not logged. The first ones are logged, then ever fewer, but one in [`SILENCE`].
    fn count(rows: &mut Vec<Repeated>, on: &str, why: &str, now: Instant) -> Option<u32> {
        let why: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        let Some(row) = rows.iter_mut().find(|it| *it.on == *on).filter(|it| it.why == why) else {
            rows.retain(|it| *it.on != *on);
            rows.push(Repeated { on: on.into(), why, times: 1, last: now });
            return Some(1);
        };
        row.times += 1;
        let is_logged = row.times <= 3 || row.times.is_power_of_two() || now > row.last + SILENCE;
        is_logged.then(|| {
            row.last = now;
            row.times
        })
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

    #[tokio::test(start_paused = true)]
    async fn o3_waits_for_one_reason_one_after_another_are_told_ever_less_often() {
        let waits = Waits::default();
        let wait = async |why: &str, seconds| {
            let time = Duration::from_secs(seconds);
            let is_told = waits.begin("a", why, Instant::now() + time);
            tokio::time::advance(time).await;
            waits.end("a");
            is_told
        };
        let mut told = Vec::new();
        for time in 1..=40 {
            if wait(&format!("429 and asks to wait {time} s"), 6).await {
                told.push(time);
            }
        }
        assert_eq!(told, [1, 2, 3, 4, 8, 16, 32]);
        assert!(wait("no connection", 6).await, "another reason");
        assert!(wait("429 and asks to wait 1 s", 6).await, "and the first one again");
        for _ in 0..3 {
            wait("429 and asks to wait 1 s", 6).await;
        }
        tokio::time::advance(SILENCE).await;
        assert!(wait("429 and asks to wait 1 s", 6).await, "after a long silence");
        assert!(!wait("429 and asks to wait 1 s", 6).await);
    }
}
