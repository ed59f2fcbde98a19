//! A crawl session: site, settings, log and signals, set up once for one or more runs. Takes a run
//! from its start to its exit code.

use std::sync::Arc;
use std::time::Duration;

use indicatif::MultiProgress;
use tracing::warn;

use super::report;
use crate::cli::arguments::RunArgs;
use crate::cli::client::{no_client, scrubber};
use crate::cli::exit::{Exit, failed};
use crate::cli::holdings::exit_of;
use crate::cli::logging;
use crate::cli::progress::ProgressView;
use crate::cli::signals::{Signals, StopSignal};
use crate::cli::streams::print_message;
use crate::cli::usage::wrong;
use crate::cli::variables;
use crate::engine::crawl::{Crawl, Ended};
use crate::engine::error::CrawlError;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::store::{self, Place, Store, StoreError, StoreUrl};
use crate::system::shutdown;

/// State shared by a series of runs: site, settings, log, signals.
pub struct Session<'a> {
    /// URL of the store.
    pub store_url: StoreUrl,
    /// Settings resolved from the arguments and the site file.
    pub settings: Settings,
    /// True if a collection that another program filled may be adopted.
    pub may_adopt: bool,
    site: Site,
    arguments: &'a RunArgs,
    lines: MultiProgress,
    signals: Signals,
}

/// Reason why the store is not open.
pub enum NotOpened {
    /// The store cannot be opened.
    Store(StoreError),
    /// A signal arrived first.
    Told(StopSignal),
}

/// Result of a run.
pub struct Ran {
    /// Exit code.
    pub exit: Exit,
    /// True if a signal arrived during the run.
    pub is_told: bool,
}

impl<'a> Session<'a> {
    /// Sets up a session to crawl `site`, and starts logging. Stores in `default_store` unless the
    /// arguments name a store.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the session cannot start.
    pub fn begin(
        site: Site,
        arguments: &'a RunArgs,
        default_store: &str,
    ) -> Result<Session<'a>, Exit> {
        let store_url = arguments.store(default_store)?;
        let site = arguments.apply(site)?;
        let settings = arguments.settings(&site)?;
        let scrubber = scrubber(&settings, |credentials| {
            site.credentials(credentials);
            store_url.credentials(credentials);
        });
        let settings = Settings { scrubber, ..settings };
        settings.client_options(site.home()).check().map_err(no_client)?;
        let lines = MultiProgress::new();
        let form = arguments.log_format.unwrap_or_default();
        let log = logging::begin(
            form,
            arguments.log_file.as_deref(),
            lines.clone(),
            settings.scrubber.clone(),
        )
        .map_err(|error| wrong("--log-file", "GLEANER_LOG_FILE", &error))?;
        variables::unknown().iter().for_each(|why| logging::caution(why));
        if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.report_to_stdout()) {
            let message = |error| wrong("--report", "GLEANER_REPORT", &format!("{error:#}"));
            report::try_to_write(path).map_err(message)?;
            if store_url.is_at(path) {
                return Err(wrong("--report", "GLEANER_REPORT", "this is the file of the store"));
            }
        }
        let signals = Signals::listen_with(log).map_err(|error| failed(&error.into()))?;
        Ok(Session { store_url, settings, may_adopt: false, site, arguments, lines, signals })
    }

    /// Opens the store for writing.
    ///
    /// # Errors
    /// Returns an error if the store cannot be opened, or a signal arrives first.
    pub async fn open(&mut self) -> Result<Arc<dyn Store>, NotOpened> {
        let place = self.place();
        tokio::select! {
            store = store::open(&self.store_url, &place) => store.map_err(NotOpened::Store),
            signal = self.signals.next() => Err(NotOpened::Told(signal)),
        }
    }

    /// Returns the site and collection to open in the store.
    pub fn place(&self) -> Place {
        Place {
            site: self.site.name.clone(),
            collection: self.site.collection.clone(),
            key_field: self.site.key_field(),
            adopt: self.may_adopt,
        }
    }

    /// Waits for `time`. Returns early with the signal if one arrives, or `None` otherwise.
    pub async fn pause(&mut self, time: Duration) -> Option<StopSignal> {
        tokio::select! {
            signal = self.signals.next() => Some(signal),
            () = tokio::time::sleep(time) => None,
        }
    }

    /// Crawls into `store`, writes the report and logs the result.
    pub async fn run(&mut self, store: Arc<dyn Store>, settings: Settings) -> Ran {
        match self.crawl(store, settings).await {
            Ok((ended, told)) => Ran { exit: self.finish(ended, told), is_told: told.is_some() },
            Err(signal) => Ran { exit: Exit::Interrupted(signal), is_told: true },
        }
    }

    /// Crawls into `store`. Returns how the run ended, and the signal that stopped it, if any. The
    /// first signal starts a graceful shutdown.
    ///
    /// # Errors
    /// Returns the second signal, which aborts the run.
    pub async fn crawl(
        &mut self,
        store: Arc<dyn Store>,
        settings: Settings,
    ) -> Result<(Ended, Option<StopSignal>), StopSignal> {
        let (trigger, shutdown) = shutdown::channel();
        let name = self.store_url.to_string();
        let crawl = Crawl::new(self.site.clone(), settings, store.clone(), name, shutdown);
        let view = crawl.view();
        let mut progress =
            ProgressView::new(self.arguments.progress.unwrap_or_default(), &self.lines);
        let mut told: Option<StopSignal> = None;
        let ended = {
            let running = crawl.run();
            tokio::pin!(running);
            loop {
                tokio::select! {
                    ended = &mut running => break ended,
                    signal = self.signals.next() => {
                        if told.is_some() {
                            progress.end();
                            let left = store.left_unfinished();
                            let left = left.unwrap_or("what was written is consistent".to_owned());
                            print_message(&format!("aborted; {left}\n"));
                            return Err(signal);
                        }
                        told = Some(signal);
                        warn!("finishing in-flight requests; signal again to abort");
                        trigger.request();
                    }
                    () = progress.show(&view) => {}
                }
            }
        };
        progress.end();
        Ok((ended, told))
    }

    fn finish(&self, ended: Ended, told: Option<StopSignal>) -> Exit {
        let Ended { report, error } = ended;
        if matches!(error, Some(CrawlError::Store(StoreError::Closed))) {
            return Exit::ReaderGone;
        }
        let exit = match &error {
            Some(CrawlError::Store(StoreError::Unusable(_))) => Exit::Usage,
            Some(CrawlError::Held(_)) => Exit::Held,
            _ => Exit::of(report.outcome, told),
        };
        let reported = match &self.arguments.report {
            None => Ok(()),
            Some(_) if self.arguments.report_to_stdout() => report::print(&report),
            Some(path) => report::write(path, &report),
        };
        match &error {
            Some(held @ CrawlError::Held(_)) => logging::tell(held),
            _ => logging::sum_up(&report, &self.store_url.to_string()),
        }
        match reported {
            Ok(()) => exit,
            Err(error) if report::is_broken_pipe(&error) => Exit::ReaderGone,
            Err(error) if exit == Exit::Complete => failed(&error),
            Err(error) => {
                failed(&error);
                exit
            }
        }
    }
}

impl NotOpened {
    /// Reports why the store is not open, and returns the exit code.
    pub fn tell(self) -> Exit {
        match self {
            NotOpened::Told(signal) => Exit::Interrupted(signal),
            NotOpened::Store(error) => {
                logging::tell(&error);
                exit_of(&error)
            }
        }
    }
}
