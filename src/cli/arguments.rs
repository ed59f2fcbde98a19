//! Crawl settings as flags and environment variables, and their resolution: flag, then variable,
//! then site file, then default.
//!
//! No default here is clap's: a setting that was not given stays `None` until it is resolved.
//! Values that may hold credentials are parsed as plain text and checked here, because clap would
//! quote them in its errors.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::client::ClientArgs;
use super::exit::Exit;
use super::holdings::HoldingsArgs;
use super::overrides::{at_base_url, at_page_size, in_collection, store_url};
use super::usage::wrong;
use super::values;
use crate::model::task::PageRange;
use crate::site::Site;
use crate::site::settings::{
    FileSettings, PaceSettings, RefreshSettings, ScopeSettings, Settings, StoreSettings,
};
use crate::store::StoreUrl;
use crate::store::files::Files;
use crate::sweep::expect::Expectations;

/// How to request pages and where to store items: settings of every command that crawls.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Store URL: mongodb://HOST/DATABASE, sqlite:PATH, jsonl:PATH or jsonl:-
    #[arg(long, env = "GLEANER_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Maximum concurrent requests
    ///
    /// A crawl starts with 8, or with up to 16 if this is set. At most 10000, and no more than the
    /// limit on open files allows (the soft limit is raised to the hard limit).
    #[arg(long, env = "GLEANER_WORKERS", value_name = "N", value_parser = values::workers)]
    workers: Option<usize>,

    /// Lower concurrency while the site is overloaded
    #[arg(long, env = "GLEANER_ADAPTIVE", value_name = "ON|OFF")]
    adaptive: Option<Switch>,

    /// Maximum requests per second and host, such as 20 or 0.5
    ///
    /// There are no bursts after a pause.
    #[arg(long, env = "GLEANER_RATE", value_name = "R", value_parser = values::rate)]
    rate: Option<f64>,

    /// Obey robots.txt
    ///
    /// This includes Crawl-delay, up to 60 s.
    #[arg(long, env = "GLEANER_ROBOTS", value_name = "ON|OFF")]
    robots: Option<Switch>,

    /// Send conditional requests (ETag, Last-Modified)
    ///
    /// With off, revisions in the list are ignored, too.
    #[arg(long, env = "GLEANER_CONDITIONAL", value_name = "ON|OFF")]
    conditional: Option<Switch>,

    /// Base URL of another copy of the site
    #[arg(long, env = "GLEANER_BASE_URL", value_name = "URL", hide_env_values = true)]
    pub base_url: Option<String>,

    /// Collection or table to store in; not with several sites
    #[arg(long, env = "GLEANER_COLLECTION", value_name = "NAME")]
    pub collection: Option<String>,

    /// Items to request per page of the list
    #[arg(long, env = "GLEANER_PAGE_SIZE", value_name = "N", value_parser = values::count)]
    page_size: Option<u64>,

    /// Site whose items may be the seeds of the crawled one: its name, or the path of its site file
    ///
    /// Not needed for a site that is crawled by the same command. A site file may come from somebody
    /// else, and seeds are sent to its site. Can be repeated.
    #[arg(long, env = "GLEANER_ALLOW_SEEDS", value_name = "SITE", value_delimiter = ',')]
    pub allow_seeds: Vec<String>,

    #[command(flatten)]
    client: ClientArgs,

    /// Retries of a failed request, with exponential backoff
    ///
    /// The delays are random: up to 0.5 s, 1 s, 2 s, …, 60 s. A wait that the site requests
    /// (Retry-After, up to 10 min) is not a retry, unless one page requests it more than five times
    /// while others get through.
    #[arg(long, env = "GLEANER_RETRIES", value_name = "N")]
    retries: Option<u32>,

    /// How long to wait for a site that becomes unreachable after its first page
    ///
    /// Retries do not count during this wait.
    #[arg(long, env = "GLEANER_SITE_WAIT", value_name = "D", value_parser = values::duration)]
    site_wait: Option<Duration>,

    /// How long to wait for a store that becomes unavailable
    #[arg(long, env = "GLEANER_STORE_WAIT", value_name = "D", value_parser = values::duration)]
    store_wait: Option<Duration>,

    /// Consecutive refusals of list pages or of items after which the run ends as blocked
    ///
    /// Refusals are the statuses 403 and 429 and unexpected pages. Two minutes of nothing but
    /// refusals end the run, too.
    #[arg(long, env = "GLEANER_BLOCK_AFTER", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    block_after: Option<u32>,

    /// Folder for the files that items name; needed if the site file has [detail.files]
    ///
    /// Each file is stored once, under the SHA-256 of its content. It is created if needed.
    #[arg(long, env = "GLEANER_FILES", value_name = "DIR")]
    pub files: Option<PathBuf>,

    /// Maximum number of files of one item; an item with more is a failure
    #[arg(long, env = "GLEANER_MAX_FILES", value_name = "N", value_parser = values::count)]
    max_files: Option<u64>,

    /// Maximum documents per write
    #[arg(long, env = "GLEANER_BATCH", value_name = "N", value_parser = values::batch)]
    batch: Option<usize>,

    /// Maximum time a document waits for its batch to fill
    #[arg(long, env = "GLEANER_FLUSH", value_name = "D", value_parser = values::flush)]
    flush: Option<Duration>,

    /// Time to finish in-flight requests on shutdown
    #[arg(long, env = "GLEANER_GRACE", value_name = "D", value_parser = values::duration)]
    grace: Option<Duration>,

    /// Write the report as JSON to PATH; - is standard output
    #[arg(long, env = "GLEANER_REPORT", value_name = "PATH")]
    pub report: Option<PathBuf>,

    /// Log format; RUST_LOG sets the level
    #[arg(long, env = "GLEANER_LOG_FORMAT", value_name = "FORM")]
    pub log_format: Option<LogFormat>,

    /// Append the log to PATH
    ///
    /// The file is reopened on SIGHUP, and if it was renamed or deleted.
    #[arg(long, env = "GLEANER_LOG_FILE", value_name = "PATH")]
    pub log_file: Option<PathBuf>,

    /// Progress display
    #[arg(long, env = "GLEANER_PROGRESS", value_name = "WHEN")]
    pub progress: Option<Progress>,
}

/// Part of a site to crawl, and when to crawl it: settings of a crawl that goes through the list.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Start a new sweep instead of resuming an unfinished one
    #[arg(long, env = "GLEANER_FRESH", value_parser = FalseyValueParser::new())]
    fresh: bool,

    /// Make a full sweep now, although the site file lets it list only what changed
    #[arg(long, env = "GLEANER_FULL", value_parser = FalseyValueParser::new())]
    full: bool,

    /// Adopt a MongoDB collection that another program filled; needed once
    ///
    /// Documents with the key of an item are replaced by the site's.
    #[arg(long, env = "GLEANER_ADOPT", value_parser = FalseyValueParser::new())]
    pub adopt: bool,

    /// Proceed although the site looks redesigned or its list ends early
    #[arg(long, env = "GLEANER_ACCEPT_CHANGES", value_parser = FalseyValueParser::new())]
    accept_changes: bool,

    /// Skip items fetched within this time, such as 12h
    #[arg(long, env = "GLEANER_MAX_AGE", value_name = "D", value_parser = values::duration)]
    max_age: Option<Duration>,

    /// Maximum share of stored items to mark as gone in one sweep, in percent
    #[arg(long, env = "GLEANER_GONE_LIMIT", value_name = "PCT", value_parser = values::percent)]
    gone_limit: Option<f64>,

    /// Stop after N distinct items
    #[arg(long, env = "GLEANER_LIMIT", value_name = "N", value_parser = values::count)]
    limit: Option<u64>,

    /// Crawl only these pages of the list, counted from 1, inclusive
    #[arg(long, env = "GLEANER_PAGES", value_name = "A..B")]
    pages: Option<PageRange>,

    /// Repeat the crawl at this interval, measured from start to start, such as 6h
    #[arg(long, env = "GLEANER_EVERY", value_name = "D", value_parser = values::every)]
    pub every: Option<Duration>,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Value of a setting that can be on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// Returns true for `on`.
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

/// When to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Progress {
    /// A status line on a terminal, a log line every 10 s elsewhere.
    #[default]
    Auto,
    /// A status line on a terminal, a line every second elsewhere.
    On,
    /// No progress.
    Off,
}

impl RunArgs {
    /// Returns the URL of the store, or `default` if none was given.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the URL is not usable.
    pub fn store(&self, default: &str) -> Result<StoreUrl, Exit> {
        let url = store_url(self.store.as_deref().unwrap_or(default))?;
        let to_stdout = url == StoreUrl::JsonLines(None);
        if to_stdout && self.report_to_stdout() {
            let message = "jsonl:- and --report - would both write to standard output";
            return Err(wrong("--store", "GLEANER_STORE", message));
        }
        Ok(url)
    }

    /// Returns the arguments for reading what the store holds of `site`.
    pub fn holdings(&self, site: &str) -> HoldingsArgs {
        HoldingsArgs::of(site.to_owned(), self.store.clone(), self.collection.clone())
    }

    /// Returns the arguments without the base URL and the proxies, for a site on this machine.
    pub fn on_this_machine(self) -> RunArgs {
        RunArgs { base_url: None, client: self.client.without_proxy(), ..self }
    }

    /// Returns true if the report goes to standard output.
    pub fn report_to_stdout(&self) -> bool {
        self.report.as_deref().is_some_and(|path| path.as_os_str() == "-")
    }

    /// Returns `site` with the overrides of the arguments: base URL, collection, page size.
    ///
    /// # Errors
    /// Returns the exit code, after printing which argument is wrong.
    pub fn apply(&self, site: Site) -> Result<Site, Exit> {
        let site = at_base_url(site, self.base_url.as_deref())?;
        let site = in_collection(site, self.collection.as_deref())?;
        at_page_size(site, self.page_size)
    }

    /// Checks that there is a folder for the files that items of `site` name.
    ///
    /// # Errors
    /// Returns the exit code, after printing what is wrong with the folder.
    pub fn check_files(&self, site: &Site) -> Result<(), Exit> {
        let said = match self.files.as_deref() {
            _ if !site.has_files() => return Ok(()),
            None => "missing: the site file has [detail.files]; give a folder for them".to_owned(),
            Some(folder) => match Files::open(folder) {
                Ok(_) => return Ok(()),
                Err(error) => format!("{}: {error}", folder.display()),
            },
        };
        Err(wrong("--files", "GLEANER_FILES", &said))
    }

    /// Resolves the settings for a crawl of `site`: arguments first, then the site file, then
    /// defaults.
    ///
    /// # Errors
    /// Returns the exit code, after printing which argument is wrong.
    pub fn settings(&self, site: &Site) -> Result<Settings, Exit> {
        let default = site.settings();
        let Settings { refresh, store, .. } = default;
        let pace = default.pace.with_workers(self.workers);
        self.client.apply(Settings {
            refresh: RefreshSettings {
                conditional: self.conditional.map_or(refresh.conditional, Switch::is_on),
                ..refresh
            },
            pace: PaceSettings {
                adaptive: self.adaptive.map_or(pace.adaptive, Switch::is_on),
                rate: self.rate.or(pace.rate),
                robots: self.robots.map_or(pace.robots, Switch::is_on),
                retries: self.retries.unwrap_or(pace.retries),
                site_wait: self.site_wait.unwrap_or(pace.site_wait),
                block_after: self.block_after.unwrap_or(pace.block_after),
                ..pace
            },
            store: StoreSettings {
                batch: self.batch.unwrap_or(store.batch),
                flush: self.flush.unwrap_or(store.flush),
                wait: self.store_wait.unwrap_or(store.wait),
            },
            files: FileSettings {
                folder: self.files.clone(),
                most: self
                    .max_files
                    .map_or(default.files.most, |most| usize::try_from(most).unwrap_or(usize::MAX)),
            },
            grace: self.grace.unwrap_or(default.grace),
            ..default
        })
    }
}

impl SweepArgs {
    /// Returns `settings` with the overrides of the sweep arguments.
    pub fn apply_to(&self, settings: Settings) -> Settings {
        let Settings { scope, refresh, expect, .. } = settings;
        let every_s = expect.every_s.or(self.every.map(|every| every.as_secs().max(1)));
        Settings {
            expect: Expectations { every_s, ..expect },
            scope: ScopeSettings {
                fresh: self.fresh || scope.fresh,
                full: self.full || scope.full,
                limit: self.limit.or(scope.limit),
                pages: self.pages.or(scope.pages),
                ..scope
            },
            refresh: RefreshSettings {
                max_age: self.max_age.or(refresh.max_age),
                accept_changes: self.accept_changes || refresh.accept_changes,
                gone_limit: self.gone_limit.unwrap_or(refresh.gone_limit),
                ..refresh
            },
            ..settings
        }
    }
}
