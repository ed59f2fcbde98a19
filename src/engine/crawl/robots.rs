//! Reads robots.txt before a crawl, and reports the limits of the site's hosts after it.

use std::sync::Arc;

use tracing::info;

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::fetch::{Fetcher, Hosts};
use crate::observe::problems::Problems;
use crate::text::secret::shown;

impl Crawl {
    /// Reads the robots.txt of the site's own host, unless a shutdown is requested first.
    pub(super) async fn open_home(&self, hosts: Arc<Hosts>, fetcher: Arc<Fetcher>) {
        tokio::select! {
            biased;
            _ = self.shutdown.requested() => {}
            _ = hosts.home().open(&fetcher) => {}
        }
    }

    /// Reports the delay that each host asked for, and how many concurrent requests it allowed.
    pub(super) fn note_hosts(&self, hosts: &Hosts, problems: &Problems) {
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
                info!(
                    host = name,
                    most, "the host allowed fewer concurrent requests than --workers"
                );
            }
        }
    }
}

/// Returns true if the robots.txt of the site's own host is known.
///
/// # Errors
/// Returns an error if it could not be read.
pub(super) fn is_open(hosts: &Hosts) -> Result<bool, CrawlError> {
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
