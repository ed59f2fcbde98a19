//! The log: to standard error or a file, for people or as JSON lines. Where a progress line is on
//! the terminal, log lines go above it.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use indicatif::MultiProgress;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriter};

use super::arguments::LogFormat;
use crate::report::Report;
use crate::wording::plain;

/// Whether whoever reads the log does not see, or cannot read, what is said on standard error.
static IS_APART: OnceLock<bool> = OnceLock::new();

/// Whether the log is a file, or JSON, so that it has to say what else is said on standard error.
pub fn is_apart() -> bool {
    IS_APART.get().copied().unwrap_or_default()
}

/// What a run came to, and what the user should know of it, where the log is apart.
pub fn report(report: &Report) {
    if !is_apart() {
        return;
    }
    let Report { sweep, outcome, elapsed_s, index, items, requests, .. } = report;
    info!(
        %sweep, %outcome, elapsed_s, listed = index.listed, declared = index.declared,
        new = items.new, changed = items.changed, same = items.same, skipped = items.skipped,
        missing = items.missing, failed = items.failed, gone = items.gone,
        requests = requests.total, bytes = requests.bytes,
        "what the run came to"
    );
    for problem in &report.problems {
        warn!("{}", plain(problem));
    }
}

/// Begins to log. `lines` is where the progress line is.
///
/// # Errors
/// Says why, where the file cannot be opened.
pub fn begin(form: LogFormat, file: Option<&Path>, lines: MultiProgress) -> Result<(), String> {
    let (writer, colors) = match file {
        None => {
            let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            (BoxMakeWriter::new(AboveProgress(lines)), colors)
        }
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let _ = IS_APART.set(file.is_some() || form == LogFormat::Json);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // A log that nobody reads any more must not end the crawl.
        .log_internal_errors(false)
        .with_ansi(colors)
        .with_writer(writer);
    let begun = match form {
        // A person who watches knows the time, and has 80 columns.
        LogFormat::Text if file.is_none() && std::io::stderr().is_terminal() => {
            log.without_time().try_init()
        }
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| format!("the log cannot begin: {error}"))
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
