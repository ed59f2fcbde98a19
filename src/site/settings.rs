//! The resolved settings of a crawl: plain values.
//!
//! The command line creates them once, from flag, environment, site file and default, in that
//! order. Nothing here knows where a value came from.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Site;
use super::session::Session;
use super::variable::Missing;
use crate::fetch::{ClientOptions, Header, Home, HostPolicy};
use crate::model::task::PageRange;
use crate::model::text::secret::{Scrubber, Secret};
use crate::store::files::Files;
use crate::sweep::calendar::Schedule;
use crate::sweep::expect::Expectations;

/// Settings of a crawl.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Part of the site to crawl.
    pub scope: ScopeSettings,
    /// Comparison of the site with what the store has.
    pub refresh: RefreshSettings,
    /// Concurrency, rate and retries of requests to the site.
    pub pace: PaceSettings,
    /// Requests: timeouts, sizes and headers.
    pub client: ClientSettings,
    /// Writes to the store.
    pub store: StoreSettings,
    /// Expectations of the sweep, for its ledger entry.
    pub expect: Expectations,
    /// Files that items name.
    pub files: FileSettings,
    /// Time for in-flight requests to finish at shutdown.
    pub grace: Duration,
    /// Hides the credentials of this run in all output and stored texts, except documents.
    pub scrubber: Scrubber,
}

/// The first tasks of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Begin {
    /// The list.
    #[default]
    List,
    /// Only retries of the stored failures.
    Failures,
}

/// Part of the site to crawl.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScopeSettings {
    /// First tasks of the run.
    pub begin: Begin,
    /// True if a new sweep is started instead of resuming an unfinished one.
    pub fresh: bool,
    /// Make the sweep full, even if the site file lets it list only what changed.
    pub full: bool,
    /// Maximum number of distinct items, or `None` for no limit.
    pub limit: Option<u64>,
    /// Range of index pages to read, or `None` for all.
    pub pages: Option<PageRange>,
}

/// Comparison of the site with what the store has.
#[derive(Debug, Clone, Copy)]
pub struct RefreshSettings {
    /// True if requests are conditional: the site need not send again what the store has.
    pub conditional: bool,
    /// Age below which an item is not requested again, or `None` to request every item.
    pub max_age: Option<Duration>,
    /// True to replace documents and to trust the end of the list, even if the site seems to have
    /// changed.
    pub accept_changes: bool,
    /// Maximum share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
}

/// Concurrency, rate and retries of requests to the site.
#[derive(Debug, Clone, Copy)]
pub struct PaceSettings {
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
    /// Maximum number of retries of a task.
    pub retries: u32,
    /// Maximum wait for a site that has become unreachable.
    pub site_wait: Duration,
    /// Number of consecutive refusals after which the site counts as blocking the crawl.
    pub block_after: u32,
}

/// Requests: timeouts, sizes and headers.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Timeout of a whole request.
    pub timeout: Duration,
    /// Timeout of connecting.
    pub connect_timeout: Duration,
    /// Timeout of each read: maximum time without a byte from the site.
    pub read_timeout: Duration,
    /// Maximum size of a body, decoded, in bytes.
    pub max_body: usize,
    /// User-Agent headers, used in rotation.
    pub user_agents: Vec<String>,
    /// Proxies, used in rotation; the system's proxy if there are none.
    pub proxies: Vec<Secret>,
    /// Headers added to each request.
    pub headers: Vec<Header>,
}

/// Writes to the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// Maximum number of documents in one write.
    pub batch: usize,
    /// Maximum time that a record waits for its batch.
    pub flush: Duration,
    /// Maximum wait for a store that has become unavailable.
    pub wait: Duration,
}

/// Files that items name.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Folder in which to store them, or `None` if none was given.
    pub folder: Option<PathBuf>,
    /// Maximum number of files of one item.
    pub most: usize,
}

impl FileSettings {
    /// Opens the folder, or returns `None` if items of `site` name no files.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created or written to.
    pub fn open(&self, site: &Site) -> io::Result<Option<Files>> {
        self.folder.as_deref().filter(|_| site.has_files()).map(Files::open).transpose()
    }
}

impl Default for FileSettings {
    fn default() -> FileSettings {
        FileSettings { folder: None, most: 100 }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            scope: ScopeSettings::default(),
            refresh: RefreshSettings::default(),
            pace: PaceSettings::default(),
            client: ClientSettings::default(),
            store: StoreSettings::default(),
            expect: Expectations::default(),
            files: FileSettings::default(),
            grace: Duration::from_secs(30),
            scrubber: Scrubber::default(),
        }
    }
}

impl Default for RefreshSettings {
    fn default() -> RefreshSettings {
        RefreshSettings {
            conditional: true,
            max_age: None,
            accept_changes: false,
            gone_limit: 20.0,
        }
    }
}

impl Default for PaceSettings {
    fn default() -> PaceSettings {
        PaceSettings {
            workers: 16,
            at_first: AT_FIRST,
            adaptive: true,
            rate: None,
            robots: true,
            retries: 4,
            site_wait: Duration::from_secs(600),
            block_after: 20,
        }
    }
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(15),
            max_body: 32 << 20,
            user_agents: vec![concat!("gleaner/", env!("CARGO_PKG_VERSION")).to_owned()],
            proxies: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings {
            batch: 500,
            flush: Duration::from_millis(200),
            wait: Duration::from_secs(600),
        }
    }
}

/// Settings of a crawl that a site file makes. Flags and variables override them.
#[derive(Debug, Clone, Default)]
pub struct OwnSettings {
    /// Maximum concurrent requests, or `None` if the file does not set it.
    pub workers: Option<usize>,
    /// Maximum requests per second, or `None` if the file does not set it.
    pub rate: Option<f64>,
    /// True if robots.txt is obeyed, or `None` if the file does not set it.
    pub robots: Option<bool>,
    /// User-Agent headers to rotate; empty if the file does not set them.
    pub user_agents: Vec<String>,
    /// Login, and what requests to the site's own origin carry.
    pub session: Option<Session>,
    /// Expectations of each sweep.
    pub expect: Expectations,
    /// Times at which `gleaner serve` starts sweeps, or `None` if it starts none.
    pub schedule: Option<Schedule>,
    /// First variable that the file names and that is not set.
    pub(super) missing: Option<Missing>,
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

impl PaceSettings {
    /// Returns the settings with this number of workers, and sets the concurrency at the start to
    /// match.
    pub fn with_workers(self, workers: Option<usize>) -> PaceSettings {
        match workers {
            None => self,
            Some(workers) => {
                let at_first = workers.clamp(AT_FIRST, MOST_AT_FIRST);
                PaceSettings { workers, at_first, ..self }
            }
        }
    }
}

impl Settings {
    /// Returns the settings after a change.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Settings {
        change(&mut self);
        self
    }

    /// Returns true if the run covers only a part of the site.
    pub fn is_limited(&self) -> bool {
        let ScopeSettings { begin, fresh: _, full: _, limit, pages } = self.scope;
        limit.is_some() || pages.is_some() || begin == Begin::Failures
    }

    /// Returns the policy for hosts. If User-Agents rotate, the first one is used for robots.txt.
    pub fn host_policy(&self) -> HostPolicy {
        let pace = self.pace;
        HostPolicy {
            workers: u32::try_from(pace.workers).unwrap_or(u32::MAX),
            adaptive: pace.adaptive,
            rate: pace.rate,
            robots: pace.robots,
            user_agent: self.client.user_agents.first().cloned().unwrap_or_default(),
            retries: pace.retries,
            block_after: pace.block_after,
            site_wait: pace.site_wait,
            at_first: u32::try_from(pace.at_first).unwrap_or(u32::MAX),
        }
    }

    /// Returns the options of the HTTP client.
    ///
    /// A site on this machine is not requested through the system's proxy.
    pub fn client_options(&self, home: Home) -> ClientOptions {
        let client = &self.client;
        ClientOptions {
            timeout: client.timeout,
            connect_timeout: client.connect_timeout,
            read_timeout: client.read_timeout,
            max_body: client.max_body,
            user_agents: client.user_agents.clone(),
            proxies: client.proxies.clone(),
            system_proxy: !home.is_on_this_machine(),
            headers: client.headers.clone(),
            home,
            connect_clock: None,
        }
    }
}
