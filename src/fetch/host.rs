//! What is known of the host's mood: whether it asked to wait, and whether it refuses for good; and
//! how fast it is asked.
//!
//! A host that asks to wait is not asked by anyone until then. Refusals that were under way side
//! by side are one refusal: the answers to a burst must not end a run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// A site that refuses for this long without a success between is taken to have blocked us.
const LONGEST_REFUSED: Duration = Duration::from_secs(15 * 60);

/// How late a timer may ring.
const LATE: Duration = Duration::from_millis(2);

/// See the module's text.
#[derive(Debug)]
pub struct Host {
    block_after: u32,
    mood: Mutex<Mood>,
    pace: Option<Pace>,
}

/// A request leaves, and the next one not before its time.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    /// When the next request may leave. Whoever holds it waits for that.
    next: AsyncMutex<Instant>,
}

#[derive(Debug)]
struct Mood {
    waits_until: Option<Instant>,
    refusals: u32,
    /// Since the last success.
    first_refusal: Option<Instant>,
    last_refusal: Option<Instant>,
}

/// The site refuses for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the site refuses: {refusals} refusals in a row, the last with: {last}. Wait, or crawl with fewer --workers; a later run can go on (--block-after sets how many are borne)"
)]
pub struct Blocked {
    refusals: u32,
    last: String,
}

impl Host {
    /// A host of which nothing is known. After `block_after` refusals in a row it has blocked us;
    /// at least `interval` lies between two requests, where there is one.
    pub fn new(block_after: u32, interval: Option<Duration>) -> Host {
        let mood = Mood { waits_until: None, refusals: 0, first_refusal: None, last_refusal: None };
        let pace =
            interval.map(|interval| Pace { interval, next: AsyncMutex::new(Instant::now()) });
        Host { block_after, mood: Mutex::new(mood), pace }
    }

    /// Whether there is a least time between two requests.
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// Waits until the next request may leave, where requests are paced. Whoever came first goes
    /// first.
    pub async fn take_turn(&self) {
        let Some(Pace { interval, next }) = &self.pace else { return };
        let mut next = next.lock().await;
        tokio::time::sleep_until(*next).await;
        // A timer that rang late must not slow down all that follow; nor is more than that made up
        // for.
        *next = (*next + *interval).max(Instant::now() + *interval - LATE.min(*interval));
    }

    /// How long the host is still to be left alone.
    pub fn must_wait(&self) -> Option<Duration> {
        let until = self.with(|mood| mood.waits_until)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The host asks to be left alone for `wait`.
    pub fn asked_to_wait(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.with(|mood| {
            mood.waits_until = Some(mood.waits_until.map_or(until, |at| at.max(until)))
        });
    }

    /// A page came that is one.
    pub fn succeeded(&self) {
        self.with(|mood| {
            mood.refusals = 0;
            mood.first_refusal = None;
        });
    }

    /// A request that left at `sent` was refused.
    ///
    /// # Errors
    /// Where that was one refusal too many.
    pub fn refused(&self, sent: Instant, message: &str) -> Result<(), Blocked> {
        let now = Instant::now();
        let too_many = self.with(|mood| {
            if mood.last_refusal.is_none_or(|last| last <= sent) {
                mood.refusals += 1;
                mood.last_refusal = Some(now);
            }
            let first = *mood.first_refusal.get_or_insert(now);
            let too_long = now.duration_since(first) > LONGEST_REFUSED;
            (mood.refusals >= self.block_after || too_long).then_some(mood.refusals)
        });
        match too_many {
            None => Ok(()),
            Some(refusals) => Err(Blocked { refusals, last: message.to_owned() }),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Mood) -> T) -> T {
        look(&mut self.mood.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_refusals_is_one() {
        let host = Host::new(3, None);
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        for _ in 0..50 {
            assert_eq!(host.refused(sent, "429"), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn w3_refusals_in_a_row_are_a_block_and_a_success_starts_anew() {
        let host = Host::new(3, None);
        let refuse = || host.refused(Instant::now(), "the site answered 429");
        assert!(refuse().is_ok() && refuse().is_ok());
        host.succeeded();
        assert!(refuse().is_ok() && refuse().is_ok());
        assert!(refuse().unwrap_err().to_string().contains("the last with: the site answered 429"));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_leave_one_interval_apart_and_none_is_saved_up() {
        let host = Host::new(3, Some(Duration::from_millis(100)));
        let begun = Instant::now();
        host.take_turn().await;
        host.take_turn().await;
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
        tokio::time::advance(Duration::from_secs(5)).await;
        let later = Instant::now();
        host.take_turn().await;
        host.take_turn().await;
        let elapsed = later.elapsed();
        let interval = Duration::from_millis(100);
        assert!(elapsed >= interval - LATE && elapsed <= interval, "{elapsed:?}: not caught up");
        Host::new(3, None).take_turn().await;
        assert_eq!(later.elapsed(), elapsed, "without a pace nobody waits");
    }

    #[tokio::test(start_paused = true)]
    async fn w1_the_longest_wait_counts() {
        let host = Host::new(3, None);
        host.asked_to_wait(Duration::from_secs(5));
        host.asked_to_wait(Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(host.must_wait(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(host.must_wait(), None);
    }
}
