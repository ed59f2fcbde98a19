//! What is made ready once and then crawled with, once or again and again: the site, the settings,
//! the log, the signals; and a run from its beginning to its exit code.

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
use crate::cli::streams::say;
use crate::cli::usage::wrong;
use crate::cli::variables;
use crate::crawl::{Crawl, Ended};
use crate::error::CrawlError;
use crate::settings::Settings;
use crate::shutdown::{self, Stage};
use crate::site::Site;
use crate::store::{self, Place, Store, StoreError, StoreUrl};

/// Everything that a series of runs shares: site, settings, log, signals.
pub struct Session<'a> {
    /// Where to store.
    pub store_url: StoreUrl,
    /// The settings that the arguments and the site file make.
    pub settings: Settings,
    /// Whether a collection that others filled may be adopted.
    pub may_adopt: bool,
    site: Site,
    arguments: &'a RunArgs,
    lines: MultiProgress,
    signals: Signals,
}

/// Why a store is not open.
pub enum NotOpened {
    /// It cannot be opened.
    Store(StoreError),
    /// A signal came first.
    Told(StopSignal),
}

/// How a run ended.
pub struct Ran {
    /// The exit code.
    pub exit: Exit,
    /// Whether it was told to stop meanwhile.
    pub is_told: bool,
}

impl<'a> Session<'a> {
    /// Makes everything ready to crawl `site`, into the store at `default_store` where no other is
    /// asked for, and begins to log.
    ///
    /// # Errors
    /// The exit code; what stands against it is told to the user.
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
                return Err(wrong("--report", "GLEANER_REPORT", "that is the file of the store"));
            }
        }
        let signals = Signals::listen_with(log).map_err(|error| failed(&error.into()))?;
        Ok(Session { store_url, settings, may_adopt: false, site, arguments, lines, signals })
    }

    /// Opens the store.
    ///
    /// # Errors
    /// Where it cannot be opened, or a signal comes first.
    pub async fn open(&mut self) -> Result<Arc<dyn Store>, NotOpened> {
        let place = self.place();
        tokio::select! {
            store = store::open(&self.store_url, &place) => store.map_err(NotOpened::Store),
            signal = self.signals.next() => Err(NotOpened::Told(signal)),
        }
    }

    /// What the store is opened for.
    pub fn place(&self) -> Place {
        Place {
            site: self.site.name.clone(),
            collection: self.site.collection.clone(),
            key_field: self.site.key_field(),
            adopt: self.may_adopt,
        }
    }

    /// Waits, or answers with the signal that comes first.
    pub async fn pause(&mut self, time: Duration) -> Option<StopSignal> {
        tokio::select! {
            signal = self.signals.next() => Some(signal),
            () = tokio::time::sleep(time) => None,
        }
    }

    /// Crawls into `store`, and says how it ended in all the places where it is to be said.
    pub async fn run(&mut self, store: Arc<dyn Store>, settings: Settings) -> Ran {
        match self.crawl(store, settings).await {
            Ok((ended, told)) => Ran { exit: self.finish(ended, told), is_told: told.is_some() },
            Err(signal) => Ran { exit: Exit::Interrupted(signal), is_told: true },
        }
    }

    /// Crawls into `store`. Answers with how it ended, and the signal that told it to.
    ///
    /// # Errors
    /// The second signal, which ends it at once.
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
                            let left = left.unwrap_or("what was written is whole".to_owned());
                            say(&format!("stopped at once; {left}\n"));
                            return Err(signal);
                        }
                        told = Some(signal);
                        warn!("finishing in-flight requests; signal again to abort");
                        trigger.advance(Stage::Draining);
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
    /// Tells why the store is not open; the exit code of a command that needs it.
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
