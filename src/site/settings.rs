//! The resolved settings of a crawl: plain values.
//!
//! The command line creates them once, from flag, environment, site file and default, in that
//! order. Nothing here knows where a value came from.

use std::time::Duration;

use crate::fetch::{ClientOptions, Header, Home, HostPolicy};
use crate::model::task::PageRange;
use crate::text::secret::{Scrubber, Secret};

/// The first tasks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The list.
    List,
    /// Only retries of the stored failures.
    Failures,
}

/// Settings of a crawl.
#[derive(Debug, Clone)]
pub struct Settings {
    /// First tasks of the run.
    pub begin: Begin,
    /// Maximum number of concurrent requests.
    pub workers: usize,
    /// Maximum number of concurrent requests at the start, before it is known what the site can
    /// take.
    pub at_first: usize,
    /// True if concurrency is reduced while the site struggles.
    pub adaptive: bool,
    /// Maximum number of requests per second to each host, or `None` for no limit.
    pub rate: Option<f64>,
    /// True if robots.txt is obeyed.
    pub robots: bool,
    /// True if a new sweep is started instead of resuming an unfinished one.
    pub fresh: bool,
    /// True to replace documents and to trust the end of the list, even if the site seems to have
    /// changed.
    pub accept_changes: bool,
    /// True if requests are conditional: the site need not send again what the store has.
    pub conditional: bool,
    /// Age below which an item is not requested again.
    pub max_age: Option<Duration>,
    /// Maximum share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
    /// Maximum number of distinct items, or `None` for no limit.
    pub limit: Option<u64>,
    /// Range of index pages to read, or `None` for all.
    pub pages: Option<PageRange>,
    /// Timeout of a whole request.
    pub timeout: Duration,
    /// Timeout of connecting.
    pub connect_timeout: Duration,
    /// Timeout of each read: maximum time without a byte from the site.
    pub read_timeout: Duration,
    /// Maximum number of retries of a task.
    pub retries: u32,
    /// Maximum wait for a site that has become unreachable.
    pub site_wait: Duration,
    /// Maximum wait for a store that has become unavailable.
    pub store_wait: Duration,
    /// Number of consecutive refusals after which the site counts as blocking the crawl.
    pub block_after: u32,
    /// Maximum size of a body, decoded, in bytes.
    pub max_body: usize,
    /// User-Agent headers, used in rotation.
    pub user_agents: Vec<String>,
    /// Proxies, used in rotation; the system's proxy if there are none.
    pub proxies: Vec<Secret>,
    /// Headers added to each request.
    pub headers: Vec<Header>,
    /// Maximum number of documents in one write.
    pub batch: usize,
    /// Maximum time that a record waits for its batch.
    pub flush: Duration,
    /// Time for in-flight requests to finish at shutdown.
    pub grace: Duration,
    /// Hides the credentials of this run in all output and stored texts, except documents.
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

/// Number of concurrent requests at the start, unless the number of workers is set.
const AT_FIRST: usize = 8;
/// Maximum number of concurrent requests at the start, if the number of workers is set.
const MOST_AT_FIRST: usize = 16;
/// Maximum number of workers; more have no benefit.
pub const MOST_WORKERS: usize = 10_000;
/// Description of a valid rate, for messages.
pub const RATE_RULE: &str = "a number from 0.001 to 100000, such as 20 or 0.5";

/// Returns true if a number of requests per second is valid.
pub fn is_rate(rate: f64) -> bool {
    (0.001..=100_000.0).contains(&rate)
}

impl Settings {
    /// Returns the settings with this number of workers, and sets the concurrency at the start to
    /// match.
    pub fn with_workers(self, workers: Option<usize>) -> Settings {
        match workers {
            None => self,
            Some(workers) => {
                let at_first = workers.clamp(AT_FIRST, MOST_AT_FIRST);
                Settings { workers, at_first, ..self }
            }
        }
    }

    /// Returns true if the run covers only a part of the site.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some() || self.pages.is_some() || self.begin == Begin::Failures
    }

    /// Returns the policy for hosts. If User-Agents rotate, the first one is used for robots.txt.
    pub fn host_policy(&self) -> HostPolicy {
        HostPolicy {
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

    /// Returns the options of the HTTP client.
    ///
    /// A site on this machine is not requested through the system's proxy.
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
