//! Before and after a crawl: what the site's hosts ask of crawlers, and what they bear.

use std::sync::Arc;

use tracing::info;

use super::Crawl;
use crate::error::CrawlError;
use crate::fetch::{Fetcher, Hosts};
use crate::problems::Problems;
use crate::secret::shown;
use crate::shutdown::Stage;

impl Crawl {
    /// Asks the site's own host what it asks of crawlers, unless the crawl is to stop before that is
    /// known.
    pub(super) async fn open_home(&self, hosts: Arc<Hosts>, fetcher: Arc<Fetcher>) {
        tokio::select! {
            biased;
            () = self.shutdown.reached(Stage::Draining) => {}
            _ = hosts.home().open(&fetcher) => {}
        }
    }

    /// What hosts asked for, and how many requests at once they bear.
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

/// Whether the site's own host has said what it asks of crawlers.
///
/// # Errors
/// Where it cannot be known.
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
