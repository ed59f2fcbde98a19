//! Decisions of `gleaner tune`: results per level of concurrency, whether to try the next level,
//! and which concurrency to recommend.
//!
//! Everything here is a function of values; no requests are made.
//!
//! At level N, N requests are in flight all the time. The clock of a level starts after N responses,
//! so that the time for opening connections, which a crawl pays once, does not count.

use std::time::Duration;

use serde::Serialize;

/// Levels of concurrency, in the order of the measurement.
pub const LEVELS: [usize; 11] = [1, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500];
/// After this time a level may end with fewer requests, so that a slow site does not take minutes.
pub const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// Factor by which throughput must exceed the best so far to justify more concurrency.
const PAYS: f64 = 1.1;
/// If the site serves less than this share of a level's requests concurrently, the others are
/// queueing.
const SERVED: f64 = 0.8;
/// Maximum share of failed requests for a site that is not overloaded.
const MOST_TROUBLE: f64 = 0.02;
/// Number of failed requests that may be chance.
const BY_CHANCE: usize = 1;

/// One request of a level. Samples are in order of completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Time of completion, since the start of the level.
    pub ended: Duration,
    /// Time from the request to the end of its response.
    pub took: Duration,
    /// True if the request failed in a way that overload may cause; see [`is_trouble`].
    pub trouble: bool,
}

/// Results of a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Concurrency: number of requests in flight.
    pub at_once: usize,
    /// Number of requests made.
    pub requests: usize,
    /// Time for all requests.
    pub elapsed: Duration,
    /// Successful responses per second, after connections are open.
    pub per_second: f64,
    /// Median time of a request.
    pub median: Duration,
    /// 95th percentile of the time of a request.
    pub p95: Duration,
    /// Number of failed requests.
    pub errors: usize,
}

/// Decision after a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Continue with this concurrency.
    Climb(usize),
    /// Stop, for this reason.
    Stop(Stop),
}

/// Reason why the measurement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// Two consecutive levels did not raise the throughput.
    Flat,
    /// Requests failed.
    Errors,
    /// Requests take twice as long as at the first level, without more throughput.
    Slow,
    /// Too few of the allowed requests are left for another level.
    Requests,
    /// The highest level was reached.
    Top,
    /// A signal arrived.
    Interrupted,
}

impl Level {
    /// Computes the results of a level from its samples.
    pub fn of(at_once: usize, samples: &[Sample]) -> Level {
        let elapsed = samples.last().map_or(Duration::ZERO, |last| last.ended);
        // With a single round, there is no round to exclude.
        let opened = if samples.len() > at_once { at_once } else { 0 };
        let (first, steady) = samples.split_at(opened);
        let since = first.last().map_or(Duration::ZERO, |last| last.ended);
        let good: Vec<&Sample> = steady.iter().filter(|sample| !sample.trouble).collect();
        let seconds = elapsed.saturating_sub(since).as_secs_f64().max(1e-6);
        let mut times: Vec<Duration> = good.iter().map(|sample| sample.took).collect();
        times.sort_unstable();
        let per_second = good.len() as f64 / seconds;
        Level {
            at_once,
            requests: samples.len(),
            elapsed,
            per_second: per_second.min(most_per_second(at_once, &times)),
            median: percentile(&times, 50),
            p95: percentile(&times, 95),
            errors: samples.iter().filter(|sample| sample.trouble).count(),
        }
    }

    /// Estimates successful responses per second from a few rounds. The rate after the first round is
    /// too high, because that round does not queue. The overall rate is too low, because it
    /// includes the time until the first response. Returns their mean.
    fn answered(&self) -> f64 {
        let good = (self.requests - self.errors) as f64;
        (self.per_second + good / self.elapsed.as_secs_f64().max(1e-6)) / 2.0
    }

    /// Returns true if more requests failed than chance explains.
    pub fn is_in_trouble(&self) -> bool {
        self.errors > BY_CHANCE && self.errors as f64 > MOST_TROUBLE * self.requests as f64
    }
}

impl Stop {
    /// Formats the reason as a sentence about `levels`.
    pub fn sentence(self, levels: &[Level]) -> String {
        let last = levels.last().map_or(0, |level| level.at_once);
        match self {
            Stop::Flat => {
                let workers = workers(levels).unwrap_or_default();
                format!("throughput does not grow beyond {workers} concurrent requests")
            }
            Stop::Errors => {
                let (errors, requests) =
                    levels.last().map_or((0, 0), |level| (level.errors, level.requests));
                format!(
                    "{errors} of {requests} requests failed or were refused at concurrency {last}"
                )
            }
            Stop::Slow => {
                format!("at concurrency {last} answers take twice as long, at the same throughput")
            }
            Stop::Requests => {
                "--max-requests leaves too few requests for the next level".to_owned()
            }
            Stop::Top => format!("concurrency {last} is the highest level"),
            Stop::Interrupted => "interrupted".to_owned(),
        }
    }
}

/// Returns the number of requests for a level.
pub fn requests_at(at_once: usize) -> usize {
    (2 * at_once).max(30)
}

/// Returns true if a level that has made `made` requests in `elapsed` makes another one. A level
/// makes [`requests_at`] requests; after [`LONG_ENOUGH`], two rounds and at least 10 requests
/// suffice.
pub fn goes_on(at_once: usize, made: usize, elapsed: Duration) -> bool {
    let enough = if elapsed < LONG_ENOUGH { requests_at(at_once) } else { (2 * at_once).max(10) };
    made < enough
}

/// Decides whether to try another level after `levels`. `allowed` is the number of requests left.
pub fn decide(levels: &[Level], allowed: usize) -> Decision {
    if let Some(stop) = last_word(levels) {
        return Decision::Stop(stop);
    }
    match LEVELS.get(levels.len()) {
        None => Decision::Stop(Stop::Top),
        Some(next) if requests_at(*next) > allowed => Decision::Stop(Stop::Requests),
        Some(next) => Decision::Climb(*next),
    }
}

/// Returns the recommended concurrency: the lowest level whose throughput is within 10 % of the
/// best. Ignores levels with failures, unless all have them. If the site refuses nothing, but
/// serves clearly fewer requests concurrently and queues the others, returns the number that it
/// serves: the best throughput times the time of a request that does not queue (Little's law).
/// `None` without any level.
pub fn workers(levels: &[Level]) -> Option<usize> {
    let mut sound: Vec<&Level> = levels.iter().filter(|level| !level.is_in_trouble()).collect();
    if sound.is_empty() {
        sound = levels.iter().take(1).collect();
    }
    let most = sound.iter().map(|level| level.per_second).fold(0.0, f64::max);
    let level = sound.iter().find(|level| level.per_second >= 0.9 * most)?;
    let unqueued = sound.iter().map(|level| level.median).min()?;
    let served = sound.iter().map(|level| level.answered()).fold(0.0, f64::max);
    let served = (served * unqueued.as_secs_f64()).round().max(1.0);
    let refuses = levels.iter().any(Level::is_in_trouble);
    let is_queueing = !refuses && served < SERVED * level.at_once as f64;
    Some(if is_queueing { served as usize } else { level.at_once })
}

/// Returns true if the request failed in a way that overload may cause: no response, or an error
/// status. A missing item (404 or 410) is not caused by the load.
pub fn is_trouble(status: Option<u16>) -> bool {
    match status {
        None => true,
        Some(404 | 410) => false,
        Some(status) => status >= 400,
    }
}

/// Returns the highest throughput that `at_once` concurrent requests with these times can have
/// (Little's law). A measurement of a few rounds can exceed it, because rounds overlap.
fn most_per_second(at_once: usize, times: &[Duration]) -> f64 {
    let taken = times.iter().sum::<Duration>().as_secs_f64().max(1e-6);
    (at_once * times.len()) as f64 / taken
}

/// Returns the reason to stop after the last level, or `None` to continue.
fn last_word(levels: &[Level]) -> Option<Stop> {
    let (last, before) = levels.split_last()?;
    if last.is_in_trouble() {
        return Some(Stop::Errors);
    }
    let first = before.first()?;
    if pays(last, before) {
        return None;
    }
    if last.median > 2 * first.median {
        return Some(Stop::Slow);
    }
    let (one_before, earlier) = before.split_last()?;
    let flat_twice = !earlier.is_empty() && !pays(one_before, earlier);
    flat_twice.then_some(Stop::Flat)
}

/// Returns true if a level has enough more throughput than those before it.
fn pays(level: &Level, before: &[Level]) -> bool {
    let best = before.iter().map(|level| level.per_second).fold(0.0, f64::max);
    level.per_second >= PAYS * best
}

/// Returns a percentile by nearest rank. `times` must be sorted.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100);
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 10_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Levels as they are climbed: throughput, median in milliseconds, errors.
    fn levels(measured: &[(f64, u64, usize)]) -> Vec<Level> {
        let level = |(at_once, (per_second, median, errors)): (&usize, &(f64, u64, usize))| Level {
            at_once: *at_once,
            requests: requests_at(*at_once),
            elapsed: Duration::from_secs_f64(requests_at(*at_once) as f64 / per_second),
            per_second: *per_second,
            median: ms(*median),
            p95: ms(2 * median),
            errors: *errors,
        };
        LEVELS.iter().zip(measured).map(level).collect()
    }

    #[test]
    fn it_climbs_while_it_pays_and_says_why_it_stops() {
        use Decision::{Climb, Stop as End};
        for (measured, decision) in [
            (&[][..], Climb(1)),
            (&[(10.0, 100, 0)], Climb(3)),
            (&[(10.0, 100, 0), (30.0, 100, 0)], Climb(5)),
            // Once may be chance.
            (&[(10.0, 100, 0), (10.5, 110, 0)], Climb(5)),
            (&[(10.0, 100, 0), (30.0, 100, 0), (32.0, 130, 0)], Climb(10)),
            (&[(10.0, 100, 0), (30.0, 100, 0), (32.0, 130, 0), (31.0, 190, 0)], End(Stop::Flat)),
            (&[(10.0, 100, 0), (30.0, 100, 0), (32.0, 130, 0), (60.0, 190, 0)], Climb(20)),
            // It is measured against the best of all before.
            (&[(10.0, 100, 0), (10.5, 110, 0), (11.5, 120, 0)], End(Stop::Flat)),
            (&[(10.0, 100, 0), (10.5, 110, 0), (11.6, 120, 0)], Climb(10)),
            (&[(10.0, 100, 0), (10.5, 201, 0)], End(Stop::Slow)),
            // Slower, but more of them.
            (&[(10.0, 100, 0), (30.0, 300, 0)], Climb(5)),
            (&[(10.0, 100, 1)], Climb(3)),
            (&[(10.0, 100, 2)], End(Stop::Errors)),
            (&[(10.0, 100, 0), (30.0, 100, 2)], End(Stop::Errors)),
        ] {
            assert_eq!(decide(&levels(measured), PLENTY), decision, "{measured:?}");
        }
        let all: Vec<_> = (1..=11).map(|at| (f64::from(at * at) * 10.0, 100, 0)).collect();
        assert_eq!(decide(&levels(&all), PLENTY), End(Stop::Top));
        assert_eq!(decide(&levels(&all[..8]), 399), End(Stop::Requests));
        assert_eq!(decide(&levels(&all[..8]), 400), Climb(200));
    }

    #[test]
    fn a_share_of_errors_within_chance_is_borne() {
        let level = |requests, errors| Level { requests, errors, ..levels(&[(1.0, 1, 0)])[0] };
        for (requests, errors, trouble) in [(30, 1, false), (30, 2, true), (400, 8, false)] {
            assert_eq!(level(requests, errors).is_in_trouble(), trouble, "{errors}/{requests}");
        }
        assert!(level(400, 9).is_in_trouble());
    }

    #[test]
    fn the_smallest_level_that_is_nearly_the_best_is_taken() {
        let of = |measured: &[(f64, u64, usize)]| workers(&levels(measured));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(10.0, 100, 0)]), Some(1));
        assert_eq!(of(&[(10.0, 100, 0), (28.0, 105, 0), (31.0, 160, 0), (30.0, 330, 0)]), Some(3));
        assert_eq!(of(&[(10.0, 100, 0), (30.0, 100, 0), (44.0, 112, 0)]), Some(5));
        // A level with errors is never recommended, however fast it was.
        assert_eq!(of(&[(10.0, 100, 0), (28.0, 100, 0), (90.0, 55, 9)]), Some(3));
        assert_eq!(of(&[(10.0, 100, 9)]), Some(1));
    }

    #[test]
    fn o10_of_a_site_that_lets_requests_queue_as_many_are_taken_as_it_serves() {
        let climb = |at_twenty, at_thirty| {
            let below = [(25.0, 40, 0), (75.0, 40, 0), (125.0, 40, 0), (250.0, 40, 0)];
            let above = [(at_twenty, 44, 0), (at_thirty, 60, 0), (500.0, 100, 0)];
            workers(&levels(&[&below[..], &above[..]].concat()))
        };
        assert_eq!(climb(490.0, 500.0), Some(20));
        // Between a response and the next request a place is empty.
        assert_eq!(climb(440.0, 500.0), Some(20));
        assert_eq!(climb(440.0, 530.0), Some(21));
    }

    #[test]
    fn the_clock_starts_when_connections_are_open() {
        // Two at once: 400 ms for the first round, which connects, then 100 ms a round.
        let ends = [(400, 400), (400, 400), (500, 100), (500, 100), (600, 100), (600, 100)];
        let mut samples: Vec<Sample> = ends
            .iter()
            .map(|(ended, took)| Sample { ended: ms(*ended), took: ms(*took), trouble: false })
            .collect();
        let level = Level::of(2, &samples);
        assert!((level.per_second - 20.0).abs() < 1e-9, "{level:?}");
        assert_eq!((level.median, level.p95, level.elapsed), (ms(100), ms(100), ms(600)));
        // Immediate refusals do not count as throughput.
        samples[2] = Sample { took: ms(1), trouble: true, ..samples[2] };
        let level = Level::of(2, &samples);
        assert!((level.per_second - 15.0).abs() < 1e-9, "{level:?}");
        assert_eq!((level.errors, level.median), (1, ms(100)));
        assert!((Level::of(3, &samples[..2]).per_second - 5.0).abs() < 1e-9);
        assert_eq!(Level::of(3, &[]).requests, 0);
    }

    #[test]
    fn rounds_that_overlap_do_not_count_twice() {
        let ends = [(100, 100), (300, 300), (310, 210), (400, 100)];
        let sample = |(ended, took)| Sample { ended: ms(ended), took: ms(took), trouble: false };
        let level = Level::of(2, &ends.map(sample));
        assert!((level.per_second - 2.0 / 0.155).abs() < 1e-9, "{level:?}");
    }

    #[test]
    fn a_slow_site_is_asked_less_at_each_level() {
        assert!(goes_on(1, 29, ms(0)) && !goes_on(1, 30, ms(0)));
        assert!(goes_on(100, 199, ms(0)) && !goes_on(100, 200, ms(0)));
        assert!(goes_on(1, 9, LONG_ENOUGH) && !goes_on(1, 10, LONG_ENOUGH));
        assert!(goes_on(100, 199, LONG_ENOUGH) && !goes_on(10, 20, LONG_ENOUGH));
    }

    #[test]
    fn what_is_not_there_is_not_the_load_s_fault() {
        for (status, trouble) in [
            (None, true),
            (Some(200), false),
            (Some(404), false),
            (Some(410), false),
            (Some(403), true),
            (Some(429), true),
            (Some(503), true),
        ] {
            assert_eq!(is_trouble(status), trouble, "{status:?}");
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let times: Vec<Duration> = (1..=20).map(ms).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 95)), (ms(10), ms(19)));
        assert_eq!((percentile(&times[..1], 95), percentile(&[], 50)), (ms(1), ms(0)));
    }
}
