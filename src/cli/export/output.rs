//! Destination of an export: standard output, or a file that is replaced when the export is
//! complete.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::cli::exit::{Exit, failed};
use crate::cli::streams::print;
use crate::model::text::{plain, plain_json};
use crate::store::StoreUrl;
use crate::system::replacement::{Readers, Replacement, Unfinished};

/// Destination of an export. A file is replaced only when the export is complete.
pub enum Output {
    /// Standard output; control characters are escaped if it is a terminal.
    Stdout { terminal: bool },
    /// A new file that replaces the one at the path.
    File(BufWriter<Replacement>),
    /// A path that cannot be replaced, such as a pipe, and the path itself.
    Other(BufWriter<File>, PathBuf),
}

impl Output {
    /// Returns the destination for standard output.
    pub fn stdout() -> Output {
        Output::Stdout { terminal: io::stdout().is_terminal() }
    }

    /// Returns the destination for the file at `path`, or for the target of a link there.
    ///
    /// # Errors
    /// Returns the reason, in words, if the file cannot be written.
    pub fn replacing(path: &Path) -> Result<Output, String> {
        let open = || match Replacement::of(path, Readers::Umask, Unfinished::Deleted)? {
            Some(file) => Ok(Output::File(BufWriter::new(file))),
            None => {
                let file = File::options().write(true).open(path)?;
                Ok(Output::Other(BufWriter::new(file), path.to_owned()))
            }
        };
        open().map_err(|error: io::Error| format!("{} cannot be written: {error}", path.display()))
    }

    /// Returns true if finishing would overwrite the store at `url`.
    pub fn replaces(&self, url: &StoreUrl) -> bool {
        match self {
            Output::Stdout { .. } => false,
            Output::File(file) => url.is_at(file.get_ref().to()),
            Output::Other(_, path) => url.is_at(path),
        }
    }

    /// Writes lines of JSON.
    ///
    /// # Errors
    /// Returns the exit code, after printing why they cannot be written.
    pub fn put_json(&mut self, text: &str) -> Result<(), Exit> {
        match self {
            Output::Stdout { terminal: true } => print(plain_json(text).as_bytes()),
            _ => self.put(text),
        }
    }

    /// Writes rows of CSV.
    ///
    /// # Errors
    /// Returns the exit code, after printing why they cannot be written.
    pub fn put_csv(&mut self, text: &str) -> Result<(), Exit> {
        match self {
            Output::Stdout { terminal: true } => {
                text.lines().try_for_each(|line| print((plain(line) + "\n").as_bytes()))
            }
            _ => self.put(text),
        }
    }

    fn put(&mut self, text: &str) -> Result<(), Exit> {
        match self {
            Output::Stdout { .. } => print(text.as_bytes()),
            Output::File(file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|error| cannot(file.get_ref().to(), error))
            }
            Output::Other(file, path) => {
                file.write_all(text.as_bytes()).map_err(|error| cannot(path, error))
            }
        }
    }

    /// Finishes the export: the new file replaces the old one.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the file cannot be written.
    pub fn finish(self) -> Result<(), Exit> {
        match self {
            Output::Stdout { .. } => Ok(()),
            Output::File(file) => {
                let to = file.get_ref().to().to_owned();
                let whole = file.into_inner().map_err(|error| error.into_error());
                whole.and_then(Replacement::finish).map_err(|error| cannot(&to, error))
            }
            Output::Other(mut file, path) => file.flush().map_err(|error| cannot(&path, error)),
        }
    }
}

fn cannot(path: &Path, error: io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::ReaderGone;
    }
    let error = anyhow::Error::new(error);
    failed(&error.context(format!("{} cannot be written", path.display())))
}
