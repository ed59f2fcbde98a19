//! Interval between requests at a host that imposes long penalties.
//!
//! Some hosts count requests per second and then refuse everything for half a minute, whatever the
//! concurrency. After such a penalty, requests are spread. Each further penalty doubles the
//! interval. Successful pages shorten it again, and each penalty doubles the number of pages needed
//! for that.

use std::time::Duration;

/// Minimum pause that counts as a penalty: the host refused again after its first pause, of a
/// second.
pub const PENALTY: Duration = Duration::from_secs(2);
/// Interval after the first penalty.
const FIRST: Duration = Duration::from_millis(250);
/// Longest interval.
const LONGEST: Duration = Duration::from_secs(8);
/// Intervals below this are dropped.
const SHORTEST: Duration = Duration::from_millis(10);
/// Number of pages at an interval before a shorter one is tried: initial and maximum.
const PATIENCE: [u32; 2] = [50, 800];
/// Factor by which the interval is shortened.
const SHORTER: f64 = 0.8;

/// Interval between requests after penalties.
#[derive(Debug)]
pub struct Tempo {
    interval: Option<Duration>,
    /// Number of pages since the interval last changed.
    pages: u32,
    patience: u32,
}

impl Default for Tempo {
    fn default() -> Tempo {
        Tempo { interval: None, pages: 0, patience: PATIENCE[0] }
    }
}

impl Tempo {
    /// Returns the interval between requests, or `None` if they are not spread.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Records the end of a penalty.
    pub fn penalized(&mut self) {
        if let Some(interval) = self.interval {
            self.patience = (self.patience * 2).min(PATIENCE[1]);
            self.interval = Some((interval * 2).min(LONGEST));
        } else {
            self.interval = Some(FIRST);
        }
        self.pages = 0;
    }

    /// Records a page.
    pub fn succeeded(&mut self) {
        let Some(interval) = self.interval else { return };
        self.pages += 1;
        if self.pages >= self.patience {
            self.pages = 0;
            self.interval = Some(interval.mul_f64(SHORTER)).filter(|it| *it >= SHORTEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w28_each_penalty_doubles_the_interval_and_pages_shorten_it_with_more_patience() {
        let mut tempo = Tempo::default();
        let ms = |tempo: &Tempo| tempo.interval().map(|it| it.as_millis());
        let pages = |tempo: &mut Tempo, number| (0..number).for_each(|_| tempo.succeeded());
        pages(&mut tempo, 500);
        assert_eq!(ms(&tempo), None);
        tempo.penalized();
        assert_eq!(ms(&tempo), Some(250));
        pages(&mut tempo, 49);
        assert_eq!(ms(&tempo), Some(250));
        pages(&mut tempo, 1);
        assert_eq!(ms(&tempo), Some(200));
        tempo.penalized();
        assert_eq!(ms(&tempo), Some(400));
        pages(&mut tempo, 50);
        assert_eq!(ms(&tempo), Some(400), "it was too early before");
        pages(&mut tempo, 50);
        assert_eq!(ms(&tempo), Some(320));
        pages(&mut tempo, 10_000);
        assert_eq!(ms(&tempo), None, "a host that has changed its mind");
        (0..20).for_each(|_| tempo.penalized());
        assert_eq!(ms(&tempo), Some(8_000));
    }
}
