//! The log: to standard error or a file, for people or as JSON lines. Where a progress line is on
//! the terminal, log lines go above it.

mod clean;
mod file;

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriter};

use super::arguments::LogFormat;
use super::streams::say;
use crate::report::Report;
use crate::secret::Scrubber;
use crate::status::summary;
use crate::wording::plain;
use clean::Clean;
pub use file::LogFile;

/// Where the log goes, beside what is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// To the same people.
    Here,
    /// To a file, for others.
    File,
    /// To standard error as JSON, for a program that reads nothing else there.
    Json,
}

/// One log a process.
static PLACE: OnceLock<Place> = OnceLock::new();

fn place() -> Place {
    PLACE.get().copied().unwrap_or(Place::Here)
}

/// Tells why a run cannot be, everywhere where that is to be said.
pub fn tell(why: &dyn Display) {
    if place() != Place::Here {
        error!("{why}");
    }
    if place() != Place::Json {
        say(&format!("error: {why}\n"));
    }
}

/// Warns of something that does not end the run, everywhere where that is to be said.
pub fn caution(what: &str) {
    warn!("{what}");
    if place() == Place::File {
        say(&format!("warning: {what}\n"));
    }
}

/// Tells what a run came to, into a store of that name, everywhere where that is to be said.
pub fn sum_up(report: &Report, store: &str) {
    if place() != Place::Here {
        log(report);
    }
    if place() != Place::Json {
        say(&summary(report, store));
    }
}

fn log(report: &Report) {
    let Report { sweep, outcome, elapsed_s, index, items, requests, .. } = report;
    info!(
        sweep = sweep.as_deref(), %outcome, elapsed_s, listed = index.listed, declared = index.declared,
        new = items.new, changed = items.changed, same = items.same, skipped = items.skipped,
        missing = items.missing, failed = items.failed, gone = items.gone, unlisted = items.unlisted,
        requests = requests.total, bytes = requests.bytes,
        "run finished"
    );
    for problem in &report.problems {
        warn!("{}", plain(problem));
    }
}

/// Begins to log, into the file at `path` where there is one, without what `scrubber` hides. `lines` is
/// where the progress line is.
///
/// # Errors
/// Says why, where the file cannot be opened.
pub fn begin(
    form: LogFormat,
    path: Option<&Path>,
    lines: MultiProgress,
    scrubber: Scrubber,
) -> Result<Option<Arc<LogFile>>, String> {
    let open = |path: &Path| {
        LogFile::open(path).map(Arc::new).map_err(|error| format!("{}: {error}", path.display()))
    };
    let file = path.map(open).transpose()?;
    let (writer, colors) = match &file {
        None => {
            let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            (BoxMakeWriter::new(AboveProgress(lines)), colors)
        }
        Some(file) => (BoxMakeWriter::new(file.clone()), false),
    };
    let _ = PLACE.set(match (&file, form) {
        (Some(_), _) => Place::File,
        (None, LogFormat::Json) => Place::Json,
        (None, LogFormat::Text) => Place::Here,
    });
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // A log that nobody reads any more must not end the crawl.
        .log_internal_errors(false)
        .with_ansi(colors)
        .with_writer(Clean { writer, form, scrubber });
    let begun = match form {
        // A person who watches knows the time, and has 80 columns.
        LogFormat::Text if file.is_none() && std::io::stderr().is_terminal() => {
            log.without_time().try_init()
        }
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| format!("the log cannot begin: {error}"))?;
    Ok(file)
}

/// Writes to standard error, above the progress line if there is one.
struct AboveProgress(MultiProgress);

impl<'a> MakeWriter<'a> for AboveProgress {
    type Writer = Above<'a>;

    fn make_writer(&'a self) -> Above<'a> {
        Above(&self.0)
    }
}

/// One line on its way.
struct Above<'a>(&'a MultiProgress);

impl Write for Above<'_> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if self.0.is_hidden() {
            std::io::stderr().write_all(line)?;
        } else {
            self.0.println(String::from_utf8_lossy(line).trim_end_matches('\n'))?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
