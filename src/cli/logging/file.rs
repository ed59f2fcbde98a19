//! The log file. It is reopened when the file at its path was moved or deleted, so that a rotated
//! log does not continue in a file that nobody reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A log file that may be renamed or deleted while it is written.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the file for appending. A new file is readable by its owner only.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }

    /// Closes the file and opens the one at its path. If that fails, for example because the folder
    /// was deleted, the log continues in the open file.
    pub fn reopen(&self) {
        self.renew(&mut self.lock());
    }

    fn renew(&self, file: &mut File) {
        if let Ok(new) = append(&self.path) {
            *file = new;
        }
    }

    /// Returns true if the open file is still the one at its path.
    fn is_current(&self, file: &File) -> bool {
        let identity = |of: std::fs::Metadata| (of.dev(), of.ino());
        let here = std::fs::metadata(&self.path).map(identity);
        matches!((here, file.metadata().map(identity)), (Ok(here), Ok(open)) if here == open)
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each call writes one whole line.
impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut file = self.lock();
        if !self.is_current(&file) {
            self.renew(&mut file);
        }
        file.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_a_log_file_that_is_renamed_or_deleted_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        let log = LogFile::open(&at("log")).unwrap();
        let say = |line: &str| (&log).write_all(line.as_bytes()).unwrap();
        say("one\n");
        std::fs::rename(at("log"), at("log.1")).unwrap();
        log.reopen();
        assert_eq!(text("log"), "", "what rotates may compress the old one now");
        say("two\n");
        std::fs::remove_file(at("log")).unwrap();
        say("three\n");
        std::fs::rename(at("log"), at("log.2")).unwrap();
        std::fs::write(at("log"), "by logrotate\n").unwrap();
        say("four\n");
        assert_eq!((text("log.1"), text("log.2")), ("one\n".into(), "three\n".into()));
        assert_eq!(text("log"), "by logrotate\nfour\n");
    }

    #[test]
    fn s17_where_no_file_can_be_opened_the_log_goes_on_in_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let (old, moved) = (folder.path().join("logs"), folder.path().join("moved"));
        std::fs::create_dir(&old).unwrap();
        let log = LogFile::open(&old.join("log")).unwrap();
        std::fs::rename(&old, &moved).unwrap();
        log.reopen();
        (&log).write_all(b"kept\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved.join("log")).unwrap(), "kept\n");
    }
}
