//! Explains SQLite's errors to users, with the file's name and what to do.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// Reason why a call of the database failed.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// SQLite failed.
    Sql(Error),
    /// The site's lock is not held.
    LockLost,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Sql(error)
    }
}

/// Explains a fault during a run.
pub fn explain_fault(path: &Path, fault: &Fault) -> StoreError {
    match fault {
        Fault::Sql(error) => explain(path, error),
        Fault::LockLost => StoreError::LockLost,
    }
}

/// Explains an error during a run.
pub fn explain(path: &Path, error: &Error) -> StoreError {
    let file = path.display();
    match error.sqlite_error_code() {
        _ if is_busy(error) => StoreError::Unavailable(format!(
            "{file} is locked: another program did not release it in time"
        )),
        Some(ErrorCode::NotADatabase) => StoreError::Unusable(format!(
            "{file} is not an SQLite database: name another file, or move this one away"
        )),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Unusable(format!(
            "{file} is damaged ({error}): restore it from a copy, or move it away and crawl again"
        )),
        Some(ErrorCode::DiskFull) => StoreError::Failed(format!(
            "{file} cannot grow, the disk is full: free some space and run again, the sweep is resumed"
        )),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::Failed(format!(
            "{file} may not be written ({error}): the file and its folder must be writable"
        )),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            StoreError::Failed(format!("{file} cannot be read or written: {error}"))
        }
        _ => StoreError::Failed(format!("{file}: {error}")),
    }
}

/// Returns `true` if another program holds the file's lock.
pub fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Explains an error while opening the file, which the user mostly has to fix.
pub fn explain_opening(path: &Path, error: &Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) {
        return StoreError::Unusable(why_not_opened(path, error));
    }
    match explain(path, error) {
        StoreError::Failed(message) => StoreError::Unusable(message),
        other => other,
    }
}

/// Finds out why a file cannot be opened. SQLite itself does not say.
fn why_not_opened(path: &Path, error: &Error) -> String {
    let file = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        return format!("{file} is a folder: name a file in it");
    }
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        return format!("{file} cannot be created: there is no folder {folder}; create it first");
    }
    let reason = match OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => error.to_string(),
        Err(reason) => reason.to_string(),
    };
    format!(
        "{file} cannot be opened ({reason}): the file and its folder must be writable, since \
         SQLite keeps two more files beside it"
    )
}

/// Returns why a row was refused, or `None` if the error is not that of the row alone.
pub fn rejection(error: &Error) -> Option<String> {
    match error.sqlite_error_code()? {
        ErrorCode::TooBig => Some("the document is longer than SQLite can hold".to_owned()),
        ErrorCode::ConstraintViolation => Some(format!("SQLite refused it: {error}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn error(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_kind_of_error_names_the_file() {
        let codes = [
            (ffi::SQLITE_BUSY, "unavailable"),
            (ffi::SQLITE_LOCKED, "unavailable"),
            (ffi::SQLITE_NOTADB, "unusable"),
            (ffi::SQLITE_CORRUPT, "unusable"),
            (ffi::SQLITE_FULL, "failed"),
            (ffi::SQLITE_IOERR_FSYNC, "failed"),
            (ffi::SQLITE_READONLY_DBMOVED, "failed"),
            (ffi::SQLITE_ERROR, "failed"),
        ];
        for (code, kind) in codes {
            let (found, message) = match explain(Path::new("my.db"), &error(code)) {
                StoreError::Unavailable(message) => ("unavailable", message),
                StoreError::Unusable(message) => ("unusable", message),
                StoreError::NotAdopted(message) | StoreError::Failed(message) => {
                    ("failed", message)
                }
                StoreError::Closed | StoreError::LockLost => ("closed", String::new()),
            };
            assert_eq!(found, kind, "{code}: {message}");
            assert!(message.contains("my.db"), "{message}");
        }
    }

    #[test]
    fn d3_only_what_is_the_rows_own_fault_is_a_rejection() {
        assert!(rejection(&error(ffi::SQLITE_TOOBIG)).is_some());
        assert!(rejection(&error(ffi::SQLITE_CONSTRAINT_TRIGGER)).is_some());
        assert!(rejection(&error(ffi::SQLITE_FULL)).is_none());
        assert!(rejection(&error(ffi::SQLITE_BUSY)).is_none());
    }
}
