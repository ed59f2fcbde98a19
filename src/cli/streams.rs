//! Standard output and standard error. The reader of either may have closed it.

use std::io::{self, ErrorKind, Write};

use super::exit::{Exit, failed};
use crate::model::text::secret::Scrubber;
use crate::model::text::{plain_json, plain_lines};

/// Prints a message to standard error, without control characters: parts of it may come from a
/// site, a file or a variable. Ignores write errors: a closed standard error does not end the run.
pub fn print_message(text: &str) {
    let _ = io::stderr().write_all(plain_lines(text).as_bytes());
}

/// Prints messages and results without credentials, which a site may have repeated in its
/// responses.
#[derive(Debug, Clone)]
pub struct Voice(pub Scrubber);

impl Voice {
    /// Prints a message to standard error, as [`print_message`] does.
    pub fn print_message(&self, text: &str) {
        print_message(&self.0.scrub_cut(text));
    }

    /// Prints why a command failed, and returns the exit code.
    pub fn failed(&self, error: &anyhow::Error) -> Exit {
        self.print_message(&format!("error: {error:#}\n"));
        Exit::Failed
    }

    /// Prints text to standard output, as [`show`] does.
    ///
    /// # Errors
    /// Same as [`print`].
    pub fn show(&self, text: &str) -> Result<(), Exit> {
        show(&self.0.scrub_cut(text))
    }

    /// Prints JSON to standard output, as [`show_json`] does.
    ///
    /// # Errors
    /// Same as [`print`].
    pub fn show_json(&self, text: &str) -> Result<(), Exit> {
        show_json(&self.0.scrub(text))
    }
}

/// Prints text for people to standard output, without control characters.
///
/// # Errors
/// Same as [`print`].
pub fn show(text: &str) -> Result<(), Exit> {
    print(plain_lines(text).as_bytes())
}

/// Prints JSON to standard output. Escapes control characters, which does not change its meaning.
///
/// # Errors
/// Same as [`print`].
pub fn show_json(text: &str) -> Result<(), Exit> {
    print(plain_json(text).as_bytes())
}

/// Writes bytes to standard output unchanged.
///
/// # Errors
/// Returns the exit code if standard output cannot be written. Prints the reason, unless the reader
/// closed it.
pub fn print(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Exit::ReaderGone,
        _ => failed(&anyhow::Error::new(error).context("standard output")),
    })
}
