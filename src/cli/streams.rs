//! Standard output and standard error, either of which may have been closed by its reader.

use std::io::{self, ErrorKind, Write};

use super::exit::{Exit, failed};

/// Tells the user something. That nobody reads it is no reason to end.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a result.
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
