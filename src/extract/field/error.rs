//! Why a field could not be taken, in words that a terminal can be given.

use super::Kind;
use crate::extract::budget::LimitError;
use crate::wording::plain;

/// Characters of a value that an error shows.
const SHOWN: usize = 60;

/// Why a field could not be taken. What the site sent is shown shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is required.
    #[error("the page has no {0}, which is required")]
    Missing(String),
    /// It is not what it should be.
    #[error("the field {name} should be {kind} but is {value}")]
    Conversion {
        /// The field.
        name: String,
        /// What was asked for.
        kind: Kind,
        /// What came.
        value: String,
    },
    /// A text is too long to be searched.
    #[error("the field {0} is a text too long for its regex")]
    TooLong(String),
    /// A JSONPath for an HTML page or the other way round.
    #[error("the selector of the field {0} is not for pages of this format")]
    Format(String),
    /// The page is beyond a limit.
    #[error("the field {name} cannot be taken: {source}")]
    Page {
        /// The field.
        name: String,
        /// The limit.
        source: LimitError,
    },
}

impl FieldError {
    /// The field.
    pub fn name(&self) -> &str {
        match self {
            FieldError::Missing(name)
            | FieldError::Conversion { name, .. }
            | FieldError::TooLong(name)
            | FieldError::Format(name)
            | FieldError::Page { name, .. } => name,
        }
    }

    /// The reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            FieldError::Missing(_) => "require",
            FieldError::Page { .. } => "page",
            _ => "field",
        }
    }
}

/// `value` short and without what a terminal obeys.
pub fn shown(value: &str) -> String {
    let short: String = value.chars().take(SHOWN).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    format!("\"{}{more}\"", plain(&short))
}
