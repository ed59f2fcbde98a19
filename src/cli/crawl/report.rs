//! Writing the report of a run, or of several: to standard output, or to a file that is replaced atomically.

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::system::replacement::{Readers, Replacement, Unfinished};

/// Prints the report to standard output.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn print(report: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n").context("the report cannot be written to standard output")
}

/// Returns true if the error is a broken pipe: the reader closed it.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => {
            cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
        }
    };
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

/// Checks that a report can be written to `path`, so that an error shows at the start and not hours
/// later.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn try_to_write(path: &Path) -> anyhow::Result<()> {
    let tried = replacement(path).and_then(|replacement| match replacement {
        Some(_) => Ok(()),
        // Opening and closing a pipe would signal the end of the report to its reader.
        None if std::fs::metadata(path)?.file_type().is_fifo() => Ok(()),
        None => std::fs::OpenOptions::new().write(true).open(path).map(drop),
    });
    tried.with_context(|| format!("no report can be written to {}", path.display()))
}

/// Replaces the report at `path` atomically: readers never see a partial one.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn write(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(report)?;
    let written = replacement(path).and_then(|replacement| match replacement {
        Some(mut file) => {
            file.write_all(&text)?;
            file.finish()
        }
        None => std::fs::write(path, text),
    });
    written.with_context(|| format!("the report cannot be written to {}", path.display()))
}

fn replacement(path: &Path) -> io::Result<Option<Replacement>> {
    Replacement::of(path, Readers::Owner, Unfinished::Deleted)
}
