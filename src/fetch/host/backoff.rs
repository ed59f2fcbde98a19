//! Pauses of a host, each twice as long as the one before, until something gets through.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses of one kind.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    last: Option<Duration>,
    /// When the last one began.
    began: Option<Instant>,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, last: None, began: None }
    }

    /// The pause after a request that left at `sent` came to nothing. None where it left before the
    /// last pause began: requests that are under way side by side fail together.
    pub fn after(&mut self, sent: Instant, now: Instant) -> Option<Duration> {
        if self.began.is_some_and(|began| sent <= began) {
            return None;
        }
        let pause = self.last.map_or(self.first, |last| (last * 2).min(self.longest));
        (self.last, self.began) = (Some(pause), Some(now));
        Some(pause)
    }

    /// Returns whether a request that left at `sent` left after the longest pause.
    pub fn is_spent(&self, sent: Instant) -> bool {
        self.last == Some(self.longest) && self.began.is_some_and(|began| sent > began)
    }

    /// A request that left at `sent` got through. Answers with the last pause, where there was one.
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
