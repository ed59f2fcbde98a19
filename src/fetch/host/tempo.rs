//! How far apart requests leave at a host that refuses for long once it is asked too often.
//!
//! Some hosts count requests in a second and then refuse everything for half a minute. How many are in
//! flight says nothing to them. So after such a penalty requests are spread: each further penalty
//! doubles the interval, and pages that come at it make it shorter again, with more and more
//! patience.

use std::time::Duration;

/// A host that refused again after its first pause, of a second, exacts penalties.
pub const PENALTY: Duration = Duration::from_secs(2);
/// Interval after the first penalty.
const FIRST: Duration = Duration::from_millis(250);
/// Longest interval.
const LONGEST: Duration = Duration::from_secs(8);
/// A shorter interval is none.
const SHORTEST: Duration = Duration::from_millis(10);
/// Pages at an interval before a shorter one is tried: at first, and at most.
const PATIENCE: [u32; 2] = [50, 800];
/// What is left of the interval then.
const SHORTER: f64 = 0.8;

/// The interval at which requests leave after penalties.
#[derive(Debug)]
pub struct Tempo {
    interval: Option<Duration>,
    /// Pages since it last changed.
    pages: u32,
    patience: u32,
}

impl Default for Tempo {
    fn default() -> Tempo {
        Tempo { interval: None, pages: 0, patience: PATIENCE[0] }
    }
}

impl Tempo {
    /// Requests leave so far apart, where they do.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// A penalty is over.
    pub fn penalized(&mut self) {
        if let Some(interval) = self.interval {
            self.patience = (self.patience * 2).min(PATIENCE[1]);
            self.interval = Some((interval * 2).min(LONGEST));
        } else {
            self.interval = Some(FIRST);
        }
        self.pages = 0;
    }

    /// A page came.
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
