//! What was asked for, resolved: no options left, only values.
//!
//! The command line makes these once, from flag, environment, site file and default in that
//! order. Nothing here knows where a value came from.

use std::time::Duration;

use crate::fetch::{ClientOptions, Header, Home, Manners};
use crate::secret::{Scrubber, Secret};
use crate::task::PageRange;

/// What a run begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The list.
    List,
    /// What is kept as failures, and nothing else.
    Failures,
}

/// Settings of a crawl.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the run begins with.
    pub begin: Begin,
    /// Most requests in flight.
    pub workers: usize,
    /// Most requests in flight at the start, before it is known what the site bears.
    pub at_first: usize,
    /// Whether there are fewer requests in flight while the site struggles.
    pub adaptive: bool,
    /// Most requests a second, of each host.
    pub rate: Option<f64>,
    /// Whether robots.txt is obeyed.
    pub robots: bool,
    /// Whether a new sweep begins, whatever could be gone on with.
    pub fresh: bool,
    /// Whether documents are replaced and the list's end is believed though the site seems to have
    /// changed.
    pub accept_changes: bool,
    /// Whether the site is told what the store has, so that it need not send it again.
    pub conditional: bool,
    /// What was fetched more recently is not asked for.
    pub max_age: Option<Duration>,
    /// Share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
    /// At most so many distinct items.
    pub limit: Option<u64>,
    /// Only these index pages.
    pub pages: Option<PageRange>,
    /// For a whole request.
    pub timeout: Duration,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Longest silence of the site.
    pub read_timeout: Duration,
    /// Further tries of a task.
    pub retries: u32,
    /// How long a site that cannot be reached any more is waited for.
    pub site_wait: Duration,
    /// How long a store that went away is waited for.
    pub store_wait: Duration,
    /// Refusals in a row before the site is taken to have blocked us.
    pub block_after: u32,
    /// Largest body, decoded, in bytes.
    pub max_body: usize,
    /// Taken in turn.
    pub user_agents: Vec<String>,
    /// Taken in turn; the system's where there are none.
    pub proxies: Vec<Secret>,
    /// Sent along.
    pub headers: Vec<Header>,
    /// Documents in one write, at most.
    pub batch: usize,
    /// Longest wait of a record for its batch.
    pub flush: Duration,
    /// For requests in flight at shutdown.
    pub grace: Duration,
    /// Hides the credentials of this run in whatever is said and kept of it, but for documents.
    pub scrubber: Scrubber,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            begin: Begin::List,
            workers: 16,
            at_first: AT_FIRST,
            adaptive: true,
            rate: None,
            robots: true,
            fresh: false,
            accept_changes: false,
            gone_limit: 20.0,
            conditional: true,
            max_age: None,
            limit: None,
            pages: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(15),
            retries: 4,
            site_wait: Duration::from_secs(600),
            store_wait: Duration::from_secs(600),
            block_after: 20,
            max_body: 32 << 20,
            user_agents: vec![concat!("gleaner/", env!("CARGO_PKG_VERSION")).to_owned()],
            proxies: Vec::new(),
            headers: Vec::new(),
            batch: 500,
            flush: Duration::from_millis(200),
            grace: Duration::from_secs(30),
            scrubber: Scrubber::default(),
        }
    }
}

/// Requests in flight at the start, unless more workers were asked for.
const AT_FIRST: usize = 8;
/// So many workers that were asked for start at once.
const MOST_AT_FIRST: usize = 16;
/// More workers help nobody.
pub const MOST_WORKERS: usize = 10_000;
/// What a rate is, in words.
pub const RATE_RULE: &str = "a number from 0.001 to 100000, such as 20 or 0.5";

/// Whether a number of requests a second is one that can be kept.
pub fn is_rate(rate: f64) -> bool {
    (0.001..=100_000.0).contains(&rate)
}

impl Settings {
    /// The same with so many workers, which were asked for: as many as may start at once.
    pub fn with_workers(self, workers: Option<usize>) -> Settings {
        match workers {
            None => self,
            Some(workers) => {
                let at_first = workers.clamp(AT_FIRST, MOST_AT_FIRST);
                Settings { workers, at_first, ..self }
            }
        }
    }

    /// Whether only a part of the site is asked for.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some() || self.pages.is_some() || self.begin == Begin::Failures
    }

    /// How hosts are asked. Of names that take turns the first is looked for in robots.txt.
    pub fn manners(&self) -> Manners {
        Manners {
            workers: u32::try_from(self.workers).unwrap_or(u32::MAX),
            adaptive: self.adaptive,
            rate: self.rate,
            robots: self.robots,
            user_agent: self.user_agents.first().cloned().unwrap_or_default(),
            retries: self.retries,
            block_after: self.block_after,
            site_wait: self.site_wait,
            at_first: u32::try_from(self.at_first).unwrap_or(u32::MAX),
        }
    }

    /// How requests are made.
    ///
    /// A site on this machine is not asked for through the system's proxy.
    pub fn client_options(&self, home: Home) -> ClientOptions {
        ClientOptions {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            max_body: self.max_body,
            user_agents: self.user_agents.clone(),
            proxies: self.proxies.clone(),
            system_proxy: !home.is_on_this_machine(),
            headers: self.headers.clone(),
            home,
            connect_clock: None,
        }
    }
}
