//! The kinds of runs there are, drawn for tests that make many; and when such a run is cut short.

use std::time::Duration;

use fastrand::Rng;

use super::program::{Program, crawl, gleaner};
use crate::in_step::PAGE;

/// From start to start of `--every`, where a test ends it after the first sweep.
const EVERY: &str = "1s";
/// Without a request for this long, a run is near its end or waits for something.
const STILL: Duration = Duration::from_millis(12);

/// What a run is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The whole site.
    Full,
    /// The whole site, again and again.
    Every,
    /// So many items.
    Limit(usize),
    /// These pages of the list, from 1, both included.
    Pages(usize, usize),
    /// What was given up.
    Retry,
}

impl Kind {
    /// Half of all runs are of the whole site, once, so that sweeps come to their ends.
    pub fn drawn(rng: &mut Rng, listed: usize) -> Kind {
        match rng.u8(0..12) {
            0..6 => Kind::Full,
            6..8 => Kind::Every,
            _ => Kind::part(rng, listed),
        }
    }

    /// A run of a part of a site that lists so many items; in some cases the part is all there is.
    pub fn part(rng: &mut Rng, listed: usize) -> Kind {
        let pages = listed.div_ceil(PAGE).max(1);
        match rng.u8(0..8) {
            0 => Kind::Limit(2 * listed),
            1..3 => Kind::Limit(rng.usize(1..=listed.max(2) / 2)),
            3 => Kind::Pages(1, 2 * pages),
            4..6 => {
                // Where the list shrinks meanwhile, the first of them is still there.
                let first = rng.usize(1..=pages.saturating_sub(3).max(1));
                Kind::Pages(first, first + rng.usize(0..4))
            }
            _ => Kind::Retry,
        }
    }

    pub fn is_of_part(self) -> bool {
        matches!(self, Kind::Limit(_) | Kind::Pages(..) | Kind::Retry)
    }

    /// The run, of the site at `url` into `store`.
    pub fn program(self, url: &str, store: &str) -> Program {
        // While sweeps of a site that changes this fast are incomplete, any share of it may leave.
        let crawl = |more: &[&str]| crawl(url, store, more).args(&["--gone-limit", "100"]);
        match self {
            Kind::Full => crawl(&[]),
            Kind::Every => crawl(&["--every", EVERY]),
            Kind::Limit(items) => crawl(&["--limit", &items.to_string()]),
            Kind::Pages(first, last) => crawl(&["--pages", &format!("{first}..{last}")]),
            Kind::Retry => {
                gleaner(&["failures", "books", "--retry", "--base-url", url, "--store", store])
            }
        }
    }
}

/// When a run is cut short.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after its start: it opens the store, takes the lock, reads robots.txt.
    Early(Duration),
    /// Once it has made so many requests.
    Requests(u64),
    /// So long after its requests have ceased: it writes the last batch, marks what is gone, ends
    /// the sweep.
    Late(Duration),
}

/// How a run is cut short.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub moment: Moment,
    /// `KILL` or `TERM`.
    pub signal: &'static str,
}

impl Cut {
    /// One that fits a run which makes up to `requests` requests. One in six is a friendly one.
    pub fn drawn(rng: &mut Rng, requests: usize) -> Cut {
        let moment = match rng.u8(0..10) {
            0..2 => Moment::Early(Duration::from_millis(rng.u64(0..100))),
            2..7 => Moment::Requests(rng.u64(1..requests as u64)),
            _ => Moment::Late(Duration::from_millis(rng.u64(0..20))),
        };
        Cut { moment, signal: if rng.u8(0..6) == 0 { "TERM" } else { "KILL" } }
    }

    /// Whether it is due for a run that began so long ago, and has made so many requests, the last one
    /// so long ago.
    pub fn is_due(self, began: Duration, made: u64, last: Option<Duration>) -> bool {
        match self.moment {
            Moment::Early(after) => began >= after,
            Moment::Requests(most) => made >= most,
            Moment::Late(after) => last.is_some_and(|last| last >= STILL + after),
        }
    }
}
