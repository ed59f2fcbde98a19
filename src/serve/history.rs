//! The course of running sweeps, as far as this server saw it: the ledger keeps only the last
//! heartbeat.

use std::collections::HashMap;

use super::overview::Overview;
use crate::observe::progress::Progress;

/// Number of moments of a sweep at which half of them are dropped.
const MOST: usize = 400;

/// A running sweep at one of its heartbeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Time since the run began, in seconds.
    pub elapsed_s: f64,
    /// Requests per second.
    pub requests_per_s: f64,
    /// Items done per second.
    pub items_per_s: f64,
    /// Median time of a request since the start, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of that time, in milliseconds.
    pub p95_ms: f64,
}

/// The moments of each sweep that runs.
#[derive(Debug, Default)]
pub struct History(HashMap<Box<str>, Vec<Moment>>);

impl History {
    /// Adds what an overview shows, and forgets sweeps that run no more.
    pub fn add(&mut self, overview: &Overview) {
        let running: Vec<_> = overview.sites.iter().filter_map(|it| it.running.as_ref()).collect();
        self.0.retain(|sweep, _| running.iter().any(|it| it.sweep == *sweep));
        for running in running {
            let Some(progress) = &running.progress else { continue };
            let moments = self.0.entry(running.sweep.clone()).or_default();
            add(moments, Moment::of(progress));
        }
    }

    /// Returns the moments of a sweep, the oldest first.
    pub fn of(&self, sweep: &str) -> Vec<Moment> {
        self.0.get(sweep).cloned().unwrap_or_default()
    }
}

impl Moment {
    fn of(progress: &Progress) -> Moment {
        let Progress { elapsed_s, requests_per_s, items_per_s, requests, .. } = progress;
        Moment {
            elapsed_s: *elapsed_s,
            requests_per_s: *requests_per_s,
            items_per_s: *items_per_s,
            p50_ms: requests.p50_ms,
            p95_ms: requests.p95_ms,
        }
    }
}

fn add(moments: &mut Vec<Moment>, moment: Moment) {
    match moments.last() {
        // The same heartbeat, seen again.
        Some(last) if last.elapsed_s == moment.elapsed_s => return,
        // A new run of the sweep.
        Some(last) if last.elapsed_s > moment.elapsed_s => moments.clear(),
        _ => {}
    }
    moments.push(moment);
    if moments.len() >= MOST {
        let mut place = 0;
        moments.retain(|_| {
            place += 1;
            place % 2 == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(elapsed_s: f64) -> Moment {
        Moment { elapsed_s, requests_per_s: 1.0, items_per_s: 1.0, p50_ms: 1.0, p95_ms: 1.0 }
    }

    #[test]
    fn a_heartbeat_is_kept_once_a_new_run_begins_anew_and_a_long_one_is_thinned_out() {
        let mut moments = Vec::new();
        for at in [2.0, 2.0, 4.0, 4.0] {
            add(&mut moments, moment(at));
        }
        assert_eq!(moments, [moment(2.0), moment(4.0)]);
        add(&mut moments, moment(1.0));
        assert_eq!(moments, [moment(1.0)]);
        (2..100_000).for_each(|at| add(&mut moments, moment(f64::from(at))));
        assert!((MOST / 2 - 1..MOST).contains(&moments.len()), "{}", moments.len());
        assert_eq!(moments.last(), Some(&moment(99_999.0)));
    }
}
