//! Reads robots.txt before a crawl, and reports what the site's hosts asked for after it.

use tracing::info;

use crate::engine::error::CrawlError;
use crate::fetch::{Fetcher, Hosts};
use crate::model::text::secret::shown;
use crate::observe::metrics::Snapshot;
use crate::observe::problems::Problems;

/// Share of requests by which redirects may grow without being reported again.
const MORE: f64 = 0.1;

/// Returns true if the robots.txt of the site's own host is known.
///
/// # Errors
/// Returns an error if it could not be read.
pub fn is_open(hosts: &Hosts) -> Result<bool, CrawlError> {
    match hosts.home().rules() {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => {
            let root = hosts.home().root();
            let url = root.join("/robots.txt").map_or_else(|_| shown(root), |url| shown(&url));
            Err(CrawlError::Robots { url, error: error.clone() })
        }
    }
}

/// Reports the delay that each host requested, and the concurrency that it allowed.
pub fn note_limits(hosts: &Hosts, problems: &Problems) {
    for host in hosts.all() {
        let name = host.root().host_str().unwrap_or_default();
        let is_home = hosts.home().root().host_str() == Some(name);
        let of = if is_home { String::new() } else { format!(" of {name}") };
        let asked = host.rules().and_then(|rules| rules.as_ref().ok()?.delay());
        if let Some((delay, is_capped)) = asked {
            let cap = if is_capped { ", which is as long as is granted" } else { "" };
            problems.note(format!("robots.txt{of} asks for {delay:?} between requests{cap}"));
        }
        if let Some(most) = host.bears() {
            info!(host = name, most, "the host allowed fewer concurrent requests than --workers");
        }
    }
}

/// Reports that requests were redirected, unless about as many were in the sweep before, by their share:
/// what is so each time was reported.
pub fn note_redirects(
    fetcher: &Fetcher,
    snapshot: &Snapshot,
    before: Option<f64>,
    problems: &Problems,
) {
    let share = snapshot.requests.redirected as f64 / snapshot.requests.total.max(1) as f64;
    if before.is_some_and(|before| before > 0.0 && share <= before + MORE) {
        return;
    }
    if let Some(first) = fetcher.first_redirect() {
        problems.note(format!(
            "{} of {} requests were redirected; a url in the site file that leads straight to the page avoids that. The first: {} to {}",
            snapshot.requests.redirected, snapshot.requests.total, first.from, first.to
        ));
    }
}
