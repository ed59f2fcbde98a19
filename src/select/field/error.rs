//! Errors of fields, safe to print on a terminal.

use super::Kind;
use crate::model::text::plain;
use crate::select::StepError;
use crate::select::budget::LimitError;

/// Maximum number of characters of a value that an error shows.
const SHOWN: usize = 60;

/// Reason why a field could not be taken. Values from the site are shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The field is required and missing.
    #[error("the page has no {0}, which is required")]
    Missing(String),
    /// The value cannot be converted.
    #[error("the field {name} should be {kind} but is {value}")]
    Conversion {
        /// Name of the field.
        name: String,
        /// Expected type.
        kind: Kind,
        /// Value on the page.
        value: String,
    },
    /// The text is too long to search with a regex.
    #[error("the field {0} is a text too long for its regex")]
    TooLong(String),
    /// The selector is a JSONPath and the page is HTML, or the other way round.
    #[error("the selector of the field {0} is not for pages of this format")]
    Format(String),
    /// The page exceeds a limit.
    #[error("the field {name} cannot be taken: {source}")]
    Page {
        /// Name of the field.
        name: String,
        /// The limit.
        source: LimitError,
    },
    /// A path with values in it is not a JSONPath.
    #[error("the field {name} cannot be taken: {message}")]
    Path {
        /// Name of the field.
        name: String,
        /// Description of the error.
        message: String,
    },
    /// A step of the selector cannot be applied.
    #[error("the field {name} cannot be taken: {source}")]
    Step {
        /// Name of the field.
        name: String,
        /// Reason.
        source: StepError,
    },
}

impl FieldError {
    /// Returns the name of the field.
    pub fn name(&self) -> &str {
        match self {
            FieldError::Missing(name)
            | FieldError::Conversion { name, .. }
            | FieldError::TooLong(name)
            | FieldError::Format(name)
            | FieldError::Page { name, .. }
            | FieldError::Path { name, .. }
            | FieldError::Step { name, .. } => name,
        }
    }

    /// Returns the error of a field within the field `outer`.
    pub fn within(mut self, outer: &str) -> FieldError {
        let (FieldError::Missing(name)
        | FieldError::Conversion { name, .. }
        | FieldError::TooLong(name)
        | FieldError::Format(name)
        | FieldError::Page { name, .. }
        | FieldError::Path { name, .. }
        | FieldError::Step { name, .. }) = &mut self;
        *name = format!("{outer}.{name}");
        self
    }

    /// Returns the reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            FieldError::Missing(_) => "require",
            FieldError::Page { .. } => "page",
            _ => "field",
        }
    }
}

/// Returns `value` in quotes, shortened and without control characters.
pub fn shown(value: &str) -> String {
    let short: String = value.chars().take(SHOWN).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    format!("\"{}{more}\"", plain(&short))
}
