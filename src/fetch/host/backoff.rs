//! Exponential backoff of a host: each pause is twice as long as the last, until a request
//! succeeds.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses of one kind.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    last: Option<Duration>,
    /// Start of the last pause.
    began: Option<Instant>,
}

impl Backoff {
    /// Creates a backoff with pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, last: None, began: None }
    }

    /// Returns the pause after the failure of a request sent at `sent`. Returns `None` if it was
    /// sent before the last pause began: concurrent requests fail together and count once.
    pub fn after(&mut self, sent: Instant, now: Instant) -> Option<Duration> {
        if self.began.is_some_and(|began| sent <= began) {
            return None;
        }
        let pause = self.last.map_or(self.first, |last| (last * 2).min(self.longest));
        (self.last, self.began) = (Some(pause), Some(now));
        Some(pause)
    }

    /// Returns `true` if a request sent at `sent` was sent after the longest pause.
    pub fn is_spent(&self, sent: Instant) -> bool {
        self.last == Some(self.longest) && self.began.is_some_and(|began| sent > began)
    }

    /// Ends the backoff after the success of a request sent at `sent`. Returns the last pause, or
    /// `None` if there was none since.
    pub fn passed(&mut self, sent: Instant) -> Option<Duration> {
        self.began.take_if(|began| sent > *began)?;
        self.last.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w28_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 4);
        let mut now = Instant::now();
        for (expected, was_spent) in [(1, false), (2, false), (4, false), (4, true)] {
            now += second;
            assert_eq!(backoff.is_spent(now), was_spent, "{expected}");
            assert_eq!(backoff.after(now, now), Some(second * expected));
            assert_eq!(backoff.after(now, now + second), None, "of the same burst");
        }
        assert_eq!(backoff.passed(now), None);
        assert_eq!(backoff.after(now, now), None, "it left before the pause");
        now += second;
        assert_eq!(backoff.passed(now), Some(second * 4));
        assert_eq!(backoff.after(now, now), Some(second));
    }
}
