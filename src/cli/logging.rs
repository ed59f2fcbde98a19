//! The log: on standard error or in a file, as text or as JSON lines. If a progress line is on the
//! terminal, log lines appear above it.

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
use super::streams::print_message;
use crate::model::report::Report;
use crate::model::text::plain;
use crate::model::text::secret::Scrubber;
use crate::observe::status::summary;
use clean::Clean;
pub use file::LogFile;

/// Destination of the log. Decides which messages also go to standard error as plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Standard error, as text: for the person who also reads the messages.
    Here,
    /// A file.
    File,
    /// Standard error, as JSON, for a program that expects nothing else there.
    Json,
}

/// Destination of the log, set once per process.
static PLACE: OnceLock<Place> = OnceLock::new();

fn place() -> Place {
    PLACE.get().copied().unwrap_or(Place::Here)
}

/// Reports why a run cannot start or continue: in the log, and on standard error if that is for
/// people.
pub fn tell(why: &dyn Display) {
    if place() != Place::Here {
        error!("{why}");
    }
    if place() != Place::Json {
        print_message(&format!("error: {why}\n"));
    }
}

/// Warns of something that does not end the run: in the log, and on standard error if the log is in
/// a file.
pub fn caution(what: &str) {
    warn!("{what}");
    if place() == Place::File {
        print_message(&format!("warning: {what}\n"));
    }
}

/// Reports the result of a run that wrote to `store`: in the log, and on standard error if that is
/// for people.
pub fn sum_up(report: &Report, store: &str) {
    if place() != Place::Here {
        log(report);
    }
    if place() != Place::Json {
        print_message(&summary(report, store));
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

/// Starts logging, to the file at `path` or else to standard error. `scrubber` removes credentials;
/// `lines` holds the progress line. Returns the log file, or `None` if there is none.
///
/// # Errors
/// Returns the reason, in words, if the file cannot be opened or logging has already started.
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
        // A log whose reader has gone must not end the crawl.
        .log_internal_errors(false)
        .with_ansi(colors)
        .with_writer(Clean { writer, form, scrubber });
    let begun = match form {
        // On a terminal, leave out the time: the lines have 80 columns, and the reader knows
        // it.
        LogFormat::Text if file.is_none() && std::io::stderr().is_terminal() => {
            log.without_time().try_init()
        }
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| format!("could not start the log: {error}"))?;
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

/// Writer of one log line.
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
