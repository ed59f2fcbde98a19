//! Errors of site files.

use super::BuiltIn;
use super::variable::Missing;

/// Reason why a site cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Neither a built-in site nor a file.
    #[error(
        "there is no built-in site and no file `{name}`; built in: {known}; a path must end in .toml or contain a slash"
    )]
    Unknown {
        /// Name or path that was given.
        name: String,
        /// Names of the built-in sites.
        known: String,
    },
    /// The URL of a page instead of a site file.
    #[error(
        "SITE is a URL, but has to be a site file or a built-in site; `gleaner sites new URL` writes a first file for a list"
    )]
    IsUrl,
    /// The file cannot be read.
    #[error("{origin}: {error}")]
    Unreadable {
        /// Name of the file.
        origin: String,
        /// Error of the operating system.
        error: std::io::Error,
    },
    /// The file is not TOML, or not in the format of site files.
    #[error("{origin}:{line}: {message}")]
    Syntax {
        /// Name of the file.
        origin: String,
        /// Line of the error, from 1.
        line: usize,
        /// Description of the error.
        message: String,
    },
    /// A value is wrong or missing.
    #[error("{origin}{}: {key}: {message}", line.map_or_else(String::new, |line| format!(":{line}")))]
    Value {
        /// Name of the file.
        origin: String,
        /// Line of the value, from 1, or `None` if it is unknown.
        line: Option<usize>,
        /// Key, with its table.
        key: String,
        /// Description of the error.
        message: String,
    },
    /// A variable with a secret is not set.
    #[error(
        "{}:{}: the environment variable {} is not set, or is empty", .0.origin, .0.line, .0.name
    )]
    Variable(Missing),
}

impl SiteError {
    pub(super) fn unknown(name: &str) -> SiteError {
        let names: Vec<&str> = BuiltIn::ALL.iter().map(|site| site.name).collect();
        SiteError::Unknown { name: name.to_owned(), known: names.join(", ") }
    }
}
