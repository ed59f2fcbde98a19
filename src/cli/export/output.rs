//! Where an export goes: standard output, or a file that is replaced once all of it is there.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::cli::exit::{Exit, failed};
use crate::cli::streams::print;
use crate::replacement::{Readers, Replacement, Unfinished};
use crate::store::StoreUrl;
use crate::wording::{plain, plain_json};

/// Destination of an export. A file is replaced only when the export is whole.
pub enum Output {
    /// What goes to a terminal has no control characters.
    Stdout { terminal: bool },
    /// A file that replaces another one.
    File(BufWriter<Replacement>),
    /// What cannot be replaced, such as a pipe's name, and where it is.
    Other(BufWriter<File>, PathBuf),
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Output {
        Output::Stdout { terminal: io::stdout().is_terminal() }
    }

    /// The file at `path`, or what a link there leads to.
    ///
    /// # Errors
    /// Why it cannot be written.
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

    /// Whether it would replace the store at `url`.
    pub fn replaces(&self, url: &StoreUrl) -> bool {
        match self {
            Output::Stdout { .. } => false,
            Output::File(file) => url.is_at(file.get_ref().to()),
            Output::Other(_, path) => url.is_at(path),
        }
    }

    /// Writes lines of JSON.
    pub fn put_json(&mut self, text: &str) -> Result<(), Exit> {
        match self {
            Output::Stdout { terminal: true } => print(plain_json(text).as_bytes()),
            _ => self.put(text),
        }
    }

    /// Writes rows of CSV.
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

    /// All is written: the file takes its place.
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
