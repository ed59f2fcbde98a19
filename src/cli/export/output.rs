//! Where an export goes: standard output, or a file that is replaced once all of it is there.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::exit::{Exit, failed};
use crate::cli::replacement::{beside, is_replaced};
use crate::cli::streams::print;
use crate::store::StoreUrl;
use crate::wording::{plain, plain_json};

/// See the module's text. A file is left as it was where the export is not finished.
pub enum Output {
    /// What goes to a terminal has no control characters.
    Stdout {
        terminal: bool,
    },
    File(Replacement),
}

/// A file that is written beside the one that it replaces.
pub struct Replacement {
    file: BufWriter<File>,
    /// Where it is written; nothing where there is nothing to replace, such as a pipe's name.
    beside: Option<PathBuf>,
    to: PathBuf,
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
        let to = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // Devices and pipes are written to: replacing them would take them away.
        let opened = match is_replaced(&to) {
            true => beside(&to).map(|(file, beside)| (file, Some(beside))),
            false => File::options().write(true).open(&to).map(|file| (file, None)),
        };
        let cannot = |error| format!("{} cannot be written: {error}", path.display());
        let (file, beside) = opened.map_err(cannot)?;
        Ok(Output::File(Replacement { file: BufWriter::new(file), beside, to }))
    }

    /// Whether it would replace the store at `url`.
    pub fn replaces(&self, url: &StoreUrl) -> bool {
        match self {
            Output::Stdout { .. } => false,
            Output::File(file) => url.is_at(&file.to),
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
                let written = file.file.write_all(text.as_bytes());
                written.map_err(|error| file.failed(error))
            }
        }
    }

    /// All is written: the file takes its place.
    pub fn finish(self) -> Result<(), Exit> {
        match self {
            Output::Stdout { .. } => Ok(()),
            Output::File(mut file) => file.replace().map_err(|error| file.failed(error)),
        }
    }
}

impl Replacement {
    fn replace(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let Some(beside) = &self.beside else { return Ok(()) };
        self.file.get_ref().sync_all()?;
        std::fs::rename(beside, &self.to)?;
        self.beside = None;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Exit {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::ReaderGone;
        }
        let error =
            Err::<(), _>(error).with_context(|| format!("{} cannot be written", self.to.display()));
        error.map_or_else(|error| failed(&error), |()| Exit::Complete)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // What is left of an export that did not come to its end; nothing hangs on it.
            let _ = std::fs::remove_file(beside);
        }
    }
}
