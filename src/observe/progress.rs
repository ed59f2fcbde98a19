//! What a running crawl writes into its ledger entry with each heartbeat, so that other processes can
//! show it. Its size is bounded, whatever the site.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::report::{Index, Items, Requests, Writes, millis};
use crate::observe::metrics::Snapshot;

/// Maximum number of hosts.
const MOST_HOSTS: usize = 32;
/// Maximum number of problems: the last ones.
const MOST_PROBLEMS: usize = 5;
/// Maximum length of a text, in bytes.
const LONGEST: usize = 300;

/// A running crawl, as its last heartbeat showed it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time since the run began, in seconds.
    pub elapsed_s: f64,
    /// Requests per second since the heartbeat before.
    pub requests_per_s: f64,
    /// Items done per second since the heartbeat before.
    pub items_per_s: f64,
    /// Number of tasks that are known and not done.
    pub outstanding: u64,
    /// Counters of requests to the site.
    pub requests: Requests,
    /// Counters of the list.
    pub index: Index,
    /// Counters of the items, by result.
    pub items: Items,
    /// Counters of writes to the store.
    pub store: Writes,
    /// Hosts, the site's own first, then those with most tasks.
    pub hosts: Vec<HostLoad>,
    /// Number of further hosts.
    pub more_hosts: u64,
    /// The last problems, as sentences.
    pub problems: Vec<String>,
}

/// The load of a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostLoad {
    /// Host and port.
    pub name: Box<str>,
    /// Number of requests in flight.
    pub in_flight: u32,
    /// Maximum number of concurrent requests at present.
    pub limit: u32,
    /// Number of tasks that wait for the host.
    pub parked: u64,
    /// Time between two requests, in seconds, or `None` if none is set.
    pub interval_s: Option<f64>,
    /// Time until the end of a pause, in seconds, or `None` if there is none.
    pub wait_s: Option<f64>,
    /// Reason for the pause.
    pub why: Option<String>,
}

/// Makes one [`Progress`] after another, with the rates between them.
#[derive(Debug, Default)]
pub struct ProgressMeter {
    elapsed: Duration,
    requests: u64,
    settled: u64,
}

impl ProgressMeter {
    /// Returns the progress at `snapshot`. `outstanding` is the number of known tasks that are not
    /// done.
    pub fn read(
        &mut self,
        snapshot: Snapshot,
        outstanding: u64,
        hosts: Vec<HostLoad>,
        problems: Vec<String>,
    ) -> Progress {
        let seconds = snapshot.elapsed.saturating_sub(self.elapsed).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| millis(now.saturating_sub(before) as f64 / seconds);
        let (requests, settled) = (snapshot.requests.total, snapshot.settled());
        let rates = (rate(requests, self.requests), rate(settled, self.settled));
        *self = ProgressMeter { elapsed: snapshot.elapsed, requests, settled };
        let (hosts, more_hosts) = busiest(hosts);
        let first = problems.len().saturating_sub(MOST_PROBLEMS);
        Progress {
            elapsed_s: millis(snapshot.elapsed.as_secs_f64()),
            requests_per_s: rates.0,
            items_per_s: rates.1,
            outstanding,
            requests: snapshot.requests,
            index: snapshot.index,
            items: snapshot.items,
            store: snapshot.store,
            hosts,
            more_hosts,
            problems: problems.into_iter().skip(first).map(shortened).collect(),
        }
    }
}

/// Returns the site's own host, which is the first, and the others with most tasks; and the number
/// of hosts that are left out.
fn busiest(mut hosts: Vec<HostLoad>) -> (Vec<HostLoad>, u64) {
    if let Some(others) = hosts.get_mut(1..) {
        let tasks = |host: &HostLoad| u64::from(host.in_flight) + host.parked;
        others.sort_by(|a, b| tasks(b).cmp(&tasks(a)).then_with(|| a.name.cmp(&b.name)));
    }
    let more = hosts.len().saturating_sub(MOST_HOSTS) as u64;
    hosts.truncate(MOST_HOSTS);
    for host in &mut hosts {
        host.name = shortened(std::mem::take(&mut host.name).into()).into();
        host.why = host.why.take().map(shortened);
    }
    (hosts, more)
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Verdict;
    use crate::model::task::Done;
    use crate::observe::metrics::Metrics;

    fn host(name: &str, in_flight: u32, parked: u64) -> HostLoad {
        HostLoad { name: name.into(), in_flight, parked, ..HostLoad::default() }
    }

    #[test]
    fn rates_are_those_since_the_heartbeat_before() {
        let (metrics, mut meter) = (Metrics::new(), ProgressMeter::default());
        let mut after = |seconds| {
            let snapshot = Snapshot { elapsed: Duration::from_secs(seconds), ..metrics.snapshot() };
            let progress = meter.read(snapshot, 3, Vec::new(), Vec::new());
            (progress.requests_per_s, progress.items_per_s)
        };
        assert_eq!(after(2), (0.0, 0.0));
        (0..40).for_each(|_| metrics.sent());
        (0..10).for_each(|_| metrics.done(Done::Stored(Verdict::New), true));
        assert_eq!(after(4), (20.0, 5.0));
        assert_eq!(after(6), (0.0, 0.0));
    }

    #[test]
    fn a_progress_is_small_whatever_the_site() {
        let mut hosts = vec![host("home", 0, 0)];
        let long = "ß".repeat(10_000);
        hosts.extend((0..1_000).map(|at| HostLoad {
            why: Some(long.clone()),
            ..host(&format!("{at}.{long}"), 1, at)
        }));
        let problems = (0..100).map(|at| format!("{at} {long}")).collect();
        let snapshot = Metrics::new().snapshot();
        let progress = ProgressMeter::default().read(snapshot, 0, hosts, problems);
        assert_eq!((&*progress.hosts[0].name, progress.more_hosts), ("home", 1_001 - 32));
        assert_eq!(progress.hosts[1].parked, 999, "the busiest first");
        assert!(progress.problems[4].starts_with("99 "), "the last ones");
        let written = serde_json::to_string(&progress).unwrap();
        assert!(written.len() < 32 << 10, "{} bytes", written.len());
        assert_eq!(serde_json::from_str::<Progress>(&written).unwrap(), progress);
        let document = bson::serialize_to_document(&progress).unwrap();
        assert_eq!(bson::deserialize_from_document::<Progress>(document).unwrap(), progress);
    }
}
