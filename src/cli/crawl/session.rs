//! A crawl session: sites, settings, log and signals, set up once for one or more runs. Takes a run
//! from its start to its exit code.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use indicatif::MultiProgress;
use serde::Serialize;
use tracing::{error_span, warn};

use super::{parents, report};
use crate::cli::arguments::RunArgs;
use crate::cli::client::{self, no_client};
use crate::cli::exit::{Exit, failed};
use crate::cli::holdings::exit_of;
use crate::cli::logging;
use crate::cli::overrides::with_secrets;
use crate::cli::progress::{ProgressView, Shown};
use crate::cli::signals::{OnHangUp, Signals, StopSignal};
use crate::cli::streams::print_message;
use crate::cli::usage::wrong;
use crate::cli::variables;
use crate::engine::crawl::{Crawl, Ended};
use crate::engine::error::CrawlError;
use crate::engine::parent::Parent;
use crate::model::report::Report;
use crate::model::text::secret::Scrubber;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::store::{self, Place, Store, StoreError, StoreUrl};
use crate::system::shutdown;

/// State shared by a series of runs: store, log, signals.
pub struct Session<'a> {
    /// URL of the store.
    pub store_url: StoreUrl,
    /// True if a collection that another program filled may be adopted.
    pub may_adopt: bool,
    arguments: &'a RunArgs,
    lines: MultiProgress,
    signals: Signals,
    /// Reports to write together, or `None` if there is one site, whose report is written at once.
    reports: Option<Vec<Report>>,
}

/// A site to crawl.
pub struct Job {
    /// The site, with the overrides of the arguments.
    pub site: Site,
    /// Settings resolved from the arguments and the site file.
    pub settings: Settings,
    /// Settings of the next sweep.
    pub sweep: Settings,
    /// Site whose items are the seeds, or `None` if there is none.
    pub parent: Option<Parent>,
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
    /// Signal that arrived during the run, or `None`.
    pub told: Option<StopSignal>,
}

impl<'a> Session<'a> {
    /// Sets up a session to crawl `sites`, and starts logging. Stores in `default_store` unless the
    /// arguments name a store.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the session cannot start.
    pub fn begin(
        sites: Vec<Site>,
        arguments: &'a RunArgs,
        default_store: &str,
    ) -> Result<(Session<'a>, Vec<Job>), Exit> {
        let sites = sites.into_iter().map(with_secrets).collect::<Result<Vec<Site>, Exit>>()?;
        let store_url = arguments.store(default_store)?;
        let reports = (sites.len() > 1).then(Vec::new);
        let parents = parents::of(&sites, arguments, &store_url)?;
        let job = |(site, parent)| Job::of(site, parent, arguments, &store_url);
        let mut jobs =
            sites.into_iter().zip(parents).map(job).collect::<Result<Vec<Job>, Exit>>()?;
        let lines = MultiProgress::new();
        let form = arguments.log_format.unwrap_or_default();
        let scrubber = scrubber(&jobs, &store_url);
        for Job { settings, sweep, .. } in &mut jobs {
            // The log hides what the sessions of any site give out.
            settings.scrubber = settings.scrubber.clone().learning_with(&scrubber);
            sweep.scrubber = settings.scrubber.clone();
        }
        let log = logging::begin(form, arguments.log_file.as_deref(), lines.clone(), scrubber)
            .map_err(|error| wrong("--log-file", "GLEANER_LOG_FILE", &error))?;
        variables::unknown().iter().for_each(|why| logging::caution(why));
        if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.report_to_stdout()) {
            let message = |error| wrong("--report", "GLEANER_REPORT", &format!("{error:#}"));
            report::try_to_write(path).map_err(message)?;
            if store_url.is_at(path) {
                return Err(wrong("--report", "GLEANER_REPORT", "this is the file of the store"));
            }
        }
        let reopen = log.map(|log| Box::new(move || log.reopen()) as OnHangUp);
        let signals = Signals::listen_with(reopen).map_err(|error| failed(&error.into()))?;
        Ok((Session { store_url, may_adopt: false, arguments, lines, signals, reports }, jobs))
    }

    /// Returns true if several sites are crawled.
    pub fn has_several(&self) -> bool {
        self.reports.is_some()
    }

    /// Opens the store for writing the items of a site.
    ///
    /// # Errors
    /// Returns an error if the store cannot be opened, or a signal arrives first.
    pub async fn open(&mut self, job: &Job) -> Result<Arc<dyn Store>, NotOpened> {
        let place = self.place(job);
        tokio::select! {
            store = store::open(&self.store_url, &place) => store.map_err(NotOpened::Store),
            signal = self.signals.next() => Err(NotOpened::Told(signal)),
        }
    }

    /// Returns the site and collection to open in the store.
    pub fn place(&self, job: &Job) -> Place {
        Place {
            site: job.site.name.clone(),
            collection: job.site.collection.clone(),
            key_field: job.site.key_field(),
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

    /// Crawls a site into `store`, writes the report and logs the result. Where there are several
    /// sites, each line of the log names its own.
    pub async fn run(&mut self, job: &Job, store: Arc<dyn Store>) -> Ran {
        // All that runs meanwhile, on this one thread, belongs to this site.
        let span = self.reports.as_ref().map(|_| error_span!("crawl", site = &*job.site.name));
        let _entered = span.map(tracing::Span::entered);
        match self.crawl(job, store, job.sweep.clone()).await {
            Ok((ended, told)) => {
                let exit = self.finish(ended, told);
                let is_kept = !matches!(self.store_url, StoreUrl::JsonLines(_));
                if matches!(exit, Exit::Interrupted(_)) && is_kept && !job.sweep.is_limited() {
                    print_message("The same command resumes this sweep.\n");
                }
                Ran { exit, told }
            }
            Err(signal) => Ran { exit: Exit::Interrupted(signal), told: Some(signal) },
        }
    }

    /// Crawls a site into `store`. Returns how the run ended, and the signal that stopped it, if any.
    /// The first signal starts a graceful shutdown.
    ///
    /// # Errors
    /// Returns the second signal, which aborts the run.
    pub async fn crawl(
        &mut self,
        job: &Job,
        store: Arc<dyn Store>,
        settings: Settings,
    ) -> Result<(Ended, Option<StopSignal>), StopSignal> {
        let (trigger, shutdown) = shutdown::channel();
        let name = self.store_url.to_string();
        let crawl = Crawl::new(job.site.clone(), settings, store.clone(), name, shutdown);
        let crawl = crawl.with_parent(job.parent.clone());
        let view = crawl.view();
        let when = self.arguments.progress.unwrap_or_default();
        let name = self.reports.as_ref().map(|_| &*job.site.name);
        let progress = ProgressView::new(when, &self.lines, name);
        let stop = || {
            warn!("finishing in-flight requests; signal again to abort");
            trigger.request();
        };
        let running = pin!(crawl.run());
        let ran = progress.during(running, Shown::Crawl(&view), &mut self.signals, stop).await;
        ran.inspect_err(|_| {
            let left = store.left_unfinished();
            let left = left.unwrap_or("what was written is consistent".to_owned());
            print_message(&format!("aborted; {left}\n"));
        })
    }

    fn finish(&mut self, ended: Ended, told: Option<StopSignal>) -> Exit {
        let Ended { report, error } = ended;
        if matches!(error, Some(CrawlError::Store(StoreError::Closed))) {
            return Exit::ReaderGone;
        }
        let exit = match &error {
            Some(CrawlError::Store(StoreError::Unusable(_)) | CrawlError::Refused(_)) => {
                Exit::Usage
            }
            Some(CrawlError::Held(_)) => Exit::Held,
            _ => Exit::of(report.outcome, told),
        };
        let reported = match self.reports {
            None => self.write(&report),
            Some(_) => Ok(()),
        };
        match &error {
            Some(held @ CrawlError::Held(_)) => logging::tell(held),
            _ => logging::sum_up(&report, &self.store_url.to_string()),
        }
        self.reports.iter_mut().for_each(|reports| reports.push(report.clone()));
        after_report(exit, reported)
    }

    /// Writes the reports of several sites, and forgets them. `exit` is the exit code of their runs.
    pub fn end_round(&mut self, exit: Exit) -> Exit {
        let reports = self.reports.as_mut().map(std::mem::take).unwrap_or_default();
        if reports.is_empty() {
            return exit;
        }
        after_report(exit, self.write(&reports))
    }

    /// Writes a report, if one is requested.
    fn write(&self, report: &impl Serialize) -> anyhow::Result<()> {
        match &self.arguments.report {
            None => Ok(()),
            Some(_) if self.arguments.report_to_stdout() => report::print(report),
            Some(path) => report::write(path, report),
        }
    }
}

/// Returns the exit code of a run that ended with `exit`, after its report was written or not.
fn after_report(exit: Exit, reported: anyhow::Result<()>) -> Exit {
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

/// Builds the scrubber of the log, which hides the credentials of all sites and of the store.
fn scrubber(jobs: &[Job], store_url: &StoreUrl) -> Scrubber {
    let Some(first) = jobs.first() else { return Scrubber::default() };
    client::scrubber(&first.settings, |credentials| {
        jobs.iter().for_each(|job| job.site.credentials(credentials));
        store_url.credentials(credentials);
    })
}

impl Job {
    /// Resolves the settings for a site.
    ///
    /// # Errors
    /// Returns the exit code, after printing which argument is wrong.
    fn of(
        site: Site,
        parent: Option<Parent>,
        arguments: &RunArgs,
        store_url: &StoreUrl,
    ) -> Result<Job, Exit> {
        let site = arguments.apply(site)?;
        arguments.check_files(&site)?;
        let settings = arguments.settings(&site)?;
        let scrubber = client::scrubber(&settings, |credentials| {
            site.credentials(credentials);
            store_url.credentials(credentials);
        });
        let settings = Settings { scrubber, ..settings };
        settings.client_options(site.home()).check().map_err(no_client)?;
        Ok(Job { site, sweep: settings.clone(), settings, parent })
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
