//! Standard output and standard error, either of which may have been closed by its reader.

use std::io::{self, ErrorKind, Write};

use super::exit::{Exit, failed};
use crate::secret::Scrubber;
use crate::wording::{plain_json, plain_lines};

/// Tells the user something, without what a terminal obeys: some of it may come from a site, a
/// file or a variable. That nobody reads it is no reason to end.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(plain_lines(text).as_bytes());
}

/// Says and shows what a site may have made of the credentials that it was sent: without them.
#[derive(Debug, Clone)]
pub struct Voice(pub Scrubber);

impl Voice {
    /// See [`say`].
    pub fn say(&self, text: &str) {
        say(&self.0.scrub_cut(text));
    }

    /// Tells why a command failed.
    pub fn failed(&self, error: &anyhow::Error) -> Exit {
        self.say(&format!("error: {error:#}\n"));
        Exit::Failed
    }

    /// See [`show`].
    ///
    /// # Errors
    /// As [`print`].
    pub fn show(&self, text: &str) -> Result<(), Exit> {
        show(&self.0.scrub_cut(text))
    }

    /// See [`show_json`].
    ///
    /// # Errors
    /// As [`print`].
    pub fn show_json(&self, text: &str) -> Result<(), Exit> {
        show_json(&self.0.scrub(text))
    }
}

/// Writes a result that is text for people, without what a terminal obeys.
///
/// # Errors
/// As [`print`].
pub fn show(text: &str) -> Result<(), Exit> {
    print(plain_lines(text).as_bytes())
}

/// Writes a result that is JSON, without what a terminal obeys; it says the same.
///
/// # Errors
/// As [`print`].
pub fn show_json(text: &str) -> Result<(), Exit> {
    print(plain_json(text).as_bytes())
}

/// Writes a result as it is.
///
/// # Errors
/// The exit code, where it cannot be written; that its reader went away is not told to anyone.
pub fn print(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Exit::ReaderGone,
        _ => failed(&anyhow::Error::new(error).context("standard output")),
    })
}
