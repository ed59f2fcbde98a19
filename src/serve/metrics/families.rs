//! The metrics of the store and of its sites. The table for users is in `docs/operations.md`.

use super::text::Text;
use crate::model::report::Report;
use crate::observe::progress::HostLoad;
use crate::serve::overview::{SiteStatus, by_result};
use crate::serve::tally::{Counts, OUTCOMES};
use crate::serve::watcher::Look;
use crate::store::FailureCounts;
use crate::sweep::expect::SiteState;

/// Maximum number of values of the labels `host`, `field` and `reason` of a site.
const MOST: usize = 32;
/// Classes of answers, in the order of [`Counts::answers`].
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "none"];
/// Verdicts, in the order of [`Counts::verdicts`].
const VERDICTS: [&str; 4] = ["new", "changed", "same", "gone"];
/// Quantiles, in the order of the latencies of a run.
const QUANTILES: [&str; 3] = ["0.5", "0.95", "0.99"];
const STATES: [SiteState; 6] = [
    SiteState::Failing,
    SiteState::Stale,
    SiteState::Suspect,
    SiteState::Incomplete,
    SiteState::Running,
    SiteState::Fine,
];

/// A site, its counts since the server started, and its failures by reason.
pub type Counted<'a> = (&'a SiteStatus, Counts, FailureCounts);

/// Adds the metrics of the store.
pub fn of_the_store(text: &mut Text, look: &Look) {
    text.family("gleaner_store_up", "gauge", "1 if the store could be read at the last look.");
    text.sample(&[], flag(look.trouble.is_none()));
    text.family("gleaner_store_read_duration_seconds", "gauge", "Time that the last look took.");
    text.sample(&[], look.took.as_secs_f64());
    if let Some(overview) = &look.overview {
        let help = "Time of the last look at which the store could be read.";
        text.family("gleaner_store_last_read_timestamp_seconds", "gauge", help);
        text.sample(&[], overview.at.as_millisecond() as f64 / 1e3);
    }
}

/// Adds the metrics of all sites.
pub fn of_sites(text: &mut Text, sites: &[Counted<'_>]) {
    states(text, sites);
    sweeps(text, sites);
    items(text, sites);
    requests(text, sites);
    fields(text, sites);
    failures(text, sites);
    hosts(text, sites);
}

/// Adds a family with any number of samples of each site; each sample has further labels.
fn family<'a>(
    text: &mut Text,
    (name, kind, help): (&'static str, &str, &str),
    sites: &'a [Counted<'a>],
    samples: impl Fn(&'a Counted<'a>) -> Vec<(Vec<(&'static str, &'a str)>, f64)>,
) {
    text.family(name, kind, help);
    for counted in sites {
        let id = &counted.0.id;
        for (more, value) in samples(counted) {
            let mut labels = vec![("site", &*id.site), ("collection", &*id.collection)];
            labels.extend(more);
            text.sample(&labels, value);
        }
    }
}

fn states(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "1 for the state that the site is in, 0 for the others.";
    family(text, ("gleaner_site_state", "gauge", help), sites, |(site, ..)| {
        let one = |state: &SiteState| (vec![("state", state.name())], flag(site.state == *state));
        STATES.iter().map(one).collect()
    });
    let help = "Number of alerts of a rule that fire.";
    family(text, ("gleaner_site_alerts", "gauge", help), sites, |(site, ..)| {
        let mut rules: Vec<&str> = site.alerts.iter().map(|alert| alert.rule.name()).collect();
        rules.sort_unstable();
        rules.dedup();
        let number = |rule: &str| site.alerts.iter().filter(|it| it.rule.name() == rule).count();
        rules.into_iter().map(|rule| (vec![("rule", rule)], number(rule) as f64)).collect()
    });
}

fn sweeps(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "End of the last complete sweep over the whole site.";
    let name = "gleaner_sweep_last_complete_timestamp_seconds";
    family(text, (name, "gauge", help), sites, |(site, ..)| {
        let last = site.last_complete.as_ref().and_then(|row| row.ended_at);
        last.map(|at| (Vec::new(), at.as_millisecond() as f64 / 1e3)).into_iter().collect()
    });
    let help = "Duration of the last complete sweep over the whole site.";
    family(text, ("gleaner_sweep_last_duration_seconds", "gauge", help), sites, |(site, ..)| {
        let took = site.last_complete.as_ref().and_then(|row| row.took_s());
        took.map(|took| (Vec::new(), took)).into_iter().collect()
    });
    let help = "1 if a sweep runs.";
    family(text, ("gleaner_sweep_running", "gauge", help), sites, |(site, ..)| {
        vec![(Vec::new(), flag(site.running.is_some()))]
    });
    let help = "Sweeps that ended since this server started.";
    family(text, ("gleaner_sweeps_total", "counter", help), sites, |(_, counts, _)| {
        let names = ["complete", "incomplete", "interrupted", "failed"];
        let numbers = names.into_iter().zip(counts.outcomes).take(OUTCOMES.len());
        numbers.map(|(name, number)| (vec![("outcome", name)], number as f64)).collect()
    });
}

fn items(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "Items of the last complete sweep over the whole site, by result.";
    family(text, ("gleaner_items", "gauge", help), sites, |(site, ..)| {
        let items = site.last_complete.as_ref().and_then(|row| row.items.as_ref());
        let results = items.into_iter().flat_map(by_result);
        results.map(|(name, number)| (vec![("state", name)], number as f64)).collect()
    });
    let help = "Items that the last complete sweep over the whole site listed.";
    family(text, ("gleaner_items_listed", "gauge", help), sites, |(site, ..)| {
        let listed = site.last_complete.as_ref().and_then(|row| row.listed);
        listed.map(|listed| (Vec::new(), listed as f64)).into_iter().collect()
    });
    let help = "Items by verdict since this server started.";
    family(text, ("gleaner_items_total", "counter", help), sites, |(_, counts, _)| {
        let verdicts = VERDICTS.into_iter().zip(counts.verdicts);
        verdicts.map(|(name, number)| (vec![("verdict", name)], number as f64)).collect()
    });
}

fn requests(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "Requests to the site by class of answer since this server started.";
    family(text, ("gleaner_requests_total", "counter", help), sites, |(_, counts, _)| {
        let classes = CLASSES.into_iter().zip(counts.answers);
        classes.map(|(name, number)| (vec![("class", name)], number as f64)).collect()
    });
    let help = "Time from a request to the end of its body in the last run.";
    family(text, ("gleaner_request_duration_seconds", "summary", help), sites, |(site, ..)| {
        let latencies = site.runs.first().map(|run| run.latencies_ms).unwrap_or_default();
        let quantiles = QUANTILES.into_iter().zip(latencies);
        quantiles.map(|(name, millis)| (vec![("quantile", name)], millis / 1e3)).collect()
    });
}

fn fields(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "Share of pages that had a field in the last sweep over the whole site.";
    family(text, ("gleaner_field_found_ratio", "gauge", help), sites, |(site, ..)| {
        let fields = site.report.iter().flat_map(|report: &Report| &report.baseline.fields);
        let read = fields.filter(|(_, coverage)| coverage.pages > 0).take(MOST);
        let share = read.map(|(name, coverage)| {
            (vec![("field", &**name)], coverage.found as f64 / coverage.pages as f64)
        });
        share.collect()
    });
}

fn failures(text: &mut Text, sites: &[Counted<'_>]) {
    let help = "Pages that failed and were not read since.";
    family(text, ("gleaner_failures", "gauge", help), sites, |(_, _, failures)| {
        let reasons = failures.iter().take(MOST);
        reasons.map(|(reason, number)| (vec![("reason", &**reason)], *number as f64)).collect()
    });
}

/// Returns a value of a host of a running sweep.
type OfHost = fn(&HostLoad) -> f64;

fn hosts(text: &mut Text, sites: &[Counted<'_>]) {
    let families: [(&'static str, &str, OfHost); 4] = [
        ("gleaner_host_in_flight", "Requests in flight.", |host| f64::from(host.in_flight)),
        ("gleaner_host_limit", "Maximum number of concurrent requests.", |host| {
            f64::from(host.limit)
        }),
        ("gleaner_host_waiting_tasks", "Tasks that wait for the host.", |host| host.parked as f64),
        ("gleaner_host_wait_seconds", "Time until the end of a pause.", |host| {
            host.wait_s.unwrap_or(0.0)
        }),
    ];
    for (name, help, value) in families {
        family(text, (name, "gauge", help), sites, |(site, ..)| {
            let progress = site.running.as_ref().and_then(|running| running.progress.as_ref());
            let hosts = progress.into_iter().flat_map(|progress| &progress.hosts).take(MOST);
            hosts.map(|host| (vec![("host", &*host.name)], value(host))).collect()
        });
    }
}

fn flag(is_set: bool) -> f64 {
    if is_set { 1.0 } else { 0.0 }
}
