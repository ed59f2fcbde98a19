//! `gleaner crawl`: one sweep of a site.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::MultiProgress;
use tracing::warn;

use super::arguments::RunArgs;
use super::exit::{Exit, failed};
use super::logging;
use super::progress::ProgressView;
use super::signals::{Signals, StopSignal};
use super::usage::wrong;
use crate::crawl::{Crawl, CrawlError, Ended};
use crate::fetch::ClientError;
use crate::shutdown::{self, Stage};
use crate::site::Site;
use crate::status::summary;
use crate::store::{self, Place, StoreError, StoreUrl};
use crate::sweep::Report;

/// Crawls the site of that name or file.
pub async fn run(name: &str, arguments: RunArgs) -> Exit {
    match Site::load(name) {
        Ok(site) => run_site(site, &arguments, "sqlite:gleaner.db").await,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Usage
        }
    }
}

/// Crawls `site`, into the store at `default_store` where no other is asked for.
pub async fn run_site(site: Site, arguments: &RunArgs, default_store: &str) -> Exit {
    try_run(site, arguments, default_store).await.unwrap_or_else(|exit| exit)
}

async fn try_run(site: Site, arguments: &RunArgs, default_store: &str) -> Result<Exit, Exit> {
    let store_url = arguments.store(default_store)?;
    let site = arguments.apply(site)?;
    let settings = arguments.settings(&site)?;
    let lines = MultiProgress::new();
    let form = arguments.log_format.unwrap_or_default();
    logging::begin(form, arguments.log_file.as_deref(), lines.clone())
        .map_err(|error| wrong("--log-file", "GLEANER_LOG_FILE", &error))?;
    if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.report_to_stdout()) {
        let message = |error| wrong("--report", "GLEANER_REPORT", &format!("{error:#}"));
        try_to_write(path).map_err(message)?;
    }
    let mut signals = Signals::listen().map_err(|error| failed(&error.into()))?;
    let place = Place {
        site: site.name.clone(),
        collection: site.collection.clone(),
        key_field: site.key_field(),
    };
    let store = tokio::select! {
        store = store::open(&store_url, &place) => store.map_err(|error| cannot_open(&error))?,
        signal = signals.next() => return Err(Exit::Interrupted(signal)),
    };
    let (trigger, shutdown) = shutdown::channel();
    let crawl = Crawl::new(site, settings, store, store_url.to_string(), shutdown);
    let view = crawl.view();
    let mut progress = ProgressView::new(arguments.progress.unwrap_or_default(), &lines);
    let mut told: Option<StopSignal> = None;
    let ended = {
        let running = crawl.run();
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => break ended,
                signal = signals.next() => {
                    if told.is_some() {
                        progress.end();
                        eprintln!("stopped at once; what was written is whole");
                        return Err(Exit::Interrupted(signal));
                    }
                    told = Some(signal);
                    warn!("stopping: requests in flight are brought home; once more stops at once");
                    trigger.advance(Stage::Draining);
                }
                () = progress.show(&view) => {}
            }
        }
    };
    progress.end();
    Ok(finish(ended, arguments, &store_url, told))
}

/// Says how the crawl ended, in all the places where it is to be said.
fn finish(ended: Ended, arguments: &RunArgs, store: &StoreUrl, told: Option<StopSignal>) -> Exit {
    let Ended { report, error } = ended;
    if matches!(error, Some(CrawlError::Store(StoreError::Closed))) {
        return Exit::ReaderGone;
    }
    if let Some(held @ CrawlError::Held(_)) = &error {
        let _ = writeln!(io::stderr(), "error: {held}");
        return Exit::Held;
    }
    let exit = match error {
        Some(CrawlError::Client(ClientError::Proxy(..) | ClientError::Header(..))) => Exit::Usage,
        _ => Exit::of(report.outcome, told),
    };
    let reported = match &arguments.report {
        None => Ok(()),
        Some(_) if arguments.report_to_stdout() => print(&report),
        Some(path) => write_report(path, &report),
    };
    // Nobody may be reading any more, which is no reason to panic.
    let _ = write!(io::stderr(), "{}", summary(&report, &store.to_string()));
    match reported {
        Ok(()) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::ReaderGone,
        Err(error) if exit == Exit::Complete => failed(&error),
        Err(error) => {
            failed(&error);
            exit
        }
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n").context("the report cannot be written to standard output")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => {
            cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
        }
    };
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

/// Whether a report can be written to `path`: known now, not hours later.
fn try_to_write(path: &Path) -> anyhow::Result<()> {
    let tried = match is_replaced(path) {
        true => {
            let beside = beside(path);
            std::fs::write(&beside, "").and_then(|()| std::fs::remove_file(&beside))
        }
        false => std::fs::OpenOptions::new().write(true).open(path).map(drop),
    };
    tried.with_context(|| format!("no report can be written to {}", path.display()))
}

/// Replaces the report at `path` as a whole, so that nobody reads half of one.
fn write_report(path: &Path, report: &Report) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(report)?;
    let written = match is_replaced(path) {
        true => {
            let beside = beside(path);
            std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path))
        }
        false => std::fs::write(path, text),
    };
    written.with_context(|| format!("the report cannot be written to {}", path.display()))
}

/// Whether what stands at `path` is replaced: devices and pipes are written to, since replacing
/// them would take them away.
pub fn is_replaced(path: &Path) -> bool {
    !path.exists() || path.is_file()
}

/// Where what is to replace the file at `path` is written first.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn cannot_open(error: &StoreError) -> Exit {
    eprintln!("error: {error}");
    match error {
        StoreError::Unusable(_) => Exit::Usage,
        _ => Exit::Failed,
    }
}
