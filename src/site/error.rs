//! Why a site cannot be used.

use super::BuiltIn;

/// Why a site file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Neither a built-in site nor a file.
    #[error(
        "no built-in site and no file is called `{name}`; built in: {known}; a path must end in .toml or contain a slash"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("{origin}: {error}")]
    Unreadable {
        /// The file.
        origin: String,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, or not the format of site files.
    #[error("{origin}:{line}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is wrong, or one is missing.
    #[error("{origin}{}: {key}: {message}", line.map_or_else(String::new, |line| format!(":{line}")))]
    Value {
        /// The file.
        origin: String,
        /// From 1; nothing where something is missing.
        line: Option<usize>,
        /// The key, with its table.
        key: String,
        /// What is wrong.
        message: String,
    },
}

impl SiteError {
    pub(super) fn unknown(name: &str) -> SiteError {
        let names: Vec<&str> = BuiltIn::ALL.iter().map(|site| site.name).collect();
        SiteError::Unknown { name: name.to_owned(), known: names.join(", ") }
    }
}
